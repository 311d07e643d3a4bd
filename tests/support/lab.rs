//! Two embedded clouds and the real binary, for tests of the whole system.
//!
//! The binary runs as a process with the environment that a person would give it; what it did is read from its report and
//! checked in the worlds themselves. Nothing here takes the engine's word for what it did.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test crate uses its part of this, and a broken set-up should panic"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use brigade_lab::gcs::{GcsServer, GcsServerOptions};
use brigade_lab::s3::{S3Options, S3Server};
use brigade_lab::world::World;
use serde_json::Value;
use tempfile::TempDir;

/// The bucket that every world has.
pub const BUCKET: &str = "data";

/// Two S3 servers, two GCS servers, and a directory.
pub struct Lab {
    pub s3: S3Server,
    pub s3_other: S3Server,
    pub gcs: GcsServer,
    pub gcs_other: GcsServer,
    pub directory: TempDir,
}

/// What a run of the binary left.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub report: Value,
    /// Peak resident memory as the process itself counted it, bytes; 0 where there was no report.
    pub memory_bytes: u64,
}

impl Lab {
    /// Starts everything on loopback.
    pub async fn start() -> Self {
        Self::over(World::new(), World::new()).await
    }

    /// Starts with these worlds as the S3 source and the GCS target; the others are fresh.
    pub async fn over(s3: Arc<World>, gcs: Arc<World>) -> Self {
        Self::between(s3, World::new(), gcs, World::new()).await
    }

    /// Starts with these four worlds: `one`, `two`, `g` and `h`.
    pub async fn between(s3: Arc<World>, s3_other: Arc<World>, gcs: Arc<World>, gcs_other: Arc<World>) -> Self {
        for world in [&s3, &gcs, &s3_other, &gcs_other] {
            world.ensure_bucket(BUCKET);
        }
        Self {
            s3: S3Server::start(s3, S3Options::default()).await.unwrap(),
            s3_other: S3Server::start(s3_other, S3Options::default()).await.unwrap(),
            gcs: GcsServer::start(gcs, GcsServerOptions::default()).await.unwrap(),
            gcs_other: GcsServer::start(gcs_other, GcsServerOptions::default()).await.unwrap(),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// A path in the lab's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A configuration with the stores `one`, `two` (S3), `g`, `h` (GCS) and `disk`.
    fn config(&self) -> PathBuf {
        let path = self.path("brigade.toml");
        let s3 = |name: &str, url: &str| {
            format!("[stores.{name}]\nkind = \"s3\"\nendpoint_url = \"{url}\"\nregion = \"us-east-1\"\ncredentials_env = \"LAB\"\n")
        };
        let gcs = |name: &str, url: &str| format!("[stores.{name}]\nkind = \"gcs\"\nendpoint_url = \"{url}\"\nanonymous = true\n");
        let disk = format!("[stores.disk]\nkind = \"local\"\nroot = \"{}\"\n", self.path("disk").display());
        let text =
            [s3("one", &self.s3.url()), s3("two", &self.s3_other.url()), gcs("g", &self.gcs.url()), gcs("h", &self.gcs_other.url()), disk]
                .concat();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The binary with arguments and the lab's environment, not yet started. Nothing of this machine's environment gets in.
    pub fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::from(self.bare(arguments));
        command.arg("--config").arg(self.config()).kill_on_drop(true);
        command
    }

    /// The same without a configuration.
    pub fn bare(&self, arguments: &[&str]) -> Command {
        let options = self.s3.options();
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.directory.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("BRIGADE_STATE_DIR", self.path("state"))
            .env("LAB_AWS_ACCESS_KEY_ID", &options.access_key)
            .env("LAB_AWS_SECRET_ACCESS_KEY", &options.secret_key)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
    }

    /// Sets when an object was written.
    pub fn world_time(&self, world: &World, key: &str, time: &str) {
        world.set_modified(BUCKET, key, time.parse().unwrap()).unwrap();
    }

    /// Runs the binary to its end.
    pub async fn brigade(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.command(arguments).output().await.unwrap())
    }

    /// Runs a transfer to its end and reads its report.
    pub async fn transfer(&self, arguments: &[&str]) -> Ran {
        let path = self.path("report.json");
        let _ = std::fs::remove_file(&path);
        let report = path.display().to_string();
        let mut ran = self.brigade(&[arguments, &["--report", &report]].concat()).await;
        ran.report = std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
        ran.memory_bytes = ran.report["peak"]["memory_bytes"].as_u64().unwrap_or(0);
        ran
    }
}

impl Ran {
    /// What a run left that has ended.
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            report: Value::Null,
            memory_bytes: 0,
        }
    }

    /// Fails with everything that was said, unless the exit code is this one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code\nstdout:\n{}\nstderr:\n{}\nreport: {}", self.stdout, self.stderr, self.report);
        self
    }

    /// A number under `objects` of the report.
    #[track_caller]
    pub fn objects(&self, name: &str) -> u64 {
        self.report["objects"][name].as_u64().unwrap_or_else(|| panic!("no objects.{name} in {}", self.report))
    }

    /// The report's failures as (key, kind).
    pub fn failures(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = self.report["failures"].as_array().cloned().unwrap_or_default();
        all.iter().map(|failure| (text(&failure["key"]), text(&failure["kind"]))).collect()
    }

    /// The books of the report balance (p09).
    #[track_caller]
    pub fn balances(&self) {
        let sum: u64 = ["copied", "kept", "skipped", "failed", "unknown"].iter().map(|name| self.objects(name)).sum();
        assert_eq!(self.objects("listed"), sum, "{}", self.report);
    }
}

/// The binary under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_brigade"))
}

/// Objects of a world's bucket as (key, bytes).
pub fn contents(world: &World) -> Vec<(Vec<u8>, Vec<u8>)> {
    world.objects(BUCKET).into_iter().map(|(key, object)| (key, object.body().to_bytes().unwrap().to_vec())).collect()
}
