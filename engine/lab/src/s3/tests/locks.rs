//! Object Lock, as a client without any library sees it.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::world::Versioning;

fn retention(mode: &str, until: &str) -> String {
    format!("<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>")
}

async fn retain(lab: &Lab, mode: &str, until: &str) -> u16 {
    lab.send("PUT", "/bucket/k?retention", &[], retention(mode, until).as_bytes()).await.status.as_u16()
}

#[tokio::test]
async fn a_retention_can_be_prolonged_but_neither_shortened_nor_weakened() {
    let lab = Lab::start().await;
    lab.send("PUT", "/bucket/k", &[], b"x").await;
    assert_eq!(lab.get("/bucket/k?retention").await.element("Code").unwrap(), "NoSuchObjectLockConfiguration");
    assert_eq!(retain(&lab, "NEVER", "2300-01-01T00:00:00Z").await, 400);
    assert_eq!(retain(&lab, "GOVERNANCE", "2300-01-01T00:00:00Z").await, 200);
    assert_eq!(retain(&lab, "COMPLIANCE", "2300-01-02T00:00:00Z").await, 200);
    assert_eq!(retain(&lab, "COMPLIANCE", "2300-01-01T00:00:00Z").await, 403);
    assert_eq!(retain(&lab, "GOVERNANCE", "2300-01-03T00:00:00Z").await, 403);
    let seen = lab.get("/bucket/k?retention").await;
    assert_eq!(seen.element("Mode").unwrap(), "COMPLIANCE");
    assert_eq!(seen.element("RetainUntilDate").unwrap(), "2300-01-02T00:00:00Z");
    assert_eq!(lab.send("HEAD", "/bucket/k", &[], b"").await.header("x-amz-object-lock-mode"), Some("COMPLIANCE"));
    let refused = lab.send("DELETE", "/bucket/k", &[], b"").await;
    assert_eq!((refused.status.as_u16(), refused.element("Code").unwrap().as_str()), (403, "AccessDenied"));
    assert!(refused.text().contains("object protected by object lock"));
}

#[tokio::test]
async fn a_retention_that_is_over_protects_nothing() {
    let lab = Lab::start().await;
    let headers = [("x-amz-object-lock-mode", "COMPLIANCE"), ("x-amz-object-lock-retain-until-date", "2001-01-01T00:00:00Z")];
    lab.send("PUT", "/bucket/k", &headers, b"x").await;
    assert_eq!(lab.send("DELETE", "/bucket/k", &[], b"").await.status, 204);
}

#[tokio::test]
async fn over_a_locked_version_a_marker_is_added_and_the_version_stays() {
    let lab = Lab::start().await;
    lab.world().set_versioning("bucket", Versioning::Enabled).unwrap();
    let put = lab.send("PUT", "/bucket/k", &[("x-amz-object-lock-legal-hold", "ON")], b"kept").await;
    let version = put.header("x-amz-version-id").unwrap().to_owned();
    let deleted = lab.send("DELETE", "/bucket/k", &[], b"").await;
    assert_eq!((deleted.status.as_u16(), deleted.header("x-amz-delete-marker")), (204, Some("true")));
    let path = format!("/bucket/k?versionId={version}");
    assert_eq!(lab.send("DELETE", &path, &[], b"").await.status, 403);
    assert_eq!(lab.get(&path).await.body, b"kept");
}
