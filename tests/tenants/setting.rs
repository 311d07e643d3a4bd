//! A configuration of two tenants as the generator thinks of it, and what it lets each of them touch.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The tenants. The prefix of the first is the beginning of that of the second.
pub const TENANTS: [&str; 2] = ["a", "b"];

/// The ends of a job.
pub const SIDES: [&str; 2] = ["in", "out"];

/// The prefixes that the tenants own in both buckets.
const PREFIXES: [&str; 2] = ["team-a", "team-ab"];

/// The buckets at both ends.
const BUCKETS: [&str; 2] = ["data", "backup"];

/// The access key of the process itself, which is no tenant's.
pub const OF_THE_PROCESS: &str = "KEYPROCESS";

/// Where the credentials of a store come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Login {
    /// `credentials_env`.
    Environment(String),
    /// `profile`.
    Profile(String),
    /// Whatever there is.
    Ambient,
    /// None.
    Anonymous,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    pub name: String,
    /// Empty where the store names none.
    pub url: String,
    pub login: Login,
    pub lines: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Tenant {
    pub name: String,
    pub stores: Vec<String>,
    pub roots: Vec<String>,
    pub state_dir: PathBuf,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub name: String,
    pub tenant: Option<String>,
    pub source: String,
    pub target: String,
    pub lines: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    pub stores: Vec<Store>,
    pub tenants: Vec<Tenant>,
    pub jobs: Vec<Job>,
    /// The access key that each name of `credentials_env` stands for, and of each profile.
    pub environment: BTreeMap<String, String>,
    /// Variables of the process beside these.
    pub variables: Vec<(String, String)>,
    /// A directory with files that a setting may name.
    pub files: PathBuf,
}

impl Setting {
    /// Two tenants that keep to themselves.
    pub fn right(url: &str, directory: &Path) -> Self {
        let pairs = || TENANTS.iter().flat_map(|tenant| SIDES.map(|side| (*tenant, side)));
        let variable = |tenant: &str, side: &str| format!("{tenant}_{side}").to_uppercase();
        let store = |(tenant, side): (&str, &str)| Store {
            name: format!("{tenant}-{side}"),
            url: url.to_owned(),
            login: Login::Environment(variable(tenant, side)),
            lines: String::new(),
        };
        let tenant = |who: usize| Tenant {
            name: TENANTS[who].to_owned(),
            stores: SIDES.iter().map(|side| format!("{}-{side}", TENANTS[who])).collect(),
            roots: vec![Self::root(who, 0), Self::root(who, 1) + "/"],
            state_dir: directory.join("state").join(TENANTS[who]),
        };
        let job = |who: usize| Job {
            name: format!("{}-job", TENANTS[who]),
            tenant: Some(TENANTS[who].to_owned()),
            source: Self::root(who, 0) + "/x",
            target: Self::root(who, 1) + "/x",
            lines: String::new(),
        };
        Self {
            stores: pairs().map(store).collect(),
            tenants: vec![tenant(0), tenant(1)],
            jobs: vec![job(0), job(1)],
            environment: pairs().map(|(tenant, side)| (variable(tenant, side), format!("KEY{}", variable(tenant, side)))).collect(),
            variables: Vec::new(),
            files: directory.to_owned(),
        }
    }

    /// The root of a tenant at one end.
    pub fn root(who: usize, side: usize) -> String {
        format!("{}-{}:{}/{}", TENANTS[who], SIDES[side], BUCKETS[side], PREFIXES[who])
    }

    /// The store of a tenant at one end.
    pub fn store(&mut self, who: usize, side: usize) -> &mut Store {
        &mut self.stores[who * SIDES.len() + side]
    }

    /// The location of a tenant's job at one end.
    pub fn place(&mut self, who: usize, side: usize) -> &mut String {
        let job = &mut self.jobs[who];
        if side == 0 { &mut job.source } else { &mut job.target }
    }

    /// As `brigade.toml`.
    pub fn text(&self) -> String {
        let list = |items: &[String]| items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(", ");
        let mut text = String::new();
        for Store { name, url, login, lines } in &self.stores {
            let url = if url.is_empty() { String::new() } else { format!("endpoint_url = \"{url}\"\n") };
            let login = match login {
                Login::Environment(name) => format!("credentials_env = \"{name}\"\n"),
                Login::Profile(name) => format!("profile = \"{name}\"\n"),
                Login::Ambient => String::new(),
                Login::Anonymous => "anonymous = true\n".to_owned(),
            };
            write!(text, "[stores.{name}]\nkind = \"s3\"\nregion = \"us-east-1\"\n{url}{login}{lines}").unwrap();
        }
        for Tenant { name, stores, roots, state_dir } in &self.tenants {
            write!(text, "[tenants.{name}]\nstores = [{}]\nroots = [{}]\n", list(stores), list(roots)).unwrap();
            writeln!(text, "state_dir = {state_dir:?}").unwrap();
        }
        for Job { name, tenant, source, target, lines } in &self.jobs {
            let tenant = tenant.as_ref().map(|tenant| format!("tenant = {tenant:?}\n")).unwrap_or_default();
            write!(text, "[jobs.{name}]\nsource = {source:?}\ntarget = {target:?}\nattempts = 1\n{tenant}{lines}").unwrap();
        }
        text
    }

    /// Whether a run for this tenant, or for nobody, may sign with an access key, or not sign at all. A key that tenants share is that
    /// of a store that says so.
    pub fn may_use(&self, tenant: Option<&str>, key: Option<&str>) -> bool {
        let Some(name) = tenant else { return key == Some(OF_THE_PROCESS) };
        let owns = |name: &str, store: &Store| self.tenants.iter().any(|tenant| tenant.name == name && tenant.stores.contains(&store.name));
        let key_of = |store: &Store| match &store.login {
            Login::Environment(name) | Login::Profile(name) => self.environment.get(name).map(String::as_str),
            Login::Ambient => Some(OF_THE_PROCESS),
            Login::Anonymous => None,
        };
        let is_shared = |store: &Store| store.lines.contains("shared = true");
        let own = |store: &&Store| owns(name, store) && key_of(store) == key && (store.login != Login::Ambient || is_shared(store));
        let anothers = |store: &&Store| {
            let others = self.tenants.iter().filter(|other| other.name != name);
            key.is_some() && key_of(store) == key && !is_shared(store) && others.into_iter().any(|other| owns(&other.name, store))
        };
        self.stores.iter().any(|store| own(&store)) && !self.stores.iter().any(|store| anothers(&store))
    }

    /// The tenants below one of whose roots a key of the server lies; a listing lies there with everything that it can show.
    pub fn owners(&self, bucket: &str, key: &[u8]) -> Vec<&str> {
        self.holders(|root_bucket, prefix| {
            let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
            root_bucket == bucket && key.starts_with(format!("{prefix}{slash}").as_bytes())
        })
    }

    /// The tenants that have anything in a bucket of the server.
    pub fn owners_in(&self, bucket: &str) -> Vec<&str> {
        self.holders(|root_bucket, _| root_bucket == bucket)
    }

    /// The tenants that have a root with such a bucket and prefix. A root in a store that names no endpoint is not on this server.
    fn holders(&self, is_such: impl Fn(&str, &str) -> bool) -> Vec<&str> {
        let is_such = |root: &String| {
            let (store, path) = root.split_once(':').unwrap();
            let is_here = self.stores.iter().any(|other| other.name == store && !other.url.is_empty());
            let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
            is_here && is_such(bucket, prefix)
        };
        self.tenants.iter().filter(|tenant| tenant.roots.iter().any(is_such)).map(|tenant| tenant.name.as_str()).collect()
    }
}
