//! Rules that look at one Rust file at a time.
//!
//! Each takes a `Source` and returns what it found, so that each can be shown a bad sample in the tests below: a rule that
//! cannot fail holds nothing.

use crate::source::Source;

/// Lines of logic in one file: more does not fit a head.
const LOGIC_LINES_MAX: usize = 500;

/// Lines of one file with its tests, or of a file of tests.
const TEST_LINES_MAX: usize = 800;

/// Where a test may sleep between two looks at a condition, under a deadline.
const WAITING_HELPER: &str = "tests/support/wait.rs";

/// Something that is not as the house wants it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// File and line.
    pub(crate) place: String,
    /// What is wrong, and what to do instead.
    pub(crate) message: String,
}

impl Finding {
    /// A finding at a byte of a source file.
    pub(crate) fn at(source: &Source, offset: usize, message: impl Into<String>) -> Finding {
        Finding { place: format!("{}:{}", source.path, source.line(offset)), message: message.into() }
    }

    /// A finding about a whole file.
    pub(crate) fn whole(path: &str, message: impl Into<String>) -> Finding {
        Finding { place: path.into(), message: message.into() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// A rule for one file.
pub(crate) type Rule = fn(&Source) -> Vec<Finding>;

/// All rules of this module, by name.
pub(crate) const RULES: &[(&str, Rule)] = &[
    ("files open with //!", opens_with_doc),
    ("files are short", is_short),
    ("no unwrap outside tests", no_unwrap),
    ("nothing unfinished", nothing_unfinished),
    ("foo.rs, never mod.rs", no_mod_rs),
    ("core is pure", core_is_pure),
    ("source and target have their names", plain_names),
    ("error messages are lower case", quiet_errors),
    ("tests do not sleep", no_sleep_in_tests),
];

/// A file opens with what it is, why it is shaped so and what it must never do.
pub(crate) fn opens_with_doc(source: &Source) -> Vec<Finding> {
    if source.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![Finding::at(source, 0, "the first line must be a `//! ` doc comment: what this file is")]
}

/// Logic up to 500 lines, with tests up to 800.
pub(crate) fn is_short(source: &Source) -> Vec<Finding> {
    let total = source.text.lines().count();
    let mut offset = 0;
    let mut logic = 0;
    for line in source.text.split_inclusive('\n') {
        logic += usize::from(!source.is_test(offset));
        offset += line.len();
    }
    let split = "split it into `foo.rs` and `foo/`";
    if logic > LOGIC_LINES_MAX {
        return vec![Finding::whole(&source.path, format!("{logic} lines of logic, at most {LOGIC_LINES_MAX}: {split}"))];
    }
    if total > TEST_LINES_MAX {
        return vec![Finding::whole(&source.path, format!("{total} lines with tests, at most {TEST_LINES_MAX}: {split}"))];
    }
    Vec::new()
}

/// Outside tests an `unwrap` hides which invariant is meant.
pub(crate) fn no_unwrap(source: &Source) -> Vec<Finding> {
    source
        .words("unwrap")
        .filter(|&at| source.code[at..].starts_with("unwrap()") && !source.is_test(at))
        .map(|at| Finding::at(source, at, "`unwrap()` outside tests: return the error, or `expect` the invariant"))
        .collect()
}

/// What is not done is an issue, not code.
pub(crate) fn nothing_unfinished(source: &Source) -> Vec<Finding> {
    let macros = ["todo!", "unimplemented!"].into_iter().flat_map(|word| source.words(word));
    let ignored = source.code.match_indices("#[ignore").map(|(at, _)| at);
    macros.chain(ignored).map(|at| Finding::at(source, at, "unfinished: write it, or leave it out and open an issue")).collect()
}

/// Ten tabs called `mod.rs` tell nothing.
pub(crate) fn no_mod_rs(source: &Source) -> Vec<Finding> {
    match source.path.ends_with("/mod.rs") {
        true => vec![Finding::whole(&source.path, "name it `foo.rs` beside `foo/`")],
        false => Vec::new(),
    }
}

/// What core must not reach: the world, the clock, chance. A seeded generator handed in by the caller is a value.
const IMPURE: &[&str] = &[
    "tokio",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "rand::rng",
    "rand::random",
    "rand::thread_rng",
    "from_os_rng",
    "from_entropy",
    "OsRng",
];

/// Core has no input, no output, no clock and no chance: the same values give the same answer.
pub(crate) fn core_is_pure(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("engine/core/src/") {
        return Vec::new();
    }
    let direct = IMPURE.iter().flat_map(|word| source.words(word).map(|at| (at, (*word).to_owned())));
    let grouped = source.words("use std::{").flat_map(|at| {
        let end = source.code[at..].find(';').map_or(source.code.len(), |length| at + length);
        let group = &source.code[at..end];
        IMPURE
            .iter()
            .filter_map(|word| word.strip_prefix("std::"))
            .filter(|word| group.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|part| part == *word))
            .map(|word| (at, format!("std::{word}")))
            .collect::<Vec<_>>()
    });
    direct
        .chain(grouped)
        .filter(|(at, _)| !source.is_test(*at))
        .map(|(at, word)| Finding::at(source, at, format!("core is pure: take what `{word}` gives as an argument")))
        .collect()
}

/// The two ends are `source` and `target` everywhere, so that one search finds all.
pub(crate) fn plain_names(source: &Source) -> Vec<Finding> {
    source
        .identifiers()
        .filter(|(_, name)| name_words(name).any(|word| matches!(word.as_str(), "src" | "dst" | "dest")))
        .map(|(at, name)| Finding::at(source, at, format!("`{name}`: say `source` or `target`")))
        .collect()
}

/// The words of `snake_case`, `SCREAMING_CASE` and `CamelCase` names, in lower case.
fn name_words(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for c in name.chars() {
        if c == '_' || (c.is_ascii_uppercase() && lower_before) {
            words.push(String::new());
        }
        if c != '_'
            && let Some(last) = words.last_mut()
        {
            last.push(c.to_ascii_lowercase());
        }
        lower_before = c.is_ascii_lowercase();
    }
    words.into_iter()
}

/// A message is a clause that others continue: it starts small and ends without a full stop. `S3` and `XML` are names.
pub(crate) fn quiet_errors(source: &Source) -> Vec<Finding> {
    source
        .code
        .match_indices("#[error(")
        .filter_map(|(at, open)| {
            let start = at + open.len();
            let message = source.code_and_literals[start..].trim_start().strip_prefix('"')?;
            let message = &message[..message.find('"')?];
            let mut letters = message.chars();
            let shouts = letters.next().is_some_and(char::is_uppercase) && letters.next().is_some_and(char::is_lowercase);
            let stops = message.ends_with('.') && !message.ends_with("..");
            (shouts || stops).then(|| Finding::at(source, at, format!("`{message}`: start in lower case, end without a full stop")))
        })
        .collect()
}

/// A test that sleeps is slow when all is well and wrong when the machine is busy.
pub(crate) fn no_sleep_in_tests(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("tests/") || source.path == WAITING_HELPER {
        return Vec::new();
    }
    ["thread::sleep", "time::sleep"]
        .into_iter()
        .flat_map(|word| source.words(word))
        .map(|at| Finding::at(source, at, format!("wait for a condition with a deadline ({WAITING_HELPER}), never for time to pass")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{RULES, name_words};
    use crate::source::Source;

    /// How many findings the rule called `name` has in `text` at `path`.
    fn count(name: &str, path: &str, text: &str) -> usize {
        let (_, rule) = RULES.iter().find(|(known, _)| *known == name).expect("the rule exists");
        rule(&Source::new(path, text)).len()
    }

    const LIB: &str = "engine/store/src/a.rs";
    const CORE: &str = "engine/core/src/a.rs";

    #[test]
    fn files_open_with_a_doc_comment() {
        let rule = "files open with //!";
        assert_eq!(count(rule, LIB, "//! A thing.\n"), 0);
        assert_eq!(count(rule, LIB, "use a;\n//! A thing.\n"), 1);
        assert_eq!(count(rule, LIB, ""), 1);
    }

    #[test]
    fn files_are_short() {
        let rule = "files are short";
        let tests = |lines: usize| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "x;\n".repeat(lines));
        assert_eq!(count(rule, LIB, &"x;\n".repeat(500)), 0);
        assert_eq!(count(rule, LIB, &"x;\n".repeat(501)), 1);
        assert_eq!(count(rule, LIB, &("x;\n".repeat(400) + &tests(300))), 0);
        assert_eq!(count(rule, LIB, &("x;\n".repeat(400) + &tests(398))), 1);
        assert_eq!(count(rule, "tests/a/main.rs", &"x;\n".repeat(801)), 1);
    }

    #[test]
    fn unwrap_is_for_tests() {
        let rule = "no unwrap outside tests";
        assert_eq!(count(rule, LIB, "fn a() { b.unwrap(); }"), 1);
        assert_eq!(count(rule, LIB, "fn a() { b.unwrap_or(1); } // unwrap()"), 0);
        assert_eq!(count(rule, LIB, "#[cfg(test)]\nmod tests { fn a() { b.unwrap(); } }"), 0);
        assert_eq!(count(rule, LIB, "#[test]\nfn t() {}\nfn a() { b.unwrap(); }"), 1);
    }

    #[test]
    fn nothing_is_left_unfinished() {
        let rule = "nothing unfinished";
        assert_eq!(count(rule, LIB, "fn a() { todo!() }"), 1);
        assert_eq!(count(rule, "tests/a/main.rs", "#[test]\n#[ignore = \"later\"]\nfn a() { unimplemented!() }"), 2);
        assert_eq!(count(rule, LIB, "// todo!\nfn a() { \"todo!\" }"), 0);
    }

    #[test]
    fn modules_have_their_own_name() {
        assert_eq!(count("foo.rs, never mod.rs", "engine/store/src/a/mod.rs", ""), 1);
        assert_eq!(count("foo.rs, never mod.rs", "engine/store/src/a.rs", ""), 0);
    }

    #[test]
    fn core_reaches_nothing() {
        let rule = "core is pure";
        for bad in [
            "use tokio::sync::Mutex;",
            "fn a() { std::fs::read(p) }",
            "use std::{collections::BTreeMap, fs};",
            "use std::{\n    io::Read,\n    net::{IpAddr, TcpStream},\n};",
            "fn a() { jiff::Timestamp::now() }",
            "fn a() { SystemTime::now() }",
            "fn a() { rand::random() }",
            "fn a() { rand::rng() }",
        ] {
            assert_eq!(count(rule, CORE, bad), 1, "{bad}");
            assert_eq!(count(rule, LIB, bad), 0, "{bad}");
        }
        assert_eq!(count(rule, CORE, "use rand::Rng;\nfn a(now: Timestamp, rng: &mut impl Rng) {}\nuse std::{fmt, sync::Arc};"), 0);
        assert_eq!(count(rule, CORE, "#[cfg(test)]\nmod tests { fn a() { std::fs::read(p) } }"), 0);
    }

    #[test]
    fn source_and_target_are_spelled_out() {
        let rule = "source and target have their names";
        for bad in ["let src = 1;", "fn copy_src() {}", "struct DstKey;", "let dest_path = 1;", "const MAX_DST: u8 = 1;"] {
            assert_eq!(count(rule, LIB, bad), 1, "{bad}");
        }
        assert_eq!(count(rule, LIB, "let source = destination(); // src\nlet x = \"src\"; let destiny = srcset;"), 0);
        assert_eq!(name_words("copyDestURL_now").collect::<Vec<_>>(), ["copy", "dest", "url", "now"]);
    }

    #[test]
    fn errors_are_quiet() {
        let rule = "error messages are lower case";
        assert_eq!(count(rule, LIB, "#[error(\"Cannot read {0}\")]"), 1);
        assert_eq!(count(rule, LIB, "#[error(\"cannot read.\")]"), 1);
        assert_eq!(count(rule, LIB, "#[error(\"cannot read {0}\")]\n#[error(\"XML is cut\")]\n#[error(transparent)]"), 0);
    }

    #[test]
    fn tests_wait_for_conditions() {
        let rule = "tests do not sleep";
        assert_eq!(count(rule, "tests/a/main.rs", "fn a() { std::thread::sleep(d); tokio::time::sleep(d).await; }"), 2);
        assert_eq!(count(rule, super::WAITING_HELPER, "fn a() { std::thread::sleep(d); }"), 0);
    }
}
