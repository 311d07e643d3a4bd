//! House rules that neither the compiler nor clippy holds, checked on every file of the project.
//!
//! The standard library only, so that the rules run before anything else is built. Each rule is proven on bad samples in its
//! own module; the tests here show every finding in the tree at once, not the first. They must never change a file.

mod docs;
mod floors;
mod rules;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use rules::Finding;
use source::Source;

/// Folders that hold no text of ours.
const SKIPPED: &[&str] = &["target", "node_modules", "corpus", "artifacts", "__pycache__"];

/// Endings of files that are read as text.
const TEXT: &[&str] = &["rs", "md", "toml", "sh", "py", "yml", "yaml", "service", "json", "html", "txt"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Paths of all files below the root that are ours, with `/`, in order.
fn files() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(root())];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(&folder).expect("a folder of the project can be read") {
            let path = item.expect("a folder of the project can be read").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if path.is_symlink() || SKIPPED.contains(&name.as_str()) || (name.starts_with('.') && name != ".ci" && name != ".config") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let below = path.strip_prefix(root()).expect("it was found below the root");
                found.push(below.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

fn read(path: &str) -> String {
    String::from_utf8_lossy(&fs::read(root().join(path)).expect("a file of the project can be read")).into_owned()
}

/// Text of a file below the root; empty for a folder; nothing if there is neither.
fn read_if_there(path: &str) -> Option<String> {
    let path = root().join(path);
    if path.is_dir() { Some(String::new()) } else { fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()) }
}

fn ending(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, ending)| ending)
}

/// Every Rust file; those that hold a `#[cfg(test)] mod` of another file are marked as test code.
fn sources() -> Vec<Source> {
    let paths = files().into_iter().filter(|path| ending(path) == "rs");
    let mut sources: Vec<Source> = paths.map(|path| Source::new(&path, &read(&path))).collect();
    let test_files: Vec<String> =
        sources.iter().flat_map(|source| source.test_modules().into_iter().map(|name| module_path(&source.path, &name))).collect();
    for source in &mut sources {
        let below = |file: &String| source.path.starts_with(&format!("{}/", file.trim_end_matches(".rs")));
        if test_files.contains(&source.path) || test_files.iter().any(below) {
            source.mark_as_test();
        }
    }
    sources
}

/// The file of module `name` declared in the file at `path`.
fn module_path(path: &str, name: &str) -> String {
    let stem = path.trim_end_matches(".rs");
    let (folder, file) = stem.rsplit_once('/').unwrap_or(("", stem));
    if matches!(file, "lib" | "main") { format!("{folder}/{name}.rs") } else { format!("{stem}/{name}.rs") }
}

fn assert_none(findings: Vec<Finding>) {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} findings:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn rust_files_keep_the_house_rules() {
    let sources = sources();
    assert!(sources.len() > 5, "the walk found only {} Rust files", sources.len());
    let mut findings = Vec::new();
    for (name, rule) in rules::RULES {
        for mut finding in sources.iter().flat_map(rule) {
            finding.message = format!("{} [{name}]", finding.message);
            findings.push(finding);
        }
    }
    assert_none(findings);
}

#[test]
fn crates_stand_on_their_floors() {
    let manifests: Vec<String> = files().into_iter().filter(|path| path.starts_with("engine/") && path.ends_with("/Cargo.toml")).collect();
    assert!(manifests.len() > 5, "the walk found only {manifests:?}");
    assert_none(manifests.iter().flat_map(|path| floors::check(path, &read(path))).collect());
}

#[test]
fn links_lead_somewhere() {
    let pages = files().into_iter().filter(|path| ending(path) == "md");
    assert_none(pages.flat_map(|path| docs::check_links(&path, &read(&path), read_if_there)).collect());
}

#[test]
fn every_promise_has_a_test_of_its_name() {
    let safety = read_if_there(docs::SAFETY).unwrap_or_default();
    assert_none(docs::promises(&safety, &sources()));
}

#[test]
fn the_project_stands_alone() {
    let texts = files().into_iter().filter(|path| TEXT.contains(&ending(path)));
    assert_none(texts.flat_map(|path| docs::stands_alone(&path, &read(&path))).collect());
}

#[test]
fn test_modules_are_found_in_their_files() {
    assert_eq!(module_path("engine/x/src/lib.rs", "tests"), "engine/x/src/tests.rs");
    assert_eq!(module_path("engine/x/src/a.rs", "samples"), "engine/x/src/a/samples.rs");
}
