//! Text beyond ASCII in user metadata: RFC 2047 encoded words, as S3 itself stores and returns it ("User-defined object
//! metadata", Amazon S3 user guide).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Bytes of text in one encoded word: RFC 2047 allows 75 characters for the word, in its Base64 form.
const WORD_BYTES_MAX: usize = 45;

/// Text as a header value: printable ASCII as it is, anything else as encoded words.
pub(crate) fn encode_words(text: &str) -> String {
    let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte) || byte == b'\t');
    // Values that a reader would trim or decode are written so that they come back as they were.
    if plain && text.trim_ascii() == text && !text.contains("=?") {
        return text.to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for character in text.chars() {
        if word.len() + character.len_utf8() > WORD_BYTES_MAX {
            words.push(std::mem::take(&mut word));
        }
        word.push(character);
    }
    words.push(word);
    let encoded: Vec<String> = words.iter().map(|word| format!("=?UTF-8?B?{}?=", BASE64.encode(word))).collect();
    encoded.join(" ")
}

/// Undoes [`encode_words`]; text without a well-formed encoded word is returned as it is.
pub(crate) fn decode_words(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let (before, candidate) = rest.split_at(start);
        let Some((decoded, length)) = decode_word(candidate) else {
            result.push_str(before);
            result.push_str("=?");
            rest = &candidate[2..];
            after_word = false;
            continue;
        };
        // White space between two encoded words belongs to neither (RFC 2047 section 6.2).
        if !(after_word && before.trim().is_empty()) {
            result.push_str(before);
        }
        result.push_str(&decoded);
        rest = &candidate[length..];
        after_word = true;
    }
    result.push_str(rest);
    result
}

/// The word at the start of `text`: its content and its length.
fn decode_word(text: &str) -> Option<(String, usize)> {
    let inner = text.strip_prefix("=?")?;
    let (charset, inner) = inner.split_once('?')?;
    let (encoding, inner) = inner.split_once('?')?;
    let (content, _) = inner.split_once("?=")?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let bytes = match encoding {
        "B" | "b" => BASE64.decode(content).ok()?,
        "Q" | "q" => decode_quoted(content)?,
        _ => return None,
    };
    let length = "=?".len() + charset.len() + 1 + encoding.len() + 1 + content.len() + "?=".len();
    Some((String::from_utf8(bytes).ok()?, length))
}

fn decode_quoted(content: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(content.len());
    let mut rest = content.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'_' => bytes.push(b' '),
            b'=' => {
                let pair = [rest.next()?, rest.next()?];
                let mut value = [0];
                hex::decode_to_slice(pair, &mut value).ok()?;
                bytes.push(value[0]);
            }
            plain => bytes.push(plain),
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_s3_returns_is_understood() {
        assert_eq!(decode_words("=?UTF-8?B?w4TDvHNzZXJ1bmc=?="), "Äüsserung");
        assert_eq!(decode_words("=?UTF-8?Q?=C3=84=5Fa_b?="), "Ä_a b");
        assert_eq!(decode_words("x =?UTF-8?B?w4Q=?= =?UTF-8?B?w4Q=?= y"), "x ÄÄ y");
        for plain in ["=?", "a =? b", "=?latin-1?Q?x?=", "=?UTF-8?X?x?=", "=?UTF-8?B?!?=", "1 =?= 2"] {
            assert_eq!(decode_words(plain), plain);
        }
    }

    proptest! {
        #[test]
        fn any_text_survives(text in "\\PC{0,60}[ \t]{0,2}(=\\?[A-Z?=]{0,5})?") {
            let encoded = encode_words(&text);
            prop_assert!(http::HeaderValue::from_str(&encoded).is_ok());
            prop_assert_eq!(decode_words(&encoded), text);
        }
    }
}
