//! Names to addresses, and whose turn it is.
//!
//! A large store answers one name with many addresses, each with its own capacity. Every new connection starts at the
//! next address, so a transfer spreads over all of them; a failing one only costs the fall to its neighbour.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::error::{Kind, TransportError};
use crate::limits::{RESOLVED_FRESH, RESOLVED_NAMES_MAX, RESOLVED_STALE_MAX, SHUNNED_TIME};

/// The answer of a resolver, to come.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// Turns a host name into addresses.
pub trait Resolve: Send + Sync + fmt::Debug {
    /// All addresses of `host`, with the port to connect to.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// What is known of the names in use. One lookup per name runs at a time; the others wait for its answer.
#[derive(Debug)]
pub(crate) struct Names {
    resolver: Arc<dyn Resolve>,
    known: Mutex<HashMap<(String, u16), Entry>>,
    /// Addresses on which a connection was slow, and since when.
    shunned: Mutex<HashMap<SocketAddr, Instant>>,
}

/// Held locked while its name is looked up.
type Entry = Arc<tokio::sync::Mutex<Known>>;

#[derive(Debug, Default)]
struct Known {
    addresses: Vec<SocketAddr>,
    resolved_at: Option<Instant>,
    turn: usize,
}

impl Names {
    pub(crate) fn new(resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, known: Mutex::default(), shunned: Mutex::default() }
    }

    /// For some time new connections take this address only where no other answers.
    pub(crate) fn shun(&self, address: SocketAddr) {
        let mut shunned = self.shunned.lock();
        shunned.retain(|_, since| since.elapsed() < SHUNNED_TIME);
        shunned.insert(address, Instant::now());
    }

    /// All addresses of the endpoint, beginning with the one whose turn it is; those that are shunned come last.
    pub(crate) async fn addresses(&self, endpoint: &Endpoint) -> Result<Vec<SocketAddr>, TransportError> {
        if let Some(ip) = endpoint.ip() {
            return Ok(vec![SocketAddr::new(ip, endpoint.port)]);
        }
        let entry = self.entry(endpoint);
        let mut known = entry.lock().await;
        let age = known.resolved_at.map(|at| at.elapsed());
        if age.is_none_or(|age| age > RESOLVED_FRESH) {
            match self.resolver.resolve(&endpoint.host, endpoint.port).await {
                Ok(addresses) if !addresses.is_empty() => {
                    known.addresses = addresses;
                    known.resolved_at = Some(Instant::now());
                }
                failed => {
                    if age.is_none_or(|age| age > RESOLVED_STALE_MAX) {
                        let error = TransportError::new(Kind::Dns, format!("the name {} does not resolve", endpoint.host));
                        return Err(match failed {
                            Ok(_) => error,
                            Err(source) => error.with_source(source),
                        });
                    }
                    tracing::debug!(host = %endpoint.host, "the resolver failed; the last known addresses serve on");
                }
            }
        }
        let start = known.turn % known.addresses.len();
        known.turn = start + 1;
        let (before, after) = known.addresses.split_at(start);
        let mut addresses = [after, before].concat();
        let shunned = self.shunned.lock();
        addresses.sort_by_key(|address| shunned.get(address).is_some_and(|since| since.elapsed() < SHUNNED_TIME));
        Ok(addresses)
    }

    fn entry(&self, endpoint: &Endpoint) -> Entry {
        let mut known = self.known.lock();
        if known.len() >= RESOLVED_NAMES_MAX {
            known.clear();
        }
        Arc::clone(known.entry((endpoint.host.clone(), endpoint.port)).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[derive(Debug, Default)]
    struct Script {
        asked: AtomicUsize,
        good_answers: usize,
    }

    impl Resolve for Script {
        fn resolve<'a>(&'a self, _host: &'a str, port: u16) -> Resolving<'a> {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed);
            let good = asked < self.good_answers;
            Box::pin(async move {
                if good { Ok((1..=3).map(|n| SocketAddr::from(([10, 0, 0, n], port))).collect()) } else { Err(io::Error::other("down")) }
            })
        }
    }

    fn endpoint() -> Endpoint {
        Endpoint::of(&http::Uri::from_static("http://bucket.example:80/")).expect("an endpoint")
    }

    #[tokio::test(start_paused = true)]
    async fn every_connection_starts_at_the_next_address_and_sees_them_all() {
        let names = Names::new(Arc::new(Script { good_answers: 1, ..Script::default() }));
        let mut firsts = Vec::new();
        for _ in 0..4 {
            let addresses = names.addresses(&endpoint()).await.expect("resolves");
            assert_eq!(addresses.len(), 3);
            firsts.push(addresses[0].ip().to_string());
        }
        assert_eq!(firsts, ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shunned_address_comes_last_for_a_while_and_stays_a_way_out() {
        let names = Names::new(Arc::new(Script { good_answers: usize::MAX, ..Script::default() }));
        let slow = SocketAddr::from(([10, 0, 0, 2], 80));
        names.shun(slow);
        for _ in 0..4 {
            let addresses = names.addresses(&endpoint()).await.expect("resolves");
            assert_eq!((addresses.len(), addresses.last()), (3, Some(&slow)));
        }
        tokio::time::advance(SHUNNED_TIME).await;
        let mut firsts = Vec::new();
        for _ in 0..3 {
            firsts.push(names.addresses(&endpoint()).await.expect("resolves")[0]);
        }
        assert!(firsts.contains(&slow), "{firsts:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_resolver_is_bridged_for_a_while_and_then_named() {
        let script = Arc::new(Script { good_answers: 1, ..Script::default() });
        let resolver: Arc<dyn Resolve> = Arc::<Script>::clone(&script);
        let names = Names::new(resolver);
        names.addresses(&endpoint()).await.expect("resolves");
        tokio::time::advance(RESOLVED_FRESH + Duration::from_secs(1)).await;
        names.addresses(&endpoint()).await.expect("still served from what is known");
        assert_eq!(script.asked.load(Ordering::Relaxed), 2);
        tokio::time::advance(RESOLVED_STALE_MAX).await;
        let error = names.addresses(&endpoint()).await.expect_err("too old");
        assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Dns, "the name bucket.example does not resolve"));
    }
}
