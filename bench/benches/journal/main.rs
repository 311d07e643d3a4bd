//! What the journal costs: the CPU of both threads for every note, and the time of a flush.
//!
//! The budget is 2 us of CPU per small object, the writer's thread included, so the first group measures the CPU time of the
//! whole process and not the time on a clock, which a disk that syncs would rule. Durability is as in a real run: WAL,
//! `synchronous = FULL`, in a temporary directory (`TMPDIR` says on which disk).

use std::path::Path;
use std::time::Duration;

use brigade_core::known::Original;
use brigade_core::{Algorithm, Change, Digests, Identity, Key, Known, Proof};
use brigade_state::{Journal, Note, RunStart, SqliteJournal};
use criterion::measurement::{Measurement, ValueFormatter};
use criterion::{BatchSize, Criterion, Throughput};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Runtime;

/// Notes of one iteration.
const NOTES: u64 = 50_000;

/// CPU time of the process, all threads, user and system.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
        Duration::new(seconds.expect("a process runs forward"), nanoseconds.expect("below a second"))
    }

    fn end(&self, begun: Duration) -> Duration {
        self.start() - begun
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_secs_f64() * 1e9
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        criterion::measurement::WallTime.formatter()
    }
}

fn main() {
    let mut cpu = Criterion::default().with_measurement(CpuTime).configure_from_args();
    notes(&mut cpu);
    cpu.final_summary();
    let mut clock = Criterion::default().configure_from_args();
    flush(&mut clock);
    clock.final_summary();
}

/// One `Change::Set` for each small object, as a copy between two clouds notes it.
fn notes(criterion: &mut Criterion<CpuTime>) {
    let runtime = Runtime::new().expect("a runtime");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let journal = open(&directory.path().join("journal.sqlite"));
    let changes: Vec<Change> = (0..NOTES).map(change).collect();
    let mut group = criterion.benchmark_group("journal, CPU of all threads");
    group.throughput(Throughput::Elements(NOTES)).sample_size(20);
    group.bench_function("note 50,000 small objects", |bencher| {
        bencher.iter_batched(
            || {
                runtime.block_on(journal.forget_changes()).expect("the disk has room");
                changes.clone()
            },
            |changes| {
                runtime.block_on(async {
                    for change in changes {
                        journal.note(Note::Change(change)).await.expect("the disk has room");
                    }
                    journal.flush().await.expect("the disk has room");
                });
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// One note and its flush: what beginning an upload waits for.
fn flush(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let journal = open(&directory.path().join("journal.sqlite"));
    let mut number = 0;
    let mut group = criterion.benchmark_group("journal, clock");
    group.sample_size(20);
    group.bench_function("note and flush", |bencher| {
        bencher.iter(|| {
            number += 1;
            runtime.block_on(async {
                journal.note(Note::Change(change(number))).await.expect("the disk has room");
                journal.flush().await.expect("the disk has room");
            });
        });
    });
    group.finish();
}

/// An empty journal.
fn open(path: &Path) -> SqliteJournal {
    let run = RunStart {
        run: "01JDHB5T6VX8Q4K2N9M7R3P0WZ".into(),
        command: "sync".into(),
        started: "2026-11-25T10:00:00Z".into(),
        source: "s3://bucket/prefix/".into(),
        target: "gs://bucket/prefix/".into(),
    };
    SqliteJournal::open(path, &run).expect("a journal").0
}

fn change(number: u64) -> Change {
    let time = |second: u64| jiff::Timestamp::from_second(i64::try_from(second).expect("small")).expect("in range");
    Change::Set(Known {
        key: Key::new(format!("registry/docker/v2/blobs/{:03}/{number:08}/data", number / 1_000)),
        size: 4_096 + number,
        source: Identity::etag("fba9dede5f27731c9771645a39863328"),
        target: Identity::Generation(1_764_000_000_000_000 + number),
        digests: Digests { crc32c: Some(0x1234_5678), crc64nvme: None, md5: Some([7; 16]) },
        proof: Some(Proof::Stored(Algorithm::Crc32c)),
        source_modified: Some(time(1_750_000_000 + number)),
        known_at: time(1_764_000_000 + number),
        run: "01JDHB5T6VX8Q4K2N9M7R3P0WZ".into(),
        original: Original::Present,
    })
}
