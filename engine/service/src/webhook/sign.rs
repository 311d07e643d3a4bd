//! Signatures of notifications, as <https://www.standardwebhooks.com> defines them: an HMAC-SHA256 over id, time and body, so that
//! a receiver knows who speaks, that nothing was changed, and that nobody plays an old one back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// How a secret begins that is written in Base64, as services that check such signatures give them out.
const ENCODED: &str = "whsec_";

/// The key of the signatures. It cannot be shown.
pub(crate) struct Key(Hmac<Sha256>);

impl Key {
    /// The key of a secret: its bytes, or what is encoded behind `whsec_`. `None` where that is no Base64, or nothing.
    pub(crate) fn of(secret: &str) -> Option<Self> {
        let bytes = match secret.strip_prefix(ENCODED) {
            Some(encoded) => BASE64.decode(encoded).ok()?,
            None => secret.as_bytes().to_vec(),
        };
        if bytes.is_empty() {
            return None;
        }
        Some(Self(Hmac::new_from_slice(&bytes).expect("HMAC takes keys of any length")))
    }

    /// The value of the header `webhook-signature`. `seconds` is the time of the attempt, since 1970.
    pub(crate) fn sign(&self, id: &str, seconds: i64, body: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_signs_as_the_libraries_of_others_do() {
        // The example of the libraries of standardwebhooks.com.
        let key = Key::of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key");
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_plain_secret_is_its_own_bytes_and_an_empty_one_is_none() {
        let encoded = Key::of(&format!("whsec_{}", BASE64.encode("open sesame"))).expect("a key");
        let plain = Key::of("open sesame").expect("a key");
        assert_eq!(encoded.sign("a", 1, "b"), plain.sign("a", 1, "b"));
        assert_ne!(plain.sign("a", 1, "b"), plain.sign("a", 2, "b"));
        for none in ["", "whsec_", "whsec_***"] {
            assert!(Key::of(none).is_none(), "{none}");
        }
    }
}
