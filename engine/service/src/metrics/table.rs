//! The one table of metrics: the page, `docs/METRICS.md` and the tests are made from it.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows while the process lives.
    Counter,
    /// It is as it is now.
    Gauge,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

const JOB: &[&str] = &["job"];

pub(super) const BUILD_INFO: Metric = gauge("brigade_build_info", &["version"], "Always 1, with the version of the engine");
pub(super) const LOADED: Metric =
    gauge("brigade_configuration_loaded_timestamp_seconds", &[], "When the configuration that counts was read");
pub(super) const NOT_LOADED: Metric =
    gauge("brigade_configuration_refused", &[], "1 while the last reading of the configuration was refused and the one before counts");
pub(super) const NOT_REMEMBERED: Metric =
    gauge("brigade_state_unwritable", &[], "1 while what must outlive the process cannot be written to the state directory");
pub(super) const NOTIFICATIONS: Metric =
    counter("brigade_notifications_total", &["outcome"], "Notifications that the receiver took, that were given up, or that made room");
pub(super) const NOTIFICATION_FAILURES: Metric =
    counter("brigade_notification_attempt_failures_total", &[], "Attempts to deliver a notification that failed");
pub(super) const NOTIFICATIONS_PENDING: Metric =
    gauge("brigade_notifications_pending", &[], "Notifications that the receiver has not taken yet");
pub(super) const JOB_INFO: Metric = gauge(
    "brigade_job_info",
    &["job", "tenant", "class"],
    "Always 1, with the tenant and the class of a job; the labels of the tenant stand beside as label_NAME",
);
pub(super) const LAG: Metric = gauge(
    "brigade_job_lag_seconds",
    JOB,
    "Age of the oldest source version that is not known to be proven at the target; none while it is not known, which is a breach",
);
pub(super) const FRONTIER: Metric =
    gauge("brigade_job_frontier_timestamp_seconds", JOB, "Everything that existed at the source then is proven at the target");
pub(super) const RECOVERY_POINT: Metric = gauge("brigade_job_recovery_point_seconds", JOB, "The oldest that the copy may be");
pub(super) const BREACHED: Metric = gauge("brigade_job_breached", JOB, "1 while the copy is older than it may be, or its age is not known");
pub(super) const AT_RISK: Metric =
    gauge("brigade_job_at_risk", JOB, "1 while the copy is young enough, and will not be before the next run can have ended");
pub(super) const OUTSTANDING: Metric =
    gauge("brigade_job_outstanding_objects", JOB, "Objects that failed or were skipped when the job ran last");
pub(super) const RUNS: Metric = counter("brigade_job_runs_total", &["job", "outcome"], "Runs that ended");
pub(super) const LAST_SUCCESS: Metric =
    gauge("brigade_job_last_success_timestamp_seconds", JOB, "When a run ended last in which everything was proven");
pub(super) const LAST_DURATION: Metric = gauge("brigade_job_last_duration_seconds", JOB, "How long the last run took");
pub(super) const RUNNING: Metric = gauge("brigade_job_running", JOB, "1 while the job runs");
pub(super) const WAITING: Metric = gauge("brigade_job_waiting", JOB, "1 while a run is due and has not begun");
pub(super) const PAUSED: Metric = gauge("brigade_job_paused", JOB, "1 while the schedule of the job rests");
pub(super) const NEXT: Metric = gauge("brigade_job_next_timestamp_seconds", JOB, "When the job is due next");
pub(super) const OBJECTS: Metric = counter("brigade_job_objects_total", &["job", "result"], "Objects by what happened to them");
pub(super) const BYTES: Metric =
    counter("brigade_job_bytes_total", &["job", "what"], "Body bytes read and written, with repeated ones, and bytes of copied objects");
pub(super) const REQUESTS: Metric = counter("brigade_job_requests_total", &["job", "side", "class"], "Attempts of requests that ended");
pub(super) const REQUEST_FAILURES: Metric =
    counter("brigade_job_request_failures_total", &["job", "side", "kind"], "Attempts of requests that failed");
pub(super) const THROTTLED: Metric = counter("brigade_job_throttled_total", &["job", "side"], "Answers that asked to slow down");
pub(super) const LIMIT: Metric =
    gauge("brigade_job_limit_requests", &["job", "side", "class", "reason"], "Requests at once that a running job may make, and why");
pub(super) const PACE: Metric =
    gauge("brigade_job_limit_requests_per_second", &["job", "side", "class"], "The pace that a running job keeps, where it keeps one");

/// All of them, in the order of the reference.
pub(super) const TABLE: &[Metric] = &[
    BUILD_INFO,
    LOADED,
    NOT_LOADED,
    NOT_REMEMBERED,
    NOTIFICATIONS,
    NOTIFICATION_FAILURES,
    NOTIFICATIONS_PENDING,
    JOB_INFO,
    LAG,
    FRONTIER,
    RECOVERY_POINT,
    BREACHED,
    AT_RISK,
    OUTSTANDING,
    RUNS,
    LAST_SUCCESS,
    LAST_DURATION,
    RUNNING,
    WAITING,
    PAUSED,
    NEXT,
    OBJECTS,
    BYTES,
    REQUESTS,
    REQUEST_FAILURES,
    THROTTLED,
    LIMIT,
    PACE,
];
