//! New streams: files seen first, and new generations of files that were truncated or rewritten.

use super::index::group_hash;
use super::report::cure;
use super::scan::{Found, group};
use super::{Importance, ShipperCore};
use crate::identity::{has_first_line, is_archive, line_hash, name_of, read_first, stream_id};
use crate::kept::{Anchors, Head, Kept, LeftOut, Packed, Phase};
use crate::packed::is_packed;
use crate::records::Entry;
use crate::stream::{Lost, Naming, Stream};
use crate::tail::anchor_fits;
use outside::{File, Metadata, OpenMode};
use parsers::{Context, Offset, is_dated, plain_name};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wire::{Anchor, LedgerSum, OtherBytes, StreamId};

/// What a new stream begins with besides its file.
struct Begin {
    predecessor: Option<StreamId>,
    context: Context,
    base: Option<Anchor>,
    repeated_until: Offset,
    first_path: Option<Arc<Path>>,
    backfill: bool,
    packed: Option<Packed>,
}

/// What content says of the bytes before a new generation's first range.
#[derive(Clone, Copy)]
pub(super) enum After {
    /// Nothing.
    Nothing,
    /// It holds this stream up to the anchor.
    Anchor(StreamId, Anchor),
    /// Up to here it may hold what a stream shipped; no anchor tells.
    Perhaps(Offset),
}

impl ShipperCore {
    /// Makes streams of files seen first, oldest first, so that each can name the one before it.
    pub(super) fn admit(&mut self, mut new: Vec<Found>) {
        let times = |f: &Found| (f.facts.modified_ns, f.facts.born_ns);
        let is_archived = |f: &Found| is_archive(&name_of(&f.path));
        new.sort_unstable_by(|a, b| {
            let by_times = times(a).cmp(&times(b)).then_with(|| is_archived(b).cmp(&is_archived(a)));
            by_times.then_with(|| a.path.as_os_str().cmp(b.path.as_os_str()))
        });
        // The newest of each group is live, whatever it is called; the others are older generations. A start may find many
        // thousands: of each name only a hash is held.
        let last: HashMap<u64, usize> =
            new.iter().enumerate().map(|(at, found)| (group_hash(&found.path), at)).collect();
        for (at, found) in new.into_iter().enumerate() {
            let is_live = last.get(&group_hash(&found.path)) == Some(&at);
            self.admit_one(&found, is_live);
        }
    }

    fn wait(&mut self, path: &Path, reason: Option<String>) {
        if let Some(folder) = path.parent().and_then(|f| self.folders.get_mut(f)) {
            folder.waiting.insert(path.to_owned(), reason);
        }
    }

    fn admit_one(&mut self, found: &Found, is_live: bool) {
        let Found { path, facts } = found;
        if self.by_file.contains_key(&facts.id) {
            return;
        }
        if facts.size == 0 {
            self.unplaced.remove(&facts.id);
            self.wait(path, None);
            return;
        }
        if self.unplaced.contains_key(&facts.id) {
            self.note_unplaced(path, facts, false);
            return;
        }
        let name = name_of(path);
        let older = !is_live || is_packed(&name) || is_dated(&name) && self.has_newer(path, facts);
        let too_old = older && self.is_too_old(facts);
        if too_old && (self.scans.left_out.contains(path) || !self.may_be_known(path)) {
            self.scans.left_out.insert(path.clone());
            return;
        }
        // What was rotated away since the first listing is no backlog, only late.
        let backfill = older && !self.scans.done_once;
        self.note_unplaced(path, facts, backfill);
        if too_old {
            self.only_if_known(facts.id);
        }
        if !is_packed(&name) {
            self.place(facts.id);
        }
    }

    /// Whether it could be the file of a stream that lost its own.
    fn may_be_known(&self, path: &Path) -> bool {
        self.candidates(path).iter().filter_map(|id| self.streams.get(id)).any(|s| !s.has_file())
    }

    /// Begins the stream of a file that content matching found to be a generation of its own.
    pub(super) fn begin_placed(
        &mut self,
        path: &Path,
        facts: &Metadata,
        first: &[u8],
        packed: Option<Packed>,
        after: After,
        backfill: bool,
    ) {
        if self.journal.failed && !has_first_line(first) {
            // Its id could not be made again alike after a restart; wait for the line or the disk.
            self.wait(path, Some("the state files cannot be written".to_owned()));
            return;
        }
        let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
        self.look_back(&folder);
        self.look_at_layouts_once(&folder);
        let mut begin = Begin {
            predecessor: None,
            context: Context::default(),
            base: if let After::Anchor(_, anchor) = after { Some(anchor) } else { None },
            repeated_until: Offset(0),
            first_path: None,
            backfill,
            packed,
        };
        let known = match after {
            After::Anchor(id, anchor) => self.streams.get(&id).map(|stream| (stream, anchor)),
            After::Perhaps(mark) => {
                begin.repeated_until = mark;
                None
            }
            After::Nothing => None,
        };
        match known {
            Some((stream, anchor)) => {
                let before = Context::decode(&stream.kept.context).unwrap_or_default();
                begin.context = before.next_generation();
                begin.context.head_seen = before.head_seen;
                begin.predecessor = Some(stream.kept.id);
                begin.first_path = Some(stream.kept.first_path.clone());
                if anchor.at < stream.kept.mark {
                    begin.repeated_until = stream.kept.mark;
                }
            }
            None => {
                begin.predecessor = self.predecessor_of(path, facts);
                begin.context = self.first_context(begin.predecessor, &folder);
            }
        }
        begin.context.formats = self.formats_of(&folder, &plain_name(&name_of(path)), &begin.context.formats);
        self.zone_of_source(path, &mut begin.context);
        self.begin_stream(path, facts, first, begin);
    }

    fn first_bytes(&self, path: &Path) -> std::io::Result<(Box<dyn File>, Vec<u8>)> {
        let file = self.outside.files.open(path, OpenMode::Read)?;
        let first = read_first(&*file, Head::BYTES_MAX)?;
        Ok((file, first))
    }

    pub(super) fn unreadable(&mut self, path: &Path, error: &std::io::Error) {
        let cure = cure(&self.config.user, path, error);
        let reason = format!("failed to read `{}`: {error}{cure}", path.display());
        let known = path.parent().and_then(|f| self.folders.get(f)).and_then(|f| f.waiting.get(path));
        if known.is_none_or(|r| r.as_ref() != Some(&reason)) && self.report.first_time(&reason) {
            self.notice(Importance::Warn, format!("{reason}; it is tried again with each scan"));
        }
        self.wait(path, Some(reason));
    }

    /// Older than `since`, and not written while this shipper was stopped.
    fn is_too_old(&self, facts: &Metadata) -> bool {
        let oldest = self
            .outside
            .clock
            .wall_ns()
            .saturating_sub_unsigned(self.config.since.as_nanos().try_into().unwrap_or(u64::MAX));
        facts.modified_ns < oldest && (self.scans.first_start || facts.modified_ns < self.scans.seen_ns)
    }

    fn of_group(&self, path: &Path) -> impl Iterator<Item = &Stream> {
        let (folder, name) = group(path);
        self.index.of_name(&folder, &name).iter().filter_map(|id| self.streams.get(id).map(|s| &**s))
    }

    fn has_newer(&self, path: &Path, facts: &Metadata) -> bool {
        let folder = path.parent();
        self.of_group(path).any(|s| s.has_file() && s.modified_ns > facts.modified_ns && s.kept.path.parent() == folder)
    }

    /// The generation before: the newest stream of the same folder and name that is not newer than the file.
    fn predecessor_of(&self, path: &Path, facts: &Metadata) -> Option<StreamId> {
        let folder = path.parent();
        self.of_group(path)
            .filter(|s| s.kept.first_path.parent() == folder && s.modified_ns <= facts.modified_ns)
            .max_by_key(|s| (s.modified_ns, s.kept.born_ns, s.kept.generation, !is_archive(&name_of(&s.kept.path))))
            .map(|s| s.kept.id)
    }

    /// Lets the stream be found by its group, and by its file.
    pub(super) fn index_stream(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(&id) else { return };
        self.index.note(&stream.kept);
        self.journal.has_new = true;
        self.scans.to_name = true;
    }

    /// Context of a new generation: what the one before leaves (protocol rules 12 and 17).
    fn first_context(&self, predecessor: Option<StreamId>, folder: &Path) -> Context {
        let before = predecessor.and_then(|id| self.streams.get(&id));
        let mut context = Context::default();
        if let Some(stream) = before {
            let last = match &stream.tail {
                Some(tail) => tail.parser.context().clone(),
                None => Context::decode(&stream.kept.context).unwrap_or_default(),
            };
            context = last.next_generation();
            // Not read to its end yet: whether an event is open there is not known, so that lines which
            // cannot stand alone are taken for its continuation.
            context.after_generation |= stream.unread() > 0 || stream.tail.is_none() || stream.open_bytes() > 0;
        }
        self.better_zone(folder, &mut context);
        context
    }

    pub(super) fn generation_of(&self, facts: &Metadata) -> u32 {
        let ids = self.index.of_file(facts.id).iter();
        let same = ids
            .filter_map(|id| self.streams.get(id))
            .filter(|s| s.kept.file == facts.id && s.kept.born_ns == facts.born_ns);
        same.map(|s| s.kept.generation + 1).max().unwrap_or(0)
    }

    fn begin_stream(&mut self, path: &Path, facts: &Metadata, first: &[u8], begin: Begin) {
        let generation = self.generation_of(facts);
        let id = stream_id(self.agent.id, facts.id, facts.born_ns, generation, first);
        if self.streams.contains_key(&id) {
            return;
        }
        let base = begin.base.map_or(Offset(0), |a| a.at);
        let mut context = begin.context.encode();
        context.shrink_to_fit();
        let shared: Arc<Path> = path.into();
        let mut kept = Kept {
            id,
            first_path: begin.first_path.unwrap_or_else(|| Arc::clone(&shared)),
            path: Arc::clone(&shared),
            name: plain_name(&name_of(path)),
            file: facts.id,
            born_ns: facts.born_ns,
            generation,
            head: Head::of(first),
            start: Head::start_of(first),
            line_hash: line_hash(first),
            packed: begin.packed,
            copy_ends: None,
            end_unknown: false,
            left_out: None,
            predecessor: begin.predecessor,
            base,
            base_context: context.clone(),
            mark: base,
            context,
            anchors: Anchors::from_list(begin.base.into_iter().collect()),
            last_event: None,
            size_seen: facts.size,
            modified_ns: facts.modified_ns,
            phase: Phase::Following,
            repeated_until: begin.repeated_until,
            backfill: begin.backfill,
            cuts: BTreeSet::new(),
            inputs: Vec::new(),
            losses: Vec::new(),
            ledger: LedgerSum::default(),
            ledger_whole: true,
            other: OtherBytes::default(),
        };
        // A generation that begins in place under a name that is left out by now.
        let rule = self.config.rule_that_leaves_out(&kept.first_path);
        kept.left_out = rule.map(|rule| Box::new(LeftOut::by(rule)));
        self.journal_first(&Entry::Stream(Box::new(kept.clone())));
        let mut stream = Stream::new(kept, self.now);
        stream.size = facts.size;
        stream.behind_since = Some(self.now);
        stream.looked_at = Some(self.now);
        stream.repeatable = has_first_line(first);
        stream.naming = Naming::Unknown;
        if self.config.until_idle && self.scans.done_once {
            stream.target = Some(facts.size);
        }
        self.streams.insert(id, Box::new(stream));
        self.index_stream(id);
        self.by_file.insert(facts.id, id);
        self.by_path.insert(shared, id);
        self.active.insert(id);
        self.hold_soon();
    }

    /// The file of a stream holds other bytes now: the generation ended, and another one begins (protocol
    /// rule 8). What was read of the old one and is still in memory is shipped; the rest waits for a file that
    /// holds it, see `orphans`.
    pub(super) fn rewritten(&mut self, id: StreamId, facts: &Metadata) {
        let Some(stream) = self.streams.get(&id) else { return };
        let (path, folder) = (Arc::clone(&stream.kept.path), stream.kept.path.parent().map(Path::to_owned));
        let folder = folder.unwrap_or_else(|| PathBuf::from("."));
        if stream.kept.packed.is_some() {
            // Written anew: what it is now is found out from the start.
            self.orphaned(id, Lost::Rewritten);
            return;
        }
        let Ok((file, first)) = self.first_bytes(&path) else {
            self.scans.want(&folder);
            return;
        };
        let size = match file.metadata() {
            // Only the file itself may be judged, not what its name stands for by now.
            Ok(now) if now.id == facts.id => now.size,
            _ => {
                self.scans.want(&folder);
                return;
            }
        };
        let Ok(base) = base_of(&stream.kept, &*file, &first, size) else { return };
        let begin = self.begin_after(id, base, &first);
        drop(file);
        let text = match base {
            Some(anchor) => {
                format!("`{}` was rewritten after byte {}: a new generation begins there", path.display(), anchor.at.0)
            }
            None => format!("`{}` was truncated or replaced in place: a new generation begins", path.display()),
        };
        self.notice(Importance::Warn, text);
        self.orphaned(id, Lost::Rewritten);
        if size == 0 {
            self.wait(&path, None);
            return;
        }
        let facts = Metadata { size, ..*facts };
        if base.is_none() && self.begins_like_another(id, &path, &first) {
            self.note_unplaced(&path, &facts, false);
            return;
        }
        if let Some(begin) = begin {
            self.begin_stream(&path, &facts, &first, begin);
        }
    }

    /// What the generation after this one begins with, in the same file.
    fn begin_after(&self, id: StreamId, base: Option<Anchor>, first: &[u8]) -> Option<Begin> {
        let stream = self.streams.get(&id)?;
        let kept = &stream.kept;
        let before = stream.tail.as_ref().map(|t| t.parser.context().clone());
        let before = before.unwrap_or_else(|| Context::decode(&kept.context).unwrap_or_default());
        let mut context = before.next_generation();
        context.after_generation |= base.is_none() && stream.open_bytes() > 0;
        context.head_seen = base.is_some() && before.head_seen;
        let head_fits = kept.head.len > 0 && kept.head.fits(first);
        Some(Begin {
            predecessor: Some(id),
            context,
            base,
            repeated_until: if head_fits { stream.read_to() } else { Offset(0) },
            first_path: Some(kept.first_path.clone()),
            backfill: kept.backfill,
            packed: None,
        })
    }
}

/// The largest kept anchor that still fits (protocol rule 8). An error is no answer: it is asked again later.
fn base_of(kept: &Kept, file: &dyn File, first: &[u8], size: u64) -> std::io::Result<Option<Anchor>> {
    if kept.head.len == 0 || !kept.head.fits(first) {
        return Ok(None);
    }
    for anchor in kept.anchors.list().iter().rev().filter(|a| a.at.0 > 0 && a.at.0 <= size) {
        if anchor_fits(file, *anchor)? {
            return Ok(Some(*anchor));
        }
    }
    Ok(None)
}
