//! Credentials: the whole AWS chain behind one cache that both engines share.
//!
//! The cache hands out snapshots with a generation number. A refused request names the generation it was signed with, so
//! many requests that fail together refresh once. Nothing here writes a secret to a log or into an error.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::BehaviorVersion;
use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_types::region::Region;
use brigade_core::ErrorKind;
use brigade_http::Transport;
use brigade_store::StoreError;
use parking_lot::RwLock;
use secrecy::ExposeSecret as _;

use crate::adapter::SdkHttp;
use crate::options::{S3Options, StaticCredentials};

/// Credentials are renewed this long before they expire: longer than any one request may take.
const REFRESH_AHEAD: Duration = Duration::from_secs(300);

/// Credentials as they were at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The credentials; their `Debug` hides the secrets.
    pub(crate) credentials: Credentials,
    /// Counts the renewals.
    pub(crate) generation: u64,
}

/// The cache. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Cached(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    provider: SharedCredentialsProvider,
    state: RwLock<State>,
    renewing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Arc<Snapshot>>,
    refused: bool,
    generation: u64,
}

impl Cached {
    /// Caches what a provider gives.
    pub(crate) fn new(provider: SharedCredentialsProvider) -> Self {
        Self(Arc::new(Inner { provider, state: RwLock::default(), renewing: tokio::sync::Mutex::new(()) }))
    }

    /// Credentials that are good for a while yet.
    pub(crate) async fn get(&self) -> Result<Arc<Snapshot>, CredentialsError> {
        match self.fresh() {
            Some(fresh) => Ok(fresh),
            None => Box::pin(self.renew()).await,
        }
    }

    async fn renew(&self) -> Result<Arc<Snapshot>, CredentialsError> {
        let _renewing = self.0.renewing.lock().await;
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        match self.0.provider.provide_credentials().await {
            Ok(credentials) => Ok(self.store(credentials)),
            Err(error) => self.still_usable().ok_or(error),
        }
    }

    /// Forgets the credentials of this generation: the endpoint refused them.
    pub(crate) fn invalidate(&self, generation: u64) {
        let mut state = self.0.state.write();
        if state.generation == generation {
            state.refused = true;
        }
    }

    fn fresh(&self) -> Option<Arc<Snapshot>> {
        let state = self.0.state.read();
        let current = state.current.as_ref().filter(|_| !state.refused)?;
        let good = current.credentials.expiry().is_none_or(|expiry| expiry > SystemTime::now() + REFRESH_AHEAD);
        // A provider may hand out credentials that live shorter than the margin: they are asked for again every time then.
        good.then(|| current.clone())
    }

    /// When renewing fails, credentials that have not expired yet are better than none.
    fn still_usable(&self) -> Option<Arc<Snapshot>> {
        let state = self.0.state.read();
        let current = state.current.as_ref().filter(|_| !state.refused)?;
        current.credentials.expiry().is_some_and(|expiry| expiry > SystemTime::now()).then(|| current.clone())
    }

    fn store(&self, credentials: Credentials) -> Arc<Snapshot> {
        let mut state = self.0.state.write();
        state.generation += 1;
        state.refused = false;
        let snapshot = Arc::new(Snapshot { credentials, generation: state.generation });
        state.current = Some(snapshot.clone());
        snapshot
    }

    /// The generation in use, for requests that the SDK signs.
    pub(crate) fn generation(&self) -> u64 {
        self.0.state.read().generation
    }
}

impl ProvideCredentials for Cached {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.get().await.map(|snapshot| snapshot.credentials.clone()) })
    }
}

/// What it means that there are none.
pub(crate) fn store_error(error: &CredentialsError) -> StoreError {
    let mut message = format!("no usable credentials: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        message = format!("{message}: {inner}");
        cause = inner.source();
    }
    // A source that did not answer in time may do so at the next attempt; any other failure stays.
    let kind = if matches!(error, CredentialsError::ProviderTimedOut(_)) { ErrorKind::Network } else { ErrorKind::Credentials };
    StoreError::new(kind, message)
}

/// What a caller gave as values.
pub(crate) fn fixed(given: &StaticCredentials) -> SharedCredentialsProvider {
    let token = given.session_token.as_ref().map(|token| token.expose_secret().to_owned());
    SharedCredentialsProvider::new(Credentials::new(&given.access_key_id, given.secret_access_key.expose_secret(), token, None, "given"))
}

/// Reads `NAME_AWS_ACCESS_KEY_ID` and its companions.
pub(crate) fn from_environment(name: &str) -> Result<SharedCredentialsProvider, StoreError> {
    let read = |suffix: &str| std::env::var(format!("{name}_{suffix}")).ok().filter(|value| !value.is_empty());
    let (Some(id), Some(secret)) = (read("AWS_ACCESS_KEY_ID"), read("AWS_SECRET_ACCESS_KEY")) else {
        let message = format!("{name}_AWS_ACCESS_KEY_ID and {name}_AWS_SECRET_ACCESS_KEY are not both set");
        return Err(StoreError::new(ErrorKind::Credentials, message));
    };
    Ok(SharedCredentialsProvider::new(Credentials::new(id, secret, read("AWS_SESSION_TOKEN"), None, "environment")))
}

/// The profile that was named, and nothing else: credentials of the environment may be somebody else's.
pub(crate) async fn of_profile(name: &str, options: &S3Options, transport: &Transport) -> SharedCredentialsProvider {
    let region = match &options.region {
        Some(region) => Some(Region::new(region.clone())),
        None => ProfileFileRegionProvider::builder().profile_name(name).build().region().await,
    };
    let around = ProviderConfig::default()
        .with_http_client(SdkHttp(transport.clone()))
        .with_region(region)
        .with_behavior_version(Some(BehaviorVersion::latest()));
    SharedCredentialsProvider::new(ProfileFileCredentialsProvider::builder().profile_name(name).configure(&around).build())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Debug, Default)]
    struct Counting {
        calls: AtomicU64,
        lives: Option<Duration>,
    }

    impl ProvideCredentials for Counting {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let call = self.calls.fetch_add(1, Ordering::Relaxed);
            let expiry = self.lives.map(|lives| SystemTime::now() + lives);
            future::ProvideCredentials::ready(Ok(Credentials::new(format!("id{call}"), "secret", None, expiry, "test")))
        }
    }

    #[tokio::test]
    async fn many_refusals_of_one_generation_renew_once() {
        let cached = Cached::new(SharedCredentialsProvider::new(Counting::default()));
        let first = cached.get().await.expect("given");
        for _ in 0..5 {
            cached.invalidate(first.generation);
            assert_eq!(cached.get().await.expect("given").credentials.access_key_id(), "id1");
        }
    }

    #[tokio::test]
    async fn credentials_near_their_end_are_renewed() {
        let soon = Counting { lives: Some(REFRESH_AHEAD / 2), ..Counting::default() };
        let cached = Cached::new(SharedCredentialsProvider::new(soon));
        assert_eq!(cached.get().await.expect("given").credentials.access_key_id(), "id0");
        assert_eq!(cached.get().await.expect("given").credentials.access_key_id(), "id1");
        let long = Counting { lives: Some(REFRESH_AHEAD * 2), ..Counting::default() };
        let cached = Cached::new(SharedCredentialsProvider::new(long));
        assert_eq!(cached.get().await.expect("given").credentials.access_key_id(), "id0");
        assert_eq!(cached.get().await.expect("given").credentials.access_key_id(), "id0");
    }

    #[test]
    fn p11_a_snapshot_does_not_print_its_secret() {
        let snapshot = Snapshot { credentials: Credentials::new("id", "s3cr3t", Some("t0k3n".into()), None, "test"), generation: 1 };
        let printed = format!("{snapshot:?}");
        assert!(!printed.contains("s3cr3t") && !printed.contains("t0k3n"), "{printed}");
    }
}
