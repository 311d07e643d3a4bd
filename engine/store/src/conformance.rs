//! One suite of claims that every store must pass, whoever wrote it: the embedded servers, files, and strangers.
//!
//! A backend's tests build a [`Subject`] and call [`run`]; the [`Summary`] says of each claim whether it holds. What a
//! stranger lacks is named in its [`Profile`], claim by claim and with the reason, so nothing is ever skipped in silence: a
//! claim that its facts rule out and its profile does not name has failed, and a named lack that passes after all is reported.
//!
//! Every claim keeps to a key area of its own, a fresh directory `claim-name-XXXXXXXX/`, and removes it at its end. The suite
//! must never touch a key that it did not write. One run moves less than 120 MiB.
//!
//! ```ignore
//! let subject = Subject { name: "moto".into(), target, later, delete, copy, profile: Profile::lacking(&[("wrong-sum-put", "moto checks no CRC")]) };
//! brigade_store::conformance::run(&subject).await.assert();
//! ```

mod area;
mod conditions;
mod copies;
mod deletes;
mod keys;
mod listing;
mod metadata;
mod objects;
mod probing;
mod proofs;
mod resume;
mod uploads;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::{Delete, Facts, Honoured, ProbeFor, Result, ServerCopy, Target};
use area::{Area, Shortfall};

/// The longest that one claim may take. The longest real one makes two thousand small requests to an emulator that serves one
/// connection after the other.
const CLAIM_TIME_MAX: Duration = Duration::from_secs(180);

/// A store under test. It is written to and deleted from: give it a bucket, prefix or root that holds nothing dear.
pub struct Subject {
    /// How the summary calls it.
    pub name: String,
    /// The store.
    pub target: Arc<dyn Target>,
    /// The same location through a handle that was made by itself and shares no memory with the first, as a process has it
    /// that is started later.
    pub later: Arc<dyn Target>,
    /// The right to delete in the same location.
    pub delete: Arc<dyn Delete>,
    /// The road from this location to itself, where its provider copies by itself.
    pub copy: Option<Arc<dyn ServerCopy>>,
    /// What it is known to lack.
    pub profile: Profile,
}

/// What is special about a subject.
#[derive(Clone, Copy, Debug, Default)]
pub struct Profile {
    /// Claims that it cannot fulfil: the claim's name, and why.
    pub lacks: &'static [(&'static str, &'static str)],
    /// Claims that are not tried on it, because they would only show how slow it is: the claim's name, and why.
    pub spared: &'static [(&'static str, &'static str)],
    /// Length of its location's key prefix, in bytes: it counts towards the longest name.
    pub prefix_bytes: usize,
}

impl Profile {
    /// A subject that lacks these claims: name and reason.
    pub const fn lacking(lacks: &'static [(&'static str, &'static str)]) -> Self {
        Self { lacks, spared: &[], prefix_bytes: 0 }
    }

    fn reason(&self, claim: &str) -> Option<&'static str> {
        self.lacks.iter().find(|(name, _)| *name == claim).map(|(_, why)| *why)
    }
}

/// What became of one claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It holds.
    Ok,
    /// It does not.
    Failed(String),
    /// The profile names it as lacking, for this reason, and this is what was seen.
    Lacks {
        /// The profile's reason.
        why: &'static str,
        /// What the claim met.
        seen: String,
    },
    /// The profile names it as lacking, and it holds all the same.
    LacksButPassed {
        /// The profile's reason.
        why: &'static str,
    },
    /// The profile spares it, for this reason.
    Spared(&'static str),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Failed(why) => write!(f, "FAILED: {why}"),
            Self::Lacks { why, seen } => write!(f, "lacks (named): {why} [{seen}]"),
            Self::LacksButPassed { why } => write!(f, "lacks, but passed: {why}"),
            Self::Spared(why) => write!(f, "NOT RUN (named): {why}"),
        }
    }
}

/// What the suite found, claim by claim.
#[derive(Clone, Debug)]
#[must_use = "call `assert` to make a failed claim fail the test"]
pub struct Summary {
    /// The subject's name.
    pub subject: String,
    /// Each claim with its finding, in the order in which they ran.
    pub findings: Vec<(&'static str, Finding)>,
}

impl Summary {
    /// Panics with every failed claim and its reason.
    pub fn assert(&self) {
        let failed: Vec<String> = self.failures().map(|(claim, why)| format!("  {claim}: {why}")).collect();
        assert!(failed.is_empty(), "{} of {} claims failed on {}:\n{}", failed.len(), self.findings.len(), self.subject, failed.join("\n"));
    }

    /// The failed claims, each with its reason.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.findings.iter().filter_map(|(claim, finding)| match finding {
            Finding::Failed(why) => Some((*claim, why.as_str())),
            _ => None,
        })
    }

    /// Claims that the profile calls lacking and that hold: the profile can be shortened.
    pub fn surprises(&self) -> impl Iterator<Item = &'static str> {
        self.findings.iter().filter(|(_, finding)| matches!(finding, Finding::LacksButPassed { .. })).map(|(claim, _)| *claim)
    }

    fn count(&self, wanted: fn(&Finding) -> bool) -> usize {
        self.findings.iter().filter(|(_, finding)| wanted(finding)).count()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (claim, finding) in &self.findings {
            writeln!(f, "{}: {claim} ... {finding}", self.subject)?;
        }
        let ok = self.count(|finding| *finding == Finding::Ok);
        let failed = self.count(|finding| matches!(finding, Finding::Failed(_)));
        let lacks = self.count(|finding| matches!(finding, Finding::Lacks { .. }));
        let surprises = self.count(|finding| matches!(finding, Finding::LacksButPassed { .. }));
        let spared = self.count(|finding| matches!(finding, Finding::Spared(_)));
        write!(
            f,
            "{}: {ok} ok, {failed} failed, {lacks} lacking (named), {surprises} lacking but passed, {spared} not run (named)",
            self.subject
        )
    }
}

type Checking<'a> = Pin<Box<dyn Future<Output = Result<(), Shortfall>> + Send + 'a>>;

/// A named claim and how it is checked.
struct Claim {
    name: &'static str,
    check: for<'a> fn(&'a Area<'a>) -> Checking<'a>,
}

macro_rules! claims {
    ($($name:literal => $check:path),* $(,)?) => {
        &[$(Claim { name: $name, check: |area| Box::pin($check(area)) }),*]
    };
}

const CLAIMS: &[Claim] = claims![
    "facts-are-sane" => probing::facts_are_sane,
    "probe-leaves-nothing" => probing::probe_leaves_nothing,
    "put-and-read-back" => objects::put_and_read_back,
    "digests-are-right" => objects::digests_are_right,
    "put-identity" => objects::put_identity,
    "overwrite-replaces" => objects::overwrite_replaces,
    "head" => objects::head,
    "head-of-missing" => objects::head_of_missing,
    "read-pinned-to-old-version" => objects::read_pinned_to_old_version,
    "read-of-deleted" => objects::read_of_deleted,
    "ranged-reads" => objects::ranged_reads,
    "read-of-wrong-size" => objects::read_of_wrong_size,
    "list-order" => listing::order,
    "list-neighbours" => listing::neighbours,
    "list-borders" => listing::borders,
    "list-empty" => listing::empty,
    "many-keys" => listing::many_keys,
    "odd-keys-slashes" => keys::slashes,
    "odd-keys-dots" => keys::dots,
    "odd-keys-url" => keys::url_characters,
    "odd-keys-quotes" => keys::quotes,
    "odd-keys-control" => keys::control_characters,
    "odd-keys-newlines" => keys::newlines,
    "odd-keys-unicode" => keys::unicode,
    "odd-keys-long" => keys::long,
    "odd-keys-upload" => keys::upload,
    "metadata-put" => metadata::of_put,
    "metadata-upload" => metadata::of_upload,
    "content-encoding-untouched" => metadata::content_encoding_untouched,
    "expires" => metadata::expires,
    "modification-time-put" => metadata::modification_time_of_put,
    "modification-time-upload" => metadata::modification_time_of_upload,
    "tags" => metadata::tags,
    "put-if-absent" => conditions::put_if_absent,
    "put-if-absent-race" => conditions::put_if_absent_race,
    "put-if-matches" => conditions::put_if_matches,
    "complete-if-absent" => conditions::complete_if_absent,
    "complete-if-matches" => conditions::complete_if_matches,
    "wrong-sum-put" => proofs::wrong_sum_put,
    "wrong-md5-put" => proofs::wrong_md5_put,
    "wrong-sum-part" => proofs::wrong_sum_part,
    "wrong-sum-complete" => proofs::wrong_sum_complete,
    "upload-in-parts" => uploads::in_parts,
    "upload-of-one-part" => uploads::of_one_part,
    "upload-part-again" => uploads::part_again,
    "upload-parts-listed" => uploads::parts_listed,
    "upload-abort" => uploads::abort,
    "upload-pending" => uploads::pending,
    "upload-continued" => resume::continued,
    "upload-part-again-listed" => resume::part_again_listed,
    "upload-gone" => resume::gone,
    "upload-of-one-key-twice" => resume::of_one_key,
    "upload-many-parts" => resume::many_parts,
    "copy-probe-leaves-nothing" => copies::probe_leaves_nothing,
    "copy-whole" => copies::whole,
    "copy-pinned" => copies::pinned,
    "copy-conditions" => copies::conditions,
    "copy-in-parts" => copies::in_parts,
    "copy-parts-pinned" => copies::parts_pinned,
    "delete-matching" => deletes::matching,
    "delete-stale" => deletes::stale,
    "delete-missing" => deletes::missing,
    "delete-batch" => deletes::batch,
    "retract" => deletes::retract,
    "retract-stale" => deletes::retract_stale,
];

/// The names of all claims, as profiles write them.
pub fn claims() -> impl Iterator<Item = &'static str> {
    CLAIMS.iter().map(|claim| claim.name)
}

/// Checks every claim, prints each finding as it is made (standard error, so a test shows it with `--nocapture` or when it
/// fails), and returns them all. Needs a tokio runtime with its timer.
pub async fn run(subject: &Subject) -> Summary {
    check(subject, |_| true).await
}

/// The same for the claims named only: to look at one, or to show that a broken store breaks it.
pub async fn run_only(subject: &Subject, names: &[&str]) -> Summary {
    check(subject, |claim| names.contains(&claim)).await
}

async fn check(subject: &Subject, chosen: impl Fn(&str) -> bool) -> Summary {
    let mut summary = Summary { subject: subject.name.clone(), findings: Vec::new() };
    let mut find = |claim: &'static str, finding: Finding| {
        eprintln!("{}: {claim} ... {finding}", subject.name);
        summary.findings.push((claim, finding));
    };
    for (named, _) in subject.profile.lacks {
        if !claims().any(|claim| claim == *named) {
            find(named, Finding::Failed("the profile names a claim that does not exist".to_owned()));
        }
    }
    match probed(subject).await {
        Err(error) => find("probe", Finding::Failed(format!("{}: {error}", error.kind))),
        Ok(facts) => {
            find("probe", Finding::Ok);
            for claim in CLAIMS.iter().filter(|claim| chosen(claim.name)) {
                find(claim.name, judge(subject, &facts, claim).await);
            }
        }
    }
    eprintln!("{}", summary.to_string().lines().last().unwrap_or_default());
    summary
}

/// The facts after every kind of probe: each knows what it was asked to find out. The one for writing comes first, because
/// it makes a root directory that is missing.
async fn probed(subject: &Subject) -> Result<Facts> {
    let write = subject.target.probe(ProbeFor::Write).await?;
    subject.target.probe(ProbeFor::Read).await?;
    let delete = subject.target.probe(ProbeFor::Delete).await?;
    subject.later.probe(ProbeFor::Write).await?;
    let conditional_delete =
        if write.conditional_delete == Honoured::Unknown { delete.conditional_delete } else { write.conditional_delete };
    Ok(Facts { conditional_delete, ..write })
}

/// Checks one claim in an area of its own and weighs the result against the profile.
async fn judge(subject: &Subject, facts: &Facts, claim: &Claim) -> Finding {
    if let Some((_, why)) = subject.profile.spared.iter().find(|(name, _)| *name == claim.name) {
        return Finding::Spared(why);
    }
    let area = Area::new(subject, facts, claim.name);
    let checked = tokio::time::timeout(CLAIM_TIME_MAX, (claim.check)(&area)).await;
    let swept = tokio::time::timeout(CLAIM_TIME_MAX, area.sweep()).await;
    if !matches!(swept, Ok(Ok(()))) {
        tracing::debug!(claim = claim.name, "the claim's area could not be removed");
    }
    let result = checked.unwrap_or_else(|_| Err(Shortfall::Failed(format!("no end after {} s", CLAIM_TIME_MAX.as_secs()))));
    match (result, subject.profile.reason(claim.name)) {
        (Ok(()), None) => Finding::Ok,
        (Ok(()), Some(why)) => Finding::LacksButPassed { why },
        (Err(shortfall), Some(why)) => Finding::Lacks { why, seen: shortfall.to_string() },
        (Err(Shortfall::Failed(why)), None) => Finding::Failed(why),
        (Err(Shortfall::RuledOut(fact)), None) => {
            Finding::Failed(format!("its facts rule this out ({fact}), and its profile does not name `{}` as lacking", claim.name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claim_names_are_unique_and_safe_as_directory_names() {
        let mut names: Vec<_> = claims().collect();
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')));
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    #[should_panic(expected = "1 of 2 claims failed on x:\n  b: because")]
    fn a_failed_claim_panics_with_its_reason() {
        let findings = vec![("a", Finding::Ok), ("b", Finding::Failed("because".into()))];
        Summary { subject: "x".into(), findings }.assert();
    }
}
