//! Notifications of the real binary, over TLS, to a receiver whose certificate the machine is told to trust.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::served::{Served, TOKEN};
use crate::support::binary;
use crate::wait::until;

/// How long a notification may take, with the start of the process.
const WITHIN: Duration = Duration::from_secs(20);

/// A receiver that takes one request, and the file with its certificate.
async fn receiver(certificate: &std::path::Path) -> (std::net::SocketAddr, tokio::task::JoinHandle<String>) {
    let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(certificate, signed.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    let taken = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.unwrap();
        let mut text = String::new();
        while !text.ends_with('}') {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).await.unwrap();
            text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        stream.shutdown().await.unwrap();
        text
    });
    (address, taken)
}

#[tokio::test]
async fn p11_a_notification_goes_over_tls_and_no_word_of_its_secrets_is_logged() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    std::fs::create_dir(path("in")).unwrap();
    let (address, taken) = receiver(&path("trusted.pem")).await;
    let hook = "[notifications]\nurl = \"${HOOK}\"\nsecret = \"${HOOK_SECRET}\"\nevents = [\"first_success\"]\n";
    let job = format!("[jobs.daily]\nsource = {:?}\ntarget = {:?}\n", path("in"), path("out"));
    std::fs::write(path("brigade.toml"), format!("[serve]\ntoken = \"${{BRIGADE_TOKEN}}\"\n{hook}{job}")).unwrap();
    let mut command = Command::new(binary());
    command
        .args(["serve", "-vvv", "--listen", "127.0.0.1:0", "--log-format", "json"])
        .env_clear()
        .env("HOME", place.path())
        .env("BRIGADE_CONFIG", path("brigade.toml"))
        .env("BRIGADE_STATE_DIR", path("state"))
        .env("BRIGADE_TOKEN", TOKEN)
        .env("SSL_CERT_FILE", path("trusted.pem"))
        .env("HOOK", format!("https://{address}/hook-path-that-is-secret"))
        .env("HOOK_SECRET", "hook-key-that-is-secret")
        .stdin(Stdio::null())
        .stderr(std::fs::File::create(path("log")).unwrap());

    let mut without = Command::new(binary());
    without.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(path("brigade.toml"));
    let refused = without.env_clear().env("HOME", place.path()).env("BRIGADE_TOKEN", TOKEN).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("the `url` of [notifications] is not known: the variable HOOK is not set\nhint: set the variable"), "{said}");

    let served = Served::begin(&mut command);
    until("it is ready", || served.send("GET", "/readyz").0 == 200).await;
    assert_eq!(served.send("POST", "/api/jobs/daily/run").0, 200);
    let text = tokio::time::timeout(WITHIN, taken).await.unwrap().unwrap();
    assert!(text.starts_with("POST /hook-path-that-is-secret HTTP/1.1\r\n") && text.contains("\r\nwebhook-signature: v1,"), "{text}");
    assert!(text.contains("\"event\":\"first_success\""), "{text}");
    until("it counts", || served.send("GET", "/metrics").1.contains("brigade_notifications_total{outcome=\"delivered\"} 1\n")).await;
    drop(served);
    let log = std::fs::read_to_string(path("log")).unwrap();
    assert!(log.contains("first_success"), "{log}");
    for secret in ["hook-path-that-is-secret", "hook-key-that-is-secret", TOKEN] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
