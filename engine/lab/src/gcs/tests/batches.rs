//! `/batch/storage/v1`.

use super::{BUCKET, Got, Lab};
use crate::fault::{Action, Op, Rule};
use crate::gcs::GcsServerOptions;
use http::Method;
use std::fmt::Write as _;

async fn batch(lab: &Lab, calls: &[String], headers: &[(&str, &str)]) -> Got {
    let mut body = String::new();
    for (number, call) in calls.iter().enumerate() {
        write!(body, "--b\r\nContent-Type: application/http\r\nContent-ID: <c+{number}>\r\n\r\n{call}\r\n").unwrap();
    }
    body.push_str("--b--\r\n");
    let mut headers = headers.to_vec();
    headers.push(("content-type", "multipart/mixed; boundary=\"b\""));
    lab.send(Method::POST, "/batch/storage/v1", &headers, body).await
}

fn delete(name: &str, query: &str) -> String {
    format!("DELETE /storage/v1/b/{BUCKET}/o/{name}{query} HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
}

fn statuses(answer: &Got) -> Vec<u16> {
    let lines = answer.text().lines().filter_map(|line| line.strip_prefix("HTTP/1.1 "));
    lines.map(|line| line[..3].parse().unwrap()).collect()
}

#[tokio::test]
async fn every_call_has_its_own_answer() {
    let lab = Lab::start().await;
    let generation = lab.seed("a/b", "x");
    lab.seed("c", "x");
    let patch = "{\"metadata\": {\"k\": \"v\"}}";
    let calls = [
        delete("a%2Fb", "?ifGenerationMatch=1"),
        delete("a%2Fb", &format!("?ifGenerationMatch={generation}")),
        delete("none", ""),
        format!("PATCH {}/storage/v1/b/{BUCKET}/o/c HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{patch}", lab.server.url()),
    ];
    let answer = batch(&lab, &calls, &[]).await.is(200);
    assert_eq!(statuses(&answer), [412, 204, 404, 200]);
    assert!(answer.header("content-type").unwrap().starts_with("multipart/mixed; boundary="));
    assert!(answer.text().contains("Content-ID: <response-c+3>"));
    assert!(answer.text().contains("\"metadata\":{\"k\":\"v\"}"));
    assert_eq!(lab.world.keys(BUCKET), [b"c".to_vec()]);
}

#[tokio::test]
async fn a_batch_of_deletes_is_one_request_and_faults_strike_single_names() {
    let lab = Lab::start().await;
    let names: Vec<String> = (0..100).map(|number| format!("{number:03}")).collect();
    for name in &names {
        lab.world.seed(BUCKET, name, "x").unwrap();
    }
    lab.world.faults().add(Rule::new(&[Op::DeleteEntry], Action::SLOW_DOWN).key("007"));
    let calls: Vec<String> = names.iter().map(|name| delete(name, "")).collect();
    let answer = batch(&lab, &calls, &[]).await.is(200);
    let failed: Vec<usize> = statuses(&answer).iter().enumerate().filter(|(_, status)| **status == 503).map(|(at, _)| at).collect();
    assert_eq!(failed, [7]);
    assert_eq!(lab.world.keys(BUCKET), [b"007".to_vec()]);
    let counts = lab.server.requests().counts();
    assert_eq!((counts.total(), counts.delete(), counts.of(Op::DeleteEntry)), (1, 1, 100));
}

#[tokio::test]
async fn a_batch_has_limits_and_needs_the_token() {
    let lab = Lab::with(GcsServerOptions { bearer_tokens: Some(vec!["t".to_owned()]), ..GcsServerOptions::default() }).await;
    batch(&lab, &[delete("a", "")], &[]).await.is(401);
    let allowed = [("authorization", "Bearer t")];
    assert_eq!(statuses(&batch(&lab, &[delete("a", "")], &allowed).await.is(200)), [404]);
    let many: Vec<String> = (0..101).map(|number| delete(&number.to_string(), "")).collect();
    batch(&lab, &many, &allowed).await.is(400);
    batch(&lab, &[], &allowed).await.is(400);
    let media = format!("GET /storage/v1/b/{BUCKET}/o/a?alt=media HTTP/1.1\r\n\r\n");
    batch(&lab, &[media], &allowed).await.is(400);
    batch(&lab, &["nonsense".to_owned()], &allowed).await.is(400);
}
