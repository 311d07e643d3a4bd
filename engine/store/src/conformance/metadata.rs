//! Claims about what an object carries beside its bytes.

use brigade_core::Metadata;
use brigade_core::metadata::MTIME;

use super::area::{Area, Check, During, Shortfall, carrying, ensure, fail, length, rope, same, sum};
use crate::{Head, MtimeStyle, WriteSpec, Written};

/// `hello`, compressed with gzip: a server or client that decompresses on the way changes bytes and size.
const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05\0\0\0";

/// 2023-11-14T22:13:20.123456789Z in the two ways in which it travels.
const MTIME_SECONDS: &str = "1700000000.123456789";
const MTIME_RFC3339: &str = "2023-11-14T22:13:20.123456789Z";
const MTIME_NS: i128 = 1_700_000_000_123_456_789;

fn everything() -> Metadata {
    Metadata {
        content_type: Some("text/x-brigade; charset=utf-8".to_owned()),
        content_encoding: Some("x-own".to_owned()),
        content_disposition: Some("attachment; filename=\"a b.txt\"".to_owned()),
        content_language: Some("de, en".to_owned()),
        cache_control: Some("max-age=60, no-transform".to_owned()),
        expires: None,
        user: [("plain", "value"), ("with-dash", "two words; a=b, \"c\""), ("number", "0")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        tags: Vec::new(),
    }
}

fn keeps_metadata(area: &Area<'_>) -> Check {
    match area.facts.keeps_metadata {
        true => Ok(()),
        false => Err(Shortfall::RuledOut("keeps_metadata is false".to_owned())),
    }
}

/// Writes `bytes` with what `spec` carries, in one request.
async fn put(area: &Area<'_>, tail: &str, bytes: &[u8], spec: &WriteSpec) -> Check<Written> {
    let body = rope(bytes);
    area.target().put(&area.key(tail), &body, &sum(&body), None, spec).await.during("put with metadata")
}

/// The metadata that a head, a read and, where it says any, the listing give must be what was written.
async fn carried(area: &Area<'_>, tail: &str, bytes: &[u8], written: &Written, expected: &Metadata) -> Check<Head> {
    let key = area.key(tail);
    let head = area.head(&key).await?;
    alike("the head", &head.metadata, expected)?;
    let object = area.object(&key, bytes, written).await?;
    alike("the read", &area.holds(&object).await?.head.metadata, expected)?;
    if let Some(listed) = area.entry(&key).await?.metadata {
        alike("the listing", &listed, expected)?;
    }
    Ok(head)
}

fn alike(place: &str, seen: &Metadata, expected: &Metadata) -> Check {
    let differences = seen.differences(expected);
    ensure(differences.is_empty(), || format!("{place} differs in {differences:?}: {seen:?} instead of {expected:?}"))
}

pub(super) async fn of_put(area: &Area<'_>) -> Check {
    keeps_metadata(area)?;
    let spec = carrying(everything());
    let written = put(area, "a", b"body", &spec).await?;
    carried(area, "a", b"body", &written, &spec.metadata).await?;
    let bare = carrying(Metadata::default());
    let written = put(area, "bare", b"body", &bare).await?;
    carried(area, "bare", b"body", &written, &bare.metadata).await.map(|_| ())
}

pub(super) async fn of_upload(area: &Area<'_>) -> Check {
    keeps_metadata(area)?;
    let spec = carrying(everything());
    let written = area.upload_spec(&area.key("a"), b"body", &spec).await?.during("complete an upload with metadata")?;
    carried(area, "a", b"body", &written, &spec.metadata).await.map(|_| ())
}

/// Stored bytes are copied as stored.
pub(super) async fn content_encoding_untouched(area: &Area<'_>) -> Check {
    keeps_metadata(area)?;
    let spec = carrying(Metadata {
        content_encoding: Some("gzip".to_owned()),
        content_type: Some("text/plain".to_owned()),
        ..Metadata::default()
    });
    let written = put(area, "a.gz", GZIP, &spec).await?;
    let head = carried(area, "a.gz", GZIP, &written, &spec.metadata).await?;
    same("the size", &head.size, &length(GZIP))
}

pub(super) async fn expires(area: &Area<'_>) -> Check {
    if !area.facts.keeps_expires {
        return Err(Shortfall::RuledOut("keeps_expires is false".to_owned()));
    }
    let metadata = Metadata { expires: Some("Wed, 21 Oct 2037 07:28:00 GMT".to_owned()), ..Metadata::default() };
    let spec = carrying(metadata);
    let written = put(area, "a", b"body", &spec).await?;
    carried(area, "a", b"body", &written, &spec.metadata).await.map(|_| ())
}

/// The modification time travels as user metadata, or becomes the file's own.
fn with_mtime(area: &Area<'_>) -> (WriteSpec, &'static str) {
    let value = match area.facts.mtime {
        MtimeStyle::UnixSeconds | MtimeStyle::File => MTIME_SECONDS,
        MtimeStyle::Rfc3339 => MTIME_RFC3339,
    };
    (carrying(Metadata { user: [(MTIME.to_owned(), value.to_owned())].into(), ..Metadata::default() }), value)
}

async fn mtime_is_kept(area: &Area<'_>, value: &str) -> Check {
    let key = area.key("a");
    let head = area.head(&key).await?;
    if area.facts.mtime == MtimeStyle::File {
        let expected = Some(MTIME_NS);
        same("the modification time in the head", &head.modified.map(jiff::Timestamp::as_nanosecond), &expected)?;
        let entry = area.entry(&key).await?;
        return same("the modification time in the listing", &entry.modified.map(jiff::Timestamp::as_nanosecond), &expected);
    }
    same("the user metadata `mtime`", &head.metadata.user.get(MTIME).map(String::as_str), &Some(value))
}

pub(super) async fn modification_time_of_put(area: &Area<'_>) -> Check {
    let (spec, value) = with_mtime(area);
    put(area, "a", b"body", &spec).await?;
    mtime_is_kept(area, value).await
}

pub(super) async fn modification_time_of_upload(area: &Area<'_>) -> Check {
    let (spec, value) = with_mtime(area);
    area.upload_spec(&area.key("a"), b"body", &spec).await?.during("complete an upload with a modification time")?;
    mtime_is_kept(area, value).await
}

pub(super) async fn tags(area: &Area<'_>) -> Check {
    if area.facts.tags_max == 0 {
        return Err(Shortfall::RuledOut("tags_max is 0".to_owned()));
    }
    let mut expected: Vec<(String, String)> =
        [("team", "a b"), ("cost+centre", "1/2=x:y@z")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    expected.sort();
    let spec = carrying(Metadata { tags: expected.clone(), ..Metadata::default() });
    put(area, "put", b"body", &spec).await?;
    area.upload_spec(&area.key("upload"), b"body", &spec).await?.during("complete an upload with tags")?;
    for tail in ["put", "upload"] {
        let key = area.key(tail);
        let head = area.head(&key).await?;
        same("the number of tags in the head", &head.tags, &expected.len())?;
        let mut seen = area.target().tags(&key, &head.identity).await.during("tags")?;
        seen.sort();
        same("the tags", &seen, &expected)?;
    }
    let bare = area.put(&area.key("bare"), b"body").await?;
    if area.head(&bare.key).await?.tags != 0 {
        return fail("the head of an object without tags counts some");
    }
    Ok(())
}
