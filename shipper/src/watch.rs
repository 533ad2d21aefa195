//! Watches on folders, and the inbox in which their news and the answers wait for the core's thread.
//!
//! News of the same name are one; beyond a number of names everything counts as changed. Answers are bounded
//! by the number of requests on their way.

#![allow(clippy::disallowed_methods, reason = "a rim: its thread lets the kernel gather news")]

use crate::ShipperConfig;
use crate::core::{SendError, ShipperInput, Ticket};
use notify::event::{EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use outside::real::RealFiles;
use outside::{FileId, Files};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use wire::Answer;

/// Names that may wait.
const NAMES_MAX: usize = 10_000;

/// What waits for the core.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    came: Condvar,
}

/// What whoever waits wants to hear of: of the least urgent kind, and of all that are more urgent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Nobody waits.
    #[default]
    Nothing,
    /// Something that a person asked for.
    Order,
    Answer,
    News,
}

#[derive(Debug, Default)]
struct Waiting {
    /// As plain text: names of paths are compared part by part.
    changed: BTreeSet<OsString>,
    overflow: bool,
    answers: Vec<(Ticket, Result<Answer, SendError>)>,
    configuration: Option<Box<ShipperConfig>>,
    shutdown: bool,
    wanted: Kind,
    /// Until then news are of no use.
    gather_until: Option<Instant>,
}

impl Waiting {
    /// Whether something of this kind or a more urgent one came.
    fn holds(&self, kind: Kind) -> bool {
        let orders = self.shutdown || self.configuration.is_some();
        match kind {
            Kind::Nothing => false,
            Kind::Order => orders,
            Kind::Answer => orders || !self.answers.is_empty(),
            Kind::News => orders || !self.answers.is_empty() || !self.changed.is_empty() || self.overflow,
        }
    }

    fn take(&mut self) -> Vec<ShipperInput> {
        let answers = self.answers.drain(..).map(|(ticket, result)| ShipperInput::Answer { ticket, result });
        let mut inputs: Vec<ShipperInput> = answers.collect();
        let changed = std::mem::take(&mut self.changed).into_iter();
        inputs.extend(changed.map(|path| ShipperInput::Changed(PathBuf::from(path))));
        if std::mem::take(&mut self.overflow) {
            inputs.push(ShipperInput::Overflow);
        }
        inputs.extend(self.configuration.take().map(ShipperInput::Configure));
        if std::mem::take(&mut self.shutdown) {
            inputs.push(ShipperInput::Shutdown);
        }
        inputs
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no panic while something is put in or taken out")
    }

    /// Puts something in, and wakes whoever waits for its kind.
    fn put(&self, kind: Kind, put: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.lock();
        // The first one wakes: a file that is written to all the time would do it with each line.
        let wakes = kind <= waiting.wanted && !waiting.holds(waiting.wanted);
        put(&mut waiting);
        drop(waiting);
        if wakes {
            self.came.notify_one();
        }
    }

    pub(crate) fn answer(&self, ticket: Ticket, result: Result<Answer, SendError>) {
        self.put(Kind::Answer, |waiting| waiting.answers.push((ticket, result)));
    }

    pub(crate) fn shutdown(&self) {
        self.put(Kind::Order, |waiting| waiting.shutdown = true);
    }

    pub(crate) fn configure(&self, config: ShipperConfig) {
        self.put(Kind::Order, |waiting| waiting.configuration = Some(Box::new(config)));
    }

    pub(crate) fn changed(&self, path: PathBuf) {
        self.put(Kind::News, |waiting| {
            if waiting.changed.len() >= NAMES_MAX {
                waiting.changed.clear();
                waiting.overflow = true;
            } else {
                waiting.changed.insert(path.into_os_string());
            }
        });
    }

    pub(crate) fn overflow(&self) {
        self.put(Kind::News, |waiting| waiting.overflow = true);
    }

    /// Waits up to `most` for something to come. For so long as `gather` only orders end it. News of files wait at least
    /// `company`, so that a file that is written to all the time does not cost a step a line.
    pub(crate) fn wait(&self, most: Duration, gather: Duration, company: Duration) -> Vec<ShipperInput> {
        let begun = Instant::now();
        let mut waiting = self.lock();
        waiting.gather_until = Some(begun + gather.min(most));
        for (kind, until) in [(Kind::Order, gather), (Kind::Answer, company), (Kind::News, most)] {
            let left = until.min(most).saturating_sub(begun.elapsed());
            waiting.wanted = kind;
            let nothing = |waiting: &mut Waiting| !waiting.holds(kind);
            waiting = self.came.wait_timeout_while(waiting, left, nothing).expect("as in lock").0;
        }
        waiting.wanted = Kind::Nothing;
        waiting.take()
    }

    /// For how long news are of no use.
    fn gathers_for(&self) -> Duration {
        let until = self.lock().gather_until;
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }
}

type Folder = (FileId, Option<i64>);

/// The kernel gathers news for so long, or until shortly before they are of use; then all of them are taken: one wake-up
/// instead of one a line.
const PAUSE: Duration = Duration::from_millis(5);
/// News that come so soon after a pause were gathered in it.
const GATHERED: Duration = Duration::from_millis(1);

/// Watches on folders; where they cannot be had, folders are listed every second instead.
pub(crate) struct Watches {
    watcher: Option<RecommendedWatcher>,
    /// With what tells a folder from another one of its name.
    folders: BTreeMap<PathBuf, Option<Folder>>,
    /// Folders without a watch, with the reason.
    pub(crate) unwatched: BTreeSet<PathBuf>,
    most: usize,
}

impl Watches {
    /// At most so many, whatever the kernel allows.
    pub(crate) fn new(inbox: Arc<Inbox>, most: usize) -> Watches {
        let mut paused = Instant::now();
        let watcher = notify::recommended_watcher(move |event| {
            hear(&inbox, event);
            if paused.elapsed() > GATHERED {
                std::thread::sleep(PAUSE.max(inbox.gathers_for().saturating_sub(GATHERED)));
                paused = Instant::now();
            }
        });
        if let Err(error) = &watcher {
            tracing::warn!("no folder watches ({error}): folders are listed every second instead");
        }
        Watches { watcher: watcher.ok(), folders: BTreeMap::new(), unwatched: BTreeSet::new(), most }
    }

    pub(crate) fn add(&mut self, folder: PathBuf) {
        self.watch(&folder, true);
        let seen = seen(&folder);
        self.folders.insert(folder, seen);
    }

    /// Puts watches again where a folder is not the one that was watched: a watch is lost when its folder is removed and
    /// made anew.
    pub(crate) fn renew(&mut self) {
        let folders: Vec<(PathBuf, Option<Folder>)> = self.folders.iter().map(|(f, k)| (f.clone(), *k)).collect();
        for (folder, known) in folders {
            let now = seen(&folder);
            if now.is_none() || now != known || self.unwatched.contains(&folder) {
                self.watch(&folder, false);
                self.folders.insert(folder, now);
            }
        }
    }

    fn watch(&mut self, folder: &Path, tell: bool) {
        let others = || self.folders.keys().filter(|f| *f != folder && !self.unwatched.contains(*f)).count();
        let is_full = self.most < usize::MAX && others() >= self.most;
        let result = match &mut self.watcher {
            _ if is_full => Err(format!("no more than {} watches are wanted", self.most)),
            Some(watcher) => watcher.watch(folder, RecursiveMode::NonRecursive).map_err(|e| e.to_string()),
            None => Err("watches are not available".to_owned()),
        };
        match result {
            Ok(()) => {
                self.unwatched.remove(folder);
            }
            Err(error) => {
                if self.unwatched.insert(folder.to_owned()) && tell {
                    tracing::warn!(
                        "failed to watch folder `{}`: {error}; it is listed every second instead (fs.inotify.max_user_watches may be too low)",
                        folder.display()
                    );
                }
            }
        }
    }
}

fn seen(folder: &Path) -> Option<Folder> {
    RealFiles.metadata(folder).ok().map(|facts| (facts.id, facts.born_ns))
}

fn hear(inbox: &Inbox, event: notify::Result<Event>) {
    let event = match event {
        Ok(event) if event.need_rescan() => return inbox.overflow(),
        Ok(event) => event,
        Err(_) => return inbox.overflow(),
    };
    match event.kind {
        // Our own opening and reading.
        EventKind::Access(_) => {}
        // Rights may have come: what could not be read is looked at again with its folder.
        EventKind::Modify(ModifyKind::Metadata(_)) => {
            event.paths.iter().filter_map(|p| p.parent()).for_each(|folder| inbox.changed(folder.to_owned()));
        }
        _ => event.paths.into_iter().for_each(|path| inbox.changed(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, Flag};

    fn waiting(inbox: &Inbox) -> Vec<ShipperInput> {
        inbox.wait(Duration::ZERO, Duration::ZERO, Duration::ZERO)
    }

    #[test]
    fn a_queue_that_ran_over_means_that_everything_is_looked_at() {
        let inbox = Inbox::default();
        hear(&inbox, Ok(Event::new(EventKind::Create(CreateKind::File)).add_path("/logs/a".into())));
        hear(&inbox, Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)));
        assert!(matches!(&waiting(&inbox)[..], [ShipperInput::Changed(_), ShipperInput::Overflow]));
        hear(&inbox, Err(notify::Error::generic("the queue cannot be read")));
        assert!(matches!(&waiting(&inbox)[..], [ShipperInput::Overflow]));
    }

    #[test]
    fn while_nothing_would_be_sent_only_orders_end_the_wait() {
        let (short, long) = (Duration::from_millis(20), Duration::from_secs(600));
        let inbox = Inbox::default();
        inbox.changed("/logs/a".into());
        inbox.answer(Ticket(1), Err(SendError::Unreachable(String::new())));
        inbox.shutdown();
        // Each of these would hang if it waited for what it should not.
        assert_eq!(inbox.wait(long, long, long).len(), 3);
        let begun = Instant::now();
        inbox.changed("/logs/a".into());
        inbox.answer(Ticket(2), Err(SendError::Unreachable(String::new())));
        assert_eq!(inbox.wait(long, short, long).len(), 2, "an answer needs no company");
        assert!(begun.elapsed() >= short, "it was gathered");
        assert_eq!(inbox.gathers_for(), Duration::ZERO);
        inbox.changed("/logs/a".into());
        assert_eq!(inbox.wait(long, Duration::ZERO, short).len(), 1);
        assert!(inbox.wait(short, long, long).is_empty(), "never longer than asked for");
    }

    #[test]
    fn more_names_than_may_wait_become_a_look_at_everything() {
        let inbox = Inbox::default();
        (0..NAMES_MAX).for_each(|n| inbox.changed(format!("/logs/{n}").into()));
        assert_eq!(waiting(&inbox).len(), NAMES_MAX);
        (0..=NAMES_MAX).for_each(|n| inbox.changed(format!("/logs/{n}").into()));
        assert!(matches!(&waiting(&inbox)[..], [ShipperInput::Overflow]));
    }
}
