//! GET and HEAD of objects.

use super::{CONDITION, Call, NO_KEY, NOT_IMPLEMENTED, Outcome, Refusal};
use crate::object::Object;
use crate::service::Dialect;
use crate::stats::Operation;
use crate::time::http_date;
use crate::wire::body::{crc32c_text, md5_text};
use crate::wire::reply::{Content, Reply};
use crate::wire::request::Request;

const BAD_RANGE: Refusal = Refusal(416, "InvalidRange", "The requested range is not satisfiable");

/// The first byte and the number of bytes that are wanted of `size`; `None` for all of them.
pub(crate) fn range(request: &Request<'_>, size: u64) -> Result<Option<(u64, u64)>, ()> {
    let Some(text) = request.header("range").and_then(|text| text.strip_prefix("bytes=")) else { return Ok(None) };
    let Some((first, last)) = text.split_once('-') else { return Ok(None) };
    let number = |text: &str| text.parse::<u64>().map_err(|_| ());
    let (first, last) = match (first.is_empty(), last.is_empty()) {
        (true, _) => (size.saturating_sub(number(last)?), size.saturating_sub(1)),
        (false, true) => (number(first)?, size.saturating_sub(1)),
        (false, false) => (number(first)?, number(last)?.min(size.saturating_sub(1))),
    };
    if first >= size || last < first { Err(()) } else { Ok(Some((first, last - first + 1))) }
}

impl Call<'_> {
    pub(super) fn read(&self, operation: Operation) -> Outcome {
        let object = self.get(self.key.as_bytes()).ok_or(NO_KEY)?;
        if self.request.header("if-none-match").is_some_and(|unwanted| object.etag.is_named_by(unwanted)) {
            return Ok(self.describe(&object, Reply::new(operation, 304)));
        }
        if self.request.header("if-match").is_some_and(|wanted| !object.etag.is_named_by(wanted)) {
            return Err(CONDITION);
        }
        self.condition(Some(&object))?;
        let range = range(self.request, object.size).map_err(|()| BAD_RANGE)?;
        let (offset, size) = range.unwrap_or((0, object.size));
        let status = if range.is_some() { 206 } else { 200 };
        let mut reply = self.describe(&object, Reply::new(operation, status));
        if range.is_some() {
            reply.add("Content-Range", format_args!("bytes {offset}-{}/{}", offset + size - 1, object.size));
        }
        let whole = size == object.size;
        if self.dialect == Dialect::S3 && whole && self.request.says("x-amz-checksum-mode", "enabled") {
            reply.add("x-amz-checksum-crc32c", crc32c_text(object.crc32c));
            reply.add("x-amz-checksum-type", "FULL_OBJECT");
        }
        reply.content = match object.content {
            _ if operation == Operation::Head => Content::Nothing(size),
            _ if size == 0 => Content::Nothing(0),
            Some(class) => Content::Generated { class, offset, size },
            // The bytes of uploads are not kept.
            None => return Err(NOT_IMPLEMENTED),
        };
        Ok(reply)
    }

    /// The headers that tell of an object.
    fn describe(&self, object: &Object, mut reply: Reply) -> Reply {
        reply.add("ETag", format_args!("\"{}\"", object.etag.text()));
        reply.add("Last-Modified", http_date(object.modified));
        reply.add("Accept-Ranges", "bytes");
        let prefix = self.prefix();
        if self.dialect == Dialect::Gcs {
            reply.add("x-goog-generation", object.generation);
            reply.add("x-goog-metageneration", 1);
            reply.add("x-goog-stored-content-length", object.size);
            reply.add("x-goog-stored-content-encoding", "identity");
            reply.add("x-goog-storage-class", "STANDARD");
            let md5 = object.etag.md5().map(|md5| format!(",md5={}", md5_text(md5))).unwrap_or_default();
            reply.add("x-goog-hash", format_args!("crc32c={}{md5}", crc32c_text(object.crc32c)));
        }
        let metadata = object.metadata.as_deref();
        let plain = metadata.map_or(&[][..], |metadata| &metadata.plain);
        if !plain.iter().any(|(name, _)| *name == "content-type") {
            reply.add("Content-Type", "application/octet-stream");
        }
        for (name, value) in plain {
            reply.add(name, value);
        }
        for (name, value) in metadata.map_or(&[][..], |metadata| &metadata.user) {
            reply.add(&format!("{prefix}meta-{name}"), value);
        }
        if let Some(class) = metadata.and_then(|metadata| metadata.class.as_deref()).filter(|class| *class != "STANDARD") {
            reply.add(&format!("{prefix}storage-class"), class);
        }
        reply
    }
}
