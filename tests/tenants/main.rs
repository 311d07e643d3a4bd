//! Two tenants, every wrong configuration of them that can be generated, and an embedded server that writes down who asked for what:
//! the real binary either refuses, or no request of it leaves a tenant's roots or bears the other's credentials.
//!
//! What a request may touch is reckoned here from the generated setting alone ([`setting`]), never by the code under test, and the
//! server lets every access key do everything: only Brigade stands between the tenants.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may panic, and a test crate has no outside")]

mod mistakes;
mod setting;
mod stage;

use futures::StreamExt as _;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use crate::mistakes::MISTAKES;
use crate::setting::{Login, SIDES, Setting, TENANTS};
use crate::stage::{Stage, Tried};

/// Settings that are tried at once: each has a server of its own, and waits for processes.
const AT_ONCE: usize = 4;

/// Settings that are drawn at random. Of these some hundred are right.
const DRAWN: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_that_keep_to_themselves_run_in_every_mode() {
    let by_variable: fn(String) -> Login = Login::Environment;
    // The process has credentials of its own in its environment, which a named profile does not give way to.
    for (mode, login) in [("copy", by_variable), ("sync", by_variable), ("migrate", by_variable), ("copy", Login::Profile)] {
        let stage = Stage::new().await;
        let mut setting = stage.right();
        for store in &mut setting.stores {
            store.login = login(store.name.to_uppercase().replace('-', "_"));
        }
        for job in &mut setting.jobs {
            job.lines = format!("mode = \"{mode}\"\n");
            job.lines += if mode == "sync" { "delete = true\nmax_delete_percent = 100\n" } else { "" };
        }
        let tried = stage.try_out(&setting).await;
        assert_eq!(tried.ran, TENANTS.len(), "{mode}: {tried:?}\n{}", setting.text());
        assert!(tried.requests > 20, "{mode}: {tried:?}");
        assert_eq!(tried.wrongs(&setting), [""; 0], "{mode}");
        let objects = stage.keys("backup");
        for prefix in ["team-a", "team-ab"] {
            assert!(objects.contains(&format!("{prefix}/x/one")), "{mode}: {objects:?}");
            assert!(objects.contains(&format!("{prefix}/y/kept")), "{mode}: what lies beside the target stays");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mistake_lets_a_request_out_of_the_roots_or_lends_credentials() {
    let (mut refused, mut ran, mut wrongs) = (0, 0, Vec::new());
    let places = [(0, 0), (0, 1), (1, 0), (1, 1)];
    let all = MISTAKES.iter().flat_map(|(name, make)| places.map(|(who, side)| (*name, *make, who, side)));
    let made = all.map(|(name, make, who, side)| async move {
        let stage = Stage::new().await;
        let mut setting = stage.right();
        make(&mut setting, who, side);
        assert_ne!(setting, stage.right(), "{name}, {who}, {side} changes something");
        let tried = stage.try_out(&setting).await;
        (format!("{name}, {}, {}", TENANTS[who], SIDES[side]), setting, tried)
    });
    let mut made = futures::stream::iter(made).buffered(AT_ONCE);
    while let Some((name, setting, tried)) = made.next().await {
        println!("{name}: {} refused, {} ran, {} requests", tried.refused, tried.ran, tried.requests);
        wrongs.extend(tried.wrongs(&setting).into_iter().map(|wrong| format!("{name}: {wrong}")));
        refused += tried.refused;
        ran += tried.ran;
    }
    assert!(wrongs.is_empty(), "{} wrongs:\n{}", wrongs.len(), wrongs.join("\n"));
    println!("{} mistakes: {refused} jobs were refused and {ran} ran", MISTAKES.len());
    assert!(refused > 300 && ran > 20, "both are seen: {refused} refused, {ran} ran");
}

/// Pieces of a path: the other tenant's, one that only begins alike, a way up in several spellings, nothing.
const PIECES: &[&str] = &["team-a", "team-ab", "team", "x", "y", "..", ".", "%2e%2e", "%2F", "", "A", "t\u{e9}"];

fn piece() -> impl Strategy<Value = String> {
    prop::sample::select(PIECES).prop_map(str::to_owned)
}

/// A location of a tenant: mostly below its root, sometimes anywhere.
fn location(who: usize, side: usize) -> impl Strategy<Value = String> {
    let own = Setting::root(who, side);
    prop_oneof![
        4 => prop::collection::vec(piece(), 0..3).prop_map(move |rest| format!("{own}/{}", rest.join("/"))),
        1 => ("(a|b)-(in|out)", "(data|backup|team-ab)", prop::collection::vec(piece(), 0..4))
            .prop_map(|(store, bucket, rest)| format!("{store}:{bucket}/{}", rest.join("/"))),
    ]
}

/// How the machine may be called in an endpoint.
fn host() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["127.0.0.1", "127.0.0.1", "127.0.0.1", "localhost", "LocalHost.", "127.1", "127.0.0.1."][..])
}

fn settings(right: &Setting) -> impl Strategy<Value = Setting> + use<> {
    let right = right.clone();
    let places = (location(0, 0), location(0, 1), location(1, 0), location(1, 1));
    let roots =
        prop::collection::vec(prop::option::weighted(0.2, (0..2_usize, 0..2_usize).prop_flat_map(|(who, side)| location(who, side))), 2);
    let owners = prop::collection::vec(prop::option::weighted(0.1, 0..2_usize), 2);
    let logins = prop::collection::vec(prop::option::weighted(0.08, 0..4_usize), 4);
    let hosts = prop::collection::vec(host(), 4);
    let modes = prop::collection::vec(prop::sample::select(&["copy", "sync", "migrate"][..]), 2);
    (places, roots, owners, logins, hosts, modes).prop_map(move |(places, roots, owners, logins, hosts, modes)| {
        let mut setting = right.clone();
        (setting.jobs[0].source, setting.jobs[0].target, setting.jobs[1].source, setting.jobs[1].target) = places;
        for ((job, owner), mode) in setting.jobs.iter_mut().zip(owners).zip(modes) {
            job.lines = format!("mode = \"{mode}\"\n");
            job.tenant = owner.map(|owner| TENANTS[owner].to_owned()).or(job.tenant.take());
        }
        for (tenant, root) in setting.tenants.iter_mut().zip(roots) {
            tenant.roots.extend(root);
        }
        let all: Vec<_> = right.stores.iter().map(|store| store.login.clone()).collect();
        for ((store, login), host) in setting.stores.iter_mut().zip(logins).zip(hosts) {
            store.login = login.map_or_else(|| store.login.clone(), |other| all[other].clone());
            store.url = store.url.replace("127.0.0.1", host);
        }
        setting
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_drawn_is_refused_or_keeps_the_tenants_apart() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut all, mut wrongs) = (Tried::default(), Vec::new());
    let mut stages = Vec::new();
    for _ in 0..DRAWN {
        let stage = Stage::new().await;
        let setting = settings(&stage.right()).new_tree(&mut runner).unwrap().current();
        stages.push((stage, setting));
    }
    let tried = stages.into_iter().map(|(stage, setting)| async move { (stage.try_out(&setting).await, setting) });
    let mut tried = futures::stream::iter(tried).buffered(AT_ONCE);
    while let Some((tried, setting)) = tried.next().await {
        wrongs.extend(tried.wrongs(&setting));
        all.refused += tried.refused;
        all.ran += tried.ran;
        all.requests += tried.requests;
    }
    assert!(wrongs.is_empty(), "{} wrongs:\n{}", wrongs.len(), wrongs.join("\n"));
    println!("{DRAWN} settings: {} jobs refused, {} ran with {} requests", all.refused, all.ran, all.requests);
    assert!(all.ran > 20 && all.refused > 100, "both are seen: {all:?}");
}
