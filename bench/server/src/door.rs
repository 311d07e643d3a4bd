//! How a port is spoken to: which dialect, and whether within TLS. Without the feature `tls` there is no acceptor at all.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;

use crate::options::{Options, PortSpec, Security};
use crate::service::{Dialect, Service};
use crate::wire::connection::serve;

#[cfg(feature = "tls")]
type Acceptor = tokio_rustls::TlsAcceptor;

#[cfg(not(feature = "tls"))]
#[derive(Clone)]
enum Acceptor {}

/// A way in for the connections of one port.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) dialect: Dialect,
    pub(crate) security: Security,
    tls: Option<Acceptor>,
}

/// Makes the doors of all ports. They share one certificate.
pub(crate) fn doors(options: &Options) -> io::Result<Vec<(Door, u16)>> {
    let tls = acceptor(options)?;
    let door = |spec: &PortSpec| {
        let tls = tls.clone().filter(|_| spec.security == Security::Tls);
        (Door { dialect: spec.dialect, security: spec.security, tls }, spec.port)
    };
    Ok(options.ports.iter().map(door).collect())
}

fn acceptor(options: &Options) -> io::Result<Option<Acceptor>> {
    if options.ports.iter().all(|port| port.security == Security::Plain) {
        return Ok(None);
    }
    #[cfg(feature = "tls")]
    return crate::tls::acceptor(options.tls_ca.as_deref()).map(Some);
    #[cfg(not(feature = "tls"))]
    return Err(io::Error::other("this binary was built without the feature `tls`"));
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("dialect", &self.dialect).field("security", &self.security).finish_non_exhaustive()
    }
}

impl Door {
    /// Serves one connection.
    pub(crate) async fn serve(self, stream: TcpStream, service: Arc<Service>) {
        match self.tls {
            None => serve(stream, service, self.dialect).await,
            #[cfg(feature = "tls")]
            Some(acceptor) => {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, service, self.dialect).await;
                }
            }
            #[cfg(not(feature = "tls"))]
            Some(never) => match never {},
        }
    }
}
