//! The one attempt: a POST, and what its answer means.
//!
//! Redirects are not followed: a signed body goes where the configuration says and nowhere else. Nothing is read of the answer but
//! its head. An error is told without the URL, whose path may be a secret.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use rustls::{ClientConfig, RootCertStore};

use super::outbox::Answer;
use super::receiver::{Parcel, WebhookError, is_this_machine};
use crate::limits::CONNECT_TIME;

/// Carries notifications to their receiver.
#[async_trait]
pub(crate) trait Carrier: Send + Sync + 'static {
    /// Makes one attempt. It may be dropped at any moment; then the receiver may have it, or not.
    async fn carry(&self, parcel: Parcel) -> Answer;
}

/// The carrier of the world: HTTP/1.1, TLS by rustls.
pub(crate) struct Post {
    /// Through the proxies of the environment.
    out: Client,
    /// To this machine itself, without a proxy.
    home: Client,
}

impl Post {
    /// Reads the certificates that the machine trusts. Blocking, for some milliseconds.
    pub(crate) fn new() -> Result<Self, WebhookError> {
        let build = |builder: ClientBuilder| builder.build().map_err(|error| WebhookError::Client(error.to_string()));
        let tls = tls()?;
        Ok(Self { out: build(client(tls.clone()))?, home: build(client(tls).no_proxy())? })
    }
}

fn client(tls: ClientConfig) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIME)
        // Notifications are rare: a connection would be cut before it is used again.
        .pool_max_idle_per_host(0)
        .referer(false)
        .user_agent(concat!("brigade/", env!("CARGO_PKG_VERSION")))
}

fn tls() -> Result<ClientConfig, WebhookError> {
    let mut roots = RootCertStore::empty();
    // Where a machine trusts nobody, plain http to itself still works, and a handshake with others says what is wrong.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| WebhookError::Client(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

#[async_trait]
impl Carrier for Post {
    async fn carry(&self, parcel: Parcel) -> Answer {
        let client = if is_this_machine(&parcel.url) { &self.home } else { &self.out };
        let mut request = client
            .post(parcel.url)
            .header(header::CONTENT_TYPE, HeaderValue::from_static(parcel.body.media_type))
            .header("webhook-id", parcel.id)
            .header("webhook-timestamp", parcel.seconds.to_string());
        if let Some(signature) = parcel.signature {
            request = request.header("webhook-signature", signature);
        }
        match request.body(parcel.body.text).send().await {
            Ok(response) => verdict(response.status(), response.headers(), SystemTime::now()),
            Err(error) => Answer::later(root_of(&error)),
        }
    }
}

/// What an answer means: the receiver has it, may have it later, or never will. A redirect is never followed, so it never helps.
fn verdict(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Answer {
    if status.is_success() {
        return Answer::Taken;
    }
    let why = format!("the receiver answered {status}");
    let may_pass = status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if may_pass { Answer::Later { why, wait: retry_after(headers, now) } } else { Answer::Never { why } }
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date. Anything else is ignored.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default())
}

/// The innermost cause: those around it only say that a request could not be sent, and where to.
fn root_of(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match std::ptr::addr_eq(cause, error) {
        true => "the request could not be sent".to_owned(),
        false => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict_of(status: u16, wait: Option<&'static str>) -> Answer {
        let headers = wait.map(|wait| (header::RETRY_AFTER, HeaderValue::from_static(wait))).into_iter().collect();
        // 1994-11-15 08:12:31 UTC
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_887_151);
        verdict(StatusCode::from_u16(status).expect("a status"), &headers, now)
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_will_not_is_given_up() {
        for taken in [200, 201, 202, 204] {
            assert_eq!(verdict_of(taken, None), Answer::Taken, "{taken}");
        }
        for later in [408, 429, 500, 502, 503, 504] {
            assert!(matches!(verdict_of(later, None), Answer::Later { wait: None, .. }), "{later}");
        }
        for never in [301, 302, 307, 308, 400, 401, 403, 404, 410, 413, 422] {
            assert!(matches!(verdict_of(never, None), Answer::Never { .. }), "{never}");
        }
    }

    #[test]
    fn the_receiver_says_when_to_come_back() {
        let waits = [("120", Some(120)), ("Tue, 15 Nov 1994 08:12:41 GMT", Some(10)), ("Tue, 15 Nov 1994 08:00:00 GMT", Some(0))];
        for (text, seconds) in waits.into_iter().chain([("soon", None), ("-1", None), ("1.5", None)]) {
            let Answer::Later { wait, .. } = verdict_of(503, Some(text)) else { panic!("{text}") };
            assert_eq!(wait, seconds.map(Duration::from_secs), "{text}");
        }
    }
}
