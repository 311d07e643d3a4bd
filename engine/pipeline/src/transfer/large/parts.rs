//! The parts of one object: each is read, sent and proven on a task of its own, so that one object keeps every core busy.
//!
//! One loop claims memory for them, in their order, and a place among the parts that are under way. A part that has both waits for
//! no other part, so parts of several objects cannot wait for each other in a circle.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use brigade_core::digest::{Agreement, Wanted};
use brigade_core::event::Event;
use brigade_core::limiter::{Class, End};
use brigade_core::parts::Part;
use brigade_core::{Algorithm, ErrorKind, Identity, Key};
use brigade_state::{Note, SentPart};
use brigade_store::layers::limit::{Limiter, Permit};
use brigade_store::{PartReceipt, Piece, ProofSupport, ReadRequest, Result, StoreError, Upload};
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;

use crate::cpu::Md5Feed;
use crate::ctx::Ctx;
use crate::limits::PARTS_AT_ONCE_MAX;
use crate::memory::Held;

/// One version of one object, to be read in parts.
pub(super) struct Version {
    pub(super) key: Key,
    pub(super) identity: Identity,
    pub(super) wanted: Wanted,
    pub(super) cx: Arc<Ctx>,
}

/// A part whose turn has come, with what it holds: memory, and a place among the parts that are under way.
struct Turn {
    part: Part,
    held: Held,
    place: Permit<Arc<Limiter>>,
}

/// A part that was read, with what it holds.
pub(super) struct Read {
    part: Part,
    pub(super) piece: Piece,
    held: Held,
    place: Permit<Arc<Limiter>>,
}

/// What is needed to send the parts of an upload.
pub(super) struct Sending {
    pub(super) version: Arc<Version>,
    pub(super) upload: Upload,
    /// Its number in the journal.
    pub(super) number: u64,
    /// Takes the parts where the MD5 of the whole is wanted.
    pub(super) chain: Option<Md5Feed>,
}

impl Version {
    /// Reads a part as soon as its turn has come; `None` where the run was stopped while it waited.
    pub(super) async fn fetch(&self, part: Part) -> Result<Option<Read>> {
        match self.turn(part).await {
            Some(turn) => self.read(turn).await.map(Some),
            None => Ok(None),
        }
    }

    /// Memory comes first: whoever has a place among the parts under way waits for no other part.
    async fn turn(&self, part: Part) -> Option<Turn> {
        let cx = &*self.cx;
        let held = cx.budget.claim(part.size).await;
        let place = cx.parts.acquire_owned(Class::Write, 0).await;
        (!cx.stop.is_cancelled()).then_some(Turn { part, held, place })
    }

    async fn read(&self, turn: Turn) -> Result<Read> {
        let Turn { part, held, place } = turn;
        let request = ReadRequest { key: &self.key, part: Some(part), size: part.size, identity: &self.identity, wanted: self.wanted };
        Ok(Read { part, piece: self.cx.source.read(&request).await?, held, place })
    }
}

impl Sending {
    /// Sends every part that `noted` has not, in any order. When the run is stopped, parts under way are finished and no other is
    /// begun, so some are missing from what is returned. After an error none is under way any more: the upload may be given up.
    pub(super) async fn all(
        self: &Arc<Self>,
        parts: impl Iterator<Item = Part>,
        noted: &BTreeMap<u32, SentPart>,
        first: Option<Read>,
    ) -> Result<Vec<SentPart>> {
        let mut tasks = JoinSet::new();
        let sent = self.start_all(&mut tasks, parts, noted, first).await;
        tasks.shutdown().await;
        sent
    }

    async fn start_all(
        self: &Arc<Self>,
        tasks: &mut JoinSet<Result<SentPart>>,
        parts: impl Iterator<Item = Part>,
        noted: &BTreeMap<u32, SentPart>,
        mut first: Option<Read>,
    ) -> Result<Vec<SentPart>> {
        let mut sent = Vec::new();
        for part in parts {
            let noted = noted.get(&part.number);
            // Where nobody needs its bytes, the note stands for the part.
            if let Some(noted) = noted.filter(|_| self.chain.is_none()) {
                self.moved(part);
                sent.push(noted.clone());
                continue;
            }
            let this = self.clone();
            if let Some(read) = first.take_if(|read| read.part == part) {
                tasks.spawn(async move { this.send(read).await }.in_current_span());
                continue;
            }
            while tasks.len() >= PARTS_AT_ONCE_MAX
                && let Some(ended) = tasks.join_next().await
            {
                sent.push(unwound(ended)?);
            }
            let Some(turn) = meanwhile(self.version.turn(part), tasks, &mut sent).await? else { break };
            match noted.cloned() {
                Some(noted) => tasks.spawn(async move { this.recall(turn, noted).await }.in_current_span()),
                None => tasks.spawn(async move { this.send(this.version.read(turn).await?).await }.in_current_span()),
            };
        }
        while let Some(ended) = tasks.join_next().await {
            sent.push(unwound(ended)?);
        }
        Ok(sent)
    }

    /// Sends one part.
    async fn send(&self, read: Read) -> Result<SentPart> {
        let Read { part, piece, held, place } = read;
        let cx = &*self.version.cx;
        let receipt = cx.target.part(&self.upload, part, &piece.bytes, &piece.sum).await?;
        place.end(End::Good(part.size));
        let proven = prove(&piece, &receipt, cx).await?;
        let sent = SentPart { part, tag: receipt.tag, stored: receipt.digests, sum: piece.sum, proven };
        if cx.keeps_state() {
            cx.note(Note::PartSent { upload: self.number, part: sent.clone() }).await;
        }
        self.moved(part);
        if let Some(chain) = &self.chain {
            chain.push(part.number, piece.bytes, held).await;
        }
        Ok(sent)
    }

    /// A part that an earlier run sent, where the source is known only by the MD5 of the whole: it is read once more for that.
    async fn recall(&self, turn: Turn, sent: SentPart) -> Result<SentPart> {
        let Read { part, piece, held, place } = self.version.read(turn).await?;
        place.end(End::Good(part.size));
        if piece.sum != sent.sum {
            let message = format!("part {} was read otherwise than it was sent by an earlier run", part.number);
            return Err(StoreError::new(ErrorKind::Corrupt, message));
        }
        if let Some(chain) = &self.chain {
            chain.push(part.number, piece.bytes, held).await;
        }
        self.moved(part);
        Ok(sent)
    }

    fn moved(&self, part: Part) {
        self.version.cx.observer.observe(&Event::Progress(part.size));
    }
}

/// Waits for `wait`, and takes in what ends meanwhile: an error ends the wait.
async fn meanwhile<T>(wait: impl Future<Output = T>, tasks: &mut JoinSet<Result<SentPart>>, sent: &mut Vec<SentPart>) -> Result<T> {
    let mut wait = pin!(wait);
    loop {
        tokio::select! {
            biased;
            Some(ended) = tasks.join_next() => sent.push(unwound(ended)?),
            done = &mut wait => return Ok(done),
        }
    }
}

/// What a task came to. One that broke off takes the object's worker along, as if it had been part of it.
fn unwound(ended: std::result::Result<Result<SentPart>, JoinError>) -> Result<SentPart> {
    ended.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(StoreError::new(ErrorKind::Cancelled, "the part was cut off")),
    })
}

/// Compares a part with what the target says of it; the MD5 is only computed where the target names nothing better.
async fn prove(piece: &Piece, receipt: &PartReceipt, cx: &Ctx) -> Result<Option<Algorithm>> {
    let mut digests = piece.sum.digests();
    if cx.target_facts.upload_proof == ProofSupport::Md5 && receipt.digests.crc32c.is_none() && receipt.digests.md5.is_some() {
        digests.md5 = Some(cx.cpu.md5(piece.bytes.clone()).await);
    }
    match digests.agreement(&receipt.digests) {
        Agreement::Same(algorithm) => Ok(Some(algorithm)),
        Agreement::Unknown => Ok(None),
        Agreement::Different(algorithm) => Err(StoreError::new(
            ErrorKind::Corrupt,
            format!("the target stored another part {} than was sent: its {} differs", receipt.number, algorithm.name()),
        )),
    }
}
