//! What may stand in `brigade.toml`: one table for the reader, the suggestions and the reference page.

mod tables;

pub use tables::{ALL, CLASS, JOB, LIMITS, NOTIFICATIONS, READY_WHEN, SERVE, STORE, TENANT, TOP};

/// A table of the file.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// As it is written: `[stores.NAME]`; empty for the file itself.
    pub header: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Its keys, in the order in which they are explained.
    pub keys: &'static [Key],
}

/// A key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value looks like.
    pub form: Form,
    /// What it does, and what holds where it is left out.
    pub does: &'static str,
    /// The option of the command line that it stands for; empty for none.
    pub option: &'static str,
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// Any text but an empty one.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Switch,
    /// A whole number, from the first to the second.
    Number(u64, u64),
    /// A number above 0.
    Positive,
    /// From 0 to 100.
    Percent,
    /// `64M`.
    Size,
    /// A size, or `off`.
    SizeLimit,
    /// `90m`.
    Duration,
    /// A duration or a date.
    Age,
    /// A rate or a timetable.
    Bandwidth,
    /// A number or `auto`.
    Concurrency,
    /// A location.
    Location,
    /// An http or https URL.
    Endpoint,
    /// A path.
    Path,
    /// A name of something else in the file.
    Name,
    /// A text or a list of texts.
    Texts,
    /// A table of texts.
    Pairs,
    /// `${VARIABLE}`.
    Secret,
    /// A URL of which parts may be `${VARIABLE}`.
    SecretUrl,
    /// A table that is read by itself.
    Table,
}

impl Form {
    /// As people say it.
    pub fn shown(self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::OneOf(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            Self::Switch => "`true` or `false`".into(),
            Self::Number(least, u64::MAX) => format!("a whole number from {least}"),
            Self::Number(least, most) => format!("a whole number from {least} to {most}"),
            Self::Positive => "a number above 0".into(),
            Self::Percent => "a number from 0 to 100".into(),
            Self::Size => "a size (`64M`)".into(),
            Self::SizeLimit => "a size (`64M`) or `off`".into(),
            Self::Duration => "a duration (`90m`)".into(),
            Self::Age => "a duration (`2d`) or a date".into(),
            Self::Bandwidth => "a rate (`100M`) or a timetable".into(),
            Self::Concurrency => "`auto` or a number from 1 to 10000".into(),
            Self::Location => "a location".into(),
            Self::Endpoint => "`http://HOST[:PORT]` or `https://HOST[:PORT]`".into(),
            Self::Path => "a path".into(),
            Self::Name => "a name".into(),
            Self::Texts => "a text or a list of texts".into(),
            Self::Pairs => "a table of texts".into(),
            Self::Secret => "`${VARIABLE}`".into(),
            Self::SecretUrl => "a URL, of which parts may be `${VARIABLE}`".into(),
            Self::Table => "a table".into(),
        }
    }
}

impl Table {
    /// A key by its name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The names of its keys.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }
}
