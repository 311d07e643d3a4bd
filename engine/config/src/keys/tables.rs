//! The tables of `brigade.toml`, with every key that they know.

use super::{Form, Key, Table};

const fn key(name: &'static str, form: Form, does: &'static str) -> Key {
    Key { name, form, does, option: "" }
}

/// A key that stands for an option of the command line.
const fn option(name: &'static str, form: Form, option: &'static str, does: &'static str) -> Key {
    Key { name, form, does, option }
}

/// Every table.
pub const ALL: &[&Table] = &[&TOP, &STORE, &JOB, &READY_WHEN, &CLASS, &TENANT, &LIMITS, &SERVE, &NOTIFICATIONS];

/// The file itself.
pub const TOP: Table = Table {
    header: "",
    about: "The tables of the file. Each may be left out.",
    keys: &[
        key("stores", Form::Table, "Named endpoints with their credentials: `NAME:bucket/prefix` is a location in one"),
        key("jobs", Form::Table, "What is copied where, and when"),
        key("classes", Form::Table, "Kinds of data: what holds for all jobs of a class that do not say otherwise"),
        key("tenants", Form::Table, "Owners of stores and jobs, who never meet"),
        key("serve", Form::Table, "`brigade serve`"),
        key("notifications", Form::Table, "The webhook that is told what happens"),
    ],
};

/// `[stores.NAME]`.
pub const STORE: Table = Table {
    header: "[stores.NAME]",
    about: "An endpoint. Where no credentials are named, those of the environment are used.",
    keys: &[
        key("kind", Form::OneOf(&["s3", "gcs", "local"]), "What it is; must be given"),
        key("endpoint_url", Form::Endpoint, "Its endpoint, where it is not the provider's own"),
        key("region", Form::Text, "Its region (s3)"),
        key("profile", Form::Text, "A profile of the AWS configuration (s3)"),
        key(
            "credentials_env",
            Form::Text,
            "`NAME`, for the variables `NAME_AWS_ACCESS_KEY_ID`, `NAME_AWS_SECRET_ACCESS_KEY` and `NAME_AWS_SESSION_TOKEN` (s3)",
        ),
        key("credentials_file", Form::Path, "A service account key or another credentials file (gcs)"),
        key("anonymous", Form::Switch, "No credentials at all"),
        key("root", Form::Path, "The directory below which locations lie; must be given, and absolute (local)"),
        key(
            "path_style",
            Form::Switch,
            "Bucket in the path, or in the host name; by default in the path where there is an `endpoint_url` (s3)",
        ),
        key("shared", Form::Switch, "More than one tenant may own it. Its credentials then serve all of them"),
    ],
};

/// `[jobs.NAME]`.
pub const JOB: Table = Table {
    header: "[jobs.NAME]",
    about: "A job. `brigade run NAME` is the command that `mode` names, with the options below.",
    keys: &[
        key("source", Form::Location, "Where objects come from; must be given"),
        key("target", Form::Location, "Where they go; must be given"),
        key("mode", Form::OneOf(&["copy", "sync", "migrate"]), "The command; by default `copy`"),
        option("delete", Form::Switch, "--delete", "With `mode = \"sync\"`: removes from the target what the source lacks"),
        key("schedule", Form::Text, "When: five fields of cron, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`"),
        key("every", Form::Duration, "Or how often, counted from 1970-01-01T00:00:00Z; at least a minute"),
        key("time_zone", Form::Text, "The zone of `schedule`, such as `Europe/Berlin`; by default UTC"),
        key(
            "jitter",
            Form::Duration,
            "The most by which a start is put off, always the same for the same start; less than half of the shortest gap",
        ),
        key("recovery_point", Form::Duration, "The copy may never be older than this; by default that of the class"),
        key("tenant", Form::Name, "Whose job it is"),
        key("class", Form::Name, "What kind of data it copies"),
        key("after", Form::Texts, "Jobs that must have ended clean before; without a schedule it then follows each of their runs"),
        key(
            "priority",
            Form::OneOf(&["low", "normal", "high"]),
            "Who starts first where not all can run at once; by default that of the class",
        ),
        key("paused", Form::Switch, "Its schedule rests until somebody resumes it"),
        key("ready_when", Form::Table, "When the source is whole enough to be copied"),
        option(
            "order_last",
            Form::Texts,
            "--order-last",
            "Globs of keys that are copied after all others, and only where those were all done: sentinels and manifests",
        ),
        option(
            "compare",
            Form::OneOf(&["auto", "checksum", "size", "modified", "manifest"]),
            "--compare",
            "How keys that both sides have are compared",
        ),
        option(
            "verify",
            Form::OneOf(&["transport", "stored", "content"]),
            "--verify",
            "The weakest proof that counts; by default that of the class",
        ),
        option("include", Form::Texts, "--include", "Only keys that match a glob"),
        option("exclude", Form::Texts, "--exclude", "No keys that match a glob"),
        option("filter", Form::Texts, "--filter", "Rules: `+ GLOB`, `- GLOB`"),
        option("include_from", Form::Texts, "--include-from", "Files of globs"),
        option("exclude_from", Form::Texts, "--exclude-from", "Files of globs"),
        option("filter_from", Form::Texts, "--filter-from", "Files of rules"),
        option("files_from", Form::Texts, "--files-from", "Files that list the keys"),
        option("min_size", Form::SizeLimit, "--min-size", "No smaller objects"),
        option("max_size", Form::SizeLimit, "--max-size", "No larger objects"),
        option("min_age", Form::Age, "--min-age", "No younger objects. A copy is never known to be younger than this"),
        option("max_age", Form::Age, "--max-age", "No older objects"),
        option("ignore_case", Form::Switch, "--ignore-case", "Globs ignore upper and lower case"),
        option("delete_excluded", Form::Switch, "--delete-excluded", "With `delete`: also what the filters exclude"),
        option("ignore_existing", Form::Switch, "--ignore-existing", "Leaves keys alone that both sides have"),
        option("immutable", Form::Switch, "--immutable", "A key that differs is an error, never replaced"),
        option("part_size", Form::Size, "--part-size", "Wished part size of large objects"),
        option("memory", Form::Size, "--memory", "Object bytes held in memory at once, at least `16M`"),
        option("server_side", Form::OneOf(&["auto", "always", "never"]), "--server-side", "Copies inside one provider"),
        option("storage_class", Form::Text, "--storage-class", "Storage class of the copies"),
        option("metadata", Form::OneOf(&["all", "none"]), "--metadata", "What is carried beside the bytes"),
        option("set_metadata", Form::Pairs, "--set-metadata", "Headers or user metadata of every copy"),
        option("max_delete", Form::Number(0, u64::MAX), "--max-delete", "Most deletes of any kind; one more and nothing is deleted"),
        option("max_delete_percent", Form::Percent, "--max-delete-percent", "Most deletes of the target, in percent of its objects"),
        option("max_errors", Form::Number(0, u64::MAX), "--max-errors", "Stops when more objects than this have failed"),
        option(
            "delete_unconditional",
            Form::Switch,
            "--delete-unconditional",
            "Allows deleting originals on endpoints that ignore conditions",
        ),
        option("concurrency", Form::Concurrency, "--concurrency", "Requests at once at each endpoint"),
        option("bandwidth", Form::Bandwidth, "--bandwidth", "Body bytes in a second at each endpoint"),
        option("requests_per_second", Form::Positive, "--requests-per-second", "Requests in a second at each endpoint"),
        option("stall_timeout", Form::Duration, "--stall-timeout", "No byte for so long ends an attempt"),
        option("attempts", Form::Number(1, 1000), "--attempts", "Attempts of one request"),
        option(
            "payload_signing",
            Form::OneOf(&["auto", "always", "never"]),
            "--payload-signing",
            "Whether S3 bodies are hashed for the signature",
        ),
        option("s3_engine", Form::OneOf(&["lean", "sdk"]), "--s3-engine", "Who makes the hot S3 requests"),
    ],
};

/// `[jobs.NAME.ready_when]`.
pub const READY_WHEN: Table = Table {
    header: "[jobs.NAME.ready_when]",
    about: "A gate: while it is shut a run ends `refused` before it writes anything, and the copy grows older. All that is given must hold. \
            What is written after the gate was found open is left to the next run.",
    keys: &[
        key("marker", Form::Text, "This key exists in the source, relative to its location, whether or not the filters hide it"),
        key("min_age", Form::Duration, "The youngest object of the source is at least so old"),
        key("unchanged_across_listings", Form::Switch, "Two listings in a row show the same versions"),
        key("listings_apart", Form::Duration, "How long after the first of them the second begins; by default `1m`"),
    ],
};

/// `[classes.NAME]`.
pub const CLASS: Table = Table {
    header: "[classes.NAME]",
    about: "A kind of data, by how much it matters.",
    keys: &[
        key("recovery_point", Form::Duration, "The copy may never be older than this"),
        key("verify", Form::OneOf(&["transport", "stored", "content"]), "The weakest proof that counts as a copy"),
        key("priority", Form::OneOf(&["low", "normal", "high"]), "Who starts first; by default `normal`"),
    ],
};

/// `[tenants.NAME]`.
pub const TENANT: Table = Table {
    header: "[tenants.NAME]",
    about: "An owner. A job of a tenant uses only stores that the tenant owns and only locations below its roots; roots, stores, credentials \
            and state directories of two tenants never meet. A location of a tenant's job always means the keys below it, never the one \
            object of that name.",
    keys: &[
        key("stores", Form::Texts, "The stores that it owns; must be given. A store has one owner, unless it is `shared`"),
        key("roots", Form::Texts, "Locations (`STORE:bucket/prefix`) below which all of its jobs stay; must be given"),
        key(
            "state_dir",
            Form::Path,
            "Where the state of its jobs is kept, an absolute path; by default `tenants/NAME` in that of the process",
        ),
        key("labels", Form::Pairs, "At most 8 labels of the metrics of its jobs"),
        key("limits", Form::Table, "What all of its jobs together may use"),
    ],
};

/// `[tenants.NAME.limits]`.
pub const LIMITS: Table = Table {
    header: "[tenants.NAME.limits]",
    about: "What all jobs of the tenant together may use.",
    keys: &[
        key("memory", Form::Size, "Object bytes held in memory at once"),
        key("concurrency", Form::Number(1, 10_000), "Requests at once at each endpoint"),
        key("bandwidth", Form::Bandwidth, "Body bytes in a second at each endpoint"),
        key("requests_per_second", Form::Positive, "Requests in a second at each endpoint"),
        key(
            "jobs_at_once",
            Form::Number(1, crate::limits::JOBS_AT_ONCE_MAX),
            "Jobs that run at once; by default one where another limit is given, so that no two are given all of it",
        ),
    ],
};

/// `[serve]`.
pub const SERVE: Table = Table {
    header: "[serve]",
    about: "The process that runs the jobs.",
    keys: &[
        key("listen", Form::Text, "`ADDR:PORT` of the status page and the metrics; by default `127.0.0.1:9464`"),
        key(
            "token",
            Form::Secret,
            "Whoever knows it may pause, resume and start jobs; must be given where `listen` is no loopback address",
        ),
        key(
            "state_dir",
            Form::Path,
            "Where state is kept, an absolute path; by default `$BRIGADE_STATE_DIR`, else the user's state directory",
        ),
        key("jobs_at_once", Form::Number(1, crate::limits::JOBS_AT_ONCE_MAX), "Jobs that run at once; by default 4"),
        key("memory", Form::Size, "Object bytes that all jobs together hold in memory; lent to those that run, by priority"),
        key(
            "concurrency",
            Form::Number(1, 10_000),
            "Requests at once at each endpoint, of all jobs together; lent to those that run, by priority",
        ),
    ],
};

/// `[notifications]`.
pub const NOTIFICATIONS: Table = Table {
    header: "[notifications]",
    about: "A webhook. Each notification is a POST, signed where a secret is given.",
    keys: &[
        key("url", Form::SecretUrl, "Where to; must be given, and https unless it is a loopback address"),
        key("secret", Form::Secret, "The key of the HMAC-SHA256 signature of each notification"),
        key("events", Form::Texts, "Which: `breach`, `recovered`, `failed`, `refused`, `first_success`; by default all"),
        key("template", Form::Text, "The body, with `{job}`, `{event}`, `{message}` and `{time}`; by default a JSON object"),
    ],
};
