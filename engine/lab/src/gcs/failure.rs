//! Refusals, in the words of the JSON and of the XML interface.
//!
//! Source: Cloud Storage "HTTP status and error codes for JSON" and "for XML".

use super::wire::Answer;
use super::xml::error_document;
use crate::door::Refusal;
use crate::world::{Hold, WorldError};
use serde_json::json;

/// How an error is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `{"error": {...}}`.
    Json,
    /// Bare text, as downloads of the JSON interface answer.
    Media,
    /// `<Error>...`.
    Xml,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) status: u16,
    /// The JSON interface's reason.
    pub(super) reason: &'static str,
    /// The XML interface's code.
    pub(super) code: &'static str,
    pub(super) message: String,
    headers: Vec<(&'static str, String)>,
}

impl Failure {
    pub(super) fn new(status: u16, reason: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, reason, code, message: message.into(), headers: Vec::new() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid", "InvalidArgument", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "notFound", "NoSuchKey", message)
    }

    pub(super) fn no_such_object(bucket: &str, key: &[u8]) -> Self {
        Self::not_found(format!("No such object: {bucket}/{}", String::from_utf8_lossy(key)))
    }

    pub(super) fn precondition() -> Self {
        let message = "At least one of the pre-conditions you specified did not hold.";
        Self::new(412, "conditionNotMet", "PreconditionFailed", message)
    }

    pub(super) fn not_modified() -> Self {
        Self::new(304, "notModified", "NotModified", "Not Modified")
    }

    pub(super) fn unsupported(what: &str) -> Self {
        Self::new(501, "notImplemented", "NotImplemented", format!("{what} is not implemented by this server."))
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, "authError", "AuthenticationRequired", "Invalid Credentials")
            .with("www-authenticate", "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"")
    }

    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn answer(&self, dialect: Dialect) -> Answer {
        let mut answer = match dialect {
            _ if self.status == 304 => Answer::empty(304),
            Dialect::Json => Answer::json(self.status, &self.json()),
            Dialect::Media => Answer::bytes(self.status, "text/html; charset=UTF-8", self.message.clone()),
            Dialect::Xml => Answer::xml(self.status, error_document(self.code, &self.message)),
        };
        for (name, value) in &self.headers {
            answer = answer.with(name, value);
        }
        answer
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let mut item = json!({"message": self.message, "domain": "global", "reason": self.reason});
        if self.status == 412 {
            item["locationType"] = "header".into();
            item["location"] = "If-Match".into();
        }
        json!({"error": {"code": self.status, "message": self.message, "errors": [item]}})
    }
}

impl From<Refusal> for Failure {
    /// A scripted refusal. Its code is a name of S3 or of Google; each interface answers with its own.
    fn from(refusal: Refusal) -> Self {
        let (reason, code) = match refusal.code {
            "SlowDown" | "ServiceUnavailable" if refusal.status == 503 => ("backendError", "ServiceUnavailable"),
            "InternalError" => ("backendError", "InternalError"),
            "AccessDenied" => ("forbidden", "AccessDenied"),
            "rateLimitExceeded" | "SlowDown" => ("rateLimitExceeded", "SlowDown"),
            other => (other, other),
        };
        let failure = Self::new(refusal.status, reason, code, format!("A scripted fault: {}", refusal.code));
        match refusal.retry_after_seconds {
            Some(seconds) => failure.with("retry-after", seconds.to_string()),
            None => failure,
        }
    }
}

impl From<WorldError> for Failure {
    fn from(error: WorldError) -> Self {
        let invalid = |code: &'static str| Self::new(400, "invalid", code, format!("Invalid argument: {error}."));
        match &error {
            WorldError::NoSuchBucket => Self::new(404, "notFound", "NoSuchBucket", "The specified bucket does not exist."),
            WorldError::BucketExists => {
                let message = "Your previous request to create the named bucket succeeded and you already own it.";
                Self::new(409, "conflict", "BucketAlreadyOwnedByYou", message)
            }
            WorldError::BucketNotEmpty => Self::new(409, "conflict", "BucketNotEmpty", "The bucket you tried to delete is not empty."),
            WorldError::NoSuchKey | WorldError::NoSuchVersion | WorldError::DeleteMarker(_) => {
                Self::not_found("The specified key does not exist.")
            }
            WorldError::NoSuchUpload => Self::new(404, "notFound", "NoSuchUpload", "The requested upload was not found."),
            WorldError::PreconditionFailed(_) => Self::precondition(),
            WorldError::NotModified => Self::not_modified(),
            WorldError::InvalidPart(_) => invalid("InvalidPart"),
            WorldError::InvalidPartOrder => invalid("InvalidPartOrder"),
            WorldError::EntityTooSmall(_) => invalid("EntityTooSmall"),
            WorldError::BadDigest(_) => invalid("BadDigest"),
            WorldError::SizeMismatch { .. } | WorldError::Invalid(_) => invalid("InvalidArgument"),
            WorldError::KeyLength => invalid("InvalidObjectName"),
            WorldError::Held(hold) => held(*hold),
            WorldError::Discarded => Self::new(500, "backendError", "InternalError", error.to_string()),
        }
    }
}

/// In Google's words; which hold it is only they tell.
fn held(hold: Hold) -> Failure {
    let under = |name: &str| {
        let message = format!("Object is under active {name} hold and cannot be deleted, overwritten or archived until hold is removed.");
        Failure::new(403, "objectUnderActiveHold", "ObjectUnderActiveHold", message)
    };
    match hold {
        Hold::Temporary | Hold::Legal => under("Temporary"),
        Hold::EventBased => under("Event-Based"),
        Hold::Retention(until) => {
            let message = format!(
                "Object is subject to object's retention configuration and cannot be deleted, overwritten or archived until {until}."
            );
            Failure::new(403, "retentionPolicyNotMet", "RetentionPolicyNotMet", message)
        }
    }
}
