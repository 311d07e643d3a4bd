//! A page of metrics under way: values of the table go in, text comes out.

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use super::table::{self, Kind, Metric, TABLE};

const METADATA: Metadata<'static> = Metadata::new("brigade", Level::INFO, None);

/// The page.
pub(super) struct Page(PrometheusRecorder);

impl Page {
    /// An empty page that knows what everything means.
    pub(super) fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        for metric in TABLE {
            let name = KeyName::from_const_str(metric.name);
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, None, metric.help.into()),
                Kind::Gauge => recorder.describe_gauge(name, None, metric.help.into()),
            }
        }
        Self(recorder)
    }

    /// A count.
    pub(super) fn counter(&self, metric: &Metric, values: &[&str], count: u64) {
        debug_assert_eq!(metric.kind, Kind::Counter, "{}", metric.name);
        self.0.register_counter(&key(metric, values), &METADATA).absolute(count);
    }

    /// A value.
    pub(super) fn gauge(&self, metric: &Metric, values: &[&str], value: f64) {
        debug_assert_eq!(metric.kind, Kind::Gauge, "{}", metric.name);
        self.0.register_gauge(&key(metric, values), &METADATA).set(value);
    }

    /// What a job belongs to. Labels of tenants have a prefix, so that they never meet a label of ours; the configuration lets only
    /// names through that a label can have.
    pub(super) fn job_info<'a>(&self, job: &str, tenant: &str, class: &str, own: impl Iterator<Item = (&'a String, &'a String)>) {
        let fixed = table::JOB_INFO.labels.iter().zip([job, tenant, class]).map(|(name, value)| Label::new(*name, value.to_owned()));
        let own = own.map(|(name, value)| Label::new(format!("label_{name}"), value.clone()));
        self.0.register_gauge(&Key::from_parts(table::JOB_INFO.name, fixed.chain(own).collect::<Vec<_>>()), &METADATA).set(1.0);
    }

    /// The text.
    pub(super) fn render(&self) -> String {
        self.0.handle().render()
    }
}

fn key(metric: &Metric, values: &[&str]) -> Key {
    debug_assert_eq!(metric.labels.len(), values.len(), "{}", metric.name);
    let labels: Vec<Label> = metric.labels.iter().zip(values).map(|(name, value)| Label::new(*name, (*value).to_owned())).collect();
    Key::from_parts(metric.name, labels)
}
