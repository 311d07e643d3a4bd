//! Everything that talks to one bucket's endpoint: transport, credentials, clock, region, and the SDK's client.
//!
//! What a refused request teaches (another region, expired credentials, a wrong clock) is learned here once for all
//! requests. It never repeats a request for any other reason: attempts belong to the layers above.

use std::sync::Arc;
use std::time::SystemTime;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    IdentityCache, RequestChecksumCalculation, ResponseChecksumValidation, SharedAsyncSleep, StalledStreamProtectionConfig,
};
use aws_smithy_async::rt::sleep::TokioSleep;
use brigade_core::ErrorKind;
use brigade_http::Transport;
use brigade_store::{Result, StoreError};
use http::HeaderValue;
use parking_lot::RwLock;

use crate::adapter::SdkHttp;
use crate::clock::Clock;
use crate::credentials::{self, Cached};
use crate::endpoint::{Address, Endpoint};
use crate::errors::{CLOCK_SKEW_MIN, Failure, Outcome};
use crate::options::{PayloadSigning, S3Options};
use crate::sign::Signer;

/// Where requests go when nobody names a region: AWS answers there for every bucket, and names the right one.
const REGION_DEFAULT: &str = "us-east-1";

/// One bucket, reachable.
pub(crate) struct Connection {
    /// Sends requests.
    pub(crate) transport: Transport,
    /// Credentials; `None` for anonymous access.
    pub(crate) credentials: Option<Cached>,
    /// The time that signatures carry.
    pub(crate) clock: Clock,
    /// Where the bucket is, as configured.
    pub(crate) address: Address,
    payload_signing: PayloadSigning,
    link: RwLock<Arc<Link>>,
}

/// What depends on the region.
pub(crate) struct Link {
    /// The region.
    pub(crate) region: String,
    /// Where the bucket is asked for.
    pub(crate) endpoint: Endpoint,
    /// The `Host` header.
    pub(crate) host: HeaderValue,
    /// Signs the hot path.
    pub(crate) signer: Signer,
    /// Makes the control requests.
    pub(crate) sdk: Client,
}

/// What was tried already for one request.
#[derive(Default)]
struct Tried {
    region: bool,
    credentials: bool,
}

impl Connection {
    /// Resolves options against environment and profile. No request is made, except by a credential source that needs one.
    pub(crate) async fn open(options: &S3Options, transport: Transport) -> Result<Self> {
        let shared = load(options, &transport).await?;
        let endpoint_url = options.endpoint_url.clone().or_else(|| configured_endpoint(&shared));
        let address = Address {
            bucket: options.bucket.clone(),
            endpoint_url,
            path_style: options.path_style,
            fips: shared.use_fips().unwrap_or(false),
            dual_stack: shared.use_dual_stack().unwrap_or(false),
        };
        let credentials = match (options.anonymous, shared.credentials_provider()) {
            (true, _) => None,
            (false, Some(provider)) => Some(Cached::new(provider)),
            (false, None) => return Err(StoreError::new(ErrorKind::Credentials, "no source of credentials is configured")),
        };
        let clock = Clock::default();
        let region = shared.region().map_or(REGION_DEFAULT, Region::as_ref).to_owned();
        let link = link(&region, &address, credentials.as_ref(), &clock, &transport).await?;
        let payload_signing = options.payload_signing;
        Ok(Self { transport, credentials, clock, address, payload_signing, link: RwLock::new(Arc::new(link)) })
    }

    /// The present region's link.
    pub(crate) fn link(&self) -> Arc<Link> {
        self.link.read().clone()
    }

    /// Whether bodies are hashed for the signature.
    pub(crate) fn signs_payload(&self, link: &Link) -> bool {
        match self.payload_signing {
            PayloadSigning::Auto => !link.endpoint.is_private(),
            PayloadSigning::Always => true,
            PayloadSigning::Never => false,
        }
    }

    /// Makes one request, and once more where its refusal taught what was wrong with it.
    pub(crate) async fn run<T, F, Fut>(&self, attempt: F) -> Result<T>
    where
        F: Fn(Arc<Link>) -> Fut,
        Fut: Future<Output = Outcome<T>>,
    {
        let mut tried = Tried::default();
        loop {
            let link = self.link();
            let generation = self.credentials.as_ref().map_or(0, Cached::generation);
            let failure = match attempt(link.clone()).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            if !Box::pin(self.recover(&link, generation, &failure, &mut tried)).await? {
                return Err(failure.error);
            }
        }
    }

    /// Whether the same request may succeed now.
    async fn recover(&self, used: &Link, generation: u64, failure: &Failure, tried: &mut Tried) -> Result<bool> {
        if let Some(region) = failure.region.as_deref().filter(|region| *region != used.region)
            && !std::mem::replace(&mut tried.region, true)
        {
            self.switch(region).await?;
            return Ok(true);
        }
        if failure.error.kind == ErrorKind::ClockSkew
            && let Some(server) = failure.date
        {
            let now = self.clock.now();
            let difference = server.duration_since(now).unwrap_or_else(|error| error.duration());
            if difference >= CLOCK_SKEW_MIN {
                self.clock.set(server);
            }
            return Ok(false);
        }
        if failure.expired
            && let Some(credentials) = &self.credentials
            && !std::mem::replace(&mut tried.credentials, true)
        {
            credentials.invalidate(generation);
            return Ok(true);
        }
        Ok(false)
    }

    async fn switch(&self, region: &str) -> Result<()> {
        if self.link().region == region {
            return Ok(());
        }
        tracing::info!(bucket = %self.address.bucket, region, "the bucket is in another region than was asked");
        let link = link(region, &self.address, self.credentials.as_ref(), &self.clock, &self.transport).await?;
        *self.link.write() = Arc::new(link);
        Ok(())
    }

    /// The corrected time.
    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }
}

/// Reads environment and profile.
async fn load(options: &S3Options, transport: &Transport) -> Result<SdkConfig> {
    let mut region = ProfileFileRegionProvider::builder();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(SdkHttp(transport.clone()));
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
        region = region.profile_name(profile);
    }
    loader = match &options.region {
        Some(region) => loader.region(Region::new(region.clone())),
        // Not the machine's metadata service: a wrong region is corrected by the first answer, a slow start by nothing.
        None => loader.region(RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(region.build())),
    };
    if options.anonymous {
        loader = loader.no_credentials();
    } else if let Some(given) = &options.credentials {
        loader = loader.credentials_provider(credentials::fixed(given));
    } else if let Some(name) = &options.credentials_env {
        loader = loader.credentials_provider(credentials::from_environment(name)?);
    } else if let Some(profile) = &options.profile {
        loader = loader.credentials_provider(credentials::of_profile(profile, options, transport).await);
    }
    Ok(loader.load().await)
}

/// `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, and the same in a profile (with its `services` section).
fn configured_endpoint(shared: &SdkConfig) -> Option<String> {
    let key = aws_types::service_config::ServiceConfigKey::builder()
        .service_id("s3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .expect("all three names are given");
    let own = shared.service_config().and_then(|service| service.load_config(key));
    own.or_else(|| shared.endpoint_url().map(str::to_owned))
}

async fn link(region: &str, address: &Address, credentials: Option<&Cached>, clock: &Clock, transport: &Transport) -> Result<Link> {
    let endpoint = address.resolve(region).await?;
    let host = HeaderValue::try_from(endpoint.host_header())
        .map_err(|error| StoreError::new(ErrorKind::Invalid, format!("the endpoint's host: {error}")))?;
    let signer = Signer::new(endpoint.signing_region.clone(), endpoint.signing_name.clone());
    let mut config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .http_client(SdkHttp(transport.clone()))
        .time_source(clock.clone())
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .identity_cache(IdentityCache::no_cache())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .force_path_style(address.force_path_style())
        .use_fips(address.fips)
        .use_dual_stack(address.dual_stack);
    config.set_endpoint_url(address.endpoint_url.clone());
    config.set_disable_clock_skew_correction(Some(true));
    config = match credentials {
        Some(credentials) => config.credentials_provider(credentials.clone()),
        None => config.allow_no_auth(),
    };
    Ok(Link { region: region.to_owned(), endpoint, host, signer, sdk: Client::from_conf(config.build()) })
}
