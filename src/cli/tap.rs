//! `carbontrail tap`: what the shipper on this host sends, as it is sent: parsed, redacted, with what a rule leaves out.
//! Seen at the shipper itself, so no rights at the indexer are needed.

use super::status::{self, Place};
use super::{Format, note};
use crate::out::{self, Out};
use crate::tapping::{self, SOCKET};
use crate::{flat, render};
use anyhow::{Context as _, anyhow, bail};
use parsers::{Event, Flags, Offset};
use serde_json::{Map, Value as Json, json};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use wire::{ContinuesFrom, EventBody, Fate, Limits, Message, Ranges, Request, StreamId};

/// Shows events as the shipper on this host sends them, until SIGINT. Nothing is kept, and the shipper waits for nobody.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  carbontrail tap\n  carbontrail tap 'wso2carbon*.log' --format ndjson | jq 'select(.\"log.level\" == \"ERROR\")'\n\n\
    An event is shown with the fields that are found in it. Those that are the same for a whole file (host, product, service, \
    labels) go to the indexer once a file, and are not shown. While no indexer answers nothing is sent."
)]
pub(crate) struct Arguments {
    /// Names or paths of files, with * and ?; without one: all.
    #[arg(value_name = "FILE")]
    files: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// How events are printed; without it text on a terminal, else ndjson.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// End after so many events.
    #[arg(long, value_name = "NUMBER")]
    events: Option<u64>,
}

/// Runs the command.
///
/// # Errors
/// When no shipper runs there, or it ends.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = arguments.place.folder()?;
    let mut stream = connect(&folder)?;
    // Nothing is sent to an indexer that does not answer, and nothing could be seen.
    if let Some(trouble) = status::read(&folder).ok().and_then(|status| status::trouble(&status, false)) {
        note(&format!("not all is well: {trouble}"));
    }
    let mut tap = Tap::new(arguments, folder);
    while !tap.is_done() {
        let Some((missed, request)) = tapping::read_frame(&mut stream)? else {
            match tap.heard {
                true => bail!("the shipper ended"),
                false => bail!("the shipper ended, or others look already: four may at a time"),
            }
        };
        if missed > 0 {
            note(&format!("{missed} requests were not shown: they came faster than they could be printed"));
        }
        let request = wire::decode_request(&request, Limits::default()).context("the shipper is of another version")?;
        tap.heard = true;
        tap.show(request)?;
        tap.out.flush()?;
    }
    Ok(())
}

fn connect(folder: &Path) -> anyhow::Result<UnixStream> {
    let path = folder.join(SOCKET);
    UnixStream::connect(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            anyhow!("no shipper runs with the state folder `{}`; name its folder with --state", folder.display())
        }
        ErrorKind::PermissionDenied => anyhow!(
            "`{}` belongs to another user: run this as the shipper's own, such as `sudo -u carbontrail carbontrail tap`",
            path.display()
        ),
        _ => anyhow!("failed to connect to `{}`: {error}", path.display()),
    })
}

/// What was shown of a stream.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    /// Up to here: what is sent again is not shown again.
    to: Offset,
    /// Of the event that is still open: where it begins, and bytes of its text.
    open: Option<(Offset, usize)>,
}

impl Shown {
    /// How much of an event's text was shown before; `None` when there is nothing new.
    fn take(&mut self, from: Offset, to: Offset, length: usize, open: bool) -> Option<usize> {
        if to <= self.to {
            return None;
        }
        let before = self.open.take().filter(|(offset, _)| *offset == from).map_or(0, |(_, length)| length);
        if open {
            self.open = Some((from, length));
        } else {
            self.to = to;
        }
        Some(before)
    }
}

struct Tap {
    out: Out,
    format: Format,
    files: Vec<String>,
    folder: PathBuf,
    left: Option<u64>,
    /// Whether any request was seen.
    heard: bool,
    paths: HashMap<StreamId, String>,
    shown: HashMap<StreamId, Shown>,
}

impl Tap {
    fn new(arguments: &Arguments, folder: PathBuf) -> Tap {
        Tap {
            out: Out::new(),
            format: arguments.format.unwrap_or(if out::is_terminal() { Format::Text } else { Format::Ndjson }),
            files: arguments.files.clone(),
            folder,
            left: arguments.events,
            heard: false,
            paths: HashMap::new(),
            shown: HashMap::new(),
        }
    }

    fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    fn show(&mut self, request: Request) -> anyhow::Result<()> {
        for message in request.messages {
            match message {
                Message::Open(open) => drop(self.paths.insert(open.stream, open.factors.path)),
                Message::Ranges(ranges) => self.ranges(ranges)?,
                Message::Provisional(provisional) => {
                    if let Some(path) = self.path(provisional.stream) {
                        self.event(provisional.stream, &path, provisional.event, &provisional.bytes, true)?;
                    }
                }
                Message::Gone(stream) => {
                    self.paths.remove(&stream);
                    self.shown.remove(&stream);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The stream's file, unless it was not asked for.
    fn path(&mut self, stream: StreamId) -> Option<String> {
        if !self.paths.contains_key(&stream) {
            // It was opened before anyone looked.
            let known = status::read(&self.folder).map(|status| status.files).unwrap_or_default();
            let of_file = |file: shipper::FileStatus| Some((u64::from_str_radix(&file.stream, 16).ok()?, file.path));
            self.paths.extend(known.into_iter().filter_map(of_file).map(|(id, path)| (StreamId(id), path)));
        }
        let path = self.paths.entry(stream).or_insert_with(|| format!("stream {stream}"));
        let name = path.rsplit('/').next().unwrap_or(path);
        let asked = self.files.is_empty() || [name, path].iter().any(|name| shipper::fits_any(name, &self.files));
        asked.then(|| path.clone())
    }

    fn ranges(&mut self, ranges: Ranges) -> anyhow::Result<()> {
        let stream = ranges.stream;
        let Some(path) = self.path(stream) else { return Ok(()) };
        for range in ranges.ranges {
            match range.fate {
                Fate::Events(payload) => {
                    for (body, bytes) in payload.iter() {
                        self.event(stream, &path, body.clone(), &bytes, false)?;
                    }
                }
                Fate::Dead(reason) => self.unsent(stream, &path, (range.from, range.to), "dead", &reason)?,
                Fate::Excluded(reason) => self.unsent(stream, &path, (range.from, range.to), "excluded", &reason)?,
                Fate::Lost(reason) => self.unsent(stream, &path, (range.from, range.to), "lost", &reason)?,
            }
        }
        Ok(())
    }

    /// Bytes of which only their fate is told.
    fn unsent(
        &mut self,
        stream: StreamId,
        path: &str,
        (from, to): (Offset, Option<Offset>),
        fate: &str,
        reason: &str,
    ) -> anyhow::Result<()> {
        let end = to.unwrap_or(Offset(u64::MAX));
        if self.is_done() || self.shown.entry(stream).or_default().take(from, end, 0, false).is_none() {
            return Ok(());
        }
        let to = to.map(|to| to.0);
        match self.format {
            Format::Raw => Ok(()),
            Format::Ndjson => {
                let range = json!({"log.file.path": path, "fate": fate, "from": from.0, "to": to, "reason": reason});
                self.out.line(&range.to_string())
            }
            Format::Text => {
                let to = to.map_or("the end".to_owned(), |to| to.to_string());
                self.out.line(&format!("-- {fate}: {path}, bytes {} to {to}: {reason}", from.0))
            }
        }
    }

    fn event(&mut self, stream: StreamId, path: &str, body: EventBody, bytes: &[u8], open: bool) -> anyhow::Result<()> {
        let (from, to) = (body.offset, Offset(body.offset.0 + u64::from(body.size)));
        if self.is_done() {
            return Ok(());
        }
        let object = object(path, body, bytes, open);
        let length = render::body(&object).len();
        let Some(before) = self.shown.entry(stream).or_default().take(from, to, length, open) else { return Ok(()) };
        if !open {
            self.left = self.left.map(|left| left.saturating_sub(1));
        }
        match (self.format, before) {
            (Format::Raw, _) if open => Ok(()),
            (Format::Raw, _) => self.out.bytes(bytes),
            (Format::Ndjson, _) => self.out.line(&object.to_string()),
            (Format::Text, 0) => render::event(&mut self.out, &object),
            (Format::Text, before) => render::rest(&mut self.out, &object, before),
        }
    }
}

/// With the names that the indexer gives, where it gives them.
fn object(path: &str, body: EventBody, bytes: &[u8], open: bool) -> Json {
    let flags = [
        ("wso2.provisional", open),
        ("wso2.redacted", body.flags.has(Flags::REDACTED)),
        ("wso2.copy", body.flags.has(Flags::COPY)),
    ];
    let continues = body.continues.map(|from| match from {
        ContinuesFrom::Event(id) => id.to_string(),
        ContinuesFrom::Stream(stream) => format!("stream:{stream}"),
        ContinuesFrom::Unknown => "?".to_owned(),
    });
    let event = Event {
        offset: body.offset,
        size: body.size,
        lines: body.lines,
        family: body.family,
        dataset: body.dataset,
        level: body.level,
        time: body.time,
        // Told below, by the id that the wire has.
        continues: None,
        flags: body.flags,
        fields: body.fields,
    };
    let mut object: Map<String, Json> = flat::object(path, &event, bytes);
    let held = flags.into_iter().filter(|(_, holds)| *holds);
    object.extend(held.map(|(name, _)| (name.to_owned(), json!(true))));
    object.extend(continues.map(|from| ("wso2.continues".to_owned(), json!(from))));
    object.insert("event.original".to_owned(), json!(String::from_utf8_lossy(bytes)));
    Json::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_event_grows_and_what_is_sent_again_is_not_shown_again() {
        let mut shown = Shown::default();
        let mut take = |from, to, length, open| shown.take(Offset(from), Offset(to), length, open);
        assert_eq!(take(0, 100, 80, false), Some(0));
        assert_eq!(take(100, 150, 40, true), Some(0));
        assert_eq!(take(100, 180, 70, true), Some(40), "it grew");
        assert_eq!(take(100, 200, 90, false), Some(70), "it is closed");
        for (from, to) in [(0, 100), (100, 200), (100, 150)] {
            assert_eq!(take(from, to, 10, false), None, "the answer was lost");
        }
        assert_eq!(take(200, 250, 40, true), Some(0));
        assert_eq!(take(200, 220, 15, false), Some(40), "a cut event is shorter than what was shown of it");
        assert_eq!(take(220, 250, 25, false), Some(0));
        // A loss without end.
        assert_eq!(take(250, u64::MAX, 0, false), Some(0));
        assert_eq!(take(300, 400, 10, false), None);
    }

    #[test]
    fn an_event_has_the_names_that_searches_know() {
        let mut body = parsed();
        body.flags.set(Flags::REDACTED);
        body.continues = Some(ContinuesFrom::Stream(StreamId(7)));
        let object = object("/logs/wso2carbon.log", body, b"it failed\n\tat a.B\n", true);
        for (name, value) in [
            ("log.file.path", json!("/logs/wso2carbon.log")),
            ("message", json!("it failed\n\tat a.B")),
            ("event.original", json!("it failed\n\tat a.B\n")),
            ("wso2.provisional", json!(true)),
            ("wso2.redacted", json!(true)),
            ("wso2.continues", json!("stream:0000000000000007")),
        ] {
            assert_eq!(object[name], value, "{name}");
        }
        assert!(object.get("wso2.copy").is_none());
    }

    fn parsed() -> EventBody {
        EventBody {
            offset: Offset(0),
            size: 20,
            len: 20,
            lines: 2,
            head_hash: 0,
            family: parsers::Family::None,
            dataset: parsers::Dataset::Carbon,
            level: parsers::Level::Unknown,
            time: None,
            flags: Flags::default(),
            continues: None,
            fields: Vec::new(),
        }
    }
}
