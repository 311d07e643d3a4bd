//! Errors in S3's dialect.

use super::headers;
use super::xml::Xml;
use crate::door::Refusal;
use crate::world::WorldError;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use s3s::Body;
use std::borrow::Cow;

/// An answer that is an error.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: Cow<'static, str>,
    details: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
}

impl Failure {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: code.into(),
            message: message.into(),
            details: Vec::new(),
            headers: Vec::new(),
        }
    }

    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "InvalidRequest", message)
    }

    pub(crate) fn argument(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "InvalidArgument", message)
    }

    pub(crate) fn malformed_xml() -> Self {
        Self::new(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
    }

    pub(crate) fn not_implemented(what: &str) -> Self {
        Self::new(501, "NotImplemented", format!("{what} is not implemented"))
    }

    /// Adds a header to the answer.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Adds an element to the error document.
    pub(crate) fn detail(mut self, name: &'static str, value: String) -> Self {
        self.details.push((name, value));
        self
    }

    /// The error document.
    pub(crate) fn document(&self) -> String {
        Xml::error(|xml| {
            xml.text("Code", &self.code);
            xml.text("Message", &self.message);
            for (name, value) in &self.details {
                xml.text(name, value);
            }
            xml.text("RequestId", "LAB");
        })
    }

    /// The whole answer.
    pub(crate) fn response(self) -> Response<Body> {
        let empty = self.status == StatusCode::NOT_MODIFIED;
        let mut response = Response::new(if empty { Body::empty() } else { Body::from(self.document()) });
        *response.status_mut() = self.status;
        for (name, value) in &self.headers {
            headers::set_named(response.headers_mut(), name, value);
        }
        if !empty {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        }
        response
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let failure = Self::new(refusal.status, refusal.code, "a scripted fault");
        match refusal.retry_after_seconds {
            Some(seconds) => failure.header("retry-after", &seconds.to_string()),
            None => failure,
        }
    }
}

impl From<WorldError> for Failure {
    fn from(error: WorldError) -> Self {
        let message = match &error {
            // S3 has no code of its own for it: only the text tells a lock from a missing right.
            WorldError::Held(_) => "Access Denied because object protected by object lock.".to_owned(),
            other => other.to_string(),
        };
        let (status, code) = match &error {
            WorldError::NoSuchBucket => (404, "NoSuchBucket"),
            WorldError::BucketExists => (409, "BucketAlreadyOwnedByYou"),
            WorldError::BucketNotEmpty => (409, "BucketNotEmpty"),
            WorldError::NoSuchKey | WorldError::DeleteMarker(_) => (404, "NoSuchKey"),
            WorldError::NoSuchVersion => (404, "NoSuchVersion"),
            WorldError::NoSuchUpload => (404, "NoSuchUpload"),
            WorldError::PreconditionFailed(_) => (412, "PreconditionFailed"),
            WorldError::NotModified => (304, "NotModified"),
            WorldError::InvalidPart(_) => (400, "InvalidPart"),
            WorldError::InvalidPartOrder => (400, "InvalidPartOrder"),
            WorldError::EntityTooSmall(_) => (400, "EntityTooSmall"),
            WorldError::BadDigest(_) => (400, "BadDigest"),
            WorldError::SizeMismatch { .. } | WorldError::Invalid(_) => (400, "InvalidRequest"),
            WorldError::KeyLength => (400, "KeyTooLongError"),
            WorldError::Held(_) => (403, "AccessDenied"),
            WorldError::Discarded => (500, "InternalError"),
        };
        let failure = Self::new(status, code, message);
        match error {
            WorldError::DeleteMarker(version) => {
                failure.header("x-amz-delete-marker", "true").header("x-amz-version-id", &version.to_string())
            }
            WorldError::PreconditionFailed(condition) => failure.detail("Condition", condition.to_owned()),
            _ => failure,
        }
    }
}
