//! Digests that clients announce, compared with what arrived, and those that answers carry.
//!
//! Source: Cloud Storage "Data validation" and the `x-goog-hash` header.

use super::failure::Failure;
use super::wire::Call;
use crate::world::{Arrived, Content, Honours, Object};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

/// What a client says that the content is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) crc32c: Option<[u8; 4]>,
    pub(super) md5: Option<[u8; 16]>,
}

impl Announced {
    /// From `crc32c` and `md5Hash` of a resource.
    pub(super) fn from_json(resource: &Map<String, Value>) -> Result<Self, Failure> {
        let text = |name: &str| resource.get(name).and_then(Value::as_str);
        Ok(Self { crc32c: text("crc32c").map(parse).transpose()?, md5: text("md5Hash").map(parse).transpose()? })
    }

    /// From `x-goog-hash` and `Content-MD5`.
    pub(super) fn from_headers(call: &Call) -> Result<Self, Failure> {
        let mut announced = Self::default();
        for header in call.headers.get_all("x-goog-hash") {
            let text = header.to_str().map_err(|_| malformed())?;
            for item in text.split(',') {
                match item.trim().split_once('=') {
                    Some(("crc32c", value)) => announced.crc32c = Some(parse(value)?),
                    Some(("md5", value)) => announced.md5 = Some(parse(value)?),
                    _ => return Err(malformed()),
                }
            }
        }
        if let Some(value) = call.header("content-md5") {
            announced.md5 = Some(parse(value)?);
        }
        Ok(announced)
    }

    /// These, and those of `other` where these are silent.
    pub(super) fn or(self, other: Self) -> Self {
        Self { crc32c: self.crc32c.or(other.crc32c), md5: self.md5.or(other.md5) }
    }

    /// Refuses content that is not what was announced, as far as the world honours that.
    pub(super) fn check(&self, arrived: &Arrived, honours: Honours) -> Result<(), Failure> {
        let (crc32c, md5) = (arrived.content.crc32c().to_be_bytes(), arrived.md5);
        if let Some(announced) = self.crc32c.filter(|announced| honours.checksums && *announced != crc32c) {
            return Err(differs("CRC32C", &announced, &crc32c));
        }
        match self.md5.filter(|announced| honours.content_md5 && *announced != md5) {
            Some(announced) => Err(differs("MD5 hash", &announced, &md5)),
            None => Ok(()),
        }
    }
}

fn differs(what: &str, announced: &[u8], calculated: &[u8]) -> Failure {
    let (announced, calculated) = (BASE64.encode(announced), BASE64.encode(calculated));
    let message = format!("Provided {what} \"{announced}\" doesn't match calculated {what} \"{calculated}\".");
    Failure::new(400, "invalid", "BadDigest", message)
}

fn malformed() -> Failure {
    Failure::new(400, "invalid", "InvalidDigest", "The digest you specified is not valid.")
}

fn parse<const N: usize>(value: &str) -> Result<[u8; N], Failure> {
    BASE64.decode(value.trim()).ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(malformed)
}

pub(super) fn crc32c_base64(content: &Content) -> String {
    BASE64.encode(content.crc32c().to_be_bytes())
}

pub(super) fn md5_base64(object: &Object) -> Option<String> {
    object.md5().map(|md5| BASE64.encode(md5))
}
