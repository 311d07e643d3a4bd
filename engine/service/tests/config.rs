//! What stands in `config/` is understood, as far as a test can tell.

use std::path::Path;

use brigade_config::Config;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The keys of a section of a unit file, with their values.
fn section(unit: &str, name: &str) -> Vec<(String, String)> {
    let lines = unit.lines().map(str::trim).skip_while(|line| *line != format!("[{name}]")).skip(1);
    let own = lines.take_while(|line| !line.starts_with('[')).filter(|line| !line.is_empty() && !line.starts_with('#'));
    own.map(|line| line.split_once('=').unwrap_or_else(|| panic!("no key: {line}")))
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

#[test]
fn the_unit_starts_reloads_and_watches_what_the_service_answers() {
    let unit = file("brigade.service");
    let service = section(&unit, "Service");
    let value = |key: &str| service.iter().find(|(own, _)| own == key).map(|(_, value)| value.as_str()).unwrap_or_default();
    assert_eq!((value("Type"), value("ExecReload")), ("notify", "/bin/kill -HUP $MAINPID"));
    assert!(value("ExecStart").starts_with("/usr/bin/brigade serve --config "), "{}", value("ExecStart"));
    let seconds = |key: &str| value(key).parse::<u64>().unwrap_or_else(|_| panic!("{key} is no number of seconds"));
    assert!(seconds("TimeoutStopSec") > 25 + 2, "runs have 25 s to end, and the server two more");
    assert!(seconds("WatchdogSec") > 20, "the loop turns every 10 s");
    for name in ["Unit", "Install"] {
        assert!(!section(&unit, name).is_empty(), "[{name}]");
    }
}

#[test]
fn the_configuration_in_the_manifest_is_understood_and_the_probes_are_answered() {
    let manifest = file("kubernetes/brigade.yaml");
    assert!(!manifest.contains('\t'), "YAML has no tabs");
    let embedded = manifest.split("brigade.toml: |\n").nth(1).and_then(|rest| rest.split("\n---").next()).expect("a configuration");
    let config = Config::parse(&embedded.lines().map(|line| line.trim_start()).collect::<Vec<_>>().join("\n")).expect("understood");
    assert_eq!((config.serve.listen.port(), config.jobs.len(), config.serve.token.is_some()), (9464, 1, true));
    for needed in ["path: /healthz", "path: /readyz", "containerPort: 9464", "replicas: 1", "terminationGracePeriodSeconds: 40"] {
        assert!(manifest.contains(needed), "{needed}");
    }
}
