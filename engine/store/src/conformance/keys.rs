//! Claims about odd names (p14): kept byte for byte, or refused; never renamed.

use brigade_core::limits::KEY_BYTES_MAX;
use brigade_core::{ErrorKind, Key};

use super::area::{Area, Check, During, ensure, fail, refused, same, spec};
use crate::When;

/// Longest name of one file, in bytes: the long keys are also tried in segments that a directory can hold.
const SEGMENT_BYTES: usize = 200;

pub(super) async fn slashes(area: &Area<'_>) -> Check {
    roundtrip(area, &["a//b", "a///b", "/lead", "//lead", "trail/", "trail//", "dir/x"]).await
}

pub(super) async fn dots(area: &Area<'_>) -> Check {
    roundtrip(area, &[".", "..", "...", "./a", "../a", "a/./b", "a/../b", "a/..", ".hidden", "dot.", "..dots"]).await
}

pub(super) async fn url_characters(area: &Area<'_>) -> Check {
    let tails = [
        "two words",
        " lead",
        "trail ",
        "a+b",
        "a%b",
        "%2F",
        "%20",
        "a%00b",
        "a&b",
        "a#b",
        "a?b",
        "a=b",
        "a;b",
        "a:b",
        "a@b",
        "a,b",
        "$&$",
    ];
    roundtrip(area, &tails).await
}

pub(super) async fn quotes(area: &Area<'_>) -> Check {
    let tails =
        ["a'b", "a\"b", "a`b", "a<b>", "a\\b", "\\", "a*b", "a|b", "[a]", "{a}", "a^b", "~", "!", "(a)", "&amp;", "]]>", "<![CDATA["];
    roundtrip(area, &tails).await
}

pub(super) async fn control_characters(area: &Area<'_>) -> Check {
    roundtrip(area, &["a\u{1}b", "a\u{8}b", "a\tb", "a\u{1b}[2J", "a\u{1f}b", "a\u{7f}b", "a\u{85}b"]).await
}

pub(super) async fn newlines(area: &Area<'_>) -> Check {
    roundtrip(area, &["a\nb", "a\rb", "a\r\nb", "\n", "end\n"]).await
}

/// Composed and decomposed forms are two keys; so are look-alikes and what UTF-16 would sort otherwise.
pub(super) async fn unicode(area: &Area<'_>) -> Check {
    roundtrip(
        area,
        &["\u{e9}", "e\u{301}", "\u{212b}", "\u{c5}", "\u{1f600}", "\u{feff}a", "\u{fffd}", "\u{202e}a", "日本", "ß", "K\u{212a}"],
    )
    .await
}

pub(super) async fn long(area: &Area<'_>) -> Check {
    let room = KEY_BYTES_MAX.saturating_sub(area.prefix_bytes());
    let segmented: String = (1..=room).map(|at| if at % SEGMENT_BYTES == 0 && at < room { '/' } else { 'x' }).collect();
    let wide = "\u{1f600}".repeat(room / 4);
    let single = "y".repeat(room);
    roundtrip(area, &[&segmented, &wide, &single]).await
}

/// The same through an upload in parts: its id and its name travel in other requests than a put's.
pub(super) async fn upload(area: &Area<'_>) -> Check {
    let tails = ["a b+c%d&e#f?g", "q'\"<>\\", "e\u{301}\u{1f600}", "a//b", "trail/", "x/../y", "a\u{1}b"];
    let mut held = Vec::new();
    for tail in tails {
        let key = area.key(tail);
        if let Some(rule) = area.facts.keys.unfit(key.as_bytes()) {
            let created = area.target().create(&key, 1, &spec(When::Always)).await;
            refused(format!("an upload to {key:?} ({rule})"), created, &[ErrorKind::Unfit, ErrorKind::Invalid])?;
            continue;
        }
        let written = area.upload_when(&key, key.as_bytes(), When::Always).await?.during(format_args!("upload of {key:?}"))?;
        held.push(area.object(&key, key.as_bytes(), &written).await?);
    }
    shown(area, held.iter().map(|object| object.key.clone()).collect()).await?;
    for object in &held {
        area.holds(object).await?;
    }
    Ok(())
}

/// Writes every name that the store's rules allow, and finds each exact in the listing, by head and by read; then deletes
/// each alone. A name that the rules forbid is refused as unfit, or held exactly by a server that is more generous.
async fn roundtrip(area: &Area<'_>, tails: &[&str]) -> Check {
    let mut held = Vec::new();
    for tail in tails {
        let key = area.key(tail);
        match (area.facts.keys.unfit(key.as_bytes()), area.put_when(&key, key.as_bytes(), When::Always).await) {
            (_, Ok(written)) => held.push(area.object(&key, key.as_bytes(), &written).await?),
            (Some(_), Err(error)) if matches!(error.kind, ErrorKind::Unfit | ErrorKind::Invalid) => {}
            (Some(rule), Err(error)) => {
                return fail(format!("{key:?} breaks a rule ({rule}) and was refused as {}, not as unfit: {error}", error.kind));
            }
            (None, Err(error)) => return fail(format!("put {key:?}: {error} ({})", error.kind)),
        }
    }
    shown(area, held.iter().map(|object| object.key.clone()).collect()).await?;
    for object in &held {
        same(&format!("the identity of {:?}", object.key), &area.head(&object.key).await?.identity, &object.identity)?;
        area.holds(object).await?;
    }
    for (done, object) in (1..).zip(&held) {
        for result in area.subject.delete.delete(&[object.deletion()]).await.during("delete")? {
            result.during(format_args!("delete {:?}", object.key))?;
        }
        let left = area.keys().await?;
        ensure(!left.contains(&object.key), || format!("{:?} is still listed after its deletion", object.key))?;
        same(&format!("the number of keys left after deleting {:?}", object.key), &left.len(), &(held.len() - done))?;
    }
    Ok(())
}

/// The listing shows exactly these keys.
async fn shown(area: &Area<'_>, mut expected: Vec<Key>) -> Check {
    expected.sort();
    same("the listing", &area.keys().await?, &expected)
}
