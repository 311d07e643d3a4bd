//! Which crate may stand on which: Cargo forbids cycles, this forbids short cuts.
//!
//! Reads the manifests as text; the few shapes that Cargo allows for a dependency are all known here. Development
//! dependencies are free: a test may use anything.

use crate::rules::Finding;

/// The floors: a crate of the engine and the crates of the engine it may use.
pub(crate) const FLOORS: &[(&str, &[&str])] = &[
    ("brigade-core", &[]),
    ("brigade-config", &["brigade-core"]),
    ("brigade-store", &["brigade-core"]),
    ("brigade-manifest", &["brigade-core"]),
    ("brigade-state", &["brigade-core", "brigade-store", "brigade-manifest"]),
    ("brigade-inventory", &["brigade-core", "brigade-store", "brigade-manifest"]),
    ("brigade-http", &["brigade-core", "brigade-store"]),
    ("brigade-s3", &["brigade-core", "brigade-store", "brigade-http", "brigade-s3-xml"]),
    ("brigade-s3-xml", &["brigade-core"]),
    ("brigade-gcs", &["brigade-core", "brigade-store", "brigade-http"]),
    ("brigade-local", &["brigade-core", "brigade-store"]),
    ("brigade-pipeline", &["brigade-core", "brigade-store", "brigade-state"]),
    ("brigade-lab", &["brigade-core", "brigade-store", "brigade-state"]),
    ("brigade-fleet", &["brigade-core", "brigade-store", "brigade-state", "brigade-pipeline"]),
    ("brigade-service", &["brigade-core", "brigade-config", "brigade-state"]),
];

/// What only the command line may use: arguments, bars, exit reports, the allocator and where logs go are decided once, at the top.
const TOP_ONLY: &[&str] = &["anyhow", "clap", "clap_complete", "indicatif", "tikv-jemallocator", "tracing-subscriber"];

/// What core may not use at all: every one of these reaches the world.
const NOT_IN_CORE: &[&str] = &["tokio", "hyper", "http", "reqwest", "rusqlite", "async-trait", "futures"];

/// A manifest, as far as the floors go.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// `package.name`.
    pub(crate) name: String,
    /// Names in `[dependencies]` and `[build-dependencies]`, for every platform.
    pub(crate) dependencies: Vec<String>,
}

/// Reads the name and the dependencies of a manifest.
pub(crate) fn parse(text: &str) -> Manifest {
    let mut manifest = Manifest::default();
    let mut table = String::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = name.trim().to_owned();
            if let Some((kind, name)) = table.rsplit_once('.')
                && is_dependency_table(kind)
            {
                manifest.dependencies.push(unquoted(name));
            }
        } else if let Some((key, value)) = line.split_once('=') {
            if table == "package" && key.trim() == "name" {
                manifest.name = unquoted(value);
            } else if is_dependency_table(&table) {
                let renamed = value.split_once("package").and_then(|(_, rest)| rest.split('"').nth(1));
                let name = key.split('.').next().unwrap_or_default();
                manifest.dependencies.push(renamed.map_or_else(|| unquoted(name), str::to_owned));
            }
        }
    }
    manifest
}

fn is_dependency_table(table: &str) -> bool {
    let last = table.rsplit('.').next().unwrap_or_default();
    let whole = table == last || table.starts_with("target.");
    whole && (last == "dependencies" || last == "build-dependencies")
}

fn unquoted(text: &str) -> String {
    text.trim().trim_matches(['"', '\'']).to_owned()
}

/// Checks one manifest of `engine/`.
pub(crate) fn check(path: &str, text: &str) -> Vec<Finding> {
    let manifest = parse(text);
    let Some((_, allowed)) = FLOORS.iter().find(|(name, _)| *name == manifest.name) else {
        return vec![Finding::whole(path, format!("`{}` has no floor: give it one in tests/tidy/floors.rs", manifest.name))];
    };
    let is_core = manifest.name == "brigade-core";
    let mut findings = Vec::new();
    for name in &manifest.dependencies {
        let name = name.as_str();
        if name.starts_with("brigade") && !allowed.contains(&name) {
            findings.push(Finding::whole(path, format!("`{}` may not use `{name}`: it stands on {allowed:?}", manifest.name)));
        }
        if TOP_ONLY.contains(&name) {
            findings.push(Finding::whole(path, format!("`{name}` belongs to the command line only")));
        }
        if is_core && NOT_IN_CORE.contains(&name) {
            findings.push(Finding::whole(path, format!("core is pure: `{name}` is not")));
        }
    }
    if !text.lines().any(|line| line.trim() == "[lints]") {
        findings.push(Finding::whole(path, "add `[lints]` with `workspace = true`"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{FLOORS, check, parse};

    fn manifest(name: &str, rest: &str) -> String {
        format!("[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n{rest}")
    }

    #[test]
    fn every_shape_of_a_dependency_is_read() {
        let text = manifest(
            "brigade-x",
            "[dependencies]\na.workspace = true # first\nb = \"1\"\nc = { version = \"1\", package = \"c-real\" }\n[dependencies.d]\nversion = \"1\"\n\
             [target.'cfg(unix)'.dependencies]\ne = \"1\"\n[build-dependencies]\nf = \"1\"\n[dev-dependencies]\ng = \"1\"\n[dev-dependencies.h]\nversion = \"1\"\n",
        );
        let parsed = parse(&text);
        assert_eq!(parsed.name, "brigade-x");
        assert_eq!(parsed.dependencies, ["a", "b", "c-real", "d", "e", "f"]);
    }

    #[test]
    fn a_short_cut_is_found() {
        for (name, rest) in [
            ("brigade-core", "[dependencies]\nbrigade-store.workspace = true\n"),
            ("brigade-core", "[dependencies]\ntokio.workspace = true\n"),
            ("brigade-store", "[dependencies]\nbrigade-lab.workspace = true\n"),
            ("brigade-pipeline", "[dependencies]\nbrigade-s3.workspace = true\n"),
            ("brigade-s3", "[dependencies]\nbrigade-pipeline = { path = \"../../pipeline\" }\n"),
            ("brigade-s3", "[target.'cfg(unix)'.dependencies]\nbrigade-gcs.workspace = true\n"),
            ("brigade-lab", "[dependencies]\nclap.workspace = true\n"),
            ("brigade-unknown", ""),
        ] {
            assert_eq!(check("engine/x/Cargo.toml", &manifest(name, rest)).len(), 1, "{name} {rest}");
        }
        assert_eq!(check("engine/x/Cargo.toml", "[package]\nname = \"brigade-core\"\n").len(), 1, "no lints");
    }

    #[test]
    fn what_stands_right_is_left_alone() {
        for (name, allowed) in FLOORS {
            let lines: String = allowed.iter().map(|name| format!("{name}.workspace = true\n")).collect();
            let rest = format!("[dependencies]\n{lines}[dev-dependencies]\nbrigade-lab.workspace = true\nclap.workspace = true\n");
            assert_eq!(check("engine/x/Cargo.toml", &manifest(name, &rest)), [], "{name}");
        }
    }
}
