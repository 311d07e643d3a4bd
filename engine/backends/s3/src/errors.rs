//! What S3's answers mean: one table from status and code to [`ErrorKind`], and the facts that recovery needs.
//!
//! Both engines bring their failures here, so that an error means the same whoever made the request. Nothing of a request
//! (headers, signatures, tokens) enters a message.

use std::time::{Duration, SystemTime};

use brigade_core::ErrorKind;
use brigade_http::{Kind, TransportError, retry_after};
use brigade_store::StoreError;
use http::HeaderMap;

use brigade_s3_xml::{ErrorBody, parse_error};

/// A failed request: the error as the engine sees it, and what might make the same request succeed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// For the engine.
    pub(crate) error: StoreError,
    /// The bucket's region, where the answer named one.
    pub(crate) region: Option<String>,
    /// The server's clock.
    pub(crate) date: Option<SystemTime>,
    /// Whether other credentials might do.
    pub(crate) expired: bool,
}

/// The result of one request. The failure is boxed: it is rare, and large.
pub(crate) type Outcome<T> = Result<T, Box<Failure>>;

impl From<StoreError> for Box<Failure> {
    fn from(error: StoreError) -> Self {
        Box::new(Failure { error, region: None, date: None, expired: false })
    }
}

/// What a request does, as far as its errors differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effects {
    /// It changes nothing.
    Reads,
    /// It changes something; a lost answer leaves it open whether it did.
    Writes,
}

/// An answer with a status of 300 or more, or an error in the body of a good one.
pub(crate) struct Answer<'a> {
    /// What was being done, for the message: `GetObject`.
    pub(crate) operation: &'static str,
    /// Whether it may have taken effect.
    pub(crate) effects: Effects,
    /// The status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: &'a HeaderMap,
    /// The body; empty for HEAD.
    pub(crate) body: &'a [u8],
}

impl Answer<'_> {
    /// What it means.
    pub(crate) fn failure(&self) -> Box<Failure> {
        let body = parse_error(self.body).unwrap_or_default();
        let code = body.code.as_deref().or_else(|| header(self.headers, "x-amz-error-code"));
        let kind = kind(self.status, code, body.message.as_deref());
        let mut error = StoreError::new(kind, self.message(&body, code));
        error.status = Some(self.status);
        error.code = code.map(str::to_owned);
        error.request_id = body.request_id.clone().or_else(|| header(self.headers, "x-amz-request-id").map(str::to_owned));
        let date = header(self.headers, "date").and_then(|date| httpdate::parse_http_date(date).ok());
        error.retry_after = retry_after::parse(self.headers, date.unwrap_or_else(SystemTime::now)).filter(|wait| !wait.is_zero());
        // A gateway or server error may come after the deed; only "not implemented" surely came instead of it.
        if self.effects == Effects::Writes && (self.status == 200 || (self.status >= 500 && self.status != 501)) {
            error = error.possibly_done();
        }
        let region = self.region(&body);
        // A HEAD has no body: an expired token shows as a bare 400 there.
        let bare = self.status == 400 && code.is_none() && self.body.is_empty();
        Box::new(Failure { expired: bare || code.is_some_and(is_expired), region, date, error })
    }

    fn message(&self, body: &ErrorBody, code: Option<&str>) -> String {
        let Self { operation, status, .. } = self;
        let mut text = match code {
            Some(code) => format!("{operation} answered {status} {code}"),
            None => format!("{operation} answered {status}"),
        };
        if let Some(message) = body.message.as_deref() {
            text.push_str(": ");
            text.push_str(message.trim_end_matches('.'));
        }
        text
    }

    fn region(&self, body: &ErrorBody) -> Option<String> {
        let named = header(self.headers, "x-amz-bucket-region").map(str::to_owned).or_else(|| body.region.clone());
        let quoted = || body.message.as_deref()?.split_once("expecting '")?.1.split_once('\'').map(|(region, _)| region.to_owned());
        named.or_else(quoted).filter(|region| is_region(region))
    }
}

/// A region's name goes into a host name: nothing else may get there.
fn is_region(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn is_expired(code: &str) -> bool {
    matches!(code, "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "InvalidToken" | "RequestExpired")
}

/// The table. Codes are those of "Error responses" in the Amazon S3 API reference, and of MinIO, Ceph and garage where they
/// have their own.
fn kind(status: u16, code: Option<&str>, message: Option<&str>) -> ErrorKind {
    code.and_then(|code| kind_of_code(code, message)).unwrap_or_else(|| kind_of_status(status))
}

/// What a code means by itself; `None` where the status says more.
pub(crate) fn kind_of_code(code: &str, message: Option<&str>) -> Option<ErrorKind> {
    use ErrorKind as E;
    Some(match code {
        "NoSuchKey" | "NoSuchVersion" | "NotFound" => E::NotFound,
        "NoSuchBucket" => E::BucketMissing,
        "NoSuchUpload" => E::UploadGone,
        "AccessDenied" | "MethodNotAllowed" | "InvalidRequest" | "ObjectLocked" if is_locked(code, message) => E::Locked,
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "Forbidden" | "UnauthorizedAccess" => E::Denied,
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "CredentialsNotSupported" | "InvalidSecurity" | "NotSignedUp" => E::Credentials,
        code if is_expired(code) => E::Credentials,
        "RequestTimeTooSkewed" => E::ClockSkew,
        "PreconditionFailed" => E::Conflict,
        "ConditionalRequestConflict" | "OperationAborted" => E::Race,
        "SlowDown" | "SlowDownRead" | "SlowDownWrite" | "Throttling" | "ThrottlingException" | "RequestLimitExceeded" => E::Throttled,
        "TooManyRequests" | "TooManyRequestsException" | "RequestThrottled" | "BandwidthLimitExceeded" | "ServerBusy" => E::Throttled,
        "InternalError" | "InternalFailure" | "Busy" => E::Unavailable,
        "RequestTimeout" | "RequestTimeoutException" | "IncompleteBody" => E::Network,
        // Ours are never malformed: a digest that is called invalid is one that does not match.
        "BadDigest" | "InvalidDigest" | "XAmzContentChecksumMismatch" | "XAmzContentSHA256Mismatch" | "ChecksumMismatch" => E::Corrupt,
        "InvalidObjectState" => E::Archived,
        "EntityTooLarge" | "KeyTooLongError" | "MetadataTooLarge" | "InvalidTag" | "InvalidURI" | "InvalidStorageClass" => E::Unfit,
        "NotImplemented" | "XNotImplemented" => E::Unsupported,
        _ => return None,
    })
}

/// Retention and holds come as denials that say so only in their text (S3), or by a code of their own (MinIO).
fn is_locked(code: &str, message: Option<&str>) -> bool {
    let text = message.unwrap_or_default().to_ascii_lowercase();
    code == "ObjectLocked" || ["object lock", "worm protected", "retention", "legal hold"].iter().any(|word| text.contains(word))
}

fn kind_of_status(status: u16) -> ErrorKind {
    use ErrorKind as E;
    match status {
        401 => E::Credentials,
        403 => E::Denied,
        404 | 410 => E::NotFound,
        405 | 501 => E::Unsupported,
        408 => E::Network,
        409 => E::Race,
        412 => E::Conflict,
        429 | 503 => E::Throttled,
        300..=499 => E::Invalid,
        500..=599 => E::Unavailable,
        _ => E::Protocol,
    }
}

/// The request got no answer, or its answer broke off.
pub(crate) fn transport(operation: &'static str, effects: Effects, error: &TransportError) -> Box<Failure> {
    let mut message = format!("{operation}: {error}");
    if let Some(hint) = error.hint() {
        message = format!("{message}; {hint}");
    }
    let kind = match error.kind() {
        Kind::Dns | Kind::Connect | Kind::Tls | Kind::Proxy | Kind::Reset | Kind::Truncated => ErrorKind::Network,
        Kind::Stalled => ErrorKind::Stalled,
        Kind::Config => ErrorKind::Invalid,
        Kind::Body | Kind::Request => ErrorKind::Internal,
        _ => ErrorKind::Protocol,
    };
    let store = StoreError::new(kind, message);
    let open = effects == Effects::Writes && error.ambiguous();
    if open { store.possibly_done() } else { store }.into()
}

/// The answer breaks the protocol.
pub(crate) fn protocol(message: impl Into<String>) -> StoreError {
    StoreError::new(ErrorKind::Protocol, message)
}

/// A condition on the read did not hold: it is about the source then, not about a conflict.
pub(crate) fn as_pinned_read(mut failure: Box<Failure>) -> Box<Failure> {
    failure.error.kind = match (failure.error.kind, failure.error.status) {
        (ErrorKind::Conflict, _) | (_, Some(416)) => ErrorKind::Changed,
        (ErrorKind::NotFound, _) => ErrorKind::Vanished,
        (kind, _) => kind,
    };
    failure
}

/// Longest body of an error that is read, in bytes.
pub(crate) const ERROR_BODY_BYTES_MAX: u64 = 64 * 1024;

/// How far the server's clock may be from ours before it is believed instead of the error.
pub(crate) const CLOCK_SKEW_MIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use brigade_store::error::Effect;
    use http::HeaderValue;

    fn failure(status: u16, effects: Effects, headers: &[(&'static str, &str)], body: &str) -> Box<Failure> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value")))
            .collect();
        Answer { operation: "PutObject", effects, status, headers: &headers, body: body.as_bytes() }.failure()
    }

    #[test]
    fn codes_outweigh_statuses_and_statuses_stand_in_for_codes() {
        use ErrorKind as E;
        for (status, code, kind) in [
            (404, "NoSuchKey", E::NotFound),
            (404, "NoSuchBucket", E::BucketMissing),
            (404, "NoSuchUpload", E::UploadGone),
            (403, "AccessDenied", E::Denied),
            (403, "InvalidObjectState", E::Archived),
            (403, "RequestTimeTooSkewed", E::ClockSkew),
            (403, "SignatureDoesNotMatch", E::Credentials),
            (400, "ExpiredToken", E::Credentials),
            (400, "BadDigest", E::Corrupt),
            (400, "EntityTooLarge", E::Unfit),
            (400, "RequestTimeout", E::Network),
            (409, "ConditionalRequestConflict", E::Race),
            (412, "PreconditionFailed", E::Conflict),
            (503, "SlowDown", E::Throttled),
            (200, "InternalError", E::Unavailable),
            (200, "SlowDown", E::Throttled),
            (501, "NotImplemented", E::Unsupported),
            (400, "SomethingNew", E::Invalid),
        ] {
            let body = format!("<Error><Code>{code}</Code></Error>");
            assert_eq!(failure(status, Effects::Reads, &[], &body).error.kind, kind, "{status} {code}");
        }
        for (status, kind) in [(401, E::Credentials), (403, E::Denied), (404, E::NotFound), (412, E::Conflict), (500, E::Unavailable)] {
            assert_eq!(failure(status, Effects::Reads, &[], "").error.kind, kind, "{status}");
        }
        for (status, kind) in [(503, E::Throttled), (429, E::Throttled), (405, E::Unsupported), (301, E::Invalid), (418, E::Invalid)] {
            assert_eq!(failure(status, Effects::Reads, &[], "<html>").error.kind, kind, "{status}");
        }
    }

    #[test]
    fn a_lock_is_not_a_missing_right() {
        let locked = "<Error><Code>AccessDenied</Code><Message>Access Denied because object protected by object lock.</Message></Error>";
        assert_eq!(failure(403, Effects::Writes, &[], locked).error.kind, ErrorKind::Locked);
        let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
        assert_eq!(failure(403, Effects::Writes, &[], denied).error.kind, ErrorKind::Denied);
    }

    #[test]
    fn only_server_errors_of_writes_leave_the_effect_open() {
        for (status, effects, effect) in [
            (500, Effects::Writes, Effect::Possible),
            (503, Effects::Writes, Effect::Possible),
            (200, Effects::Writes, Effect::Possible),
            (501, Effects::Writes, Effect::None),
            (412, Effects::Writes, Effect::None),
            (500, Effects::Reads, Effect::None),
        ] {
            assert_eq!(failure(status, effects, &[], "").error.effect, effect, "{status} {effects:?}");
        }
    }

    #[test]
    fn recovery_is_told_region_clock_and_expiry() {
        let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>wrong; expecting 'eu-west-1'</Message></Error>";
        assert_eq!(failure(400, Effects::Reads, &[], body).region.as_deref(), Some("eu-west-1"));
        let named = failure(301, Effects::Reads, &[("x-amz-bucket-region", "ap-south-1")], "");
        assert_eq!(named.region.as_deref(), Some("ap-south-1"));
        assert_eq!(failure(301, Effects::Reads, &[("x-amz-bucket-region", "evil.example/")], "").region, None);
        let dated = failure(403, Effects::Reads, &[("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("retry-after", "7")], "");
        assert_eq!(dated.date, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)));
        assert_eq!(dated.error.retry_after, Some(Duration::from_secs(7)));
        assert!(failure(400, Effects::Reads, &[], "<Error><Code>ExpiredToken</Code></Error>").expired);
        assert!(failure(400, Effects::Reads, &[], "").expired && !failure(404, Effects::Reads, &[], "").expired);
    }

    #[test]
    fn a_pinned_read_tells_change_from_loss() {
        for (status, kind) in [(412, ErrorKind::Changed), (416, ErrorKind::Changed), (404, ErrorKind::Vanished), (403, ErrorKind::Denied)] {
            assert_eq!(as_pinned_read(failure(status, Effects::Reads, &[], "")).error.kind, kind);
        }
    }

    #[test]
    fn p11_messages_hold_nothing_but_status_code_and_text() {
        let body = "<Error><Code>SignatureDoesNotMatch</Code><Message>It does not match.</Message>\
            <StringToSign>AWS4 secret</StringToSign><AWSAccessKeyId>AKIA1</AWSAccessKeyId></Error>";
        let error = failure(403, Effects::Reads, &[], body).error;
        assert_eq!(error.message, "PutObject answered 403 SignatureDoesNotMatch: It does not match");
    }
}
