//! A key as rclone's filter sees it.
//!
//! rclone does not match the bytes of a key but its own spelling of them: control characters are shown by their pictures (a line feed
//! is `␊`), the segments `.` and `..` are spelt full width, and characters that would then be ambiguous are quoted with `‛` (package
//! `lib/encoder`: what its `Base` encoding decodes, its `Standard` encoding encodes). So `*` and `**` match a line feed there, and `\t`
//! in a rule matches no tab. Bytes that are no UTF-8 are, to Go's expressions, one U+FFFD each.
//!
//! This is the spelling of rclone's local backend. Its S3 and GCS backends add one case, left out here: a key that
//! holds `‛` before two hexadecimal digits is read as that byte.

use std::borrow::Cow;

const QUOTE: char = '‛';
const PICTURE_OF_NUL: char = '\u{2400}';
const PICTURE_OF_DELETE: char = '\u{2421}';
const FULL_WIDTH_SLASH: char = '／';

/// The spelling of `key`, which keeps every `/`.
pub(super) fn spell(key: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(key) {
        Ok(valid) if is_plain(key) => Cow::Borrowed(valid),
        _ => Cow::Owned(respell(&super::text(key))),
    }
}

/// Whether no byte can begin anything that is spelt otherwise: the pictures and the quote begin with 0xE2, the slash with 0xEF.
fn is_plain(key: &[u8]) -> bool {
    !key.iter().any(|byte| byte.is_ascii_control() || matches!(byte, 0xE2 | 0xEF)) && !has_dot_segment(key)
}

fn has_dot_segment(key: &[u8]) -> bool {
    key.contains(&b'.') && key.split(|byte| *byte == b'/').any(|segment| matches!(segment, b"." | b".."))
}

fn respell(key: &str) -> String {
    let mut out = String::with_capacity(key.len() + 16);
    for (at, segment) in key.split('/').enumerate() {
        if at > 0 {
            out.push('/');
        }
        match segment {
            "." => out.push('．'),
            ".." => out.push_str("．．"),
            "．" | "．．" | "‛．" | "‛．‛．" => out.push_str(segment),
            other => respell_segment(other, &mut out),
        }
    }
    out
}

fn respell_segment(segment: &str, out: &mut String) {
    let mut characters = segment.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            QUOTE => {
                out.push(QUOTE);
                // What is quoted already stays; a quote that quotes nothing is quoted itself.
                let quoted = characters.next_if(|next| matches!(*next, QUOTE | PICTURE_OF_NUL | FULL_WIDTH_SLASH));
                out.push(quoted.unwrap_or(QUOTE));
            }
            '\0'..='\x1f' => out.push(char::from_u32(u32::from(PICTURE_OF_NUL) + u32::from(character)).unwrap_or(character)),
            '\x7f' => out.push(PICTURE_OF_DELETE),
            '\u{2401}'..='\u{241f}' | PICTURE_OF_DELETE => {
                out.push(QUOTE);
                out.push(character);
            }
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_spelt_as_rclone_lists_them() {
        for (key, spelling) in [
            ("a/b.c/é日", "a/b.c/é日"),
            ("a\nb/\t\u{1}\u{7f}", "a␊b/␉␁␡"),
            ("./a/../b/...", "．/a/．．/b/..."),
            ("␊␡␀／", "‛␊‛␡␀／"),
            ("‛‛␀‛␀‛／‛", "‛‛␀‛␀‛／‛‛"),
            ("‛a‛␊", "‛‛a‛‛‛␊"),
            ("．/‛．", "．/‛．"),
            ("//", "//"),
            ("", ""),
        ] {
            assert_eq!(spell(key.as_bytes()), spelling, "{key:?}");
        }
        assert_eq!(spell(b"a\xff\xe3\x80/\n"), "a\u{fffd}\u{fffd}\u{fffd}/␊");
    }

    #[test]
    fn a_plain_key_is_not_copied() {
        assert!(matches!(spell("a.b/..c/é".as_bytes()), Cow::Borrowed(_)));
    }
}
