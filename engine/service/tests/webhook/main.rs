//! Notifications over a real connection: what a receiver gets, and what it may answer.

mod receiver;

use std::sync::Arc;
use std::time::Duration;

use brigade_core::report::RunOutcome;
use receiver::{Notifying, Receiver, Reply, SECRET, until};
use serde_json::json;
use tempfile::tempdir;
use tokio::net::TcpListener;

/// A message that would do harm as JSON, as a header, and as a place of a template.
const HOSTILE: &str = "denied: \"}], \"x\": 1 \\ {time}\r\nwebhook-id: forged\u{202e}<img src=x onerror=alert(1)>";

fn hook(receiver: &Receiver) -> String {
    format!("http://{}/hooks/path-that-is-a-secret", receiver.address)
}

#[tokio::test]
async fn a_notification_says_what_happened_and_who_says_it() {
    let (state, receiver) = (tempdir().expect("a directory"), Receiver::start([]).await);
    let service = Notifying::start(state.path(), &hook(&receiver), "").await;
    service.run(RunOutcome::Failed, HOSTILE).await;
    let letter = receiver.wait_for(1).await.remove(0);
    assert_eq!((letter.path.as_str(), letter.header("content-type")), ("/hooks/path-that-is-a-secret", "application/json"));
    let body = letter.json();
    assert_eq!((&body["job"], &body["event"], &body["message"]), (&json!("daily"), &json!("failed"), &json!(HOSTILE)));
    assert_eq!((&body["schema"], body["id"].as_str()), (&json!("brigade.notification/1"), Some(letter.header("webhook-id"))));
    assert_eq!(letter.header("webhook-signature"), letter.signature(SECRET), "computed by somebody else");
    assert_ne!(letter.header("webhook-signature"), letter.signature("another secret"));
    let now = jiff::Timestamp::now().as_second();
    let sent: i64 = letter.header("webhook-timestamp").parse().expect("seconds");
    assert!((now - 60..=now).contains(&sent), "{sent}");
    until("it counts", async || service.notifications().await["counts"]["delivered"] == 1).await;
    service.end().await;
}

#[tokio::test]
async fn a_value_never_leaves_its_place_in_a_template() {
    let (state, receiver) = (tempdir().expect("a directory"), Receiver::start([]).await);
    let template = "template = '{\"text\": \"{event} of {job}: {message}\", \"raw\": {message}}'";
    let service = Notifying::start(state.path(), &hook(&receiver), template).await;
    service.run(RunOutcome::Refused, HOSTILE).await;
    let letter = receiver.wait_for(1).await.remove(0);
    assert_eq!(letter.json(), json!({"text": format!("refused of daily: {HOSTILE}"), "raw": HOSTILE}));
    assert_eq!(letter.header("webhook-signature"), letter.signature(SECRET));
    service.end().await;
}

#[tokio::test]
async fn a_receiver_that_fails_gets_the_same_one_again_and_no_earlier_than_it_says() {
    let (state, receiver) =
        (tempdir().expect("a directory"), Receiver::start([Reply::Says(500, ""), Reply::Says(429, "retry-after: 5\r\n")]).await);
    let service = Notifying::start(state.path(), &hook(&receiver), "").await;
    service.run(RunOutcome::Failed, "denied").await;
    let letters = receiver.wait_for(3).await;
    let ids: Vec<&str> = letters.iter().map(|letter| letter.header("webhook-id")).collect();
    assert!(ids.iter().all(|id| *id == ids[0]) && letters.iter().all(|letter| letter.body == letters[0].body), "{ids:?}");
    assert!(letters.iter().all(|letter| letter.header("webhook-signature") == letter.signature(SECRET)));
    let pauses: Vec<Duration> = letters.windows(2).map(|two| two[1].at - two[0].at).collect();
    assert!(pauses[0] >= Duration::from_millis(1_400) && pauses[1] >= Duration::from_millis(4_900), "{pauses:?}");
    until("it counts", async || {
        service.notifications().await["counts"] == json!({"delivered": 1, "given_up": 0, "dropped": 0, "failed_attempts": 2})
    })
    .await;
    service.end().await;
}

#[tokio::test]
async fn a_receiver_that_is_not_there_gets_it_when_it_is() {
    let state = tempdir().expect("a directory");
    let address = TcpListener::bind("127.0.0.1:0").await.expect("free").local_addr().expect("it listens");
    let service = Notifying::start(state.path(), &format!("http://{address}/"), "").await;
    service.run(RunOutcome::Failed, "denied").await;
    until("an attempt has failed", async || service.notifications().await["counts"]["failed_attempts"] != 0).await;
    let stands = service.notifications().await;
    assert_eq!((&stands["pending"], &stands["waiting"][0]["event"]), (&json!(1), &json!("failed")));
    assert!(stands["trouble"].as_str().is_some_and(|trouble| trouble.contains("refused")), "{stands}");
    let receiver = Receiver::at(address, []).await;
    receiver.wait_for(1).await;
    until("it counts", async || service.notifications().await["counts"]["delivered"] == 1).await;
    service.end().await;
}

#[tokio::test]
async fn a_receiver_that_hangs_is_left_after_ten_seconds_and_holds_up_nothing() {
    let (state, receiver) = (tempdir().expect("a directory"), Receiver::start([Reply::Hangs]).await);
    let service = Notifying::start(state.path(), &hook(&receiver), "").await;
    service.run(RunOutcome::Failed, "denied").await;
    receiver.wait_for(1).await;
    service.run(RunOutcome::Done, "").await;
    assert_eq!(receiver.letters().len(), 1, "a run was made while the receiver hung");
    let letters = receiver.wait_for(2).await;
    let pause = letters[1].at - letters[0].at;
    assert!(pause >= Duration::from_millis(11_400), "{pause:?}");
    service.end().await;
}

#[tokio::test]
async fn what_will_never_be_taken_is_given_up_and_no_redirect_is_followed() {
    for (status, headers) in [(410, ""), (307, "location: /elsewhere\r\n"), (301, "location: /elsewhere\r\n")] {
        let (state, receiver) = (tempdir().expect("a directory"), Receiver::start([Reply::Says(status, headers)]).await);
        let service = Notifying::start(state.path(), &hook(&receiver), "").await;
        service.run(RunOutcome::Failed, "denied").await;
        until("it is given up", async || service.notifications().await["counts"]["given_up"] == 1).await;
        let stands = service.notifications().await;
        assert_eq!((&stands["pending"], receiver.letters().len()), (&json!(0), 1), "{status}");
        let reason = stands["settled"][0]["reason"].as_str().expect("a reason").to_owned();
        assert!(reason.contains(&status.to_string()), "{reason}");
        assert!(service.text("GET", "/api/jobs/daily").await.contains("\"event\":\"not_delivered\""), "{status}");
        assert!(service.text("GET", "/metrics").await.contains("brigade_notifications_total{outcome=\"given_up\"} 1\n"), "{status}");
        // The next one is tried all the same.
        service.run(RunOutcome::Refused, "guard").await;
        receiver.wait_for(2).await;
        assert!(receiver.letters().iter().all(|letter| letter.path != "/elsewhere"), "{status}");
        service.end().await;
    }
}

#[tokio::test]
async fn what_waits_is_sent_by_the_next_process_and_once() {
    let (state, receiver) = (tempdir().expect("a directory"), Receiver::start([Reply::Says(503, "retry-after: 1\r\n")]).await);
    let service = Notifying::start(state.path(), &hook(&receiver), "").await;
    service.run(RunOutcome::Failed, "denied").await;
    receiver.wait_for(1).await;
    until("the answer is known", async || service.notifications().await["counts"]["failed_attempts"] == 1).await;
    service.end().await;
    let service = Notifying::start(state.path(), &hook(&receiver), "").await;
    let letters = receiver.wait_for(2).await;
    assert_eq!(letters[0].header("webhook-id"), letters[1].header("webhook-id"));
    until("it counts", async || service.notifications().await["counts"]["delivered"] == 1).await;
    service.end().await;
    let service = Notifying::start(state.path(), &hook(&receiver), "").await;
    // Another kind, so that something is sent after which nothing of before can come any more.
    service.run(RunOutcome::Failed, "denied").await;
    service.run(RunOutcome::Refused, "guard").await;
    let events: Vec<_> = receiver.wait_for(3).await.iter().map(|letter| letter.json()["event"].clone()).collect();
    assert_eq!(events, ["failed", "failed", "refused"], "a streak is told once, over processes");
    service.end().await;
}

#[tokio::test]
async fn p11_neither_the_address_nor_the_secret_of_a_receiver_is_shown_or_written() {
    let (state, receiver) = (tempdir().expect("a directory"), Receiver::start([Reply::Says(500, "")]).await);
    let service = Notifying::start(state.path(), &hook(&receiver), "").await;
    service.run(RunOutcome::Failed, "denied").await;
    until("an attempt has failed", async || service.notifications().await["counts"]["failed_attempts"] == 1).await;
    let mut shown = String::new();
    for path in ["/api/notifications", "/api/jobs", "/api/jobs/daily", "/metrics"] {
        shown.push_str(&service.text("GET", path).await);
    }
    shown.push_str(&std::fs::read_to_string(state.path().join("serve/memory.json")).expect("it is written"));
    assert!(shown.contains("\"attempts\":1"), "{shown}");
    assert!(!shown.contains("path-that-is-a-secret") && !shown.contains(SECRET), "{shown}");
    service.end().await;
}

#[tokio::test]
async fn a_receiver_with_a_certificate_that_nobody_trusts_is_told_nothing() {
    let (state, listener) = (tempdir().expect("a directory"), TcpListener::bind("127.0.0.1:0").await.expect("free"));
    let address = listener.local_addr().expect("it listens");
    let signed = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into());
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .expect("a pair");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let handshake = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        acceptor.accept(stream).await.map(|_| ()).map_err(|error| error.to_string())
    });
    let service = Notifying::start(state.path(), &format!("https://{address}/"), "").await;
    service.run(RunOutcome::Failed, "denied").await;
    let seen = handshake.await.expect("without a panic");
    assert!(seen.as_ref().is_err_and(|error| error.contains("UnknownCA")), "{seen:?}");
    until("the trouble is told", async || {
        service.notifications().await["trouble"].as_str().is_some_and(|told| told.contains("certificate"))
    })
    .await;
    service.end().await;
}
