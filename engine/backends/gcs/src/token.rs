//! Access tokens: got once, shared by every request, replaced before they end.
//!
//! However many requests find the token old at once, one of them fetches and the others wait. A token never enters an error,
//! a log line or the debug form of anything.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use brigade_core::ErrorKind;
use brigade_store::{Result, StoreError};
use gcp_auth::{CustomServiceAccount, TokenProvider};
use http::HeaderValue;
use jiff::Timestamp;
use parking_lot::RwLock;
use tokio::sync::Mutex;

use crate::limits::{TOKEN_MARGIN, TOKEN_TIME_MAX};

/// What is asked for: reading, writing and deleting objects.
const SCOPES: &[&str] = &["https://www.googleapis.com/auth/devstorage.read_write"];

/// Where the `Authorization` of requests comes from.
#[async_trait]
pub trait TokenSource: Send + Sync {
    /// The header's value, marked as sensitive; `None` where requests are anonymous.
    async fn authorization(&self) -> Result<Option<HeaderValue>>;

    /// The endpoint refused this value (401): it must not be given out again.
    async fn refused(&self, value: &HeaderValue);
}

/// No credentials at all.
#[derive(Clone, Copy, Debug)]
pub struct Anonymous;

#[async_trait]
impl TokenSource for Anonymous {
    async fn authorization(&self) -> Result<Option<HeaderValue>> {
        Ok(None)
    }

    async fn refused(&self, _value: &HeaderValue) {}
}

/// A service account's key file, application default credentials, or the metadata server.
pub(crate) struct GoogleTokens {
    file: Option<PathBuf>,
    current: RwLock<Option<Current>>,
    provider: Mutex<Option<Arc<dyn TokenProvider>>>,
}

#[derive(Clone)]
struct Current {
    value: HeaderValue,
    ends: Timestamp,
}

impl Current {
    fn is_good(&self) -> bool {
        Timestamp::now() + TOKEN_MARGIN < self.ends
    }
}

impl GoogleTokens {
    pub(crate) fn new(file: Option<PathBuf>) -> Self {
        Self { file, current: RwLock::new(None), provider: Mutex::new(None) }
    }

    fn good(&self) -> Option<HeaderValue> {
        self.current.read().as_ref().filter(|current| current.is_good()).map(|current| current.value.clone())
    }

    async fn find(&self) -> Result<Arc<dyn TokenProvider>, gcp_auth::Error> {
        match &self.file {
            Some(file) => Ok(Arc::new(CustomServiceAccount::from_file(file)?)),
            None => gcp_auth::provider().await,
        }
    }

    async fn fetch(&self, provider: &mut Option<Arc<dyn TokenProvider>>) -> Result<Current, gcp_auth::Error> {
        let found = match provider {
            Some(found) => found.clone(),
            None => provider.insert(self.find().await?).clone(),
        };
        let token = found.token(SCOPES).await?;
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.as_str()))
            .map_err(|_| gcp_auth::Error::Str("the token has characters that no header can carry"))?;
        value.set_sensitive(true);
        let ends = Timestamp::from_second(token.expires_at().timestamp()).unwrap_or(Timestamp::MAX);
        Ok(Current { value, ends })
    }
}

#[async_trait]
impl TokenSource for GoogleTokens {
    async fn authorization(&self) -> Result<Option<HeaderValue>> {
        if let Some(value) = self.good() {
            return Ok(Some(value));
        }
        let mut provider = self.provider.lock().await;
        if let Some(value) = self.good() {
            return Ok(Some(value));
        }
        let fetched = tokio::time::timeout(TOKEN_TIME_MAX, self.fetch(&mut provider)).await;
        let current = fetched.map_err(|_| too_slow(TOKEN_TIME_MAX))?.map_err(|error| failed(&error))?;
        let value = current.value.clone();
        *self.current.write() = Some(current);
        Ok(Some(value))
    }

    async fn refused(&self, value: &HeaderValue) {
        let mut provider = self.provider.lock().await;
        let mut current = self.current.write();
        // Somebody else may have replaced it meanwhile.
        if current.as_ref().is_some_and(|current| current.value == *value) {
            *current = None;
            // The provider keeps the refused token as well; a new one starts without.
            *provider = None;
        }
    }
}

fn too_slow(limit: Duration) -> StoreError {
    StoreError::new(ErrorKind::Stalled, format!("no access token came within {} s", limit.as_secs()))
}

fn failed(error: &gcp_auth::Error) -> StoreError {
    let kind = match error {
        gcp_auth::Error::Http(..) | gcp_auth::Error::Other(..) => ErrorKind::Network,
        _ => ErrorKind::Credentials,
    };
    let cause = match error {
        // The reader's own words would repeat what it found, and that may be a key (p11).
        gcp_auth::Error::Json(what, cause) => format!("{what}: line {}, column {} is not as expected", cause.line(), cause.column()),
        other => other.to_string(),
    };
    StoreError::new(kind, format!("cannot get an access token: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refused_token_is_forgotten_and_another_one_is_not() {
        let tokens = GoogleTokens::new(None);
        let value = HeaderValue::from_static("Bearer one");
        *tokens.current.write() = Some(Current { value: value.clone(), ends: Timestamp::now() + Duration::from_secs(600) });
        tokens.refused(&HeaderValue::from_static("Bearer older")).await;
        assert_eq!(tokens.authorization().await.expect("still good"), Some(value.clone()));
        tokens.refused(&value).await;
        assert!(tokens.current.read().is_none());
    }

    #[tokio::test]
    async fn a_token_is_not_used_up_to_its_last_second() {
        let tokens = GoogleTokens::new(None);
        let value = HeaderValue::from_static("Bearer one");
        *tokens.current.write() = Some(Current { value, ends: Timestamp::now() + Duration::from_secs(5) });
        assert_eq!(tokens.good(), None);
    }

    #[tokio::test]
    async fn a_missing_key_file_is_a_matter_of_credentials() {
        let tokens = GoogleTokens::new(Some("/nonexistent/key.json".into()));
        let error = tokens.authorization().await.expect_err("no file");
        assert_eq!(error.kind, ErrorKind::Credentials);
    }
}
