//! `demo`: the whole story on embedded servers, told with the real commands.
//!
//! Two servers start on loopback, a sample bucket is filled, and this very binary is run as a person would run it. Afterwards
//! the demo looks into both servers itself: it does not take the engine's word for what was moved.

use std::collections::BTreeMap;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Instant;

use brigade_core::Key;
use brigade_core::limits::MIB;
use brigade_lab::gcs::{GcsServer, GcsServerOptions};
use brigade_lab::s3::{S3Options, S3Server};
use brigade_lab::world::{Attributes, Checksum, ChecksumAlgorithm, ChecksumKind, Content, NewObject, World};
use indicatif::{HumanBytes, HumanCount};

use crate::args::{DemoArgs, Global};
use crate::error::CliError;
use crate::say;

const SOURCE: &str = "registry";
const TARGET: &str = "offsite";

/// Keys that other tools have lost or renamed.
const ODD_KEYS: &[&str] = &[
    "odd/a//b",
    "/odd/leading",
    "odd/trailing/",
    "odd/./dot",
    "odd/../dotdot",
    "odd/with space",
    "odd/plus+percent%2Fhash#question?and&",
    "odd/\"quotes\" 'single' <tag>",
    "odd/tab\there",
    "odd/e\u{301} decomposed",
    "odd/\u{e9} composed",
    "odd/\u{1f6b0}\u{1f9d1}\u{200d}\u{1f692}",
    "odd/back\\slash",
];

/// Tells the story.
pub async fn run(args: &DemoArgs, global: &Global) -> Result<ExitCode, CliError> {
    let begun = Instant::now();
    let (source, target) = (World::new(), World::new());
    let sample = fill(&source, args)?;
    target.ensure_bucket(TARGET);
    let s3 =
        S3Server::start(source.clone(), S3Options::default()).await.map_err(|error| CliError::new("cannot start the S3 server", error))?;
    let gcs = GcsServer::start(target.clone(), GcsServerOptions::default())
        .await
        .map_err(|error| CliError::new("cannot start the GCS server", error))?;
    say!("Two embedded servers on loopback: S3 at {}, GCS at {}.", s3.url(), gcs.url());
    say!(
        "The bucket s3://{SOURCE} holds {} objects, {}: empty, small, several in many parts, one of {}, and {} with odd keys.\n",
        HumanCount(length(sample.len())),
        HumanBytes(sample.values().map(|object| object.size).sum()),
        HumanBytes(args.largest),
        ODD_KEYS.len()
    );
    let state = std::env::temp_dir().join(format!("brigade-demo-{}", std::process::id()));
    let report = state.join("report.json");
    std::fs::create_dir_all(&state).map_err(|error| CliError::new("cannot make a directory for the report", error))?;
    let brigade = Brigade { s3: &s3, gcs: &gcs, state: state.display().to_string(), global };
    let (from, to) = (format!("s3://{SOURCE}"), format!("gs://{TARGET}"));
    brigade.call(&["doctor", &from, &to]).await?;
    brigade.call(&["migrate", &from, &to, "--memory", "128M", "--report", &report.display().to_string()]).await?;
    brigade.call(&["ls", &from]).await?;
    brigade.call(&["check", &from, &to, "--one-way"]).await?;

    let verdict = look(&sample, &source, &target);
    say!("The demo's own look into both servers: {}", verdict.sentence);
    say!("The report is in {}. All this took {:.1} s.", report.display(), begun.elapsed().as_secs_f64());
    Ok(if verdict.good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What an original was.
struct Original {
    size: u64,
    crc32c: u32,
}

/// Fills the sample bucket and remembers what is in it.
fn fill(world: &World, args: &DemoArgs) -> Result<BTreeMap<Vec<u8>, Original>, CliError> {
    world.ensure_bucket(SOURCE);
    let mut sample = BTreeMap::new();
    let mut add = |key: Vec<u8>, size: u64, seed: u64| -> Result<(), CliError> {
        let content = Content::pattern(seed, size);
        let stored =
            content.checksum(ChecksumAlgorithm::Crc64Nvme).map_err(|error| CliError::new("cannot fill the sample bucket", error))?;
        let checksum = Checksum { algorithm: ChecksumAlgorithm::Crc64Nvme, kind: ChecksumKind::FullObject, value: stored.into() };
        let attributes = Arc::new(Attributes {
            content_type: Some("application/vnd.oci.image.layer.v1.tar+gzip".into()),
            metadata: [("team".to_owned(), "a".to_owned())].into(),
            ..Attributes::default()
        });
        let new = NewObject { content: content.clone(), checksum: Some(checksum), attributes, ..NewObject::default() };
        world.seed_object(SOURCE, &key, new).map_err(|error| CliError::new("cannot fill the sample bucket", error))?;
        sample.insert(key, Original { size, crc32c: content.crc32c() });
        Ok(())
    };
    for number in 0..args.objects {
        let seed = u64::from(number);
        // Sizes like those of a registry: many manifests of a few KiB, some layers up to a MiB, some empty files.
        let size = match number % 10 {
            0 => 0,
            1..=6 => 200 + seed % 4_000,
            7 | 8 => 10_000 + seed * 37 % 60_000,
            _ => 100_000 + seed * 997 % 900_000,
        };
        add(format!("blobs/sha256/{:02x}/{number:08x}", number % 256).into_bytes(), size, seed)?;
    }
    for (seed, key) in (1_000_000..).zip(ODD_KEYS) {
        add(key.as_bytes().to_vec(), 1_000 + seed % 97, seed)?;
    }
    for (seed, mebibytes) in (2_000_000..).zip([9, 17, 24, 40]) {
        add(format!("bundles/airgap-{mebibytes}.tar").into_bytes(), mebibytes * MIB + 1, seed)?;
    }
    add(b"bundles/airgap-full.tar".to_vec(), args.largest, 3_000_000)?;
    Ok(sample)
}

/// This binary, called as a person would.
struct Brigade<'a> {
    s3: &'a S3Server,
    gcs: &'a GcsServer,
    state: String,
    global: &'a Global,
}

impl Brigade<'_> {
    /// Runs one command with the servers in its environment; it writes to the same terminal.
    async fn call(&self, arguments: &[&str]) -> Result<(), CliError> {
        say!("$ brigade {}", arguments.join(" "));
        let program = std::env::current_exe().map_err(|error| CliError::new("cannot find this program", error))?;
        let options = self.s3.options();
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        if self.global.quiet {
            command.arg("--quiet");
        }
        command
            .env("AWS_ENDPOINT_URL_S3", self.s3.url())
            .env("AWS_ACCESS_KEY_ID", &options.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &options.secret_key)
            .env("AWS_REGION", &options.region)
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_SESSION_TOKEN")
            .env("STORAGE_EMULATOR_HOST", self.gcs.url())
            .env("BRIGADE_STATE_DIR", &self.state);
        let status = command.status().await.map_err(|error| CliError::new("cannot run this program", error))?;
        say!("");
        match status.success() {
            true => Ok(()),
            false => Err(CliError::new(format!("`brigade {}` did not succeed", arguments.join(" ")), status)),
        }
    }
}

/// What the demo saw with its own eyes.
struct Look {
    good: bool,
    sentence: String,
}

fn look(sample: &BTreeMap<Vec<u8>, Original>, source: &World, target: &World) -> Look {
    let left = source.keys(SOURCE).len();
    let arrived = target.objects(TARGET);
    let whole = arrived
        .iter()
        .filter(|(key, object)| {
            sample.get(key).is_some_and(|original| original.size == object.size() && original.crc32c == object.crc32c())
        })
        .count();
    let wrong: Vec<String> =
        arrived.iter().filter(|(key, _)| !sample.contains_key(key)).map(|(key, _)| Key::new(key).to_string()).collect();
    let good = left == 0 && whole == sample.len() && arrived.len() == sample.len();
    let sentence = if good {
        format!(
            "all {} objects are in gs://{TARGET} with exactly their bytes and keys, and none is left in s3://{SOURCE}.",
            HumanCount(length(whole))
        )
    } else {
        format!("NOT good: {whole} of {} objects are whole, {left} originals are left, strangers: {wrong:?}", sample.len())
    };
    Look { good, sentence }
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
