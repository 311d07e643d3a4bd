//! A first `brigade.toml`, and the rights that it takes.

mod policies;

use brigade_core::location::{BucketPath, Location};

pub use policies::{Role, policy};

/// What `brigade init` was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// The job's name.
    pub name: String,
    /// Where objects come from.
    pub source: End,
    /// Where they go.
    pub target: End,
    /// Five fields of cron, in UTC.
    pub schedule: String,
    /// How old the copy may be.
    pub recovery_point: String,
}

/// One end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// A location with a scheme, or an absolute path.
    pub location: Location,
    /// An endpoint of its own.
    pub endpoint_url: Option<String>,
    /// No credentials.
    pub anonymous: bool,
}

/// The text of a first configuration.
pub fn draft(answers: &Answers) -> String {
    let Answers { name, source, target, schedule, recovery_point } = answers;
    let (source_store, source_location) = end("source", source, "reads");
    let (target_store, target_location) = end("target", target, "reads and writes");
    let [source_location, target_location, schedule, recovery_point] =
        [&source_location, &target_location, schedule, recovery_point].map(|text| quoted(text));
    format!(
        "# Written by `brigade init`. `brigade config check` finds what is wrong with it; docs/CONFIG.md explains every key.\n\n\
         {source_store}{target_store}\
         [jobs.{name}]\n\
         source = {source_location}\n\
         target = {target_location}\n\
         mode = \"sync\" # copies what is missing or different; nothing is deleted unless delete = true is added\n\
         schedule = {schedule} # minute, hour, day of the month, month, day of the week\n\
         time_zone = \"UTC\" # or a name such as \"Europe/Berlin\"\n\
         recovery_point = {recovery_point} # a copy that is older is a breach: `brigade status` then ends with exit code 3\n\
         # exclude = [\"*.tmp\"]\n\n\
         [serve]\n\
         listen = \"127.0.0.1:9464\"\n\
         # token = \"${{BRIGADE_TOKEN}}\" # whoever knows it may pause, resume and start jobs\n\n\
         # [notifications]\n\
         # url = \"${{BRIGADE_WEBHOOK}}\"\n\
         # events = [\"breach\", \"recovered\", \"failed\"]\n"
    )
}

/// The store of an end, and the location in it. A directory needs no store.
fn end(store: &str, end: &End, does: &str) -> (String, String) {
    let (kind, path) = match &end.location {
        Location::S3(path) => ("s3", path),
        Location::Gcs(path) => ("gcs", path),
        Location::Local(_) | Location::Named { .. } => return (String::new(), end.location.to_string()),
    };
    let endpoint = end.endpoint_url.as_ref().map(|url| format!("endpoint_url = {}\n", quoted(url))).unwrap_or_default();
    let credentials = match (end.anonymous, kind) {
        (true, _) => "anonymous = true\n".to_owned(),
        (false, "s3") => format!(
            "# region = \"eu-central-1\"\n\
             # profile = \"brigade-{store}\" # of the AWS configuration; or\n\
             # credentials_env = \"{0}\" # {0}_AWS_ACCESS_KEY_ID, {0}_AWS_SECRET_ACCESS_KEY\n",
            store.to_uppercase()
        ),
        (false, _) => format!("# credentials_file = \"/etc/brigade/{store}.json\" # by default application default credentials\n"),
    };
    (format!("# The job {does} here.\n[stores.{store}]\nkind = \"{kind}\"\n{endpoint}{credentials}\n"), format!("{store}:{path}"))
}

/// A text as TOML has it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The bucket of a location that has one, with its provider.
pub fn bucket(location: &Location) -> Option<(Provider, &BucketPath)> {
    match location {
        Location::S3(path) => Some((Provider::Aws, path)),
        Location::Gcs(path) => Some((Provider::Google, path)),
        Location::Local(_) | Location::Named { .. } => None,
    }
}

/// Whose rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// AWS IAM.
    Aws,
    /// Google Cloud IAM.
    Google,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Config;

    fn answers(source: &str, target: &str) -> Answers {
        let end = |text: &str| End { location: Location::parse(text).unwrap(), endpoint_url: None, anonymous: false };
        Answers {
            name: "offsite".into(),
            source: end(source),
            target: end(target),
            schedule: "0 3 * * *".into(),
            recovery_point: "26h".into(),
        }
    }

    #[test]
    fn what_is_drafted_is_understood() {
        for (source, target, command) in [
            ("s3://a/x", "gs://b/y", ["sync", "source:a/x", "target:b/y"]),
            ("gs://a", "s3://b/\"quoted\"/", ["sync", "source:a", "target:b/\"quoted\"/"]),
            ("/data", "s3://b", ["sync", "/data", "target:b"]),
        ] {
            let text = draft(&answers(source, target));
            let config = Config::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(config.arguments("offsite").unwrap(), command);
        }
        let mut lab = answers("s3://a", "gs://b");
        lab.source.endpoint_url = Some("http://127.0.0.1:9000".into());
        lab.target.anonymous = true;
        let config = Config::parse(&draft(&lab)).unwrap();
        assert_eq!(config.stores["source"].endpoint_url.as_deref(), Some("http://127.0.0.1:9000"));
        assert!(config.stores["target"].anonymous);
    }

    #[test]
    fn a_role_has_no_right_beyond_its_prefix() {
        let path = BucketPath { bucket: "b".into(), prefix: "x/y".into() };
        for role in [Role::Reader, Role::Writer, Role::Deleter] {
            let aws = policy(Provider::Aws, role, &path);
            assert!(aws.contains("arn:aws:s3:::b/x/y/*") && !aws.contains("arn:aws:s3:::b/*") && !aws.contains("s3:*"), "{aws}");
            assert_eq!(aws.contains("s3:PutObject"), role == Role::Writer, "{aws}");
            assert_eq!(aws.contains("s3:DeleteObject"), role == Role::Deleter, "{aws}");
            assert_eq!(aws.contains("\"Null\": { \"s3:if-match\": \"false\" }"), role == Role::Deleter, "{aws}");
            let google = policy(Provider::Google, role, &path);
            assert!(google.contains("projects/_/buckets/b/objects/x/y/"), "{google}");
            assert_eq!(google.contains("storage.objects.create"), role == Role::Writer, "{google}");
            assert_eq!(google.contains("storage.objects.delete"), role != Role::Reader, "{google}");
        }
        let whole = policy(Provider::Aws, Role::Reader, &BucketPath { bucket: "b".into(), prefix: String::new() });
        assert!(whole.contains("arn:aws:s3:::b/*") && !whole.contains("s3:prefix"), "{whole}");
    }
}
