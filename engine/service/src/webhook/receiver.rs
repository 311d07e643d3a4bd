//! `[notifications]` with its secrets in place: who is told, of what, in which form and under which signature.

use brigade_config::{Notifications, NotifyEvent, Unset};
use jiff::Timestamp;
use reqwest::Url;

use super::body::{Body, body};
use super::outbox::Notification;
use super::sign::Key;

/// Why `[notifications]` cannot be used. No variant holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// A variable is not set.
    #[error("the `{key}` of [notifications] is not known: {unset}")]
    Unset {
        /// The key that names it.
        key: &'static str,
        /// Which.
        unset: Unset,
    },
    /// What the variables hold is no URL.
    #[error("the `url` of [notifications] is no URL: {0}")]
    Url(String),
    /// Others could read it on the way.
    #[error("the `url` of [notifications] is plain http: what is told could be read and changed on the way")]
    Plain,
    /// The secret is empty, or `whsec_` without Base64 behind it.
    #[error("the `secret` of [notifications] is no key")]
    Key,
    /// The TLS library or the client cannot be used.
    #[error("notifications cannot be sent: {0}")]
    Client(String),
}

/// Who is told.
pub(crate) struct Receiver {
    url: Url,
    key: Option<Key>,
    events: Vec<NotifyEvent>,
    template: Option<String>,
}

/// A notification on its way. It holds the address, which may be a secret, so it cannot be shown.
#[derive(Clone)]
pub(crate) struct Parcel {
    pub(crate) url: Url,
    pub(crate) id: String,
    /// The time of the attempt, in seconds since 1970.
    pub(crate) seconds: i64,
    pub(crate) signature: Option<String>,
    pub(crate) body: Body,
}

impl Receiver {
    /// Puts the secrets in.
    pub(crate) fn of(config: &Notifications, variable: impl Fn(&str) -> Option<String>) -> Result<Self, WebhookError> {
        let url = config.url.resolve(&variable).map_err(|unset| WebhookError::Unset { key: "url", unset })?;
        let url = Url::parse(&url).map_err(|error| WebhookError::Url(error.to_string()))?;
        match url.scheme() {
            "https" => {}
            "http" if is_this_machine(&url) => {}
            "http" => return Err(WebhookError::Plain),
            _ => return Err(WebhookError::Url("it is neither https nor http".to_owned())),
        }
        let secret = config.secret.as_ref().map(|secret| secret.resolve(&variable)).transpose();
        let secret = secret.map_err(|unset| WebhookError::Unset { key: "secret", unset })?;
        let key = secret.map(|secret| Key::of(&secret).ok_or(WebhookError::Key)).transpose()?;
        Ok(Self { url, key, events: config.events.clone(), template: config.template.clone() })
    }

    /// Whether it wants to be told of such events.
    pub(crate) fn wants(&self, event: NotifyEvent) -> bool {
        self.events.contains(&event)
    }

    /// A notification as it is sent now.
    pub(crate) fn parcel(&self, notification: &Notification, now: Timestamp) -> Parcel {
        let (id, seconds) = (notification.id.clone(), now.as_second());
        let body = body(notification, self.template.as_deref());
        let signature = self.key.as_ref().map(|key| key.sign(&id, seconds, &body.text));
        Parcel { url: self.url.clone(), id, seconds, signature, body }
    }
}

/// Whether a URL leads to this machine and nowhere else.
pub(super) fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_matches(['[', ']']);
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
