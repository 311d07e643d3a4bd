//! Permits: what every single request pays before it is sent and after it has ended.

use brigade_core::limiter::{AtOnce, Class, End};
use brigade_store::layers::limit::{Limiter, Limits};
use criterion::{Criterion, Throughput};
use tokio::runtime::Builder;

/// Requests of each measurement.
const REQUESTS: u64 = 1_000;

/// Requests of each measurement where a rate is kept.
const PACED_REQUESTS: u64 = 100;

/// Tasks that compete for permits.
const TASKS: u64 = 16;

/// Permits at once where tasks compete.
const CONTENDED_PERMITS: usize = 4;

/// Permits that are free, and permits that must be waited for.
pub(crate) fn permits(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime without sockets starts");
    let mut group = criterion.benchmark_group("limiter");
    group.throughput(Throughput::Elements(REQUESTS));
    for (name, at_once) in [("1,000 free permits", AtOnce::Fixed(64)), ("1,000 free permits of a limit that is learned", AtOnce::Auto)] {
        let free = Limiter::new(Limits::at_once(at_once));
        group.bench_function(name, |bencher| {
            bencher.iter(|| runtime.block_on(requests(&free, REQUESTS)));
        });
    }
    let contended = std::sync::Arc::new(Limiter::new(Limits::at_once(AtOnce::Fixed(CONTENDED_PERMITS))));
    group.throughput(Throughput::Elements(REQUESTS / TASKS * TASKS));
    group.bench_function("992 permits for 16 tasks, 4 at once", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let tasks = (0..TASKS).map(|_| {
                    let limiter = contended.clone();
                    tokio::spawn(async move { requests(&limiter, REQUESTS / TASKS).await })
                });
                for task in tasks.collect::<Vec<_>>() {
                    task.await.expect("no task panics");
                }
            });
        });
    });
    let paced = Limiter::new(Limits { requests_per_second: Some(1e12), ..Limits::at_once(AtOnce::Fixed(64)) });
    group.throughput(Throughput::Elements(PACED_REQUESTS)).sample_size(10);
    group.bench_function("100 free permits with a rate that never waits", |bencher| {
        bencher.iter(|| runtime.block_on(requests(&paced, PACED_REQUESTS)));
    });
    group.finish();
}

/// Takes permits one after the other and gives other tasks a turn while it holds each.
async fn requests(limiter: &Limiter, count: u64) {
    for _ in 0..count {
        let permit = limiter.acquire(Class::Read, 8 * 1024).await;
        tokio::task::yield_now().await;
        permit.end(End::Good(8 * 1024));
    }
}
