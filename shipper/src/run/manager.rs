//! What a service manager is told (systemd's `sd_notify`): ready, one line of status, and that the shipper's thread
//! still goes round. Datagrams to the socket that `NOTIFY_SOCKET` names; without it nothing is said.
//!
//! Only the thread that does the work says that it lives: one that hangs in a read or a sync is restarted.

use crate::{Status, Totals};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub(super) struct Manager {
    socket: Option<UnixDatagram>,
    /// It wants to hear from us this often.
    watchdog: Option<Duration>,
    next_beat: Duration,
    ready: bool,
    line: String,
}

impl Manager {
    /// The one that started this process.
    pub(super) fn of_environment() -> Manager {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Manager::default() };
        let ours = std::env::var("WATCHDOG_PID").ok().is_none_or(|pid| pid == std::process::id().to_string());
        let usec = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok()).filter(|_| ours);
        Manager::at(&name.to_string_lossy(), usec.map(Duration::from_micros))
    }

    /// The one behind a socket: a path, or `@name`.
    pub(super) fn at(name: &str, watchdog: Option<Duration>) -> Manager {
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(name),
        };
        let connected = address.and_then(|address| {
            let socket = UnixDatagram::unbound()?;
            socket.connect_addr(&address)?;
            // A manager that does not read must not stop us.
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        if let Err(error) = &connected {
            tracing::warn!("failed to reach the service manager at `{name}`: {error}");
        }
        Manager { socket: connected.ok(), watchdog, ..Manager::default() }
    }

    fn say(&self, text: &str) {
        if let Some(socket) = &self.socket {
            // One that went away or does not read is no reason to stop.
            let _sent = socket.send(text.as_bytes());
        }
    }

    /// The thread went round once.
    pub(super) fn round(&mut self, now: Duration) {
        if !self.ready {
            self.ready = true;
            self.say("READY=1");
        }
        if let Some(every) = self.watchdog
            && now >= self.next_beat
        {
            self.next_beat = now + every / 3;
            self.say("WATCHDOG=1");
        }
    }

    /// When the thread must go round next, whatever else there is to do.
    pub(super) fn next_round(&self) -> Duration {
        if self.watchdog.is_some() { self.next_beat } else { Duration::MAX }
    }

    /// How things stand; said when it changed.
    pub(super) fn status(&mut self, status: &Status<Totals>) {
        if self.socket.is_none() {
            return;
        }
        let line = status.line();
        if line != self.line {
            self.say(&format!("STATUS={line}"));
            self.line = line;
        }
    }

    /// It ends.
    pub(super) fn stopping(&self) {
        self.say("STOPPING=1");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    #[test]
    fn says_ready_once_and_lives_as_often_as_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let heard = UnixDatagram::bind(&path).unwrap();
        heard.set_nonblocking(true).unwrap();
        let all = || {
            let mut texts = Vec::new();
            let mut buffer = [0; 200];
            while let Ok(len) = heard.recv(&mut buffer) {
                texts.push(String::from_utf8_lossy(&buffer[..len]).into_owned());
            }
            texts
        };
        let mut manager = Manager::at(path.to_str().unwrap(), Some(Duration::from_secs(30)));
        manager.round(Duration::from_secs(1));
        manager.status(&Status::default());
        manager.status(&Status::default());
        assert_eq!(all(), ["READY=1", "WATCHDOG=1", "STATUS=0 files, 0.0 MB behind; no answer from the indexer yet"]);
        manager.round(Duration::from_secs(2));
        assert!(all().is_empty());
        manager.round(Duration::from_secs(11));
        manager.stopping();
        assert_eq!(all(), ["WATCHDOG=1", "STOPPING=1"]);
        assert_eq!(manager.next_round(), Duration::from_secs(21));
        assert_eq!(Manager::default().next_round(), Duration::MAX);
        Manager::default().round(Duration::ZERO);
        Manager::at("/no/such/socket", None).round(Duration::ZERO);
    }
}
