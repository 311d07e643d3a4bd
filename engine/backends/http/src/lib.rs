//! The one transport that every HTTP backend shares: hyper over rustls, HTTP/1.1 only, many connections.
//!
//! It moves requests and responses and says precisely how they failed. It owns names, addresses, proxies, certificates,
//! the pool and the stall clock, so that no backend has a timer or a socket of its own. It never repeats a request that
//! may have reached a server (attempts belong to the engine), never changes a byte of a URI or a body, and never puts a
//! query string, a header value or a proxy password into an error or a log line.

mod body;
mod connect;
mod endpoint;
mod error;
pub mod limits;
mod link;
mod meter;
mod options;
mod paced;
mod peers;
mod pool;
mod proxy;
mod resolve;
mod response;
pub mod retry_after;
mod stall;
mod stream;
mod tls;
mod transport;
pub mod uri;

pub use body::Body;
pub use error::{Kind, TransportError};
pub use options::{ProxyOptions, SystemRoots, TransportOptions};
pub use resolve::{Resolve, Resolving, SystemResolver};
pub use response::{BodyStream, Response, ResponseBody};
pub use stall::StallTimeout;
pub use transport::Transport;
