//! `[classes.NAME]`, `[serve]` and `[notifications]`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use brigade_core::schedule::Priority;
use brigade_core::units::parse_size;

use crate::keys::{Form, NOTIFICATIONS};
use crate::problem::{Found, did_you_mean};
use crate::read::Section;
use crate::secret::Secret;
use crate::text::{authority, is_loopback};

/// One `[classes.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// The oldest that a copy may be.
    pub recovery_point: Option<Duration>,
    /// `verify` of jobs that do not say otherwise.
    pub verify: Option<String>,
    /// Who starts first.
    pub priority: Option<Priority>,
}

/// `[serve]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Serve {
    /// Where the status page is.
    pub listen: SocketAddr,
    /// Who may do more than look.
    pub token: Option<Secret>,
    /// Where state is kept.
    pub state_dir: Option<PathBuf>,
    /// Jobs that run at once.
    pub jobs_at_once: u64,
    /// Object bytes in memory, of all jobs together.
    pub memory_bytes: Option<u64>,
    /// Requests at once at each endpoint, of all jobs together.
    pub concurrency: Option<u64>,
    pub(crate) line: usize,
}

/// Where the status page is by default.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9464);

/// Jobs that run at once by default: enough that a long one does not hold up the others, few enough that each has memory.
const JOBS_AT_ONCE: u64 = 4;

/// What a notification is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotifyEvent {
    /// A copy is older than it may be.
    Breach,
    /// It is young enough again.
    Recovered,
    /// A run has failed.
    Failed,
    /// A guard has refused to delete.
    Refused,
    /// A job has its first proven copy.
    FirstSuccess,
}

/// `[notifications]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Notifications {
    /// Where to.
    pub url: Secret,
    /// The key of the signature.
    pub secret: Option<Secret>,
    /// Which.
    pub events: Vec<NotifyEvent>,
    /// The body.
    pub template: Option<String>,
}

impl NotifyEvent {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Breach, Self::Recovered, Self::Failed, Self::Refused, Self::FirstSuccess];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Breach => "breach",
            Self::Recovered => "recovered",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::FirstSuccess => "first_success",
        }
    }
}

/// Words that a template may have in braces.
const PLACES: [&str; 4] = ["job", "event", "message", "time"];

impl Class {
    pub(crate) fn read(section: &Section<'_>, _found: &mut Found) -> Self {
        Self { recovery_point: section.duration("recovery_point"), verify: section.owned("verify"), priority: priority(section) }
    }
}

/// `priority` of a table that has one.
pub(crate) fn priority(section: &Section<'_>) -> Option<Priority> {
    match section.text("priority")? {
        "low" => Some(Priority::Low),
        "high" => Some(Priority::High),
        _ => Some(Priority::Normal),
    }
}

impl Default for Serve {
    fn default() -> Self {
        Self { listen: LISTEN, token: None, state_dir: None, jobs_at_once: JOBS_AT_ONCE, memory_bytes: None, concurrency: None, line: 0 }
    }
}

impl Serve {
    pub(crate) fn read(section: &Section<'_>, found: &mut Found) -> Self {
        let mut serve = Self { line: section.line, ..Self::default() };
        if let Some(text) = section.text("listen") {
            match text.parse() {
                Ok(listen) => serve.listen = listen,
                Err(_) => found.at(section.line_of("listen"), "`listen` in [serve] is no ADDR:PORT, such as 127.0.0.1:9464"),
            }
        }
        serve.token = section.text("token").map(Secret::new);
        if !serve.listen.ip().is_loopback() && !section.has("token") {
            let what = format!("[serve] listens on {}, which other machines can reach, and has no `token`", serve.listen);
            found.with_hint(section.line_of("listen"), what, "add token = \"${BRIGADE_TOKEN}\", or listen on 127.0.0.1");
        }
        serve.state_dir = section.owned("state_dir").map(PathBuf::from);
        if serve.state_dir.as_ref().is_some_and(|path| !path.is_absolute()) {
            found.at(section.line_of("state_dir"), "`state_dir` in [serve] is no absolute path");
        }
        serve.jobs_at_once = section.number("jobs_at_once").unwrap_or(JOBS_AT_ONCE);
        serve.memory_bytes = section.text("memory").and_then(|text| parse_size(text).ok());
        serve.concurrency = section.number("concurrency");
        serve
    }
}

impl Notifications {
    pub(crate) fn read(section: &Section<'_>, found: &mut Found) -> Option<Self> {
        debug_assert_eq!(NOTIFICATIONS.key("url").map(|key| key.form), Some(Form::SecretUrl));
        let url = section.must("url", found);
        if let Some((scheme, host, _)) = url.as_deref().and_then(authority)
            && scheme == "http"
            && !is_loopback(&host)
        {
            found.at(section.line_of("url"), "`url` in [notifications] is plain http: what is told could be read and changed on the way");
        }
        let mut events = Vec::new();
        for word in section.texts("events") {
            match NotifyEvent::ALL.into_iter().find(|event| event.word() == word) {
                Some(event) => events.push(event),
                None => {
                    let hint = did_you_mean(&word, NotifyEvent::ALL.iter().map(|event| event.word()));
                    found.push(section.line_of("events"), format!("`events` in [notifications] has `{word}`, which is none"), hint);
                }
            }
        }
        let template = section.owned("template");
        for word in template.iter().flat_map(|template| braced(template)).filter(|word| !PLACES.contains(word)) {
            let what = format!("`template` in [notifications] has `{{{word}}}`, which stands for nothing");
            found.push(section.line_of("template"), what, did_you_mean(word, PLACES.into_iter()));
        }
        Some(Self {
            url: Secret::new(&url?),
            secret: section.text("secret").map(Secret::new),
            events: if section.has("events") { events } else { NotifyEvent::ALL.to_vec() },
            template,
        })
    }
}

/// Words in braces: letters and `_` only, so that the braces of JSON are none.
fn braced(template: &str) -> impl Iterator<Item = &str> {
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    template.split('{').skip(1).filter_map(|after| after.split_once('}')).map(|(word, _)| word).filter(is_word)
}
