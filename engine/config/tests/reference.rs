//! `docs/CONFIG.md` is what the table of keys says: a stale page fails here.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use std::path::Path;

/// Set to write the page anew instead of comparing it.
const REGENERATE: &str = "BRIGADE_REGENERATE";

#[test]
fn the_configuration_page_is_up_to_date() {
    let made = brigade_config::reference();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/CONFIG.md");
    if std::env::var_os(REGENERATE).is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    let first = made.lines().zip(page.lines()).find(|(new, old)| new != old);
    assert!(made == page, "docs/CONFIG.md is stale: {first:?}\nwrite it anew with {REGENERATE}=1");
}

#[test]
fn every_key_is_explained_and_stands_once() {
    for table in brigade_config::keys::ALL {
        let mut names: Vec<&str> = table.names().collect();
        assert!(table.keys.iter().all(|key| !key.does.is_empty()), "{}", table.header);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), table.keys.len(), "{}", table.header);
    }
}
