//! SOURCE and TARGET: opened, told apart, and seen as one object where SOURCE is exactly one.

use std::path::Path;

use brigade_core::event::Side;
use brigade_core::location::{BucketPath, Location, Overlap, overlap};
use brigade_core::{ErrorKind, Key, KeyRange};

use crate::args::TransferArgs;
use crate::commands;
use crate::error::CliError;
use crate::open::{Opened, Opener, Reach};

/// Opens both ends of a transfer.
pub async fn open_both(args: &TransferArgs, opener: &mut Opener) -> Result<(Opened, Opened), CliError> {
    let (source_location, target_location) = (commands::location(&args.source)?, commands::location(&args.target)?);
    let (source_reach, target_reach) = (Reach::source(&args.sides), Reach::target(&args.sides));
    let source = opener.open(&source_location, &source_reach, Side::Source).await?;
    let target = opener.open(&target_location, &target_reach, Side::Target).await?;
    refuse_overlap(&source, &target)?;
    let Some((parent, name)) = last_segment(&source_location) else { return Ok((source, target)) };
    if !is_one_object(&source, &parent, &name, opener, &source_reach).await? {
        return Ok((source, target));
    }
    let shown = Key::from(name.as_str());
    let one = opener.open(&parent, &source_reach, Side::Source).await?;
    let one = Opened { shown: source.shown, ..one.single(shown.clone(), shown.clone()) };
    match last_segment(&target_location).filter(|_| !is_directory(&target_location)) {
        Some((target_parent, target_name)) => {
            let target_one = opener.open(&target_parent, &target_reach, Side::Target).await?;
            let target_one = Opened { shown: target.shown, ..target_one.single(Key::from(target_name.as_str()), shown) };
            Ok((one, target_one))
        }
        None => Ok((one, target.single(shown.clone(), shown))),
    }
}

/// Opens the source alone.
pub async fn open_source(args: &TransferArgs, opener: &mut Opener) -> Result<Opened, CliError> {
    let (location, reach) = (commands::location(&args.source)?, Reach::source(&args.sides));
    let source = opener.open(&location, &reach, Side::Source).await?;
    let Some((parent, name)) = last_segment(&location) else { return Ok(source) };
    if !is_one_object(&source, &parent, &name, opener, &reach).await? {
        return Ok(source);
    }
    let (one, shown) = (opener.open(&parent, &reach, Side::Source).await?, Key::from(name.as_str()));
    Ok(Opened { shown: source.shown, ..one.single(shown.clone(), shown) })
}

fn refuse_overlap(source: &Opened, target: &Opened) -> Result<(), CliError> {
    let how = match overlap(&source.place, &target.place) {
        Overlap::None => return Ok(()),
        Overlap::Same => "SOURCE and TARGET are the same place",
        Overlap::Inside => "SOURCE lies inside TARGET",
        Overlap::Contains => "TARGET lies inside SOURCE",
    };
    Err(CliError::new(how, format!("{} and {}", source.shown, target.shown)).hint("choose two places that share no key"))
}

/// The location above and the last segment of a location that is written without a slash at its end.
fn last_segment(location: &Location) -> Option<(Location, String)> {
    let cut = |path: &BucketPath| -> Option<(BucketPath, String)> {
        if path.prefix.is_empty() || path.prefix.ends_with('/') {
            return None;
        }
        let (parent, name) = match path.prefix.rfind('/') {
            Some(slash) => path.prefix.split_at(slash + 1),
            None => ("", path.prefix.as_str()),
        };
        Some((BucketPath { bucket: path.bucket.clone(), prefix: parent.to_owned() }, name.to_owned()))
    };
    match location {
        Location::S3(path) => cut(path).map(|(parent, name)| (Location::S3(parent), name)),
        Location::Gcs(path) => cut(path).map(|(parent, name)| (Location::Gcs(parent), name)),
        Location::Named { store, path } => cut(path).map(|(path, name)| (Location::Named { store: store.clone(), path }, name)),
        Location::Local(path) => {
            let path = Path::new(path.as_str()).to_owned();
            let name = path.file_name()?.to_str()?.to_owned();
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Some((Location::Local(parent.to_str()?.to_owned()), name)).filter(|_| !location.to_string().ends_with('/'))
        }
    }
}

fn is_directory(location: &Location) -> bool {
    matches!(location, Location::Local(path) if Path::new(path).is_dir())
}

/// Whether SOURCE is exactly one object: nothing lies under `SOURCE/`, and the key itself exists.
async fn is_one_object(source: &Opened, parent: &Location, name: &str, opener: &mut Opener, reach: &Reach) -> Result<bool, CliError> {
    if let Location::Local(directory) = parent {
        return Ok(Path::new(directory).join(name).is_file());
    }
    let failed = |error| CliError::store(format!("cannot list {}", source.shown), &error);
    if source.store.list(&KeyRange::all()).next().await.map_err(failed)?.is_some() {
        return Ok(false);
    }
    let above = opener.open(parent, reach, Side::Source).await?;
    match above.store.head(&Key::from(name)).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(CliError::store(format!("cannot look at {}", source.shown), &error)),
    }
}
