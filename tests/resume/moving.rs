//! A migration that is stopped again and again, and what must hold whenever it stands still.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use brigade_lab::fault::{Action, Op, Rule};
use brigade_lab::world::{Content, World};
use bytes::Bytes;
use tokio::process::Child;

use crate::support::{BUCKET, Lab};
use crate::wait;

/// 2^20 bytes.
pub const MIB: u64 = 1 << 20;

/// Small objects of a sample: one batch of deletes takes all of them.
pub const SMALL_OBJECTS: u64 = 300;

/// How long the source takes for each deletion in a batch: a kill has to be able to hit the inside of a batch.
const DELETE_TIME: Duration = Duration::from_millis(2);

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    S3,
    Gcs,
}

/// How far a run had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Starting,
    Listing,
    Copying,
    Deleting,
}

/// Two worlds and the originals that are moved from one to the other.
pub struct Moving {
    pub lab: Lab,
    into: Cloud,
    originals: BTreeMap<Vec<u8>, Bytes>,
    /// Versions of the target that were compared with their original, byte for byte.
    compared: BTreeSet<(Vec<u8>, u64)>,
}

impl Moving {
    /// Small objects and large ones, each with a content of its own.
    pub async fn sample(into: Cloud, seed: u64, large: &[u64]) -> Self {
        let mut moving = Self { lab: Lab::start().await, into, originals: BTreeMap::new(), compared: BTreeSet::new() };
        for number in 0..SMALL_OBJECTS {
            moving.original(&format!("small/{number:03}.bin"), seed + number, 200 + number * 37);
        }
        for (number, size) in (0..).zip(large) {
            moving.original(&format!("large/{number}.bin"), seed + 1_000 + number, *size);
        }
        moving.source().faults().add(Rule::new(&[Op::DeleteEntry], Action::Delay(DELETE_TIME)));
        moving
    }

    fn original(&mut self, key: &str, seed: u64, size: u64) {
        let bytes = Content::pattern(seed, size).body().to_bytes().unwrap();
        self.source().seed(BUCKET, key, bytes.clone()).unwrap();
        self.originals.insert(key.into(), bytes);
    }

    pub fn source(&self) -> &Arc<World> {
        self.lab.s3.world()
    }

    pub fn target(&self) -> &Arc<World> {
        match self.into {
            Cloud::S3 => self.lab.s3_other.world(),
            Cloud::Gcs => self.lab.gcs_other.world(),
        }
    }

    /// The target as an argument.
    pub fn target_name(&self) -> &'static str {
        match self.into {
            Cloud::S3 => "two:data",
            Cloud::Gcs => "h:data",
        }
    }

    /// The migration, always the same command.
    pub fn start(&self, more: &[&str]) -> Child {
        let arguments = [&["migrate", "one:data", self.target_name(), "--part-size", "5M"][..], more].concat();
        let log = std::fs::File::create(self.lab.path("stderr.log")).unwrap();
        self.lab.command(&arguments).stdout(std::process::Stdio::null()).stderr(log).spawn().unwrap()
    }

    /// What the last run said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.lab.path("stderr.log")).unwrap_or_default()
    }

    /// Kills a run and waits until both servers have let go of everything that it had begun. When it was killed; or how it had
    /// ended by itself.
    pub async fn kill(&self, mut run: Child) -> Result<Instant, ExitStatus> {
        if let Some(ended) = run.try_wait().unwrap() {
            return Err(ended);
        }
        let killed = Instant::now();
        run.start_kill().unwrap();
        let ended = run.wait().await.unwrap();
        self.quiet().await;
        if ended.code().is_some() { Err(ended) } else { Ok(killed) }
    }

    /// Waits until no request is under way at any server.
    pub async fn quiet(&self) {
        let lab = &self.lab;
        wait::until("the servers let go of a run that is gone", || {
            lab.s3.connections() + lab.s3_other.connections() + lab.gcs.connections() + lab.gcs_other.connections() == 0
        })
        .await;
    }

    /// Entries of batches of deletes that the source has seen.
    pub fn deletes(&self) -> u64 {
        self.source().requests().counts().of(Op::DeleteEntry)
    }

    /// Listing pages that the source has been asked for.
    pub fn lists(&self) -> u64 {
        self.source().requests().counts().list()
    }

    /// What must hold whenever no run is under way: the target holds nothing but whole originals and what may be staged, and every
    /// original that is gone from the source is there.
    pub fn judge(&mut self) {
        let mut arrived = BTreeSet::new();
        for (key, object) in self.target().objects(BUCKET) {
            if key.starts_with(b".brigade-staging/") {
                continue;
            }
            let name = String::from_utf8_lossy(&key).into_owned();
            let original = self.originals.get(&key).unwrap_or_else(|| panic!("the target holds `{name}`, which nobody wrote"));
            if self.compared.insert((key.clone(), object.generation)) {
                assert!(object.body().to_bytes().unwrap() == *original, "`{name}` is not what the original was");
            }
            arrived.insert(key);
        }
        let left: BTreeSet<Vec<u8>> = self.source().keys(BUCKET).into_iter().collect();
        for key in self.originals.keys().filter(|key| !left.contains(*key)) {
            assert!(arrived.contains(key), "`{}` is gone from the source without a copy", String::from_utf8_lossy(key));
        }
    }

    /// The end of a migration: the source is empty, the target is what the source was, and after a sweep nothing else is left.
    pub async fn ended(&mut self) {
        self.judge();
        assert!(self.source().keys(BUCKET).is_empty(), "the source is empty");
        self.lab.brigade(&["cleanup", self.target_name(), "--older-than", "0s"]).await.expect(0);
        assert_eq!(self.target().uploads_under_way(BUCKET), 0, "p12: no upload is left after a sweep");
        let expected: Vec<Vec<u8>> = self.originals.keys().cloned().collect();
        assert!(self.target().keys(BUCKET) == expected, "nothing but the originals is left in the target after a sweep");
    }
}
