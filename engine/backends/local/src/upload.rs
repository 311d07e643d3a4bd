//! Uploads in parts: one partial file, written at offsets by as many threads as there are parts, and a ledger beside it.

use std::os::fd::OwnedFd;

use brigade_core::digest::Sum;
use brigade_core::parts::Part;
use brigade_core::{ErrorKind, Key};
use brigade_store::{PartReceipt, PendingUpload, Result, Rope, StoreError, Upload, When, WriteSpec, Written};
use jiff::Timestamp;
use rustix::fs::{AtFlags, FallocateFlags, FileType, Mode, OFlags, fallocate, fstat, ftruncate, openat, statat, unlinkat};
use rustix::io::{Errno, retry_on_intr, write};

use crate::error::Doing;
use crate::lane::{Wanted, unwanted};
use crate::ledger;
use crate::partial::{self, Role, data_name, ledger_name};
use crate::publish::{condition, publish, write_at};
use crate::root::{Place, Root, open_directory};
use crate::stamp;
use crate::walk::children;
use crate::write::{check_sum, create_beside};

/// Begins an upload: the ledger first, so that whatever lies about afterwards has a name.
pub(crate) fn create(root: &Root, key: &Key, size: u64) -> Result<Upload> {
    let place = root.place_to_write(key)?;
    // The condition is for completion; what can never be written is refused before the bytes travel.
    condition(&place, &When::Always)?;
    let upload = Upload { key: key.clone(), id: partial::fresh_id(), staging: None };
    let begun = begin(&place, &upload, size);
    if begun.is_err() {
        remove_both(&place.directory, &upload.id)?;
    }
    begun.map(|()| upload)
}

fn begin(place: &Place<'_>, upload: &Upload, size: u64) -> Result<()> {
    let ledger = create_beside(place, &ledger_name(&upload.id))?;
    let title = ledger::title(&upload.key, size, Timestamp::now());
    let written = retry_on_intr(|| write(&ledger, title.as_bytes())).doing("begin the ledger of an upload")?;
    if written != title.len() {
        return Err(StoreError::new(ErrorKind::Disk, "begin the ledger of an upload: the disk takes no more bytes"));
    }
    let data = create_beside(place, &data_name(&upload.id))?;
    reserve(&data, size).doing(format_args!("reserve {size} bytes for `{}`", upload.key))
}

/// Reserves the space, so that a disk that is too small says so now. Where the file system cannot, only the size is set.
fn reserve(data: &OwnedFd, size: u64) -> rustix::io::Result<()> {
    if size == 0 {
        return Ok(());
    }
    match retry_on_intr(|| fallocate(data, FallocateFlags::empty(), 0, size)) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => ftruncate(data, size),
        reserved => reserved,
    }
}

/// Writes one part at its offset.
pub(crate) fn part(root: &Root, upload: &Upload, part: Part, bytes: &Rope, sum: &Sum, wanted: Wanted<'_>) -> Result<PartReceipt> {
    check_sum(bytes, sum)?;
    let (place, data) = open_data(root, upload)?;
    let whole = stamp::of(&fstat(&data).doing("look at the partial file")?).size;
    let fits = part.offset.checked_add(part.size).is_some_and(|end| end <= whole);
    if !fits || bytes.size() != part.size {
        let message = format!("part {} of {} bytes at {} does not fit a file of {whole} bytes", part.number, bytes.size(), part.offset);
        return Err(StoreError::new(ErrorKind::Invalid, message));
    }
    let ledger = ledger_name(&upload.id);
    ledger::begin(&place.directory, &ledger, part.number)?;
    write_at(&data, part.offset, bytes, wanted).map_err(|error| error.context(format_args!("part {}", part.number)))?;
    ledger::done(&place.directory, &ledger, part, sum.crc32c)?;
    Ok(ledger::receipt(part.number, part.size, sum.crc32c))
}

/// The parts that the ledger knows.
pub(crate) fn parts(root: &Root, upload: &Upload) -> Result<Vec<PartReceipt>> {
    let (place, _data) = open_data(root, upload)?;
    Ok(ledger::read(&place.directory, &ledger_name(&upload.id))?.parts)
}

/// Checks and publishes the file. After an error the upload is as it was.
pub(crate) fn complete(
    root: &Root,
    upload: &Upload,
    parts: &[PartReceipt],
    sum: &Sum,
    spec: &WriteSpec,
    wanted: Wanted<'_>,
) -> Result<Written> {
    let in_order = (1..).zip(parts).all(|(number, receipt): (u32, _)| receipt.number == number);
    let size = parts.iter().fold(0_u64, |size, receipt| size.saturating_add(receipt.size));
    if !in_order || size != sum.size {
        let message = format!("{} parts of together {size} bytes are no file of {} bytes", parts.len(), sum.size);
        return Err(StoreError::new(ErrorKind::Invalid, message));
    }
    let (place, data) = open_data(root, upload)?;
    condition(&place, &spec.when)?;
    let written = publish(&place, &data, &data_name(&upload.id), sum, spec, wanted)?;
    // The object is there. A ledger that stays behind is found by `pending`.
    let _ = unlinkat(&place.directory, ledger_name(&upload.id), AtFlags::empty());
    Ok(written)
}

/// Removes what an upload left. What is gone already is no error.
pub(crate) fn abort(root: &Root, upload: &Upload) -> Result<()> {
    if !partial::is_id(&upload.id) {
        return Err(no_id(upload));
    }
    match root.place_of_partial(&upload.key) {
        Ok(place) => remove_both(&place.directory, &upload.id),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The ledger goes last: as long as anything is there, it has a name.
fn remove_both(directory: &OwnedFd, id: &str) -> Result<()> {
    for name in [data_name(id), ledger_name(id)] {
        match unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno).doing("remove a partial file"),
        }
    }
    Ok(())
}

fn open_data<'k>(root: &Root, upload: &'k Upload) -> Result<(Place<'k>, OwnedFd)> {
    let gone = || StoreError::new(ErrorKind::UploadGone, format!("the upload of `{}` is gone", upload.key));
    if !partial::is_id(&upload.id) {
        return Err(no_id(upload));
    }
    let place = root.place(&upload.key).map_err(|error| if error.kind == ErrorKind::NotFound { gone() } else { error })?;
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(&place.directory, data_name(&upload.id), flags, Mode::empty()) {
        Ok(data) => Ok((place, data)),
        Err(Errno::NOENT) => Err(gone()),
        Err(errno) => Err(errno).doing(format_args!("open the partial file of `{}`", upload.key)),
    }
}

fn no_id(upload: &Upload) -> StoreError {
    StoreError::new(ErrorKind::Invalid, format!("the upload of `{}` has an id that this store never gave", upload.key))
}

/// A directory of the search, and what is still to be searched in it.
struct Searched {
    directory: OwnedFd,
    path: Vec<u8>,
    inner: Vec<Vec<u8>>,
}

/// Everything below the root that was never finished: uploads by their ledgers, and files of interrupted puts, which are
/// named by the partial file itself.
pub(crate) fn pending(root: &Root, wanted: Wanted<'_>) -> Result<Vec<PendingUpload>> {
    let mut found = Vec::new();
    let mut open = vec![search(root.open()?, Vec::new(), &mut found)?];
    while let Some(last) = open.last_mut() {
        if !wanted() {
            return Err(unwanted());
        }
        let Some(name) = last.inner.pop() else {
            open.pop();
            continue;
        };
        let path = [last.path.as_slice(), &name, b"/"].concat();
        match open_directory(&last.directory, &name) {
            Ok(directory) => open.push(search(directory, path, &mut found)?),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(errno) => return Err(errno).doing(format_args!("list `{}`", Key::new(&path))),
        }
    }
    Ok(found)
}

fn search(directory: OwnedFd, path: Vec<u8>, found: &mut Vec<PendingUpload>) -> Result<Searched> {
    let mut inner = Vec::new();
    let (mut data, mut ledgers) = (Vec::new(), Vec::new());
    for child in children(&directory, &path)? {
        match child? {
            (name, FileType::Directory) => inner.push(name),
            (name, FileType::RegularFile) => match partial::role(&name) {
                Some(Role::Data(id)) => data.push(id.to_owned()),
                Some(Role::Ledger(id)) => ledgers.push(id.to_owned()),
                _ => {}
            },
            _ => {}
        }
    }
    data.retain(|id| !ledgers.contains(id));
    for id in ledgers {
        match ledger::read(&directory, &ledger_name(&id)) {
            Ok(ledger) if partial::split(ledger.key.as_bytes()).0 == path.strip_suffix(b"/").unwrap_or(&path) => {
                found.push(PendingUpload { upload: Upload { key: ledger.key, id, staging: None }, started: ledger.started });
            }
            // A ledger that is torn, or was moved here with its directory: what counts is where it lies.
            Ok(_) => found.push(leftover(&directory, &path, id, ledger_name)),
            Err(error) if error.kind == ErrorKind::UploadGone => found.push(leftover(&directory, &path, id, ledger_name)),
            Err(error) => return Err(error),
        }
    }
    found.extend(data.into_iter().map(|id| leftover(&directory, &path, id, data_name)));
    Ok(Searched { directory, path, inner })
}

/// A partial file without a ledger that could be read.
fn leftover(directory: &OwnedFd, path: &[u8], id: String, name: fn(&str) -> String) -> PendingUpload {
    let name = name(&id);
    let started = statat(directory, name.as_str(), AtFlags::SYMLINK_NOFOLLOW).ok().as_ref().and_then(stamp::modified);
    let key = Key::new([path, name.as_bytes()].concat());
    PendingUpload { upload: Upload { key, id, staging: Some(name) }, started }
}
