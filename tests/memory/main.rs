//! p08: memory stays under the budget, whatever the number of keys or their size.
//!
//! The process counts its own peak (`VmHWM`) and reports it. Bodies come from patterns and are discarded by the target, so that
//! only the engine's memory is at stake. With `--memory 64MiB` the whole process has to stay under 128 MiB.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "the measured figures are shown with --nocapture")]

#[path = "../support/served.rs"]
mod served;
#[path = "../support/lab.rs"]
mod support;
mod together;
#[path = "../support/wait.rs"]
mod wait;

use brigade_lab::fault::Op;
use brigade_lab::world::{Attributes, Content, NewObject, Retention, World, WorldOptions};
use support::{BUCKET, Lab, Ran};

const GIB: u64 = 1 << 30;

const MIB: u64 = 1 << 20;

/// What the process may have at its peak under a budget of 64 MiB.
const PROCESS_BYTES_MAX: u64 = 128 << 20;

#[track_caller]
fn within(what: &str, ran: &Ran) {
    println!("{what}: peak resident memory {:.1} MiB", f64::from(u32::try_from(ran.memory_bytes >> 10).unwrap()) / 1024.0);
    assert!(ran.memory_bytes > 0, "the report counts memory");
    assert!(ran.memory_bytes < PROCESS_BYTES_MAX, "{what}: {} bytes", ran.memory_bytes);
    let in_flight = ran.report["peak"]["in_flight_bytes"].as_u64().unwrap();
    assert!(in_flight <= 64 << 20, "{what}: {in_flight} bytes in flight");
}

async fn discarding_lab() -> Lab {
    let discard = || World::with(WorldOptions { retention: Retention::Discard, ..WorldOptions::default() });
    Lab::between(World::new(), discard(), World::new(), discard()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn p08_one_object_of_4_gib_fits_into_64_mib() {
    let lab = discarding_lab().await;
    lab.s3.world().seed(BUCKET, "bundle", Content::pattern(1, 4 * GIB)).unwrap();
    for target in ["two:data", "h:data"] {
        // The pattern's ETag is opaque above 64 MiB and looks like an MD5: nothing is asked of the source's digests here.
        let ran = lab.transfer(&["copy", "one:data", target, "--memory", "64M", "--verify", "transport"]).await.expect(0);
        assert_eq!(ran.report["bytes"]["copied"], 4 * GIB);
        within(&format!("one object of 4 GiB to {target}"), &ran);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p08_twenty_thousand_small_objects_fit_into_64_mib() {
    let lab = discarding_lab().await;
    let keys = (0..20_000).map(|number| format!("blobs/{number:06}"));
    lab.s3.world().populate(BUCKET, keys, &NewObject::of(Content::pattern(1, 16_384))).unwrap();
    for target in ["two:data", "h:data"] {
        let ran = lab.transfer(&["copy", "one:data", target, "--memory", "64M"]).await.expect(0);
        assert_eq!(ran.objects("copied"), 20_000);
        within(&format!("20,000 small objects to {target}"), &ran);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p08_a_listing_of_a_million_keys_fits_into_64_mib() {
    let lab = discarding_lab().await;
    for world in [lab.s3.world(), lab.s3_other.world()] {
        let keys = (0..1_000_000).map(|number| format!("registry/blobs/sha256/{number:012}"));
        world.populate(BUCKET, keys, &NewObject::of("the same".into())).unwrap();
    }
    let ran = lab.transfer(&["sync", "one:data", "two:data", "--memory", "64M"]).await.expect(0);
    assert_eq!(ran.objects("kept"), 1_000_000);
    within("a listing of 1,000,000 keys on both sides", &ran);
}

/// One key in so many changes.
const CHANGED_STEP: usize = 100;

/// Set to measure with another number of keys; 1,000,000 take some minutes in a build for development.
const BASELINE_KEYS_VARIABLE: &str = "BRIGADE_BASELINE_KEYS";

/// Keys of the baseline in the gate: a hundred pages, in about a minute: the first sync copies all of them.
const BASELINE_KEYS: u32 = 50_000;

fn baseline_keys() -> u32 {
    std::env::var(BASELINE_KEYS_VARIABLE).ok().and_then(|keys| keys.parse().ok()).unwrap_or(BASELINE_KEYS)
}

/// What the process may have at its peak over a baseline, of 1,000,000 records as well.
const BASELINE_BYTES_MAX: u64 = 100 << 20;

/// The first sync copies and leaves a baseline, the second asks for nothing but listing pages, and of one
/// in a hundred that changed exactly that is copied.
#[tokio::test(flavor = "multi_thread")]
async fn p08_a_baseline_of_many_keys_costs_no_request_and_little_memory() {
    let keys = baseline_keys();
    let all = u64::from(keys);
    let lab = Lab::start().await;
    let (source, target) = (lab.s3.world(), lab.gcs_other.world());
    let name = |number: u32| format!("registry/blobs/sha256/{number:012}");
    // Under SSE-KMS an ETag only looks like a digest: without the record every object would be copied again.
    let kms = || NewObject {
        attributes: Attributes { encryption: Some("aws:kms".into()), ..Attributes::default() }.into(),
        ..NewObject::default()
    };
    source.populate(BUCKET, (0..keys).map(name), &NewObject { content: "the same".into(), ..kms() }).unwrap();
    let sync = ["sync", "one:data", "h:data", "--memory", "64M"];
    let ran = lab.transfer(&sync).await.expect(0);
    assert_eq!(ran.objects("copied"), all);

    for world in [source, target] {
        world.requests().reset();
        world.requests().start_log();
    }
    let ran = lab.transfer(&sync).await.expect(0);
    assert_eq!((ran.objects("kept"), ran.objects("copied")), (all, 0));
    for world in [source, target] {
        // Probes look at keys of their own.
        let asked = |op| world.requests().log().iter().filter(|call| call.op == op && call.key.starts_with(b"registry/")).count();
        assert_eq!((asked(Op::Head), asked(Op::Get), asked(Op::Put)), (0, 0, 0));
    }
    let requests = &ran.report["requests"];
    println!("no change among {keys}: {} listing pages, {} HEAD, {} GET", requests["list"], requests["head"], requests["get"]);
    within(&format!("a sync of {keys} unchanged keys over a baseline"), &ran);
    assert!(ran.memory_bytes < BASELINE_BYTES_MAX, "{} bytes", ran.memory_bytes);

    let changed: Vec<u32> = (0..keys).step_by(CHANGED_STEP).collect();
    // The same size, and not newer: only the record tells.
    let old = "2026-01-02T03:04:05Z".parse().unwrap();
    for number in &changed {
        source.seed_object(BUCKET, name(*number), NewObject { content: "the news".into(), ..kms() }).unwrap();
        source.set_modified(BUCKET, name(*number), old).unwrap();
    }
    let ran = lab.transfer(&sync).await.expect(0);
    let copied = u64::try_from(changed.len()).unwrap();
    assert_eq!((ran.objects("copied"), ran.objects("kept")), (copied, all - copied));
    for number in changed {
        assert_eq!(&target.bytes(BUCKET, name(number)).unwrap()[..], b"the news");
    }
    within(&format!("a sync of {keys} keys of which 1 % changed"), &ran);
    assert!(ran.memory_bytes < BASELINE_BYTES_MAX, "{} bytes", ran.memory_bytes);
}
