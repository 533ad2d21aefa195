//! A shipper without state asks the indexer what it knows of the files that are there (protocol rule 6).
//!
//! At a first start, and at those after it until all is asked, each file that would begin a stream waits for the indexer's answer to `hello`. If that knows
//! streams of this host, the factors of the files are sent as claims, and what comes back is compared with the
//! files' content like any stream that lost its file (`compare`). A stream that fits is opened in this agent's
//! name, which fences whoever had it. Device, inode and birth time decide nothing: only content does.
//!
//! Left out: streams whose file is gone. Nothing here can speak for them; the indexer keeps what it has.

use super::ShipperCore;
use super::sending::{Load, Part};
use crate::identity::name_of;
use crate::kept::{Anchors, Head, Kept, LastEvent, Packed, Phase};
use crate::stream::Stream;
use outside::{FileId, Metadata};
use parsers::plain_name;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use wire::{Claim, Claimable, Factors, LedgerSum, Message, StreamId};

/// Files that are asked for in one message.
const FILES_MAX: usize = 200;

/// How far the question of one file is.
#[derive(Debug, Default)]
pub(super) enum Asking {
    /// It need not be asked.
    #[default]
    No,
    Due,
    Sent,
    /// Answered: streams that it may be.
    Answered(Vec<Kept>),
}

/// Whether files seen first are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claiming {
    /// State was there, or all is asked.
    No,
    /// Nothing is known yet, nor what the indexer knows.
    Unsure,
    Yes,
}

impl ShipperCore {
    /// The indexer answered `hello`: it knows so many streams of this host.
    pub(super) fn host_known(&mut self, streams: u64) {
        if self.claiming == Claiming::Unsure {
            self.claiming = if streams > 0 { Claiming::Yes } else { Claiming::No };
            self.note_claims();
            let now = self.now;
            self.unplaced.values_mut().for_each(|file| file.next = now);
        }
    }

    /// Once all files that were there have their stream, new ones are new.
    pub(super) fn claims_done(&mut self) {
        let unread = self.folders.values().any(|folder| folder.waiting.values().any(Option::is_some));
        let all_placed = self.unplaced.is_empty() && self.scans.done_once && self.scans.is_idle() && !unread;
        if self.claiming != Claiming::Yes || !all_placed {
            return;
        }
        if self.claiming_looked_at != Some(self.scans.listings) {
            // One may have been copied and truncated while it waited: its copy was there before all were placed.
            self.scans.want_all();
            self.claiming_looked_at = Some(self.scans.listings + 1);
            return;
        }
        self.claiming = Claiming::No;
        self.note_claims();
    }

    /// A start that died before all was asked must not be taken for one that need not ask.
    fn note_claims(&mut self) {
        let due = self.claiming != Claiming::No;
        if self.agent.claims_due != due {
            self.agent.claims_due = due;
            self.journal_agent();
        }
    }

    /// Whether a file that content made a new one must still be asked for.
    pub(super) fn must_ask(&mut self, id: FileId, first: &[u8], facts: &Metadata) -> bool {
        let now = self.now;
        let claiming = self.claiming;
        let Some(file) = self.unplaced.get_mut(&id) else { return false };
        match (&file.asking, claiming) {
            (Asking::Answered(_), _) | (_, Claiming::No) => false,
            (Asking::Due | Asking::Sent, _) => true,
            (Asking::No, Claiming::Unsure) => true,
            (Asking::No, Claiming::Yes) => {
                file.asking = Asking::Due;
                file.factors = Some(Box::new(factors_of(&file.path, first, facts)));
                file.next = now + Duration::from_secs(1);
                true
            }
        }
    }

    /// Puts what is due to be asked into a request.
    pub(super) fn say_claims(&mut self, load: &mut Load) {
        if self.claim_asked {
            return; // one at a time: an answer does not say what it answers
        }
        let due = self.unplaced.iter().filter(|(_, f)| matches!(f.asking, Asking::Due)).map(|(id, _)| *id);
        let due: Vec<FileId> = due.take(FILES_MAX).collect();
        let mut files = Vec::new();
        for id in &due {
            let Some(file) = self.unplaced.get_mut(id) else { continue };
            file.asking = Asking::Sent;
            files.extend(file.factors.as_deref().cloned());
        }
        if !files.is_empty() {
            self.claim_asked = true;
            load.add(Message::Claim(Claim { files }), Part::Claim);
        }
    }

    /// The answer: streams that files of these names may be.
    pub(super) fn claims_answered(&mut self, known: &[Claimable]) {
        let now = self.now;
        self.claim_asked = false;
        for file in self.unplaced.values_mut().filter(|f| matches!(f.asking, Asking::Sent)) {
            let (folder, name) = super::scan::group(&file.path);
            let fits = |c: &&Claimable| c.factors.name == name && Path::new(&c.factors.path).parent() == Some(&folder);
            file.asking =
                Asking::Answered(known.iter().filter(fits).filter(|c| !c.state.closed).map(kept_of).collect());
            file.next = now;
            file.unsurvey();
        }
    }

    /// The question was not answered: it is asked again.
    pub(super) fn claims_undone(&mut self) {
        self.claim_asked = false;
        for file in self.unplaced.values_mut().filter(|f| matches!(f.asking, Asking::Sent)) {
            file.asking = Asking::Due;
        }
    }

    /// Takes a stream over from whoever had it: the file holds it.
    pub(super) fn claim(&mut self, kept: Kept, path: &Path, facts: &Metadata, first: &[u8], packed: Option<Packed>) {
        let id = kept.id;
        let text = format!("`{}` was known to the indexer: it goes on at byte {}", path.display(), kept.mark.0);
        self.notice(super::Importance::Info, text);
        let copy_ends = kept.copy_ends;
        let mut stream = Stream::new(kept, self.now);
        stream.kept.file = facts.id;
        self.streams.insert(id, Box::new(stream));
        self.adopt(id, path, facts, first, packed, copy_ends);
    }

    /// A stream that is offered and not one of ours with a file of its own.
    pub(super) fn is_free(&self, id: StreamId) -> bool {
        self.streams.get(&id).is_none_or(|s| !s.has_file())
    }
}

fn factors_of(path: &Path, first: &[u8], facts: &Metadata) -> Factors {
    let head = Head::of(first);
    Factors {
        path: path.to_string_lossy().into_owned(),
        name: plain_name(&name_of(path)),
        device: facts.id.device,
        number: facts.id.number,
        born_ns: facts.born_ns,
        head_len: head.len,
        head_hash: head.hash,
        ..Factors::default()
    }
}

/// A stream as the indexer knows it, without a file so far.
fn kept_of(known: &Claimable) -> Kept {
    let factors = &known.factors;
    let state = &known.state;
    let path: Arc<Path> = Path::new(&factors.path).into();
    Kept {
        id: known.stream,
        first_path: Arc::clone(&path),
        path,
        name: factors.name.clone(),
        file: FileId { device: factors.device, number: factors.number },
        born_ns: factors.born_ns,
        generation: 0,
        head: Head { len: factors.head_len, hash: factors.head_hash },
        start: Head::default(),
        line_hash: 0,
        packed: None,
        copy_ends: None,
        end_unknown: false,
        left_out: None,
        predecessor: factors.predecessor,
        base: known.base,
        base_context: Vec::new(),
        mark: state.mark,
        context: state.context.to_vec(),
        anchors: Anchors::from_list(state.anchors.clone()),
        last_event: state.last_event.map(|id| LastEvent { offset: id.offset, head_hash: id.head_hash }),
        size_seen: state.mark.0,
        modified_ns: 0,
        phase: Phase::Following,
        repeated_until: parsers::Offset(0),
        backfill: false,
        cuts: BTreeSet::new(),
        inputs: Vec::new(),
        losses: Vec::new(),
        ledger: state.books.as_ref().map_or_else(LedgerSum::default, |books| books.taken),
        ledger_whole: state.mark == known.base,
        other: state.books.as_ref().map_or_else(wire::OtherBytes::default, |books| books.other),
    }
}
