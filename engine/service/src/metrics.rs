//! `/metrics`: one table of what there is, and a page that is made anew for each scrape.
//!
//! A page is made from the board and from nothing else. So a job that is gone leaves no series behind, an age is as old as it is now,
//! and the number of series is bounded by the jobs of the configuration, two sides, four classes and the kinds of errors: no key, no
//! bucket and no message ever becomes a label.

mod page;
mod reference;
mod table;
#[cfg(test)]
mod tests;

use brigade_core::limiter::Class;
use brigade_core::recovery::{Lag, Level};
use jiff::Timestamp;

pub use reference::reference;

use crate::board::{Board, JobStatus, OUTCOMES, outcome_word};
use crate::live::{BYTES, OBJECTS, SIDES};
use crate::webhook::{Counts, Deliveries};
use page::Page;

/// The page of a board, in the text format of Prometheus.
pub(crate) fn render(board: &Board, now: Timestamp) -> String {
    let page = Page::new();
    page.gauge(&table::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
    page.gauge(&table::LOADED, &[], seconds_of(board.loaded));
    page.gauge(&table::NOT_LOADED, &[], flag(board.not_loaded.is_some()));
    page.gauge(&table::NOT_REMEMBERED, &[], flag(board.not_remembered.is_some()));
    notifications(&page, &board.deliveries);
    for (name, status) in &board.jobs {
        let job = board.job(name);
        let tenant = job.and_then(|job| job.tenant.as_deref());
        let labels = tenant.and_then(|tenant| board.config.tenants.get(tenant)).map(|tenant| &tenant.labels);
        let class = job.and_then(|job| job.class.as_deref());
        page.job_info(name, tenant.unwrap_or_default(), class.unwrap_or_default(), labels.into_iter().flatten());
        age(&page, name, status, now);
        runs(&page, name, status);
        sums(&page, name, status);
        limits(&page, name, status);
    }
    page.render()
}

fn notifications(page: &Page, deliveries: &Deliveries) {
    let Counts { delivered, given_up, dropped, failed_attempts } = deliveries.counts;
    for (outcome, count) in [("delivered", delivered), ("given_up", given_up), ("dropped", dropped)] {
        page.counter(&table::NOTIFICATIONS, &[outcome], count);
    }
    page.counter(&table::NOTIFICATION_FAILURES, &[], failed_attempts);
    page.gauge(&table::NOTIFICATIONS_PENDING, &[], approximate(u64::try_from(deliveries.pending.len()).unwrap_or(u64::MAX)));
}

fn age(page: &Page, job: &str, status: &JobStatus, now: Timestamp) {
    // An age that is not known has no number; that it is a breach is shown below.
    if let Lag::Known(age) = status.lag(now) {
        page.gauge(&table::LAG, &[job], age.as_secs_f64());
    }
    if let Some(through) = status.ledger.frontier.proven_through() {
        page.gauge(&table::FRONTIER, &[job], seconds_of(through));
    }
    if let (Some(point), Some(standing)) = (status.recovery_point, status.standing(now)) {
        page.gauge(&table::RECOVERY_POINT, &[job], point.as_secs_f64());
        page.gauge(&table::BREACHED, &[job], flag(standing.level == Level::Breached));
        page.gauge(&table::AT_RISK, &[job], flag(standing.level == Level::AtRisk));
    }
    let outstanding = status.ledger.frontier.outstanding().values().sum();
    page.gauge(&table::OUTSTANDING, &[job], approximate(outstanding));
}

fn runs(page: &Page, job: &str, status: &JobStatus) {
    for (outcome, count) in OUTCOMES.into_iter().zip(status.ended) {
        page.counter(&table::RUNS, &[job, outcome_word(outcome)], count);
    }
    if let Some(at) = status.last_success {
        page.gauge(&table::LAST_SUCCESS, &[job], seconds_of(at));
    }
    if let Some(last) = &status.ledger.last {
        page.gauge(&table::LAST_DURATION, &[job], last.began.duration_until(last.ended).as_secs_f64().max(0.0));
    }
    page.gauge(&table::RUNNING, &[job], flag(status.view.running.is_some()));
    page.gauge(&table::WAITING, &[job], flag(status.view.waiting.is_some()));
    page.gauge(&table::PAUSED, &[job], flag(status.view.is_paused));
    if let Some(next) = status.view.next {
        page.gauge(&table::NEXT, &[job], seconds_of(next));
    }
}

fn sums(page: &Page, job: &str, status: &JobStatus) {
    let totals = status.totals();
    for (what, count) in OBJECTS.into_iter().zip(totals.objects) {
        page.counter(&table::OBJECTS, &[job, what], count);
    }
    for (what, count) in BYTES.into_iter().zip(totals.bytes) {
        page.counter(&table::BYTES, &[job, what], count);
    }
    for ((side, classes), at) in SIDES.into_iter().zip(totals.requests).zip(0..) {
        for (class, count) in Class::ALL.into_iter().zip(classes) {
            page.counter(&table::REQUESTS, &[job, &side.to_string(), class.word()], count);
        }
        page.counter(&table::THROTTLED, &[job, &side.to_string()], totals.throttled(at));
    }
    for ((side, kind), count) in &totals.failures {
        page.counter(&table::REQUEST_FAILURES, &[job, &SIDES[*side].to_string(), kind], *count);
    }
}

fn limits(page: &Page, job: &str, status: &JobStatus) {
    for (side, state) in status.live.iter().flat_map(|live| live.limits()) {
        let (side, class) = (side.to_string(), state.class.word());
        let at_once = u64::try_from(state.at_once).unwrap_or(u64::MAX);
        page.gauge(&table::LIMIT, &[job, &side, class, state.reason.word()], approximate(at_once));
        if let Some(pace) = state.per_second {
            page.gauge(&table::PACE, &[job, &side, class], pace);
        }
    }
}

fn flag(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}

fn seconds_of(at: Timestamp) -> f64 {
    at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()
}

/// A count as the format has it: exact up to 2^53.
#[allow(clippy::as_conversions, reason = "the format knows floating point only, and rounding is what is wanted")]
fn approximate(count: u64) -> f64 {
    count as f64
}
