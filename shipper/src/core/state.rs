//! Opening the state folder, and writing to it.

use super::{Importance, OpenError, ShipperCore, ShipperOutside, claims, hold, scan, sending::LinkState};
use crate::config::ShipperConfig;
use crate::dead::{self, DeadLetters};
use crate::identity::stream_id;
use crate::kept::{Kept, Phase};
use crate::records::{Agent, Entry};
use crate::slots::{Slots, Snapshot};
use crate::stream::{Lost, Orphan, Stream, Streams};
use outside::{Files, Metadata, Safeguard};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::Path;
use std::time::Duration;
use wire::{AgentId, LedgerSum, OtherBytes, StreamId};

/// When the state files are written next, and how it went.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Records wait.
    pub(super) wants_sync: bool,
    /// Something waits that must be durable before a request may lean on it.
    pub(super) must_sync: bool,
    pub(super) next_commit: Duration,
    /// The last write failed; not tried again before `next_commit`.
    pub(super) failed: bool,
    /// Some streams are not known to be durable.
    pub(super) has_new: bool,
    /// What was loaded was written once by this process, and synced: it does not stand in a cache alone.
    proven: bool,
    unsaved: BTreeSet<StreamId>,
}

/// After a failed write the state files are tried again after so long.
const RETRY: Duration = Duration::from_secs(1);

impl ShipperCore {
    /// Locks the state folder and loads what it holds.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(state: &Path, config: ShipperConfig, outside: ShipperOutside) -> Result<ShipperCore, OpenError> {
        let files = &*outside.files;
        let failed = |what| move |source| OpenError::Io { what, path: state.to_owned(), source };
        files.create_folder_all(state).map_err(failed("make state folder"))?;
        let locked = match files.lock(&state.join("lock")) {
            Err(_) if !Safeguard::FolderLocked.holds() => files.lock(&state.join("lock-of-nobody")),
            locked => locked,
        };
        let lock = locked.map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse(state.to_owned()),
            _ => failed("lock state folder")(error),
        })?;
        for folder in &config.folders {
            files.metadata(folder).map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => OpenError::NoFolder(folder.clone()),
                _ => OpenError::Io { what: "look at folder", path: folder.clone(), source },
            })?;
        }
        let identity = files.metadata(state).map_err(failed("look at state folder"))?;
        let (slots, records) =
            Slots::open(std::sync::Arc::clone(&outside.files), state, config.limits.state_bytes_min)?;
        let mut loaded = Loaded::default();
        records.iter().filter_map(Entry::decode).for_each(|entry| loaded.take(entry));
        drop(records);
        let copied = loaded.agent.as_ref().is_some_and(|agent| is_copy(agent, &config, identity));
        if copied {
            loaded.begin_anew(new_agent(&outside, &config, identity), files);
        }
        let now = outside.clock.monotonic();
        let link = LinkState::new(now, &config.limits);
        let dead = DeadLetters::open(std::sync::Arc::clone(&outside.files), state, config.limits.dead_bytes_max)
            .map_err(failed("look at the dead letters in"))?;
        dead::sweep(&*outside.files, state);
        let mut core = ShipperCore {
            agent: loaded
                .agent
                .clone()
                .unwrap_or_else(|| Agent { claims_due: true, ..new_agent(&outside, &config, identity) }),
            scans: scan::Scans::new(now),
            config,
            outside,
            _lock: lock,
            state_folder: state.to_owned(),
            slots,
            journal: Journal::default(),
            dead,
            next_letters: now,
            holding: hold::Holding::default(),
            audit: None,
            streams: Streams::default(),
            index: super::index::Index::default(),
            by_file: HashMap::new(),
            by_path: HashMap::new(),
            unplaced: super::waiting::Waiting::default(),
            claiming: claims::Claiming::No,
            claim_asked: false,
            claiming_looked_at: None,
            active: BTreeSet::new(),
            turn: StreamId(0),
            folders: BTreeMap::new(),
            link,
            scratch: Vec::new(),
            spare: Vec::new(),
            bucket: crate::rate::Bucket::default(),
            out: Vec::new(),
            now,
            more_to_read: true,
            files_open: None,
            stop: None,
            exited: false,
            report: super::report::Report::default(),
        };
        if copied {
            let text = "the state folder is a copy, of another host or of another folder: it goes on as an agent of its own, from where the copy was taken";
            core.notice(Importance::Warn, text);
        }
        core.begin(loaded).map_err(|source| OpenError::Io {
            what: "write state file in",
            path: state.to_owned(),
            source,
        })?;
        Ok(core)
    }

    fn begin(&mut self, loaded: Loaded) -> io::Result<()> {
        self.scans.first_start = loaded.agent.is_none();
        if self.agent.claims_due {
            self.claiming = claims::Claiming::Unsure;
        }
        self.scans.seen_ns = loaded.agent.map_or(0, |a| a.seen_ns);
        // Where two streams claim the same file, an inode was given away again: the younger one has it.
        let mut loaded_streams: Vec<(StreamId, Kept)> = loaded.streams.into_iter().collect();
        loaded_streams.sort_by_key(|(id, kept)| (kept.born_ns, kept.generation, *id));
        for (id, kept) in loaded_streams {
            let busy = kept.phase == Phase::Following || kept.phase == Phase::Detached;
            let mut stream = Stream::new(kept, self.now);
            stream.loaded = true;
            let (file, path) = (stream.kept.file, stream.kept.path.clone());
            let owner = stream.has_file();
            // What no file held when it was stopped may have come since.
            let open_ended = stream.behind_seen() || stream.kept.end_unknown;
            if stream.kept.phase == Phase::Detached && stream.kept.losses.is_empty() && open_ended {
                stream.orphan = Some(Orphan { since: self.now, how: Lost::Rewritten });
            }
            self.streams.insert(id, Box::new(stream));
            self.index_stream(id);
            if busy {
                self.active.insert(id);
            }
            if owner {
                if let Some(before) = self.by_file.insert(file, id) {
                    self.orphaned(before, Lost::Vanished);
                    self.by_file.insert(file, id);
                }
                self.by_path.insert(path, id);
            }
        }
        self.journal.has_new = true;
        self.take_up_pins()?;
        self.judge_exclusions();
        if self.scans.first_start {
            // The agent's id must be durable before anything is said in its name.
            self.slots.begin(snapshot(&self.agent, &self.outside, &self.streams))?;
        } else {
            self.journal.wants_sync = true;
            self.journal.must_sync = true;
        }
        Ok(())
    }

    /// Puts a record into the next group that is synced.
    pub(super) fn journal(&mut self, entry: &Entry) {
        self.slots.append(&entry.encode());
        self.journal.wants_sync = true;
    }

    /// The same, and no request leaves before it is durable.
    pub(super) fn journal_first(&mut self, entry: &Entry) {
        self.journal(entry);
        self.journal.must_sync = true;
    }

    /// Journals what the folder knows of itself.
    pub(super) fn journal_agent(&mut self) {
        let agent = Agent { seen_ns: self.outside.clock.wall_ns(), ..self.agent.clone() };
        self.journal(&Entry::Agent(agent));
    }

    /// Journals the stream as a whole.
    pub(super) fn journal_stream(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get(&id) {
            let entry = Entry::Stream(Box::new(stream.kept.clone()));
            self.journal(&entry);
        }
    }

    /// The mark of a stream moved: it is written with the next group.
    pub(super) fn mark_moved(&mut self, id: StreamId) {
        if self.journal.unsaved.is_empty() && !self.journal.wants_sync && !self.journal.failed {
            self.journal.next_commit = self.now + self.config.timing.checkpoint_interval;
        }
        self.journal.unsaved.insert(id);
    }

    pub(super) fn streams_unsaved(&self) -> bool {
        !self.journal.unsaved.is_empty()
    }

    pub(super) fn save_marks(&mut self) {
        for id in std::mem::take(&mut self.journal.unsaved) {
            if let Some(stream) = self.streams.get(&id) {
                let step = stream.kept.mark_step();
                self.journal(&Entry::Mark(step));
            }
        }
    }

    /// Makes what was journaled durable; `false` when the state files cannot be written.
    pub(super) fn sync_state(&mut self) -> bool {
        if !self.journal.wants_sync && !self.journal.failed {
            return true;
        }
        if self.journal.failed && self.now < self.journal.next_commit {
            return false;
        }
        let result = self.slots.sync(snapshot(&self.agent, &self.outside, &self.streams));
        self.journal.next_commit = self.now + self.config.timing.checkpoint_interval;
        match result {
            Ok(()) => {
                if self.journal.failed {
                    self.notice(Importance::Info, "state files can be written again");
                }
                self.journal.wants_sync = false;
                self.journal.must_sync = false;
                self.journal.failed = false;
                self.journal.proven = true;
                if std::mem::take(&mut self.journal.has_new) {
                    self.streams.values_mut().for_each(|s| s.durable = true);
                }
                true
            }
            Err(error) => {
                if !self.journal.failed {
                    let folder = self.state_folder.display().to_string();
                    self.notice(
                        Importance::Error,
                        format!("failed to write state in `{folder}`: {error}; shipping goes on, idle events stay open until it works again"),
                    );
                }
                if !self.journal.proven && error.kind() == io::ErrorKind::StorageFull {
                    // Not writing anew does not make doubtful what was read; a failed sync would.
                    self.streams.values_mut().filter(|s| s.loaded).for_each(|s| s.durable = true);
                }
                self.journal.failed = true;
                self.journal.next_commit = self.now + RETRY;
                false
            }
        }
    }

    /// Writes marks and waiting records when their time has come.
    pub(super) fn commit_due(&mut self) {
        if self.now < self.journal.next_commit {
            return;
        }
        self.save_marks();
        if self.journal.wants_sync || self.journal.failed {
            self.sync_state();
        }
    }
}

/// Whether the folder was made on another host, or is not the folder it was made in (protocol rule 2). A device
/// may get another number with each start of the host, so that alone makes no copy.
fn is_copy(agent: &Agent, config: &ShipperConfig, folder: Metadata) -> bool {
    agent.host_id != config.host_id || agent.folder_number != folder.id.number
}

/// Everything worth keeping, as records.
fn snapshot(agent: &Agent, outside: &ShipperOutside, streams: &Streams) -> impl FnOnce(&mut Snapshot) {
    move |snapshot| {
        let agent = Agent { seen_ns: outside.clock.wall_ns(), ..agent.clone() };
        snapshot.put(&Entry::Agent(agent).encode());
        streams.values().for_each(|s| snapshot.put(&Entry::Stream(Box::new(s.kept.clone())).encode()));
    }
}

/// A first start: 128 random bits.
fn new_agent(outside: &ShipperOutside, config: &ShipperConfig, folder: Metadata) -> Agent {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&outside.rng.next_u64().to_le_bytes());
    id[8..].copy_from_slice(&outside.rng.next_u64().to_le_bytes());
    Agent {
        id: AgentId(id),
        host_id: config.host_id.clone(),
        folder_device: folder.id.device,
        folder_number: folder.id.number,
        incarnation: 0,
        seen_ns: 0,
        claims_due: false,
    }
}

/// State as it is put together from records.
#[derive(Debug, Default)]
struct Loaded {
    agent: Option<Agent>,
    streams: BTreeMap<StreamId, Kept>,
}

impl Loaded {
    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Agent(agent) => self.agent = Some(agent),
            Entry::Stream(kept) => {
                self.streams.insert(kept.id, *kept);
            }
            Entry::Mark(step) => self.change(step.stream, |kept| kept.move_mark(&step)),
            Entry::Cut(stream, at) => self.change(stream, |kept| {
                kept.cuts.insert(at);
            }),
            Entry::Input(stream, input) => self.change(stream, |kept| kept.inputs.push(input)),
            Entry::Loss(stream, loss) => self.change(stream, |kept| kept.losses.push(loss)),
            Entry::Forget(stream) => {
                self.streams.remove(&stream);
            }
        }
    }

    /// A copy: streams begin anew at the mark that was copied, with a new agent's ids; what lies before belongs
    /// to the one it was copied from. Streams whose file is not here are not this host's.
    fn begin_anew(&mut self, agent: Agent, files: &dyn Files) {
        for mut kept in std::mem::take(&mut self.streams).into_values() {
            let here = files.metadata(&kept.path).is_ok_and(|facts| facts.id == kept.file);
            if !here || !matches!(kept.phase, Phase::Following | Phase::Ended) {
                continue;
            }
            kept.id = stream_id(agent.id, kept.file, kept.born_ns, kept.generation, &kept.head.hash.to_le_bytes());
            kept.predecessor = None;
            kept.base = kept.mark;
            kept.base_context.clone_from(&kept.context);
            kept.last_event = None;
            kept.ledger = LedgerSum::default();
            kept.ledger_whole = true;
            kept.other = OtherBytes::default();
            self.streams.insert(kept.id, kept);
        }
        self.agent = Some(agent);
    }

    fn change(&mut self, stream: StreamId, change: impl FnOnce(&mut Kept)) {
        if let Some(kept) = self.streams.get_mut(&stream) {
            change(kept);
        }
    }
}
