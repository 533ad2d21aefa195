//! From flags and configuration file to the shipper's configuration, for `ship` and `up`.

use crate::config::{Settings, units};
use crate::rim;
use anyhow::bail;
use parsers::{Zone, ZoneSource};
use shipper::{FileFormat, ShipperConfig, Timing};
use std::path::PathBuf;
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
    let defaults = ShipperConfig::default();
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
    let zone = settings.text("ship", "zone").map(|name| Zone { name, source: ZoneSource::Config });
    let host_name = settings.text("ship", "host_name").unwrap_or_else(rim::host_name);
    let mut limits = defaults.limits;
    set(&mut limits.memory_bytes_max, bytes(settings, "memory"));
    set(&mut limits.batch_bytes_max, bytes(settings, "batch"));
    let mut timing = Timing::default();
    set(&mut timing.close_after, settings.duration("ship", "close_after"));
    set(&mut timing.scan_interval, settings.duration("ship", "scan_every"));
    Ok(ShipperConfig {
        folders,
        include: settings.texts("ship", "include").unwrap_or(defaults.include),
        exclude: settings.texts("ship", "exclude").unwrap_or(defaults.exclude),
        since: flags.since.or_else(|| settings.duration("ship", "since")).unwrap_or(defaults.since),
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
        redaction: None,
        until_idle: flags.until_idle,
        limits,
        timing,
    })
}

fn formats(settings: &Settings) -> Vec<FileFormat> {
    settings.formats().into_iter().map(|f| FileFormat { files: f.files, format: f.format }).collect()
}

fn bytes(settings: &Settings, key: &'static str) -> Option<usize> {
    settings.size("ship", key).and_then(|bytes| usize::try_from(bytes).ok())
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}
