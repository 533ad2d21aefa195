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

#[derive(Debug, Default)]
struct Waiting {
    changed: BTreeSet<PathBuf>,
    overflow: bool,
    answers: Vec<(Ticket, Result<Answer, SendError>)>,
    configuration: Option<Box<ShipperConfig>>,
    shutdown: bool,
}

impl Waiting {
    /// What should not wait for company.
    fn is_urgent(&self) -> bool {
        !self.answers.is_empty() || self.shutdown || self.configuration.is_some()
    }

    fn is_empty(&self) -> bool {
        !self.is_urgent() && self.changed.is_empty() && !self.overflow
    }

    fn take(&mut self) -> Vec<ShipperInput> {
        let answers = self.answers.drain(..).map(|(ticket, result)| ShipperInput::Answer { ticket, result });
        let mut inputs: Vec<ShipperInput> = answers.collect();
        inputs.extend(std::mem::take(&mut self.changed).into_iter().map(ShipperInput::Changed));
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

    pub(crate) fn answer(&self, ticket: Ticket, result: Result<Answer, SendError>) {
        self.lock().answers.push((ticket, result));
        self.came.notify_one();
    }

    pub(crate) fn shutdown(&self) {
        self.lock().shutdown = true;
        self.came.notify_one();
    }

    pub(crate) fn configure(&self, config: ShipperConfig) {
        self.lock().configuration = Some(Box::new(config));
        self.came.notify_one();
    }

    pub(crate) fn changed(&self, path: PathBuf) {
        let mut waiting = self.lock();
        // Whoever waits is woken by the first one: a file that is written to all the time would wake it with each line.
        let first = waiting.is_empty();
        if waiting.changed.len() >= NAMES_MAX {
            waiting.changed.clear();
            waiting.overflow = true;
        } else {
            waiting.changed.insert(path);
        }
        drop(waiting);
        if first {
            self.came.notify_one();
        }
    }

    pub(crate) fn overflow(&self) {
        self.lock().overflow = true;
        self.came.notify_one();
    }

    /// Waits up to `most` for something to come. News of files wait at least `company`, so that a file that is
    /// written to all the time does not cost a step a line.
    pub(crate) fn wait(&self, most: Duration, company: Duration) -> Vec<ShipperInput> {
        let waiting = self.lock();
        let urgent = |w: &mut Waiting| !w.is_urgent();
        let (waiting, _) = self.came.wait_timeout_while(waiting, company.min(most), urgent).expect("as in lock");
        let empty = |w: &mut Waiting| w.is_empty();
        let rest = most.saturating_sub(company);
        let (mut waiting, _) = self.came.wait_timeout_while(waiting, rest, empty).expect("as in lock");
        waiting.take()
    }
}

type Folder = (FileId, Option<i64>);

/// The kernel gathers news for so long, then all of them are taken: one wake-up instead of one a line.
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
                std::thread::sleep(PAUSE);
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
        inbox.wait(Duration::ZERO, Duration::ZERO)
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
    fn more_names_than_may_wait_become_a_look_at_everything() {
        let inbox = Inbox::default();
        (0..NAMES_MAX).for_each(|n| inbox.changed(format!("/logs/{n}").into()));
        assert_eq!(waiting(&inbox).len(), NAMES_MAX);
        (0..=NAMES_MAX).for_each(|n| inbox.changed(format!("/logs/{n}").into()));
        assert!(matches!(&waiting(&inbox)[..], [ShipperInput::Overflow]));
    }
}
