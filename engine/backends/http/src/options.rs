//! What the transport is told: values, never the environment itself, which is read once in [`TransportOptions::from_env`].

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Kind, TransportError};
use crate::limits;
use crate::resolve::{Resolve, SystemResolver};

/// Options of a transport. `default()` is the measured best without any environment; [`TransportOptions::from_env`] is
/// what programs use.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// Time for name, TCP, proxy and TLS together.
    pub connect_timeout: Duration,
    /// No byte in either direction for so long ends an attempt.
    pub stall_timeout: Duration,
    /// Idle connections are closed after this.
    pub idle_timeout: Duration,
    /// Idle connections kept for one endpoint.
    pub idle_per_host_max: usize,
    /// Read buffer between TCP and TLS, in bytes.
    pub read_buffer_bytes: usize,
    /// Certificates trusted in addition to the system's, as a PEM file (`AWS_CA_BUNDLE`).
    ///
    /// It adds, where some AWS tools replace: one process talks to a private S3 and to public GCS at the same time.
    pub extra_ca_bundle: Option<PathBuf>,
    /// Where the system's certificates come from.
    pub system_roots: SystemRoots,
    /// Which proxies serve which endpoints.
    pub proxy: ProxyOptions,
    /// Who resolves names.
    pub resolver: Arc<dyn Resolve>,
}

/// Where the certificates of public authorities come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SystemRoots {
    /// The operating system's store.
    #[default]
    Platform,
    /// These instead, as OpenSSL reads `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    Paths {
        /// A PEM file.
        file: Option<PathBuf>,
        /// Directories of PEM files, named by hash.
        directories: Vec<PathBuf>,
    },
}

/// Proxies as the environment names them. `Debug` does not show the values: they may hold passwords.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxyOptions {
    /// For `http` endpoints: a URL such as `http://user:password@proxy:3128`.
    pub http: Option<String>,
    /// For `https` endpoints.
    pub https: Option<String>,
    /// For both, where the one above is not given.
    pub all: Option<String>,
    /// Hosts, domains, addresses and networks that are reached directly, separated by commas; `*` for all.
    /// Loopback, link-local and metadata addresses are always reached directly.
    pub no: Option<String>,
}

impl fmt::Debug for ProxyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = |value: &Option<String>| if value.is_some() { "given" } else { "none" };
        f.debug_struct("ProxyOptions")
            .field("http", &given(&self.http))
            .field("https", &given(&self.https))
            .field("all", &given(&self.all))
            .field("no", &self.no)
            .finish()
    }
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            connect_timeout: limits::CONNECT_TIMEOUT,
            stall_timeout: limits::STALL_TIMEOUT,
            idle_timeout: limits::IDLE_TIMEOUT,
            idle_per_host_max: limits::IDLE_PER_HOST_MAX,
            read_buffer_bytes: limits::READ_BUFFER_BYTES,
            extra_ca_bundle: None,
            system_roots: SystemRoots::default(),
            proxy: ProxyOptions::default(),
            resolver: Arc::new(SystemResolver),
        }
    }
}

impl TransportOptions {
    /// Defaults, with certificates and proxies from the environment: `AWS_CA_BUNDLE`, `SSL_CERT_FILE`, `SSL_CERT_DIR`,
    /// `HTTPS_PROXY`, `http_proxy`, `ALL_PROXY`, `NO_PROXY`.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// As [`TransportOptions::from_env`], from any source of variables. An empty variable counts as unset.
    ///
    /// Lower case wins over upper case, as in curl. `HTTP_PROXY` in upper case is not read: a CGI server sets it from the
    /// request's `Proxy` header, which is why curl ignores it too.
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let value = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |names: [&str; 2]| names.into_iter().find_map(value).map(|value| value.to_string_lossy().into_owned());
        let file = value("SSL_CERT_FILE").map(PathBuf::from);
        let directories: Vec<PathBuf> = value("SSL_CERT_DIR").map(|list| std::env::split_paths(&list).collect()).unwrap_or_default();
        let system_roots =
            if file.is_none() && directories.is_empty() { SystemRoots::Platform } else { SystemRoots::Paths { file, directories } };
        Self {
            extra_ca_bundle: value("AWS_CA_BUNDLE").map(PathBuf::from),
            system_roots,
            proxy: ProxyOptions {
                http: value("http_proxy").map(|value| value.to_string_lossy().into_owned()),
                https: text(["https_proxy", "HTTPS_PROXY"]),
                all: text(["all_proxy", "ALL_PROXY"]),
                no: text(["no_proxy", "NO_PROXY"]),
            },
            ..Self::default()
        }
    }

    pub(crate) fn check(&self) -> Result<(), TransportError> {
        for (name, value) in
            [("connect timeout", self.connect_timeout), ("stall timeout", self.stall_timeout), ("idle timeout", self.idle_timeout)]
        {
            if value.is_zero() {
                return Err(TransportError::new(Kind::Config, format!("the {name} is zero: nothing could ever succeed")));
            }
        }
        if !limits::READ_BUFFER_BYTES_RANGE.contains(&self.read_buffer_bytes) {
            let (least, most) = (limits::READ_BUFFER_BYTES_RANGE.start(), limits::READ_BUFFER_BYTES_RANGE.end());
            let message = format!("a read buffer of {} bytes is outside of {least}..={most}", self.read_buffer_bytes);
            return Err(TransportError::new(Kind::Config, message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> TransportOptions {
        TransportOptions::from_variables(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn certificates_and_proxies_come_from_the_customary_variables() {
        let options = options(&[
            ("AWS_CA_BUNDLE", "/ca.pem"),
            ("SSL_CERT_FILE", "/f.pem"),
            ("SSL_CERT_DIR", "/d1:/d2"),
            ("HTTPS_PROXY", "http://upper:1"),
            ("https_proxy", "http://lower:1"),
            ("ALL_PROXY", "http://all:1"),
            ("NO_PROXY", "a.example"),
        ]);
        assert_eq!(options.extra_ca_bundle, Some(PathBuf::from("/ca.pem")));
        let directories = vec![PathBuf::from("/d1"), PathBuf::from("/d2")];
        assert_eq!(options.system_roots, SystemRoots::Paths { file: Some(PathBuf::from("/f.pem")), directories });
        assert_eq!(options.proxy.https.as_deref(), Some("http://lower:1"));
        assert_eq!((options.proxy.all.as_deref(), options.proxy.no.as_deref()), (Some("http://all:1"), Some("a.example")));
    }

    #[test]
    fn http_proxy_counts_in_lower_case_only_and_empty_means_unset() {
        assert_eq!(options(&[("HTTP_PROXY", "http://p:1")]).proxy.http, None);
        assert_eq!(options(&[("http_proxy", "http://p:1")]).proxy.http.as_deref(), Some("http://p:1"));
        let empty = options(&[("https_proxy", ""), ("HTTPS_PROXY", "http://p:1"), ("AWS_CA_BUNDLE", "")]);
        assert_eq!((empty.proxy.https.as_deref(), empty.extra_ca_bundle), (Some("http://p:1"), None));
    }

    #[test]
    fn p11_a_proxy_password_is_not_in_the_debug_form() {
        let shown = format!("{:?}", options(&[("https_proxy", "http://user:hunter2@p:1")]));
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn options_that_cannot_work_are_refused() {
        let zero = TransportOptions { stall_timeout: Duration::ZERO, ..TransportOptions::default() };
        assert_eq!(zero.check().expect_err("refused").kind(), Kind::Config);
        let tiny = TransportOptions { read_buffer_bytes: 1, ..TransportOptions::default() };
        assert_eq!(tiny.check().expect_err("refused").kind(), Kind::Config);
    }
}
