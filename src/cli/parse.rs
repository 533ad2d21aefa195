//! `carbontrail parse`: what the parsers make of files, without any server. One object an event.

mod show;
mod summary;

use crate::cli::own_format::FormatFlags;
use crate::out::Out;
use crate::rim;
use anyhow::{Context as _, bail};
use parsers::{
    Context, Cut, Family, FileFacts, Formats, Input, InputAt, Offset, Parser, TimeNs, Zone, ZoneSource, plain_name,
};
use std::io::Read;
use std::path::{Path, PathBuf};
use summary::{Summary, Templates};

/// Shows the events of files as the parsers see them. Files packed by gzip are read as they are.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    carbontrail parse /opt/wso2am/repository/logs/wso2carbon.log --format ndjson\n  \
    carbontrail parse --templates wso2carbon-11-25-2026.log.gz")]
pub(crate) struct Arguments {
    /// The files.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// How events are printed.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Zone of local times when the file does not tell (IANA name); without it the host's own.
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// Take the files for ones of this family only (a name as `wso2.log.family` has them).
    #[arg(long, value_name = "NAME", value_parser = family)]
    family: Option<Family>,
    /// Tell for each event why its lines are or are not heads, how its time and zone were found, where its fields stand.
    #[arg(long)]
    explain: bool,
    /// Show the templates of the messages with their counts, most frequent first, instead of the events.
    #[arg(long, conflicts_with = "explain")]
    templates: bool,
    #[command(flatten)]
    own: FormatFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Ndjson,
}

fn family(name: &str) -> Result<Family, String> {
    let known = || Family::ALL.iter().map(|f| f.name()).collect::<Vec<_>>().join(", ");
    Family::from_name(name).ok_or_else(|| format!("no such family; known are {}", known()))
}

const READ_BYTES: usize = 256 << 10;

/// A packed file that holds more than this is not read to its end: such files are made to fill disks.
const UNPACKED_BYTES_MAX: u64 = 64 << 30;

/// Runs the command.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut out = Out::new();
    let mut templates = arguments.templates.then(Templates::default);
    if arguments.format == Format::Table && templates.is_none() {
        out.line(&show::header())?;
    }
    let formats = arguments.own.formats()?;
    for path in &arguments.files {
        let summary = file(arguments, path, formats(path), &mut out, templates.as_mut())?;
        out.flush()?;
        // Standard output holds nothing but events, for programs that read them.
        rim::say(&summary.told(path));
    }
    if let Some(templates) = templates {
        templates.show(arguments.format, &mut out)?;
    }
    out.flush()
}

fn file(
    arguments: &Arguments,
    path: &Path,
    formats: Formats,
    out: &mut Out,
    mut templates: Option<&mut Templates>,
) -> anyhow::Result<Summary> {
    let tried = || format!("failed to read `{}`", path.display());
    let facts = facts(arguments, path);
    let mut bytes = open(path).with_context(tried)?;
    let zone = Some(zone(arguments));
    let context = Context { zone, formats: formats.clone(), ..Context::default() };
    let mut parser = Parser::new(facts.clone(), Offset(0), context);
    let mut file_time = rim::modified_ns(path).map(|ns| InputAt { at: Offset(0), input: Input::FileTime(TimeNs(ns)) });
    let mut summary = Summary::begin();
    let mut patterns = templates.as_ref().map(|_| parsers::Patterns::new(&facts, formats));
    let (mut buffer, mut ended) = (Vec::new(), false);
    while !ended {
        let filled = buffer.len();
        buffer.resize(filled + READ_BYTES, 0);
        let read = bytes.read(&mut buffer[filled..]).with_context(tried)?;
        buffer.truncate(filled + read);
        ended = read == 0;
        let cut = if ended { parser.cut_place(&buffer, Cut::Everything) } else { None };
        let cut = cut.map(|at| InputAt { at, input: Input::Cut });
        let inputs: Vec<InputAt> = file_time.take().into_iter().chain(cut).collect();
        let mut failed = None;
        let consumed = parser.advance(&buffer, &inputs, &mut |event, bytes| {
            summary.count(event, bytes);
            match (&mut templates, &mut patterns) {
                (Some(templates), Some(patterns)) => templates.count(&patterns.of(event, bytes), event.level),
                _ if failed.is_none() => failed = show::event(arguments, path, &facts, event, bytes, out).err(),
                _ => {}
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        buffer.drain(..consumed);
        if parser.offset().0 > UNPACKED_BYTES_MAX {
            bail!("{}: it holds more than {} GiB", tried(), UNPACKED_BYTES_MAX >> 30);
        }
    }
    Ok(summary)
}

/// Opens a file; one that begins as gzip does is unpacked while it is read.
fn open(path: &Path) -> std::io::Result<Box<dyn Read>> {
    let mut file = rim::open(path)?;
    let mut magic = [0; 2];
    let got = read_full(&mut file, &mut magic)?;
    let whole = std::io::Cursor::new(magic[..got].to_vec()).chain(file);
    Ok(if magic == [0x1f, 0x8b] { Box::new(flate2::read::MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}

fn read_full(file: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut got = 0;
    while got < bytes.len() {
        match file.read(&mut bytes[got..])? {
            0 => break,
            n => got += n,
        }
    }
    Ok(got)
}

fn facts(arguments: &Arguments, path: &Path) -> FileFacts {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    FileFacts { name: plain_name(&name), family: arguments.family }
}

fn zone(arguments: &Arguments) -> Zone {
    match &arguments.zone {
        Some(name) => Zone { name: name.clone(), source: ZoneSource::Config },
        None => Zone { name: rim::host_zone(), source: ZoneSource::Host },
    }
}
