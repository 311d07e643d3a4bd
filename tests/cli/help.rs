//! `--help` of every command, and of the program.

use std::process::Command;

use crate::support::binary;

fn help(arguments: &[&str]) -> String {
    let output = Command::new(binary()).args(arguments).arg("--help").env_clear().output().unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty());
    String::from_utf8(output.stdout).unwrap()
}

macro_rules! helps {
    ($($command:ident)*) => {
        $(#[test]
        fn $command() {
            insta::assert_snapshot!(help(&[stringify!($command)]));
        })*

        #[test]
        fn every_command_has_its_snapshot() {
            let text = help(&[]);
            let (_, after) = text.split_once("Commands:\n").unwrap();
            let listed = after.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
            assert_eq!(listed.collect::<Vec<_>>(), [$(stringify!($command)),*]);
        }
    };
}

helps! { copy sync migrate plan check ls run serve status history report init config cleanup doctor demo lab completions }

#[test]
fn brigade() {
    insta::assert_snapshot!(help(&[]));
}

#[test]
fn a_reader_who_leaves_early_is_no_error() {
    for command in ["completions zsh", "reference", "--help"] {
        let script = format!("\"$0\" {command} | true; echo ${{PIPESTATUS[0]}}");
        let output = Command::new("bash").args(["-c", &script]).arg(binary()).env_clear().output().unwrap();
        assert_eq!((output.stderr.as_slice(), output.stdout.as_slice()), (&b""[..], &b"0\n"[..]), "{command}");
    }
}

#[test]
fn completions_are_printed_for_every_shell() {
    for (shell, first) in [("bash", "_brigade() {"), ("zsh", "#compdef brigade"), ("fish", "# Print an optspec for argparse")] {
        let output = Command::new(binary()).args(["completions", shell]).env_clear().output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.lines().next().unwrap().starts_with(first), "{shell}: {text}");
        assert!(text.contains("server-side"));
    }
}
