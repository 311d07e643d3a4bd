//! What was understood, for people and programs, without secrets.

use std::fmt::Write;

use crate::Config;

impl Config {
    /// What was understood, a paragraph for each thing. Secrets are shown as the variables that hold them.
    pub fn shown(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.show(&mut text);
        text
    }

    fn show(&self, text: &mut String) -> std::fmt::Result {
        for (name, store) in &self.stores {
            let credentials = match (store.anonymous, store.credentials()) {
                (true, _) => "none".to_owned(),
                (_, Some(credentials)) => credentials,
                _ => "of the environment".to_owned(),
            };
            let place = store.endpoint_url.clone().or_else(|| store.root.as_ref().map(|root| root.display().to_string()));
            writeln!(text, "store {name}: {}, {}", store.kind.word(), place.unwrap_or_else(|| "the provider's own endpoint".into()))?;
            if store.root.is_none() {
                writeln!(text, "  credentials: {credentials}")?;
            }
        }
        for (name, tenant) in &self.tenants {
            let roots: Vec<String> = tenant.roots.iter().map(ToString::to_string).collect();
            writeln!(text, "tenant {name}: stores {}; roots {}", tenant.stores.join(", "), roots.join(", "))?;
        }
        for (name, job) in &self.jobs {
            let words: Vec<String> = self.arguments(name).unwrap_or_default().iter().map(|word| quoted(word)).collect();
            writeln!(text, "job {name}: brigade {}", words.join(" "))?;
            if let Some(point) = self.recovery_point(job).and_then(|point| jiff::SignedDuration::try_from(point).ok()) {
                writeln!(text, "  recovery point: {point:#}")?;
            }
            if !job.after.is_empty() {
                writeln!(text, "  after: {}", job.after.join(", "))?;
            }
        }
        writeln!(
            text,
            "serve: {}, token {}",
            self.serve.listen,
            self.serve.token.as_ref().map_or_else(|| "none".into(), |token| token.shown())
        )?;
        if let Some(notifications) = &self.notifications {
            let secret = notifications.secret.as_ref().map_or_else(|| "none".into(), |secret| secret.shown());
            writeln!(text, "notifications: {}, secret {secret}", notifications.url.shown())?;
        }
        Ok(())
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:=,+@%".contains(&byte));
    if is_plain && !word.is_empty() { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
