//! Single calls of the JSON API by full object name, on which the seams are built.

use brigade_core::digest::Sum;
use brigade_core::{ErrorKind, Identity};
use brigade_store::{Head, Result, Rope, StoreError, When};
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde::Serialize;

use crate::client::{Call, target};
use crate::errors::{About, protocol};
use crate::limits::{BOOKKEEPING_PAGES_MAX, LIST_ANSWER_BYTES_MAX};
use crate::list::{PAGE_ITEMS, Page};
use crate::names::Names;
use crate::resource::{FIELDS, NewResource, Resource, json};
use crate::store::GcsStore;

/// What an answer that holds an object resource says.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) generation: u64,
    pub(crate) head: Head,
}

impl Stored {
    fn parse(body: &[u8]) -> Result<Self> {
        let resource = Resource::parse(body)?;
        Ok(Self { generation: resource.generation.0, head: resource.head() })
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity::Generation(self.generation)
    }
}

/// Which page of a listing is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageRequest<'a> {
    /// Every name starts with it.
    pub(crate) prefix: &'a str,
    /// The first name that is wanted.
    pub(crate) start: Option<&'a str>,
    /// Where the page before ended.
    pub(crate) token: Option<&'a str>,
    /// At most so many.
    pub(crate) items: &'static str,
}

impl<'a> PageRequest<'a> {
    /// The first full page below a prefix.
    pub(crate) fn of(prefix: &'a str) -> Self {
        Self { prefix, start: None, token: None, items: PAGE_ITEMS }
    }
}

/// One source of a compose call.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Source<'a> {
    pub(crate) name: &'a str,
    #[serde(serialize_with = "as_text")]
    generation: u64,
    object_preconditions: Preconditions,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Preconditions {
    #[serde(serialize_with = "as_text")]
    if_generation_match: u64,
}

impl<'a> Source<'a> {
    pub(crate) fn new(name: &'a str, generation: u64) -> Self {
        Self { name, generation, object_preconditions: Preconditions { if_generation_match: generation } }
    }
}

/// A rewrite of one object to another name, maybe of another bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rewriting<'a> {
    /// The location of the source, and its full name there.
    pub(crate) from: (&'a Names, &'a [u8]),
    /// The only generation that may be copied; none where an experiment wants to see another condition fail.
    pub(crate) generation: Option<u64>,
    /// The full name of the copy.
    pub(crate) to: &'a [u8],
    /// What is told of the copy.
    pub(crate) resource: &'a NewResource<'a>,
    /// The generation that the target must have.
    pub(crate) demanded: Option<u64>,
}

/// 64-bit numbers travel as strings in Google's JSON.
fn as_text<S: serde::Serializer>(value: &u64, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// The generation that an identity is. Any other identity comes from another store.
pub(crate) fn generation(identity: &Identity) -> Result<u64> {
    identity.as_generation().ok_or_else(|| StoreError::new(ErrorKind::Internal, format!("`{identity}` is no generation of GCS")))
}

/// The generation that a condition demands of the name: 0 for none.
pub(crate) fn demanded(when: &When) -> Result<Option<u64>> {
    Ok(match when {
        When::Always => None,
        When::IfAbsent => Some(0),
        When::IfMatches(identity) => Some(generation(identity)?),
    })
}

/// `path?fields=...` with the demanded generation.
fn conditional(path: &str, query: &[(&str, &str)], demanded: Option<u64>) -> String {
    let text = demanded.map(|generation| generation.to_string());
    let mut query = query.to_vec();
    if let Some(text) = &text {
        query.push(("ifGenerationMatch", text));
    }
    target(path, &query)
}

/// A name that was built from text.
pub(crate) fn as_text_name(name: &[u8]) -> Result<&str> {
    std::str::from_utf8(name).map_err(|_| StoreError::new(ErrorKind::Unfit, "the name is not valid UTF-8"))
}

impl GcsStore {
    /// The facts of the object of this full name.
    pub(crate) async fn head_of(&self, name: &[u8]) -> Result<Head> {
        self.stored(name).await.map(|stored| stored.head)
    }

    pub(crate) async fn stored(&self, name: &[u8]) -> Result<Stored> {
        let call = Call::new(Method::GET, target(&self.names().object_path(name), &[("fields", FIELDS)]), About::Object);
        Stored::parse(&self.client().fetch(&call).await?.1)
    }

    /// Writes a whole object in one request: metadata and bytes in one `multipart/related` body.
    pub(crate) async fn insert(&self, resource: &NewResource<'_>, bytes: &Rope, demanded: Option<u64>) -> Result<Stored> {
        let boundary = uuid::Uuid::new_v4().simple().to_string();
        let head = format!("--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n");
        // The type within the metadata counts; the one of the part must be there all the same.
        let between = format!("\r\n--{boundary}\r\nContent-Type: {}\r\nContent-Transfer-Encoding: binary\r\n\r\n", resource.part_type());
        let tail = format!("\r\n--{boundary}--\r\n");
        let mut body = Rope::from([head.into_bytes(), json(resource), between.into_bytes()].concat());
        bytes.chunks().iter().for_each(|chunk| body.push(chunk.clone()));
        body.push(Bytes::from(tail));
        let query = [("uploadType", "multipart"), ("fields", FIELDS)];
        let kind = HeaderValue::try_from(format!("multipart/related; boundary={boundary}")).expect("hexadecimal digits fit a header");
        let call = Call::new(Method::POST, conditional(&self.names().insert_path(), &query, demanded), About::Bucket)
            .header(header::CONTENT_TYPE, kind)
            .body(body);
        Stored::parse(&self.client().fetch(&call).await?.1)
    }

    /// Writes a small object of this engine's own. It carries no metadata.
    pub(crate) async fn insert_own(&self, name: &[u8], bytes: &Rope, sum: &Sum, demanded: Option<u64>) -> Result<Stored> {
        let resource = NewResource::default().named(as_text_name(name)?).proving(sum.crc32c, None);
        self.insert(&resource, bytes, demanded).await
    }

    /// Joins up to 32 objects into one.
    pub(crate) async fn compose(
        &self,
        sources: &[Source<'_>],
        name: &[u8],
        resource: &NewResource<'_>,
        demanded: Option<u64>,
    ) -> Result<Stored> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            source_objects: &'a [Source<'a>],
            destination: &'a NewResource<'a>,
        }
        let body = json(&Body { source_objects: sources, destination: resource });
        let path = conditional(&self.names().compose_path(name), &[("fields", FIELDS)], demanded);
        let call = Call::new(Method::POST, path, About::Object).json(body).patient();
        Stored::parse(&self.client().fetch(&call).await?.1)
    }

    /// Gives an object another name of the same bucket.
    pub(crate) async fn move_object(&self, from: &[u8], generation: u64, to: &[u8], demanded: Option<u64>) -> Result<Stored> {
        let source = generation.to_string();
        let query = [("fields", FIELDS), ("ifSourceGenerationMatch", source.as_str())];
        let call = Call::new(Method::POST, conditional(&self.names().move_path(from, to), &query, demanded), About::Object);
        Stored::parse(&self.client().fetch(&call).await?.1)
    }

    /// One call of a rewrite to this location; the token goes on with an earlier one.
    pub(crate) async fn rewrite(&self, rewriting: &Rewriting<'_>, token: Option<&str>) -> Result<Bytes> {
        let fields = format!("done,rewriteToken,resource({FIELDS})");
        let source = rewriting.generation.map(|generation| generation.to_string());
        let mut query = vec![("fields", fields.as_str())];
        query.extend(source.iter().map(|generation| ("ifSourceGenerationMatch", generation.as_str())));
        query.extend(token.map(|token| ("rewriteToken", token)));
        let (names, name) = rewriting.from;
        let path = conditional(&names.rewrite_path(name, self.names(), rewriting.to), &query, rewriting.demanded);
        let call = Call::new(Method::POST, path, About::Object).json(json(rewriting.resource)).patient();
        Ok(self.client().fetch(&call).await?.1)
    }

    /// Sets headers and user metadata of exactly this version.
    pub(crate) async fn patch(&self, name: &[u8], generation: u64, resource: &NewResource<'_>) -> Result<Stored> {
        let path = conditional(&self.names().object_path(name), &[("fields", FIELDS)], Some(generation));
        let call = Call::new(Method::PATCH, path, About::Object).json(json(resource));
        Stored::parse(&self.client().fetch(&call).await?.1)
    }

    /// Path and query of a delete under a condition.
    pub(crate) fn delete_target(&self, name: &[u8], demanded: Option<u64>) -> String {
        conditional(&self.names().object_path(name), &[], demanded)
    }

    /// Deletes an object, if it still is this version.
    pub(crate) async fn delete_object(&self, name: &[u8], demanded: Option<u64>) -> Result<()> {
        let call = Call::new(Method::DELETE, self.delete_target(name, demanded), About::Object);
        self.client().open(&call).await.map(drop)
    }

    /// One page of names as GCS gives it: nothing is hidden, nothing checked.
    pub(crate) async fn page(&self, request: &PageRequest<'_>) -> Result<Bytes> {
        let fields = format!("nextPageToken,items({FIELDS})");
        let mut query = vec![("maxResults", request.items), ("projection", "noAcl"), ("fields", fields.as_str())];
        query.extend((!request.prefix.is_empty()).then_some(("prefix", request.prefix)));
        query.extend(request.start.map(|start| ("startOffset", start)));
        query.extend(request.token.map(|token| ("pageToken", token)));
        let call = Call::new(Method::GET, target(&self.names().objects_path(), &query), About::Bucket);
        Ok(self.client().fetch_up_to(&call, LIST_ANSWER_BYTES_MAX).await?.1)
    }

    /// Every object below a full name prefix, for bookkeeping: staging objects, never data.
    pub(crate) async fn all_below(&self, prefix: &str) -> Result<Vec<(String, Stored)>> {
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..BOOKKEEPING_PAGES_MAX {
            let body = self.page(&PageRequest { token: token.as_deref(), ..PageRequest::of(prefix) }).await?;
            let page = Page::parse(&body)?;
            for resource in &page.items {
                let name = resource.name.0.clone().into_owned();
                // A prefix that the endpoint ignored would hand out data as staging objects.
                if !name.starts_with(prefix) {
                    return Err(protocol(format!("a listing of `{prefix}` gave a name outside of it")));
                }
                found.push((name, Stored { generation: resource.generation.0, head: resource.head() }));
            }
            token = page.next_page_token.map(|token| token.0.into_owned()).filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(found);
            }
        }
        Err(protocol("a listing of staging objects does not end"))
    }
}
