//! `[stores.NAME]`: an endpoint with its credentials.

use std::path::PathBuf;

use crate::Config;
use crate::problem::{Found, nearest};
use crate::read::Section;

/// One `[stores.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub anonymous: bool,
    /// The root directory of a local store.
    pub root: Option<PathBuf>,
    /// Bucket in the path (true) or in the host name (false).
    pub path_style: Option<bool>,
    /// More than one tenant may own it.
    pub shared: bool,
    /// The line that it begins on.
    pub(crate) line: usize,
}

/// `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoreKind {
    /// S3 or what speaks like it.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// A directory.
    Local,
}

/// Keys that only some kinds have.
const OWN: &[(&str, &[StoreKind])] = &[
    ("endpoint_url", &[StoreKind::S3, StoreKind::Gcs]),
    ("region", &[StoreKind::S3]),
    ("profile", &[StoreKind::S3]),
    ("credentials_env", &[StoreKind::S3]),
    ("credentials_file", &[StoreKind::Gcs]),
    ("anonymous", &[StoreKind::S3, StoreKind::Gcs]),
    ("root", &[StoreKind::Local]),
    ("path_style", &[StoreKind::S3]),
];

/// Ways to say which credentials; at most one is given.
const CREDENTIALS: &[&str] = &["profile", "credentials_env", "credentials_file", "anonymous"];

impl StoreKind {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gcs",
            Self::Local => "local",
        }
    }
}

impl StoreConfig {
    /// A store of which nothing is configured.
    pub fn bare(kind: StoreKind) -> Self {
        Self {
            kind,
            endpoint_url: None,
            region: None,
            profile: None,
            credentials_env: None,
            credentials_file: None,
            anonymous: false,
            root: None,
            path_style: None,
            shared: false,
            line: 0,
        }
    }

    pub(crate) fn read(section: &Section<'_>, found: &mut Found) -> Self {
        let kind = match section.must("kind", found).as_deref() {
            Some("gcs") => StoreKind::Gcs,
            Some("local") => StoreKind::Local,
            _ => StoreKind::S3,
        };
        let shown = section.shown();
        if section.has("kind") {
            for (key, _) in OWN.iter().filter(|(key, kinds)| section.has(key) && !kinds.contains(&kind)) {
                found.at(section.line_of(key), format!("`{key}` in {shown} means nothing where kind = \"{}\"", kind.word()));
            }
        }
        let given: Vec<&str> = CREDENTIALS.iter().copied().filter(|key| section.has(key) && section.switch(key) != Some(false)).collect();
        if let [first, second, ..] = given.as_slice() {
            found.at(section.line_of(second), format!("`{first}` and `{second}` in {shown} contradict each other"));
        }
        let root = section.owned("root").map(PathBuf::from);
        if kind == StoreKind::Local && root.is_none() {
            found.with_hint(section.line, format!("{shown} is local and has no `root`"), format!("write root = \"/path\" under {shown}"));
        }
        if root.as_ref().is_some_and(|root| !root.is_absolute()) {
            found.at(section.line_of("root"), format!("`root` in {shown} is no absolute path"));
        }
        Self {
            endpoint_url: section.owned("endpoint_url"),
            region: section.owned("region"),
            profile: section.owned("profile"),
            credentials_env: section.owned("credentials_env"),
            credentials_file: section.owned("credentials_file").map(PathBuf::from),
            anonymous: section.switch("anonymous").unwrap_or(false),
            root,
            path_style: section.switch("path_style"),
            shared: section.switch("shared").unwrap_or(false),
            line: section.line,
            ..Self::bare(kind)
        }
    }

    /// Which credentials it uses, where it says so. Two stores with the same answer use the same ones.
    pub(crate) fn credentials(&self) -> Option<String> {
        let profile = self.profile.as_ref().map(|name| format!("profile {name}"));
        let variables = self.credentials_env.as_ref().map(|name| format!("variables {name}_AWS_..."));
        // Two spellings of one path are one file.
        let file = self.credentials_file.as_ref().map(|path| format!("file {}", path.components().collect::<PathBuf>().display()));
        profile.or(variables).or(file)
    }

    /// Whether it would use whatever credentials the environment has.
    pub(crate) fn is_ambient(&self) -> bool {
        self.kind != StoreKind::Local && !self.anonymous && self.credentials().is_none()
    }
}

impl Config {
    /// The store with a name nearest to one that there is not.
    pub fn nearest_store(&self, name: &str) -> Option<&str> {
        nearest(name, self.stores.keys().map(String::as_str))
    }

    /// Names before a `:` cannot be told from a path if they hold none.
    pub(crate) fn check_stores(&self, found: &mut Found) {
        for (name, store) in &self.stores {
            let is_below_root = |root: &PathBuf| root.components().any(|part| part == std::path::Component::ParentDir);
            if store.root.as_ref().is_some_and(is_below_root) {
                found.at(store.line, format!("`root` in [stores.{name}] has `..` in it"));
            }
        }
    }
}
