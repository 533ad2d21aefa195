//! `carbontrail parse`: what the parsers make of files, without any server. One object an event.

mod show;
mod summary;

use crate::cli::own_format::FormatFlags;
use crate::out::{Closed, Out};
use crate::rim;
use anyhow::{Context as _, anyhow, bail};
use parsers::{
    Context, Cut, Event, Family, FileFacts, Formats, Input, InputAt, Offset, Parser, Patterns, TimeNs, Zone,
    ZoneSource, plain_name,
};
use std::io::{ErrorKind, Read};
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

/// Runs the command. A file that cannot be read does not keep the others from being shown.
///
/// # Errors
/// When a file cannot be read to its end.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut out = Out::new();
    let mut templates = arguments.templates.then(Templates::default);
    let formats = arguments.own.formats()?;
    let several = arguments.files.len() > 1;
    let mut failed = 0;
    for path in &arguments.files {
        let mut summary = Summary::begin();
        let file = Reading { arguments, path, formats: formats(path), facts: facts(arguments, path) };
        let read = file.to_end(&mut summary, templates.as_mut(), &mut out);
        out.flush()?;
        // Standard output holds nothing but events, for programs that read them.
        if read.is_ok() || !summary.is_empty() {
            rim::say(&summary.told(path));
        }
        match read {
            Err(error) if !several || error.is::<Closed>() => return Err(error),
            Err(error) => {
                failed += 1;
                rim::say(&format!("carbontrail: {error:#}"));
            }
            Ok(()) => {}
        }
    }
    if let Some(templates) = templates {
        templates.show(arguments.format, &mut out)?;
    }
    out.flush()?;
    if failed > 0 {
        bail!("{failed} of {} files could not be read to the end", arguments.files.len());
    }
    Ok(())
}

/// A file that is read from beginning to end.
struct Reading<'a> {
    arguments: &'a Arguments,
    path: &'a Path,
    facts: FileFacts,
    formats: Formats,
}

impl Reading<'_> {
    fn to_end(
        &self,
        summary: &mut Summary,
        mut templates: Option<&mut Templates>,
        out: &mut Out,
    ) -> anyhow::Result<()> {
        let tried = || format!("failed to read `{}`", self.path.display());
        let mut bytes = open(self.path).with_context(tried)?;
        let context = Context { zone: Some(zone(self.arguments)), formats: self.formats.clone(), ..Context::default() };
        let mut parser = Parser::new(self.facts.clone(), Offset(0), context);
        let time = rim::modified_ns(self.path);
        let mut file_time = time.map(|ns| InputAt { at: Offset(0), input: Input::FileTime(TimeNs(ns)) });
        let mut patterns = templates.as_ref().map(|_| Patterns::new(&self.facts, self.formats.clone()));
        let (mut buffer, mut broken, mut ended) = (Vec::new(), None, false);
        while !ended {
            let filled = buffer.len();
            buffer.resize(filled + READ_BYTES, 0);
            // What was read before an error is shown all the same.
            let read = bytes.read(&mut buffer[filled..]).unwrap_or_else(|error| {
                broken = Some(error);
                0
            });
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
                    _ if failed.is_none() => failed = self.show(event, bytes, summary.is_first(), out).err(),
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
        broken.map_or(Ok(()), |error| Err(reason(&error)).with_context(tried))
    }

    fn show(&self, event: &Event, bytes: &[u8], first: bool, out: &mut Out) -> anyhow::Result<()> {
        if first && self.arguments.format == Format::Table {
            if self.arguments.files.len() > 1 {
                out.line(&format!("{}:", self.path.display()))?;
            }
            out.line(&show::header())?;
        }
        let file = show::File { path: self.path, facts: &self.facts, formats: &self.formats };
        show::event(self.arguments, file, event, bytes, out)
    }
}

/// What an error of reading means, for people.
fn reason(error: &std::io::Error) -> anyhow::Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => anyhow!("the packed file ends too early: it is still written, or was cut short"),
        ErrorKind::InvalidInput | ErrorKind::InvalidData => anyhow!("the packed file is damaged ({error})"),
        _ => anyhow!("{error}"),
    }
}

/// What files begin with that are no logs, and what to do with them.
const NO_LOGS: [(&[u8], &str); 8] = [
    (b"JAVA PROFILE ", "it is a heap dump, not a log"),
    (b"PK\x03\x04", "it is a zip archive (or jar): unpack it first"),
    (b"\xfd7zXZ", "it is packed by xz: unpack it first"),
    (b"BZh", "it is packed by bzip2: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "it is packed by zstd: unpack it first"),
    (b"\x7fELF", "it is a program, not a log"),
    (b"\xca\xfe\xba\xbe", "it is a Java class, not a log"),
    (b"SQLite format 3", "it is a database, not a log"),
];

/// Opens a file; one that begins as gzip does is unpacked while it is read.
fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    if rim::is_folder(path) {
        bail!("it is a folder; name the files in it, as in `{}/*.log`", path.display());
    }
    let mut file = rim::open(path)?;
    let mut begin = [0; 16];
    let got = read_full(&mut file, &mut begin)?;
    let begin = &begin[..got];
    if let Some((_, what)) = NO_LOGS.iter().find(|(magic, _)| begin.starts_with(magic)) {
        bail!("{what}");
    }
    let whole = std::io::Cursor::new(begin.to_vec()).chain(file);
    let packed = begin.starts_with(&[0x1f, 0x8b]);
    Ok(if packed { Box::new(flate2::read::MultiGzDecoder::new(whole)) } else { Box::new(whole) })
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
