//! Certificates and handshakes: rustls on aws-lc-rs, HTTP/1.1 as the only protocol offered.
//!
//! Verification cannot be switched off here. A private authority is added with a bundle; a bundle that cannot be read or
//! holds no certificate is refused before the first request.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio_rustls::TlsConnector;

use crate::endpoint::Endpoint;
use crate::error::{Kind, TransportError};
use crate::options::{SystemRoots, TransportOptions};
use crate::stream::Tls;

pub(crate) struct TlsClient {
    connector: TlsConnector,
    read_buffer_bytes: usize,
    trusted: usize,
}

impl TlsClient {
    pub(crate) fn new(options: &TransportOptions) -> Result<Self, TransportError> {
        let mut roots = RootCertStore::empty();
        let (_, unusable) = roots.add_parsable_certificates(system_certificates(&options.system_roots));
        if unusable > 0 {
            tracing::debug!(unusable, "some of the system's certificates cannot be used");
        }
        if let Some(bundle) = &options.extra_ca_bundle {
            add_bundle(&mut roots, bundle)?;
        }
        let trusted = roots.len();
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TransportError::new(Kind::Config, "the TLS library offers no usable version").with_source(error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), read_buffer_bytes: options.read_buffer_bytes, trusted })
    }

    /// Handshakes with `endpoint` over `stream`.
    pub(crate) async fn handshake<S>(&self, stream: S, endpoint: &Endpoint) -> Result<Box<Tls<S>>, TransportError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(endpoint.host.clone())
            .map_err(|error| TransportError::new(Kind::Request, format!("{} is not a name for TLS", endpoint.host)).with_source(error))?;
        let buffered = BufReader::with_capacity(self.read_buffer_bytes, stream);
        self.connector.connect(name, buffered).await.map(Box::new).map_err(|error| self.explain(error, endpoint))
    }

    fn explain(&self, error: std::io::Error, endpoint: &Endpoint) -> TransportError {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let (kind, message) = match tls {
            Some(rustls::Error::InvalidCertificate(_)) if self.trusted == 0 => {
                (Kind::Certificate, format!("cannot trust {endpoint}: this machine has no trusted certificates at all"))
            }
            Some(tls @ rustls::Error::InvalidCertificate(_)) => (Kind::Certificate, format!("cannot trust {endpoint}: {}", describe(tls))),
            Some(tls) => (Kind::Tls, format!("the TLS handshake with {endpoint} failed: {}", describe(tls))),
            None => (Kind::Tls, format!("the TLS handshake with {endpoint} broke off: {}", error.kind())),
        };
        TransportError::new(kind, message).with_source(error)
    }
}

/// One clause on a TLS failure, in words that suggest what to look at.
pub(crate) fn describe(error: &rustls::Error) -> String {
    let words = match error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::UnknownIssuer => "its certificate is not signed by a trusted authority",
            CertificateError::BadSignature => "its certificate is signed with another key than the trusted authority of that name has",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "its certificate is for another name",
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "its certificate is not valid yet",
            CertificateError::Revoked => "its certificate was revoked",
            other => return format!("its certificate is not acceptable ({other:?})"),
        },
        rustls::Error::InvalidMessage(_) => "the answer is not TLS (a plain http port?)",
        rustls::Error::AlertReceived(alert) => return format!("the server refused with alert {alert:?}"),
        rustls::Error::NoApplicationProtocol => "the server does not offer HTTP/1.1",
        other => return format!("{other}"),
    };
    words.to_owned()
}

/// Missing or broken certificates of the system are not an error here: plain http needs none, and the handshake says so.
fn system_certificates(roots: &SystemRoots) -> Vec<CertificateDer<'static>> {
    let results = match roots {
        SystemRoots::Platform => vec![rustls_native_certs::load_native_certs()],
        SystemRoots::Paths { file, directories } => std::iter::once((file.as_deref(), None))
            .chain(directories.iter().map(|directory| (None, Some(directory.as_path()))))
            .filter(|(file, directory): &(Option<&Path>, Option<&Path>)| file.is_some() || directory.is_some())
            .map(|(file, directory)| rustls_native_certs::load_certs_from_paths(file, directory))
            .collect(),
    };
    let mut certificates = Vec::new();
    for result in results {
        for error in result.errors {
            tracing::warn!(%error, "some of the system's certificates cannot be read");
        }
        certificates.extend(result.certs);
    }
    certificates
}

fn add_bundle(roots: &mut RootCertStore, bundle: &PathBuf) -> Result<(), TransportError> {
    let unusable = |why: &str| TransportError::new(Kind::Config, format!("the CA bundle {} {why}", bundle.display()));
    let pem = std::fs::read(bundle).map_err(|error| unusable(&format!("cannot be read: {}", error.kind())).with_source(error))?;
    let mut added = 0_usize;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unusable("is not PEM").with_source(error))?;
        roots.add(certificate).map_err(|error| unusable("holds something that is not a certificate").with_source(error))?;
        added += 1;
    }
    if added == 0 {
        return Err(unusable("holds no certificate"));
    }
    Ok(())
}
