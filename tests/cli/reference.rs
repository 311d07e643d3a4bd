//! `docs/CLI.md` is what the program itself prints: a stale page fails here.

use std::path::Path;
use std::process::Command;

use crate::support::binary;

/// Set to write the page anew instead of comparing it.
const REGENERATE: &str = "BRIGADE_REGENERATE";

#[test]
fn reference_page_is_up_to_date() {
    let output = Command::new(binary()).arg("reference").env_clear().output().unwrap();
    assert!(output.status.success());
    let made = String::from_utf8(output.stdout).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CLI.md");
    if std::env::var_os(REGENERATE).is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    let first = made.lines().zip(page.lines()).find(|(new, old)| new != old);
    assert!(made == page, "docs/CLI.md is stale: {first:?}\nwrite it anew with {REGENERATE}=1 cargo test --test cli reference");
}
