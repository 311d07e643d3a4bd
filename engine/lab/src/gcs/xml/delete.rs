//! Many objects deleted in one call: `POST /BUCKET?delete`.
//!
//! Source: Cloud Storage XML "POST Bucket" with `delete`: at most 1,000 names, each with a generation where one is meant.

use super::super::digest::Announced;
use super::super::failure::Failure;
use super::super::wire::Answer;
use super::super::{Inside, leave_nested};
use crate::door::Entry;
use crate::fault::Op;
use crate::s3::xml::{Element, Xml};
use crate::world::{Conditions, Deleted, Which, WorldError};

/// At most so many names in one call.
const NAMES_MAX: usize = 1000;

struct Wanted {
    key: Vec<u8>,
    version: Option<String>,
}

pub(super) async fn many(inside: &mut Inside<'_>, bucket: &str) -> Result<Answer, Failure> {
    let has = |name: &str| inside.call.header(name).is_some();
    if !has("content-md5") && !has("x-goog-hash") && !has("x-amz-checksum-crc32c") && !has("x-amz-checksum-crc32") {
        let message = "Missing required header for this request: Content-MD5";
        return Err(Failure::new(400, "required", "MissingSecurityHeader", message));
    }
    let announced = Announced::from_headers(inside.call)?;
    let document = inside.call.document().await?;
    let mut intake = inside.world().intake(&[]);
    intake.push(document.clone());
    announced.check(&intake.finish(), inside.world().honours())?;
    let (wanted, is_quiet) = parse(&document).ok_or_else(malformed)?;
    if wanted.is_empty() || wanted.len() > NAMES_MAX {
        return Err(malformed());
    }
    inside.world().versioning(bucket)?;
    let mut results = Vec::with_capacity(wanted.len());
    for one in &wanted {
        results.push(delete(inside, bucket, one).await);
    }
    let document = Xml::document("DeleteResult", |xml| {
        for (one, result) in wanted.iter().zip(&results) {
            match result {
                Ok(()) if is_quiet => {}
                Ok(()) => xml.nest("Deleted", |xml| write_name(xml, one)),
                Err(failure) => xml.nest("Error", |xml| {
                    write_name(xml, one);
                    xml.text("Code", failure.code);
                    xml.text("Message", &failure.message);
                }),
            }
        }
    });
    Ok(Answer::xml(200, document))
}

fn write_name(xml: &mut Xml, wanted: &Wanted) {
    xml.text("Key", String::from_utf8_lossy(&wanted.key));
    xml.maybe("VersionId", wanted.version.as_ref());
}

/// One name. Each passes the door, so a fault can strike a single one; a cut there is told as an error of that name.
async fn delete(inside: &Inside<'_>, bucket: &str, wanted: &Wanted) -> Result<(), Failure> {
    let passage = match inside.shared.door.enter(Op::DeleteEntry, bucket, &wanted.key).await {
        Entry::Through(passage) => passage,
        Entry::Refused(refusal) => return Err(refusal.into()),
        Entry::Cut(_) => return Err(internal()),
    };
    let result = remove(inside, bucket, wanted);
    leave_nested(Some(passage)).map_err(|_| internal())?;
    result
}

/// A name that is not there counts as deleted.
fn remove(inside: &Inside<'_>, bucket: &str, wanted: &Wanted) -> Result<(), Failure> {
    let which = match wanted.version.as_deref().map(str::parse) {
        None => Which::Current,
        Some(Ok(generation)) => Which::Generation(generation),
        Some(Err(_)) => return Err(Failure::invalid("Invalid VersionId.")),
    };
    match inside.world().delete(bucket, &wanted.key, which, &Conditions::NONE) {
        Ok(Deleted::Absent | Deleted::Removed { .. } | Deleted::MarkerAdded(_)) => Ok(()),
        Err(WorldError::NoSuchKey | WorldError::NoSuchVersion) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn parse(document: &[u8]) -> Option<(Vec<Wanted>, bool)> {
    let root = Element::parse(document).filter(|root| root.name() == "Delete")?;
    let wanted = root.all("Object").map(|object| {
        let key = object.value("Key")?.as_bytes().to_vec();
        Some(Wanted { key, version: object.value("VersionId").filter(|version| !version.is_empty()).map(str::to_owned) })
    });
    Some((wanted.collect::<Option<_>>()?, root.value("Quiet") == Some("true")))
}

fn internal() -> Failure {
    Failure::new(500, "backendError", "InternalError", "We encountered an internal error. Please try again.")
}

fn malformed() -> Failure {
    let message = "The XML you provided was not well-formed or did not validate against our published schema.";
    Failure::new(400, "invalid", "MalformedXML", message)
}
