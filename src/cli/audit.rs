//! `carbontrail audit`: what became of every byte, by the shipper's books, the indexer's, and the events themselves.
//!
//! The shipper that runs is asked, by a file in its state folder: only it may speak for its agent. Then the dead letters
//! are looked at, which no other book holds.

use super::status;
use crate::config::units::show_size;
use crate::out::Out;
use crate::rim;
use anyhow::{Context as _, bail};
use outside::real::RealFiles;
use shipper::{Audit, Letter, StreamAudit};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Tells what became of every byte of every file, and has the indexer prove it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carbontrail audit /opt/wso2am/repository/logs/wso2carbon.log\n\n\
    Ends with 0 when all books agree, with 1 when something does not add up.")]
pub(crate) struct Arguments {
    /// Only these files, by path or by name.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    place: status::Place,
    /// One JSON object a stream and line.
    #[arg(long)]
    json: bool,
    /// How long to wait for the indexer's proof.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = crate::shipping::parse_duration)]
    wait: Duration,
}

/// Runs the command.
///
/// # Errors
/// When there is no answer, or something does not add up.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let state = arguments.place.folder()?;
    let mut audit = ask(&state, arguments.wait)?;
    count_letters(&state, &mut audit)?;
    if !arguments.files.is_empty() {
        audit.streams.retain(|stream| arguments.files.iter().any(|file| is_of(stream, file)));
        if audit.streams.is_empty() {
            bail!("no stream has one of these names; `carbontrail status` lists the files");
        }
    }
    let mut out = Out::new();
    if arguments.json {
        for stream in &audit.streams {
            out.line(&serde_json::to_string(stream).context("failed to write a stream as JSON")?)?;
        }
    } else {
        show(&audit, &mut out)?;
    }
    out.flush()?;
    let wrong = audit.streams.iter().filter(|stream| !stream.faults.is_empty()).count();
    if wrong == 0 { Ok(()) } else { bail!("the books of {wrong} of {} stream(s) do not add up", audit.streams.len()) }
}

fn is_of(stream: &StreamAudit, file: &Path) -> bool {
    let path = Path::new(&stream.path);
    path == file || path.file_name() == Some(file.as_os_str()) || std::path::absolute(file).is_ok_and(|f| f == path)
}

/// Has the running shipper ask the indexer.
fn ask(state: &Path, longest: Duration) -> anyhow::Result<Audit> {
    if !rim::is_running(state)? {
        bail!(
            "no shipper runs on `{}`: the indexer proves its books to it alone; start it and ask again",
            state.display()
        );
    }
    let name = format!("{}-{}", std::process::id(), rim::wall_ns());
    shipper::ask_for_audit(state, &name)
        .with_context(|| format!("failed to ask for an audit in `{}`", state.display()))?;
    let (end, path) = (rim::now() + longest, state.join(shipper::AUDIT_FILE));
    loop {
        if let Ok(text) = rim::read_text_whole(&path)
            && let Ok(audit) = serde_json::from_str::<Audit>(&text)
            && audit.name == name
        {
            return Ok(audit);
        }
        if rim::now() > end {
            bail!("no answer within {} s; `carbontrail status` tells whether the indexer answers", longest.as_secs());
        }
        rim::pause(Duration::from_millis(100));
    }
}

/// What is recorded as dead must be here.
fn count_letters(state: &Path, audit: &mut Audit) -> anyhow::Result<()> {
    let letters = shipper::read_dead_letters(&RealFiles, state)
        .with_context(|| format!("failed to list the dead letters in `{}`", state.display()))?;
    let mut bytes: BTreeMap<String, u64> = BTreeMap::new();
    let behind: BTreeMap<String, u64> = audit.streams.iter().map(|s| (s.stream.clone(), s.mark)).collect();
    let settled = |letter: &Letter| behind.get(&letter.stream.to_string()).is_some_and(|m| letter.body.offset.0 < *m);
    for letter in letters.iter().filter_map(|letter| letter.as_ref().ok()).filter(|letter| settled(letter)) {
        *bytes.entry(letter.stream.to_string()).or_default() += u64::from(letter.body.size);
    }
    for stream in &mut audit.streams {
        let here = bytes.get(&stream.stream).copied().unwrap_or_default();
        if here != stream.dead {
            stream.faults.push(format!("{} bytes are dead, the dead letters here have {here}", stream.dead));
        }
    }
    Ok(())
}

fn show(audit: &Audit, out: &mut Out) -> anyhow::Result<()> {
    out.line(&format!(
        "{:16}  {:>12} {:>12} {:>10} {:>12} {:>12} {:>8} {:>10} {:>8}  file",
        "stream", "written", "acknowledged", "waiting", "events", "proved", "dead", "excluded", "lost"
    ))?;
    let (mut written, mut acknowledged, mut lost, mut proved) = (0, 0, 0, 0);
    for s in &audit.streams {
        let found = s.indexer.as_ref().map_or(0, |indexer| indexer.found.events);
        let open = if s.lost_open { "+" } else { "" };
        let verdict = if s.faults.is_empty() { "" } else { "  DOES NOT ADD UP" };
        out.line(&format!(
            "{:16}  {:>12} {:>12} {:>10} {:>12} {found:>12} {:>8} {:>10} {:>8}  {}{verdict}",
            s.stream,
            s.written,
            s.acknowledged.bytes,
            s.waiting,
            s.acknowledged.events,
            s.dead,
            s.excluded,
            format!("{}{open}", s.lost),
            s.path
        ))?;
        for fault in &s.faults {
            out.line(&format!("{:18}{fault}", ""))?;
        }
        let removed = s.indexer.as_ref().map_or(0, |indexer| indexer.removed.bytes);
        if removed > 0 {
            out.line(&format!("{:18}{} removed by retention since", "", show_size(removed)))?;
        }
        if s.spooled > 0 {
            out.line(&format!("{:18}{} on disk for this shipper alone", "", show_size(s.spooled)))?;
        }
        written += s.written;
        acknowledged += s.acknowledged.bytes;
        lost += s.lost;
        proved += found;
    }
    let own = audit.streams.iter().filter(|s| s.own_sum).count();
    out.line(&format!(
        "{} stream(s): {} written, {} acknowledged as events, {} lost; {proved} events proved; {own} added up here from \
         their first byte on",
        audit.streams.len(),
        show_size(written),
        show_size(acknowledged),
        show_size(lost)
    ))
}
