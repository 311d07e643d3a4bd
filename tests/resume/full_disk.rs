//! p05: a disk that takes no more of the journal stops the run: exit code 2 and a sentence, nothing deleted, nothing lost. With
//! space again the same command ends what it began.

use std::process::Output;

use tokio::process::Command;

use crate::guards::{count_deletes, deletes};
use crate::setting::{Pair, Setting, for_pairs};
use crate::support::binary;

for_pairs! {
    p05_a_disk_without_space_stops_the_run_and_loses_nothing(S3ToS3, S3ToGcs) = no_space;
}

/// So many objects that the journal of the run is larger than every limit below.
const OBJECTS: u64 = 1_000;

/// Limits of a file, KiB: the first takes no journal at all, the others break off further and further inside the run.
const LIMITS_KIB: [&str; 4] = ["1", "40", "120", "250"];

/// Runs a migration in which no file can grow beyond a limit: a write beyond it fails, as on a disk that is full.
async fn limited(setting: &Setting, kib: &str) -> Output {
    let [source, target] = setting.places();
    let plain = setting.lab.command(&["migrate", source, target]);
    let script = "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"";
    let mut command = Command::new("bash");
    command.args(["-c", script, "bash", kib]).arg(binary()).args(plain.as_std().get_args()).env_clear();
    for (name, value) in plain.as_std().get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.current_dir(setting.lab.directory.path()).output().await.unwrap()
}

async fn no_space(pair: Pair) {
    let setting = Setting::many(pair, OBJECTS).await;
    count_deletes(&setting);
    for kib in LIMITS_KIB {
        let output = limited(&setting, kib).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        println!("{kib} KiB: {:?}: {}", output.status.code(), said.lines().find(|line| line.starts_with("error:")).unwrap_or("-"));
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("error: ") && said.contains("journal") && said.contains("hint: "), "{said}");
        assert_eq!((deletes(setting.source()), deletes(setting.target())), (0, 0), "{said}");
        setting.originals_are_there();
    }
    let ran = setting.run("migrate", &[]).await.expect(0);
    assert_eq!(ran.objects("deleted_source"), OBJECTS);
    setting.arrived();
}
