//! Words to the service manager: ready, reloading, stopping, alive. The protocol is that of `sd_notify(3)`: a datagram to a socket.
//!
//! Nothing here can fail the service: a manager that does not listen is told nothing.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Tells the service manager how the service is.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Speaks to the socket that `$NOTIFY_SOCKET` names (a path, or `@NAME` of the abstract namespace). `watchdog` is the time of
    /// `$WATCHDOG_USEC`, after which a silent process is killed.
    ///
    /// # Errors
    /// When there is no such socket.
    pub fn to(socket: &Path, watchdog: Option<Duration>) -> io::Result<Self> {
        let name = socket.as_os_str().as_bytes();
        let address = match name.strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(socket)?,
        };
        let datagram = UnixDatagram::unbound()?;
        datagram.connect_addr(&address)?;
        // A manager that does not read must not hold up the loop.
        datagram.set_nonblocking(true)?;
        Ok(Self { socket: Some(datagram), watchdog })
    }

    /// How often the manager wants to hear [`Notifier::alive`] at least: twice in the time after which it kills.
    pub(crate) fn alive_every(&self) -> Option<Duration> {
        self.watchdog.map(|time| time / 2)
    }

    pub(crate) fn ready(&self) {
        self.tell("READY=1");
    }

    pub(crate) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    pub(crate) fn alive(&self) {
        if self.watchdog.is_some() {
            self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(state.as_bytes())
        {
            tracing::debug!(%error, state, "the service manager was not told");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_hears_each_word_at_a_path_and_in_the_abstract_namespace() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify");
        let name = format!("brigade-notify-{}", std::process::id());
        let at_path = UnixDatagram::bind(&path).expect("bound");
        let abstract_one = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).expect("a name")).expect("bound");
        for (manager, socket) in [(at_path, path), (abstract_one, format!("@{name}").into())] {
            let notifier = Notifier::to(&socket, Some(Duration::from_secs(4))).expect("there");
            assert_eq!(notifier.alive_every(), Some(Duration::from_secs(2)));
            let hear = || {
                let mut bytes = [0; 128];
                let count = manager.recv(&mut bytes).expect("a datagram");
                String::from_utf8_lossy(&bytes[..count]).into_owned()
            };
            notifier.ready();
            assert_eq!(hear(), "READY=1");
            notifier.reloading();
            let text = hear();
            let micros = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("the form that systemd wants");
            assert!(micros.parse::<u64>().is_ok_and(|micros| micros > 0), "{text}");
            notifier.alive();
            assert_eq!(hear(), "WATCHDOG=1");
            notifier.stopping();
            assert_eq!(hear(), "STOPPING=1");
        }
    }

    #[test]
    fn nobody_is_told_where_nobody_listens() {
        Notifier::default().ready();
        let quiet = Notifier::default();
        assert_eq!(quiet.alive_every(), None);
        let directory = tempfile::tempdir().expect("a directory");
        assert!(Notifier::to(&directory.path().join("none"), None).is_err());
    }
}
