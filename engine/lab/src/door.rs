//! The world's door: every request of every server passes it, is counted, and meets the faults that were scripted for it.
//!
//! A server calls [`Door::enter`] before it does anything and [`Passage::leave`] with its answer. What lies between is the
//! server's: it must ask the passage whether to ignore ranges or conditions, and whether to spoil what it stores.

mod arrivals;
mod body;
mod counters;
mod object_body;

pub use arrivals::{Arrival, Receiving, Traffic};
pub use body::{ConnectionCut, DoorBody};
pub use counters::{Caller, Counters, Counts, Logged};
pub use object_body::ObjectBody;

use crate::fault::{Action, Op};
use crate::world::{Conditions, Content, NewObject, World};
use http::Response;
use std::sync::Arc;

/// One way into a world, with its own request counts. Servers have one each.
#[derive(Clone, Debug)]
pub struct Door {
    world: Arc<World>,
    counters: Arc<Counters>,
    caller: Arc<Caller>,
}

/// What happens to a request at the door.
#[derive(Debug)]
pub enum Entry {
    /// It may go on.
    Through(Passage),
    /// It is to be refused so, in the server's dialect.
    Refused(Refusal),
    /// The connection is to be closed without an answer.
    Cut(ConnectionCut),
}

/// A scripted refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The provider's name of the error.
    pub code: &'static str,
    /// `Retry-After`, seconds.
    pub retry_after_seconds: Option<u32>,
}

impl Door {
    /// A new door into a world.
    pub fn new(world: Arc<World>) -> Self {
        Self { world, counters: Arc::default(), caller: Arc::default() }
    }

    /// The same door, for a request of somebody who is known.
    pub fn opened_by(&self, caller: Caller) -> Self {
        Self { caller: Arc::new(caller), ..self.clone() }
    }

    /// The world behind it.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Counts of what passed this door.
    pub fn requests(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Counts body bytes that a server received.
    pub fn count_received(&self, bytes: u64) {
        self.counters.receive(bytes);
        self.world.requests().receive(bytes);
    }

    /// Counts a request and lets its scripted faults strike. Returns late under [`Action::Delay`] and never under [`Action::Stall`].
    pub async fn enter(&self, op: Op, bucket: &str, key: &[u8]) -> Entry {
        for counters in [&self.counters, self.world.requests()] {
            counters.count(op, bucket, key, &self.caller);
        }
        let actions = self.world.faults().strike(op, bucket, key);
        for action in &actions {
            match action {
                Action::Delay(time) => tokio::time::sleep(*time).await,
                Action::Stall => std::future::pending().await,
                Action::ResetBefore => return Entry::Cut(ConnectionCut),
                Action::Status { status, code, retry_after_seconds } => {
                    return Entry::Refused(Refusal { status: *status, code, retry_after_seconds: *retry_after_seconds });
                }
                Action::Vanish => self.world.vanish(bucket, key),
                Action::OverwriteBefore(content) => self.overwrite(bucket, key, content),
                Action::ExpireUpload => drop(self.world.expire_uploads_of(bucket, key)),
                _ => {}
            }
        }
        Entry::Through(Passage { door: self.clone(), op, actions: actions.into(), bucket: bucket.into(), key: key.into() })
    }

    /// Counts the bytes of an answer that never got inside, such as a refusal.
    pub fn answer<B: http_body::Body>(&self, response: Response<B>) -> Response<DoorBody<B>> {
        response.map(|body| DoorBody::new(body, &[], self.clone()))
    }

    fn overwrite(&self, bucket: &str, key: &[u8], content: &Content) {
        let written = self.world.put(bucket, key, NewObject::of(content.clone()), &Conditions::NONE);
        if let Err(error) = written {
            tracing::warn!(bucket, %error, "a scripted overwrite had no effect");
        }
    }
}

/// A request that is inside. Cheap to clone; faults of the answer strike when it [leaves](Passage::leave).
#[derive(Clone, Debug)]
pub struct Passage {
    door: Door,
    op: Op,
    actions: Arc<[Action]>,
    bucket: Arc<str>,
    key: Arc<[u8]>,
}

impl Passage {
    /// Whether a range is to be ignored, by fault or because this world never honours one.
    pub fn ignores_range(&self) -> bool {
        !self.door.world.honours().range || self.has(|action| matches!(action, Action::IgnoreRange))
    }

    /// The body of a write begins to arrive; of a part, with the upload's id and its number.
    pub fn receiving(&self, part: Option<(&str, u32)>) -> Receiving {
        Receiving::new(self.clone(), part.map(|(upload, number)| (upload.to_owned(), number)))
    }

    /// How many of the bucket's latest changes a listing is not to know of.
    pub fn behind(&self) -> usize {
        let behind = self.actions.iter().map(|action| if let Action::StaleList { behind } = action { *behind } else { 0 });
        behind.max().unwrap_or_default()
    }

    /// Whether the answer is to be 200 with an error in the body, without effect.
    pub fn answers_error_in_200(&self) -> bool {
        self.has(|action| matches!(action, Action::ErrorIn200))
    }

    /// The conditions to apply: those of the request, or none where the fault says so.
    pub fn conditions(&self, conditions: Conditions) -> Conditions {
        if self.has(|action| matches!(action, Action::IgnoreConditions)) { Conditions::NONE } else { conditions }
    }

    /// The content to store: what arrived, or that with a bit flipped under the same digests.
    pub fn stored(&self, content: Content) -> Content {
        self.actions.iter().fold(content, |content, action| match action {
            Action::FlipStored { bit } => match content.body().with_flipped_bit(*bit) {
                Ok(body) => content.with_body(body),
                Err(_) => content,
            },
            _ => content,
        })
    }

    /// Spoils what a complete, a compose or a copy has just stored under `key`, where the fault says so.
    pub fn spoil_stored(&self, bucket: &str, key: &[u8]) {
        for action in self.actions.iter() {
            if let Action::FlipStored { bit } = action
                && let Err(error) = self.door.world.flip_stored_bit(bucket, key, *bit)
            {
                tracing::warn!(bucket, %error, "a scripted corruption had no effect");
            }
        }
    }

    /// Lets the faults of the answer strike and counts its bytes.
    ///
    /// # Errors
    /// [`ConnectionCut`]: the server must close the connection without an answer.
    pub fn leave<B: http_body::Body>(&self, response: Response<B>) -> Result<Response<DoorBody<B>>, ConnectionCut> {
        self.acknowledge()?;
        Ok(response.map(|body| DoorBody::new(body, &self.actions, self.door.clone())))
    }

    /// As [`Passage::leave`], for an answer without a body.
    ///
    /// # Errors
    /// [`ConnectionCut`]: the effect is there, its acknowledgement is lost.
    pub fn acknowledge(&self) -> Result<(), ConnectionCut> {
        for action in self.actions.iter() {
            match action {
                Action::OverwriteAfter(content) => self.door.overwrite(&self.bucket, &self.key, content),
                Action::ResetAfter => return Err(ConnectionCut),
                _ => {}
            }
        }
        Ok(())
    }

    fn has(&self, wanted: impl Fn(&Action) -> bool) -> bool {
        self.actions.iter().any(wanted)
    }
}
