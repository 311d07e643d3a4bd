//! From a location to a store: options, then the named store, then the environment.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brigade_core::event::{Observer, Side};
use brigade_core::limiter::Ramp;
use brigade_core::location::{BucketPath, Location, Place};
use brigade_core::units::Timetable;
use brigade_core::{ErrorKind, Key};
use brigade_gcs::{GcsOptions, GcsStore};
use brigade_http::{Transport, TransportOptions};
use brigade_inventory::{Elsewhere, Entries};
use brigade_local::LocalStore;
use brigade_s3::{Engine, PathStyle, PayloadSigning, S3Options, S3Store};
use brigade_store::layers::hedge::Hedging;
use brigade_store::layers::jitter::Jitter;
use brigade_store::layers::limit::{Limiter, Limits};
use brigade_store::layers::{Layered, Layers};
use brigade_store::single::{Single, SingleCopy};
use brigade_store::{Delete, ServerCopy, Source, StoreError, Target};

use crate::args::{OneSideArgs, PayloadSigningArg, RequestArgs, S3Engine, SideArgs};
use crate::config::{Config, StoreConfig, StoreKind};
use crate::error::CliError;
use crate::setting::Together;

/// How one side is reached, as options say it.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    endpoint_url: Option<String>,
    region: Option<String>,
    profile: Option<String>,
    anonymous: bool,
}

impl Reach {
    /// The source's options.
    pub fn source(args: &SideArgs) -> Self {
        Self {
            endpoint_url: args.source_endpoint_url.clone(),
            region: args.source_region.clone(),
            profile: args.source_profile.clone(),
            anonymous: args.source_anonymous,
        }
    }

    /// The target's options.
    pub fn target(args: &SideArgs) -> Self {
        Self {
            endpoint_url: args.target_endpoint_url.clone(),
            region: args.target_region.clone(),
            profile: args.target_profile.clone(),
            anonymous: args.target_anonymous,
        }
    }

    /// The options of a command with one location.
    pub fn one(args: &OneSideArgs) -> Self {
        Self {
            endpoint_url: args.endpoint_url.clone(),
            region: args.region.clone(),
            profile: args.profile.clone(),
            anonymous: args.anonymous,
        }
    }
}

/// A location that can be used.
#[derive(Clone)]
pub struct Opened {
    /// Lists and reads: the only handle that a source needs.
    pub reading: Arc<dyn Source>,
    /// Lists, reads and writes.
    pub store: Arc<dyn Target>,
    /// Deletes.
    pub delete: Arc<dyn Delete>,
    /// For comparing with the other side.
    pub place: Place,
    /// For people.
    pub shown: String,
    /// Key prefix that counts towards a name's length.
    pub prefix: Vec<u8>,
    /// How it is reached, for copies inside one provider.
    pub provider: Provider,
    /// What stands around every handle of this location.
    pub layers: Arc<Layers>,
    /// The one object that is shown, by its name in the store.
    pub real: Option<Key>,
}

/// A provider that may copy by itself.
#[derive(Clone)]
pub enum Provider {
    /// An S3 endpoint.
    S3(S3Store),
    /// Google, or an emulator.
    Gcs(GcsStore),
    /// Directories have no provider.
    None,
}

impl Opened {
    /// The one object `real` of this location, under the key `shown`.
    pub fn single(self, real: Key, shown: Key) -> Self {
        let store = Arc::new(Single::new(self.store, real.clone(), shown.clone()));
        let place = Place { prefix: format!("{}{real}", self.place.prefix), ..self.place };
        let delete = Arc::new(Single::new(self.delete, real.clone(), shown));
        Self { place, reading: store.clone(), store, delete, real: Some(real), ..self }
    }

    /// Whether it is reached as S3.
    pub fn is_s3(&self) -> bool {
        matches!(self.provider, Provider::S3(_))
    }

    /// The road from `source` to here, where one endpoint reaches both: its provider may copy by itself.
    pub fn server_copy(&self, source: &Self) -> Option<Arc<dyn ServerCopy>> {
        if self.place.endpoint != source.place.endpoint {
            return None;
        }
        let road: Arc<dyn ServerCopy> = match (&source.provider, &self.provider) {
            (Provider::S3(source), Provider::S3(target)) => Arc::new(target.copier(source)),
            (Provider::Gcs(source), Provider::Gcs(target)) => Arc::new(target.copier(source)),
            _ => return None,
        };
        let road = Arc::new(Layered::new(road, self.layers.clone()));
        match (&source.real, &self.real) {
            (Some(real), Some(copy)) => Some(Arc::new(SingleCopy::new(road, real.clone(), copy.clone()))),
            _ => Some(road),
        }
    }

    /// The same location, listed by `entries`.
    pub fn listed_by(self, entries: Arc<dyn Entries>) -> Self {
        let store = Arc::new(Elsewhere::new(self.store, entries));
        Self { reading: store.clone(), store, ..self }
    }
}

/// Opens locations: one transport for all, one limiter for each endpoint.
pub struct Opener {
    config: Config,
    requests: RequestArgs,
    transport: Transport,
    limiters: HashMap<String, Arc<Limiter>>,
    observer: Arc<dyn Observer>,
    together: Option<Together>,
}

impl Opener {
    /// Prepares the transport from the environment.
    pub fn new(config: Config, requests: RequestArgs, observer: Arc<dyn Observer>) -> Result<Self, CliError> {
        let options = TransportOptions { stall_timeout: requests.stall_timeout, ..TransportOptions::from_env() };
        let transport = Transport::new(&options).map_err(|error| CliError::new("cannot set up connections", error))?;
        Ok(Self { config, requests, transport, limiters: HashMap::new(), observer, together: None })
    }

    /// For a run that has requests at once together with others.
    pub fn among(self, together: Option<&Together>) -> Self {
        Self { together: together.cloned(), ..self }
    }

    /// Opens a location.
    pub async fn open(&mut self, location: &Location, reach: &Reach, side: Side) -> Result<Opened, CliError> {
        let shown = location.to_string();
        let failed = |error: StoreError| {
            let opened = CliError::store(format!("cannot open {shown}"), &error);
            // No request was made yet: what is wrong was typed or configured here.
            if error.kind == ErrorKind::Invalid {
                opened.hint("check the endpoint and the region: an endpoint is http://HOST[:PORT] or https://HOST[:PORT]")
            } else {
                opened
            }
        };
        match location {
            Location::S3(path) => self.s3(path, &StoreConfig::bare(StoreKind::S3), reach, side, &shown).await.map_err(failed),
            Location::Gcs(path) => self.gcs(path, &StoreConfig::bare(StoreKind::Gcs), reach, side, &shown).map_err(failed),
            Location::Local(path) => self.local(Path::new(path), reach, side, &shown),
            Location::Named { store, path } => {
                let config = self.config.store(store)?.clone();
                match config.kind {
                    StoreKind::S3 => {
                        let opened = self.s3(path, &config, reach, side, &shown).await.map_err(failed)?;
                        self.refuse_unseen_endpoint(store, &config, reach, &opened)?;
                        Ok(opened)
                    }
                    StoreKind::Gcs => {
                        let opened = self.gcs(path, &config, reach, side, &shown).map_err(failed)?;
                        self.refuse_unseen_endpoint(store, &config, reach, &opened)?;
                        Ok(opened)
                    }
                    StoreKind::Local => {
                        let root = config.root.ok_or_else(|| {
                            CliError::plain(format!("[stores.{store}] is local and has no `root`"))
                                .hint(format!("write root = \"/path\" under [stores.{store}]"))
                        })?;
                        self.local(&root.join(path.to_string()), reach, side, &shown)
                    }
                }
            }
        }
    }

    /// A tenant's store is where its roots were held against those of others: an endpoint that only the environment or a profile names
    /// was not seen then. No request has been made yet.
    fn refuse_unseen_endpoint(&self, store: &str, config: &StoreConfig, reach: &Reach, opened: &Opened) -> Result<(), CliError> {
        let is_named = reach.endpoint_url.is_some() || config.endpoint_url.is_some();
        if is_named || AT_THEIR_PROVIDERS.contains(&opened.place.endpoint.as_str()) || self.config.file().owners(store).next().is_none() {
            return Ok(());
        }
        let what = format!("[stores.{store}] belongs to a tenant, and the environment or a profile names its endpoint");
        Err(CliError::plain(what).hint(format!("write the endpoint_url under [stores.{store}], where it is compared with those of others")))
    }

    /// What kind of store a location is in.
    pub fn kind(&self, location: &Location) -> Result<StoreKind, CliError> {
        Ok(match location {
            Location::S3(_) => StoreKind::S3,
            Location::Gcs(_) => StoreKind::Gcs,
            Location::Local(_) => StoreKind::Local,
            Location::Named { store, .. } => self.config.store(store)?.kind,
        })
    }

    async fn s3(&mut self, path: &BucketPath, config: &StoreConfig, reach: &Reach, side: Side, shown: &str) -> Result<Opened, StoreError> {
        let options = S3Options {
            endpoint_url: reach.endpoint_url.clone().or_else(|| config.endpoint_url.clone()),
            region: reach.region.clone().or_else(|| config.region.clone()),
            profile: reach.profile.clone().or_else(|| config.profile.clone()),
            credentials_env: config.credentials_env.clone(),
            anonymous: reach.anonymous || config.anonymous,
            path_style: match config.path_style {
                None => PathStyle::Auto,
                Some(true) => PathStyle::Always,
                Some(false) => PathStyle::Never,
            },
            payload_signing: match self.requests.payload_signing {
                PayloadSigningArg::Auto => PayloadSigning::Auto,
                PayloadSigningArg::Always => PayloadSigning::Always,
                PayloadSigningArg::Never => PayloadSigning::Never,
            },
            engine: match self.requests.s3_engine {
                S3Engine::Lean => Engine::Lean,
                S3Engine::Sdk => Engine::Sdk,
            },
            ..S3Options::new(path.bucket.clone(), path.key_prefix())
        };
        let store = S3Store::connect(options, self.transport.clone()).await?;
        let delete: Arc<dyn Delete> = Arc::new(store.deleter());
        let place = Place { endpoint: store.endpoint_id(), bucket: path.bucket.clone(), prefix: path.key_prefix() };
        let provider = Provider::S3(store.clone());
        let backend = Backend { store: Arc::new(store), delete, place, prefix: path.key_prefix().into_bytes(), ramp: None, provider };
        Ok(self.layered(backend, side, shown))
    }

    fn gcs(&mut self, path: &BucketPath, config: &StoreConfig, reach: &Reach, side: Side, shown: &str) -> Result<Opened, StoreError> {
        let emulator = std::env::var("STORAGE_EMULATOR_HOST").ok().filter(|host| !host.is_empty());
        let options = GcsOptions {
            endpoint_url: reach.endpoint_url.clone().or_else(|| config.endpoint_url.clone()).or(emulator),
            anonymous: reach.anonymous || config.anonymous,
            credentials_file: config.credentials_file.clone(),
            bucket: path.bucket.clone(),
            prefix: path.key_prefix(),
            ..GcsOptions::default()
        };
        let store = GcsStore::new(options, self.transport.clone())?;
        let place = Place { endpoint: store.endpoint_id(), bucket: path.bucket.clone(), prefix: path.key_prefix() };
        // An emulator has no shards to split.
        let ramp = store.is_google().then_some(Ramp::GOOGLE);
        let provider = Provider::Gcs(store.clone());
        let store = Arc::new(store);
        let backend = Backend { store: store.clone(), delete: store, place, prefix: path.key_prefix().into_bytes(), ramp, provider };
        Ok(self.layered(backend, side, shown))
    }

    fn local(&mut self, path: &Path, reach: &Reach, side: Side, shown: &str) -> Result<Opened, CliError> {
        if reach.endpoint_url.is_some() || reach.region.is_some() || reach.profile.is_some() || reach.anonymous {
            return Err(CliError::plain(format!("{shown} is a directory, which has no endpoint, region, profile or credentials")));
        }
        let store = LocalStore::new(path).map_err(|error| CliError::store(format!("cannot open {shown}"), &error))?;
        let store = Arc::new(store);
        let mut prefix = absolute(path).map_err(|error| CliError::new(format!("cannot find {shown}"), error))?;
        if !prefix.ends_with('/') {
            prefix.push('/');
        }
        let place = Place { endpoint: "file".into(), bucket: String::new(), prefix };
        let backend = Backend { store: store.clone(), delete: store, place, prefix: Vec::new(), ramp: None, provider: Provider::None };
        Ok(self.layered(backend, side, shown))
    }

    fn layered(&mut self, backend: Backend, side: Side, shown: &str) -> Opened {
        let Backend { store, delete, place, prefix, ramp, provider } = backend;
        let requests = &self.requests;
        let begin = || {
            let bandwidth = requests.bandwidth.clone().unwrap_or(Timetable::constant(None));
            let limits =
                Limits { requests_per_second: requests.requests_per_second, bandwidth, ramp, ..Limits::at_once(requests.concurrency) };
            let limiter = Limiter::new(limits);
            Arc::new(match self.together.as_ref().and_then(|together| together.places(&place.endpoint)) {
                Some(places) => limiter.among(places),
                None => limiter,
            })
        };
        let limiter = self.limiters.entry(place.endpoint.clone()).or_insert_with(begin).clone();
        let layers = Layers {
            side,
            attempts_max: requests.attempts,
            limiter,
            observer: self.observer.clone(),
            jitter: Jitter::Random,
            hedging: Hedging::SlowReads,
        };
        let layers = Arc::new(layers);
        let store = Arc::new(Layered::new(store, layers.clone()));
        Opened {
            reading: store.clone(),
            store,
            delete: Arc::new(Layered::new(delete, layers.clone())),
            place,
            shown: shown.to_owned(),
            prefix,
            provider,
            layers,
            real: None,
        }
    }
}

/// Endpoints that a store has where nobody names another one.
const AT_THEIR_PROVIDERS: [&str; 3] = ["s3 aws", "s3 aws-cn", "gcs google"];

/// A store before the layers are around it.
struct Backend {
    store: Arc<dyn Target>,
    delete: Arc<dyn Delete>,
    place: Place,
    prefix: Vec<u8>,
    ramp: Option<Ramp>,
    provider: Provider,
}

/// The absolute path with links resolved as far as it exists, so that two spellings of one directory are seen as one.
pub fn absolute(path: &Path) -> std::io::Result<String> {
    let full = std::path::absolute(path)?;
    let mut existing = full.clone();
    let mut rest = PathBuf::new();
    loop {
        match existing.canonicalize() {
            Ok(resolved) => return Ok(resolved.join(rest).to_string_lossy().into_owned()),
            Err(error) => match (existing.file_name().map(PathBuf::from), existing.parent().map(Path::to_owned)) {
                (Some(name), Some(parent)) => {
                    rest = if rest.as_os_str().is_empty() { name } else { name.join(rest) };
                    existing = parent;
                }
                _ => return Err(error),
            },
        }
    }
}
