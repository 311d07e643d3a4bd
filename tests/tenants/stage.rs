//! An embedded server on which every access key may do everything, the real binary, and the judgement of what it asked for.

use std::path::PathBuf;
use std::process::Stdio;

use brigade_lab::door::Logged;
use brigade_lab::fault::Op;
use brigade_lab::s3::{S3Options, S3Server};
use brigade_lab::world::World;
use tempfile::TempDir;

use crate::setting::{OF_THE_PROCESS, Setting};

/// The exit code of whatever could not be run.
const REFUSED: i32 = 2;

/// A server, and a directory for one setting.
pub struct Stage {
    server: S3Server,
    directory: TempDir,
}

/// One run of one job.
#[derive(Debug)]
struct Asked {
    job: String,
    code: i32,
    said: String,
    calls: Vec<Logged>,
}

/// What came of a setting.
#[derive(Debug, Default)]
pub struct Tried {
    /// Jobs that were refused before anything was asked of the server.
    pub refused: usize,
    /// Jobs that ran to an end without an error.
    pub ran: usize,
    /// Requests of all of them.
    pub requests: usize,
    check: i32,
    asked: Vec<Asked>,
    /// Where the state of the tenants really is.
    state: Vec<PathBuf>,
}

fn secret(key: &str) -> String {
    format!("secret-of-{key}")
}

impl Stage {
    /// Starts with objects of both tenants, beside them, and between them.
    pub async fn new() -> Self {
        let world = World::new();
        for bucket in ["data", "backup", "elsewhere", "team-ab"] {
            world.ensure_bucket(bucket);
        }
        for prefix in ["team-a", "team-ab", "team-a-more", "team-a/../team-ab", "elsewhere"] {
            for rest in ["", "/x", "/x/one", "/x/two", "/x/y/three", "/y/four"] {
                let key = format!("{prefix}{rest}");
                world.seed("data", &key, format!("data of {key}").as_str()).unwrap();
            }
            for rest in ["", "/x", "/x/old", "/y/kept"] {
                world.seed("backup", format!("{prefix}{rest}"), "a copy").unwrap();
            }
        }
        let others = ["KEYA_IN", "KEYA_OUT", "KEYB_IN", "KEYB_OUT"].map(|key| (key.to_owned(), secret(key))).to_vec();
        let options =
            S3Options { access_key: OF_THE_PROCESS.to_owned(), secret_key: secret(OF_THE_PROCESS), others, ..S3Options::default() };
        let server = S3Server::start(world, options).await.unwrap();
        server.requests().start_log();
        let stage = Self { server, directory: tempfile::tempdir().unwrap() };
        stage.write_files();
        stage
    }

    /// Lists of keys and links that a setting may name.
    fn write_files(&self) {
        let root = self.directory.path();
        let names = "one\n../../team-ab/x/one\n/team-ab/x/one\n..%2f..%2fteam-ab/x/one\n../x/two\ny/three\n";
        std::fs::write(root.join("names"), names).unwrap();
        std::fs::create_dir_all(root.join("state")).unwrap();
        for tenant in crate::setting::TENANTS {
            std::fs::create_dir_all(root.join("state").join(tenant)).unwrap();
            std::os::unix::fs::symlink(root.join("state").join(tenant), root.join(format!("link-to-{tenant}"))).unwrap();
        }
    }

    /// The right setting of this stage.
    pub fn right(&self) -> Setting {
        Setting::right(&self.server.url(), self.directory.path())
    }

    /// The keys of a bucket.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        self.server.world().objects(bucket).into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect()
    }

    /// Checks the setting, and runs each of its jobs.
    pub async fn try_out(&self, setting: &Setting) -> Tried {
        std::fs::write(self.directory.path().join("brigade.toml"), setting.text()).unwrap();
        self.write_profiles(setting);
        let check = self.brigade(setting, &["config", "check"]).await;
        assert!(check.calls.is_empty(), "a check asks nobody: {check:?}");
        let mut tried = Tried { check: check.code, ..Tried::default() };
        for job in &setting.jobs {
            let asked = self.brigade(setting, &["run", &job.name]).await;
            tried.refused += usize::from(asked.code == REFUSED && asked.calls.is_empty());
            tried.ran += usize::from(asked.code == 0);
            tried.requests += asked.calls.len();
            tried.asked.push(Asked { job: job.name.clone(), ..asked });
        }
        tried.state = setting.tenants.iter().filter_map(|tenant| tenant.state_dir.canonicalize().ok()).collect();
        tried
    }

    /// Every name of the environment is a profile as well, and each profile knows the server by itself.
    fn write_profiles(&self, setting: &Setting) {
        let profile = |(name, key): (&String, &String)| {
            let (secret, url) = (secret(key), self.server.url());
            format!("[profile {name}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\nendpoint_url = {url}\n")
        };
        let text: String = setting.environment.iter().map(profile).collect();
        std::fs::create_dir_all(self.directory.path().join(".aws")).unwrap();
        std::fs::write(self.directory.path().join(".aws/config"), text).unwrap();
    }

    async fn brigade(&self, setting: &Setting, arguments: &[&str]) -> Asked {
        self.server.requests().reset();
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_brigade"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.directory.path())
            .env("BRIGADE_CONFIG", self.directory.path().join("brigade.toml"))
            .env("BRIGADE_STATE_DIR", self.directory.path().join("own"))
            .env("AWS_ACCESS_KEY_ID", OF_THE_PROCESS)
            .env("AWS_SECRET_ACCESS_KEY", secret(OF_THE_PROCESS))
            .env("AWS_ENDPOINT_URL", self.server.url())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        for (name, key) in &setting.environment {
            command.env(format!("{name}_AWS_ACCESS_KEY_ID"), key).env(format!("{name}_AWS_SECRET_ACCESS_KEY"), secret(key));
        }
        command.envs(setting.variables.iter().map(|(name, value)| (name, value)));
        let output = command.output().await.unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Asked { job: arguments.join(" "), code: output.status.code().unwrap_or(-1), said, calls: self.server.requests().log() }
    }
}

impl Tried {
    /// What was done that this setting lets nobody do.
    pub fn wrongs(&self, setting: &Setting) -> Vec<String> {
        let mut wrongs = Vec::new();
        for Asked { job, said, calls, code } in &self.asked {
            let tenant = setting.jobs.iter().find(|other| other.name == *job).unwrap().tenant.as_deref();
            let bad = calls.iter().find_map(|call| may(setting, tenant, call).err().map(|why| format!("{why}: {call:?}")));
            // A check may find more than a run needs, such as a variable of another job; what it lets pass is understood by a run too.
            let differs = self.check == 0 && *code == REFUSED && said.contains("is not understood");
            let differs = differs.then(|| "is refused, and the check passed".to_owned());
            wrongs.extend(bad.into_iter().chain(differs).map(|why| format!("{job} ({code}) {why}\n{}\nit said: {said}", setting.text())));
        }
        wrongs.extend(self.common_state(setting));
        wrongs
    }

    /// Two tenants that both ran have no state in common, whatever links there are.
    fn common_state(&self, setting: &Setting) -> Option<String> {
        let of_tenants = setting.jobs.iter().all(|job| job.tenant.is_some()) && setting.jobs[0].tenant != setting.jobs[1].tenant;
        if self.ran < self.asked.len() || !of_tenants {
            return None;
        }
        let [one, other] = self.state.as_slice() else { return Some(format!("{:?} are not two\n{}", self.state, setting.text())) };
        (one.starts_with(other) || other.starts_with(one)).then(|| format!("{:?}\n{}", self.state, setting.text()))
    }
}

/// Whether a run for this tenant, or for nobody, may make a call.
fn may(setting: &Setting, tenant: Option<&str>, call: &Logged) -> Result<(), String> {
    let key = call.caller.access_key.as_deref();
    if !setting.may_use(tenant, key) {
        return Err(format!("used the access key {key:?}, which is not of {tenant:?} alone"));
    }
    let touched = call.caller.copies.iter().map(|(bucket, key)| (bucket.as_str(), key.as_slice())).chain([(&*call.bucket, &*call.key)]);
    for (bucket, key) in touched {
        // These name a bucket only; the keys of a batch are calls of their own.
        let is_of_bucket = matches!(call.op, Op::Bucket | Op::DeleteBatch | Op::Other) && key.is_empty();
        let is_well = match tenant {
            Some(tenant) if is_of_bucket => setting.owners_in(bucket).contains(&tenant),
            None if is_of_bucket => !bucket.is_empty(),
            Some(tenant) => setting.owners(bucket, key) == [tenant],
            None => setting.owners(bucket, key).is_empty(),
        };
        if !is_well {
            return Err(format!("touched {bucket}/{}, which is of {:?}", String::from_utf8_lossy(key), setting.owners(bucket, key)));
        }
    }
    Ok(())
}
