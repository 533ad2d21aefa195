//! `carbontrail dlq`: events that the indexer refused, kept by the shipper (protocol rules 22 and 23).
//!
//! It reads the letters where they stand, so it works beside a running `ship` and without one. A replay is asked for by
//! renaming the letter; the shipper that runs, or the next one, sends it: only it may speak for its agent.

use super::status;
use crate::config::units::show_size;
use crate::out::Out;
use crate::rim;
use anyhow::{Context as _, bail};
use outside::real::RealFiles;
use parsers::Offset;
use shipper::{Letter, LetterError};
use std::path::Path;
use std::time::Duration;
use wire::StreamId;

/// Lists, shows and replays events that the indexer refused.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
    Show(Show),
    Replay(Replay),
}

/// One line a dead letter: its name, size, file and the reason.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carbontrail dlq list --state /var/lib/carbontrail/ship")]
struct List {
    #[command(flatten)]
    place: status::Place,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Prints the bytes of a dead letter as they stood in the log file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carbontrail dlq show 2d21d72f12aeb2f8-00000001f2c4")]
struct Show {
    /// Its name, from `dlq list`.
    #[arg(value_name = "LETTER")]
    letter: String,
    #[command(flatten)]
    place: status::Place,
}

/// Sends dead letters again: all of them, or those named. Each goes after the indexer took it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carbontrail dlq replay --all")]
struct Replay {
    /// Their names, from `dlq list`.
    #[arg(value_name = "LETTER", required_unless_present = "all")]
    letters: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with = "letters")]
    all: bool,
    /// How long to wait for the indexer's answer.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = crate::shipping::parse_duration)]
    wait: Duration,
    #[command(flatten)]
    place: status::Place,
}

/// Runs the command.
///
/// # Errors
/// When a letter cannot be read, or is refused again.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.command {
        Command::List(list) => show_list(list),
        Command::Show(show) => show_one(show),
        Command::Replay(replay) => replay_some(replay),
    }
}

fn read(state: &Path) -> anyhow::Result<Vec<Result<Letter, LetterError>>> {
    rim::is_running(state)?;
    shipper::read_dead_letters(&RealFiles, state)
        .with_context(|| format!("failed to list the dead letters in `{}`", state.display()))
}

fn name_of(letter: &Letter) -> String {
    format!("{}-{:012x}", letter.stream, letter.body.offset.0)
}

fn show_list(list: &List) -> anyhow::Result<()> {
    let mut out = Out::new();
    let (mut unread, mut count, mut bytes) = (Vec::new(), 0, 0);
    for letter in read(&list.place.folder()?)? {
        match letter {
            Ok(letter) if list.json => out.line(&as_json(&letter).to_string())?,
            Ok(letter) => {
                (count, bytes) = (count + 1, bytes + letter.bytes.len() as u64);
                let age = rim::age_of(letter.written_ns).as_secs();
                let replay = if letter.replay { ", to be replayed" } else { "" };
                let size = show_size(letter.bytes.len() as u64);
                out.line(&format!("{}  {size:>10}  {age} s ago  {}{replay}", name_of(&letter), letter.path))?;
                out.line(&format!("  {}", letter.reason))?;
            }
            Err(error) => unread.push(error.to_string()),
        }
    }
    if !list.json && unread.is_empty() {
        out.line(&format!("{count} dead letter(s), {}", show_size(bytes)))?;
    }
    out.flush()?;
    if unread.is_empty() { Ok(()) } else { bail!("{}", unread.join("\n")) }
}

fn as_json(letter: &Letter) -> serde_json::Value {
    serde_json::json!({
        "letter": name_of(letter),
        "log.file.path": letter.path,
        "log.stream": letter.stream.to_string(),
        "log.offset": letter.body.offset.0,
        "size": letter.body.size,
        "reason": letter.reason,
        "written_ns": letter.written_ns,
        "replay": letter.replay,
    })
}

fn show_one(show: &Show) -> anyhow::Result<()> {
    let state = show.place.folder()?;
    let found = read(&state)?.into_iter().filter_map(Result::ok).find(|letter| name_of(letter) == show.letter);
    let Some(letter) = found else {
        bail!("no dead letter `{}` in `{}`; see `carbontrail dlq list`", show.letter, state.display());
    };
    let mut out = Out::new();
    out.bytes(&letter.bytes)?;
    out.flush()
}

fn replay_some(replay: &Replay) -> anyhow::Result<()> {
    let state = replay.place.folder()?;
    let known: Vec<Letter> = read(&state)?.into_iter().filter_map(Result::ok).collect();
    let wanted = |letter: &&Letter| replay.all || replay.letters.contains(&name_of(letter));
    let wanted: Vec<&Letter> = known.iter().filter(wanted).collect();
    if let Some(missing) = replay.letters.iter().find(|name| !known.iter().any(|l| name_of(l) == **name)) {
        bail!("no dead letter `{missing}` in `{}`; see `carbontrail dlq list`", state.display());
    }
    for letter in wanted.iter().filter(|letter| !letter.replay) {
        shipper::ask_for_replay(&RealFiles, &state, letter.stream, letter.body.offset)
            .with_context(|| format!("failed to ask for the replay of `{}`", name_of(letter)))?;
    }
    if wanted.is_empty() {
        super::note("there are no dead letters");
        return Ok(());
    }
    if !shipper::is_running(&state).unwrap_or(false) {
        super::note(&format!("no shipper runs here; the next one sends the {} letter(s) again", wanted.len()));
        return Ok(());
    }
    wait_for(&state, &wanted, replay.wait)
}

/// Waits until the shipper has dealt with every letter.
fn wait_for(state: &Path, wanted: &[&Letter], longest: Duration) -> anyhow::Result<()> {
    let end = rim::now() + longest;
    let keys: Vec<(StreamId, Offset)> = wanted.iter().map(|l| (l.stream, l.body.offset)).collect();
    loop {
        let left: Vec<Letter> = read(state)?
            .into_iter()
            .filter_map(Result::ok)
            .filter(|letter| keys.contains(&(letter.stream, letter.body.offset)))
            .collect();
        let refused = left.iter().filter(|letter| !letter.replay).count();
        let open = left.len() - refused;
        if open == 0 && refused == 0 {
            super::note(&format!("{} dead letter(s) are searchable now", keys.len()));
            return Ok(());
        }
        if open == 0 {
            bail!("{refused} of {} letter(s) are still refused; the shipper's messages say why", keys.len());
        }
        if rim::now() > end {
            bail!("{open} letter(s) are not answered yet; the shipper goes on trying, `carbontrail status` says why");
        }
        rim::pause(Duration::from_millis(200));
    }
}
