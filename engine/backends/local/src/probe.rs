//! What this file system can do, and what the user may do in it.

use brigade_core::compare::DigestSource;
use brigade_core::limits::DELETE_BATCH_MAX;
use brigade_core::metadata::ClassNames;
use brigade_core::parts::PartLimits;
use brigade_core::{ErrorKind, Key, KeyRules};
use brigade_store::{Facts, Honoured, Listing, MtimeStyle, ProbeFor, ProofSupport, Result};
use rustix::fs::{Access, AtFlags, accessat, unlinkat};
use rustix::io::Errno;

use crate::error::{Doing, kind};
use crate::limits::{FILE_BYTES_MAX, PART_BYTES_MAX, PART_BYTES_MIN, PARTS_MAX, PUT_BYTES_MAX};
use crate::partial::{data_name, fresh_id};
use crate::publish::rename_to_absent;
use crate::root::{Place, Root};
use crate::walk::children;
use crate::write::create_beside;

/// What holds for every POSIX file system.
pub(crate) fn facts() -> Facts {
    Facts {
        keys: KeyRules::File,
        parts: PartLimits {
            part_bytes_min: PART_BYTES_MIN,
            part_bytes_max: PART_BYTES_MAX,
            parts_max: PARTS_MAX,
            put_bytes_max: PUT_BYTES_MAX,
            object_bytes_max: FILE_BYTES_MAX,
        },
        listing: Listing::Serial,
        delete_batch_max: DELETE_BATCH_MAX,
        digests: DigestSource::Computed,
        put_proof: ProofSupport::Crc32c,
        upload_proof: ProofSupport::Crc32c,
        checks_md5: Honoured::No,
        conditional_put: Honoured::Yes,
        conditional_complete: Honoured::Yes,
        conditional_delete: Honoured::Yes,
        versioned: Honoured::No,
        metadata_bytes_max: 0,
        tags_max: 0,
        keeps_expires: false,
        classes: ClassNames::None,
        keeps_metadata: false,
        mtime: MtimeStyle::File,
        missing_rights: Vec::new(),
        notes: Vec::new(),
    }
}

/// Looks at the root; for writing it is made where it is missing, and a rename is tried with two files of ours.
pub(crate) fn probe(root: &Root, purpose: ProbeFor) -> Result<Facts> {
    if purpose == ProbeFor::Write {
        root.create()?;
    }
    let directory = root.open()?;
    children(&directory, b"")?.next().transpose()?;
    let mut facts = facts();
    match purpose {
        ProbeFor::Read | ProbeFor::Plan => {}
        // Unlinking asks for the right to write and search the directory, whatever the file's own rights are.
        ProbeFor::Delete => match accessat(&directory, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS) {
            Err(errno) if kind(errno) == ErrorKind::Denied => facts.missing_rights.push(right(root)),
            allowed => allowed.doing("look at the rights of the root directory")?,
        },
        ProbeFor::Write => {
            let key = Key::from("probe");
            match try_renames(&Place { directory, name: b"probe", key: &key }) {
                Ok(Honoured::Yes) => facts.notes.push("a file appears only under a free name where that is asked for".to_owned()),
                Ok(_) => {
                    facts.conditional_put = Honoured::No;
                    facts.conditional_complete = Honoured::No;
                    facts.notes.push("this file system has no rename that spares an existing file, and no hard links".to_owned());
                }
                Err(error) if error.kind == ErrorKind::Denied => facts.missing_rights.push(right(root)),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(facts)
}

fn right(root: &Root) -> String {
    format!("write to the directory `{}`", root.path().display())
}

/// A rename to a free name must succeed and one to a taken name must not.
fn try_renames(place: &Place<'_>) -> Result<Honoured> {
    let (first, second) = (data_name(&fresh_id()), data_name(&fresh_id()));
    let tried = (|| {
        create_beside(place, &first)?;
        match rename_to_absent(&place.directory, first.as_bytes(), second.as_bytes()) {
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => return Ok(Honoured::No),
            renamed => renamed.doing("try a rename in the root directory")?,
        }
        create_beside(place, &first)?;
        match rename_to_absent(&place.directory, first.as_bytes(), second.as_bytes()) {
            Err(Errno::EXIST) => Ok(Honoured::Yes),
            Ok(()) => Ok(Honoured::No),
            Err(errno) => Err(errno).doing("try a rename in the root directory"),
        }
    })();
    for name in [first, second] {
        // One of them is not there; the other is found by `pending` if it stays.
        let _ = unlinkat(&place.directory, name, AtFlags::empty());
    }
    tried
}
