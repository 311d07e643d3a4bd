//! Which proxy serves an endpoint, and the tunnel through it.
//!
//! A proxy that is named but malformed is an error, never a silent direct connection: where a proxy is required, going
//! around it leaks. Loopback, link-local and metadata addresses never go through one: they mean this machine.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;

use crate::body::Outgoing;
use crate::endpoint::{Endpoint, Scheme};
use crate::error::{Kind, TransportError};
use crate::options::ProxyOptions;
use crate::stream::Hop;

pub(crate) struct Proxies {
    matcher: Matcher,
}

/// A proxy and how to introduce ourselves to it.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) endpoint: Endpoint,
    pub(crate) authorization: Option<HeaderValue>,
}

impl Proxies {
    pub(crate) fn new(options: &ProxyOptions) -> Result<Self, TransportError> {
        let given = [("http_proxy", &options.http), ("HTTPS_PROXY", &options.https), ("ALL_PROXY", &options.all)];
        for (name, value) in given {
            if let Some(value) = value
                && Matcher::builder().all(value).build().intercept(&Uri::from_static("http://host.invalid/")).is_none()
            {
                return Err(TransportError::new(Kind::Config, format!("{name} is not the address of a proxy (http://host:port)")));
            }
        }
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let matcher = Matcher::builder()
            .http(text(&options.http))
            .https(text(&options.https))
            .all(text(&options.all))
            .no(exemptions(options.no.as_deref().unwrap_or_default()))
            .build();
        Ok(Self { matcher })
    }

    /// The proxy of an endpoint; `None` means direct.
    pub(crate) fn serving(&self, endpoint: &Endpoint, uri: &Uri) -> Result<Option<Proxy>, TransportError> {
        if is_local(endpoint) {
            return Ok(None);
        }
        let Some(intercept) = self.matcher.intercept(uri) else { return Ok(None) };
        let proxy = Endpoint::of(intercept.uri()).map_err(|error| {
            let scheme = intercept.uri().scheme_str().unwrap_or_default();
            TransportError::new(Kind::Proxy, format!("a {scheme} proxy is named for {endpoint}; only http and https proxies are supported"))
                .with_source(error)
        })?;
        Ok(Some(Proxy { endpoint: proxy, authorization: intercept.basic_auth().cloned() }))
    }
}

/// `*.example.com` is common in `NO_PROXY`, and means what curl writes `.example.com`.
fn exemptions(list: &str) -> String {
    let parts: Vec<&str> =
        list.split(',').map(str::trim).map(|part| part.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(part)).collect();
    parts.join(",")
}

fn is_local(endpoint: &Endpoint) -> bool {
    match endpoint.ip() {
        Some(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_link_local(),
        Some(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unicast_link_local(),
        None => {
            let host = endpoint.host.strip_suffix('.').unwrap_or(&endpoint.host);
            host == "localhost" || host.ends_with(".localhost") || host == "metadata.google.internal"
        }
    }
}

/// Asks the proxy at the other end of `hop` for a tunnel to `endpoint` (RFC 9110 section 9.3.6).
pub(crate) async fn tunnel(hop: Hop, proxy: &Proxy, endpoint: &Endpoint) -> Result<Hop, TransportError> {
    let at = &proxy.endpoint;
    let broke = |error: hyper::Error| {
        TransportError::new(Kind::Proxy, format!("the proxy {at} broke off the tunnel to {endpoint}")).with_source(error)
    };
    let mut request = Request::connect(endpoint.authority())
        .header(header::HOST, endpoint.authority())
        .body(Empty::<Bytes>::new())
        .map_err(|error| TransportError::new(Kind::Request, format!("{endpoint} cannot be asked of a proxy")).with_source(error))?;
    if let Some(authorization) = &proxy.authorization {
        request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
    }
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(hop)).await.map_err(broke)?;
    // It ends by itself: with the upgrade, with the proxy's refusal, or when `sender` is dropped.
    tokio::spawn(connection.with_upgrades());
    let response = sender.send_request(request).await.map_err(broke)?;
    let status = response.status();
    if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        return Err(TransportError::new(Kind::Proxy, format!("the proxy {at} wants other credentials for {endpoint} (407)")));
    }
    if !status.is_success() {
        return Err(TransportError::new(Kind::Proxy, format!("the proxy {at} refused a tunnel to {endpoint} ({status})")));
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(broke)?;
    let parts = upgraded.downcast::<TokioIo<Hop>>().expect("the tunnel is the stream that was handed in");
    if !parts.read_buf.is_empty() {
        return Err(TransportError::new(Kind::Proxy, format!("the proxy {at} spoke into the tunnel to {endpoint}")));
    }
    Ok(parts.io.into_inner())
}

/// How the request line names its target on this connection (RFC 9112 section 3.2).
#[derive(Clone)]
pub(crate) enum TargetForm {
    /// `/path`, to the server itself or through a tunnel.
    Origin,
    /// `http://host/path`, to a proxy that forwards plain http.
    Absolute { authorization: Option<HeaderValue> },
}

impl TargetForm {
    /// The form for an endpoint behind a proxy, and whether a tunnel is needed first.
    pub(crate) fn through(proxy: &Proxy, endpoint: &Endpoint) -> Self {
        match endpoint.scheme {
            Scheme::Https => Self::Origin,
            Scheme::Http => Self::Absolute { authorization: proxy.authorization.clone() },
        }
    }

    /// Writes the request target in the form that the other end expects, byte for byte as the caller encoded it.
    pub(crate) fn address(&self, request: &mut Request<Outgoing>, uri: &Uri) {
        request.headers_mut().remove(header::PROXY_AUTHORIZATION);
        match self {
            Self::Origin => *request.uri_mut() = uri.path_and_query().cloned().map(Uri::from).unwrap_or_default(),
            Self::Absolute { authorization } => {
                *request.uri_mut() = uri.clone();
                if let Some(authorization) = authorization {
                    request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serving(options: ProxyOptions, uri: &'static str) -> Option<Proxy> {
        let uri = Uri::from_static(uri);
        Proxies::new(&options).expect("valid").serving(&Endpoint::of(&uri).expect("endpoint"), &uri).expect("supported")
    }

    fn all(no: &str) -> ProxyOptions {
        ProxyOptions { all: Some("http://user:p%40ss@proxy.example:3128".into()), no: Some(no.into()), ..ProxyOptions::default() }
    }

    #[test]
    fn what_means_this_machine_never_goes_through_a_proxy() {
        for uri in ["http://127.0.0.1:9000/", "http://127.9.9.9/", "https://[::1]/", "http://localhost:1/", "http://a.localhost/"] {
            assert!(serving(all(""), uri).is_none(), "{uri}");
        }
        for uri in ["http://169.254.169.254/latest", "http://metadata.google.internal/"] {
            assert!(serving(all(""), uri).is_none(), "{uri}");
        }
        assert!(serving(all(""), "https://storage.example/").is_some());
    }

    #[test]
    fn no_proxy_exempts_hosts_domains_and_networks() {
        let no = "exact.example, .dot.example,*.star.example, 10.0.0.0/8";
        for uri in ["http://exact.example/", "https://a.dot.example/", "https://b.star.example/", "http://10.1.2.3/"] {
            assert!(serving(all(no), uri).is_none(), "{uri}");
        }
        for uri in ["http://notexact.example/", "https://star.example.org/", "http://11.1.2.3/"] {
            assert!(serving(all(no), uri).is_some(), "{uri}");
        }
        assert!(serving(all("*"), "https://storage.example/").is_none());
    }

    #[test]
    fn the_scheme_picks_the_proxy_and_its_password_is_decoded() {
        let options = ProxyOptions { http: Some("plain.example:1".into()), ..all("") };
        assert_eq!(serving(options.clone(), "http://s.example/").expect("served").endpoint.to_string(), "plain.example:1");
        let tls = serving(options, "https://s.example/").expect("served");
        assert_eq!(tls.endpoint.to_string(), "proxy.example:3128");
        let authorization = tls.authorization.expect("given");
        assert_eq!(authorization, "Basic dXNlcjpwQHNz");
        assert!(authorization.is_sensitive());
    }

    #[test]
    fn p11_a_malformed_proxy_is_refused_without_showing_it() {
        let options = ProxyOptions { https: Some("ftp://user:hunter2@proxy".into()), ..ProxyOptions::default() };
        let error = Proxies::new(&options).err().expect("refused");
        assert_eq!((error.kind(), error.to_string().contains("hunter2")), (Kind::Config, false));
        let socks = ProxyOptions { all: Some("socks5://proxy:1080".into()), ..ProxyOptions::default() };
        let uri = Uri::from_static("https://s.example/");
        let proxies = Proxies::new(&socks).expect("a proxy, if not one for us");
        let error = proxies.serving(&Endpoint::of(&uri).expect("endpoint"), &uri).err().expect("unsupported");
        assert_eq!(error.kind(), Kind::Proxy);
    }
}
