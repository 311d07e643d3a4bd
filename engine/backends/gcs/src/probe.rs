//! What an endpoint really honours, found out without harm.
//!
//! Against Google itself only requests are made that must fail, or that begin and give up an upload: an insert whose condition
//! cannot hold, one whose digest is wrong, a delete of a name that does not exist. What those cannot show is documented, and
//! said so in the notes. Elsewhere, where documentation is no evidence, a tiny object is also written under a fresh staging
//! name and removed again. Nothing that existed before is ever touched, and a lacking feature never fails a probe.

mod bucket;
mod endpoint;

use brigade_core::ErrorKind;
use brigade_store::{Facts, Honoured, ProbeFor, ProofSupport, Result, patiently};

use crate::objects::PageRequest;
use crate::store::{GcsStore, Learned};
pub(crate) use endpoint::copies;
use endpoint::{Room, Seen};

pub(crate) async fn probe(store: &GcsStore, purpose: ProbeFor) -> Result<Facts> {
    let mut learned = store.learned();
    learned.facts.missing_rights.clear();
    learned.facts.notes.clear();
    reach(store, &mut learned).await?;
    let room = Room::new(store);
    match purpose {
        ProbeFor::Read | ProbeFor::Plan => {}
        ProbeFor::Write => write(store, &room, &mut learned).await?,
        ProbeFor::Delete => delete(store, &room, &mut learned).await?,
    }
    if matches!(purpose, ProbeFor::Write | ProbeFor::Delete) {
        let (versioned, notes) = bucket::settings(store).await;
        learned.facts.versioned = versioned;
        learned.facts.notes.extend(notes);
    }
    store.learn(|known| *known = learned.clone());
    Ok(learned.facts)
}

fn note(learned: &mut Learned, line: impl Into<String>) {
    learned.facts.notes.push(line.into());
}

fn missing(learned: &mut Learned, right: &str) {
    if !learned.facts.missing_rights.iter().any(|known| known == right) {
        learned.facts.missing_rights.push(right.to_owned());
    }
}

/// The bucket is there and can be listed.
async fn reach(store: &GcsStore, learned: &mut Learned) -> Result<()> {
    match store.page(&PageRequest { items: "1", ..PageRequest::of(store.names().prefix()) }).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind == ErrorKind::Denied => {
            missing(learned, "storage.objects.list");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

async fn write(store: &GcsStore, room: &Room<'_>, learned: &mut Learned) -> Result<()> {
    let conditional = patiently(|| room.insert_under_impossible_condition()).await?;
    learned.facts.conditional_put = conditional.honoured();
    if conditional == Seen::Denied {
        missing(learned, "storage.objects.create");
        return Ok(());
    }
    note(learned, format!("a condition on a write that cannot hold: {conditional}"));
    digests(room, learned).await?;
    learned.xml_uploads = room.xml_upload().await?;
    note(
        learned,
        match learned.xml_uploads {
            Honoured::Yes => "multipart uploads of the XML API: yes",
            Honoured::No => "multipart uploads of the XML API: no; parts become staging objects and are joined by compose",
            Honoured::Unknown => "multipart uploads of the XML API: not allowed for these credentials",
        },
    );
    if learned.xml_uploads == Honoured::Unknown {
        missing(learned, "storage.multipartUploads.create");
    }
    if store.is_google() {
        learned.facts.conditional_complete = learned.facts.conditional_put;
        note(learned, "a condition on objects.move: documented, not probed");
        return Ok(());
    }
    publishing(room, learned).await
}

/// Whether wrong digests are refused, or at least contradicted by the answer.
async fn digests(room: &Room<'_>, learned: &mut Learned) -> Result<()> {
    let (crc32c, own) = patiently(|| room.insert_with_wrong_crc32c()).await?;
    learned.own_digests = match (crc32c, own) {
        (Seen::Refused, _) | (Seen::Done, true) => Honoured::Yes,
        (Seen::Done, false) => Honoured::No,
        _ => learned.own_digests,
    };
    learned.facts.put_proof = if learned.own_digests.is_yes() { ProofSupport::Crc32c } else { ProofSupport::None };
    note(learned, format!("a write with a wrong CRC-32C: {crc32c}"));
    let md5 = patiently(|| room.insert_with_wrong_md5()).await?;
    learned.facts.checks_md5 = md5.honoured();
    note(learned, format!("a write with a wrong MD5: {md5}"));
    Ok(())
}

/// Move or compose under a condition that cannot hold, and a delete under one: with an object of our own.
async fn publishing(room: &Room<'_>, learned: &mut Learned) -> Result<()> {
    let Some(generation) = patiently(|| room.furnish()).await? else {
        return Ok(());
    };
    let shown = conditions(room, generation, learned).await;
    // Whatever the experiments showed, their object goes.
    cleared(room, learned).await;
    shown
}

async fn conditions(room: &Room<'_>, generation: u64, learned: &mut Learned) -> Result<()> {
    let moved = patiently(|| room.move_under_impossible_condition(generation)).await?;
    learned.moves = match moved {
        Seen::Refused | Seen::Done => Honoured::Yes,
        Seen::Unknown => Honoured::No,
        _ => Honoured::Unknown,
    };
    note(learned, format!("objects.move under a condition that cannot hold: {moved}"));
    let published = match moved {
        Seen::Unknown => {
            let composed = patiently(|| room.compose_under_impossible_condition(generation)).await?;
            note(learned, format!("compose under a condition that cannot hold: {composed}"));
            composed
        }
        other => other,
    };
    learned.facts.conditional_complete = published.honoured();
    if moved != Seen::Done {
        let deleted = patiently(|| room.delete_under_impossible_condition()).await?;
        learned.facts.conditional_delete = deleted.honoured();
        note(learned, format!("a delete under a condition that cannot hold: {deleted}"));
    }
    Ok(())
}

/// Removes what is left of the experiments. Only a denial shows that a right is missing.
async fn cleared(room: &Room<'_>, learned: &mut Learned) {
    if let Err(error) = room.clear().await {
        note(learned, format!("a probe object could not be removed ({error}): it lies below `.brigade-staging/`, and `cleanup` finds it"));
        if error.kind == ErrorKind::Denied {
            missing(learned, "storage.objects.delete");
        }
    }
}

async fn delete(store: &GcsStore, room: &Room<'_>, learned: &mut Learned) -> Result<()> {
    let (batches, absent) = patiently(|| room.delete_nothing_in_a_batch()).await?;
    learned.batches = batches;
    note(
        learned,
        match batches {
            Honoured::Yes => "batch requests: yes",
            Honoured::No => "batch requests: no; objects are deleted one by one",
            Honoured::Unknown => "batch requests: unknown",
        },
    );
    if absent == Seen::Denied {
        missing(learned, "storage.objects.delete");
    }
    if store.is_google() {
        learned.facts.conditional_delete = Honoured::Yes;
        note(learned, "a condition on a delete: documented, not probed");
        return Ok(());
    }
    if patiently(|| room.furnish()).await?.is_none() {
        note(learned, "a condition on a delete: not probed, because no probe object may be written here");
        return Ok(());
    }
    let deleted = match batches {
        Honoured::Yes => patiently(|| room.delete_under_impossible_condition_in_a_batch()).await,
        _ => patiently(|| room.delete_under_impossible_condition()).await,
    };
    cleared(room, learned).await;
    let deleted = deleted?;
    learned.facts.conditional_delete = deleted.honoured();
    note(learned, format!("a delete under a condition that cannot hold: {deleted}"));
    Ok(())
}
