//! Claims about probes and facts.

use brigade_core::{Key, KeyRange};

use super::area::{Area, Check, During, ensure, same};
use crate::ProbeFor;

/// Limits that contradict each other would plan impossible parts.
pub(super) async fn facts_are_sane(area: &Area<'_>) -> Check {
    let facts = area.facts;
    let parts = &facts.parts;
    let rules = [
        ("part_bytes_min is above 0", parts.part_bytes_min > 0),
        ("part_bytes_min is at most part_bytes_max", parts.part_bytes_min <= parts.part_bytes_max),
        ("parts_max is above 0", parts.parts_max > 0),
        ("put_bytes_max is above 0", parts.put_bytes_max > 0),
        ("put_bytes_max is at most object_bytes_max", parts.put_bytes_max <= parts.object_bytes_max),
        ("delete_batch_max is above 0", facts.delete_batch_max > 0),
        ("metadata_bytes_max is above 0 where metadata is kept", !facts.keeps_metadata || facts.metadata_bytes_max > 0),
        ("Expires is kept only where metadata is kept", facts.keeps_metadata || !facts.keeps_expires),
        ("no right is missing", facts.missing_rights.is_empty()),
    ];
    for (rule, holds) in rules {
        ensure(holds, || format!("the facts break the rule that {rule}: {facts:?}"))?;
    }
    area.target().probe(ProbeFor::Write).await.during("probe for Write")?;
    same("what facts() remembers of keys after a probe", &area.target().facts().keys, &facts.keys)?;
    same("what facts() remembers of conditional_put after a probe", &area.target().facts().conditional_put, &facts.conditional_put)
}

/// Whatever a probe tries, the location looks afterwards as before.
pub(super) async fn probe_leaves_nothing(area: &Area<'_>) -> Check {
    area.put(&area.key("kept"), b"here before the probe").await?;
    let before = everything(area).await?;
    for purpose in [ProbeFor::Read, ProbeFor::Write, ProbeFor::Delete] {
        area.target().probe(purpose).await.during(format_args!("probe for {purpose:?}"))?;
        same(&format!("what the location holds after a probe for {purpose:?}"), &everything(area).await?, &before)?;
    }
    Ok(())
}

/// Names of all objects and ids of all open uploads, with their versions.
async fn everything(area: &Area<'_>) -> Check<(Vec<(Key, String)>, Vec<String>)> {
    let entries = area.list(&KeyRange::all()).await?;
    let objects = entries.into_iter().map(|entry| (entry.key, entry.identity.to_string())).collect();
    let pending = area.target().pending().await.during("pending")?;
    Ok((objects, pending.into_iter().map(|pending| pending.upload.id).collect()))
}
