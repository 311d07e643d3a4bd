//! The one HTTP server: the status page, probes, metrics, what is known as JSON, and a few wishes.
//!
//! It reads the board and never the loop's own state, so nothing that a stranger sends can hold up a run. Everything that comes in has a
//! limit: connections, the head of a request, the time that both take. Bodies are not read at all, for no request needs one. A
//! connection carries one request, so a slow one costs a place and nothing else.
//!
//! Whoever reaches the address may look. Whoever knows the token may pause, resume and start jobs; without a configured token nobody may.

mod body;
mod findings;
mod json;
mod page;
mod routes;
mod runs;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use token::Token;

use crate::board::Wall;
use crate::clock::Clock;
use crate::daemon::Command;
use crate::limits::{CONNECTION_TIME, CONNECTIONS_MAX, FAREWELL_TIME, HEAD_BYTES_MAX, HEAD_TIME, HEADERS_MAX};

/// A pause after a connection that could not be accepted: the process is out of descriptors, and others give theirs back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who may look, and who may do more.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Where the server listens; port 0 picks one.
    pub listen: SocketAddr,
    /// What somebody must know to do more than look; nobody may where there is none.
    pub token: Option<Token>,
}

/// An address that strangers can reach, without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} can be reached by other machines, and there is no token")]
pub struct OpenToStrangers(pub SocketAddr);

impl HttpOptions {
    /// Refuses to listen where other machines can reach it, unless there is a token.
    pub(crate) fn refuse_strangers(&self) -> Result<(), OpenToStrangers> {
        let is_safe = self.listen.ip().is_loopback() || self.token.is_some();
        if is_safe { Ok(()) } else { Err(OpenToStrangers(self.listen)) }
    }
}

/// What the server shows, and where wishes go.
pub(crate) struct Site {
    pub(crate) wall: Arc<Wall>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) state_dir: PathBuf,
    pub(crate) token: Option<Token>,
    pub(crate) runs: runs::RunsKept,
}

/// Serves until the farewell; answers under way then have a moment to end.
pub(crate) async fn serve(listener: TcpListener, site: Arc<Site>, farewell: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = farewell.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                // A connection for which there is no place is closed: whoever holds the places gives them back within their time.
                Ok((stream, _)) => if let Ok(place) = places.clone().try_acquire_owned() {
                    let site = site.clone();
                    connections.spawn(async move {
                        connection(stream, site).await;
                        drop(place);
                    });
                },
                Err(error) => {
                    tracing::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(FAREWELL_TIME, all).await;
}

async fn connection(stream: TcpStream, site: Arc<Site>) {
    let answer = service_fn(move |request| {
        let site = site.clone();
        async move { Ok::<_, std::convert::Infallible>(routes::answer(request, &site).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    match tokio::time::timeout(CONNECTION_TIME, connection).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!("a connection ended early: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_reach_it_with_a_token_only() {
        let options = |listen: &str, token| HttpOptions { listen: listen.parse().expect("an address"), token };
        for local in ["127.0.0.1:0", "[::1]:9464", "127.8.8.8:1"] {
            assert_eq!(options(local, None).refuse_strangers(), Ok(()), "{local}");
        }
        for open in ["0.0.0.0:9464", "[::]:9464", "192.168.1.1:9464", "[::ffff:10.0.0.1]:1"] {
            assert!(options(open, None).refuse_strangers().is_err(), "{open}");
            assert_eq!(options(open, Token::new("0123456789abcdef").ok()).refuse_strangers(), Ok(()), "{open}");
        }
    }
}
