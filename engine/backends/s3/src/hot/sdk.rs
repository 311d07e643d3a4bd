//! The hot operations by the AWS SDK: the fallback, and the oracle that the lean engine is tested against.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{ByteStream, DateTime, SdkBody};
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, Delete, EncodingType, Object, ObjectIdentifier, OptionalObjectAttributes,
};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::byte_stream::error::Error as ByteStreamError;
use aws_smithy_types::config_bag::ConfigBag;
use brigade_core::digest::Algorithm;
use brigade_core::{ErrorKind, Identity, Key, Metadata};
use brigade_http::TransportError;
use brigade_store::{Head, Rope, StoreError};
use bytes::Bytes;
use futures::stream;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;
use jiff::Timestamp;
use parking_lot::Mutex;

use super::{DeleteOne, Get, Got, Hot, Incoming, ListQuery, Put, PutPart, Stored, signed};
use crate::connection::{Connection, Link};
use crate::credentials;
use crate::errors::{Answer, Effects, Failure, Outcome, protocol, transport};
use crate::headers::{Checksums, availability, decode_words, digests, is_restored, quoted, without_chunked};
use brigade_s3_xml::delete::{DeleteError, Deleted};
use brigade_s3_xml::list::decode;
use brigade_s3_xml::{DeleteResult, ListPage, Listed, parse_list_page};

/// The SDK as an engine.
pub(crate) struct Sdk {
    pub(crate) connection: Arc<Connection>,
}

/// GET and HEAD answer with the same fields in two types.
macro_rules! head {
    ($output:expr, $size:expr) => {{
        let output = &$output;
        let encrypted = output.server_side_encryption().is_some_and(|kind| kind.as_str().starts_with("aws:kms"))
            || output.sse_customer_algorithm().is_some();
        let checksums = Checksums {
            crc32c: output.checksum_crc32_c().map(str::to_owned),
            crc64nvme: output.checksum_crc64_nvme().map(str::to_owned),
            kind: output.checksum_type().map(|kind| kind.as_str().to_owned()),
        };
        let user: BTreeMap<String, String> =
            output.metadata().into_iter().flatten().map(|(name, text)| (name.to_ascii_lowercase(), decode_words(text))).collect();
        let metadata = Metadata {
            content_type: output.content_type().map(decode_words),
            content_encoding: output.content_encoding().map(decode_words).and_then(|value| without_chunked(&value)),
            content_disposition: output.content_disposition().map(decode_words),
            content_language: output.content_language().map(decode_words),
            cache_control: output.cache_control().map(decode_words),
            expires: output.expires_string().map(decode_words),
            user,
            tags: Vec::new(),
        };
        let class: Option<Arc<str>> = output.storage_class().map(|class| Arc::from(class.as_str()));
        Head {
            size: $size,
            identity: Identity::etag(output.e_tag().unwrap_or_default()),
            modified: output.last_modified().and_then(moment),
            digests: digests(&checksums, output.e_tag(), !encrypted),
            metadata: Arc::new(metadata),
            tags: usize::try_from(output.tag_count().unwrap_or(0)).unwrap_or(0),
            availability: availability(class.as_deref(), is_restored(output.restore()), ArchiveStatusOf::archive(output)),
            storage_class: class,
        }
    }};
}

/// Only HEAD names the archive tier; a GET of such an object fails by itself.
trait ArchiveStatusOf {
    fn archive(&self) -> Option<&str>;
}

impl ArchiveStatusOf for aws_sdk_s3::operation::head_object::HeadObjectOutput {
    fn archive(&self) -> Option<&str> {
        self.archive_status().map(|status| status.as_str())
    }
}

impl ArchiveStatusOf for aws_sdk_s3::operation::get_object::GetObjectOutput {
    fn archive(&self) -> Option<&str> {
        None
    }
}

#[async_trait]
impl Hot for Sdk {
    async fn get(&self, link: &Link, get: &Get<'_>) -> Outcome<Got> {
        let range = get.range.map(|part| format!("bytes={}-{}", part.offset, part.offset + part.size - 1));
        let output = link
            .sdk
            .get_object()
            .bucket(self.bucket())
            .key(get.key)
            .if_match(quoted(get.etag))
            .set_range(range)
            .customize()
            // As a bare header: the bytes are compared with their checksum above, for both engines alike.
            .mutate_request(|request| _ = request.headers_mut().insert("x-amz-checksum-mode", "ENABLED"))
            .send()
            .await
            .map_err(|error| failure("GetObject", Effects::Reads, error))?;
        let length = output.content_length().and_then(|length| u64::try_from(length).ok());
        let range = output.content_range().map(str::to_owned);
        let size = range.as_deref().and_then(|range| range.rsplit_once('/')?.1.parse().ok()).or(length).unwrap_or(0);
        Ok(Got { head: head!(output, size), range, length, body: Incoming::Sdk(output.body) })
    }

    async fn head(&self, link: &Link, key: &str) -> Outcome<(Head, Option<String>)> {
        let request = link.sdk.head_object().bucket(self.bucket()).key(key).checksum_mode(ChecksumMode::Enabled);
        let output = request.send().await.map_err(|error| failure("HeadObject", Effects::Reads, error))?;
        let length = output.content_length().and_then(|length| u64::try_from(length).ok());
        let size = length.ok_or_else(|| protocol("HeadObject answered without a length"))?;
        let version = output.version_id().map(str::to_owned);
        Ok((head!(output, size), version))
    }

    async fn put(&self, link: &Link, put: &Put<'_>) -> Outcome<Stored> {
        let headers = put.headers.clone();
        let output = link
            .sdk
            .put_object()
            .bucket(self.bucket())
            .key(put.key)
            .set_checksum_crc32_c(put.crc32c.clone())
            .set_content_md5(put.md5.clone())
            .content_length(signed(put.body.size())?)
            .body(self.body(link, put.body))
            .customize()
            .mutate_request(move |request| insert(request, &headers))
            .send()
            .await
            .map_err(|error| failure("PutObject", Effects::Writes, error))?;
        let encrypted = output.server_side_encryption().is_some_and(|kind| kind.as_str().starts_with("aws:kms"))
            || output.sse_customer_algorithm().is_some();
        let version = output.version_id().filter(|version| *version != "null");
        Ok(Stored::new(output.e_tag(), output.checksum_crc32_c(), !encrypted, version))
    }

    async fn put_part(&self, link: &Link, part: &PutPart<'_>) -> Outcome<Stored> {
        let number = i32::try_from(part.number).map_err(|_| StoreError::new(ErrorKind::Internal, "a part number is out of range"))?;
        let output = link
            .sdk
            .upload_part()
            .bucket(self.bucket())
            .key(part.key)
            .upload_id(part.upload)
            .part_number(number)
            .set_checksum_crc32_c(part.crc32c.clone())
            .content_length(signed(part.body.size())?)
            .body(self.body(link, part.body))
            .send()
            .await
            .map_err(|error| failure("UploadPart", Effects::Writes, error))?;
        let encrypted = output.server_side_encryption().is_some_and(|kind| kind.as_str().starts_with("aws:kms"))
            || output.sse_customer_algorithm().is_some();
        Ok(Stored::new(output.e_tag(), output.checksum_crc32_c(), !encrypted, None))
    }

    async fn list(&self, link: &Link, query: &ListQuery<'_>) -> Outcome<ListPage> {
        let keys_max = i32::try_from(query.keys_max).unwrap_or(i32::MAX);
        let raw = Raw::default();
        let output = link
            .sdk
            .list_objects_v2()
            .bucket(self.bucket())
            .encoding_type(EncodingType::Url)
            .optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
            .max_keys(keys_max)
            .prefix(query.prefix)
            .set_continuation_token(query.token.map(str::to_owned))
            .set_start_after(query.start_after.map(str::to_owned))
            .customize()
            .interceptor(raw.clone())
            .send()
            .await;
        let output = match output {
            Ok(output) => output,
            Err(error) => match unread(&error).and_then(|(_, body)| parse_list_page(body).ok()) {
                Some(page) => return Ok(page),
                None => return Err(failure("ListObjectsV2", Effects::Reads, error)),
            },
        };
        let encoded = output.encoding_type() == Some(&EncodingType::Url);
        let next = output.next_continuation_token().map(str::to_owned);
        let next = match (output.is_truncated(), next) {
            (Some(true), None) => return Err(protocol("ListObjectsV2: a truncated page names no next one").into()),
            (Some(true), next) => next,
            _ => None,
        };
        let mut objects = Vec::with_capacity(output.contents().len());
        for object in output.contents() {
            objects.push(listed(object, encoded).ok_or_else(|| protocol("ListObjectsV2: an entry lacks its key or size"))?);
        }
        let page = ListPage { objects, next };
        raw.confirms(&page)?;
        Ok(page)
    }

    async fn delete_batch(&self, link: &Link, batch: &[DeleteOne]) -> Outcome<DeleteResult> {
        let mut delete = Delete::builder().quiet(false);
        for one in batch {
            let object = ObjectIdentifier::builder().key(&one.key).set_e_tag(one.etag.as_deref().map(quoted)).build();
            delete = delete.objects(object.map_err(|error| StoreError::new(ErrorKind::Internal, error.to_string()))?);
        }
        let delete = delete.build().map_err(|error| StoreError::new(ErrorKind::Internal, error.to_string()))?;
        let request = link.sdk.delete_objects().bucket(self.bucket()).delete(delete);
        let output = request.send().await.map_err(|error| failure("DeleteObjects", Effects::Writes, error))?;
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let deleted =
            output.deleted().iter().map(|one| Deleted { key: text(one.key()), marker: one.delete_marker_version_id().map(str::to_owned) });
        let errors =
            output.errors().iter().map(|one| DeleteError { key: text(one.key()), code: text(one.code()), message: text(one.message()) });
        Ok(DeleteResult { deleted: deleted.collect(), errors: errors.collect() })
    }

    async fn delete_one(&self, link: &Link, one: &DeleteOne) -> Outcome<Option<String>> {
        let request = link.sdk.delete_object().bucket(self.bucket()).key(&one.key).set_version_id(one.version.clone());
        let request = request.set_if_match(one.etag.as_deref().map(quoted));
        let output = request.send().await.map_err(|error| failure("DeleteObject", Effects::Writes, error))?;
        Ok(output.version_id().filter(|version| *version != "null").map(str::to_owned))
    }
}

/// Keeps the bytes of an answer: the SDK reads a document that was cut short, or that is none, as a shorter page, and a page
/// that is too short would mean that the missing keys do not exist.
#[derive(Clone, Debug, Default)]
struct Raw(Arc<Mutex<Vec<u8>>>);

impl Intercept for Raw {
    fn name(&self) -> &'static str {
        "raw answer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        *self.0.lock() = context.response().body().bytes().unwrap_or_default().to_vec();
        Ok(())
    }
}

impl Raw {
    /// Our own, strict reader must see the same keys.
    fn confirms(&self, page: &ListPage) -> Result<(), StoreError> {
        let strict = parse_list_page(&self.0.lock()).map_err(|error| protocol(format!("ListObjectsV2: {error}")))?;
        let keys = |page: &ListPage| page.objects.iter().map(|listed| listed.key.clone()).collect::<Vec<_>>();
        if keys(&strict) != keys(page) || strict.next != page.next {
            return Err(protocol("ListObjectsV2: two readers of one answer do not agree"));
        }
        Ok(())
    }
}

impl Sdk {
    fn bucket(&self) -> &str {
        &self.connection.address.bucket
    }

    /// A stream is sent unsigned; bytes in memory are hashed and signed by the SDK.
    fn body(&self, link: &Link, rope: &Rope) -> ByteStream {
        if rope.size() == 0 || self.connection.signs_payload(link) {
            return ByteStream::from(rope.to_vec());
        }
        let chunks = rope.clone().into_chunks().into_iter();
        let frames = chunks.map(|chunk: Bytes| Ok::<_, std::convert::Infallible>(Frame::data(chunk)));
        ByteStream::new(SdkBody::from_body_1_x(StreamBody::new(stream::iter(frames))))
    }
}

/// Adds headers before the request is signed.
pub(crate) fn insert(request: &mut HttpRequest, headers: &HeaderMap<HeaderValue>) {
    for (name, value) in headers {
        if let Ok(text) = value.to_str() {
            request.headers_mut().insert(name.as_str().to_owned(), text.to_owned());
        }
    }
}

fn listed(object: &Object, encoded: bool) -> Option<Listed> {
    let key = object.key()?.as_bytes();
    let full = object.checksum_type() == Some(&ChecksumType::FullObject);
    let checksum = object.checksum_algorithm().iter().find_map(|algorithm| match algorithm {
        ChecksumAlgorithm::Crc32C => Some(Algorithm::Crc32c),
        ChecksumAlgorithm::Crc64Nvme => Some(Algorithm::Crc64nvme),
        _ => None,
    });
    let restored = object
        .restore_status()
        .is_some_and(|status| status.restore_expiry_date().is_some() && status.is_restore_in_progress() != Some(true));
    Some(Listed {
        key: if encoded { Key::new(decode(key)) } else { Key::new(key) },
        size: u64::try_from(object.size()?).ok()?,
        etag: object.e_tag().map(|etag| etag.trim_matches('"')).filter(|etag| !etag.is_empty()).map(Arc::from),
        modified: object.last_modified().and_then(moment),
        storage_class: object.storage_class().map(|class| Arc::from(class.as_str())),
        checksum: checksum.filter(|_| full),
        restored,
    })
}

/// The SDK's time in ours.
pub(crate) fn moment(time: &DateTime) -> Option<Timestamp> {
    Timestamp::new(time.secs(), i32::try_from(time.subsec_nanos()).ok()?).ok()
}

/// What an SDK error means: the same table as for our own requests.
pub(crate) fn failure<E>(operation: &'static str, effects: Effects, error: SdkError<E, HttpResponse>) -> Box<Failure>
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    if let Some(raw) = error.raw_response() {
        let headers = header_map(raw);
        let body = raw.body().bytes().unwrap_or_default();
        let status = raw.status().as_u16();
        let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
        let mut failure = Answer { operation, effects, status, headers: &headers, body }.failure();
        if failure.error.code.is_none() && status < 300 {
            failure.error.kind = ErrorKind::Protocol;
            failure.error.message = format!("{operation} answered {status} with a body that cannot be understood");
        }
        // The SDK names what an answer without a body means; the table above has no code to go by then.
        if failure.error.code.is_none() && status >= 300 {
            failure.error.code = code.map(str::to_owned);
        }
        return failure;
    }
    if let SdkError::DispatchFailure(dispatch) = &error
        && let Some(connector) = dispatch.as_connector_error()
        && let Some(source) = std::error::Error::source(connector)
        && let Some(found) = source.downcast_ref::<TransportError>()
    {
        return transport(operation, effects, found);
    }
    no_answer(operation, &error).into()
}

/// The headers and body of a good answer that the SDK could not read.
pub(crate) fn unread<E>(error: &SdkError<E, HttpResponse>) -> Option<(HeaderMap, &[u8])> {
    let raw = error.raw_response().filter(|raw| raw.status().is_success())?;
    Some((header_map(raw), raw.body().bytes()?))
}

/// The request was never sent, or its body broke in a way that is not the transport's.
fn no_answer(operation: &'static str, error: &(dyn std::error::Error + 'static)) -> StoreError {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(this) = next {
        if let Some(found) = this.downcast_ref::<aws_credential_types::provider::error::CredentialsError>() {
            return credentials::store_error(found);
        }
        text = format!("{text}: {this}");
        next = this.source();
    }
    StoreError::new(ErrorKind::Internal, format!("{operation}{text}"))
}

/// A body that broke off, or did not match its checksum.
pub(crate) fn body_failure(error: ByteStreamError) -> Box<Failure> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(this) = next {
        if let Some(found) = this.downcast_ref::<TransportError>() {
            return transport("GetObject", Effects::Reads, found);
        }
        if this.to_string().contains("checksum") {
            return StoreError::new(ErrorKind::Corrupt, "GetObject: the bytes do not match the checksum that came with them").into();
        }
        next = this.source();
    }
    StoreError::new(ErrorKind::Network, "GetObject: the body broke off").into()
}

fn header_map(raw: &HttpResponse) -> HeaderMap {
    let pairs = raw.headers().iter();
    pairs.filter_map(|(name, text)| Some((HeaderName::try_from(name).ok()?, HeaderValue::from_str(text).ok()?))).collect()
}
