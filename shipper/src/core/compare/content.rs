//! What content says of a file that has no stream yet: whose it is, if anybody's (protocol rules 7 and 8).
//!
//! It is compared by its first bytes and by the 256 bytes before places that are known. Nothing here changes anything;
//! what comes of it is done by [`super`].

use super::{EVIDENCE_BYTES, WAIT_MAX};
use crate::core::ShipperCore;
use crate::core::scan::group;
use crate::identity::{is_archive, line_hash, name_of, read_first};
use crate::kept::{Head, Kept, Phase};
use crate::packed::{is_packed, open_log};
use crate::stream::{Naming, Stream};
use crate::tail::anchor_fits;
use outside::{File, FileId, Metadata, OpenMode, Safeguard};
use parsers::Offset;
use std::io;
use std::path::Path;
use wire::{Anchor, StreamId};

/// What content says of a file.
#[derive(Debug, PartialEq)]
pub(super) enum Placing {
    /// It is this stream's file now.
    Is(StreamId),
    /// It is a copy of this stream's file, made before the last bytes came that were shipped.
    CopyOf(StreamId),
    /// It is this stream's file, of which only the indexer knew.
    Claims(Box<Kept>),
    /// A generation of its own; from an anchor of this stream on, if one fits.
    New(Option<(StreamId, Anchor)>),
    /// The same, and what it holds before this place may be what another stream has shipped: it is shorter, and begins
    /// alike.
    Repeats(Offset),
    /// Not known yet.
    Wait { is_twin: bool },
    /// These anchors must be surveyed first.
    Survey(Vec<Offset>),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    Alike,
    Differs,
    /// The file is too short to tell.
    TooShort,
}

/// How a file that begins with `first` begins, compared with a stream.
pub(super) fn likeness(kept: &Kept, first: &[u8]) -> Likeness {
    if kept.head.len < EVIDENCE_BYTES {
        return Likeness::Differs;
    }
    for head in [kept.start, kept.head].into_iter().filter(|h| h.len > 0) {
        if first.len() < head.len as usize {
            return Likeness::TooShort;
        }
        if !head.fits(first) {
            return Likeness::Differs;
        }
    }
    Likeness::Alike
}

/// Whether a file begins with the stream's first line.
fn has_first_line_of(kept: &Kept, first: &[u8]) -> bool {
    kept.line_hash != 0 && line_hash(first) == kept.line_hash
}

impl ShipperCore {
    /// Whether another stream of its name begins as this file does: one of both is a copy. That one may have lost its own file
    /// just now, and be looking for this one.
    pub(in crate::core) fn begins_like_another(&self, id: StreamId, path: &Path, first: &[u8]) -> bool {
        let others = self.candidates(path).into_iter().filter(|other| *other != id);
        others.filter_map(|other| self.streams.get(&other)).any(|s| {
            let start = s.kept.start;
            Safeguard::ContentMatched.holds() && start.len >= EVIDENCE_BYTES && start.fits(first)
        })
    }

    /// Whether a stream's own file begins with these bytes, fewer than are known of it. Where that cannot be told, it may.
    fn begins_with(&self, stream: &Stream, first: &[u8]) -> bool {
        let begin = |file: &dyn File| Ok(read_first(file, first.len())? == first);
        match stream.held_file() {
            Some(file) => begin(file),
            None => {
                open_log(&*self.outside.files, &stream.kept.path, stream.kept.packed).and_then(|file| begin(&*file))
            }
        }
        .unwrap_or(true)
    }

    /// Whether another file of its name that has no stream yet begins as this one does.
    fn begins_like_unplaced(&self, id: FileId, path: &Path, first: &[u8]) -> bool {
        let own = group(path);
        let start = &first[..first.len().min(Head::START_BYTES)];
        let others =
            self.unplaced.of_group(path).filter(|(other, f)| *other != id && !f.is_damaged && group(&f.path) == own);
        start.len() >= EVIDENCE_BYTES as usize
            && others.filter(|(_, f)| !is_packed(&name_of(&f.path))).any(|(_, file)| {
                let opened = self.outside.files.open(&file.path, OpenMode::Read);
                opened.and_then(|log| read_first(&*log, start.len())).is_ok_and(|other| other == start)
            })
    }

    /// Streams that a file of this name may be a generation of, newest first.
    pub(in crate::core) fn candidates(&self, path: &Path) -> Vec<StreamId> {
        let (folder, name) = group(path);
        let mut known: Vec<_> =
            self.index.of_name(&folder, &name).iter().filter_map(|id| self.streams.get(id)).collect();
        known.sort_by_key(|s| std::cmp::Reverse((s.kept.modified_ns, s.kept.generation)));
        known.into_iter().map(|s| s.kept.id).collect()
    }

    /// What content says. Streams whose own file is not what it was go to `closer`.
    pub(super) fn judge(
        &self,
        id: FileId,
        facts: &Metadata,
        log: &dyn File,
        first: &[u8],
        closer: &mut Vec<StreamId>,
    ) -> io::Result<Placing> {
        let Some(file) = self.unplaced.get(&id) else { return Ok(Placing::Wait { is_twin: false }) };
        let path = file.path.clone();
        let close_after = self.config.timing.close_after;
        // One that goes on growing does not wait for ever.
        let long = self.now >= file.noted_at + close_after * WAIT_MAX;
        let settled = file.surveyed.is_some() || long || self.now >= file.changed_at + close_after;
        let (mut wait, mut base, mut unknown, mut repeats, mut copy_of) = (None, None, Vec::new(), None, None);
        if !Safeguard::ContentMatched.holds() {
            return Ok(Placing::New(None));
        }
        let mut candidates = self.candidates(&path);
        // Compressed in place: before all others it is what stood there, which may begin as they do.
        candidates.sort_by_key(|id| !self.streams.get(id).is_some_and(|s| is_packed_name_of(&path, &s.kept.path)));
        for candidate in candidates {
            let Some(stream) = self.streams.get(&candidate) else { continue };
            let lost_its_file = !stream.has_file();
            match likeness(&stream.kept, first) {
                Likeness::Differs => continue,
                Likeness::TooShort => {
                    // What begins like a stream that has its file may be a copy that is being made of it.
                    let start = stream.kept.start;
                    let alike = start.len > 0 && start.fits(first);
                    let untold = first.len() < start.len as usize;
                    if !lost_its_file && (alike || untold) && !self.is_intact(candidate)? {
                        closer.push(candidate);
                        wait = wait.or(Some(false));
                        continue;
                    }
                    let alike = alike || !settled && untold && !lost_its_file && self.begins_with(stream, first);
                    if !settled && (lost_its_file || alike) {
                        wait = wait.or(Some(false));
                    } else if lost_its_file && alike {
                        // Shorter than the head that is known, which may reach into what a copy has missed. What was
                        // shipped is known better.
                        let at_mark =
                            stream.kept.anchors.list().iter().rev().find(|a| a.at <= stream.kept.mark).copied();
                        let holds_it = facts.size >= stream.kept.mark.0 && !is_closed(&stream.kept);
                        let fits = |a| self.anchor_of(id, log, a, &mut unknown);
                        if holds_it && at_mark.map_or(Ok(true), fits)? {
                            let known = unknown.is_empty();
                            return Ok(if known { Placing::Is(candidate) } else { Placing::Survey(unknown) });
                        }
                        repeats = repeats.or(Some(stream.kept.mark));
                    } else if untold && (stream.orphan.is_some() || has_first_line_of(&stream.kept, first)) {
                        // Too short to be told by a hash of more bytes: it may be a copy of what was read already, and the
                        // indexer may know more of that. Of a stream that no copy is looked for any more it must have the
                        // first line: the first lines of a new file are often as short.
                        repeats = repeats.or(Some(Offset(facts.size)));
                    }
                    continue;
                }
                Likeness::Alike => {}
            }
            let mut fits = |anchor: Anchor| self.anchor_of(id, log, anchor, &mut unknown);
            if !lost_its_file {
                let kept = &stream.kept;
                let place = kept.anchors.list().iter().rev().find(|a| a.at.0 <= facts.size && a.at.0 > 0).copied();
                if place.is_some() && !place.map_or(Ok(true), &mut fits)? {
                    continue;
                }
                let nameless = stream.naming == Naming::Nameless;
                if nameless && file.surveyed.is_some() && unknown.is_empty() && holds_all_of(stream, facts) {
                    // A whole compressed one, and of its own only a handle is left: nothing is kept for that.
                    return Ok(Placing::Is(candidate));
                }
                if !self.is_intact(candidate)? {
                    // Its own file is not what it was: reading it decides what became of the stream.
                    closer.push(candidate);
                    wait = wait.or(Some(false));
                } else if file_is_twin(&path, nameless) || !settled {
                    wait = Some(file_is_twin(&path, nameless));
                }
                continue;
            }
            let kept = &stream.kept;
            let long_enough = facts.size >= kept.mark.0;
            if long_enough && !is_closed(kept) {
                let at_mark = kept.anchors.list().iter().rev().find(|a| a.at <= kept.mark).copied();
                if at_mark.map_or(Ok(true), &mut fits)? {
                    return Ok(if unknown.is_empty() { Placing::Is(candidate) } else { Placing::Survey(unknown) });
                }
            } else if !long_enough && !settled {
                wait = wait.or(Some(false));
                continue;
            }
            if !long_enough {
                repeats = repeats.or(Some(kept.mark));
                let ends_at = kept.anchors.at(Offset(facts.size)).filter(|_| may_be_copied(kept, &path));
                if copy_of.is_none() && ends_at.map_or(Ok(false), &mut fits)? {
                    copy_of = Some(candidate);
                }
            }
            for anchor in kept.anchors.list().iter().rev().filter(|a| a.at.0 > 0 && a.at.0 <= facts.size) {
                if base.is_some() {
                    break;
                }
                if fits(*anchor)? {
                    base = Some((candidate, *anchor));
                }
            }
        }
        if let Some(stream) = copy_of.filter(|_| wait.is_none() && unknown.is_empty()) {
            return Ok(Placing::CopyOf(stream));
        }
        let mut claims: Option<Kept> = None;
        for offer in file.offers().iter().filter(|o| self.is_free(o.id)) {
            match likeness(offer, first) {
                _ if wait.is_some() => continue,
                Likeness::Alike => {}
                Likeness::Differs => continue,
                Likeness::TooShort => {
                    // Shorter than the head that the indexer knows: a copy, if it is one, that was made before that was read.
                    match (is_archive(&name_of(&path)), settled) {
                        (false, _) => {}
                        (true, true) => repeats = repeats.or(Some(offer.mark.min(Offset(facts.size)))),
                        (true, false) => wait = Some(false),
                    }
                    continue;
                }
            }
            if facts.size < offer.mark.0 {
                wait = (!settled).then_some(false);
                let place = offer.anchors.list().iter().rev().find(|a| a.at.0 > 0 && a.at.0 <= facts.size).copied();
                let place = place.filter(|_| wait.is_none());
                if let Some(anchor) = place
                    && self.anchor_of(id, log, anchor, &mut unknown)?
                    && unknown.is_empty()
                {
                    // A copy that was made before the last bytes came: all that it holds is there.
                    let copy = Kept { copy_ends: Some(facts.size), ..offer.clone() };
                    return Ok(Placing::Claims(Box::new(copy)));
                }
                repeats = repeats.or(wait.is_none().then_some(offer.mark));
                continue;
            }
            let at_mark = offer.anchors.list().iter().rev().find(|a| a.at <= offer.mark).copied();
            if at_mark.map_or(Ok(true), |anchor| self.anchor_of(id, log, anchor, &mut unknown))? && unknown.is_empty() {
                claims.get_or_insert_with(|| offer.clone());
            }
        }
        if !unknown.is_empty() {
            return Ok(Placing::Survey(unknown));
        }
        if let Some(kept) = claims.filter(|_| wait.is_none()) {
            // That its stream began as what may repeat another's stood in the state that was lost.
            let until = repeats.filter(|until| *until > kept.mark).unwrap_or_default();
            return Ok(Placing::Claims(Box::new(Kept { repeated_until: until, ..kept })));
        }
        if wait.is_none() && !settled && self.begins_like_unplaced(id, &path, first) {
            // One of both is a copy; the one that does not change any more is placed first.
            wait = Some(false);
        }
        Ok(match (wait, base, repeats) {
            (Some(is_twin), ..) => Placing::Wait { is_twin },
            (None, None, Some(mark)) => Placing::Repeats(mark),
            (None, base, _) => Placing::New(base),
        })
    }

    /// Whether a file holds the bytes of an anchor; places not surveyed yet go to `unknown`.
    fn anchor_of(&self, id: FileId, log: &dyn File, anchor: Anchor, unknown: &mut Vec<Offset>) -> io::Result<bool> {
        let Some(surveyed) = self.unplaced.get(&id).and_then(|f| f.surveyed.as_ref()) else {
            return anchor_fits(log, anchor);
        };
        Ok(surveyed.fits(anchor).unwrap_or_else(|| {
            unknown.push(anchor.at);
            true
        }))
    }

    /// Whether the stream's own file still holds what was read of it.
    fn is_intact(&self, id: StreamId) -> io::Result<bool> {
        let Some(stream) = self.streams.get(&id) else { return Ok(false) };
        if stream.naming == Naming::Nameless && stream.is_held_open() {
            return Ok(true);
        }
        let kept = &stream.kept;
        if kept.copy_ends.is_some() {
            return Ok(true);
        }
        let opened = match open_log(&*self.outside.files, &kept.path, kept.packed) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let facts = opened.metadata()?;
        if facts.id != kept.file || facts.size < kept.mark.0 {
            return Ok(false);
        }
        if kept.packed.is_some() {
            return Ok(true);
        }
        let head = kept.head.fits(&read_first(&*opened, kept.head.len as usize)?);
        Ok(head && kept.anchors.at(kept.mark).map_or(Ok(true), |a| anchor_fits(&*opened, a))?)
    }

    pub(super) fn look_closer(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.suspect = true;
        self.active.insert(id);
        if let Some(folder) = stream.kept.path.parent().map(Path::to_owned) {
            self.scans.want(&folder);
        }
    }
}

/// What the indexer was told of its end stays; a loss that is only intended is none if the bytes turn up.
fn is_closed(kept: &Kept) -> bool {
    kept.phase == Phase::Gone && kept.losses.iter().any(|l| l.to.is_none())
}

/// Whether a rotated file that ends at one of the stream's anchors is a copy of the stream's own: nothing else can be in it, and
/// nobody writes to it. Where the end of the stream is not known, what the copy lacks could not be declared.
fn may_be_copied(kept: &Kept, path: &Path) -> bool {
    is_archive(&name_of(path)) && !kept.end_unknown && !is_closed(kept)
}

/// Whether a file is as long as the one that the stream has.
fn holds_all_of(stream: &Stream, facts: &Metadata) -> bool {
    let held = stream.held_metadata().and_then(Result::ok).map_or(0, |held| held.size);
    facts.size >= held.max(stream.size).max(stream.read_to().0)
}

/// Whether `packed` is what compressing `plain` in place makes of its name.
fn is_packed_name_of(packed: &Path, plain: &Path) -> bool {
    is_packed(&name_of(packed)) && packed.with_extension("") == plain
}

/// Whether a file that repeats a stream with a file of its own waits for as long as that one is there.
fn file_is_twin(path: &Path, nameless: bool) -> bool {
    nameless || is_packed(&name_of(path))
}
