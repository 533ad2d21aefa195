//! Watches on folders, and the inbox in which their news and the answers wait for the core's thread.
//!
//! News of the same name are one; beyond a number of names everything counts as changed. Answers are bounded
//! by the number of requests on their way.

use crate::ShipperConfig;
use crate::core::{SendError, ShipperInput, Ticket};
use notify::event::{EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;
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

    fn changed(&self, path: PathBuf) {
        let mut waiting = self.lock();
        if waiting.changed.len() >= NAMES_MAX {
            waiting.changed.clear();
            waiting.overflow = true;
        } else {
            waiting.changed.insert(path);
        }
        self.came.notify_one();
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

/// Watches on folders; where they cannot be had, folders are listed every second instead.
pub(crate) struct Watches {
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    /// Folders without a watch, with the reason.
    pub(crate) unwatched: BTreeSet<PathBuf>,
}

impl Watches {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Watches {
        let watcher = notify::recommended_watcher(move |event| hear(&inbox, event));
        if let Err(error) = &watcher {
            tracing::warn!("no folder watches ({error}): folders are listed every second instead");
        }
        Watches { watcher: watcher.ok(), folders: BTreeSet::new(), unwatched: BTreeSet::new() }
    }

    pub(crate) fn add(&mut self, folder: PathBuf) {
        self.watch(&folder, true);
        self.folders.insert(folder);
    }

    /// Puts every watch again: one is lost when its folder is removed and made anew.
    pub(crate) fn renew(&mut self) {
        for folder in self.folders.clone() {
            self.watch(&folder, false);
        }
    }

    fn watch(&mut self, folder: &Path, tell: bool) {
        let result = match &mut self.watcher {
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
