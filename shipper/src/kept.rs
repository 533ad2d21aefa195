//! What the state folder keeps of a stream: its identity, its mark as last answered, and the decisions
//! (cuts, inputs, losses) that the file's bytes alone do not repeat.

use outside::FileId;
use parsers::{Input, InputAt, Offset};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use wire::{Anchor, LedgerSum, OtherBytes, StreamId};

/// Where a generation stands in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Phase {
    /// Its file may still grow.
    #[default]
    Following = 0,
    /// Rotated away, read to its end, unchanged for `close_after`, all acknowledged (protocol rule 10).
    Ended = 1,
    /// Its file holds another generation now, or none: nothing can be read any more.
    Detached = 2,
    /// The indexer knows that nothing more will come.
    Gone = 3,
}

/// Bytes that no file holds any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    /// First byte.
    pub(crate) from: Offset,
    /// One past the last; `None`: unknown, closes the stream.
    pub(crate) to: Option<Offset>,
    /// Why, for people.
    pub(crate) reason: String,
}

/// The last event before a place, for `wso2.continues`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastEvent {
    pub(crate) offset: Offset,
    pub(crate) head_hash: u32,
}

/// Hash of a file's first bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) len: u32,
    pub(crate) hash: u64,
}

impl Head {
    /// Bytes it covers at most.
    pub(crate) const BYTES_MAX: usize = 1024;
    /// Bytes that tell most files apart as soon as they hold them: what stands before a line's message is the same in
    /// files that begin in the same millisecond.
    pub(crate) const START_BYTES: usize = 128;
}

/// A compressed file as it was when it was unpacked from end to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    /// Bytes of the file itself.
    pub(crate) file_bytes: u64,
    /// Bytes it unpacks to.
    pub(crate) bytes: u64,
}

/// Anchors of a stream: the last 16 checkpoints and one every 4 MiB (protocol rule 8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Anchors(Vec<Anchor>);

impl Anchors {
    const NEWEST: usize = 16;
    const EVERY: u64 = 4 << 20;

    /// Those of a list, oldest first.
    pub(crate) fn from_list(mut list: Vec<Anchor>) -> Anchors {
        list.sort_by_key(|a| a.at);
        list.dedup_by_key(|a| a.at);
        let mut anchors = Anchors(list);
        anchors.thin_out();
        anchors
    }

    /// All, oldest first.
    pub(crate) fn list(&self) -> &[Anchor] {
        &self.0
    }

    /// The one at `at`.
    pub(crate) fn at(&self, at: Offset) -> Option<Anchor> {
        self.0.iter().rev().find(|a| a.at == at).copied()
    }

    /// Adds a newer one.
    pub(crate) fn add(&mut self, anchor: Anchor) {
        self.forget_after(anchor.at);
        self.0.retain(|a| a.at != anchor.at);
        if self.0.is_empty() {
            // Most files are at rest, and have one.
            self.0.reserve_exact(1);
        }
        self.0.push(anchor);
        self.thin_out();
    }

    /// Takes in those that another keeps, up to `mark`.
    pub(crate) fn merge(&mut self, others: &[Anchor], mark: Offset) {
        let known = std::mem::take(&mut self.0);
        let new = others.iter().filter(|o| o.at <= mark && !known.iter().any(|a| a.at == o.at)).copied();
        *self = Anchors::from_list(new.chain(known.iter().copied()).collect());
    }

    /// Drops what lies behind `mark`.
    pub(crate) fn forget_after(&mut self, mark: Offset) {
        self.0.retain(|a| a.at <= mark);
    }

    fn thin_out(&mut self) {
        let Some(old) = self.0.len().checked_sub(Self::NEWEST).filter(|n| *n > 0) else { return };
        let mut last_block = None;
        let mut index = 0;
        self.0.retain(|a| {
            index += 1;
            let block = Some(a.at.0 / Self::EVERY);
            let keep = index > old || block != last_block;
            last_block = block;
            keep
        });
    }
}

/// Events that begin before a place are left out by a rule (protocol rule 25).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// `u64::MAX` while the rule holds; then the size that the file had when it was taken in again.
    pub(crate) to: Offset,
    pub(crate) rule: String,
}

impl LeftOut {
    const FOR_EVER: Offset = Offset(u64::MAX);

    /// All that comes is left out.
    pub(crate) fn by(rule: String) -> LeftOut {
        LeftOut { to: LeftOut::FOR_EVER, rule }
    }

    /// Whether the rule still holds.
    pub(crate) fn holds(&self) -> bool {
        self.to == LeftOut::FOR_EVER
    }
}

/// Durable facts of one stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) id: StreamId,
    /// Name under which it was first seen.
    pub(crate) first_path: Arc<Path>,
    /// Present name, or the last one known. Shared with the first one, and with the core's map of names.
    pub(crate) path: Arc<Path>,
    /// Name without folder, date, index.
    pub(crate) name: String,
    pub(crate) file: FileId,
    pub(crate) born_ns: Option<i64>,
    /// Which generation of this very file (device, inode, birth) it is.
    pub(crate) generation: u32,
    pub(crate) head: Head,
    /// The same of the first bytes alone.
    pub(crate) start: Head,
    /// Of the first line alone, see [`line_hash`](crate::identity::line_hash).
    pub(crate) line_hash: u32,
    /// Its file is a compressed one.
    pub(crate) packed: Option<Packed>,
    /// Its file is a copy that ends here; what the first file held behind it is lost.
    pub(crate) copy_ends: Option<u64>,
    /// It lost its file, and nobody had looked at that for a while: how far it went is not known.
    pub(crate) end_unknown: bool,
    /// What configuration leaves out of it.
    pub(crate) left_out: Option<Box<LeftOut>>,
    pub(crate) predecessor: Option<StreamId>,
    pub(crate) base: Offset,
    /// Context at the base, as it was opened with.
    pub(crate) base_context: Vec<u8>,
    pub(crate) mark: Offset,
    /// Context at the mark.
    pub(crate) context: Vec<u8>,
    pub(crate) anchors: Anchors,
    pub(crate) last_event: Option<LastEvent>,
    /// The largest size that its file is known to have had with the bytes of this generation in it.
    pub(crate) size_seen: u64,
    /// Time of its last change when last looked at.
    pub(crate) modified_ns: i64,
    pub(crate) phase: Phase,
    /// Events before this place may stand in the generation before as well (host power cut).
    pub(crate) repeated_until: Offset,
    /// Older than what is being written now at its first sight.
    pub(crate) backfill: bool,
    /// Cuts behind the mark.
    pub(crate) cuts: BTreeSet<Offset>,
    /// Further inputs behind the mark, by offset.
    pub(crate) inputs: Vec<InputAt>,
    /// Losses not yet acknowledged.
    pub(crate) losses: Vec<Loss>,
    /// Everything taken as events.
    pub(crate) ledger: LedgerSum,
    /// Whether the ledger covers all from the base to the mark; else only the indexer can tell.
    pub(crate) ledger_whole: bool,
    /// Bytes acknowledged as dead, excluded and lost.
    pub(crate) other: OtherBytes,
}

impl Kept {
    /// Cuts and other inputs as the parser takes them.
    pub(crate) fn parser_inputs(&self) -> Vec<InputAt> {
        let cuts = self.cuts.iter().map(|&at| InputAt { at, input: Input::Cut });
        let mut all: Vec<InputAt> = self.inputs.iter().cloned().chain(cuts).collect();
        all.sort_by_key(|i| i.at);
        all
    }

    /// Moves the mark to where the indexer's stands, forward or back.
    pub(crate) fn move_mark(&mut self, step: &MarkStep) {
        self.mark = step.mark;
        if self.context != step.context {
            // No larger than it is: there may be many thousands.
            self.context = step.context.as_slice().into();
        }
        self.last_event = step.last_event;
        self.anchors.forget_after(step.mark);
        if let Some(anchor) = step.anchor {
            self.anchors.add(anchor);
        }
        // Splitting an empty set makes room for one that is not.
        if !self.cuts.is_empty() {
            self.cuts = self.cuts.split_off(&Offset(step.mark.0 + 1));
        }
        self.inputs.retain(|i| i.at >= step.mark);
        self.losses.retain(|l| l.to.is_none_or(|to| to > step.mark));
        self.ledger = step.ledger;
        self.ledger_whole = step.ledger_whole;
        self.other = step.other;
        self.size_seen = step.size_seen;
        self.modified_ns = step.modified_ns;
    }
}

/// A mark with what goes with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MarkStep {
    pub(crate) stream: StreamId,
    pub(crate) mark: Offset,
    pub(crate) context: Vec<u8>,
    pub(crate) anchor: Option<Anchor>,
    pub(crate) last_event: Option<LastEvent>,
    pub(crate) ledger: LedgerSum,
    pub(crate) ledger_whole: bool,
    pub(crate) other: OtherBytes,
    pub(crate) size_seen: u64,
    pub(crate) modified_ns: i64,
}
