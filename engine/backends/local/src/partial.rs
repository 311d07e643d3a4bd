//! Names of files that are not yet, or no longer, objects: hidden from listings, and never a key.
//!
//! A partial file lies in the directory of the file that it will become, so that a rename publishes it. Only the full pattern
//! `.brigade-partial-` and 32 hexadecimal digits counts: a user's file of a similar name stays an object.

use brigade_core::{ErrorKind, Key};
use brigade_store::{Result, StoreError};
use uuid::Uuid;

use crate::limits::NAME_BYTES_MAX;

const PREFIX: &str = ".brigade-partial-";

/// Hexadecimal digits of an id.
const ID_BYTES: usize = 32;

/// Between the id and the former name of a file that is being deleted.
const REMOVED: &str = ".removed.";

/// The ledger of an upload has this behind its id.
const LEDGER: &str = ".parts";

/// A fresh id.
pub(crate) fn fresh_id() -> String {
    Uuid::new_v4().simple().to_string()
}

/// The name of the bytes of an upload or a put.
pub(crate) fn data_name(id: &str) -> String {
    format!("{PREFIX}{id}")
}

/// The name of the ledger of an upload.
pub(crate) fn ledger_name(id: &str) -> String {
    format!("{PREFIX}{id}{LEDGER}")
}

/// The name under which a file is hidden between its last check and its deletion. It ends with the former name, so that a
/// person can bring it back after a crash; `None` where both together are too long for one name.
pub(crate) fn removed_name(name: &[u8]) -> Option<Vec<u8>> {
    let hidden = [PREFIX.as_bytes(), fresh_id().as_bytes(), REMOVED.as_bytes(), name].concat();
    (hidden.len() <= NAME_BYTES_MAX).then_some(hidden)
}

/// What a partial file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role<'a> {
    /// Bytes of an upload or of a put, with its id.
    Data(&'a str),
    /// The ledger of an upload, with its id.
    Ledger(&'a str),
    /// A file that a delete had hidden when it was interrupted.
    Removed,
    /// It has the pattern, and nobody here writes it.
    Other,
}

/// What a file name is, where it is one of ours.
pub(crate) fn role(name: &[u8]) -> Option<Role<'_>> {
    let rest = name.strip_prefix(PREFIX.as_bytes())?;
    let (id, rest) = rest.split_at_checked(ID_BYTES)?;
    let id = std::str::from_utf8(id).ok().filter(|id| is_id(id))?;
    match rest {
        b"" => Some(Role::Data(id)),
        rest if rest == LEDGER.as_bytes() => Some(Role::Ledger(id)),
        rest if rest.starts_with(REMOVED.as_bytes()) => Some(Role::Removed),
        [b'.', ..] => Some(Role::Other),
        _ => None,
    }
}

/// Whether the text has the form of an id. It becomes part of a path: nothing else may.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == ID_BYTES && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

/// Directory part (without the last slash; empty for the root) and last segment of a key.
pub(crate) fn split(key: &[u8]) -> (&[u8], &[u8]) {
    match key.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&key[..at], &key[at + 1..]),
        None => (&[], key),
    }
}

/// Whether a key can be an object here; otherwise why not.
pub(crate) fn fit(key: &Key) -> Result<()> {
    fit_path(key)?;
    match role(split(key.as_bytes()).1) {
        None => Ok(()),
        Some(_) => unfit(key, "names like this belong to files that are not finished"),
    }
}

/// Whether a key can be the path of any file, a partial one included.
pub(crate) fn fit_path(key: &Key) -> Result<()> {
    brigade_core::KeyRules::File.unfit(key.as_bytes()).map_or(Ok(()), |reason| unfit(key, reason))
}

fn unfit(key: &Key, reason: &str) -> Result<()> {
    Err(StoreError::new(ErrorKind::Unfit, format!("`{key}` cannot be a file: {reason}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_full_pattern_is_hidden() {
        let id = fresh_id();
        assert_eq!(role(data_name(&id).as_bytes()), Some(Role::Data(&id)));
        assert_eq!(role(ledger_name(&id).as_bytes()), Some(Role::Ledger(&id)));
        assert_eq!(role(&removed_name(b"x").expect("short")), Some(Role::Removed));
        for user in [".brigade-partial-", ".brigade-partial-notes", &format!("{}0", data_name(&id)), &data_name(&id).to_uppercase()] {
            assert_eq!(role(user.as_bytes()), None, "{user}");
        }
    }

    #[test]
    fn an_id_is_never_a_path() {
        assert!(is_id(&fresh_id()));
        for bad in ["", "../../etc/passwd", "0123456789abcdef0123456789abcde/", "0123456789ABCDEF0123456789ABCDEF"] {
            assert!(!is_id(bad), "{bad}");
        }
    }

    #[test]
    fn p14_what_cannot_be_a_file_is_unfit() {
        for bad in ["a//b", "/a", "a/", "..", "a/../b", "./a", "", &data_name(&fresh_id()), &format!("d/{}", ledger_name(&fresh_id()))] {
            assert_eq!(fit(&Key::from(bad)).expect_err(bad).kind, ErrorKind::Unfit);
        }
        assert!(fit(&Key::from("a b\n+%/.x")).is_ok());
    }
}
