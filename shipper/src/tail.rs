//! One open file, read from a mark on, and the parser that looks at its bytes.
//!
//! The buffer always begins up to 256 bytes before the parser's offset. Each read begins 256 bytes before its
//! end and compares them with what was read last time (protocol rule 9): a file that was truncated, replaced
//! or rewritten under us is noticed before a byte of it is taken.

use crate::batch::Closed;
use crate::identity::read_first;
use crate::kept::{Head, Kept};
use crate::packed::open_log;
use outside::{File, Files, Metadata, Safeguard};
use parsers::{Context, FileFacts, Offset, Parser};
use std::io;
use std::path::Path;
use wire::Anchor;

const LEAD: usize = Anchor::BYTES as usize;

/// An open file and its parser.
#[derive(Debug)]
pub(crate) struct Tail {
    file: Box<dyn File>,
    pub(crate) parser: Parser,
    buffer: Vec<u8>,
    /// The buffer is the caller's room.
    borrowed: bool,
    /// Bytes of the buffer before the parser's offset.
    lead: usize,
    /// The file's bytes are gone (truncated, rewritten); only the buffer is left.
    pub(crate) cut_off: bool,
}

/// What opening found.
#[derive(Debug)]
pub(crate) enum Opened {
    /// The file holds this stream; with its facts.
    Tail(Box<Tail>, Metadata),
    /// The name stands for another file now.
    OtherFile,
    /// It is the same file, but does not hold the stream's bytes (protocol rule 8).
    Rewritten(Metadata),
}

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// So many more bytes are in the buffer.
    Bytes(usize),
    /// Nothing more for now.
    End,
    /// The bytes before the offset are not the ones known: the generation ended.
    Rewritten,
}

/// Reads as much as there is, up to `buf.len()`.
fn read_full(file: &dyn File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut len = 0;
    while len < buf.len() {
        match file.read_at(&mut buf[len..], offset + len as u64)? {
            0 => break,
            n => len += n,
        }
    }
    Ok(len)
}

/// Whether the file's bytes before `anchor` are the ones it was made of.
pub(crate) fn anchor_fits(file: &dyn File, anchor: Anchor) -> io::Result<bool> {
    let from = anchor.at.0.saturating_sub(Anchor::BYTES);
    let mut before = vec![0; (anchor.at.0 - from) as usize];
    let len = read_full(file, &mut before, from)?;
    Ok(len == before.len() && Anchor::of(anchor.at, &before) == anchor)
}

impl Tail {
    /// Opens `path` at the stream's mark, if it still holds the stream.
    ///
    /// # Errors
    /// What the file system said; never a reason to take the file for gone.
    pub(crate) fn open(
        files: &dyn Files,
        path: &Path,
        kept: &Kept,
        furthest: Option<Anchor>,
        context: Context,
    ) -> io::Result<Opened> {
        Tail::on(open_log(files, path, kept.packed)?, kept, furthest, context)
    }

    /// As [`Tail::open`], on a file that is open already. It must also hold the bytes before `furthest`, up to which this
    /// process read it once: a file that was truncated and has grown again may begin as it did.
    ///
    /// # Errors
    /// What the file system said; never a reason to take the file for gone.
    pub(crate) fn on(
        file: Box<dyn File>,
        kept: &Kept,
        furthest: Option<Anchor>,
        context: Context,
    ) -> io::Result<Opened> {
        let facts = file.metadata()?;
        if facts.id != kept.file {
            return Ok(Opened::OtherFile);
        }
        let mark = kept.mark;
        if facts.size < mark.0 || !kept.head.fits(&read_first(&*file, kept.head.len as usize)?) {
            return Ok(Opened::Rewritten(facts));
        }
        let from = mark.0.saturating_sub(Anchor::BYTES);
        let mut buffer = vec![0; (mark.0 - from) as usize];
        let len = read_full(&*file, &mut buffer, from)?;
        let known = kept.anchors.at(mark);
        let fits = len == buffer.len() && known.is_none_or(|a| a == Anchor::of(mark, &buffer));
        if !fits && (Safeguard::AnchorChecked.holds() || len < buffer.len()) {
            return Ok(Opened::Rewritten(facts));
        }
        if let Some(anchor) = furthest.filter(|anchor| anchor.at > mark && Safeguard::AnchorChecked.holds())
            && !anchor_fits(&*file, anchor)?
        {
            return Ok(Opened::Rewritten(facts));
        }
        let named = FileFacts { name: kept.name.clone(), family: None };
        // The indexer finds templates out itself.
        let parser = Parser::new(named, mark, context).keyed(kept.id.0).templates_later();
        let tail = Tail { file, parser, lead: buffer.len(), buffer, borrowed: false, cut_off: false };
        Ok(Opened::Tail(Box::new(tail), facts))
    }

    /// The open file alone.
    pub(crate) fn into_file(self) -> Box<dyn File> {
        self.file
    }

    pub(crate) fn file(&self) -> &dyn File {
        &*self.file
    }

    /// Facts of the open file, whatever its name is now.
    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Up to where the file was read.
    pub(crate) fn read_to(&self) -> Offset {
        Offset(self.parser.offset().0 + self.open_bytes().len() as u64)
    }

    /// The bytes from the parser's offset on.
    pub(crate) fn open_bytes(&self) -> &[u8] {
        &self.buffer[self.lead..]
    }

    /// Bytes of memory held.
    pub(crate) fn memory(&self) -> usize {
        self.buffer.capacity()
    }

    /// The anchor at the parser's offset.
    pub(crate) fn anchor(&self) -> Anchor {
        Anchor::of(self.parser.offset(), &self.buffer[..self.lead])
    }

    /// The anchor at the end of what was read.
    pub(crate) fn furthest(&self) -> Anchor {
        Anchor::of(self.read_to(), &self.buffer[self.buffer.len().saturating_sub(LEAD)..])
    }

    /// Whether the file still begins as it did.
    pub(crate) fn head_fits(&self, head: Head) -> io::Result<bool> {
        Ok(head.fits(&read_first(&*self.file, head.len as usize)?))
    }

    /// The file's first bytes, for a head that may have grown.
    pub(crate) fn first_bytes(&self) -> io::Result<Vec<u8>> {
        read_first(&*self.file, Head::BYTES_MAX)
    }

    /// Reads up to `max` more bytes, into `room`, which takes the place of the buffer until [`Tail::give_back`]: what is
    /// read is not copied, and all files are read into the same memory.
    ///
    /// # Errors
    /// What the file system said.
    pub(crate) fn read(&mut self, room: &mut Vec<u8>, max: usize) -> io::Result<Read> {
        if self.cut_off {
            return Ok(Read::End);
        }
        let end = self.buffer.len();
        let begin = end - end.min(LEAD);
        // What stands in it is overwritten; it is only ever made longer.
        if room.len() < end + max {
            room.resize(end + max, 0);
        }
        let from = self.read_to().0 - (end - begin) as u64;
        let len = read_full(&*self.file, &mut room[begin..end + max], from)?;
        let read_to = begin + len;
        if read_to < end || (room[begin..end] != self.buffer[begin..] && Safeguard::AnchorChecked.holds()) {
            return Ok(Read::Rewritten);
        }
        if read_to == end {
            return Ok(Read::End);
        }
        room[..begin].copy_from_slice(&self.buffer[..begin]);
        if !Safeguard::AnchorChecked.holds() {
            room[begin..end].copy_from_slice(&self.buffer[begin..]);
        }
        room.truncate(read_to);
        std::mem::swap(&mut self.buffer, room);
        self.borrowed = true;
        Ok(Read::Bytes(read_to - end))
    }

    /// Hands closed events out (see [`Parser::advance_until`]). Their bytes are forgotten, all but the last 256, by
    /// [`Tail::give_back`].
    pub(crate) fn advance(
        &mut self,
        inputs: &[parsers::InputAt],
        stop: Offset,
        closed: &mut dyn FnMut(Closed<'_>),
    ) -> usize {
        let (begin, buffer) = (self.parser.offset().0, &self.buffer[self.lead..]);
        let taken = self.parser.advance_until(buffer, inputs, stop, &mut |event, bytes| {
            let in_file = &buffer[(event.offset.0 - begin) as usize..];
            closed(Closed { event, bytes, in_file });
        });
        self.lead += taken;
        taken
    }

    /// Forgets what is closed, and gives back the room that a read borrowed.
    pub(crate) fn give_back(&mut self, room: &mut Vec<u8>) {
        let surplus = self.lead.saturating_sub(LEAD);
        self.lead -= surplus;
        if std::mem::take(&mut self.borrowed) {
            room.clear();
            room.extend_from_slice(&self.buffer[surplus..]);
            std::mem::swap(&mut self.buffer, room);
        } else {
            self.buffer.drain(..surplus);
        }
        if self.buffer.capacity() > 4 * self.buffer.len().max(LEAD) {
            self.buffer.shrink_to(2 * self.buffer.len().max(LEAD));
        }
    }
}
