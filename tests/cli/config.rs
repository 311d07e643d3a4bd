//! Every configuration that the project shows is one that the program understands.

use std::path::{Path, PathBuf};

use crate::support::{Lab, binary};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below a folder with this ending.
fn below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The blocks of a page that are fenced as TOML.
fn toml_blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in page.lines() {
        open = match open {
            Some(block) if line.trim_start().starts_with("```") => {
                blocks.push(block);
                None
            }
            Some(block) => Some(format!("{block}{line}\n")),
            None => line.trim_start().starts_with("```toml").then(String::new),
        };
    }
    blocks
}

/// Every configuration with the place where it stands.
fn configurations() -> Vec<(String, String)> {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let mut all: Vec<(String, String)> =
        below(&root().join("config"), "toml").iter().map(|path| (path.display().to_string(), read(path))).collect();
    let mut pages = below(&root().join("docs"), "md");
    pages.push(root().join("README.md"));
    for page in pages {
        let blocks = toml_blocks(&read(&page));
        all.extend(blocks.into_iter().enumerate().map(|(number, block)| (format!("{} block {}", page.display(), number + 1), block)));
    }
    all
}

/// What the program says of a configuration when it is asked for a location that cannot be.
async fn verdict(lab: &Lab, text: &str) -> String {
    let path = lab.path("shown.toml");
    std::fs::write(&path, text).unwrap();
    let mut command = tokio::process::Command::new(binary());
    command.args(["copy", "no-location", "no-location", "--config"]).arg(path).env_clear().env("HOME", lab.directory.path());
    let output = command.output().await.unwrap();
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_configuration_that_is_shown_is_understood() {
    let lab = Lab::start().await;
    let all = configurations();
    assert!(
        all.iter().any(|(place, _)| place.ends_with("config/brigade.toml")),
        "{:?}",
        all.iter().map(|(place, _)| place).collect::<Vec<_>>()
    );
    for (place, text) in all {
        let said = verdict(&lab, &text).await;
        assert!(said.contains("`no-location` is no location"), "{place}: {said}");
    }
    // The same question can be answered the other way.
    let said = verdict(&lab, "[stores.a]\nkind = \"s3\"\nregoin = \"x\"\n").await;
    assert!(said.contains("did you mean `region`?"), "{said}");
}

#[test]
fn blocks_are_found() {
    let page = "text\n```toml\na = 1\nb = 2\n```\n```sh\nc\n```\n```toml\nd = 3\n```\n";
    assert_eq!(toml_blocks(page), ["a = 1\nb = 2\n", "d = 3\n"]);
}
