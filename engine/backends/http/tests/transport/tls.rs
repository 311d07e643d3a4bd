//! Certificates: a private authority is trusted when it is named, and only then.

use std::net::SocketAddr;
use std::sync::Arc;

use brigade_http::{Kind, SystemRoots, TransportOptions};
use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::NamedTempFile;
use tokio_rustls::TlsAcceptor;

use crate::support::{Fixed, Server, get, http, ok, put, raw, soon, speak, text, transport};

/// An authority of its own, and a server that it vouches for under `name`.
pub(crate) struct Authority {
    pub(crate) bundle: NamedTempFile,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("Test Authority")
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let bundle = NamedTempFile::new().unwrap();
        std::fs::write(bundle.path(), certificate.pem()).unwrap();
        Self { bundle, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    /// Echoes bodies.
    pub(crate) async fn server(&self, name: &str) -> Server {
        let acceptor = self.acceptor(name);
        raw(move |socket| {
            let acceptor = acceptor.clone();
            async move {
                // A client that does not trust this server leaves during the handshake.
                if let Ok(stream) = acceptor.accept(socket).await {
                    speak(stream, |seen| ok(seen.body)).await;
                }
            }
        })
        .await
    }

    pub(crate) fn trusted_at(&self, address: SocketAddr) -> impl FnOnce(&mut TransportOptions) {
        let bundle = self.bundle.path().to_owned();
        move |options| {
            options.extra_ca_bundle = Some(bundle);
            options.resolver = Arc::new(Fixed(vec![address]));
        }
    }
}

#[tokio::test]
async fn a_named_authority_is_trusted_and_large_bodies_pass_the_read_buffer() {
    let authority = Authority::new();
    let server = authority.server("store.example").await;
    let transport = transport(authority.trusted_at(server.address));
    let sent: Bytes = (0..5_000_000_u32).flat_map(|n| [n.to_le_bytes()[0], n.to_le_bytes()[1]]).collect();
    for _ in 0..2 {
        let response = soon(transport.send(put("https://store.example/key", sent.to_vec()))).await.unwrap();
        let received = soon(response.into_rope(10_000_000)).await.unwrap();
        assert!(received.to_vec() == sent, "the bytes differ");
    }
    assert_eq!(transport.connections_opened(), 1);
}

#[tokio::test]
async fn the_system_roots_can_be_replaced_as_openssl_does() {
    let authority = Authority::new();
    let server = authority.server("store.example").await;
    let roots = SystemRoots::Paths { file: Some(authority.bundle.path().to_owned()), directories: Vec::new() };
    let transport = transport(|options| {
        options.system_roots = roots;
        options.resolver = Arc::new(Fixed(vec![server.address]));
    });
    assert_eq!(text(&transport, put("https://store.example/", b"hi".to_vec())).await, "hi");
}

#[tokio::test]
async fn an_unknown_authority_is_refused_in_plain_words_and_with_a_hint() {
    let ours = Authority::named("Ours");
    for (theirs, reason) in [
        (Authority::named("Theirs"), "is not signed by a trusted authority"),
        (Authority::named("Ours"), "is signed with another key than the trusted authority of that name has"),
    ] {
        let server = theirs.server("store.example").await;
        let transport = transport(ours.trusted_at(server.address));
        let error = soon(transport.send(get("https://store.example/k?X-Amz-Signature=secret"))).await.unwrap_err();
        assert_eq!((error.kind(), error.ambiguous()), (Kind::Certificate, false));
        assert_eq!(error.to_string(), format!("cannot trust store.example:443: its certificate {reason}"));
        assert!(error.hint().is_some_and(|hint| hint.contains("AWS_CA_BUNDLE")));
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let server = authority.server("other.example").await;
    let transport = transport(authority.trusted_at(server.address));
    let error = soon(transport.send(get("https://store.example/"))).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot trust store.example:443: its certificate is for another name");
}

#[tokio::test]
async fn tls_to_a_plain_port_says_so() {
    let server = http(|_| ok("")).await;
    let transport = transport(|_| {});
    let error = soon(transport.send(get(format!("https://{}/", server.address)))).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Tls);
    assert!(error.to_string().contains("a plain http port?"), "{error}");
}

#[tokio::test]
async fn a_bundle_without_certificates_is_refused() {
    let empty = NamedTempFile::new().unwrap();
    let options = TransportOptions { extra_ca_bundle: Some(empty.path().to_owned()), ..TransportOptions::default() };
    let error = brigade_http::Transport::new(&options).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.to_string().ends_with("holds no certificate"), "{error}");
}
