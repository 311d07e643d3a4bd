//! The table for people: `docs/METRICS.md`.

use std::fmt::Write as _;

use super::table::{Kind, TABLE};

const ABOUT: &str = "\
# Metrics

`brigade serve` answers at `/metrics` in the text format of Prometheus. This page is made from the table that the code uses
(`engine/service/src/metrics/table.rs`); a test holds them together.

Counters begin at 0 with the process. Series are made for jobs of the configuration only: no key, bucket or message becomes a label, and a
job that is removed leaves no series behind. Ages are reckoned when they are asked for, so they grow while nothing runs.

`config/prometheus/alerts.yml` has rules that use them, each tried against recorded series (`scripts/alerts.sh`). Where brigade is scraped,
`honor_labels: true` keeps `job` a job of brigade, as in `config/prometheus/prometheus.yml`.

| metric | kind | labels | what it says |
| --- | --- | --- | --- |
";

/// The page.
pub fn reference() -> String {
    let mut page = ABOUT.to_owned();
    for metric in TABLE {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let _ = writeln!(page, "| `{}` | {kind} | {} | {} |", metric.name, labels.join(", "), metric.help);
    }
    page
}
