//! Fifty jobs in one `serve`: all of them end, no more run at once than may, the important ones start first, and the process stays
//! under `[serve] memory` and what is documented beside it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use brigade_lab::fault::{Action, Op, Rule};
use brigade_lab::world::{Content, NewObject};

use serde_json::Value;

use crate::served::{Served, TOKEN};
use crate::support::{BUCKET, Lab};
use crate::wait::{until, until_late};
use crate::{MIB, discarding_lab};

const JOBS: usize = 50;

/// `[serve] memory`.
const MEMORY_MIB: u64 = 64;

/// `[serve] concurrency`: with fifty jobs, far less than a request for each.
const REQUESTS: u64 = 16;

/// What OPERATIONS.md says that the process needs beside it: by itself, and for each run that is under way.
const PROCESS_MIB: u64 = 50;
const RUN_MIB: u64 = 3;

/// A large object of each job, in parts, and some small ones.
const LARGE_BYTES: u64 = 12 * MIB + 1;
const SMALL: u64 = 30;

fn name(number: usize) -> String {
    format!("job-{number:02}")
}

/// Low, normal and high in turn.
fn priority(number: usize) -> &'static str {
    ["low", "normal", "high"][number % 3]
}

fn seed(lab: &Lab, number: usize) {
    let (world, name) = (lab.s3.world(), name(number));
    world.seed(BUCKET, format!("{name}/large"), Content::pattern(u64::try_from(number).unwrap(), LARGE_BYTES)).unwrap();
    let small = (0..SMALL).map(|object| format!("{name}/small/{object:03}"));
    world.populate(BUCKET, small, &NewObject::of(Content::pattern(1, 40_000))).unwrap();
}

fn serve(lab: &Lab, jobs_at_once: usize) -> Served {
    let store = |name: &str, url: &str| format!("[stores.{name}]\nkind = \"s3\"\nendpoint_url = \"{url}\"\ncredentials_env = \"LAB\"\n");
    let job = |number: usize| {
        let (name, priority) = (name(number), priority(number));
        format!("[jobs.{name}]\nsource = \"one:data/{name}/\"\ntarget = \"two:data/{name}/\"\npriority = \"{priority}\"\n")
    };
    let head = format!(
        "[serve]\ntoken = \"${{BRIGADE_TOKEN}}\"\nmemory = \"{MEMORY_MIB}M\"\nconcurrency = {REQUESTS}\njobs_at_once = {jobs_at_once}\n"
    );
    let jobs: String = (0..JOBS).map(job).collect();
    let text = [head, store("one", &lab.s3.url()), store("two", &lab.s3_other.url()), jobs].concat();
    std::fs::write(lab.path("serve.toml"), text).unwrap();
    let mut command = lab.bare(&["serve", "--listen", "127.0.0.1:0"]);
    Served::begin(command.env("BRIGADE_CONFIG", lab.path("serve.toml")).env("BRIGADE_TOKEN", TOKEN).stderr(Stdio::null()))
}

/// The most that the process ever had in memory.
fn peak_bytes(served: &Served) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Asks for all jobs and waits until all have ended. The most that ran at once.
async fn run_all(served: &Served) -> usize {
    until("it is ready", || served.send("GET", "/readyz").0 == 200).await;
    for number in 0..JOBS {
        assert_eq!(served.send("POST", &format!("/api/jobs/{}/run", name(number))).0, 200);
    }
    let most = Cell::new(0);
    until_late("every job is done", || {
        let jobs = served.jobs();
        most.set(most.get().max(jobs.iter().filter(|job| !job["running"].is_null()).count()));
        jobs.iter().all(|job| job["last"]["outcome"] == "done" && job["running"].is_null())
    })
    .await;
    most.get()
}

/// Everything has arrived, and nothing else.
fn judge(lab: &Lab) {
    let mut arrived: BTreeMap<String, u64> = BTreeMap::new();
    for (key, object) in lab.s3_other.world().objects(BUCKET) {
        *arrived.entry(String::from_utf8(key).unwrap().split('/').next().unwrap().to_owned()).or_default() += object.size();
    }
    assert_eq!(arrived.len(), JOBS);
    assert!(arrived.values().all(|bytes| *bytes == LARGE_BYTES + SMALL * 40_000), "{arrived:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p08_fifty_jobs_share_one_budget_and_all_of_them_end() {
    for jobs_at_once in [4, JOBS] {
        let lab = discarding_lab().await;
        (0..JOBS).for_each(|number| seed(&lab, number));
        // Long enough that all requests that may be under way are seen to be.
        lab.s3.world().faults().add(Rule::new(&[Op::Get], Action::Delay(Duration::from_millis(20))));
        let mut served = serve(&lab, jobs_at_once);
        let most = run_all(&served).await;
        let peak = peak_bytes(&served);
        println!("{JOBS} jobs, {jobs_at_once} at once: {most} ran at once, peak resident memory {} MiB", peak / MIB);
        assert!(most <= jobs_at_once, "{most} ran at once");
        assert!(jobs_at_once < JOBS || most > 4, "many ran at once: {most}");
        let at_once = u64::try_from(jobs_at_once).unwrap();
        assert!(peak <= (MEMORY_MIB + PROCESS_MIB + RUN_MIB * at_once) * MIB, "{} MiB", peak / MIB);
        judge(&lab);
        let at_once_max = [lab.s3.requests().at_once_max(), lab.s3_other.requests().at_once_max()];
        println!("requests at once, at most: {at_once_max:?}");
        assert!(at_once_max.iter().all(|most| *most <= REQUESTS) && at_once_max[0] > REQUESTS / 2, "{at_once_max:?} of {REQUESTS}");
        if jobs_at_once == 4 {
            important_ones_began_first(&served);
        }
        served.signal("TERM");
        assert_eq!(served.ends().await, 0);
    }
}

/// Of the jobs that began when all were asked for, the high ones came before the normal ones, and those before the low ones.
fn important_ones_began_first(served: &Served) {
    let (mut asked, mut started) = (0, BTreeMap::new());
    for number in 0..JOBS {
        for event in served.job(&name(number))["events"].as_array().unwrap() {
            let id = event["id"].as_u64().unwrap();
            match event["event"].as_str().unwrap() {
                "asked" => asked = asked.max(id),
                "started" => drop(started.insert(id, priority(number))),
                _ => {}
            }
        }
    }
    let waited: Vec<&str> = started.range(asked..).map(|(_, priority)| *priority).collect();
    println!("{} of {} waited", waited.len(), started.len());
    assert!(started.len() == JOBS && waited.len() >= 10, "{started:?} after {asked}");
    let rank = |word: &&str| ["high", "normal", "low"].iter().position(|other| other == word).unwrap();
    assert!(waited.is_sorted_by_key(rank), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p08_a_job_alone_has_what_the_others_leave() {
    let lab = discarding_lab().await;
    for number in 0..4 {
        lab.s3.world().seed(BUCKET, format!("job-00/huge/{number}"), Content::pattern(number, 60 * MIB)).unwrap();
    }
    let served = serve(&lab, 4);
    until("it is ready", || served.send("GET", "/readyz").0 == 200).await;
    assert_eq!(served.send("POST", "/api/jobs/job-00/run").0, 200);
    until_late("the job is done", || served.job("job-00")["last"]["outcome"] == "done").await;
    let run = served.job("job-00")["runs"][0]["run"].as_str().unwrap().to_owned();
    let report: Value = serde_json::from_str(&served.send("GET", &format!("/api/runs/{run}")).1).unwrap();
    let in_flight = report["peak"]["in_flight_bytes"].as_u64().unwrap();
    println!("alone: {} MiB in flight of {MEMORY_MIB}", in_flight / MIB);
    assert!(in_flight > MEMORY_MIB * MIB / 4, "more than an equal share: {in_flight}");
    assert!(in_flight <= MEMORY_MIB * MIB, "no more than there is: {in_flight}");
}
