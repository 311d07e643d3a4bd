//! Rules about pages: links lead somewhere, promises have tests, nothing names a place that only one machine has.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::Finding;
use crate::source::Source;

/// Where the promises are written.
pub(crate) const SAFETY: &str = "docs/SAFETY.md";

/// Promises p01..p14 of the design that must be written down, each with a test that bears its name.
const PROMISES: std::ops::RangeInclusive<u8> = 1..=14;

/// Checks that each promise is on the page and has a test `fn pNN_...`.
pub(crate) fn promises(safety: &str, sources: &[Source]) -> Vec<Finding> {
    let tested: BTreeSet<u8> = sources.iter().flat_map(promise_tests).collect();
    let mut findings = Vec::new();
    for promise in PROMISES {
        let name = format!("p{promise:02}");
        if !safety.contains(&name) {
            findings.push(Finding::whole(SAFETY, format!("promise {name} is not on the page")));
        }
        if !tested.contains(&promise) {
            findings.push(Finding::whole(SAFETY, format!("promise {name} has no test `fn {name}_...`")));
        }
    }
    findings
}

/// Numbers of the promises that tests of this file bear in their names.
fn promise_tests(source: &Source) -> Vec<u8> {
    source
        .words("fn")
        .filter_map(|at| {
            let name = source.code[at + "fn".len()..].trim_start().strip_prefix('p')?;
            let number = name.get(..2)?.parse().ok()?;
            (name.get(2..3) == Some("_") && source.is_test(at)).then_some(number)
        })
        .collect()
}

/// A link of a page: its line and where it leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Counted from 1.
    pub(crate) line: usize,
    /// As written, without a title.
    pub(crate) to: String,
}

/// The inline links and link definitions of a page, without those in code.
pub(crate) fn links(page: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (line, text) in prose(page) {
        let mut rest = text.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let Some((inside, next)) = after.split_once(')') else { break };
            links.push(Link { line, to: inside.split_whitespace().next().unwrap_or_default().to_owned() });
            rest = next;
        }
        if let Some((_, to)) = text.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            links.push(Link { line, to: to.split_whitespace().next().unwrap_or_default().to_owned() });
        }
    }
    links
}

/// Lines outside fenced code, numbered, with the insides of `code` spans taken out.
fn prose(page: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (index, text) in page.lines().enumerate() {
        if text.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let spans = text.split('`').enumerate();
            let bare: Vec<&str> = spans.filter(|(turn, _)| turn % 2 == 0).map(|(_, span)| span).collect();
            lines.push((index + 1, bare.join("``")));
        }
    }
    lines
}

/// Anchors of a page's headings, as hosts make them: lower case, spaces to hyphens, punctuation dropped.
pub(crate) fn anchors(page: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let mut anchors = BTreeSet::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let title = line.trim_start_matches('#');
        if fenced || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let keep = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let anchor: String = title.trim().to_lowercase().chars().filter(keep).map(|c| if c == ' ' { '-' } else { c }).collect();
        let times = seen.entry(anchor.clone()).or_default();
        anchors.insert(if *times == 0 { anchor } else { format!("{anchor}-{times}") });
        *times += 1;
    }
    anchors
}

/// Checks the links of the page at `path`. `read` gives the text of a file or folder below the root (a folder: empty), or nothing.
pub(crate) fn check_links(path: &str, page: &str, read: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for link in links(page) {
        let abroad = link.to.contains("://") || link.to.starts_with("mailto:");
        if abroad {
            continue;
        }
        let (file, anchor) = link.to.split_once('#').unwrap_or((&link.to, ""));
        let text = if file.is_empty() { Some(page.to_owned()) } else { resolve(path, file).and_then(|file| read(&file)) };
        let place = format!("{path}:{}", link.line);
        match text {
            None => findings.push(Finding { place, message: format!("`{}` leads nowhere", link.to) }),
            Some(text) if !anchor.is_empty() && file_is_page(file) && !anchors(&text).contains(anchor) => {
                findings.push(Finding { place, message: format!("`{}`: no such heading", link.to) });
            }
            Some(_) => {}
        }
    }
    findings
}

fn file_is_page(file: &str) -> bool {
    file.is_empty() || file.ends_with(".md")
}

/// `link`, seen from the page at `path`, as a path below the root; none if it leaves the root.
fn resolve(path: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The project stands alone: it names no folder outside its own root.
pub(crate) fn stands_alone(path: &str, text: &str) -> Vec<Finding> {
    let foreign = [concat!("..", "/shared"), concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| foreign.iter().find(|word| names(line, word)).map(|word| (index, word)))
        .map(|(index, word)| Finding { place: format!("{path}:{}", index + 1), message: format!("`{word}` is a place of one machine") })
        .collect()
}

/// Does `line` hold `word` as the start of a path, and not within a longer one?
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '/' | '_' | '-' | '}' | '*'))
    })
}

#[cfg(test)]
mod tests {
    use super::{Link, PROMISES, anchors, check_links, links, promises, stands_alone};
    use crate::source::Source;

    fn all_tests(without: u8) -> Vec<Source> {
        let text: String =
            PROMISES.filter(|promise| *promise != without).map(|promise| format!("#[test]\nfn p{promise:02}_holds() {{}}\n")).collect();
        vec![Source::new("engine/x/src/a.rs", &text)]
    }

    fn page(without: u8) -> String {
        PROMISES.filter(|promise| *promise != without).map(|promise| format!("- **p{promise:02}** holds\n")).collect()
    }

    #[test]
    fn a_promise_needs_its_page_and_its_test() {
        assert_eq!(promises(&page(0), &all_tests(0)), []);
        assert_eq!(promises(&page(3), &all_tests(0)).len(), 1);
        assert_eq!(promises(&page(0), &all_tests(3)).len(), 1);
        let not_a_test = Source::new("engine/x/src/b.rs", "fn p03_helper() {}");
        assert_eq!(promises(&page(0), &[all_tests(3), vec![not_a_test]].concat_all()).len(), 1);
    }

    trait ConcatAll {
        fn concat_all(self) -> Vec<Source>;
    }

    impl<const N: usize> ConcatAll for [Vec<Source>; N] {
        fn concat_all(self) -> Vec<Source> {
            self.into_iter().flatten().collect()
        }
    }

    #[test]
    fn links_are_read_outside_code_only() {
        let text = "a [b](c.md) `[d](e.md)` [f](g.md#h \"title\")\n```\n[i](j.md)\n```\n[k]: l.md\n";
        let expected = [(1, "c.md"), (1, "g.md#h"), (5, "l.md")].map(|(line, to)| Link { line, to: to.into() });
        assert_eq!(links(text), expected);
    }

    #[test]
    fn a_link_leads_to_a_file_and_a_heading() {
        let read = |path: &str| match path {
            "docs/A.md" => Some("# The one idea\n## Proof, then delete!\n".to_owned()),
            "docs" => Some(String::new()),
            _ => None,
        };
        let count = |text: &str| check_links("docs/decisions/0001-x.md", text, read).len();
        assert_eq!(count("[a](../A.md) [a](../A.md#proof-then-delete) [b](https://x.test/y) [c](..) [d](#here)\n# Here"), 0);
        assert_eq!(count("[a](A.md)"), 1);
        assert_eq!(count("[a](../A.md#missing)"), 1);
        assert_eq!(count("[a](../../../outside.md)"), 1);
        assert_eq!(count("[d](#nowhere)"), 1);
        assert!(anchors("# A\n# A\n").contains("a-1"));
    }

    #[test]
    fn places_of_one_machine_are_found() {
        let foreign = [concat!("see ..", "/shared/X.md"), concat!("at /wo", "rk/main"), concat!("(/ro", "ot/.cargo)")];
        for text in foreign {
            assert_eq!(stands_alone("README.md", text).len(), 1, "{text}");
        }
        assert_eq!(stands_alone("README.md", "net/work/x, shared/x, ./work/y").len(), 0);
    }
}
