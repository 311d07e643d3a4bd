//! Idle connections, newest first.
//!
//! The newest is the warmest and the least likely to be closed by the other side. What stays unused for the idle timeout
//! is closed by a sweeper that lives only while something is idle, so a quiet process holds no sockets.
//!
//! This stands in place of hyper-util's client, which hides the connection under a request: the stall clock needs its
//! meter, and "nothing was sent" must be certain. It also spares a task per request, and connections begun in a race with
//! an idle one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::endpoint::Endpoint;
use crate::link::Link;
use crate::peers::{Peers, Verdict};
use crate::resolve::Names;

pub(crate) struct Pool {
    idle: Mutex<IdleLinks>,
    idle_timeout: Duration,
    idle_per_host_max: usize,
    peers: Peers,
    names: Arc<Names>,
}

#[derive(Default)]
struct IdleLinks {
    /// Oldest in front.
    by_endpoint: HashMap<Endpoint, VecDeque<Idle>>,
    sweeper: Sweeper,
}

#[derive(Default, PartialEq, Eq)]
enum Sweeper {
    #[default]
    Absent,
    Running,
}

struct Idle {
    link: Link,
    since: Instant,
}

impl Pool {
    pub(crate) fn new(idle_timeout: Duration, idle_per_host_max: usize, names: Arc<Names>) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::default(), idle_timeout, idle_per_host_max, peers: Peers::default(), names })
    }

    /// The connection that became idle last, if it is still good.
    pub(crate) fn take(&self, endpoint: &Endpoint) -> Option<Link> {
        let mut idle = self.idle.lock();
        let links = idle.by_endpoint.get_mut(endpoint)?;
        while let Some(mut candidate) = links.pop_back() {
            if candidate.since.elapsed() < self.idle_timeout && !candidate.link.is_closed() {
                return Some(candidate.link);
            }
        }
        None
    }

    /// Keeps a connection whose exchange has ended cleanly, unless it is far slower than its peers: then it is closed, and the
    /// next one goes to another address.
    pub(crate) fn put(self: &Arc<Self>, endpoint: &Endpoint, mut link: Link) {
        if let Verdict::Retire { rate, median } = link.judged_by(&self.peers, endpoint) {
            let address = link.address();
            tracing::info!(%endpoint, ?address, rate, median, "a connection far slower than its peers is replaced (bytes a second)");
            if let Some(address) = address {
                self.names.shun(address);
            }
            return;
        }
        if link.is_closed() || self.idle_per_host_max == 0 {
            return;
        }
        let mut idle = self.idle.lock();
        let links = idle.by_endpoint.entry(endpoint.clone()).or_default();
        if links.len() >= self.idle_per_host_max {
            links.pop_front();
        }
        links.push_back(Idle { link, since: Instant::now() });
        // A body can be read to its end outside of the runtime; then the next exchange finds what has expired.
        if idle.sweeper == Sweeper::Absent
            && let Ok(runtime) = Handle::try_current()
        {
            idle.sweeper = Sweeper::Running;
            runtime.spawn(sweep(Arc::downgrade(self), self.idle_timeout));
        }
    }

    /// Closes what has expired; says whether the sweeper is still needed.
    fn close_expired(&self) -> Sweeper {
        let mut idle = self.idle.lock();
        for links in idle.by_endpoint.values_mut() {
            while links.front_mut().is_some_and(|oldest| oldest.since.elapsed() >= self.idle_timeout || oldest.link.is_closed()) {
                links.pop_front();
            }
        }
        idle.by_endpoint.retain(|_, links| !links.is_empty());
        if idle.by_endpoint.is_empty() {
            idle.sweeper = Sweeper::Absent;
            return Sweeper::Absent;
        }
        Sweeper::Running
    }
}

async fn sweep(pool: Weak<Pool>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(pool) = pool.upgrade() else { return };
        if pool.close_expired() == Sweeper::Absent {
            return;
        }
    }
}
