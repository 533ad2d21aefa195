//! The mark table's file `marks` (protocol rule 34).
//!
//! Written whole like a manifest (see [`crate::store::manifest`] for header and checksum), with the position of
//! the last record that is in it, before the WAL is cut. Body: position, newest `event.ingested`, agents,
//! streams, and which of them have folded ranges, in the form of [`crate::store::wal::coding`].

use super::stream::{Folded, RecentSum};
use super::{AgentKey, AgentRow, Marks, OtherSpan, StreamKey, StreamMark};
use crate::store::wal::coding::{Reader, Unreadable, Writer};
use bytes::Bytes;
use parsers::Offset;
use seglog::Position;
use std::sync::Arc;

/// What the file holds.
#[derive(Debug)]
pub(crate) struct MarksFile {
    /// The last record that is in it.
    pub(crate) position: Position,
    pub(crate) marks: Marks,
}

/// The body of the file. Nothing may wait for its fsync.
pub(crate) fn write(marks: &Marks, position: Position) -> Vec<u8> {
    let mut w = Writer::default();
    w.number(position.0);
    w.option(marks.last_ingested, |w, time| w.signed(time.0));
    w.list(marks.agents.iter(), |w, (key, row)| {
        w.text(&key.owner);
        w.agent(key.agent);
        w.epoch(row.epoch);
        w.text(&row.host_id);
        w.text(&row.host_name);
    });
    w.list(marks.streams.iter(), |w, (key, mark)| {
        w.text(&key.owner);
        put_stream(w, mark);
    });
    let folded = marks.streams.values().enumerate().filter(|(_, mark)| mark.folded != Folded::default());
    let folded: Vec<_> = folded.map(|(number, mark)| (number, mark.folded)).collect();
    if !folded.is_empty() {
        w.list(folded.iter(), |w, (number, folded)| {
            w.number(*number as u64);
            w.number(folded.to.0);
            w.number(folded.excluded);
            w.number(folded.lost);
        });
    }
    w.0
}

/// Reads what [`write()`] made.
pub(crate) fn read(body: Vec<u8>) -> Result<MarksFile, Unreadable> {
    let mut r = Reader(Bytes::from(body));
    let position = Position(r.number()?);
    let mut marks = Marks { last_ingested: r.option(Reader::instant)?, ..Marks::default() };
    let agents = r.list(|r| {
        let key = AgentKey { owner: r.text()?.into(), agent: r.agent()? };
        Ok((key, AgentRow { epoch: r.epoch()?, host_id: r.text()?, host_name: r.text()? }))
    })?;
    marks.agents.extend(agents);
    let streams = r.list(|r| {
        let owner = r.text()?.into();
        let mark = stream(r)?;
        Ok((StreamKey { owner, stream: mark.info.stream }, Arc::new(mark)))
    })?;
    let mut streams = streams;
    if !r.is_empty() {
        let folded = r.list(|r| {
            let number = r.number()? as usize;
            Ok((number, Folded { to: r.offset()?, excluded: r.number()?, lost: r.number()? }))
        })?;
        for (number, folded) in folded {
            let (_, mark) = streams.get_mut(number).ok_or(Unreadable("the number of a stream"))?;
            Arc::make_mut(mark).folded = folded;
        }
    }
    marks.streams.extend(streams);
    if r.is_empty() { Ok(MarksFile { position, marks }) } else { Err(Unreadable("its end")) }
}

fn put_stream(w: &mut Writer, mark: &StreamMark) {
    w.text(&mark.environment);
    w.info(&mark.info);
    w.number(mark.base.0);
    w.number(mark.mark.0);
    w.bytes(&mark.context);
    w.list(mark.anchors.iter(), Writer::anchor);
    w.list(mark.other.iter(), |w, span| {
        w.number(span.from.0);
        w.number(span.to.0);
        w.byte(span.fate as u8);
        w.text(&span.reason);
    });
    w.list(mark.recent.iter(), |w, recent| {
        w.number(recent.from.0);
        w.number(recent.to.0);
        w.sum(&recent.sum);
    });
    w.sum(&mark.taken);
    w.sum(&mark.removed);
    w.option(mark.last_time, Writer::time);
    w.option(mark.last_event, Writer::event_id);
    w.byte(u8::from(mark.closed));
    w.option(mark.gone_at, |w, time| w.signed(time.0));
}

fn stream(r: &mut Reader) -> Result<StreamMark, Unreadable> {
    Ok(StreamMark {
        environment: r.text()?.into(),
        info: Arc::new(r.info()?),
        base: r.offset()?,
        mark: r.offset()?,
        // A copy: a slice would keep the whole file's bytes in memory.
        context: Bytes::copy_from_slice(&r.bytes()?),
        anchors: r.list(Reader::anchor)?,
        other: r.list(|r| {
            let (from, to): (Offset, Offset) = (r.offset()?, r.offset()?);
            Ok(OtherSpan { from, to, fate: r.fate_kind()?, reason: r.text()?.into() })
        })?,
        folded: Folded::default(),
        recent: r.list(|r| Ok(RecentSum { from: r.offset()?, to: r.offset()?, sum: r.sum()? }))?,
        taken: r.sum()?,
        removed: r.sum()?,
        last_time: r.option(Reader::time)?,
        last_event: r.option(Reader::event_id)?,
        closed: r.byte()? != 0,
        gone_at: r.option(Reader::instant)?,
    })
}
