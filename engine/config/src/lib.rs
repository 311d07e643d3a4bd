//! `brigade.toml`: stores, jobs, tenants and classes, understood as a whole or refused as a whole.
//!
//! What may stand in the file is one table ([`keys`]), from which the reader, the suggestions and `docs/CONFIG.md` are made, so they
//! cannot say different things. Reading finds every problem, each with its line, not only the first. A typing error is never a silent
//! default, and a tenant that reaches beyond its roots is a problem of the file, before anything is opened.
//!
//! Nothing here opens a store or reads the environment; secrets are kept as the names of the variables that hold them.

pub mod init;
mod job;
pub mod keys;
mod limits;
mod measure;
mod place;
mod problem;
mod read;
mod reference;
mod schedules;
mod secret;
mod service;
mod show;
mod store;
mod tenants;
mod text;

use std::collections::BTreeMap;

pub use job::{Job, Mode, ReadyWhen};
pub use measure::{Measured, Verdict};
pub use place::{BadPlace, resolve};
pub use problem::{Problem, Problems, nearest};
pub use reference::reference;
pub use secret::{Secret, Unset};
pub use service::{Class, Notifications, NotifyEvent, Serve};
pub use store::{StoreConfig, StoreKind};
pub use tenants::{Tenant, TenantLimits};

use keys::{CLASS, JOB, LIMITS, NOTIFICATIONS, SERVE, STORE, TENANT, TOP};
use problem::Found;
use read::{Lines, Section};

/// The file, understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `[stores.NAME]`.
    pub stores: BTreeMap<String, StoreConfig>,
    /// `[jobs.NAME]`.
    pub jobs: BTreeMap<String, Job>,
    /// `[classes.NAME]`.
    pub classes: BTreeMap<String, Class>,
    /// `[tenants.NAME]`.
    pub tenants: BTreeMap<String, Tenant>,
    /// `[serve]`.
    pub serve: Serve,
    /// `[notifications]`.
    pub notifications: Option<Notifications>,
}

impl Config {
    /// Understands the text of a file.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of its lines.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        let lines = Lines::new(text);
        let table = toml::de::DeTable::parse(text).map_err(|error| lines.syntax(&error))?;
        let mut found = Found::default();
        let config = Self::read(table.get_ref(), &lines, &mut found);
        found.done().map(|()| config)
    }

    fn read(table: &toml::de::DeTable<'_>, lines: &Lines<'_>, found: &mut Found) -> Self {
        let top = Section::read(&TOP, String::new(), table, lines, found);
        let mut config = Self::default();
        for (name, section) in top.tables("stores", &STORE, lines, found) {
            config.stores.insert(name, StoreConfig::read(&section, found));
        }
        for (name, section) in top.tables("classes", &CLASS, lines, found) {
            config.classes.insert(name, Class::read(&section, found));
        }
        for (name, section) in top.tables("tenants", &TENANT, lines, found) {
            let limits = section.table("limits", &LIMITS, lines, found);
            config.tenants.insert(name, Tenant::read(&section, limits.as_ref(), found));
        }
        for (name, section) in top.tables("jobs", &JOB, lines, found) {
            let ready_when = section.table("ready_when", &keys::READY_WHEN, lines, found);
            if let Some(job) = Job::read(&name, &section, ready_when.as_ref(), found) {
                config.jobs.insert(name, job);
            }
        }
        if let Some(section) = top.table("serve", &SERVE, lines, found) {
            config.serve = Serve::read(&section, found);
        }
        if let Some(section) = top.table("notifications", &NOTIFICATIONS, lines, found) {
            config.notifications = Notifications::read(&section, found);
        }
        config.relate(found);
        config
    }

    /// What no table shows by itself: names that lead nowhere, circles, and tenants that meet.
    fn relate(&self, found: &mut Found) {
        self.check_stores(found);
        self.check_jobs(found);
        self.check_chains(found);
        self.check_tenants(found);
        self.check_state_directories(found);
    }

    /// The jobs of a tenant, or of none.
    pub fn jobs_of<'a>(&'a self, tenant: Option<&'a str>) -> impl Iterator<Item = (&'a String, &'a Job)> {
        self.jobs.iter().filter(move |(_, job)| job.tenant.as_deref() == tenant)
    }
}
