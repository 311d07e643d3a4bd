//! `serve` as a service manager has it: the real binary, its address, its signals, its exit code.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::binary;
use crate::wait::until;

const TOKEN: &str = "0123456789abcdef";

/// A directory with a source, a configuration and a state directory.
struct Place(tempfile::TempDir);

/// The process, killed when a test ends early.
struct Served {
    child: Child,
    address: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

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
        let mut child = self.command("127.0.0.1:0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_else(|| panic!("{line}")).to_owned();
        Served { child, address }
    }
}

impl Served {
    fn send(&self, method: &str, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), text.to_owned())
    }

    fn job(&self) -> Value {
        serde_json::from_str(&self.send("GET", "/api/jobs/daily").1).unwrap()
    }

    fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        assert!(Command::new("bash").args(["-c", "kill -s \"$0\" \"$1\"", name, &process]).status().unwrap().success());
    }

    async fn ends(&mut self) -> i32 {
        let child = std::cell::RefCell::new(&mut self.child);
        let code = std::cell::Cell::new(None);
        until("the service ends", || {
            code.set(child.borrow_mut().try_wait().unwrap());
            code.get().is_some()
        })
        .await;
        code.get().and_then(|status| status.code()).unwrap_or(-1)
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
    assert_eq!(served.job()["level"], "breached", "nothing is proven yet");
    assert_eq!(served.send("POST", "/api/jobs/daily/run").0, 200);
    until("the run has ended", || served.job()["last"]["outcome"] == "done").await;
    until("its age counts", || served.job()["level"] == "met").await;
    assert_eq!(text(&place.path("out/a")), "a");
    let run = served.job()["runs"][0]["run"].as_str().unwrap().to_owned();
    let report: Value = serde_json::from_str(&served.send("GET", &format!("/api/runs/{run}")).1).unwrap();
    assert_eq!((report["run"].as_str(), report["objects"]["copied"].as_u64()), (Some(run.as_str()), Some(1)));

    let second = place.command("127.0.0.1:0").output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("process {}", served.child.id())), "{said}");

    place.configure("recovery_pint = \"1h\"\n");
    served.signal("HUP");
    until("the wrong configuration is told", || served.send("GET", "/metrics").1.contains("brigade_configuration_refused 1\n")).await;
    assert_eq!(served.job()["recovery_point_seconds"], 7_200);
    place.configure("recovery_point = \"1h\"\n");
    served.signal("HUP");
    until("the right one counts", || served.job()["recovery_point_seconds"] == 3_600).await;

    served.signal("TERM");
    assert_eq!(served.ends().await, 0);
}

#[tokio::test]
async fn a_killed_service_has_lost_nothing_that_it_said() {
    let place = Place::new();
    let mut served = place.start();
    until("it is ready", || served.send("GET", "/readyz").0 == 200).await;
    assert_eq!(served.send("POST", "/api/jobs/daily/run").0, 200);
    until("the run has ended", || served.job()["last"]["outcome"] == "done").await;
    assert_eq!(served.send("POST", "/api/jobs/daily/pause").0, 200);
    served.signal("KILL");
    assert_eq!(served.ends().await, -1);
    let served = place.start();
    until("the next one knows it", || served.job()["paused"] == true && served.job()["last"]["outcome"] == "done").await;
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
