//! The history of a job: one record for each run, each with the hash of the one before it.
//!
//! This part is pure: records to lines, and lines back to a chain that is whole or broken at a named place. A record names the
//! manifest by its digest, so the chain vouches for the manifest too. What is found: an edited record, one that is missing in the
//! middle or at the beginning, and a changed order. Records that are missing at the end leave a manifest that no record names.
//! It holds no secret, and needs none: the chain shows damage and tampering with single files, not a forger who writes all of them anew.

mod file;

use std::collections::HashSet;

use brigade_core::report::{ByteCounts, ObjectCounts, ProofCounts};
use serde::{Deserialize, Serialize};

pub use file::{History, append, cut, read};

/// Name and version of the shape of a record.
pub const SCHEMA: &str = "brigade.history/1";

/// What the first record has for the hash of the one before it.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What stands between the text that is hashed and its hash.
const HASH_OPENS: &str = ",\"hash\":\"";

/// What ends a record.
const HASH_CLOSES: &str = "\"}";

/// Hexadecimal digits of a BLAKE3 hash.
const HASH_DIGITS: usize = 2 * blake3::OUT_LEN;

/// One run. The fields stand in the order in which they are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: String,
    /// The run's ULID.
    pub run: String,
    /// The command's name.
    pub command: String,
    /// As people write it.
    pub source: String,
    /// As people write it.
    pub target: String,
    /// RFC 3339.
    pub started: String,
    /// RFC 3339.
    pub finished: String,
    /// `done`, `partial`, `refused`, `interrupted` or `failed`.
    pub outcome: String,
    /// Objects by what happened to them.
    pub objects: ObjectCounts,
    /// Bytes by what happened to them.
    pub bytes: ByteCounts,
    /// Copied objects by how they are proven.
    pub proof: ProofCounts,
    /// What the target was proven to hold afterwards; only a clean run names one.
    pub manifest: Option<NamedManifest>,
    /// BLAKE3 of the delete plan that the run wrote or worked from, lower-case hex.
    pub delete_plan: Option<String>,
    /// The hash of the record before, [`GENESIS`] for the first.
    pub previous: String,
}

/// A manifest file as a record names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedManifest {
    /// Its name in the directory of the job.
    pub file: String,
    /// Its records.
    pub rows: u64,
    /// BLAKE3 of the file, lower-case hex.
    pub blake3: String,
}

impl Record {
    /// The record as a line, without its line feed, and its hash: BLAKE3 over the text that the record has without `hash`.
    pub fn sealed(&self) -> (String, String) {
        let text = serde_json::to_string(self).expect("a record has no keys but strings");
        let hash = blake3::hash(text.as_bytes()).to_hex().to_string();
        let open = text.strip_suffix('}').expect("a record is an object");
        (format!("{open}{HASH_OPENS}{hash}{HASH_CLOSES}"), hash)
    }
}

/// A clean run in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanRun {
    /// The hash of its record.
    pub hash: String,
    /// Its manifest.
    pub manifest: NamedManifest,
}

/// What a chain of records says, as far as it has been followed. It grows with the runs of a job by some hundred bytes each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    records: u64,
    head: String,
    last_clean: Option<CleanRun>,
    named: HashSet<String>,
    delete_plans: HashSet<String>,
}

impl Default for Chain {
    fn default() -> Self {
        Self { records: 0, head: GENESIS.to_owned(), last_clean: None, named: HashSet::new(), delete_plans: HashSet::new() }
    }
}

/// Where a chain is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {record} {what}")]
pub struct Broken {
    /// Which record, the first is 1.
    pub record: u64,
    /// What is wrong with it.
    pub what: &'static str,
}

impl Chain {
    /// Follows the chain by one line, without its line feed, and gives the record. After an error the chain stands where it stood.
    pub fn follow(&mut self, line: &str) -> Result<Record, Broken> {
        let broken = |what| Broken { record: self.records + 1, what };
        let (text, hash) = split(line).ok_or_else(|| broken("has no hash at its end"))?;
        if blake3::hash(text.as_bytes()).to_hex().as_str() != hash {
            return Err(broken("was changed: its hash is another"));
        }
        let record: Record = serde_json::from_str(&text).map_err(|_| broken("cannot be understood"))?;
        if record.schema != SCHEMA {
            return Err(broken("is of a schema that is not known here"));
        }
        if record.previous != self.head {
            return Err(broken("does not follow the one before it: a record was removed or moved"));
        }
        self.take(&record, hash);
        Ok(record)
    }

    /// Takes a record that follows.
    fn take(&mut self, record: &Record, hash: &str) {
        self.records += 1;
        hash.clone_into(&mut self.head);
        if let Some(manifest) = &record.manifest {
            self.named.insert(manifest.file.clone());
            self.last_clean = Some(CleanRun { hash: hash.to_owned(), manifest: manifest.clone() });
        }
        self.delete_plans.extend(record.delete_plan.clone());
    }

    /// The hash that the next record names as the one before it.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// How many records were followed.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The last clean run.
    pub fn last_clean(&self) -> Option<&CleanRun> {
        self.last_clean.as_ref()
    }

    /// Whether any record names a manifest file of this name.
    pub fn names(&self, file: &str) -> bool {
        self.named.contains(file)
    }

    /// Whether any record names a delete plan with this BLAKE3.
    pub fn knows_delete_plan(&self, blake3: &str) -> bool {
        self.delete_plans.contains(blake3)
    }
}

/// The text that was hashed, and the hash.
fn split(line: &str) -> Option<(String, &str)> {
    let rest = line.strip_suffix(HASH_CLOSES)?;
    let (rest, hash) = rest.split_at_checked(rest.len().checked_sub(HASH_DIGITS)?)?;
    let open = rest.strip_suffix(HASH_OPENS)?;
    Some((format!("{open}}}"), hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(run: &str, previous: &str) -> Record {
        let manifest = NamedManifest { file: format!("manifest-{run}.parquet"), rows: 3, blake3: "ab".repeat(32) };
        Record {
            schema: SCHEMA.into(),
            run: run.into(),
            command: "sync".into(),
            source: "s3://a/\"x\"".into(),
            target: "gs://b/é".into(),
            started: "2026-11-20T03:00:00Z".into(),
            finished: "2026-11-20T03:04:10Z".into(),
            outcome: "done".into(),
            objects: ObjectCounts::default(),
            bytes: ByteCounts::default(),
            proof: ProofCounts::default(),
            manifest: (run != "dirty").then_some(manifest),
            delete_plan: (run == "planned").then(|| "cd".repeat(32)),
            previous: previous.into(),
        }
    }

    fn lines(runs: &[&str]) -> Vec<String> {
        let mut previous = GENESIS.to_owned();
        let next = |run: &&str| {
            let (line, hash) = record(run, &previous).sealed();
            previous = hash;
            line
        };
        runs.iter().map(next).collect()
    }

    fn follow(lines: &[String]) -> Result<Chain, Broken> {
        let mut chain = Chain::default();
        for line in lines {
            chain.follow(line)?;
        }
        Ok(chain)
    }

    #[test]
    fn a_chain_says_what_its_records_say() {
        let chain = follow(&lines(&["1", "planned", "3", "dirty"])).expect("whole");
        assert_eq!(chain.records(), 4);
        assert_eq!(chain.last_clean().map(|clean| clean.manifest.file.as_str()), Some("manifest-3.parquet"));
        assert!(chain.names("manifest-1.parquet") && !chain.names("manifest-dirty.parquet"));
        assert!(chain.knows_delete_plan(&"cd".repeat(32)) && !chain.knows_delete_plan(&"ab".repeat(32)));
    }

    #[test]
    fn cuts_moves_and_doubles_are_found_where_they_are() {
        let whole = lines(&["1", "2", "3", "4"]);
        for (order, record) in [(&[1, 2, 3][..], 1), (&[0, 2, 3], 2), (&[0, 2, 1, 3], 2), (&[0, 1, 1, 2], 3), (&[1, 0], 1)] {
            let lines: Vec<String> = order.iter().map(|&at: &usize| whole[at].clone()).collect();
            assert_eq!(follow(&lines).expect_err("broken").record, record, "{order:?}");
        }
    }

    #[test]
    fn the_hash_is_that_of_the_text_without_it() {
        let (line, hash) = record("1", GENESIS).sealed();
        assert_eq!(split(&line), Some((serde_json::to_string(&record("1", GENESIS)).expect("a record"), hash.as_str())));
        for odd in ["", "{}", "\"}", "{\"hash\":\"\"}", "é\"}"] {
            assert_eq!(split(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn an_edit_of_any_byte_is_found(at in any::<prop::sample::Index>(), flip in 1..128_u8, which in 0..3_usize) {
            let mut lines = lines(&["1", "dirty", "3"]);
            let mut bytes = lines[which].clone().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            // What is no text any more is refused by whoever reads the lines.
            if let Ok(line) = String::from_utf8(bytes) {
                lines[which] = line;
                prop_assert!(follow(&lines).is_err());
            }
        }

        #[test]
        fn hostile_lines_are_an_error_and_no_panic(line in ".{0,100}") {
            prop_assert!(Chain::default().follow(&line).is_err());
        }
    }
}
