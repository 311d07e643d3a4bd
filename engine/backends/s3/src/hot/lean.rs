//! The hot operations on our own transport: signed by `sign`, parsed by `xml`, bodies as ropes.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use brigade_http::{Body, Response};
use brigade_store::Head;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH, RANGE};
use http::{Method, StatusCode};
use md5::{Digest as _, Md5};

use super::{DOCUMENT_BYTES_MAX, DeleteOne, Get, Got, Hot, Incoming, ListQuery, Put, PutPart, Stored};
use crate::connection::{Connection, Link};
use crate::errors::{Answer, Effects, Outcome, protocol, transport};
use crate::headers::{self, CHECKSUM_CRC32C, CHECKSUM_MODE, CONTENT_MD5, OPTIONAL_ATTRIBUTES, VERSION_ID, peek, quoted, text, value};
use crate::wire::{Call, send};
use brigade_s3_xml::delete::delete_request;
use brigade_s3_xml::{DeleteResult, ListPage, parse_delete_result, parse_list_page};

const ENABLED: HeaderValue = HeaderValue::from_static("ENABLED");

/// The lean engine.
pub(crate) struct Lean {
    pub(crate) connection: Arc<Connection>,
}

#[async_trait]
impl Hot for Lean {
    async fn get(&self, link: &Link, get: &Get<'_>) -> Outcome<Got> {
        let mut headers = reading();
        headers.insert(IF_MATCH, value("the ETag", &quoted(get.etag))?);
        if let Some(part) = get.range {
            let last = part.offset + part.size - 1;
            headers.insert(RANGE, value("the range", &format!("bytes={}-{last}", part.offset))?);
        }
        let response = self.read(link, "GetObject", Method::GET, get.key, headers).await?;
        let partial = response.status() == StatusCode::PARTIAL_CONTENT;
        let (_, headers, body) = response.into_parts();
        let length = length(&headers);
        let range = text(&headers, CONTENT_RANGE).filter(|_| partial);
        let size = range.as_deref().and_then(|range| range.rsplit_once('/')?.1.parse().ok()).or(length);
        let head = headers::head(&headers, size.unwrap_or(0))?;
        Ok(Got { head, range, length, body: Incoming::Lean(body) })
    }

    async fn head(&self, link: &Link, key: &str) -> Outcome<(Head, Option<String>)> {
        let response = self.read(link, "HeadObject", Method::HEAD, key, reading()).await?;
        let size = length(response.headers()).ok_or_else(|| protocol("HeadObject answered without a length"))?;
        Ok((headers::head(response.headers(), size)?, text(response.headers(), VERSION_ID)))
    }

    async fn put(&self, link: &Link, put: &Put<'_>) -> Outcome<Stored> {
        let mut headers = put.headers.clone();
        if let Some(md5) = &put.md5 {
            headers.insert(CONTENT_MD5, value("the MD5", md5)?);
        }
        add_crc32c(&mut headers, put.crc32c.as_deref())?;
        let call = Call {
            operation: "PutObject",
            effects: Effects::Writes,
            method: Method::PUT,
            key: Some(put.key),
            query: &[],
            headers,
            body: Body::Rope(put.body.clone()),
        };
        self.write(link, call).await
    }

    async fn put_part(&self, link: &Link, part: &PutPart<'_>) -> Outcome<Stored> {
        let mut headers = HeaderMap::new();
        add_crc32c(&mut headers, part.crc32c.as_deref())?;
        let number = part.number.to_string();
        let call = Call {
            operation: "UploadPart",
            effects: Effects::Writes,
            method: Method::PUT,
            key: Some(part.key),
            query: &[("partNumber", &number), ("uploadId", part.upload)],
            headers,
            body: Body::Rope(part.body.clone()),
        };
        self.write(link, call).await
    }

    async fn list(&self, link: &Link, query: &ListQuery<'_>) -> Outcome<ListPage> {
        let keys_max = query.keys_max.to_string();
        // In the order of the names, as the signature wants them.
        let pairs = [
            query.token.map(|token| ("continuation-token", token)),
            Some(("encoding-type", "url")),
            Some(("list-type", "2")),
            Some(("max-keys", keys_max.as_str())),
            Some(("prefix", query.prefix)),
            query.start_after.map(|key| ("start-after", key)),
        ];
        let pairs: Vec<(&str, &str)> = pairs.into_iter().flatten().collect();
        let mut headers = HeaderMap::new();
        headers.insert(OPTIONAL_ATTRIBUTES, HeaderValue::from_static("RestoreStatus"));
        let call = Call {
            operation: "ListObjectsV2",
            effects: Effects::Reads,
            method: Method::GET,
            key: None,
            query: &pairs,
            headers,
            body: Body::Empty,
        };
        let (_, document) = document("ListObjectsV2", Effects::Reads, send(&self.connection, link, call).await?).await?;
        Ok(parse_list_page(&document).map_err(|error| protocol(format!("ListObjectsV2: {error}")))?)
    }

    async fn delete_batch(&self, link: &Link, batch: &[DeleteOne]) -> Outcome<DeleteResult> {
        let body = delete_request(batch.iter().map(|one| (one.key.as_str(), one.etag.as_deref())));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_MD5, value("the MD5", &BASE64.encode(Md5::digest(body.as_bytes())))?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        let call = Call {
            operation: "DeleteObjects",
            effects: Effects::Writes,
            method: Method::POST,
            key: None,
            query: &[("delete", "")],
            headers,
            body: Body::from(body.into_bytes()),
        };
        let (headers, document) = document("DeleteObjects", Effects::Writes, send(&self.connection, link, call).await?).await?;
        parse_delete_result(&document).map_err(|error| {
            let answer = Answer { operation: "DeleteObjects", effects: Effects::Writes, status: 200, headers: &headers, body: &document };
            let mut failure = answer.failure();
            if failure.error.code.is_none() {
                failure.error.message = format!("DeleteObjects: {error}");
            }
            failure
        })
    }

    async fn delete_one(&self, link: &Link, one: &DeleteOne) -> Outcome<Option<String>> {
        let mut headers = HeaderMap::new();
        if let Some(etag) = &one.etag {
            headers.insert(IF_MATCH, value("the ETag", &quoted(etag))?);
        }
        let query: Vec<(&str, &str)> = one.version.iter().map(|version| ("versionId", version.as_str())).collect();
        let call = Call {
            operation: "DeleteObject",
            effects: Effects::Writes,
            method: Method::DELETE,
            key: Some(&one.key),
            query: &query,
            headers,
            body: Body::Empty,
        };
        let response = send(&self.connection, link, call).await?;
        Ok(text(response.headers(), VERSION_ID).filter(|version| version != "null"))
    }
}

impl Lean {
    async fn read(&self, link: &Link, operation: &'static str, method: Method, key: &str, headers: HeaderMap) -> Outcome<Response> {
        let call = Call { operation, effects: Effects::Reads, method, key: Some(key), query: &[], headers, body: Body::Empty };
        send(&self.connection, link, call).await
    }

    async fn write(&self, link: &Link, call: Call<'_>) -> Outcome<Stored> {
        let operation = call.operation;
        let response = send(&self.connection, link, call).await?;
        let headers = response.headers();
        let (etag, crc32c) = (peek(headers, ETAG), peek(headers, CHECKSUM_CRC32C));
        let version = peek(headers, VERSION_ID).filter(|version| version != "null");
        let stored = Stored::new(etag.as_deref(), crc32c.as_deref(), headers::etag_is_md5(headers), version.as_deref());
        // The body is empty or small; reading it gives the connection back.
        response.into_bytes(DOCUMENT_BYTES_MAX).await.map_err(|error| transport(operation, Effects::Writes, &error))?;
        Ok(stored)
    }
}

/// What every read of an object asks: its stored checksum, and its stored bytes as they are.
fn reading() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CHECKSUM_MODE, ENABLED);
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
}

fn add_crc32c(headers: &mut HeaderMap, crc32c: Option<&str>) -> Outcome<()> {
    if let Some(crc32c) = crc32c {
        headers.insert(CHECKSUM_CRC32C, value("the checksum", crc32c)?);
    }
    Ok(())
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn document(operation: &'static str, effects: Effects, response: Response) -> Outcome<(HeaderMap, bytes::Bytes)> {
    let (_, headers, body) = response.into_parts();
    let body = body.into_bytes(DOCUMENT_BYTES_MAX).await.map_err(|error| transport(operation, effects, &error))?;
    Ok((headers, body))
}
