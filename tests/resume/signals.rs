//! p05: SIGTERM and Ctrl-C finish the parts in flight, not the object, and write down what was done; the second stops at once.

use std::process::Stdio;
use std::time::{Duration, Instant};

use brigade_lab::fault::{Action, Op, Rule};
use tokio::process::Child;

use crate::parts::{LARGE, LARGE_PARTS, parts_arrived, sample};
use crate::setting::{PART_SIZE, Pair, Setting, for_pairs};
use crate::support::{BUCKET, binary};
use crate::wait;

for_pairs! {
    p05_an_interrupt_ends_within_seconds_and_the_next_run_sends_what_is_missing(S3ToS3, S3ToGcs) = once;
    p05_a_second_interrupt_stops_at_once(S3ToS3) = twice;
}

/// More than the parts in flight take.
const STOP_TIME_MAX: Duration = Duration::from_secs(8);

/// Sends a signal to the process, as a shell would.
pub fn signal(child: &Child, name: &str) {
    let process = child.id().unwrap().to_string();
    let sent = std::process::Command::new("bash").args(["-c", "kill -s \"$0\" \"$1\"", name, &process]).status().unwrap();
    assert!(sent.success());
}

/// What `brigade status` says of the one job.
pub fn status(setting: &Setting) -> serde_json::Value {
    let state = setting.lab.path("state");
    let output = std::process::Command::new(binary()).arg("status").arg("--json").arg("--state-dir").arg(state).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

fn start(setting: &Setting, more: &[&str]) -> Child {
    let [source, target] = setting.places();
    let arguments = [&["migrate", source, target, "--part-size", PART_SIZE][..], more].concat();
    setting.lab.command(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

async fn once(pair: Pair) {
    for name in ["TERM", "INT"] {
        let setting = sample(pair).await;
        // At 6 MiB a second the whole object would take seven seconds; three parts are in flight at once.
        let child = start(&setting, &["--bandwidth", "6M", "--memory", "16M"]);
        wait::until("the first part has arrived", || parts_arrived(&setting) >= 1).await;
        signal(&child, name);
        let signalled = Instant::now();
        let output = tokio::time::timeout(STOP_TIME_MAX, child.wait_with_output()).await.expect("it ends within seconds").unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        println!("SIG{name}: ended after {} ms with {} of {LARGE_PARTS} parts", signalled.elapsed().as_millis(), parts_arrived(&setting));
        assert_eq!(output.status.code(), Some(130), "{said}");
        assert!(said.contains("stopping: finishing what is in flight"), "{said}");
        assert!(parts_arrived(&setting) < LARGE_PARTS, "the object was not finished");
        assert!(setting.target().peek(BUCKET, LARGE).is_err());
        setting.originals_are_there();

        let ran = setting.run("migrate", &[]).await.expect(0);
        assert!(ran.report["resumed_from"].is_string(), "the run that was interrupted is named: {}", ran.report);
        assert_eq!(parts_arrived(&setting), LARGE_PARTS, "every part was sent once, by one run or the other");
        setting.arrived();
    }
}

async fn twice(pair: Pair) {
    let setting = sample(pair).await;
    setting.in_target_fault(Rule::new(&[Op::PutPart], Action::Stall).glob("*.bin"));
    let child = start(&setting, &[]);
    wait::until("a part is under way that never ends", || !setting.target().faults().struck().is_empty()).await;
    wait::until("its upload is written down", || status(&setting)["open_uploads"] == 1).await;
    signal(&child, "INT");
    let mut child = child;
    let mut said = tokio::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    tokio::io::AsyncBufReadExt::read_line(&mut said, &mut line).await.unwrap();
    assert!(line.contains("interrupt again to stop at once"), "{line}");
    assert!(child.try_wait().unwrap().is_none(), "it waits for what is in flight");
    signal(&child, "INT");
    let ended = tokio::time::timeout(STOP_TIME_MAX, child.wait()).await.expect("it stops at once").unwrap();
    assert_eq!(ended.code(), Some(130));
    line.clear();
    tokio::io::AsyncBufReadExt::read_line(&mut said, &mut line).await.unwrap();
    assert!(line.contains("stopped at once; give the same command again to resume"), "{line}");
    setting.target().faults().clear();
    setting.run("migrate", &[]).await.expect(0);
    setting.arrived();
}
