//! `carbontrail explain FILE`: would this file be followed, why or why not, and how would it be understood.

use crate::config::{Settings, places};
use crate::out::Out;
use crate::rim;
use crate::shipping;
use anyhow::Context as _;
use parsers::{Context, Cut, FileFacts, Flags, Input, InputAt, Offset, Parser, plain_name};
use shipper::{ShipperConfig, Status};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Tells whether a file is followed, why or why not, and how it is understood.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  carbontrail explain /opt/wso2am/repository/logs/wso2carbon.log --config /etc/carbontrail/carbontrail.toml"
)]
pub(crate) struct Arguments {
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the shipper's own state.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// Bytes of the file's end that are looked at.
const LOOK_BYTES: u64 = 1 << 20;

/// Runs the command.
///
/// # Errors
/// When the configuration cannot be used, or the file does not exist.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = Settings::load(arguments.config.as_deref())?;
    let config = shipping::rules(&settings)?;
    let path = std::path::absolute(&arguments.file)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let size = rim::size_of(&path).with_context(|| format!("there is no file `{}`", path.display()))?;
    let mut out = Out::new();
    let mut say = |what: &str, text: String| out.line(&format!("{what:<10} {text}"));
    say("file", format!("{}, {size} bytes", path.display()))?;
    say("followed", followed(&settings, &config, &path, &name))?;
    if let Some(index) = config.sources.iter().position(|s| config.source_of(&path).is_some_and(|f| std::ptr::eq(f, s)))
    {
        say("source", format!("[[source]] number {}: files = {:?}", index + 1, config.sources[index].files))?;
    }
    match look(&config, &path) {
        Ok(seen) => {
            for (what, text) in seen {
                say(what, text)?;
            }
        }
        Err(error) => say("readable", format!("no: {error}; `carbontrail doctor` names the command that cures it"))?,
    }
    let state = arguments.state.clone().or_else(|| settings.path("ship", "state")).unwrap_or_else(places::state_folder);
    say("state", in_state(&state, &path))?;
    out.flush()
}

fn followed(settings: &Settings, config: &ShipperConfig, path: &Path, name: &str) -> String {
    let roots: Vec<PathBuf> =
        settings.paths("ship", "folders").iter().filter_map(|f| std::path::absolute(f).ok()).collect();
    if roots.iter().any(|root| root == path) {
        return "yes: it is named itself".to_owned();
    }
    if let Some(reason) = config.why_left_out(name) {
        return format!("no: {reason}");
    }
    let Some(root) = roots.iter().find(|root| path.starts_with(root)) else {
        return match roots.is_empty() {
            true => "yes, if its folder is (no `folders` in the configuration)".to_owned(),
            false => format!(
                "no: it lies in none of `folders` ({})",
                roots.iter().map(|r| r.display().to_string()).collect::<Vec<_>>().join(", ")
            ),
        };
    };
    let depth = path.strip_prefix(root).map_or(0, |below| below.components().count().saturating_sub(1));
    if depth > config.limits.folder_depth_max {
        return format!("no: {depth} folders below `{}`, more than {}", root.display(), config.limits.folder_depth_max);
    }
    if let Some(hidden) = path.strip_prefix(root).ok().and_then(|below| below.parent()).and_then(|p| {
        p.components()
            .map(|c| c.as_os_str().to_string_lossy().into_owned())
            .find(|n| config.why_left_out(n).is_some_and(|r| r.contains("exclude")))
    }) {
        return format!("no: its folder `{hidden}` is excluded");
    }
    let age = rim::modified_age(path).filter(|age| *age > config.since);
    if let Some(age) = age {
        let days = age.as_secs() / 86_400;
        return format!(
            "yes; but if it was rotated away before the first start it is left out: unchanged for {days} days (`since`)"
        );
    }
    format!("yes: it lies in `{}` and its name fits", root.display())
}

type Lines = Vec<(&'static str, String)>;

/// What the parsers make of its end.
fn look(config: &ShipperConfig, path: &Path) -> std::io::Result<Lines> {
    let mut file = rim::open(path)?;
    let size = rim::size_of(path).unwrap_or(0);
    let from = size.saturating_sub(LOOK_BYTES);
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(LOOK_BYTES).read_to_end(&mut bytes)?;
    if from > 0 {
        let line = bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |i| i + 1);
        bytes.drain(..line);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let zone = config.zone_of(path).unwrap_or(&config.host_zone).clone();
    let facts = FileFacts { name: plain_name(&name), family: None };
    let copies = facts.repeats();
    let mut parser = Parser::new(facts, Offset(0), Context { zone: Some(zone), ..Context::default() });
    let rules = config.redaction_of(path);
    parser.redact(rules.clone());
    let inputs: Vec<InputAt> =
        parser.cut_place(&bytes, Cut::Everything).map(|at| InputAt { at, input: Input::Cut }).into_iter().collect();
    let (mut families, mut datasets): (BTreeMap<&str, u64>, BTreeMap<&str, u64>) = Default::default();
    let (mut events, mut redacted) = (0u64, 0u64);
    parser.advance(&bytes, &inputs, &mut |event, _| {
        events += 1;
        redacted += u64::from(event.flags.has(Flags::REDACTED));
        *families.entry(event.family.name()).or_default() += 1;
        *datasets.entry(event.dataset.name()).or_default() += 1;
    });
    let shown = |counts: &BTreeMap<&str, u64>| {
        let mut list: Vec<(u64, &str)> = counts.iter().map(|(name, n)| (*n, *name)).collect();
        list.sort_unstable_by(|a, b| b.cmp(a));
        list.iter().map(|(n, name)| format!("{name} ({n})")).collect::<Vec<_>>().join(", ")
    };
    let mut lines = vec![
        ("events", format!("{events} in its last {} bytes", bytes.len())),
        ("family", shown(&families)),
        ("dataset", shown(&datasets)),
    ];
    if let Some(zone) = &parser.context().zone {
        lines.push((
            "zone",
            format!("{}, by {:?}", zone.name, zone.source)
                .to_lowercase()
                .replace(&zone.name.to_lowercase(), &zone.name),
        ));
    }
    if let Some(main) = copies {
        lines.push(("copies", format!("its WARN and ERROR repeat those of `{main}` and are not counted twice")));
    }
    match rules {
        None => lines.push(("redaction", "off".to_owned())),
        Some(_) => {
            let counts: Vec<String> =
                parser.take_redacted().into_iter().map(|(name, n)| format!("{name} {n}")).collect();
            let counts = if counts.is_empty() { "nothing found".to_owned() } else { counts.join(", ") };
            lines.push(("redaction", format!("{redacted} of these events hold what is replaced: {counts}")));
        }
    }
    Ok(lines)
}

fn in_state(state: &Path, path: &Path) -> String {
    let file = state.join(shipper::STATUS_FILE);
    let Ok(text) = rim::read_text_whole(&file) else {
        return format!("none in `{}`: no shipper has run with it", state.display());
    };
    let Ok(status) = serde_json::from_str::<Status>(&text) else {
        return format!("`{}` cannot be read", file.display());
    };
    let path = path.display().to_string();
    if status.left_out.contains(&path) {
        return "left out at the first start, older than `since`".to_owned();
    }
    match status.files.iter().find(|f| f.path == path) {
        Some(found) if found.stream.is_empty() => {
            found.last_error.clone().unwrap_or_else(|| "waits for its first byte".to_owned())
        }
        Some(found) => {
            let error = found.last_error.as_ref().map_or(String::new(), |error| format!("; {error}"));
            format!("stream {}, {} of {} bytes settled{error}", found.stream, found.mark, found.size)
        }
        None => format!("not known to the shipper of `{}`", state.display()),
    }
}
