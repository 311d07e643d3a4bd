//! Object Lock: legal holds and retention of single versions.
//!
//! A lock protects a version; in a bucket that keeps versions a delete without one still adds a marker ("Managing delete markers
//! with Object Lock"). Nobody here has the right to bypass a retention, and locks work without being enabled for the bucket.

use super::batch::document_response;
use super::failure::Failure;
use super::request::{Answer, Request};
use super::xml::Xml;
use crate::world::{Conditions, Hold, Holds, Object, RetentionMode, WorldError};
use http::Response;
use jiff::Timestamp;
use s3s::Body;
use std::sync::Arc;

fn find(request: &Request) -> Result<Arc<Object>, Failure> {
    Ok(request.world().get(request.bucket(), request.key(), request.which()?, &Conditions::NONE)?)
}

fn change(request: &Request, change: impl FnOnce(&mut Holds)) -> Answer {
    let which = request.which()?;
    request.world().update(request.bucket(), request.key(), which, &Conditions::NONE, |object| change(&mut object.holds))?;
    Ok(Response::new(Body::empty()))
}

pub(crate) fn legal_hold(request: &Request) -> Answer {
    let status = if find(request)?.holds.legal { "ON" } else { "OFF" };
    Ok(document_response(Xml::document("LegalHold", |xml| xml.text("Status", status))))
}

pub(crate) async fn put_legal_hold(request: &mut Request) -> Answer {
    let legal = match request.document().await?.value("Status") {
        Some("ON") => true,
        Some("OFF") => false,
        _ => return Err(Failure::malformed_xml()),
    };
    change(request, |holds| holds.legal = legal)
}

pub(crate) fn retention(request: &Request) -> Answer {
    let holds = find(request)?.holds;
    let Some(until) = holds.retain_until else {
        return Err(Failure::new(404, "NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration"));
    };
    Ok(document_response(Xml::document("Retention", |xml| {
        xml.text("Mode", holds.mode.name());
        xml.text("RetainUntilDate", until);
    })))
}

pub(crate) async fn put_retention(request: &mut Request) -> Answer {
    let document = request.document().await?;
    let mode = document.value("Mode").and_then(RetentionMode::parse).ok_or_else(Failure::malformed_xml)?;
    let until: Option<Timestamp> = document.value("RetainUntilDate").and_then(|text| text.trim().parse().ok());
    let until = until.ok_or_else(Failure::malformed_xml)?;
    let (now, present) = (request.world().now(), find(request)?.holds);
    let running = present.retain_until.filter(|end| now < *end);
    // A running retention can be prolonged by anybody, and shortened or weakened by nobody.
    let weaker = present.mode == RetentionMode::Compliance && mode == RetentionMode::Governance;
    if let Some(end) = running.filter(|end| until < *end || weaker) {
        return Err(WorldError::Held(Hold::Retention(end)).into());
    }
    change(request, |holds| (holds.mode, holds.retain_until) = (mode, Some(until)))
}
