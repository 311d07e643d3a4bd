//! Resumable uploads: one ordered stream of chunks. What arrived is summed up.

use super::insert::NewObject;
use super::{BAD_REQUEST, CONDITION, Call, NO_UPLOAD, Outcome, Refusal};
use crate::content::joined;
use crate::service::{Mismatch, locked};
use crate::stats::Operation;
use crate::uploads::Resumable;
use crate::wire::body::crc32c_of;
use crate::wire::reply::Reply;

/// What `Content-Range` says of a chunk: its first byte, and the whole size where it is known.
fn content_range(text: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let first = if range == "*" { None } else { Some(range.split_once('-')?.0.parse().ok()?) };
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    Some((first, total))
}

impl Call<'_> {
    pub(super) fn begin_resumable(&self) -> Outcome {
        let new = NewObject::parse(self.body.kept.as_deref().unwrap_or_default())?;
        let name = new.name.clone().or_else(|| self.request.param("name").map(|name| name.into_owned())).ok_or(BAD_REQUEST)?;
        let upload = Resumable {
            metadata: new.metadata(),
            key: name.into_bytes(),
            condition: self.number("ifGenerationMatch"),
            promised_crc32c: new.crc32c.as_deref().and_then(crc32c_of),
            size: 0,
            crc32c: 0,
        };
        let id = locked(&self.bucket).uploads.begin_resumable(upload);
        let host = self.request.header("host").unwrap_or("127.0.0.1");
        let url = format!("http://{host}/upload/storage/v1/b/{}/o?uploadType=resumable&upload_id={id}", self.bucket_name);
        Ok(Reply::new(Operation::Create, 200).with("Location", url).with("X-GUploader-UploadID", id))
    }

    pub(super) fn push_resumable(&self) -> Outcome {
        let id = self.request.param("upload_id").unwrap_or_default();
        let range = self.request.header("content-range").map(content_range);
        let (first, total) = match range {
            None => (Some(0), Some(self.body.size)),
            Some(range) => range.ok_or(BAD_REQUEST)?,
        };
        let mut bucket = locked(&self.bucket);
        let upload = bucket.uploads.resumable(&id).ok_or(NO_UPLOAD)?;
        if let Some(first) = first {
            if first != upload.size {
                return Err(Refusal(503, "backendError", "The chunk does not begin where the last one ended."));
            }
            upload.crc32c = joined(upload.crc32c, self.body.crc32c, self.body.size);
            upload.size += self.body.size;
        }
        if total != Some(upload.size) {
            let mut reply = self.incomplete();
            if upload.size > 0 {
                reply.add("Range", format_args!("bytes=0-{}", upload.size - 1));
            }
            return Ok(reply);
        }
        let upload = upload.clone();
        bucket.uploads.remove_resumable(&id);
        if upload.promised_crc32c.is_some_and(|promised| promised != upload.crc32c) {
            return Err(Mismatch::Checksum.into());
        }
        let name = String::from_utf8(upload.key).map_err(|_| BAD_REQUEST)?;
        if let Some(demanded) = upload.condition
            && demanded != bucket.get(name.as_bytes()).map_or(0, |object| object.generation)
        {
            return Err(CONDITION);
        }
        let kept = self.body.kept.as_deref().filter(|_| upload.size == self.body.size);
        let arrived = self.service.name(upload.size, upload.crc32c, kept, None)?;
        let object = self.service.object(arrived, upload.metadata);
        let reply = self.resource(Operation::Part, &name, &object);
        bucket.put(name.as_bytes(), object);
        Ok(reply)
    }

    /// Google's own clients ask for a status that no proxy takes for a redirect, and read the real one from a header.
    fn incomplete(&self) -> Reply {
        match self.request.header("x-guploader-no-308") {
            Some("yes") => Reply::new(Operation::Part, 200).with("X-HTTP-Status-Code-Override", 308),
            _ => Reply::new(Operation::Part, 308),
        }
    }

    pub(super) fn cancel_resumable(&self) -> Outcome {
        let id = self.request.param("upload_id").unwrap_or_default();
        locked(&self.bucket).uploads.remove_resumable(&id).ok_or(NO_UPLOAD)?;
        Ok(Reply::new(Operation::Abort, 499))
    }
}
