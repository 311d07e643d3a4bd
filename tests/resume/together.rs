//! One run of a job at a time, and readers who do not disturb it: a second run is refused while one is alive, a dead one holds
//! nothing, and `brigade status` and any SQLite reader see what the journal says while it is written.

use brigade_lab::fault::{Action, Op, Rule};
use serde_json::Value;
use tokio::process::Command;

use crate::parts::{LARGE, sample};
use crate::setting::{PART_SIZE, Pair, Setting, for_pairs};
use crate::signals::status;
use crate::support::binary;
use crate::wait;

for_pairs! {
    p05_a_second_run_of_a_job_is_refused_until_the_first_is_gone(S3ToS3) = second_run;
    p05_the_journal_can_be_read_while_it_is_written(S3ToGcs) = read_meanwhile;
}

/// A run that waits for ever in the middle of its large object, when its upload is written down.
async fn standing(pair: Pair) -> (Setting, tokio::process::Child) {
    let setting = sample(pair).await;
    setting.in_target_fault(Rule::new(&[Op::PutPart], Action::Stall).glob("*.bin"));
    let [source, target] = setting.places();
    let child = setting.lab.command(&["migrate", source, target, "--part-size", PART_SIZE]).spawn().unwrap();
    wait::until("its upload is written down", || status(&setting)["open_uploads"] == 1).await;
    (setting, child)
}

async fn second_run(pair: Pair) {
    let (setting, mut child) = standing(pair).await;
    let [source, target] = setting.places();
    let process = format!("process {}", child.id().unwrap());
    for command in ["migrate", "copy", "sync"] {
        let ran = setting.lab.brigade(&[command, source, target]).await.expect(2);
        let said = "another run of this job is under way";
        assert!(ran.stderr.contains(said) && ran.stderr.contains(&process), "{}", ran.stderr);
        assert!(ran.stderr.contains("hint: wait for it, or stop it"), "{}", ran.stderr);
    }
    // Other jobs, and looks at this one, go on beside it.
    setting.lab.brigade(&["copy", source, "g:data"]).await.expect(0);
    setting.lab.brigade(&["plan", source, target]).await.expect(0);
    child.kill().await.unwrap();
    setting.target().faults().clear();
    setting.run("migrate", &[]).await.expect(0);
    setting.arrived();
}

/// What Python's own SQLite reads from the journal: the journal's file is all that it needs to know.
async fn by_python(setting: &Setting, sql: &str) -> String {
    let jobs = setting.lab.path("state").join("jobs");
    let job = std::fs::read_dir(jobs).unwrap().next().unwrap().unwrap().path();
    let script =
        "import sqlite3, sys; print(sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True).execute(sys.argv[2]).fetchall())";
    let output = Command::new("python3").args(["-c", script]).arg(job.join("journal.sqlite")).arg(sql).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn read_meanwhile(pair: Pair) {
    let (setting, mut child) = standing(pair).await;
    let seen = status(&setting);
    assert_eq!((&seen["under_way"], &seen["current"]["command"]), (&Value::from(true), &Value::from("migrate")), "{seen}");
    assert_eq!((&seen["source"], &seen["target"]), (&Value::from("one:data"), &Value::from("h:data")));
    let text = std::process::Command::new(binary()).args(["status", "--state-dir"]).arg(setting.lab.path("state")).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    let process = format!("under way: migrate (process {}", child.id().unwrap());
    assert!(text.starts_with("one:data -> h:data\n") && text.contains(&process) && text.contains("1 open uploads"), "{text}");
    assert_eq!(by_python(&setting, "SELECT command, outcome FROM runs").await, "[('migrate', None)]");
    assert_eq!(by_python(&setting, "SELECT key, part_bytes FROM uploads").await, format!("[(b'{LARGE}', 5242880)]"));
    assert_eq!(by_python(&setting, "PRAGMA integrity_check").await, "[('ok',)]");
    assert!(child.try_wait().unwrap().is_none(), "nobody disturbed the run");
    child.kill().await.unwrap();
    let seen = status(&setting);
    assert_eq!((&seen["under_way"], &seen["holder"]), (&Value::from(false), &Value::Null), "{seen}");
}
