//! A new connection: name, TCP, proxy, TLS, all within one deadline.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Uri;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::endpoint::{Endpoint, Scheme};
use crate::error::{Kind, TransportError};
use crate::limits::CONNECT_SHARE;
use crate::meter::Meter;
use crate::options::TransportOptions;
use crate::proxy::{Proxies, TargetForm, tunnel};
use crate::resolve::Names;
use crate::stream::{Hop, Layer, Metered, Stream};
use crate::tls::TlsClient;

pub(crate) struct Connector {
    names: Arc<Names>,
    proxies: Proxies,
    tls: TlsClient,
    timeout: Duration,
    opened: AtomicU64,
}

/// A stream to an endpoint that is ready for HTTP.
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) meter: Arc<Meter>,
    pub(crate) form: TargetForm,
    /// The server's address; `None` through a proxy, which chooses it itself.
    pub(crate) address: Option<SocketAddr>,
}

impl Connector {
    pub(crate) fn new(options: &TransportOptions) -> Result<Self, TransportError> {
        Ok(Self {
            names: Arc::new(Names::new(Arc::clone(&options.resolver))),
            proxies: Proxies::new(&options.proxy)?,
            tls: TlsClient::new(options)?,
            timeout: options.connect_timeout,
            opened: AtomicU64::new(0),
        })
    }

    /// The names in use.
    pub(crate) fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names)
    }

    /// TCP connections made so far.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    pub(crate) async fn connect(&self, endpoint: &Endpoint, uri: &Uri) -> Result<Connection, TransportError> {
        let deadline = Instant::now() + self.timeout;
        let Some(proxy) = self.proxies.serving(endpoint, uri)? else {
            let (tcp, meter, address) = self.tcp(endpoint, deadline).await?;
            let hop = match endpoint.scheme {
                Scheme::Http => Layer::Plain(tcp),
                Scheme::Https => Layer::Tls(self.within(deadline, Kind::Tls, endpoint, self.tls.handshake(tcp, endpoint)).await?),
            };
            return Ok(Connection { stream: Layer::Plain(hop), meter, form: TargetForm::Origin, address: Some(address) });
        };
        let (hop, meter) = self.proxy_hop(&proxy.endpoint, deadline).await?;
        let form = TargetForm::through(&proxy, endpoint);
        let stream = match endpoint.scheme {
            Scheme::Http => Layer::Plain(hop),
            Scheme::Https => {
                let through = self.within(deadline, Kind::Proxy, endpoint, tunnel(hop, &proxy, endpoint)).await?;
                Layer::Tls(self.within(deadline, Kind::Tls, endpoint, self.tls.handshake(through, endpoint)).await?)
            }
        };
        Ok(Connection { stream, meter, form, address: None })
    }

    async fn proxy_hop(&self, proxy: &Endpoint, deadline: Instant) -> Result<(Hop, Arc<Meter>), TransportError> {
        let reached = async {
            let (tcp, meter, _) = self.tcp(proxy, deadline).await?;
            let hop = match proxy.scheme {
                Scheme::Http => Layer::Plain(tcp),
                Scheme::Https => Layer::Tls(self.within(deadline, Kind::Tls, proxy, self.tls.handshake(tcp, proxy)).await?),
            };
            Ok((hop, meter))
        };
        reached.await.map_err(|error: TransportError| {
            TransportError::new(Kind::Proxy, format!("the proxy is out of reach: {error}")).with_source(error)
        })
    }

    /// Tries every address, beginning with the one whose turn it is, until one answers or the time is used up.
    async fn tcp(&self, endpoint: &Endpoint, deadline: Instant) -> Result<(Metered, Arc<Meter>, SocketAddr), TransportError> {
        let addresses = self.within(deadline, Kind::Dns, endpoint, self.names.addresses(endpoint)).await?;
        let mut last = None;
        for (index, address) in addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let waiting = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
            let share = left / waiting.min(CONNECT_SHARE);
            match open(*address, share).await {
                Ok(tcp) => {
                    self.opened.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(%endpoint, %address, "connection opened");
                    let meter = Arc::new(Meter::new());
                    return Ok((Metered::new(tcp, Arc::clone(&meter)), meter, *address));
                }
                Err(error) => {
                    tracing::debug!(%endpoint, %address, error = %error.kind(), "address does not answer");
                    last = Some((address, error));
                }
            }
        }
        let (address, error) = last.expect("a resolved name has at least one address");
        let others = addresses.len() - 1;
        let message = match others {
            0 => format!("cannot connect to {endpoint}: {}", error.kind()),
            _ => format!("cannot connect to {endpoint}: {} at {address}, and nothing better at {others} other addresses", error.kind()),
        };
        Err(TransportError::new(Kind::Connect, message).with_source(error))
    }

    async fn within<T>(
        &self,
        deadline: Instant,
        kind: Kind,
        endpoint: &Endpoint,
        step: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, TransportError> {
        let Ok(done) = timeout_at(deadline, step).await else {
            let what = match kind {
                Kind::Dns => "resolving the name of",
                Kind::Proxy => "opening a tunnel to",
                _ => "the TLS handshake with",
            };
            return Err(TransportError::new(kind, format!("{what} {endpoint} took longer than {:?}", self.timeout)));
        };
        done
    }
}

async fn open(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let tcp = tokio::time::timeout(limit, TcpStream::connect(address)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    // A request is written whole; waiting for the acknowledgement of its first half costs 40 ms per small object.
    tcp.set_nodelay(true)?;
    Ok(tcp)
}
