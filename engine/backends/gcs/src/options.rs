//! What a GCS store is made from, and which endpoint that means.
//!
//! An endpoint that is not Google's gets no credentials unless a file is named for it: an emulator needs none, and a token for
//! Google is nothing to show to strangers. For the same reason no token ever travels over plain HTTP to another machine.

use std::path::PathBuf;

use brigade_core::ErrorKind;
use brigade_core::location::one_host;
use brigade_store::{Result, StoreError};
use http::Uri;
use http::uri::{Authority, Scheme};

/// Google's own endpoint for the JSON and the XML API.
const GOOGLE: &str = "https://storage.googleapis.com";

/// How to reach a bucket.
#[derive(Clone, Debug, Default)]
pub struct GcsOptions {
    /// Another endpoint than Google's: a URL, or `host:port` as `STORAGE_EMULATOR_HOST` has it. A trailing `/storage/v1` is ignored.
    pub endpoint_url: Option<String>,
    /// Send no credentials.
    pub anonymous: bool,
    /// A service account key file; without one, application default credentials or the metadata server.
    pub credentials_file: Option<PathBuf>,
    /// The bucket.
    pub bucket: String,
    /// The prefix that every key starts with, ending at a `/` boundary; empty for the whole bucket.
    pub prefix: String,
    /// The project that pays for requests to a requester-pays bucket.
    pub user_project: Option<String>,
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identification {
    /// Nobody.
    Anonymous,
    /// The service account of this key file.
    File(PathBuf),
    /// Whatever application default credentials say.
    Default,
}

impl GcsOptions {
    pub(crate) fn endpoint(&self) -> Result<Endpoint> {
        Endpoint::parse(self.endpoint_url.as_deref().unwrap_or(GOOGLE))
    }

    pub(crate) fn identification(&self, endpoint: &Endpoint) -> Result<Identification> {
        let identification = match &self.credentials_file {
            _ if self.anonymous => Identification::Anonymous,
            Some(file) => Identification::File(file.clone()),
            None if endpoint.is_google() => Identification::Default,
            None => Identification::Anonymous,
        };
        if identification != Identification::Anonymous && endpoint.is_open() {
            let message = format!("credentials are not sent to {} without TLS", endpoint.authority);
            return Err(StoreError::new(ErrorKind::Invalid, message));
        }
        Ok(identification)
    }
}

impl Endpoint {
    fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| StoreError::new(ErrorKind::Invalid, format!("`{}` is no endpoint: {why}", without_userinfo(text)));
        let trimmed = text.trim().trim_end_matches('/');
        let trimmed = trimmed.strip_suffix("/storage/v1").unwrap_or(trimmed);
        let full = if trimmed.contains("://") { trimmed.to_owned() } else { format!("http://{trimmed}") };
        let uri: Uri = full.parse().map_err(|_| wrong("it is no URL"))?;
        let scheme = uri.scheme().filter(|scheme| **scheme == Scheme::HTTP || **scheme == Scheme::HTTPS);
        let scheme = scheme.ok_or_else(|| wrong("it starts with `http://` or `https://`"))?.clone();
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?.clone();
        if authority.host().is_empty() || authority.as_str().contains('@') || authority.as_str().ends_with(':') {
            return Err(wrong("it is a host and, if need be, a port"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong("it has no path and no query"));
        }
        Ok(Self { scheme, authority })
    }

    /// Whether this is Google itself, also through a private endpoint.
    pub(crate) fn is_google(&self) -> bool {
        let host = self.authority.host().to_ascii_lowercase();
        host == "googleapis.com" || host.ends_with(".googleapis.com")
    }

    fn is_open(&self) -> bool {
        let host = self.authority.host();
        self.scheme == Scheme::HTTP && !(matches!(host, "localhost" | "[::1]") || host.starts_with("127."))
    }

    /// One spelling for everything that reaches the same buckets.
    pub(crate) fn id(&self) -> String {
        if self.is_google() {
            return "gcs google".to_owned();
        }
        let host = one_host(self.authority.host());
        let port = self.authority.port_u16().unwrap_or(if self.scheme == Scheme::HTTPS { 443 } else { 80 });
        format!("gcs {host}:{port}")
    }
}

/// A URL may have been given with a password in it; it is not repeated.
fn without_userinfo(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("...@{rest}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> String {
        Endpoint::parse(text).map_or_else(|error| error.message, |endpoint| endpoint.id())
    }

    #[test]
    fn one_endpoint_has_one_id_however_it_is_written() {
        for same in [
            "http://0.0.0.0:4443",
            "http://127.0.0.1.:4443",
            "http://127.0.0.1:4443",
            "127.0.0.1:4443",
            "http://LOCALHOST:4443/",
            "http://127.0.0.1:4443/storage/v1/",
        ] {
            assert_eq!(id(same), "gcs 127.0.0.1:4443", "{same}");
        }
        for google in [GOOGLE, "https://storage-psc.p.googleapis.com", "https://storage.googleapis.com:443/"] {
            assert_eq!(id(google), "gcs google");
        }
        assert_eq!(id("https://Example.com"), "gcs example.com:443");
    }

    #[test]
    fn p11_what_is_no_endpoint_is_refused_without_its_password() {
        for bad in ["", "ftp://x", "http://", "http://h/path", "http://h?x", "http://user:secret@h"] {
            let error = Endpoint::parse(bad).expect_err(bad);
            assert_eq!(error.kind, ErrorKind::Invalid);
            assert!(!error.message.contains("secret"), "{}", error.message);
        }
    }

    #[test]
    fn p11_credentials_go_to_google_or_where_they_are_meant_for_and_never_in_the_open() {
        let who = |endpoint: &str, file: Option<&str>| {
            let options =
                GcsOptions { endpoint_url: Some(endpoint.to_owned()), credentials_file: file.map(PathBuf::from), ..GcsOptions::default() };
            options.identification(&options.endpoint().expect("an endpoint"))
        };
        assert_eq!(who(GOOGLE, None).expect("allowed"), Identification::Default);
        assert_eq!(who("http://10.0.0.1:1", None).expect("allowed"), Identification::Anonymous);
        assert_eq!(who("http://127.0.0.1:1", Some("k")).expect("allowed"), Identification::File("k".into()));
        assert_eq!(who("https://h", Some("k")).expect("allowed"), Identification::File("k".into()));
        assert!(who("http://h", Some("k")).is_err());
        assert!(who("http://storage.googleapis.com", None).is_err());
    }
}
