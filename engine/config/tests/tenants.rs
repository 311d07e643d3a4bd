//! Two tenants and wrong configurations of every kind that can be generated: each is refused, and what is accepted keeps them apart.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use std::collections::BTreeSet;

use brigade_config::Config;
use brigade_core::Location;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// A store as the generator thinks of it.
#[derive(Clone, Debug)]
struct Store {
    name: String,
    host: String,
    credentials: Option<String>,
    shared: bool,
}

/// A tenant likewise.
#[derive(Clone, Debug)]
struct Tenant {
    name: String,
    stores: Vec<String>,
    roots: Vec<String>,
    state_dir: Option<String>,
}

#[derive(Clone, Debug)]
struct Job {
    name: String,
    tenant: Option<String>,
    source: String,
    target: String,
    after: Option<String>,
}

#[derive(Clone, Debug)]
struct Setting {
    stores: Vec<Store>,
    tenants: Vec<Tenant>,
    jobs: Vec<Job>,
}

impl Setting {
    /// Two tenants that keep to themselves, each with a source, a target, a job and a chain.
    fn right(prefix: &str) -> Self {
        let store = |tenant: &str, end: &str| Store {
            name: format!("{tenant}-{end}"),
            host: format!("{end}.example"),
            credentials: Some(format!("{tenant}-{end}").to_uppercase().replace('-', "_")),
            shared: false,
        };
        let tenant = |name: &str| Tenant {
            name: name.to_owned(),
            stores: vec![format!("{name}-in"), format!("{name}-out")],
            roots: vec![format!("{name}-in:data/{prefix}{name}"), format!("{name}-out:backup/{prefix}{name}/")],
            state_dir: Some(format!("/state/{name}")),
        };
        let job = |name: &str| Job {
            name: format!("{name}-job"),
            tenant: Some(name.to_owned()),
            source: format!("{name}-in:data/{prefix}{name}/x"),
            target: format!("{name}-out:backup/{prefix}{name}/x"),
            after: None,
        };
        Self {
            stores: vec![store("a", "in"), store("a", "out"), store("b", "in"), store("b", "out")],
            tenants: vec![tenant("a"), tenant("b")],
            jobs: vec![job("a"), job("b")],
        }
    }

    fn text(&self) -> String {
        let list = |items: &[String]| items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(", ");
        let mut text = String::new();
        for store in &self.stores {
            text +=
                &format!("[stores.{}]\nkind = \"s3\"\nendpoint_url = \"https://{}\"\nshared = {}\n", store.name, store.host, store.shared);
            text += &store.credentials.as_ref().map(|name| format!("credentials_env = \"{name}\"\n")).unwrap_or_default();
        }
        for tenant in &self.tenants {
            text += &format!("[tenants.{}]\nstores = [{}]\nroots = [{}]\n", tenant.name, list(&tenant.stores), list(&tenant.roots));
            text += &tenant.state_dir.as_ref().map(|path| format!("state_dir = {path:?}\n")).unwrap_or_default();
        }
        for job in &self.jobs {
            text += &format!("[jobs.{}]\nsource = {:?}\ntarget = {:?}\n", job.name, job.source, job.target);
            text += &job.tenant.as_ref().map(|tenant| format!("tenant = {tenant:?}\n")).unwrap_or_default();
            text += &job.after.as_ref().map(|after| format!("after = {after:?}\n")).unwrap_or_default();
        }
        text
    }
}

/// One way to get it wrong. `side` is the end of the job: its source or its target; `who` is the tenant that errs.
type Mistake = fn(&mut Setting, usize, usize, &str);

const MISTAKES: &[(&str, Mistake)] = &[
    ("a location beside the root", |s, who, side, _| change(s, who, side, |l| l.replacen("/x", "x", 1))),
    ("a location whose name only begins like the root", |s, who, side, odd| {
        let root = s.tenants[who].roots[side].trim_end_matches('/').to_owned();
        change(s, who, side, |_| format!("{root}{odd}-more/x"));
    }),
    ("the folder above the root", |s, who, side, _| change(s, who, side, |l| l.rsplitn(3, '/').nth(2).unwrap().to_owned())),
    ("another bucket", |s, who, side, odd| change(s, who, side, |l| l.replacen(':', &format!(":{odd}z"), 1))),
    ("the other tenant's store", |s, who, side, _| {
        let other = s.tenants[1 - who].name.clone();
        change(s, who, side, |l| format!("{other}{}", &l[1..]));
    }),
    ("the other tenant's location", |s, who, side, _| {
        let other = [s.jobs[1 - who].source.clone(), s.jobs[1 - who].target.clone()][side].clone();
        change(s, who, side, |_| other);
    }),
    ("an own store and the other tenant's prefix", |s, who, side, _| {
        let other = [s.jobs[1 - who].source.clone(), s.jobs[1 - who].target.clone()][side].clone();
        change(s, who, side, |l| format!("{}:{}", l.split_once(':').unwrap().0, other.split_once(':').unwrap().1));
    }),
    ("a location with the credentials of the process", |s, who, side, _| {
        change(s, who, side, |l| format!("s3://{}", l.split_once(':').unwrap().1))
    }),
    ("a directory of the machine", |s, who, side, _| change(s, who, side, |_| "/var/data".into())),
    ("a way up that is a key", |s, who, side, _| {
        change(s, who, side, |l| l.replacen("/x", "/../x", 1).replacen("data/", "data/../", 1).replacen("backup/", "backup/../", 1))
    }),
    ("a letter of another case", |s, who, side, _| change(s, who, side, |l| l.replacen("data", "Data", 1).replacen("backup", "Backup", 1))),
    ("no such tenant", |s, who, _, odd| s.jobs[who].tenant = Some(format!("{odd}zz"))),
    ("no tenant at all", |s, who, _, _| s.jobs[who].tenant = None),
    ("the job of the other tenant", |s, who, _, _| s.jobs[who].tenant = Some(s.tenants[1 - who].name.clone())),
    ("after a job of the other tenant", |s, who, _, _| s.jobs[who].after = Some(s.jobs[1 - who].name.clone())),
    ("a store that both own", |s, who, side, _| {
        let store = s.tenants[1 - who].stores[side].clone();
        s.tenants[who].stores.push(store);
    }),
    ("a store that there is not", |s, who, side, odd| s.tenants[who].stores[side] += &format!("{odd}z")),
    ("a store without credentials of its own", |s, who, side, _| s.stores[who * 2 + side].credentials = None),
    ("the other tenant's credentials", |s, who, side, _| {
        s.stores[who * 2 + side].credentials = s.stores[(1 - who) * 2 + side].credentials.clone()
    }),
    ("the other end's credentials of the other tenant", |s, who, side, _| {
        s.stores[who * 2 + side].credentials = s.stores[(1 - who) * 2 + (1 - side)].credentials.clone();
    }),
    ("a root that holds the other's", |s, who, side, _| {
        let store = s.tenants[who].stores[side].clone();
        let bucket = ["data", "backup"][side];
        s.tenants[who].roots.push(format!("{store}:{bucket}"));
    }),
    ("a root inside the other's, through an own store", |s, who, side, odd| {
        let store = s.tenants[who].stores[side].clone();
        let other = s.tenants[1 - who].roots[side].split_once(':').unwrap().1.trim_end_matches('/').to_owned();
        s.tenants[who].roots.push(format!("{store}:{other}/{odd}"));
    }),
    ("a root through another spelling of the endpoint", |s, who, side, _| {
        let store = &mut s.stores[who * 2 + side];
        store.host = store.host.to_uppercase() + ":443/";
        let other = s.tenants[1 - who].roots[side].split_once(':').unwrap().1.to_owned();
        let name = store.name.clone();
        s.tenants[who].roots.push(format!("{name}:{other}"));
    }),
    ("a root in a store of the other", |s, who, side, _| {
        let other = s.tenants[1 - who].stores[side].clone();
        s.tenants[who].roots.push(format!("{other}:elsewhere"));
    }),
    ("a root in no store", |s, who, _, _| s.tenants[who].roots.push("s3://elsewhere/x".into())),
    ("no roots", |s, who, _, _| s.tenants[who].roots.clear()),
    ("no stores", |s, who, _, _| s.tenants[who].stores.clear()),
    ("the same state directory", |s, who, _, _| s.tenants[who].state_dir = s.tenants[1 - who].state_dir.clone()),
    ("the same state directory, spelt otherwise", |s, who, _, _| {
        s.tenants[who].state_dir = s.tenants[1 - who].state_dir.as_ref().map(|path| path.replace("/state/", "/state/.//"));
    }),
    ("a state directory in the other's", |s, who, _, odd| {
        s.tenants[who].state_dir = s.tenants[1 - who].state_dir.as_ref().map(|path| format!("{path}/x{odd}"));
    }),
    ("a state directory that holds the other's", |s, who, _, _| s.tenants[who].state_dir = Some("/state".into())),
    ("a state directory by a way up", |s, who, _, _| {
        let other = s.tenants[1 - who].name.clone();
        s.tenants[who].state_dir = Some(format!("/state/mine/../{other}"));
    }),
    ("a state directory that depends on where one stands", |s, who, _, _| s.tenants[who].state_dir = Some("state".into())),
];

fn change(setting: &mut Setting, who: usize, side: usize, change: impl FnOnce(&str) -> String) {
    let job = &mut setting.jobs[who];
    let location = if side == 0 { &mut job.source } else { &mut job.target };
    *location = change(location);
}

/// A piece of a key: any but a slash, which would make a folder of it.
fn odd() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9._-]{0,4}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_mistake_is_refused_and_the_right_setting_is_not(
        mistake in 0..MISTAKES.len(),
        who in 0..2_usize,
        side in 0..2_usize,
        prefix in "([a-z.]{1,6}/){0,2}",
        odd in odd(),
    ) {
        let mut setting = Setting::right(&prefix);
        prop_assert!(Config::parse(&setting.text()).is_ok(), "{:?}\n{}", Config::parse(&setting.text()), setting.text());
        let (name, make) = MISTAKES[mistake];
        let right = setting.text();
        make(&mut setting, who, side, &odd);
        prop_assert_ne!(&right, &setting.text());
        prop_assert!(Config::parse(&setting.text()).is_err(), "{}:\n{}", name, setting.text());
    }
}

/// A location of a job: mostly where it belongs, sometimes anywhere.
fn location(tenant: &'static str, end: &'static str) -> impl Strategy<Value = String> {
    let bucket = if end == "in" { "data" } else { "backup" };
    prop_oneof![
        5 => "(/(a|b|x|\\.\\.)?){0,3}".prop_map(move |rest| format!("{tenant}-{end}:{bucket}/{tenant}{rest}")),
        1 => "[ab]-(in|out):(data|backup)(/(a|b|x|\\.\\.)?){0,4}",
    ]
}

/// Settings of which some are right.
fn settings() -> impl Strategy<Value = Setting> {
    let jobs = (location("a", "in"), location("a", "out"), location("b", "in"), location("b", "out"));
    let roots = prop::collection::vec(prop::option::weighted(0.3, "[ab]-(in|out):(data|backup)(/(a|b|x)?){0,3}"), 2);
    let owners = prop::collection::vec(prop_oneof![8 => Just(None), 1 => "[ab]".prop_map(Some)], 2);
    let credentials = prop::collection::vec(prop::option::weighted(0.2, "[AB]_(IN|OUT)"), 4);
    (jobs, roots, owners, credentials).prop_map(|(jobs, roots, owners, credentials)| {
        let mut setting = Setting::right("");
        (setting.jobs[0].source, setting.jobs[0].target, setting.jobs[1].source, setting.jobs[1].target) = jobs;
        for (job, owner) in setting.jobs.iter_mut().zip(owners) {
            job.tenant = owner.or(job.tenant.take());
        }
        for (tenant, root) in setting.tenants.iter_mut().zip(roots) {
            tenant.roots.extend(root);
        }
        for (store, name) in setting.stores.iter_mut().zip(credentials) {
            store.credentials = name.or(store.credentials.take());
        }
        setting
    })
}

#[test]
fn whatever_is_accepted_keeps_the_tenants_apart() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..4_000 {
        let setting = settings().new_tree(&mut runner).unwrap().current();
        match Config::parse(&setting.text()) {
            Ok(config) => {
                apart(&setting, &config);
                accepted += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(accepted > 200 && refused > 1_000, "both are seen: {accepted} accepted, {refused} refused");
}

/// Holds what was accepted against a plain reading of the rules, text by text.
fn apart(setting: &Setting, config: &Config) {
    for (name, job) in &config.jobs {
        let tenant =
            setting.tenants.iter().find(|tenant| Some(&tenant.name) == job.tenant.as_ref()).expect("a job of nobody touches nothing here");
        let words = config.arguments(name).unwrap();
        for word in &words[1..3] {
            let (store, path) = word.split_once(':').unwrap();
            assert!(tenant.stores.iter().any(|own| own == store), "{name}: {word}");
            let is_below = |root: &String| {
                let (root_store, root_path) = root.split_once(':').unwrap();
                let host = |name: &str| name.rsplit('-').next().unwrap().to_owned();
                let root_path = format!("{}/", root_path.trim_end_matches('/'));
                host(root_store) == host(store) && format!("{path}/").starts_with(&root_path)
            };
            // Roots that end in several slashes are prefixes as they stand; the plain reading is the wider one.
            assert!(tenant.roots.iter().any(is_below), "{name}: {word} is below none of {:?}", tenant.roots);
        }
    }
    let used = |tenant: &Tenant| -> BTreeSet<Option<String>> {
        setting.stores.iter().filter(|store| tenant.stores.contains(&store.name)).map(|store| store.credentials.clone()).collect()
    };
    assert!(used(&setting.tenants[0]).is_disjoint(&used(&setting.tenants[1])), "{:?}", setting.stores);
}

#[test]
fn every_mistake_is_refused_at_both_ends_of_both_tenants() {
    for (name, make) in MISTAKES {
        for (who, side) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let mut setting = Setting::right("p/");
            make(&mut setting, who, side, "");
            assert!(Config::parse(&setting.text()).is_err(), "{name}, {who}, {side}:\n{}", setting.text());
        }
    }
}

#[test]
fn a_shared_store_has_two_owners_who_still_keep_to_their_roots() {
    let shared = |root: &str, source: &str| {
        let mut setting = Setting::right("");
        setting.stores.push(Store { name: "common".into(), host: "common.example".into(), credentials: None, shared: true });
        for tenant in &mut setting.tenants {
            tenant.stores.push("common".into());
        }
        setting.tenants[0].roots.push("common:data/a".into());
        setting.tenants[1].roots.push(root.into());
        setting.jobs[1].source = source.into();
        Config::parse(&setting.text())
    };
    assert!(shared("common:data/b", "common:data/b/x").is_ok());
    assert!(shared("common:data/b", "common:data/a/x").is_err());
    assert!(shared("common:data/a/b", "common:data/a/b/x").is_err());
}

#[test]
fn a_job_keeps_to_the_limits_of_its_tenant() {
    let text = |rest: &str| {
        let right = Setting::right("").text();
        let (before, jobs) = right.split_once("[jobs.a-job]\n").unwrap();
        format!("{before}[tenants.a.limits]\nmemory = \"64M\"\nconcurrency = 8\nbandwidth = \"1M\"\n[jobs.a-job]\n{rest}{jobs}")
    };
    let config = Config::parse(&text("memory = \"32M\"\n")).unwrap();
    let words = config.arguments("a-job").unwrap();
    assert_eq!(words[3..], ["--memory=32M", "--concurrency=8", "--bandwidth=1M"]);
    assert_eq!(config.arguments("b-job").unwrap().len(), 3, "the limits of one tenant are not those of another");
    for bad in ["memory = \"65M\"", "concurrency = 9", "concurrency = \"auto\"", "bandwidth = \"2M\"", "bandwidth = \"off\""] {
        assert!(Config::parse(&text(&format!("{bad}\n"))).is_err(), "{bad}");
    }
}

#[test]
fn directories_have_no_way_up() {
    let text = |target: &str| {
        format!(
            "[stores.disk]\nkind = \"local\"\nroot = \"/srv/a\"\n[tenants.a]\nstores = [\"disk\"]\nroots = [\"disk:in\", \"disk:out\"]\n\
             [jobs.j]\ntenant = \"a\"\nsource = \"disk:in/x\"\ntarget = \"{target}\"\n"
        )
    };
    assert!(Config::parse(&text("disk:out")).is_ok());
    for bad in ["disk:out/../../b", "disk:../b", "disk:outer", "/srv/a/out/x", "disk:out/./../x"] {
        assert!(Config::parse(&text(bad)).is_err(), "{bad}");
    }
}

#[test]
fn a_tenants_location_is_a_folder_and_never_the_object_of_its_name() {
    let mut setting = Setting::right("");
    setting.jobs[0].source = "a-in:data/a".into();
    let config = Config::parse(&setting.text()).unwrap();
    let words = config.arguments("a-job").unwrap();
    assert_eq!(words[1], "a-in:data/a/", "the object `a` lies outside of the root `a/`");
    assert!(matches!(Location::parse(&words[1]), Ok(Location::Named { .. })));
}
