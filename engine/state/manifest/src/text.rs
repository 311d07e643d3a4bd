//! Digests and words as text: one canonical form each, so that two manifests can be compared as they stand. Versions and proofs
//! have theirs in the core.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use brigade_core::known::Original;

/// `present` or `deleted`.
pub(crate) fn original_to_text(original: Original) -> &'static str {
    match original {
        Original::Present => "present",
        Original::Deleted => "deleted",
    }
}

/// Reads what [`original_to_text`] gives.
pub(crate) fn original_from_text(text: &str) -> Option<Original> {
    match text {
        "present" => Some(Original::Present),
        "deleted" => Some(Original::Deleted),
        _ => None,
    }
}

/// Appends base64 of the big-endian bytes, as the headers of S3 and GCS carry a CRC.
pub(crate) fn push_base64(text: &mut String, bytes: &[u8]) {
    BASE64.encode_string(bytes, text);
}

/// Reads exactly `N` bytes of base64.
pub(crate) fn from_base64<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    // Room for what the decoder may estimate above the true length.
    let mut room = [0; 24];
    let written = BASE64.decode_slice(text, &mut room).ok()?;
    room.get(..written)?.try_into().ok()
}

/// Appends an MD5 as 32 lower-case hexadecimal digits.
pub(crate) fn push_hex(text: &mut String, md5: [u8; 16]) {
    let mut digits = [0; 32];
    hex::encode_to_slice(md5, &mut digits).expect("two digits for each byte");
    text.push_str(std::str::from_utf8(&digits).expect("hexadecimal digits are ASCII"));
}

/// Reads an MD5 of 32 lower-case hexadecimal digits. One look-up for each digit: this is done for every row that is read.
pub(crate) fn md5_from_hex(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; 32] = text.try_into().ok()?;
    let mut value = [0; 16];
    let mut wrong = 0;
    for (byte, digits) in value.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (DIGITS[usize::from(digits[0])], DIGITS[usize::from(digits[1])]);
        wrong |= high | low;
        *byte = high << 4 | low;
    }
    (wrong & NO_DIGIT == 0).then_some(value)
}

/// What [`DIGITS`] has for a byte that is no lower-case hexadecimal digit: a bit that no digit has.
const NO_DIGIT: u8 = 0x80;

/// The value of each byte as a lower-case hexadecimal digit.
static DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let (mut at, mut byte) = (0, 0_u8);
    while at < digits.len() {
        digits[at] = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => NO_DIGIT,
        };
        (at, byte) = (at + 1, byte.wrapping_add(1));
    }
    digits
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_md5_survives_its_digits_and_other_digits_are_none(md5 in any::<[u8; 16]>(), at in 0..32_usize, odd in "[^0-9a-f]") {
            let mut text = String::new();
            push_hex(&mut text, md5);
            prop_assert_eq!(md5_from_hex(text.as_bytes()), Some(md5));
            prop_assert_eq!(md5_from_hex(&text.as_bytes()[..at]), None);
            text.replace_range(at..=at, &odd);
            prop_assert_eq!(md5_from_hex(text.as_bytes()), None);
        }

        #[test]
        fn checksums_survive_their_base64(value in any::<u64>()) {
            let mut text = String::new();
            push_base64(&mut text, &value.to_be_bytes());
            prop_assert_eq!(&text, &brigade_core::digest::crc64nvme_to_base64(value));
            prop_assert_eq!(from_base64::<8>(text.as_bytes()), Some(value.to_be_bytes()));
            prop_assert_eq!(from_base64::<4>(text.as_bytes()), None);
        }
    }
}
