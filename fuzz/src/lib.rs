//! What the fuzz targets share: how an input becomes keys, and what text must look like that people will read.
//!
//! Every input is used twice: as the document itself, and as the keys of a document that is written here and must come back
//! unchanged. So one corpus serves both, and no target needs a format of its own.

use std::fmt::Debug;

/// Keys that are made of one input: more of them find nothing that few do not.
const KEYS_MAX: usize = 16;

/// Longest text from a server that is passed on in an error, in characters: the backends stop at 300 and add an ellipsis.
const MESSAGE_CHARS_MAX: usize = 303;

/// Longest whole error message, in characters: the server's text and what we say around it.
const ERROR_CHARS_MAX: usize = 500;

/// Cuts an input into keys of any bytes: each piece begins with its length.
pub fn keys(data: &[u8]) -> Vec<&[u8]> {
    let mut keys = Vec::new();
    let mut rest = data;
    while let Some((length, after)) = rest.split_first() {
        let (key, after) = after.split_at(usize::from(*length).min(after.len()));
        keys.push(key);
        rest = after;
        if keys.len() == KEYS_MAX {
            break;
        }
    }
    keys
}

/// The keys of an input that are text, as every key of a bucket is.
pub fn text_keys(data: &[u8]) -> Vec<&str> {
    keys(data).into_iter().filter_map(|key| std::str::from_utf8(key).ok()).collect()
}

/// `text` as the content of an XML element: what a correct server writes.
pub fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            plain => out.push(plain),
        }
    }
    out
}

/// Text of a server that goes into reports and to terminals: one line, no control characters, bounded.
#[track_caller]
pub fn assert_harmless(text: &str) {
    assert!(!text.chars().any(char::is_control), "control characters in {text:?}");
    assert!(text.chars().count() <= MESSAGE_CHARS_MAX, "{} characters", text.chars().count());
}

/// A whole error message: one line, bounded, whatever it quotes.
#[track_caller]
pub fn assert_readable(message: &str) {
    assert!(!message.chars().any(char::is_control), "control characters in {message:?}");
    assert!(message.chars().count() <= ERROR_CHARS_MAX, "{} characters", message.chars().count());
}

/// A document that was cut is refused or reads the same (the cut fell behind its end), and two in a row are no document:
/// a listing that ends early or is glued to another would read as "nothing more is there".
#[track_caller]
pub fn assert_whole<T: PartialEq + Debug>(document: &[u8], read: impl Fn(&[u8]) -> Option<T>) {
    let Some(whole) = read(document) else { return };
    for cut in cuts(document) {
        if let Some(part) = read(&document[..cut]) {
            assert_eq!(part, whole, "cut at {cut} of {}", document.len());
        }
    }
    assert_eq!(read(&[document, document].concat()), None, "two documents in a row");
}

/// Some places to cut at: the last bytes, where it matters most, and a few spread over the document.
fn cuts(document: &[u8]) -> impl Iterator<Item = usize> {
    let length = document.len();
    (1..=8).map(move |back| length.saturating_sub(back)).chain((1..8).map(move |part| length * part / 8))
}
