//! `serve` as a service manager has it: the real binary, its address, its signals, its exit code.

use std::path::Path;
use std::process::{Command, Stdio};

use brigade_lab::fault::{Action, Op, Rule};
use brigade_lab::world::Content;
use serde_json::Value;

use crate::served::{Served, TOKEN};
use crate::support::{BUCKET, Lab, binary};
use crate::wait::until;

/// A directory with a source, a configuration and a state directory.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(place.path("in")).unwrap();
        std::fs::write(place.path("in/a"), "a").unwrap();
        place.configure("recovery_point = \"2h\"\n");
        place
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn configure(&self, keys: &str) {
        let (source, target) = (self.path("in"), self.path("out"));
        let job = format!("[jobs.daily]\nsource = \"{}\"\ntarget = \"{}\"\n{keys}", source.display(), target.display());
        std::fs::write(self.path("brigade.toml"), format!("[serve]\ntoken = \"${{BRIGADE_TOKEN}}\"\n{job}")).unwrap();
    }

    fn command(&self, listen: &str) -> Command {
        let mut command = Command::new(binary());
        command
            .args(["serve", "--listen", listen])
            .env_clear()
            .env("HOME", self.0.path())
            .env("BRIGADE_CONFIG", self.path("brigade.toml"))
            .env("BRIGADE_STATE_DIR", self.path("state"))
            .env("BRIGADE_TOKEN", TOKEN)
            .stdin(Stdio::null());
        command
    }

    fn start(&self) -> Served {
        let mut command = self.command("127.0.0.1:0");
        command.stderr(Stdio::null());
        Served::begin(&mut command)
    }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test]
async fn a_service_runs_a_job_reloads_and_stops_and_is_the_only_one() {
    let place = Place::new();
    let mut served = place.start();
    until("it is ready", || served.send("GET", "/readyz").0 == 200).await;
    assert_eq!(served.job("daily")["level"], "breached", "nothing is proven yet");
    assert_eq!(served.send("POST", "/api/jobs/daily/run").0, 200);
    until("the run has ended", || served.job("daily")["last"]["outcome"] == "done").await;
    until("its age counts", || served.job("daily")["level"] == "met").await;
    assert_eq!(text(&place.path("out/a")), "a");
    let run = served.job("daily")["runs"][0]["run"].as_str().unwrap().to_owned();
    let report: Value = serde_json::from_str(&served.send("GET", &format!("/api/runs/{run}")).1).unwrap();
    assert_eq!((report["run"].as_str(), report["objects"]["copied"].as_u64()), (Some(run.as_str()), Some(1)));

    let second = place.command("127.0.0.1:0").output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("process {}", served.id())), "{said}");

    place.configure("recovery_pint = \"1h\"\n");
    served.signal("HUP");
    until("the wrong configuration is told", || served.send("GET", "/metrics").1.contains("brigade_configuration_refused 1\n")).await;
    assert_eq!(served.job("daily")["recovery_point_seconds"], 7_200);
    place.configure("recovery_point = \"1h\"\n");
    served.signal("HUP");
    until("the right one counts", || served.job("daily")["recovery_point_seconds"] == 3_600).await;

    served.signal("TERM");
    assert_eq!(served.ends().await, 0);
}

#[tokio::test]
async fn a_killed_service_has_lost_nothing_that_it_said() {
    let place = Place::new();
    let mut served = place.start();
    until("it is ready", || served.send("GET", "/readyz").0 == 200).await;
    assert_eq!(served.send("POST", "/api/jobs/daily/run").0, 200);
    until("the run has ended", || served.job("daily")["last"]["outcome"] == "done").await;
    assert_eq!(served.send("POST", "/api/jobs/daily/pause").0, 200);
    served.signal("KILL");
    assert_eq!(served.ends().await, -1);
    let served = place.start();
    until("the next one knows it", || served.job("daily")["paused"] == true && served.job("daily")["last"]["outcome"] == "done").await;
}

#[test]
fn an_address_that_others_can_reach_is_refused_without_a_token() {
    let place = Place::new();
    let configuration = text(&place.path("brigade.toml")).replace("token = \"${BRIGADE_TOKEN}\"\n", "");
    std::fs::write(place.path("brigade.toml"), configuration).unwrap();
    let output = place.command("0.0.0.0:0").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("can be reached by other machines") && said.contains("hint: add token"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_about_a_run_bears_its_job_and_its_id() {
    let lab = Lab::start().await;
    lab.s3.world().seed(BUCKET, "small", "x").unwrap();
    lab.s3.world().seed(BUCKET, "large", Content::pattern(1, 12 << 20)).unwrap();
    lab.s3.world().faults().add(Rule::new(&[Op::List], Action::SLOW_DOWN).once());
    lab.s3.world().faults().add(Rule::new(&[Op::Get], Action::SLOW_DOWN).key("small").once());
    lab.s3_other.world().faults().add(Rule::new(&[Op::PutPart], Action::SLOW_DOWN).key("large").once());
    let store = |name: &str, url: String| {
        format!("[stores.{name}]\nkind = \"s3\"\nendpoint_url = \"{url}\"\nregion = \"us-east-1\"\ncredentials_env = \"LAB\"\n")
    };
    let job = "[jobs.daily]\nsource = \"one:data\"\ntarget = \"two:data\"\npart_size = \"5M\"\n";
    let text = [store("one", lab.s3.url()), store("two", lab.s3_other.url()), job.to_owned()].concat();
    std::fs::write(lab.path("serve.toml"), format!("[serve]\ntoken = \"${{BRIGADE_TOKEN}}\"\n{text}")).unwrap();
    let mut command = lab.bare(&["serve", "--listen", "127.0.0.1:0", "-v", "--log-format", "json"]);
    command
        .env("BRIGADE_CONFIG", lab.path("serve.toml"))
        .env("BRIGADE_TOKEN", TOKEN)
        .stderr(std::fs::File::create(lab.path("log")).unwrap());
    let served = Served::begin(&mut command);
    until("it is ready", || served.send("GET", "/readyz").0 == 200).await;
    assert_eq!(served.send("POST", "/api/jobs/daily/run").0, 200);
    until("the run has ended", || served.job("daily")["last"]["outcome"] == "done").await;
    let run = served.job("daily")["last"]["run"].as_str().unwrap().to_owned();
    let log = self::text(&lab.path("log"));
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let attempts: Vec<Value> = lines.filter(|line| line["fields"]["message"] == "attempt failed").collect();
    for operation in ["Other", "Get", "Part"] {
        let of_it: Vec<&Value> = attempts.iter().filter(|line| line["fields"]["operation"] == operation).collect();
        assert!(!of_it.is_empty(), "{operation}: {log}");
        for line in of_it {
            assert_eq!((&line["span"]["job"], &line["span"]["run"]), (&"daily".into(), &run.as_str().into()), "{line}");
        }
    }
}
