//! From what GCS answers to what it means: the one table of this backend.
//!
//! Both dialects are read here, JSON (`error.errors[0].reason`) and XML (`Code`). The message that is kept is the provider's own
//! sentence, cut and without control characters; a raw body never leaves this module.

use std::time::Duration;

use brigade_core::ErrorKind;
use brigade_store::StoreError;
use serde::Deserialize;

use crate::limits::MESSAGE_CHARS_MAX;

/// What a request was about, where the same status means different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// A bucket: a listing, or the bucket itself.
    Bucket,
    /// An object.
    Object,
    /// A multipart upload.
    Upload,
}

/// Whether a failed request may have changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// It only reads.
    Reads,
    /// It writes or deletes.
    Writes,
}

/// What an error body says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// The reason (JSON) or code (XML).
    pub code: Option<String>,
    /// The provider's sentence.
    pub message: Option<String>,
}

/// A refusal as it came: status, the facts of its headers, and its body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) request_id: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: ErrorBody,
}

/// Reads an error body of either dialect. Anything else gives an empty answer: the status alone then decides.
pub fn parse_error(body: &[u8]) -> ErrorBody {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let parsed = match first {
        Some(b'{') => parse_json(body),
        Some(b'<') => crate::xml::parse_error(body),
        _ => None,
    };
    let ErrorBody { code, message } = parsed.unwrap_or_default();
    ErrorBody { code: code.map(|text| tame(&text)), message: message.map(|text| tame(&text)) }
}

fn parse_json(body: &[u8]) -> Option<ErrorBody> {
    #[derive(Deserialize)]
    struct Outer {
        error: Inner,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Inner {
        Full {
            #[serde(default)]
            message: Option<String>,
            #[serde(default)]
            errors: Vec<Item>,
            #[serde(default)]
            status: Option<String>,
        },
        /// The token endpoint's form: `{"error": "invalid_grant"}`.
        Word(String),
    }
    #[derive(Deserialize)]
    struct Item {
        #[serde(default)]
        reason: Option<String>,
        #[serde(default)]
        message: Option<String>,
    }
    let outer: Outer = serde_json::from_slice(body).ok()?;
    Some(match outer.error {
        Inner::Full { message, mut errors, status } => {
            let first = if errors.is_empty() { None } else { Some(errors.swap_remove(0)) };
            let (reason, detail) = first.map_or((None, None), |item| (item.reason, item.message));
            ErrorBody { code: reason.or(status), message: message.or(detail) }
        }
        Inner::Word(word) => ErrorBody { code: Some(word), message: None },
    })
}

/// One line, no control characters, not too long.
pub(crate) fn tame(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_CHARS_MAX).collect();
    line.trim().to_owned()
}

/// The table.
pub(crate) fn kind(status: u16, body: &ErrorBody, about: About) -> ErrorKind {
    let code = body.code.as_deref().unwrap_or_default();
    let message = body.message.as_deref().unwrap_or_default();
    if let Some(kind) = by_code(code) {
        return kind;
    }
    match status {
        400 | 412 if says_wrong_digest(message) => ErrorKind::Corrupt,
        401 => ErrorKind::Credentials,
        403 if says_locked(message) => ErrorKind::Locked,
        403 => ErrorKind::Denied,
        404 if message.contains("bucket does not exist") => ErrorKind::BucketMissing,
        404 => missing(about),
        405 | 501 => ErrorKind::Unsupported,
        408 => ErrorKind::Unavailable,
        409 => ErrorKind::Race,
        410 => ErrorKind::UploadGone,
        412 => ErrorKind::Conflict,
        413 => ErrorKind::Unfit,
        429 => ErrorKind::Throttled,
        500..=599 => ErrorKind::Unavailable,
        400..=499 => ErrorKind::Invalid,
        _ => ErrorKind::Protocol,
    }
}

/// Reasons and codes that say more than their status ("HTTP status and error codes for JSON", "... for XML").
fn by_code(code: &str) -> Option<ErrorKind> {
    Some(match code {
        "rateLimitExceeded" | "userRateLimitExceeded" | "quotaExceeded" | "dailyLimitExceeded" | "SlowDown" | "TooManyRequests" => {
            ErrorKind::Throttled
        }
        "retentionPolicyNotMet" | "objectUnderActiveHold" | "objectRetentionNotMet" => ErrorKind::Locked,
        "RetentionPolicyNotMet" | "ObjectUnderActiveHold" | "ObjectRetentionNotMet" => ErrorKind::Locked,
        "authError" | "invalid_grant" | "ExpiredToken" | "InvalidSecurity" | "AuthenticationRequired" | "InvalidAccessKeyId" => {
            ErrorKind::Credentials
        }
        "RequestTimeTooSkewed" => ErrorKind::ClockSkew,
        "NoSuchBucket" => ErrorKind::BucketMissing,
        "NoSuchKey" => ErrorKind::NotFound,
        "NoSuchUpload" => ErrorKind::UploadGone,
        "BadDigest" | "InvalidDigest" => ErrorKind::Corrupt,
        "conditionNotMet" | "PreconditionFailed" => ErrorKind::Conflict,
        "NotImplemented" | "MethodNotAllowed" => ErrorKind::Unsupported,
        "resourceIsEncryptedWithCustomerEncryptionKey" | "ResourceIsEncryptedWithCustomerEncryptionKey" => ErrorKind::Unsupported,
        "uploadTooLarge" | "EntityTooLarge" | "KeyTooLongError" => ErrorKind::Unfit,
        _ => return None,
    })
}

fn missing(about: About) -> ErrorKind {
    match about {
        About::Bucket => ErrorKind::BucketMissing,
        About::Object => ErrorKind::NotFound,
        About::Upload => ErrorKind::UploadGone,
    }
}

/// `Provided CRC32C "..." doesn't match calculated CRC32C "...".` has only the reason `invalid`.
fn says_wrong_digest(message: &str) -> bool {
    let lower = message.to_ascii_lowercase();
    ["crc32c", "md5", "checksum"].iter().any(|word| lower.contains(word)) && lower.contains("match")
}

/// `Object 'b/o' is subject to bucket's retention policy ...`, `... is under active Temporary hold ...`.
fn says_locked(message: &str) -> bool {
    ["retention policy", "retention configuration", "under active"].iter().any(|words| message.contains(words))
}

/// Builds the error of a refusal.
pub(crate) fn refused(refusal: Refusal, about: About, access: Access) -> StoreError {
    let kind = kind(refusal.status, &refusal.body, about);
    let said = match (&refusal.body.message, &refusal.body.code) {
        (Some(message), _) if !message.is_empty() => message.clone(),
        (_, Some(code)) => code.clone(),
        _ => "no reason was given".to_owned(),
    };
    let mut error = StoreError::new(kind, format!("the endpoint answered {}: {said}", refusal.status));
    error.status = Some(refusal.status);
    error.code = refusal.body.code;
    error.request_id = refusal.request_id;
    error.retry_after = refusal.retry_after;
    // A server that failed may have failed after it had done what it was asked.
    if access == Access::Writes && refusal.status >= 500 && kind == ErrorKind::Unavailable { error.possibly_done() } else { error }
}

/// An answer that cannot be understood.
pub(crate) fn protocol(message: impl Into<String>) -> StoreError {
    StoreError::new(ErrorKind::Protocol, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(status: u16, reason: &str, message: &str, about: About) -> ErrorKind {
        let body = format!(
            r#"{{"error":{{"code":{status},"message":"{message}","errors":[{{"message":"{message}","domain":"global","reason":"{reason}"}}]}}}}"#
        );
        kind(status, &parse_error(body.as_bytes()), about)
    }

    fn xml(status: u16, code: &str, about: About) -> ErrorKind {
        let body =
            format!("<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>m</Message><Details>d</Details></Error>");
        kind(status, &parse_error(body.as_bytes()), about)
    }

    #[test]
    fn the_table_of_the_json_api() {
        use ErrorKind as E;
        let cases = [
            (400, "invalid", r#"Provided CRC32C \"a\" doesn't match calculated CRC32C \"b\"."#, E::Corrupt),
            (400, "invalid", "Bad argument", E::Invalid),
            (400, "required", "Bucket is a requester pays bucket but no user project provided.", E::Invalid),
            (401, "authError", "Invalid Credentials", E::Credentials),
            (401, "required", "Anonymous caller does not have access", E::Credentials),
            (403, "forbidden", "x does not have storage.objects.get access", E::Denied),
            (403, "rateLimitExceeded", "slower", E::Throttled),
            (403, "retentionPolicyNotMet", "m", E::Locked),
            (403, "forbidden", "Object 'b/o' is under active Temporary hold and cannot be deleted", E::Locked),
            (404, "notFound", "No such object: b/o", E::NotFound),
            (404, "notFound", "The specified bucket does not exist.", E::BucketMissing),
            (405, "methodNotAllowed", "m", E::Unsupported),
            (408, "", "m", E::Unavailable),
            (409, "conflict", "m", E::Race),
            (412, "conditionNotMet", "m", E::Conflict),
            (429, "rateLimitExceeded", "m", E::Throttled),
            (500, "backendError", "m", E::Unavailable),
            (503, "backendError", "m", E::Unavailable),
            (503, "rateLimitExceeded", "m", E::Throttled),
        ];
        for (status, reason, message, expected) in cases {
            assert_eq!(json(status, reason, message, About::Object), expected, "{status} {reason} {message}");
        }
        assert_eq!(json(404, "notFound", "Not Found", About::Bucket), E::BucketMissing);
    }

    #[test]
    fn the_table_of_the_xml_api() {
        use ErrorKind as E;
        let cases = [
            (400, "BadDigest", E::Corrupt),
            (400, "EntityTooSmall", E::Invalid),
            (403, "AccessDenied", E::Denied),
            (403, "ObjectUnderActiveHold", E::Locked),
            (404, "NoSuchBucket", E::BucketMissing),
            (404, "NoSuchKey", E::NotFound),
            (404, "NoSuchUpload", E::UploadGone),
            (412, "PreconditionFailed", E::Conflict),
            (501, "NotImplemented", E::Unsupported),
            (503, "SlowDown", E::Throttled),
            (503, "ServiceUnavailable", E::Unavailable),
        ];
        for (status, code, expected) in cases {
            assert_eq!(xml(status, code, About::Upload), expected, "{status} {code}");
        }
        assert_eq!(kind(404, &ErrorBody::default(), About::Upload), E::UploadGone);
    }

    #[test]
    fn p11_messages_are_one_tame_line() {
        let long = "x".repeat(5_000);
        let body = format!(r#"{{"error":{{"message":"a\u001b[2J\nb{long}"}}}}"#);
        let message = parse_error(body.as_bytes()).message.expect("a message");
        assert!(message.starts_with("a [2J b") && message.chars().count() <= MESSAGE_CHARS_MAX);
        assert_eq!(parse_error(b"<html><body>Bad gateway"), ErrorBody::default());
        assert_eq!(parse_error(br#"{"error":"invalid_grant"}"#).code.as_deref(), Some("invalid_grant"));
    }

    #[test]
    fn a_failed_write_may_have_happened_and_a_refused_one_has_not() {
        let effect = |status, access| refused(Refusal { status, ..Refusal::default() }, About::Object, access).effect;
        assert_eq!(effect(500, Access::Writes), brigade_store::error::Effect::Possible);
        assert_eq!(effect(500, Access::Reads), brigade_store::error::Effect::None);
        assert_eq!(effect(412, Access::Writes), brigade_store::error::Effect::None);
    }
}
