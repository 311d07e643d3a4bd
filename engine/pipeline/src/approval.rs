//! Delete plans that people review: `migrate --plan-out FILE` writes one instead of deleting, `migrate --approved FILE` later
//! deletes exactly what it lists.
//!
//! The file is JSON lines: a head, a line for each original in exactly the version that was proven, and a foot with their number,
//! so that a file that was cut is noticed. Its BLAKE3 is its name in the job's history: a plan that was edited is another plan.
//! Listing an object in a plan earns nothing: the run that deletes proves every object anew, and an object that is not as the
//! plan says ends it before the first delete.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use brigade_core::{Identity, Key};
use brigade_state::journal::Waiting;
use serde::{Deserialize, Serialize};

/// Name and version of the file's shape.
pub const SCHEMA: &str = "brigade.deletes/1";

/// What happens to the originals after a clean run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeletePlan {
    /// They are deleted.
    #[default]
    Now,
    /// They stay, and are listed in this file.
    Write(PathBuf),
    /// Those that this file lists are deleted, and no others.
    Approved(PathBuf),
}

/// What a plan is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanHead {
    /// [`SCHEMA`].
    pub schema: String,
    /// The run that wrote it.
    pub run: String,
    /// The source, as it was given.
    pub source: String,
    /// The target, as it was given.
    pub target: String,
    /// RFC 3339.
    pub created: String,
}

/// A plan that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WrittenPlan {
    /// The originals that it lists.
    pub objects: u64,
    /// BLAKE3 of the file, lower-case hex.
    pub blake3: String,
}

/// Why a plan cannot be written or used.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file cannot be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It is no plan, or not a whole one.
    #[error("line {line}: {what}")]
    Unreadable {
        /// From 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
}

/// A line between head and foot. A key that is no UTF-8 stands in `key_hex`.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    key_hex: Option<String>,
    size: u64,
    identity: Identity,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Foot {
    objects: u64,
}

/// An original that a plan lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// The key.
    pub key: Key,
    /// The only version that may be deleted.
    pub identity: Identity,
}

/// Writes a plan beside its name; it gets the name when it is whole.
pub struct PlanWriter {
    path: PathBuf,
    partial: PathBuf,
    output: BufWriter<File>,
    hash: blake3::Hasher,
    objects: u64,
}

impl PlanWriter {
    /// Begins with the head.
    pub fn create(path: &Path, head: &PlanHead) -> Result<Self, PlanError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        let partial = PathBuf::from(name);
        let output = BufWriter::new(File::create(&partial)?);
        let mut writer = Self { path: path.to_owned(), partial, output, hash: blake3::Hasher::new(), objects: 0 };
        writer.line(head)?;
        Ok(writer)
    }

    /// Adds one original.
    pub fn add(&mut self, waiting: &Waiting) -> Result<(), PlanError> {
        let text = waiting.key.as_str().map(str::to_owned);
        let key_hex = if text.is_none() { Some(to_hex(waiting.key.as_bytes())) } else { None };
        self.objects += 1;
        self.line(&Line { key: text, key_hex, size: waiting.size, identity: waiting.identity.clone() })
    }

    /// Ends with the foot and gives the file its name.
    pub fn finish(mut self) -> Result<WrittenPlan, PlanError> {
        self.line(&Foot { objects: self.objects })?;
        let file = self.output.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&self.partial, &self.path)?;
        Ok(WrittenPlan { objects: self.objects, blake3: self.hash.finalize().to_hex().to_string() })
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), PlanError> {
        let mut text = serde_json::to_vec(line).map_err(std::io::Error::other)?;
        text.push(b'\n');
        self.hash.update(&text);
        self.output.write_all(&text)?;
        Ok(())
    }
}

/// The BLAKE3 of a file, lower-case hex.
pub fn digest(path: &Path) -> std::io::Result<String> {
    let mut hash = blake3::Hasher::new();
    std::io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(hash.finalize().to_hex().to_string())
}

/// Reads a plan, line by line.
pub struct PlanReader {
    lines: std::io::Lines<BufReader<File>>,
    head: PlanHead,
    line: u64,
    objects: u64,
    ended: bool,
}

impl PlanReader {
    /// Opens a plan and reads its head.
    pub fn open(path: &Path) -> Result<Self, PlanError> {
        let mut lines = BufReader::new(File::open(path)?).lines();
        let unreadable = |what: String| PlanError::Unreadable { line: 1, what };
        let first = lines.next().transpose()?.ok_or_else(|| unreadable("the file is empty".into()))?;
        let head: PlanHead = serde_json::from_str(&first).map_err(|error| unreadable(error.to_string()))?;
        if head.schema != SCHEMA {
            return Err(unreadable(format!("its schema is `{}`, not `{SCHEMA}`", head.schema)));
        }
        Ok(Self { lines, head, line: 1, objects: 0, ended: false })
    }

    /// What the plan is about.
    pub fn head(&self) -> &PlanHead {
        &self.head
    }

    /// The next originals, at most `limit`; none at the end, which only a whole file has.
    pub fn batch(&mut self, limit: usize) -> Result<Vec<Approved>, PlanError> {
        let mut batch = Vec::new();
        while batch.len() < limit && !self.ended {
            self.line += 1;
            let text = self.lines.next().transpose()?.ok_or_else(|| self.unreadable("the file ends before its foot"))?;
            if let Ok(foot) = serde_json::from_str::<Foot>(&text) {
                if foot.objects != self.objects {
                    return Err(self.unreadable(&format!("it lists {} objects, its foot says {}", self.objects, foot.objects)));
                }
                self.ended = true;
                break;
            }
            let line: Line = serde_json::from_str(&text).map_err(|error| self.unreadable(&error.to_string()))?;
            let key = match (line.key, line.key_hex.as_deref().map(from_hex)) {
                (Some(key), None) => Key::from(key.as_str()),
                (None, Some(Some(bytes))) => Key::new(bytes),
                _ => return Err(self.unreadable("it has no key")),
            };
            self.objects += 1;
            batch.push(Approved { key, identity: line.identity });
        }
        Ok(batch)
    }

    fn unreadable(&self, what: &str) -> PlanError {
        PlanError::Unreadable { line: self.line, what: what.to_owned() }
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn head() -> PlanHead {
        PlanHead { schema: SCHEMA.into(), run: "r".into(), source: "s3://a".into(), target: "gs://b".into(), created: "now".into() }
    }

    fn write(path: &Path, count: u64) -> WrittenPlan {
        let mut writer = PlanWriter::create(path, &head()).unwrap();
        for number in 0..count {
            let key = if number == 1 { Key::new(b"\xff\n") } else { Key::from(format!("k{number}").as_str()) };
            writer.add(&Waiting { row: 0, key, size: number, identity: Identity::Generation(number) }).unwrap();
        }
        writer.finish().unwrap()
    }

    fn read(path: &Path) -> Result<Vec<Approved>, PlanError> {
        let mut reader = PlanReader::open(path)?;
        let mut all = Vec::new();
        loop {
            let batch = reader.batch(2)?;
            if batch.is_empty() {
                return Ok(all);
            }
            all.extend(batch);
        }
    }

    #[test]
    fn a_plan_comes_back_as_it_was_written_and_its_digest_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan.jsonl");
        let written = write(&path, 5);
        assert_eq!((written.objects, &written.blake3), (5, &digest(&path).unwrap()));
        let all = read(&path).unwrap();
        assert_eq!(all.len(), 5);
        assert_eq!(all[1], Approved { key: Key::new(b"\xff\n"), identity: Identity::Generation(1) });
        assert_eq!(PlanReader::open(&path).unwrap().head(), &head());
    }

    #[test]
    fn a_plan_that_was_cut_at_any_byte_is_no_plan() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan.jsonl");
        write(&path, 3);
        let whole = std::fs::read(&path).unwrap();
        // Without the last line break it still is whole.
        for length in 0..whole.len() - 1 {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(read(&path).is_err(), "cut at {length}");
        }
    }
}
