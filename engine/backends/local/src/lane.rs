//! The disk lane: threads that block so that nobody else has to.
//!
//! A job is a closure sent over a bounded `crossbeam` channel; its answer comes back through a one-shot channel. There are
//! never more jobs than the channel has room for, because each holds a permit until it ends: sending never blocks an async
//! thread. A job whose caller has gone is not begun, and a long one asks from time to time whether it is still wanted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use brigade_core::ErrorKind;
use brigade_store::{Result, StoreError};
use crossbeam::channel::{Sender, bounded};
use tokio::sync::{Semaphore, oneshot};

use crate::limits::{DISK_JOBS_MAX, DISK_THREADS};

type Job = Box<dyn FnOnce() + Send>;

/// Whether somebody still waits for the job's answer.
pub(crate) type Wanted<'a> = &'a dyn Fn() -> bool;

/// The threads and the way to them. They end when the lane is dropped and its last job is done.
pub(crate) struct Lane {
    queue: Sender<Job>,
    room: Arc<Semaphore>,
}

impl Lane {
    /// Starts the threads.
    pub(crate) fn start() -> Result<Self> {
        let (queue, jobs) = bounded::<Job>(DISK_JOBS_MAX);
        for number in 0..DISK_THREADS {
            let jobs = jobs.clone();
            std::thread::Builder::new()
                .name(format!("disk-{number}"))
                .spawn(move || jobs.iter().for_each(|job| job()))
                .map_err(|error| StoreError::new(ErrorKind::Internal, format!("no thread for the disk can be started: {error}")))?;
        }
        Ok(Self { queue, room: Arc::new(Semaphore::new(DISK_JOBS_MAX)) })
    }

    /// Runs a job on one of the threads and waits for its answer. Dropping the future ends a job that has not begun, and asks
    /// one that has to stop.
    pub(crate) async fn run<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Wanted<'_>) -> Result<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.room).acquire_owned().await.expect("the semaphore is never closed");
        let (answer, waiting) = oneshot::channel();
        let job: Job = Box::new(move || {
            let _permit = permit;
            if answer.is_closed() {
                return;
            }
            let result = catch_unwind(AssertUnwindSafe(|| job(&|| !answer.is_closed())));
            // Nobody waits any more: the answer has no reader, and what the job did is found by the next listing.
            let _ = answer.send(result.unwrap_or_else(|_| Err(internal("a job on the disk lane panicked"))));
        });
        self.queue.send(job).map_err(|_| internal("the disk lane has no thread left"))?;
        waiting.await.unwrap_or_else(|_| Err(internal("a job on the disk lane gave no answer")))
    }
}

fn internal(message: &str) -> StoreError {
    StoreError::new(ErrorKind::Internal, message)
}

/// The error of a job that nobody waits for.
pub(crate) fn unwanted() -> StoreError {
    StoreError::new(ErrorKind::Cancelled, "nobody waits for this any more")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_lane_lives_on() {
        let lane = Lane::start().expect("threads start");
        for _ in 0..2 * DISK_THREADS {
            let error = lane.run::<(), _>(|_| panic!("on purpose")).await.expect_err("panicked");
            assert_eq!(error.kind, ErrorKind::Internal);
        }
        assert!(lane.run(|wanted| Ok(wanted())).await.expect("runs"));
    }

    #[tokio::test]
    async fn more_jobs_than_room_all_run() {
        let lane = Arc::new(Lane::start().expect("threads start"));
        let mut jobs = tokio::task::JoinSet::new();
        for number in 0..4 * DISK_JOBS_MAX {
            let lane = Arc::clone(&lane);
            jobs.spawn(async move { lane.run(move |_| Ok(number)).await.expect("runs") });
        }
        let mut seen = jobs.join_all().await;
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..4 * DISK_JOBS_MAX));
    }

    #[tokio::test]
    async fn a_job_learns_that_nobody_waits_for_it() {
        let lane = Lane::start().expect("threads start");
        let (begun, noticed) = (Arc::new(tokio::sync::Notify::new()), Arc::new(AtomicBool::new(false)));
        let waiting = {
            let (begun, noticed) = (Arc::clone(&begun), Arc::clone(&noticed));
            lane.run(move |wanted| {
                begun.notify_one();
                while wanted() {
                    std::thread::yield_now();
                }
                noticed.store(true, Ordering::SeqCst);
                Ok(())
            })
        };
        tokio::select! {
            _ = waiting => panic!("the job ends only when it is unwanted"),
            () = begun.notified() => {}
        }
        tokio::time::timeout(std::time::Duration::from_secs(30), async {
            while !noticed.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the job notices");
    }
}
