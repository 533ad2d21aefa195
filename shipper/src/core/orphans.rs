//! Streams that lost their file: removed while nobody held it, truncated, or rewritten in place.
//!
//! For `close_after` such a stream waits for a file of its folder that holds its bytes (a copy, a compressed
//! one; see `compare`), and for as long as one is still being compared. Only then is what no file holds any more
//! declared lost (protocol rule 30). What was read and is still in memory is shipped all the same.

use super::{Importance, ShipperCore};
use crate::identity::line_hash;
use crate::kept::{Head, Loss, Packed, Phase};
use crate::spill;
use crate::stream::{Lost, Naming, Opened, Orphan};
use outside::Metadata;
use parsers::Offset;
use std::path::Path;
use std::sync::Arc;
use wire::StreamId;

impl ShipperCore {
    /// The stream's file is gone, or holds other bytes.
    pub(super) fn orphaned(&mut self, id: StreamId, how: Lost) {
        let (now, look_every) = (self.now, self.config.timing.scan_interval);
        let Some(stream) = self.streams.get_mut(&id).filter(|s| s.orphan.is_none()) else { return };
        let path = stream.kept.path.clone();
        stream.orphan = Some(Orphan { since: stream.missing_since.take().unwrap_or(now), how });
        stream.naming = Naming::Nameless;
        stream.target = None;
        match how {
            Lost::Vanished => stream.let_go(),
            Lost::Rewritten => {
                stream.held = None;
                if let Some(tail) = &mut stream.tail {
                    tail.cut_off = true;
                }
                // What it held when it was last looked at is known. What came then is the hole that nobody sees if that
                // was just now; else it may be anything.
                let just_now = stream.looked_at.is_some_and(|at| now.saturating_sub(at) <= look_every);
                stream.kept.end_unknown = !just_now || stream.kept.size_seen > stream.read_to().0;
                // Its inode is another generation's now, after a restart too.
                stream.kept.phase = Phase::Detached;
            }
        }
        if self.by_file.get(&stream.kept.file) == Some(&id) {
            self.by_file.remove(&stream.kept.file);
        }
        if self.by_path.get(&path) == Some(&id) {
            self.by_path.remove(&path);
        }
        self.journal_stream(id);
        self.journal.must_sync |= how == Lost::Rewritten;
        self.active.insert(id);
        self.scans.want(path.parent().unwrap_or(Path::new(".")));
    }

    /// Declares what orphans have lost, once no file can turn up that holds it.
    pub(super) fn settle_orphans(&mut self) {
        let close_after = self.config.timing.close_after;
        let due: Vec<(StreamId, Lost)> = self
            .active
            .iter()
            .filter_map(|id| self.streams.get(id))
            .filter_map(|s| {
                let orphan = s.orphan?;
                let waited = self.now >= orphan.since + close_after && self.scans.is_idle();
                let compared = self.is_compared(&s.kept.path) || self.is_unread(&s.kept.path);
                // The mark is the indexer's to tell: until it did, nothing can be said of what is missing.
                (waited && !compared && s.opened == Opened::Yes).then_some((s.kept.id, orphan.how))
            })
            .collect();
        for (id, how) in due {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            stream.orphan = None;
            match how {
                Lost::Vanished => self.vanished(id),
                Lost::Rewritten => self.rest_is_lost(id),
            }
        }
    }

    /// What a truncated or rewritten file held behind what was read.
    fn rest_is_lost(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(&id) else { return };
        let (read_to, end) = (stream.read_to(), stream.kept.size_seen);
        if (end > read_to.0 || stream.kept.end_unknown) && stream.kept.losses.is_empty() {
            let reason = "the file was truncated or rewritten before these bytes were read".to_owned();
            let to = (!stream.kept.end_unknown).then_some(Offset(end));
            self.declare(id, Loss { from: read_to, to, reason });
        }
        self.journal_stream(id);
    }

    /// The stream goes on in another file that holds its bytes; all of them, or up to where a copy of it ends.
    pub(super) fn adopt(
        &mut self,
        id: StreamId,
        path: &Path,
        facts: &Metadata,
        first: &[u8],
        packed: Option<Packed>,
        copy_ends: Option<u64>,
    ) {
        let generation = self.generation_of(facts);
        self.drop_pin(id);
        let (now, until_idle) = (self.now, self.config.until_idle);
        let Some(stream) = self.streams.get_mut(&id) else { return };
        // Its own file may be there still, as a handle without a name.
        let (file, old_path) = (stream.kept.file, stream.kept.path.clone());
        if self.by_file.get(&file) == Some(&id) {
            self.by_file.remove(&file);
        }
        if self.by_path.get(&old_path) == Some(&id) {
            self.by_path.remove(&old_path);
        }
        stream.go_back_to_mark();
        stream.let_go();
        stream.furthest = None;
        stream.orphan = None;
        stream.missing_since = None;
        stream.suspect = false;
        stream.naming = Naming::Unknown;
        stream.opened = Opened::No;
        stream.size = facts.size;
        stream.modified_ns = facts.modified_ns;
        stream.grew_at = now;
        stream.target = until_idle.then_some(facts.size);
        let kept = &mut stream.kept;
        if first.len() < kept.head.len as usize {
            kept.head = Head::of(first);
        }
        kept.file = facts.id;
        kept.born_ns = facts.born_ns;
        kept.generation = generation;
        let shared: Arc<Path> = path.into();
        kept.path = Arc::clone(&shared);
        kept.packed = packed;
        if kept.start.len == 0 {
            // Of a claimed stream the indexer knows the head alone.
            kept.start = Head::start_of(&first[..first.len().min(kept.head.len as usize)]);
        }
        if kept.line_hash == 0 {
            kept.line_hash = line_hash(first);
        }
        kept.copy_ends = copy_ends;
        kept.end_unknown = false;
        // What was to be declared lost is here after all. Where that was said already, the indexer's mark tells.
        kept.losses.clear();
        kept.phase = Phase::Following;
        kept.modified_ns = facts.modified_ns;
        let text = format!(
            "`{}` is what was `{}`: it goes on at byte {}",
            path.display(),
            kept.first_path.display(),
            kept.mark.0
        );
        if facts.size > kept.mark.0 {
            self.notice(Importance::Info, text);
        }
        self.index_stream(id);
        self.by_file.insert(facts.id, id);
        self.by_path.insert(shared, id);
        self.journal_stream(id);
        self.journal.must_sync = true;
        self.active.insert(id);
    }

    /// A copy was read to its end and is shorter than what was seen of the file it was made of.
    pub(super) fn copy_ended(&mut self, id: StreamId) -> bool {
        let Some(stream) = self.streams.get_mut(&id) else { return false };
        let (end, seen) = (stream.kept.mark, stream.kept.size_seen);
        if stream.kept.file == spill::identity(id) {
            return false; // our own copy of a removed file; see `spilling`
        }
        if seen <= end.0 || !stream.kept.losses.is_empty() {
            return false;
        }
        stream.kept.copy_ends = Some(stream.size);
        let reason = "the file was truncated before these bytes were copied".to_owned();
        self.declare(id, Loss { from: end, to: Some(Offset(seen)), reason });
        self.journal_stream(id);
        self.journal.must_sync = true;
        true
    }
}
