//! `carbontrail tail`: events as they arrive, over server-sent events, connected again when it breaks off.

use super::Format;
use crate::client::{Client, Where};
use crate::out::{self, Out};
use crate::render;
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;

/// Shows events as they arrive, until SIGINT.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carbontrail tail 'level:ERROR OR level:WARN'")]
pub(crate) struct Arguments {
    /// Which events; empty: all.
    #[arg(value_name = "QUERY", default_value = "")]
    query: String,
    #[command(flatten)]
    place: Where,
    /// How events are printed; without it text on a terminal, else ndjson.
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// Pause before the first new attempt to connect; doubled up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Events whose printed length is remembered, so that an event that grew shows only its new lines.
const REMEMBERED: usize = 256;

/// Runs the command.
///
/// # Errors
/// When the server cannot be reached at first, or refuses the query.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.format == Some(Format::Raw) {
        bail!("tail prints text or ndjson; `search --format raw` gives events' own bytes");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("failed to start the event loop")?.block_on(async {
        tokio::select! {
            result = tail(arguments) => result,
            result = super::end_asked_for() => result,
        }
    })
}

async fn tail(arguments: &Arguments) -> anyhow::Result<()> {
    let client = Client::new(&arguments.place)?;
    let mut printer = Printer::new(arguments);
    let parameters = vec![("q", arguments.query.clone())];
    let mut response = client.send("tail", &parameters, "text/event-stream").await?;
    loop {
        let mut messages = Messages::default();
        while let Ok(Some(chunk)) = response.chunk().await {
            messages.push(&chunk, &mut |kind, data| printer.print(kind, data))?;
            printer.out.flush()?;
        }
        super::note("the connection broke off; connecting again, events of the meantime are found by search");
        let mut pause = PAUSE_MIN;
        response = loop {
            tokio::time::sleep(pause).await;
            match client.send("tail", &parameters, "text/event-stream").await {
                Ok(response) => break response,
                Err(_) => pause = (pause * 2).min(PAUSE_MAX),
            }
        };
        super::note("connected again");
    }
}

struct Printer {
    out: Out,
    format: Format,
    printed: VecDeque<(String, usize)>,
}

impl Printer {
    fn new(arguments: &Arguments) -> Printer {
        let format = arguments.format.unwrap_or(if out::is_terminal() { Format::Text } else { Format::Ndjson });
        Printer { out: Out::new(), format, printed: VecDeque::new() }
    }

    fn print(&mut self, kind: &str, data: &str) -> anyhow::Result<()> {
        if !matches!(kind, "line" | "update" | "remove") {
            return Ok(());
        }
        if self.format == Format::Ndjson {
            return self.out.line(&format!("{{\"tail\":\"{kind}\",\"event\":{data}}}"));
        }
        let event: Value = serde_json::from_str(data).context("the server sent an event that is not JSON")?;
        let (id, length) = (event["id"].as_str().unwrap_or("").to_owned(), render::body(&event).len());
        match (kind, self.printed.iter().position(|(known, _)| *known == id)) {
            ("update", Some(at)) => {
                let before = std::mem::replace(&mut self.printed[at].1, length);
                render::rest(&mut self.out, &event, before)
            }
            ("remove", _) => Ok(()),
            _ => {
                if self.printed.len() == REMEMBERED {
                    self.printed.pop_front();
                }
                self.printed.push_back((id, length));
                render::event(&mut self.out, &event)
            }
        }
    }
}

/// Takes a stream of server-sent events apart.
#[derive(Debug, Default)]
struct Messages {
    line: Vec<u8>,
    kind: String,
    data: String,
}

/// Bytes of one line above which the stream is given up: the server never sends such a line.
const LINE_BYTES_MAX: usize = 16 << 20;

impl Messages {
    fn push(&mut self, chunk: &[u8], message: &mut dyn FnMut(&str, &str) -> anyhow::Result<()>) -> anyhow::Result<()> {
        for piece in chunk.split_inclusive(|&b| b == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.len() > LINE_BYTES_MAX {
                bail!("the server sent a line of more than {LINE_BYTES_MAX} bytes");
            }
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.take_line(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']), message)?;
            }
        }
        Ok(())
    }

    fn take_line(
        &mut self,
        line: &str,
        message: &mut dyn FnMut(&str, &str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if line.is_empty() {
            let (kind, data) = (std::mem::take(&mut self.kind), std::mem::take(&mut self.data));
            return if data.is_empty() { Ok(()) } else { message(&kind, &data) };
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.kind = value.to_owned(),
            "data" if self.data.is_empty() => self.data = value.to_owned(),
            "data" => {
                self.data.push('\n');
                self.data.push_str(value);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn takes_messages_apart_wherever_they_are_cut() {
        let stream = b": hello\n\nevent: line\ndata: {\"id\":1}\n\nevent: update\r\ndata: a\r\ndata: b\r\n\r\n";
        for cut in 0..stream.len() {
            let (mut messages, mut got) = (Messages::default(), Vec::new());
            for part in [&stream[..cut], &stream[cut..]] {
                messages
                    .push(part, &mut |kind, data| {
                        got.push(format!("{kind} {data}"));
                        Ok(())
                    })
                    .unwrap();
            }
            assert_eq!(got, ["line {\"id\":1}", "update a\nb"], "cut at {cut}");
        }
    }
}
