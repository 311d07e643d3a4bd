//! `brigade.toml`: named stores. Jobs stand in the same file; this version leaves them to later ones.
//!
//! An unknown key is refused with the nearest known one: a typing error in a configuration must never be a silent default.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::args::parse_endpoint;
use crate::error::CliError;

/// The file, as far as it is understood.
#[derive(Debug, Default, Deserialize)]
pub struct Config {
    /// `[stores.NAME]`.
    #[serde(default)]
    pub stores: BTreeMap<String, StoreConfig>,
}

/// One `[stores.NAME]`.
#[derive(Clone, Debug, Deserialize)]
pub struct StoreConfig {
    /// What it is.
    pub kind: StoreKind,
    /// Its endpoint.
    pub endpoint_url: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// A profile of the AWS configuration.
    pub profile: Option<String>,
    /// `NAME`, for `NAME_AWS_ACCESS_KEY_ID` and its kin.
    pub credentials_env: Option<String>,
    /// A service account key or another credentials file of GCS.
    pub credentials_file: Option<PathBuf>,
    /// No credentials.
    #[serde(default)]
    pub anonymous: bool,
    /// The root directory of a local store.
    pub root: Option<PathBuf>,
    /// Bucket in the path (true) or in the host name (false).
    pub path_style: Option<bool>,
}

/// `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// S3 or what speaks like it.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// A directory.
    Local,
}

const TOP_KEYS: &[&str] = &["stores", "jobs"];
const STORE_KEYS: &[&str] =
    &["kind", "endpoint_url", "region", "profile", "credentials_env", "credentials_file", "anonymous", "root", "path_style"];

impl Config {
    /// Reads the file that was named, or the first that is there: `$BRIGADE_CONFIG`, `./brigade.toml`, the user's.
    pub fn load(named: Option<&Path>) -> Result<Self, CliError> {
        match named.map(Path::to_owned).or_else(|| std::env::var_os("BRIGADE_CONFIG").map(PathBuf::from)) {
            Some(path) => Self::read(&path),
            None => match [Some(PathBuf::from("brigade.toml")), user_config()].into_iter().flatten().find(|path| path.exists()) {
                Some(path) => Self::read(&path),
                None => Ok(Self::default()),
            },
        }
    }

    fn read(path: &Path) -> Result<Self, CliError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            CliError::new(format!("cannot read the configuration {}", path.display()), error)
                .hint("name a file that exists with --config or $BRIGADE_CONFIG")
        })?;
        Self::parse(&text).map_err(|cause| CliError::new(format!("the configuration {} is not understood", path.display()), cause))
    }

    /// Parses the text; the error names the line or the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string().trim_end().to_owned())?;
        known(&table, TOP_KEYS, "the file")?;
        if let Some(toml::Value::Table(stores)) = table.get("stores") {
            for (name, store) in stores {
                let store = store.as_table().ok_or_else(|| format!("[stores.{name}] is no table"))?;
                known(store, STORE_KEYS, &format!("[stores.{name}]"))?;
            }
        }
        let config: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        for (name, store) in &config.stores {
            if let Some(Err(todo)) = store.endpoint_url.as_deref().map(parse_endpoint) {
                return Err(format!("endpoint_url in [stores.{name}] is no endpoint: {todo}"));
            }
        }
        Ok(config)
    }

    /// A store by its name.
    pub fn store(&self, name: &str) -> Result<&StoreConfig, CliError> {
        self.stores.get(name).ok_or_else(|| {
            let error = CliError::plain(format!("there is no store `{name}`"));
            match nearest(name, self.stores.keys().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("add a [stores.{name}] to brigade.toml, or name another file with --config")),
            }
        })
    }
}

fn known(table: &toml::Table, keys: &[&str], place: &str) -> Result<(), String> {
    let Some(key) = table.keys().find(|key| !keys.contains(&key.as_str())) else { return Ok(()) };
    let near = nearest(key, keys.iter().copied()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Err(format!("unknown key `{key}` in {place}{near}"))
}

fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known.map(|name| (strsim::damerau_levenshtein(word, name), name)).filter(|(distance, _)| *distance <= 3).min().map(|(_, name)| name)
}

fn user_config() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(base.join("brigade").join("brigade.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_one() {
        let error = Config::parse("[stores.a]\nkind = \"s3\"\nendpoint_ulr = \"x\"\n").expect_err("unknown");
        assert_eq!(error, "unknown key `endpoint_ulr` in [stores.a]; did you mean `endpoint_url`?");
        assert!(Config::parse("[store.a]\n").expect_err("unknown").contains("did you mean `stores`?"));
    }

    #[test]
    fn jobs_may_stand_beside_stores() {
        let config = Config::parse("[stores.a]\nkind = \"gcs\"\nanonymous = true\n[jobs.b]\nsource = \"a:x\"\n").expect("known");
        assert_eq!(config.stores["a"].kind, StoreKind::Gcs);
    }
}
