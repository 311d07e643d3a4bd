//! `[tenants.NAME]`: owners that never meet.
//!
//! A tenant's job reaches only stores that the tenant owns, and only keys below its roots, compared byte by byte at `/` boundaries after
//! every spelling of an endpoint was made one. Roots, credentials and state directories of two tenants have nothing in common. Whatever
//! cannot be shown to keep to that is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use brigade_core::location::{Location, Overlap, Place, overlap};
use brigade_core::units::{Timetable, parse_size};

use crate::Config;
use crate::job::Job;
use crate::limits::LABELS_MAX;
use crate::place::resolve;
use crate::problem::{Found, did_you_mean};
use crate::read::{Section, is_name};
use crate::text::is_bare_endpoint;

/// One `[tenants.NAME]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tenant {
    /// The stores that it owns.
    pub stores: Vec<String>,
    /// Where its jobs stay.
    pub roots: Vec<Location>,
    /// Where its state is kept.
    pub state_dir: Option<PathBuf>,
    /// Labels of its metrics.
    pub labels: BTreeMap<String, String>,
    /// What its jobs together may use.
    pub limits: TenantLimits,
    pub(crate) line: usize,
}

/// `[tenants.NAME.limits]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TenantLimits {
    /// Object bytes in memory.
    pub memory_bytes: Option<u64>,
    /// Requests at once at each endpoint.
    pub concurrency: Option<u64>,
    /// Body bytes in a second at each endpoint.
    pub bandwidth: Option<Timetable>,
    /// Requests in a second at each endpoint.
    pub requests_per_second: Option<f64>,
    /// Jobs that run at once.
    pub jobs_at_once: Option<u64>,
    /// The limits that one job has by itself, as options of its command.
    pub(crate) options: Vec<(&'static str, String)>,
}

impl Tenant {
    pub(crate) fn read(section: &Section<'_>, limits: Option<&Section<'_>>, found: &mut Found) -> Self {
        let shown = section.shown();
        for key in ["stores", "roots"] {
            if section.texts(key).is_empty() && !found.mentions(&format!("`{key}` in {shown}")) {
                found.at(section.line, format!("{shown} has no `{key}`: then it has no place for any job"));
            }
        }
        let mut roots = Vec::new();
        for text in section.texts("roots") {
            match Location::parse(&text) {
                Ok(location) => roots.push(location),
                Err(error) => found.at(section.line_of("roots"), format!("`roots` in {shown}: {error}")),
            }
        }
        let state_dir = section.owned("state_dir").map(PathBuf::from);
        if state_dir.as_ref().is_some_and(|path| !is_plain(path)) {
            found.at(section.line_of("state_dir"), format!("`state_dir` in {shown} is no absolute path without `..`"));
        }
        let labels: BTreeMap<String, String> = section.pairs("labels").into_iter().collect();
        if labels.len() > LABELS_MAX || labels.iter().any(|(name, value)| !is_label(name) || value.is_empty()) {
            let what = format!("`labels` in {shown} are more than {LABELS_MAX}, or one is no lower-case name with a value");
            found.at(section.line_of("labels"), what);
        }
        let limits = limits.map(TenantLimits::read).unwrap_or_default();
        Self { stores: section.texts("stores"), roots, state_dir, labels, limits, line: section.line }
    }
}

impl TenantLimits {
    /// How many jobs of the tenant run at once: one where it has other limits and does not say, so that no two of them are given the
    /// whole of a limit; none where it has no limit at all.
    pub fn at_once(&self) -> Option<u64> {
        self.jobs_at_once.or_else(|| (!self.options.is_empty()).then_some(1))
    }

    fn read(section: &Section<'_>) -> Self {
        Self {
            memory_bytes: section.text("memory").and_then(|text| parse_size(text).ok()),
            concurrency: section.number("concurrency"),
            bandwidth: section.text("bandwidth").and_then(|text| Timetable::parse(text).ok()),
            requests_per_second: section.text("requests_per_second").and_then(|text| text.parse().ok()),
            jobs_at_once: section.number("jobs_at_once"),
            options: OF_ONE_JOB.iter().filter_map(|(key, option)| Some((*option, section.owned(key)?))).collect(),
        }
    }
}

/// Limits that a job can have by itself, with its option for them.
const OF_ONE_JOB: [(&str, &str); 4] = [
    ("memory", "--memory"),
    ("concurrency", "--concurrency"),
    ("bandwidth", "--bandwidth"),
    ("requests_per_second", "--requests-per-second"),
];

/// Names that the metrics have for themselves.
const LABELS_TAKEN: [&str; 5] = ["job", "tenant", "le", "quantile", "instance"];

fn is_label(name: &str) -> bool {
    let inside = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    inside && is_name(name) && name.starts_with(|first: char| first.is_ascii_lowercase()) && !LABELS_TAKEN.contains(&name)
}

fn is_plain(path: &Path) -> bool {
    path.is_absolute() && path.components().all(|part| part != std::path::Component::ParentDir)
}

impl Config {
    /// Where the state of a job is kept, below the state directory of the process unless its tenant has its own.
    pub fn state_dir(&self, job: &Job, process: &Path) -> PathBuf {
        let Some(name) = &job.tenant else { return process.to_owned() };
        let own = self.tenants.get(name).and_then(|tenant| tenant.state_dir.clone());
        own.unwrap_or_else(|| process.join(TENANTS_DIRECTORY).join(name))
    }

    pub(crate) fn check_tenants(&self, found: &mut Found) {
        for (name, tenant) in &self.tenants {
            self.check_ownership(name, tenant, found);
            self.check_roots(name, tenant, found);
        }
        self.check_credentials(found);
        for (name, job) in &self.jobs {
            match &job.tenant {
                Some(tenant) => self.check_job_of_tenant(name, job, tenant, found),
                None => self.check_job_of_none(name, job, found),
            }
        }
    }

    /// Stores that there are, with one owner each, and with credentials of their own.
    fn check_ownership(&self, name: &str, tenant: &Tenant, found: &mut Found) {
        for store_name in &tenant.stores {
            let Some(store) = self.stores.get(store_name) else {
                let hint = did_you_mean(store_name, self.stores.keys().map(String::as_str));
                found.push(tenant.line, format!("[tenants.{name}] owns the store `{store_name}`, which there is not"), hint);
                continue;
            };
            let others: Vec<&String> = self.owners(store_name).filter(|owner| *owner != name).collect();
            if !store.shared && !others.is_empty() {
                let what = format!("the store `{store_name}` is owned by `{name}` and by `{}`", others[0]);
                found.with_hint(tenant.line, what, format!("a store has one owner, unless [stores.{store_name}] says shared = true"));
            }
            if store.endpoint_url.as_deref().is_some_and(|url| !is_bare_endpoint(url)) {
                let what = format!("`endpoint_url` in [stores.{store_name}] of the tenant `{name}` is more than a host and a port");
                found.with_hint(store.line, what, "what stands before the bucket may be another bucket: write http://HOST[:PORT]");
            }
            if store.is_ambient() && !store.shared {
                let what =
                    format!("[stores.{store_name}] of the tenant `{name}` names no credentials, so it would use those of the process");
                found.with_hint(store.line, what, "name a profile, credentials_env or credentials_file, or say shared = true");
            }
        }
    }

    /// The tenants that own a store.
    pub fn owners<'a>(&'a self, store: &'a str) -> impl Iterator<Item = &'a String> {
        self.tenants.iter().filter(move |(_, tenant)| tenant.stores.iter().any(|owned| owned == store)).map(|(name, _)| name)
    }

    /// Roots in own stores, apart from those of everybody else.
    fn check_roots(&self, name: &str, tenant: &Tenant, found: &mut Found) {
        for root in &tenant.roots {
            let what = format!("the root {root} of [tenants.{name}]");
            self.check_location(&what, tenant.line, root, found);
            self.check_store(&what, tenant, tenant.line, root, found);
            let Ok(place) = resolve(self, root) else { continue };
            for (other_name, other) in self.tenants.iter().filter(|(other, _)| other.as_str() > name) {
                for other_root in &other.roots {
                    if resolve(self, other_root).is_ok_and(|other_place| overlap(&place, &other_place) != Overlap::None) {
                        let line = tenant.line.max(other.line);
                        found.at(line, format!("{what} and the root {other_root} of [tenants.{other_name}] share keys"));
                    }
                }
            }
        }
    }

    /// A location in a store that the tenant owns.
    fn check_store(&self, what: &str, tenant: &Tenant, line: usize, location: &Location, found: &mut Found) {
        match location {
            Location::Named { store, .. } if tenant.stores.contains(store) => {}
            Location::Named { store, .. } => found.at(line, format!("{what} is in the store `{store}`, which the tenant does not own")),
            _ => found.with_hint(line, format!("{what} is in no named store, so nobody owns it"), "write STORE:bucket/prefix"),
        }
    }

    /// Credentials of one tenant in no store of another.
    fn check_credentials(&self, found: &mut Found) {
        let mut users: BTreeMap<String, (&String, &String)> = BTreeMap::new();
        for (store_name, store) in self.stores.iter().filter(|(_, store)| !store.shared) {
            let (Some(credentials), Some(owner)) = (store.credentials(), self.owners(store_name).next()) else { continue };
            match users.get(&credentials) {
                Some((other, _)) if *other == owner => {}
                Some((other, other_store)) => {
                    let what = format!(
                        "the stores `{other_store}` of `{other}` and `{store_name}` of `{owner}` have the same credentials, {credentials}"
                    );
                    found.at(store.line, what);
                }
                None => drop(users.insert(credentials, (owner, store_name))),
            }
        }
    }

    fn check_job_of_tenant(&self, name: &str, job: &Job, tenant_name: &str, found: &mut Found) {
        let Some(tenant) = self.tenants.get(tenant_name) else {
            let hint = did_you_mean(tenant_name, self.tenants.keys().map(String::as_str));
            found.push(job.line, format!("[jobs.{name}] is of the tenant `{tenant_name}`, which there is not"), hint);
            return;
        };
        for (option, limit) in tenant.limits.options.iter().filter(|(option, limit)| job.exceeds(option, limit)) {
            let what = format!("[jobs.{name}] asks for a `{option}` that is not below the {limit} of the tenant `{tenant_name}`");
            found.push(job.line, what, Some("leave it out of the job: the limit of the tenant holds".to_owned()));
        }
        let roots: Vec<Place> = tenant.roots.iter().filter_map(|root| resolve(self, root).ok()).collect();
        for (key, location) in [("source", &job.source), ("target", &job.target)] {
            let what = format!("`{key}` in [jobs.{name}]");
            self.check_store(&what, tenant, job.line, location, found);
            let Ok(place) = resolve(self, location) else { continue };
            let is_inside = |root: &Place| matches!(overlap(&place, root), Overlap::Same | Overlap::Inside);
            if !roots.iter().any(is_inside) {
                found.at(job.line, format!("{what} is {location}, outside of every root of the tenant `{tenant_name}`"));
            }
        }
    }

    /// A job of nobody stays away from what somebody owns.
    fn check_job_of_none(&self, name: &str, job: &Job, found: &mut Found) {
        for (key, location) in [("source", &job.source), ("target", &job.target)] {
            let what = format!("`{key}` in [jobs.{name}]");
            if let Location::Named { store, .. } = location
                && let Some(owner) = self.owners(store).next()
                && self.stores.get(store).is_some_and(|store| !store.shared)
            {
                found.at(job.line, format!("{what} is in the store `{store}` of the tenant `{owner}`, and the job is of no tenant"));
            }
            let Ok(place) = resolve(self, location) else { continue };
            for (owner, tenant) in &self.tenants {
                let roots = tenant.roots.iter().filter_map(|root| resolve(self, root).ok());
                if roots.into_iter().any(|root| overlap(&place, &root) != Overlap::None) {
                    found.at(job.line, format!("{what} shares keys with a root of the tenant `{owner}`, and the job is of no tenant"));
                }
            }
        }
    }

    /// State directories apart from each other, and outside of everything that is copied.
    pub(crate) fn check_state_directories(&self, found: &mut Found) {
        let process = self.serve.state_dir.iter().map(|path| ("[serve]".to_owned(), self.serve.line, path));
        let own = self
            .tenants
            .iter()
            .filter_map(|(name, tenant)| tenant.state_dir.as_ref().map(|path| (format!("[tenants.{name}]"), tenant.line, path)));
        let directories: Vec<(String, usize, Place)> = process
            .chain(own)
            .filter_map(|(who, line, path)| Some((who, line, resolve(self, &Location::Local(path.to_str()?.to_owned())).ok()?)))
            .collect();
        for (at, (who, line, place)) in directories.iter().enumerate() {
            for (other, other_line, other_place) in &directories[at + 1..] {
                if overlap(place, other_place) != Overlap::None {
                    found
                        .at(*line.max(other_line), format!("the state directories of {who} and {other} are the same or lie in each other"));
                }
            }
            for (name, job) in &self.jobs {
                let places = self.places(job).into_iter().flat_map(|(source, target)| [source, target]);
                if places.into_iter().any(|job_place| overlap(place, &job_place) != Overlap::None) {
                    found.at(job.line, format!("[jobs.{name}] would copy or replace the state directory of {who}"));
                }
            }
        }
    }
}

/// Where the state of tenants is kept below that of the process.
const TENANTS_DIRECTORY: &str = "tenants";
