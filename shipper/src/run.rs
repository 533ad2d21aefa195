//! The rim: one thread that steps the core, watches, the way to the indexer, and the status file.
#![allow(clippy::disallowed_methods, reason = "the rim owns the thread, and waits")]

use crate::core::{
    ExitReason, Importance, Notice, OpenError, ShipperCore, ShipperInput, ShipperOutput, ShipperOutside,
};
use crate::forward::{AnswerTo, Forward};
use crate::watch::{Inbox, Watches};
use crate::{ShipperConfig, Status, Totals};
use manager::Manager;
use outside::real::{RealClock, RealFiles, RealRng};
use outside::{Clock, File, Files, OpenMode};
use std::collections::HashMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// News of files wait so long for company.
const COMPANY: Duration = Duration::from_millis(15);
/// The status file is written so often when something happened; with many files less often.
const STATUS_EVERY: Duration = Duration::from_secs(1);
const STATUS_FILES_A_SECOND: u64 = 500;
/// It is written so often though nothing did.
const STATUS_AGAIN: Duration = Duration::from_secs(600);
/// Watches are put again so often.
const RENEW_EVERY: Duration = Duration::from_secs(60);
/// Folders without a watch are listed so often.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// The same notice is said again after so long, with the number of times it was held back.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// Name of the file in the state folder that holds the last audit.
pub const AUDIT_FILE: &str = "audit.json";
/// An audit is asked for by a file of this name.
const AUDIT_ASKED: &str = "ask-audit";
/// Name of the status file in the state folder.
pub const STATUS_FILE: &str = "status.json";

/// The thread goes round at least this often; one that does not for [`STUCK_AFTER`] is stuck. While nothing happens that is
/// most of what it costs.
const ROUND_EVERY: Duration = Duration::from_secs(2);
/// A full round may read 2 MiB from a slow disk and sync twice.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// A shipper that runs.
#[derive(Debug)]
pub struct Running {
    thread: JoinHandle<ExitReason>,
    handle: Handle,
}

/// Asks a running shipper for things, from any thread.
#[derive(Clone, Debug)]
pub struct Handle {
    inbox: Arc<Inbox>,
    status: Arc<Mutex<Status<Totals>>>,
    clock: Arc<RealClock>,
    /// When the thread last went round, milliseconds of the clock.
    round: Arc<AtomicU64>,
}

impl Handle {
    /// Takes over a configuration that was read again; a message says what holds only from the next start on.
    pub fn configure(&self, config: ShipperConfig) {
        self.inbox.configure(config);
    }

    /// Whether its thread still goes round, and does not hang in a read or a sync.
    pub fn is_alive(&self) -> bool {
        let round = Duration::from_millis(self.round.load(Ordering::Relaxed));
        self.clock.monotonic().saturating_sub(round) < STUCK_AFTER
    }

    /// Close what is open, ship it, end. May be asked more than once.
    pub fn shutdown(&self) {
        self.inbox.shutdown();
    }

    /// How things stood within the last two seconds or so; with many files those are of an earlier moment.
    pub fn status(&self) -> Status<Totals> {
        self.status.lock().expect("no panic while it is copied").clone()
    }
}

impl Running {
    /// A handle on it.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end.
    pub fn wait(self) -> ExitReason {
        match self.thread.join() {
            Ok(reason) => reason,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Starts a shipper on a thread of its own.
///
/// # Errors
/// See [`OpenError`]; nothing is left running then.
pub fn start(state: &Path, config: ShipperConfig, forward: Arc<dyn Forward>) -> Result<Running, OpenError> {
    let clock = Arc::new(RealClock::default());
    let outside = ShipperOutside { files: Arc::new(RealFiles), clock: clock.clone(), rng: Arc::new(RealRng) };
    let watches_max = config.limits.watches_max;
    let core = ShipperCore::open(state, config, outside)?;
    let inbox = Arc::new(Inbox::default());
    let status = Arc::new(Mutex::new(core.outline().with(|()| Totals::default())));
    let round = Arc::new(AtomicU64::new(0));
    let handle = Handle {
        inbox: Arc::clone(&inbox),
        status: Arc::clone(&status),
        clock: Arc::clone(&clock),
        round: Arc::clone(&round),
    };
    let rim = Rim {
        core,
        clock,
        watches: Watches::new(Arc::clone(&inbox), watches_max),
        inbox,
        forward,
        status,
        state: state.to_owned(),
        notices: Notices::default(),
        manager: Manager::of_environment(),
        round,
    };
    let thread = std::thread::Builder::new().name("shipper".to_owned()).spawn(move || rim.run());
    let thread =
        thread.map_err(|source| OpenError::Io { what: "start the thread for", path: state.to_owned(), source })?;
    Ok(Running { thread, handle })
}

struct Rim {
    core: ShipperCore,
    clock: Arc<RealClock>,
    inbox: Arc<Inbox>,
    watches: Watches,
    forward: Arc<dyn Forward>,
    status: Arc<Mutex<Status<Totals>>>,
    state: PathBuf,
    notices: Notices,
    manager: Manager,
    round: Arc<AtomicU64>,
}

impl Rim {
    fn run(mut self) -> ExitReason {
        let (mut next_look, mut next_status, mut status_again) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let (mut next_renew, mut next_poll, mut moved) = (RENEW_EVERY, POLL_EVERY, false);
        let mut inputs = Vec::new();
        loop {
            let outputs = self.core.step_all(inputs);
            let mut wake = Duration::MAX;
            for output in outputs {
                match output {
                    ShipperOutput::WakeAt(at) => wake = at,
                    ShipperOutput::Exit(reason) => {
                        self.write_status();
                        self.manager.stopping();
                        return reason;
                    }
                    other => self.serve(other),
                }
            }
            let now = self.clock.monotonic();
            let mut asked = None;
            self.round.store(now.as_millis() as u64, Ordering::Relaxed);
            self.manager.round(now);
            if now >= next_look {
                next_look = now + STATUS_EVERY;
                asked = audit_asked(&self.state);
                moved |= self.renew_outline() | self.core.files_moved();
                if !moved {
                    next_look = now + ROUND_EVERY;
                }
                if now >= next_status && (moved || now >= status_again) {
                    moved = false;
                    let files = self.write_status();
                    status_again = now + STATUS_AGAIN;
                    next_status = now + STATUS_EVERY.mul_f64(1.0 + (files / STATUS_FILES_A_SECOND) as f64);
                }
                self.manager.status(&self.status.lock().expect("no panic while it is copied"));
            }
            if now >= next_renew {
                self.watches.renew();
                next_renew = now + RENEW_EVERY;
            }
            if now >= next_poll && !self.watches.unwatched.is_empty() {
                self.watches.unwatched.iter().for_each(|folder| self.inbox.changed(folder.clone()));
                next_poll = now + POLL_EVERY;
            }
            let mut wake = wake.min(next_look).min(next_renew).min(now + ROUND_EVERY).min(self.manager.next_round());
            if !self.watches.unwatched.is_empty() {
                wake = wake.min(next_poll);
            }
            let most = wake.saturating_sub(now);
            inputs = match asked {
                Some(name) => vec![ShipperInput::Audit(name)],
                None => {
                    let gather = self.core.gather_until().saturating_sub(now);
                    self.inbox.wait(most, gather, COMPANY)
                }
            };
        }
    }

    fn serve(&mut self, output: ShipperOutput) {
        match output {
            ShipperOutput::Send { ticket, request } => {
                let inbox = Arc::clone(&self.inbox);
                self.forward.send(request, AnswerTo::new(move |result| inbox.answer(ticket, result)));
            }
            ShipperOutput::Watch(folder) => self.watches.add(folder),
            ShipperOutput::Notice(notice) => self.notices.tell(&notice, self.clock.monotonic()),
            ShipperOutput::Audited(audit) => {
                if let Err(error) =
                    replace(&self.state, AUDIT_FILE, |to| serde_json::to_writer(to, &audit).map_err(io::Error::other))
                {
                    let text = format!("failed to write `{}`: {error}", self.state.join(AUDIT_FILE).display());
                    self.notices.tell(&Notice { importance: Importance::Warn, text }, self.clock.monotonic());
                }
            }
            ShipperOutput::WakeAt(_) | ShipperOutput::Exit(_) => {}
        }
    }

    /// Brings up to date what handles say, but for the files. Whether the status file says other things by now.
    fn renew_outline(&mut self) -> bool {
        let outline = self.core.outline();
        let mut status = self.status.lock().expect("no panic while it is copied");
        let renewed = Status { lost_bytes: status.lost_bytes, ..outline.with(|()| status.files) };
        // A question whether the store is the same is a request, too: every ten seconds, and nothing anybody waits to read.
        let same = Status { taken_ns: status.taken_ns, requests: status.requests, ..renewed.clone() } == *status;
        *status = renewed;
        drop(status);
        !same
    }

    /// Gives the number of files in it.
    fn write_status(&mut self) -> u64 {
        let mut written = None;
        let result = replace(&self.state, STATUS_FILE, |to| {
            written = Some(self.core.write_status(to)?);
            Ok(())
        });
        if let Err(error) = result {
            let text = format!("failed to write `{}`: {error}", self.state.join(STATUS_FILE).display());
            self.notices.tell(&Notice { importance: Importance::Warn, text }, self.clock.monotonic());
            // Who asks over a handle hears it all the same.
            written = written.or_else(|| self.core.write_status(&mut io::sink()).ok());
        }
        let Some(written) = written else { return 0 };
        let files = written.files.files;
        *self.status.lock().expect("no panic while it is copied") = written;
        files
    }
}

/// Readers see the old or the new one whole. It is not synced: after a power cut it would be old anyway.
fn replace(
    state: &Path,
    name: &str,
    write: impl FnOnce(&mut io::BufWriter<InPieces>) -> io::Result<()>,
) -> io::Result<()> {
    let files = RealFiles;
    let (path, temporary) = (state.join(name), state.join(name).with_extension("tmp"));
    match files.remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let to = InPieces { file: files.open(&temporary, OpenMode::CreateNew)?, at: 0 };
    // With 20,000 files it has some megabytes: they are not made in memory first.
    let mut to = io::BufWriter::with_capacity(PIECE_BYTES, to);
    write(&mut to)?;
    to.flush()?;
    files.rename(&temporary, &path)
}

/// Bytes written to a status file at a time.
const PIECE_BYTES: usize = 64 << 10;

/// A file that is written from its start.
struct InPieces {
    file: Box<dyn File>,
    at: u64,
}

impl io::Write for InPieces {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.file.write_all_at(piece, self.at)?;
        self.at += piece.len() as u64;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The name of the audit that someone asked for since, if any.
fn audit_asked(state: &Path) -> Option<String> {
    let path = state.join(AUDIT_ASKED);
    let name = RealFiles.read_whole(&path, 1024).ok()?;
    // A name that cannot be removed would be answered each second.
    RealFiles.remove_file(&path).ok()?;
    String::from_utf8(name).ok()
}

/// Asks the shipper that runs on a state folder for an audit; the answer stands in [`AUDIT_FILE`], by this name.
///
/// # Errors
/// What the file system said.
pub fn ask_for_audit(state: &Path, name: &str) -> io::Result<()> {
    outside::write_whole(&RealFiles, &state.join(AUDIT_ASKED), name.as_bytes())
}

/// Whether a shipper runs on a state folder.
///
/// # Errors
/// What the file system said.
pub fn is_running(state: &Path) -> io::Result<bool> {
    match RealFiles.lock(&state.join("lock")) {
        Ok(_released) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

/// One line each; the same one again is counted, not said.
#[derive(Debug, Default)]
struct Notices(HashMap<String, (Duration, u32)>);

impl Notices {
    const REMEMBERED_MAX: usize = 1000;

    fn tell(&mut self, notice: &Notice, now: Duration) {
        if self.0.len() >= Self::REMEMBERED_MAX {
            self.0.retain(|_, (said, _)| now < *said + SAY_AGAIN);
        }
        let repeats = match self.0.get_mut(&notice.text) {
            Some((said, held_back)) if now < *said + SAY_AGAIN => {
                *held_back += 1;
                return;
            }
            Some((_, held_back)) => std::mem::take(held_back),
            None => 0,
        };
        self.0.insert(notice.text.clone(), (now, 0));
        let again = if repeats > 0 { format!(" ({repeats} times more in between)") } else { String::new() };
        match notice.importance {
            Importance::Info => tracing::info!("{}{again}", notice.text),
            Importance::Warn => tracing::warn!("{}{again}", notice.text),
            Importance::Error => tracing::error!("{}{again}", notice.text),
        }
    }
}

mod manager;

#[cfg(test)]
mod tests;
