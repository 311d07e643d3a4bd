//! Where a connection goes: scheme, host and port, and nothing of the request itself.
//!
//! It is the key of the pool and the only part of a URI that errors and logs may show.

use std::fmt;
use std::net::IpAddr;

use http::{HeaderValue, Uri};

use crate::error::{Kind, TransportError};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    pub(crate) scheme: Scheme,
    /// Lower case; an IPv6 address is without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Endpoint {
    pub(crate) fn of(uri: &Uri) -> Result<Self, TransportError> {
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some(other) => return Err(TransportError::new(Kind::Request, format!("cannot speak {other}: only http and https"))),
            None => return Err(TransportError::new(Kind::Request, "the request has no scheme")),
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(TransportError::new(Kind::Request, "the address holds a user name: credentials do not belong there"));
        }
        let host = uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(TransportError::new(Kind::Request, "the request has no host"));
        }
        let port = uri.port_u16().unwrap_or(scheme.default_port());
        Ok(Self { scheme, host: host.to_ascii_lowercase(), port })
    }

    /// `host:port`, the form of CONNECT.
    pub(crate) fn authority(&self) -> String {
        self.to_string()
    }

    /// The `Host` header: without the port where it is the scheme's own (RFC 9110 section 7.2).
    pub(crate) fn host_header(&self) -> Result<HeaderValue, TransportError> {
        let text = if self.port == self.scheme.default_port() { self.bracketed() } else { self.authority() };
        HeaderValue::try_from(text).map_err(|error| TransportError::new(Kind::Request, "the host is not a header value").with_source(error))
    }

    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bracketed(), self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(uri: &'static str) -> Endpoint {
        Endpoint::of(&Uri::from_static(uri)).expect("an endpoint")
    }

    #[test]
    fn ports_default_by_scheme_and_the_host_header_leaves_the_default_out() {
        let plain = endpoint("http://Example.com/a?X-Amz-Signature=s");
        assert_eq!(
            (plain.to_string().as_str(), plain.host_header().expect("ok")),
            ("example.com:80", HeaderValue::from_static("example.com"))
        );
        let tls = endpoint("https://[::1]:9000/");
        assert_eq!((tls.to_string().as_str(), tls.host_header().expect("ok")), ("[::1]:9000", HeaderValue::from_static("[::1]:9000")));
        assert!(tls.ip().is_some_and(|ip| ip.is_loopback()));
    }

    #[test]
    fn other_schemes_relative_uris_and_credentials_are_refused() {
        for uri in ["ftp://a/b", "/only/a/path", "http://user:hunter2@a/b"] {
            assert_eq!(Endpoint::of(&Uri::from_static(uri)).expect_err("refused").kind(), Kind::Request);
        }
    }
}
