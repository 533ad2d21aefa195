//! From flags and configuration file to the shipper's configuration, for `ship` and `up`.

use crate::config::file::Entry;
use crate::config::{EntryValues as _, Settings, units};
use crate::rim;
use anyhow::{Context as _, bail};
use parsers::redact::{Action, Class, Key, Rule, Rules};
use parsers::{Zone, ZoneSource};
use shipper::{FileFormat, ShipperConfig, SourceRule, Timing};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What the command line says of shipping.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// Folders to follow; empty: those of the file.
    pub(crate) folders: Vec<PathBuf>,
    /// Age of rotated generations at first start.
    pub(crate) since: Option<Duration>,
    /// End when all that is there is acknowledged.
    pub(crate) until_idle: bool,
}

/// Reads a duration flag.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    units::duration(text)
}

/// The configuration of a shipper.
///
/// # Errors
/// When no folder is named, or one does not exist.
pub(crate) fn config(settings: &Settings, flags: &Flags) -> anyhow::Result<ShipperConfig> {
    let named = if flags.folders.is_empty() { settings.paths("ship", "folders") } else { flags.folders.clone() };
    if named.is_empty() {
        bail!("no folder to follow; name one, such as /opt/wso2am/repository/logs, or set `folders` in [ship]");
    }
    let mut folders = Vec::new();
    for folder in named {
        match rim::absolute(&folder) {
            Ok(folder) => folders.push(folder),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!("folder `{}` does not exist; give the folder that holds the logs", folder.display())
            }
            Err(error) => bail!("failed to look at folder `{}`: {error}", folder.display()),
        }
    }
    let mut rules = rules(settings)?;
    // Half of them: the other half is for state files, sockets, and in `up` the store.
    let open = usize::try_from(rim::raise_descriptors() / 2).unwrap_or(usize::MAX);
    rules.limits.files_open_max = open.clamp(FILES_OPEN.0, FILES_OPEN.1);
    rules.limits.idle_files_open_max = rules.limits.idle_files_open_max.min(rules.limits.files_open_max / 2);
    if settings.flag("ship", "ec2") {
        // Those of the file win.
        let told = crate::cloud::labels().into_iter();
        let new: Vec<_> = told.filter(|(name, _)| !rules.labels.iter().any(|(own, _)| own == name)).collect();
        rules.labels.extend(new);
    }
    Ok(ShipperConfig { folders, since: flags.since.unwrap_or(rules.since), until_idle: flags.until_idle, ..rules })
}

/// Log files open at one time: at least, and at most.
const FILES_OPEN: (usize, usize) = (64, 800);

/// All of it but the folders, which need not be there.
///
/// # Errors
/// When the rules of redaction cannot be used.
pub(crate) fn rules(settings: &Settings) -> anyhow::Result<ShipperConfig> {
    let defaults = ShipperConfig::default();
    let zone = settings.text("ship", "zone").map(|name| Zone { name, source: ZoneSource::Config });
    let host_name = settings.text("ship", "host_name").unwrap_or_else(rim::host_name);
    let mut limits = defaults.limits;
    set(&mut limits.memory_bytes_max, bytes(settings, "memory"));
    set(&mut limits.batch_bytes_max, bytes(settings, "batch"));
    let mut timing = Timing::default();
    set(&mut timing.close_after, settings.duration("ship", "close_after"));
    set(&mut timing.scan_interval, settings.duration("ship", "scan_every"));
    Ok(ShipperConfig {
        folders: Vec::new(),
        include: settings.texts("ship", "include").unwrap_or(defaults.include),
        exclude: settings.texts("ship", "exclude").unwrap_or(defaults.exclude),
        since: settings.duration("ship", "since").unwrap_or(defaults.since),
        host_id: settings.text("ship", "host_id").unwrap_or_else(|| rim::host_id(&host_name)),
        host_name,
        user: rim::user_name(),
        zone,
        host_zone: Zone { name: rim::host_zone(), source: ZoneSource::Host },
        product: settings.text("ship", "product"),
        service: settings.text("ship", "service"),
        formats: formats(settings),
        product_layouts: settings.flag("ship", "product_layouts"),
        labels: settings.labels("ship", "labels"),
        redaction: redaction(settings, settings.texts("redact", "classes").unwrap_or_default())?,
        sources: sources(settings)?,
        rate: settings.size("ship", "rate"),
        file_rate: settings.size("ship", "file_rate"),
        until_idle: false,
        limits,
        timing,
    })
}

fn formats(settings: &Settings) -> Vec<FileFormat> {
    settings.formats().into_iter().map(|f| FileFormat { files: f.files, format: f.format }).collect()
}

/// Settings of some files, in the order of the file.
fn sources(settings: &Settings) -> anyhow::Result<Vec<SourceRule>> {
    let source = |entry: &Entry| {
        let redaction = match entry.texts("redact") {
            Some(classes) => Some(redaction(settings, classes)?),
            None => None,
        };
        Ok(SourceRule {
            files: entry.texts("files").unwrap_or_default(),
            zone: entry.text("zone").map(|name| Zone { name, source: ZoneSource::Config }),
            product: entry.text("product"),
            service: entry.text("service"),
            labels: entry.labels("labels"),
            rate: entry.size("rate"),
            redaction,
        })
    };
    settings.repeated("source").iter().map(source).collect()
}

/// The rules of `[redact]` with these classes; `None` when there are none.
fn redaction(settings: &Settings, classes: Vec<String>) -> anyhow::Result<Option<Arc<Rules>>> {
    let key = match settings.path("redact", "key_file") {
        Some(path) => {
            let text =
                rim::read_text(&path).with_context(|| format!("failed to read key file `{}`", path.display()))?;
            let key = Key::from_hex(&text);
            Some(key.with_context(|| format!("key file `{}` must hold 32 hexadecimal digits", path.display()))?)
        }
        None => None,
    };
    let listed = |key| settings.texts("redact", key).unwrap_or_default();
    let (hash, last4) = (listed("hash"), listed("last4"));
    let action = |name: &str| match name {
        _ if hash.iter().any(|n| n == name) => Action::Hash,
        _ if last4.iter().any(|n| n == name) => Action::Last4,
        _ => Action::Mask,
    };
    let mut names: Vec<String> = Vec::new();
    for class in classes {
        match Rules::group(&class) {
            Some(group) => names.extend(group.map(|c| c.name().to_owned())),
            None => names.push(class),
        }
    }
    let classes = names.into_iter().map(|name| Rule { action: action(&name), name, pattern: None });
    let patterns = settings.labels("redact", "patterns").into_iter();
    let own = patterns.map(|(name, pattern)| Rule { action: action(&name), name, pattern: Some(pattern) });
    let rules: Vec<Rule> = classes.chain(own).collect();
    for name in hash.iter().chain(&last4) {
        if !rules.iter().any(|rule| rule.name == *name) && !Class::ALL.iter().any(|c| c.name() == name) {
            bail!("[redact]: `{name}` is neither a class nor one of the patterns");
        }
    }
    if rules.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Rules::new(&rules, key).map_err(|error| anyhow::anyhow!("[redact]: {error}"))?)))
}

fn bytes(settings: &Settings, key: &'static str) -> Option<usize> {
    settings.size("ship", key).and_then(|bytes| usize::try_from(bytes).ok())
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}
