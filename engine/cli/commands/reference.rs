//! `reference`: the command line as a Markdown page, made from what clap itself knows. `docs/CLI.md` is this page; a test
//! regenerates and compares it, so the page cannot say what the program does not do.
//!
//! Groups of options that several commands share are printed once, after the commands.

use std::fmt::Write;
use std::process::ExitCode;

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Command, CommandFactory};

use crate::args::Cli;
use crate::say;

/// Heading of options that stand under none.
const OWN: &str = "Own options";

/// Prints the page.
pub fn run() -> ExitCode {
    say!("{}", page().trim_end());
    ExitCode::SUCCESS
}

/// Options of one command under one heading.
#[derive(PartialEq, Eq)]
struct Group {
    heading: String,
    table: String,
}

fn page() -> String {
    let mut root = Cli::command();
    root.build();
    let everywhere = global_table(&root);
    let commands: Vec<&Command> = root.get_subcommands().filter(|command| !command.is_hide_set()).flat_map(leaves).collect();
    let groups: Vec<Vec<Group>> = commands.iter().map(|command| groups(command)).collect();
    let uses = |group: &Group| groups.iter().flatten().filter(|other| *other == group).count();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = opening(&mut text, &root, &commands);
    for (command, own) in commands.iter().zip(&groups) {
        let _ = section(&mut text, command, own, &uses);
    }
    let _ = writeln!(text, "## Options that commands share\n\n### Everywhere\n\n{everywhere}");
    let mut printed: Vec<&Group> = Vec::new();
    for group in groups.iter().flatten() {
        if group.heading != OWN && uses(group) > 1 && !printed.contains(&group) {
            let _ = writeln!(text, "### {}\n\n{}", group.heading, group.table);
            printed.push(group);
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A command, or those that stand below it.
fn leaves(command: &Command) -> Vec<&Command> {
    let below: Vec<&Command> = command.get_subcommands().filter(|below| below.get_name() != "help").collect();
    if below.is_empty() { vec![command] } else { below }
}

/// What is typed after `brigade`.
fn typed(command: &Command) -> String {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    name.strip_prefix("brigade ").unwrap_or(name).to_owned()
}

fn opening(text: &mut String, root: &Command, commands: &[&Command]) -> std::fmt::Result {
    writeln!(text, "# The command line\n")?;
    writeln!(text, "<!-- Made by `brigade reference`; do not edit. Anew: BRIGADE_REGENERATE=1 cargo test --test cli reference -->\n")?;
    writeln!(text, "{}\n", prose(root.get_long_about().or(root.get_about())))?;
    writeln!(text, "| command | does |\n| --- | --- |")?;
    for command in commands {
        let name = typed(command);
        writeln!(text, "| [`brigade {name}`](#brigade-{}) | {} |", anchor(&name), cell(&prose(command.get_about())))?;
    }
    writeln!(
        text,
        "\nExit codes: 0 done; 1 finished, but some objects failed, were skipped or differ; 2 could not run, or a guard refused: nothing was \
         deleted; 3 a recovery point is breached (`status`, `run`); 130 interrupted: give the same command again.\n"
    )
}

fn section(text: &mut String, command: &Command, groups: &[Group], uses: &dyn Fn(&Group) -> usize) -> std::fmt::Result {
    let name = typed(command);
    writeln!(text, "## brigade {name}\n\n{}.\n", prose(command.get_long_about().or(command.get_about())))?;
    let places: Vec<String> = command.get_positionals().map(positional).collect();
    writeln!(text, "```text\n{}\n```\n", format!("brigade {name} [OPTIONS] {}", places.join(" ")).trim_end())?;
    let own = |group: &&Group| group.heading == OWN || uses(group) == 1;
    for group in groups.iter().filter(own) {
        writeln!(text, "{}:\n\n{}", group.heading, group.table)?;
    }
    let shared: Vec<String> = groups
        .iter()
        .filter(|group| !own(group))
        .map(|group| group.heading.clone())
        .chain(["Everywhere".to_owned()])
        .map(|heading| format!("[{heading}](#{})", anchor(&heading)))
        .collect();
    writeln!(text, "Also: {}.\n", shared.join(" · "))
}

/// The options of a command by heading, in the order in which `--help` has them.
fn groups(command: &Command) -> Vec<Group> {
    let mut found: Vec<(String, Vec<&Arg>)> = Vec::new();
    for option in command.get_arguments().filter(|arg| shown(arg) && !arg.is_global_set()) {
        let heading = option.get_help_heading().unwrap_or(OWN).to_owned();
        match found.iter_mut().find(|(known, _)| *known == heading) {
            Some((_, options)) => options.push(option),
            None => found.push((heading, vec![option])),
        }
    }
    found.into_iter().map(|(heading, options)| Group { heading, table: table(&options) }).collect()
}

fn global_table(root: &Command) -> String {
    let options: Vec<&Arg> = root.get_arguments().filter(|arg| arg.is_global_set()).collect();
    table(&options)
}

/// Whether an argument is an option that the page explains: `--help` and `--version` explain themselves.
fn shown(arg: &Arg) -> bool {
    !arg.is_positional() && !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version")
}

fn table(options: &[&Arg]) -> String {
    let mut text = String::from("| option | does | default |\n| --- | --- | --- |\n");
    for option in options {
        let _ = writeln!(text, "| `{}` | {} | {} |", spelling(option), cell(&meaning(option)), cell(&default(option)));
    }
    text
}

fn spelling(option: &Arg) -> String {
    let mut text = option.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let _ = write!(text, "--{}", option.get_long().unwrap_or_default());
    if option.get_action().takes_values() {
        let names = option.get_value_names().unwrap_or_default();
        let _ = write!(text, " {}", names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" "));
    }
    text
}

fn meaning(option: &Arg) -> String {
    let mut text = prose(option.get_help());
    if matches!(option.get_action(), ArgAction::Append) {
        text.push_str(" (may be given more than once)");
    }
    let values: Vec<String> = option
        .get_possible_values()
        .iter()
        .filter(|_| option.get_action().takes_values())
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}` {}", value.get_name(), prose(Some(help)).trim_end_matches('.')),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if !values.is_empty() {
        let _ = write!(text, ": {}", values.join("; "));
    }
    text
}

fn default(option: &Arg) -> String {
    let values: Vec<String> = option.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if option.get_action().takes_values() { values.join(", ") } else { String::new() }
}

fn positional(place: &Arg) -> String {
    let name = place.get_value_names().and_then(|names| names.first()).map(|name| name.as_str()).unwrap_or(place.get_id().as_str());
    let many = place.get_num_args().is_some_and(|range| range.max_values() > 1);
    format!("<{}>{}", name.to_uppercase(), if many { "..." } else { "" })
}

fn prose(help: Option<&StyledStr>) -> String {
    help.map(ToString::to_string).unwrap_or_default()
}

/// Text that cannot end a table's cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// The anchor that a heading has on the page.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).collect::<String>();
    kept.replace(' ', "-")
}
