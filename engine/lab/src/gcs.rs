//! The embedded GCS server: the JSON and the XML interface of Google Cloud Storage over a [`World`], on hyper.
//!
//! It is there to be believed: it refuses what Google refuses and keeps what Google keeps, and the few things it does not do
//! answer 501. It routes on the raw path, because object names are bytes (`a//b`, `..`, `%2F`) that a web framework would
//! normalise. It listens on loopback unless told otherwise, and must never be taken for a store: everything is in memory.

mod batch;
mod buckets;
mod conditions;
mod copy;
mod digest;
mod edit;
mod failure;
mod fields;
mod insert;
mod list;
mod metadata;
mod mime;
mod names;
mod read;
mod resource;
mod resumable;
mod route;
#[cfg(test)]
mod tests;
mod wire;
mod xml;

use crate::door::{ConnectionCut, Counters, Door, DoorBody, Entry, Passage};
use crate::fault::Op;
use crate::server::Server;
use crate::world::{Object, World, WorldError};
use copy::Rewrites;
use failure::Failure;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::service::service_fn;
use parking_lot::RwLock;
use resumable::Sessions;
use route::Route;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use wire::{Answer, Call, Outbound};

/// How a GCS server is started.
#[derive(Clone, Debug, Default)]
pub struct GcsServerOptions {
    /// The port on 127.0.0.1; 0 picks a free one.
    pub port: u16,
    /// The only tokens that are let in; `None` lets everybody in, as emulators do.
    pub bearer_tokens: Option<Vec<String>>,
    /// `rewriteTo` needs another call after so many bytes; `None` does everything in one call.
    pub rewrite_bytes_per_call: Option<NonZeroU64>,
}

/// A running server. It ends when it is stopped or dropped.
#[derive(Debug)]
pub struct GcsServer {
    shared: Arc<Shared>,
    server: Server,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    door: Door,
    bearer_tokens: RwLock<Option<Vec<String>>>,
    rewrite_bytes_per_call: Option<NonZeroU64>,
    sessions: Sessions,
    rewrites: Rewrites,
}

impl GcsServer {
    /// Listens and serves until stopped.
    ///
    /// # Errors
    /// Those of binding the port.
    pub async fn start(world: Arc<World>, options: GcsServerOptions) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            door: Door::new(world),
            bearer_tokens: RwLock::new(options.bearer_tokens),
            rewrite_bytes_per_call: options.rewrite_bytes_per_call,
            sessions: Sessions::default(),
            rewrites: Rewrites::default(),
        });
        let served = Arc::clone(&shared);
        let server = Server::start(options.port, service_fn(move |request| serve(Arc::clone(&served), request))).await?;
        Ok(Self { shared, server })
    }

    /// `http://127.0.0.1:PORT`, without a trailing slash; what `STORAGE_EMULATOR_HOST` takes.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }

    /// What it serves.
    pub fn world(&self) -> &Arc<World> {
        self.shared.door.world()
    }

    /// Counts of the requests that came to this server.
    pub fn requests(&self) -> &Arc<Counters> {
        self.shared.door.requests()
    }

    /// From now on only these tokens are let in, as when tokens expire; `None` lets everybody in.
    pub fn set_bearer_tokens(&self, tokens: Option<Vec<String>>) {
        *self.shared.bearer_tokens.write() = tokens;
    }

    /// Closes the port and every connection, and waits until that is done.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<DoorBody<Outbound>>, ConnectionCut> {
    let mut call = Call::new(&shared.door, request);
    let route = Route::of(&call);
    let op = route.op(&call);
    if let Route::Batch = route {
        return batch::serve(&shared, &mut call).await;
    }
    let (answer, passage) = perform(&shared, &route, op, &mut call).await?;
    match passage {
        Some(passage) => passage.leave(answer.into_response()),
        None => Ok(shared.door.answer(answer.into_response())),
    }
}

/// Does one call, be it a request or a line of a batch. Without a passage the door refused it.
async fn perform(shared: &Shared, route: &Route, op: Op, call: &mut Call) -> Result<(Answer, Option<Passage>), ConnectionCut> {
    let (bucket, key) = route.subject(shared, call);
    let passage = match shared.door.enter(op, &bucket, &key).await {
        Entry::Through(passage) => passage,
        Entry::Cut(cut) => return Err(cut),
        Entry::Refused(refusal) => {
            call.body.drain().await;
            return Ok((Failure::from(refusal).answer(route.dialect(call)), None));
        }
    };
    let done = match shared.authorize(route, call) {
        Ok(()) => {
            let mut inside = Inside { shared, passage: &passage, call };
            route.handle(&mut inside).await
        }
        Err(failure) => Err(failure),
    };
    let answer = match done {
        Ok(answer) => answer,
        Err(failure) => {
            call.body.drain().await;
            failure.answer(route.dialect(call))
        }
    };
    Ok((answer, Some(passage)))
}

impl Shared {
    fn world(&self) -> &Arc<World> {
        self.door.world()
    }

    /// A resumable session's address is a capability of its own: who has it needs no token.
    fn authorize(&self, route: &Route, call: &Call) -> Result<(), Failure> {
        let tokens = self.bearer_tokens.read();
        let Some(tokens) = &*tokens else { return Ok(()) };
        let given = call.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
        let known = given.is_some_and(|given| tokens.iter().any(|token| token == given));
        if known || matches!(route, Route::Session { .. }) { Ok(()) } else { Err(Failure::unauthorized()) }
    }
}

/// A call that passed the door.
struct Inside<'a> {
    shared: &'a Shared,
    passage: &'a Passage,
    call: &'a mut Call,
}

impl Inside<'_> {
    fn world(&self) -> &Arc<World> {
        self.shared.world()
    }

    /// The answer that carries an object's resource, masked as the client asked.
    fn resource(&self, bucket: &str, key: &[u8], object: &Object) -> Result<Answer, Failure> {
        self.masked(resource::object(&self.call.origin, bucket, key, object))
    }

    fn masked(&self, value: serde_json::Value) -> Result<Answer, Failure> {
        match self.call.query.text("fields") {
            Some(mask) => Ok(Answer::json(200, &fields::Fields::parse(mask)?.apply(value))),
            None => Ok(Answer::json(200, &value)),
        }
    }

    /// The scripted "200 with an error in the body", in JSON.
    fn error_in_200(&self) -> Option<Answer> {
        let failure = Failure::new(500, "backendError", "InternalError", "Backend Error");
        self.passage.answers_error_in_200().then(|| Answer::json(200, &failure.json()))
    }

    /// Fails as absent where the world says so, naming the object.
    fn absent(bucket: &str, key: &[u8]) -> impl Fn(WorldError) -> Failure {
        move |error| match error {
            WorldError::NoSuchKey | WorldError::NoSuchVersion | WorldError::DeleteMarker(_) => Failure::no_such_object(bucket, key),
            other => other.into(),
        }
    }
}

/// A call inside a batch has no connection of its own: faults of its answer strike what it did, not its bytes.
fn leave_nested(passage: Option<Passage>) -> Result<(), ConnectionCut> {
    match passage {
        Some(passage) => passage.leave(Response::new(Empty::<bytes::Bytes>::new())).map(drop),
        None => Ok(()),
    }
}
