//! Where `brigade.toml` is, and what is said of one that cannot be used. What stands in it is understood by `brigade-config`; what only
//! this machine shows of tenants (links, and what variables and profiles hold) is looked at here.

mod access_keys;

use std::path::{Path, PathBuf};

use brigade_config::{Job, nearest};

pub use brigade_config::{StoreConfig, StoreKind};

use crate::error::CliError;
use crate::open::absolute;
use crate::state::state_dir;

/// The configuration, and the file that it came from.
#[derive(Clone, Debug, Default)]
pub struct Config {
    file: brigade_config::Config,
    path: Option<PathBuf>,
}

impl Config {
    /// Reads the file that was named, or the first that is there: `$BRIGADE_CONFIG`, `./brigade.toml`, the user's.
    pub fn load(named: Option<&Path>) -> Result<Self, CliError> {
        match named.map(Path::to_owned).or_else(|| std::env::var_os("BRIGADE_CONFIG").map(PathBuf::from)) {
            Some(path) => Self::read(path),
            None => match [Some(PathBuf::from("brigade.toml")), user_config()].into_iter().flatten().find(|path| path.exists()) {
                Some(path) => Self::read(path),
                None => Ok(Self::default()),
            },
        }
    }

    fn read(path: PathBuf) -> Result<Self, CliError> {
        let text = std::fs::read_to_string(&path).map_err(|error| {
            CliError::new(format!("cannot read the configuration {}", path.display()), error)
                .hint("name a file that exists with --config or $BRIGADE_CONFIG")
        })?;
        match brigade_config::Config::parse(&text) {
            Ok(file) => {
                refuse_links(&file, &path)?;
                access_keys::refuse_common(&file, &path)?;
                Ok(Self { file, path: Some(path) })
            }
            Err(problems) => Err(CliError::new(format!("the configuration {} is not understood", path.display()), problems)),
        }
    }

    /// What was read from a file before.
    pub fn of(file: brigade_config::Config, path: PathBuf) -> Self {
        Self { file, path: Some(path) }
    }

    /// What stands in it.
    pub fn file(&self) -> &brigade_config::Config {
        &self.file
    }

    /// The file that was read; an error where there was none.
    pub fn path(&self) -> Result<&Path, CliError> {
        self.path.as_deref().ok_or_else(|| {
            CliError::plain("there is no configuration")
                .hint("write one with `brigade init`, or name a file with --config or $BRIGADE_CONFIG")
        })
    }

    /// A store by its name.
    pub fn store(&self, name: &str) -> Result<&StoreConfig, CliError> {
        self.file.stores.get(name).ok_or_else(|| {
            let error = CliError::plain(format!("there is no store `{name}`"));
            match self.file.nearest_store(name) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("add a [stores.{name}] to brigade.toml, or name another file with --config")),
            }
        })
    }

    /// A job by its name.
    pub fn job(&self, name: &str) -> Result<&Job, CliError> {
        self.path()?;
        self.file.jobs.get(name).ok_or_else(|| {
            let error = CliError::plain(format!("there is no job `{name}`"));
            match nearest(name, self.file.jobs.keys().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("add a [jobs.{name}] to brigade.toml, or name another file with --config")),
            }
        })
    }

    /// Where the state of a job is kept: below the option, the environment, `[serve]`, then the user's state directory, unless its tenant
    /// has a place of its own.
    pub fn state_dir(&self, job: &Job, option: Option<&Path>) -> Result<PathBuf, CliError> {
        Ok(self.file.state_dir(job, &self.process_state_dir(option)?))
    }

    /// Where the state of the process is kept.
    pub fn process_state_dir(&self, option: Option<&Path>) -> Result<PathBuf, CliError> {
        let named = option.is_some() || std::env::var_os("BRIGADE_STATE_DIR").is_some_and(|path| !path.is_empty());
        match &self.file.serve.state_dir {
            Some(path) if !named => Ok(path.clone()),
            _ => state_dir(option),
        }
    }

    /// Every state directory that jobs of this configuration have, and that of the process.
    pub fn state_dirs(&self, option: Option<&Path>) -> Result<Vec<PathBuf>, CliError> {
        let mut all = vec![self.process_state_dir(option)?];
        for job in self.file.jobs.values() {
            all.push(self.state_dir(job, option)?);
        }
        all.sort();
        all.dedup();
        Ok(all)
    }
}

/// State directories that are apart as they are written can still be one by a link: two tenants never share one.
fn refuse_links(file: &brigade_config::Config, path: &Path) -> Result<(), CliError> {
    let own = file.tenants.iter().filter_map(|(name, tenant)| Some((format!("[tenants.{name}]"), tenant.state_dir.as_ref()?)));
    let process = file.serve.state_dir.iter().map(|path| ("[serve]".to_owned(), path));
    let mut found: Vec<(String, String)> = Vec::new();
    for (who, directory) in process.chain(own) {
        let real = absolute(directory).map_err(|error| CliError::new(format!("cannot find the state directory of {who}"), error))?;
        let real = format!("{}/", real.trim_end_matches('/'));
        if let Some((other, _)) = found.iter().find(|(_, other)| real.starts_with(other) || other.starts_with(&real)) {
            let cause = format!("the state directories of {other} and {who} are the same or lie in each other, by way of a link");
            return Err(CliError::new(format!("the configuration {} is not understood", path.display()), cause));
        }
        found.push((who, real));
    }
    Ok(())
}

fn user_config() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(base.join("brigade").join("brigade.toml"))
}
