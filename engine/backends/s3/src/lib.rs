//! S3: the hot path on our own transport, control operations by the AWS SDK on the same transport.
//!
//! GET, HEAD, PUT, UploadPart, ListObjectsV2 and DeleteObjects are signed and parsed here, at a fraction of the SDK's cost;
//! where meaning matters more than time (credentials, endpoint rules, multipart control, tags) the SDK does it. The same hot
//! operations exist a second time on the SDK, behind one internal trait, as fallback and as oracle for tests.
//! What an endpoint honours is probed: nothing here believes an S3-compatible store by its word.

mod adapter;
mod clock;
mod connection;
mod control;
mod copy;
mod credentials;
mod endpoint;
mod errors;
mod headers;
mod hot;
mod options;
mod probe;
mod sign;
mod store;
mod wire;

pub use options::{Engine, PathStyle, PayloadSigning, S3Options, StaticCredentials};
pub use store::{S3Copier, S3Deleter, S3Store};
