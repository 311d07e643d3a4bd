//! From what the operating system says to the kinds that the engine judges. This table is the only one of this backend.

use brigade_core::ErrorKind;
use brigade_store::StoreError;
use rustix::io::Errno;

/// What an error of a system call means.
pub(crate) fn kind(errno: Errno) -> ErrorKind {
    match errno {
        Errno::NOENT => ErrorKind::NotFound,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => ErrorKind::Denied,
        Errno::NAMETOOLONG | Errno::FBIG | Errno::ILSEQ | Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::MLINK => ErrorKind::Unfit,
        Errno::EXIST => ErrorKind::Conflict,
        // Too many open files, or a file system over the network that is away: another attempt may find it better.
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::BUSY | Errno::STALE | Errno::AGAIN | Errno::TIMEDOUT => ErrorKind::Unavailable,
        _ => ErrorKind::Disk,
    }
}

/// Adds what was being done.
pub(crate) trait Doing<T> {
    /// Names the step; the operating system's words follow.
    fn doing(self, what: impl std::fmt::Display) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, Errno> {
    fn doing(self, what: impl std::fmt::Display) -> Result<T, StoreError> {
        self.map_err(|errno| StoreError {
            code: Some(format!("errno {}", errno.raw_os_error())),
            ..StoreError::new(kind(errno), format!("{what}: {}", words(errno)))
        })
    }
}

fn words(errno: Errno) -> &'static str {
    match errno {
        Errno::NOENT => "no such file or directory",
        Errno::ACCESS => "permission denied",
        Errno::PERM => "operation not permitted",
        Errno::ROFS => "the file system is read-only",
        Errno::NOSPC => "no space is left on the disk",
        Errno::DQUOT => "the disk quota is used up",
        Errno::IO => "the disk failed",
        Errno::NAMETOOLONG => "the name is too long for this file system",
        Errno::ILSEQ | Errno::INVAL => "the file system refuses this name or request",
        Errno::FBIG => "the file is too large for this file system",
        Errno::EXIST => "it exists already",
        Errno::NOTDIR => "not a directory",
        Errno::ISDIR => "it is a directory",
        Errno::LOOP => "it is a symbolic link",
        Errno::MFILE | Errno::NFILE => "too many files are open",
        Errno::STALE | Errno::TIMEDOUT => "the file system does not answer",
        _ => "the operating system refused it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_a_missing_right_and_a_long_name_are_told_apart() {
        let kinds = [Errno::NOSPC, Errno::DQUOT, Errno::ACCESS, Errno::ROFS, Errno::NAMETOOLONG, Errno::MFILE].map(kind);
        use ErrorKind as E;
        assert_eq!(kinds, [E::Disk, E::Disk, E::Denied, E::Denied, E::Unfit, E::Unavailable]);
        let error = Err::<(), _>(Errno::NOSPC).doing("write `a`").expect_err("is one");
        assert_eq!((error.kind, error.message.as_str()), (E::Disk, "write `a`: no space is left on the disk"));
    }
}
