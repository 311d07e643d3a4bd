//! p05: `serve` that is killed in the middle of a run and started again, until the run has ended: it resumes by itself, no run meets
//! another, little is sent twice, and the history has every run that ended.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use brigade_lab::world::Content;
use bytes::Bytes;
use serde_json::Value;

use crate::dice::Dice;
use crate::moving::MIB;
use crate::sent::Sent;
use crate::served::{Served, TOKEN};
use crate::support::{BUCKET, Lab, contents};
use crate::wait::{looking_until, until};

/// Kills in all.
const KILLS: usize = 24;

/// Kills of one job, so that several have to end in between.
const KILLS_OF_ONE: usize = 6;

/// The longest that a run is left alone before a kill by the clock.
const RUN_MS_MAX: u64 = 1_200;

/// The longest that a kill by arrivals waits for them: the rest of the job may be less.
const ARRIVALS_TIME_MAX: Duration = Duration::from_secs(3);

const SMALL: u64 = 150;

/// Sizes of the large objects, bytes: whole parts and a rest.
const LARGE: [u64; 3] = [16 * MIB + 1, 20 * MIB, 27 * MIB + 77];

/// A job that takes some seconds, and the service that runs it.
struct Serving {
    lab: Lab,
    originals: BTreeMap<Vec<u8>, Bytes>,
}

impl Serving {
    async fn sample(seed: u64) -> Self {
        let mut serving = Self { lab: Lab::start().await, originals: BTreeMap::new() };
        let small = (0..SMALL).map(|number| (format!("small/{number:03}.bin"), number, 200 + number * 61));
        let large = (0..).zip(LARGE).map(|(number, size)| (format!("large/{number}.bin"), 1_000 + number, size));
        for (key, number, size) in small.chain(large) {
            serving.original(&key, seed + number, size);
        }
        let lab = &serving.lab;
        let store =
            |name: &str, url: &str| format!("[stores.{name}]\nkind = \"s3\"\nendpoint_url = \"{url}\"\ncredentials_env = \"LAB\"\n");
        let job = "[jobs.daily]\nsource = \"one:data\"\ntarget = \"two:data\"\nbandwidth = \"24M\"\nmemory = \"32M\"\npart_size = \"5M\"\nconcurrency = 4\n";
        let text =
            format!("[serve]\ntoken = \"${{BRIGADE_TOKEN}}\"\n{}{}{job}", store("one", &lab.s3.url()), store("two", &lab.s3_other.url()));
        std::fs::write(lab.path("serve.toml"), text).unwrap();
        serving
    }

    fn original(&mut self, key: &str, seed: u64, size: u64) {
        let bytes = Content::pattern(seed, size).body().to_bytes().unwrap();
        self.lab.s3.world().seed(BUCKET, key, bytes.clone()).unwrap();
        self.originals.insert(key.into(), bytes);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.lab.bare(arguments);
        command.env("BRIGADE_CONFIG", self.lab.path("serve.toml")).env("BRIGADE_TOKEN", TOKEN);
        command
    }

    async fn start(&self) -> Served {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.stderr(Stdio::null());
        let served = Served::begin(&mut command);
        until("it is ready", || served.send("GET", "/readyz").0 == 200).await;
        served
    }

    /// Kills it, and waits until the servers have let go of it. When it was killed.
    async fn kill(&self, mut served: Served) -> Instant {
        let killed = Instant::now();
        served.signal("KILL");
        assert_eq!(served.ends().await, -1);
        until("the servers let go of it", || self.lab.s3.connections() + self.lab.s3_other.connections() == 0).await;
        killed
    }

    /// Whatever is at the target is whole and right, and the source is as it was.
    fn judge(&self) {
        let source: BTreeMap<Vec<u8>, Vec<u8>> = contents(self.lab.s3.world()).into_iter().collect();
        assert!(source.iter().map(|(key, bytes)| (key, &bytes[..])).eq(self.originals.iter().map(|(key, bytes)| (key, &bytes[..]))));
        for (key, bytes) in contents(self.lab.s3_other.world()) {
            assert_eq!(self.originals.get(&key).map(|bytes| &bytes[..]), Some(&bytes[..]), "`{}`", String::from_utf8_lossy(&key));
        }
    }

    /// The lines of the history, with their reports.
    fn history(&self) -> Vec<(Value, Value)> {
        let json = |arguments: &[&str]| {
            let output = self.command(arguments).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        let report = |record: &Value| serde_json::from_str(&json(&["report", record["run"].as_str().unwrap(), "--json"])).unwrap();
        let all = json(&["history", "daily", "--json", "--last", "100"]);
        all.lines().map(|line| serde_json::from_str(line).unwrap()).map(|record: Value| (record.clone(), report(&record))).collect()
    }
}

fn run_of(job: &Value) -> Option<String> {
    job["running"]["run"].as_str().map(str::to_owned)
}

/// Looks on until it is time for a kill. The run under way then; none where the job has ended.
async fn serve_until(served: &Served, number: usize, dice: &mut Dice, sent: &mut Sent) -> Option<String> {
    let begun = Instant::now();
    let (arrivals, last) = match dice.below(2) {
        0 => (1 + dice.below(SMALL / 3), begun + ARRIVALS_TIME_MAX),
        _ => (u64::MAX, begun + Duration::from_millis(dice.below(RUN_MS_MAX))),
    };
    looking_until(last, || if sent.look(number) >= arrivals { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }).await;
    // Asked for in the middle of a run, another one waits for its end.
    if dice.below(3) == 0 {
        assert_eq!(served.send("POST", "/api/jobs/daily/run").0, 200);
    }
    run_of(&served.job("daily"))
}

#[tokio::test(flavor = "multi_thread")]
async fn p05_a_service_that_is_killed_goes_on_with_its_run_and_forgets_none() {
    let mut dice = Dice::thrown("serve");
    let (mut kills, mut resumed) = (0, 0);
    while kills < KILLS {
        let serving = Serving::sample(dice.below(1 << 40)).await;
        let mut sent = Sent::new(serving.lab.s3_other.world().requests());
        let mut killed: Vec<(Instant, Option<String>)> = Vec::new();
        while killed.len() < KILLS_OF_ONE {
            let served = serving.start().await;
            if killed.is_empty() {
                assert_eq!(served.send("POST", "/api/jobs/daily/run").0, 200);
            }
            let run = serve_until(&served, killed.len(), &mut dice, &mut sent).await;
            let at = serving.kill(served).await;
            sent.look(killed.len());
            serving.judge();
            let has_ended = run.is_none();
            killed.push((at, run));
            if has_ended {
                break;
            }
        }
        // The last one is left alone.
        let mut served = serving.start().await;
        until("the job is done", || {
            let job = served.job("daily");
            job["last"]["outcome"] == "done" && job["running"].is_null() && job["waiting"].is_null()
        })
        .await;
        served.signal("TERM");
        assert_eq!(served.ends().await, 0);
        sent.look(killed.len());
        serving.judge();
        assert_eq!(contents(serving.lab.s3_other.world()).len(), serving.originals.len(), "everything has arrived");
        resumed += judge_history(&serving, &killed);
        for (kill, price) in sent.prices(&killed.iter().map(|(at, _)| *at).collect::<Vec<_>>()).iter().enumerate() {
            println!(
                "kill {}: {} bytes received, {} twice, at most {}",
                kills + kill,
                price.received_bytes,
                price.twice_bytes,
                price.bound_bytes
            );
            assert!(price.twice_bytes <= price.bound_bytes, "kill {kill} cost more than was in flight or in the commit window");
        }
        kills += killed.len();
    }
    println!("{kills} kills, {resumed} runs that took up one that was killed");
    assert!(resumed > 0, "no kill hit a run");
}

/// Every run has a line or was killed, none began before another had ended, and a run that was killed is named by the one that went on.
fn judge_history(serving: &Serving, killed: &[(Instant, Option<String>)]) -> usize {
    let history = serving.history();
    let runs: Vec<&str> = history.iter().map(|(record, _)| record["run"].as_str().unwrap()).collect();
    for pair in history.windows(2) {
        let text = |at: usize, key: &str| pair[at].0[key].as_str().unwrap().to_owned();
        assert!(text(1, "started") >= text(0, "finished"), "two runs at once: {pair:?}");
    }
    let (_, last) = history.last().expect("a run has ended");
    assert_eq!(history.last().unwrap().0["outcome"], "done");
    assert_eq!(last["objects"]["listed"].as_u64().map(|listed| usize::try_from(listed).unwrap()), Some(serving.originals.len()));
    let resumed: Vec<&str> = history.iter().filter_map(|(_, report)| report["resumed_from"].as_str()).collect();
    let unfinished: Vec<&str> = killed.iter().filter_map(|(_, run)| run.as_deref()).filter(|run| !runs.contains(run)).collect();
    for taken_up in &resumed {
        assert!(unfinished.contains(taken_up), "{taken_up} was taken up, and is none of {unfinished:?}");
    }
    resumed.len()
}
