//! A request inside the server: authenticated, past the door, its key decoded, its body still to come.

use super::failure::Failure;
use super::headers;
use super::target::{Query, Target};
use super::xml::Element;
use crate::door::{Door, Passage};
use crate::world::{Arrived, Checksum, ChecksumAlgorithm, ChecksumKind, VersionId, Which, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::HeaderMap;
use http::Response;
use http_body_util::BodyExt as _;
use md5::{Digest as _, Md5};
use s3s::{Body, TrailingHeaders};
use std::sync::Arc;

/// The longest XML body that is read: DeleteObjects with 1,000 keys of 1,024 bytes, fully escaped, fits.
const DOCUMENT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The answer to a request.
pub(crate) type Answer = Result<Response<Body>, Failure>;

/// See the module.
pub(crate) struct Request {
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
    pub(crate) passage: Passage,
    pub(crate) door: Door,
    pub(crate) region: Arc<str>,
    pub(crate) body: Body,
    pub(crate) trailers: Option<TrailingHeaders>,
}

impl Request {
    pub(crate) fn world(&self) -> &World {
        self.door.world()
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.target.bucket
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.target.key
    }

    pub(crate) fn query(&self) -> &Query {
        &self.target.query
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        headers::text(&self.headers, name)
    }

    /// `versionId`, or the current version.
    pub(crate) fn which(&self) -> Result<Which, Failure> {
        match self.query().bytes("versionId") {
            None => Ok(Which::Current),
            Some(_) => parse_version(self.query().text("versionId").unwrap_or_default()),
        }
    }

    /// Reads the body to its end, digesting it, and checks every digest that the client announced. The checksum to keep is of
    /// the algorithm `keep`, else of the one that the client named, else S3's default.
    pub(crate) async fn receive(&mut self, keep: Option<ChecksumAlgorithm>) -> Result<Received, Failure> {
        let asked = headers::asked_algorithm(&self.headers)?;
        let keep = keep.or(asked).unwrap_or(ChecksumAlgorithm::Crc64Nvme);
        let others = asked.filter(|asked| *asked != keep);
        let algorithms: Vec<ChecksumAlgorithm> = std::iter::once(keep).chain(others).collect();
        let mut intake = self.door.world().intake(&algorithms);
        let upload = self.query().text("uploadId").map(str::to_owned);
        let number = self.query().number("partNumber")?;
        let mut receiving = self.passage.receiving(upload.as_deref().zip(number));
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| broken_body(&error))?;
            if let Ok(chunk) = frame.into_data() {
                let len = u64::try_from(chunk.len()).expect("a slice length fits in 64 bits");
                self.door.count_received(len);
                receiving.push(len);
                intake.push(chunk);
            }
        }
        let trailers = self.trailers.as_ref().and_then(TrailingHeaders::take).unwrap_or_default();
        let announced = headers::announced(&self.headers).or_else(|| headers::announced(&trailers));
        let mut arrived = intake.finish();
        receiving.whole(arrived.md5);
        let honours = self.world().honours();
        if let Some(md5) = self.header("content-md5").filter(|_| honours.content_md5) {
            check_md5(&md5, arrived.md5)?;
        }
        if let Some((algorithm, announced)) = announced {
            match arrived.checksums.iter_mut().find(|(computed, _)| *computed == algorithm) {
                Some((_, computed)) if !honours.checksums => *computed = announced,
                Some((_, computed)) if *computed != announced => {
                    let message = format!("The {} you specified did not match the calculated checksum.", algorithm.name());
                    return Err(Failure::new(400, "BadDigest", message));
                }
                _ => {}
            }
        }
        let value = |algorithm| full_object(algorithm, arrived.checksum(algorithm).unwrap_or_default());
        Ok(Received { kept: value(keep), asked: asked.map(value), arrived })
    }

    /// Reads a small XML body; checks `Content-MD5` and checksums like any other body.
    pub(crate) async fn document(&mut self) -> Result<Element, Failure> {
        let bytes = self.small_body().await?;
        Element::parse(&bytes).ok_or_else(Failure::malformed_xml)
    }

    /// As [`Request::document`], where the body may be empty.
    pub(crate) async fn small_body(&mut self) -> Result<Bytes, Failure> {
        let all = self.unchecked_body().await?;
        if let Some((algorithm, announced)) = headers::announced(&self.headers)
            && crate::world::checksum_of(algorithm, &all) != announced
        {
            return Err(Failure::new(400, "BadDigest", format!("The {} of the body did not match.", algorithm.name())));
        }
        Ok(all)
    }

    /// As [`Request::small_body`], where `x-amz-checksum-*` speaks of something else than this body.
    pub(crate) async fn unchecked_body(&mut self) -> Result<Bytes, Failure> {
        let mut all = Vec::new();
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| broken_body(&error))?;
            if let Ok(chunk) = frame.into_data() {
                self.door.count_received(u64::try_from(chunk.len()).expect("a slice length fits in 64 bits"));
                all.extend_from_slice(&chunk);
            }
            if all.len() > DOCUMENT_BYTES_MAX {
                return Err(Failure::new(400, "MaxMessageLengthExceeded", "Your request was too big."));
            }
        }
        if let Some(md5) = self.header("content-md5") {
            check_md5(&md5, Md5::digest(&all).into())?;
        }
        Ok(all.into())
    }
}

/// A body that has arrived whole and matches what was announced.
pub(crate) struct Received {
    pub(crate) arrived: Arrived,
    /// The value of the algorithm that the client named, if it did.
    pub(crate) asked: Option<Checksum>,
    /// The value to keep.
    pub(crate) kept: Checksum,
}

fn full_object(algorithm: ChecksumAlgorithm, value: &str) -> Checksum {
    Checksum { algorithm, kind: ChecksumKind::FullObject, value: value.into() }
}

/// `versionId` as text.
pub(crate) fn parse_version(text: &str) -> Result<Which, Failure> {
    VersionId::parse(text).map(Which::Version).ok_or_else(|| Failure::argument("Invalid version id specified"))
}

fn check_md5(announced: &str, computed: [u8; 16]) -> Result<(), Failure> {
    let decoded = BASE64.decode(announced).ok().filter(|bytes| bytes.len() == computed.len());
    let Some(decoded) = decoded else {
        return Err(Failure::new(400, "InvalidDigest", "The Content-MD5 you specified is not valid."));
    };
    if decoded == computed {
        return Ok(());
    }
    Err(Failure::new(400, "BadDigest", "The Content-MD5 you specified did not match what we received."))
}

/// A body that ends early, or whose signed hash is another. The signature layer tells them apart only by text.
fn broken_body(error: &dyn std::fmt::Display) -> Failure {
    let text = error.to_string();
    if text.contains("Sha256Mismatch") {
        Failure::new(400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
    } else if text.contains("SignatureMismatch") {
        Failure::new(403, "SignatureDoesNotMatch", "The signature of a chunk does not match.")
    } else {
        Failure::new(400, "IncompleteBody", "The request body terminated unexpectedly.")
    }
}
