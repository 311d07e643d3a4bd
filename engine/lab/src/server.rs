//! The small HTTP server that both embedded clouds run on: loopback only, one task per connection, Nagle off, stopped by itself.

use bytes::Bytes;
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

/// Metadata of an object travels as one header per name, and a client may send several KiB of names of one letter.
const HEADERS_MAX: usize = 1024;

/// A wait before accepting again when the process is out of file descriptors.
const ACCEPT_RETRY_TIME: Duration = Duration::from_millis(10);

/// A listening server. Dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    open: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens on 127.0.0.1; port 0 takes a free one. Every connection is served by a clone of `service`; when it or a body
    /// fails, the connection is closed without further words.
    ///
    /// # Errors
    /// Those of binding the port.
    pub async fn start<S, B>(port: u16, service: S) -> io::Result<Self>
    where
        S: HttpService<Incoming, ResBody = B> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let open = Arc::<AtomicUsize>::default();
        let task = tokio::spawn(accept(listener, service, stopped, Arc::clone(&open)));
        Ok(Self { address, open, stop: Some(stop), task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that are open now. When a client died, none of them is left once its last request has had its effect or was dropped.
    pub fn connections(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// `http://127.0.0.1:PORT`, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes the listener and every connection, and waits until that is done.
    pub async fn stop(mut self) {
        self.stop.take();
        if let Err(error) = (&mut self.task).await {
            tracing::warn!(%error, "an embedded server ended badly");
        }
    }
}

/// Counts as long as it lives.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn accept<S, B>(listener: TcpListener, service: S, mut stopped: oneshot::Receiver<()>, open: Arc<AtomicUsize>)
where
    S: HttpService<Incoming, ResBody = B> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Resolves when the handle is dropped or told to stop; the set then aborts what it holds.
            _ = &mut stopped => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(ACCEPT_RETRY_TIME).await;
                    continue;
                };
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "no TCP_NODELAY");
                }
                let service = service.clone();
                let counted = Counted::new(&open);
                connections.spawn(async move {
                    let _counted = counted;
                    // Connections end in errors whenever a client leaves or a fault cuts them.
                    if let Err(error) = http1::Builder::new().max_headers(HEADERS_MAX).serve_connection(TokioIo::new(stream), service).await {
                        tracing::debug!(%error, "a connection ended");
                    }
                });
            }
        }
    }
}
