//! Where a location really is: the same text for every spelling of one place, so that two can be compared byte by byte.
//!
//! It errs on the side of *the same*: two names of one machine that cannot be told apart here are for [`brigade_core::location::overlap`]
//! at run time, when the endpoint is open.

use brigade_core::location::{BucketPath, Location, Place};

use crate::Config;
use crate::store::{StoreConfig, StoreKind};
use crate::text::authority;

/// Why a location leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPlace {
    /// There is no such store.
    #[error("there is no store `{0}`")]
    NoStore(String),
    /// A path that steps out of where it should stay, or begins nowhere.
    #[error("`{0}` is no path below an absolute root")]
    Path(String),
}

/// The place of a location of this configuration. What it holds begins with the place's prefix, which ends at a `/` boundary.
///
/// # Errors
/// When a store is not known, or a path of a file system has `..` in it or is not absolute.
pub fn resolve(config: &Config, location: &Location) -> Result<Place, BadPlace> {
    match location {
        Location::S3(path) => Ok(bucket(S3, path)),
        Location::Gcs(path) => Ok(bucket(GCS, path)),
        Location::Local(path) => directory(path),
        Location::Named { store, path } => {
            let config = config.stores.get(store).ok_or_else(|| BadPlace::NoStore(store.clone()))?;
            match config.kind {
                StoreKind::S3 | StoreKind::Gcs => Ok(bucket(&endpoint(config), path)),
                StoreKind::Local => {
                    let root = config.root.as_ref().and_then(|root| root.to_str()).unwrap_or_default();
                    directory(&format!("{root}/{path}"))
                }
            }
        }
    }
}

/// The provider's own endpoints.
const S3: &str = "s3";
const GCS: &str = "gcs";

/// What an endpoint reaches, whatever region or dialect it is spelt with.
fn endpoint(store: &StoreConfig) -> String {
    let own = if store.kind == StoreKind::Gcs { GCS } else { S3 };
    let Some((_, host, port)) = store.endpoint_url.as_deref().and_then(authority) else { return own.to_owned() };
    let is_amazon = host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
    let is_google = host == "storage.googleapis.com" || host.ends_with(".storage.googleapis.com");
    match (is_amazon, is_google) {
        (true, _) => S3.to_owned(),
        (_, true) => GCS.to_owned(),
        // Plain and encrypted doors of one host may have ports of their own and one keyspace, but nobody can know.
        _ => format!("{host}:{port}"),
    }
}

fn bucket(endpoint: &str, path: &BucketPath) -> Place {
    Place { endpoint: endpoint.to_owned(), bucket: path.bucket.clone(), prefix: path.key_prefix() }
}

/// An absolute path without `.`, doubled slashes or a way back up, with a slash at its end.
fn directory(path: &str) -> Result<Place, BadPlace> {
    let mut prefix = String::from("/");
    for name in path.split('/').filter(|name| !name.is_empty() && *name != ".") {
        if name == ".." {
            return Err(BadPlace::Path(path.to_owned()));
        }
        prefix.push_str(name);
        prefix.push('/');
    }
    if !path.starts_with('/') {
        return Err(BadPlace::Path(path.to_owned()));
    }
    Ok(Place { endpoint: "file".into(), bucket: String::new(), prefix })
}
