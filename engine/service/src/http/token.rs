//! The token: what somebody must know to do more than look.

use http::HeaderValue;

/// The shortest token: 64 bits in hexadecimal digits cannot be guessed over a network.
const TOKEN_BYTES_MIN: usize = 16;

/// A token, kept as its BLAKE3 hash: what is compared has one length and nothing in common with the secret, and the comparison takes the
/// same time wherever two hashes differ.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(blake3::Hash);

/// A token that could be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token has fewer than {TOKEN_BYTES_MIN} bytes, so it could be guessed")]
pub struct ShortToken;

impl Token {
    /// Takes a secret.
    ///
    /// # Errors
    /// When it is too short.
    pub fn new(secret: &str) -> Result<Self, ShortToken> {
        if secret.len() < TOKEN_BYTES_MIN { Err(ShortToken) } else { Ok(Self(blake3::hash(secret.as_bytes()))) }
    }

    /// Whether an `Authorization` header shows the token as a bearer (RFC 6750).
    pub(super) fn admits(&self, authorization: Option<&HeaderValue>) -> bool {
        let Some((scheme, given)) = authorization.and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' ')) else {
            return false;
        };
        // The equality of hashes takes constant time.
        scheme.eq_ignore_ascii_case("bearer") && blake3::hash(given.trim().as_bytes()) == self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bearer_of_the_token_is_admitted() {
        let token = Token::new("a-long-enough-secret").expect("long enough");
        let admits = |value: &str| token.admits(HeaderValue::from_str(value).ok().as_ref());
        assert!(admits("Bearer a-long-enough-secret") && admits("bearer a-long-enough-secret"));
        for wrong in ["", "Bearer", "Bearer ", "Bearer a-long-enough-secre", "Bearer a-long-enough-secretx", "Basic a-long-enough-secret"] {
            assert!(!admits(wrong), "{wrong}");
        }
        assert!(!token.admits(None));
        assert_eq!(format!("{token:?}"), "Token");
        assert_eq!(Token::new("short"), Err(ShortToken));
    }
}
