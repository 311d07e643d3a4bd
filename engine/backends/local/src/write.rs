//! Writing a whole file in one call.

use std::os::fd::OwnedFd;

use brigade_core::digest::{Sum, Wanted as Checksums};
use brigade_core::{ErrorKind, Key};
use brigade_store::{Result, Rope, StoreError, WriteSpec, Written};
use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};

use crate::error::Doing;
use crate::lane::Wanted;
use crate::partial;
use crate::publish::{condition, publish, write_at};
use crate::root::{Place, Root};

/// Writes, checks and publishes a file.
pub(crate) fn put(root: &Root, key: &Key, bytes: &Rope, sum: &Sum, spec: &WriteSpec, wanted: Wanted<'_>) -> Result<Written> {
    check_sum(bytes, sum)?;
    let place = root.place_to_write(key)?;
    condition(&place, &spec.when)?;
    let scratch = Scratch::create(&place)?;
    write_at(&scratch.file, 0, bytes, wanted).map_err(|error| error.context(format_args!("write `{key}`")))?;
    publish(&place, &scratch.file, &scratch.name, sum, spec, wanted)
}

/// What arrived here is what was read from the source. Compared before the disk is troubled.
pub(crate) fn check_sum(bytes: &Rope, sum: &Sum) -> Result<()> {
    let seen = bytes.sum(Checksums { crc64nvme: sum.crc64nvme.is_some() });
    if seen == *sum {
        return Ok(());
    }
    let message = format!("{} bytes with crc32c {:08x} came instead of {} with {:08x}", seen.size, seen.crc32c, sum.size, sum.crc32c);
    Err(StoreError::new(ErrorKind::Corrupt, message))
}

/// Makes a new empty file beside the place, readable and writable, with the rights that the user's mask leaves.
pub(crate) fn create_beside(place: &Place<'_>, name: &str) -> Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(&place.directory, name, flags, Mode::from_raw_mode(0o666)).doing(format_args!("create a file beside `{}`", place.key))
}

/// A partial file that goes away by itself, unless it was published under another name.
struct Scratch<'a> {
    directory: &'a OwnedFd,
    name: String,
    file: OwnedFd,
}

impl<'a> Scratch<'a> {
    fn create(place: &'a Place<'_>) -> Result<Self> {
        let name = partial::data_name(&partial::fresh_id());
        let file = create_beside(place, &name)?;
        Ok(Self { directory: &place.directory, name, file })
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        // After a success it is not there any more. What stays after a failure here is found by `pending`.
        let _ = unlinkat(self.directory, self.name.as_str(), AtFlags::empty());
    }
}
