//! Writes of whole objects, and deletes.

use super::xml::{blocks, escaped, leaf};
use super::{BAD_REQUEST, CONDITION, Call, NO_KEY, Outcome, Refusal};
use crate::object::Object;
use crate::service::{Dialect, locked, metadata_of};
use crate::stats::Operation;
use crate::wire::body::{crc32c_text, md5_text};
use crate::wire::reply::Reply;

/// Keys of one batch of deletes.
const BATCH_KEYS_MAX: usize = 1_000;

impl Call<'_> {
    pub(super) fn put(&self) -> Outcome {
        let arrived = self.service.verify(self.request, &self.body)?;
        let object = self.service.object(arrived, metadata_of(self.request, self.prefix()));
        let mut bucket = locked(&self.bucket);
        self.condition_of_write(&bucket)?;
        let reply = self.receipt(Reply::new(Operation::Put, 200), &object);
        bucket.put(self.key.as_bytes(), object);
        Ok(reply)
    }

    /// Looks at what is there only where the request asks for it.
    pub(super) fn condition_of_write(&self, bucket: &crate::bucket::Bucket) -> Result<(), Refusal> {
        let names = ["if-match", "if-none-match", "x-goog-if-generation-match"];
        if names.iter().all(|name| self.request.header(name).is_none()) {
            return Ok(());
        }
        self.condition(bucket.get(self.key.as_bytes()).as_ref())
    }

    /// What a write is told of its object.
    pub(super) fn receipt(&self, mut reply: Reply, object: &Object) -> Reply {
        reply.add("ETag", format_args!("\"{}\"", object.etag.text()));
        match self.dialect {
            Dialect::S3 => {
                reply.add("x-amz-checksum-crc32c", crc32c_text(object.crc32c));
                reply.add("x-amz-checksum-type", "FULL_OBJECT");
            }
            Dialect::Gcs => {
                let md5 = object.etag.md5().map(|md5| format!(",md5={}", md5_text(md5))).unwrap_or_default();
                reply.add("x-goog-hash", format_args!("crc32c={}{md5}", crc32c_text(object.crc32c)));
                reply.add("x-goog-generation", object.generation);
                reply.add("x-goog-metageneration", 1);
            }
        }
        reply
    }

    pub(super) fn delete(&self) -> Outcome {
        let mut bucket = locked(&self.bucket);
        self.condition_of_write(&bucket)?;
        if self.dialect == Dialect::Gcs && bucket.get(self.key.as_bytes()).is_none() {
            return Err(NO_KEY);
        }
        bucket.remove(self.key.as_bytes());
        Ok(Reply::new(Operation::Delete, 204))
    }

    pub(super) fn delete_batch(&self) -> Outcome {
        let text = self.body.text();
        let objects = blocks(text, "Object");
        if objects.is_empty() || objects.len() > BATCH_KEYS_MAX {
            return Err(BAD_REQUEST);
        }
        let quiet = leaf(text, "Quiet").as_deref() == Some("true");
        let mut out =
            String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        let mut bucket = locked(&self.bucket);
        for object in objects {
            let key = leaf(object, "Key").ok_or(BAD_REQUEST)?;
            let shown = escaped(&key);
            let holds = match leaf(object, "ETag") {
                None => Ok(()),
                Some(etag) => match bucket.get(key.as_bytes()) {
                    None => Err(&NO_KEY),
                    Some(current) if current.etag.is_named_by(&etag) => Ok(()),
                    Some(_) => Err(&CONDITION),
                },
            };
            match holds {
                Ok(()) => {
                    bucket.remove(key.as_bytes());
                    if !quiet {
                        out.push_str(&format!("<Deleted><Key>{shown}</Key></Deleted>"));
                    }
                }
                Err(Refusal(_, code, message)) => {
                    out.push_str(&format!("<Error><Key>{shown}</Key><Code>{code}</Code><Message>{message}</Message></Error>"));
                }
            }
        }
        out.push_str("</DeleteResult>");
        Ok(Reply::xml(Operation::DeleteBatch, 200, out.into_bytes()))
    }
}
