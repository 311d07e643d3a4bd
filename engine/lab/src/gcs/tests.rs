//! The GCS server through plain HTTP, as a client without any library sees it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod batches;
mod copies;
mod doors;
mod listings;
mod objects;
mod sessions;
mod xml;

use super::{GcsServer, GcsServerOptions};
use crate::world::{Limits, World, WorldOptions};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::sync::Arc;

const BUCKET: &str = "bucket";

/// A server over a world with one bucket, and a client of it.
struct Lab {
    world: Arc<World>,
    server: GcsServer,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer.
#[derive(Debug)]
struct Got {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{:?} {}", self.headers, String::from_utf8_lossy(&self.body));
        self
    }

    /// The reason of a JSON error.
    fn reason(&self) -> String {
        self.json()["error"]["errors"][0]["reason"].as_str().unwrap().to_owned()
    }

    /// The text of the first element of that name.
    fn element(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.text().split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
    }
}

impl Lab {
    async fn start() -> Self {
        Self::with(GcsServerOptions::default()).await
    }

    async fn with(options: GcsServerOptions) -> Self {
        let world = World::with(WorldOptions { limits: Limits { part_bytes_min: 4, ..Limits::default() }, ..WorldOptions::default() });
        world.ensure_bucket(BUCKET);
        let server = GcsServer::start(Arc::clone(&world), options).await.unwrap();
        Self { world, server, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    async fn try_send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Result<Got, Error> {
        let address = if path.starts_with("http://") { path.to_owned() } else { format!("{}{path}", self.server.url()) };
        let mut request = Request::builder().method(method).uri(address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.client.request(request.body(Full::new(body.into())).unwrap()).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes);
        Ok(Got { status: parts.status, headers: parts.headers, body: body.unwrap_or_default() })
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Got {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    async fn get(&self, path: &str) -> Got {
        self.send(Method::GET, path, &[], "").await
    }

    async fn post(&self, path: &str, body: Value) -> Got {
        self.send(Method::POST, path, &[("content-type", "application/json")], body.to_string()).await
    }

    async fn delete(&self, path: &str) -> Got {
        self.send(Method::DELETE, path, &[], "").await
    }

    /// An insert of media alone.
    async fn insert(&self, name: &str, query: &str, body: &'static str) -> Got {
        let path = format!("/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}{query}");
        self.send(Method::POST, &path, &[("content-type", "text/plain")], body).await
    }

    /// An insert of metadata and media.
    async fn insert_with(&self, query: &str, resource: Value, media: &str) -> Got {
        let body =
            format!("--b\r\nContent-Type: application/json\r\n\r\n{resource}\r\n--b\r\nContent-Type: text/plain\r\n\r\n{media}\r\n--b--");
        let path = format!("/upload/storage/v1/b/{BUCKET}/o?uploadType=multipart{query}");
        self.send(Method::POST, &path, &[("content-type", "multipart/related; boundary=b")], body).await
    }

    fn seed(&self, name: &str, body: &'static str) -> u64 {
        self.world.seed(BUCKET, name, body).unwrap().generation
    }

    fn bytes(&self, name: &str) -> Bytes {
        self.world.bytes(BUCKET, name).unwrap()
    }

    fn is_absent(&self, name: &str) -> bool {
        self.world.peek(BUCKET, name).is_err()
    }
}
