//! From flags and configuration file to a running indexer, for `serve` and `up`.

use crate::config::units::show_size;
use crate::config::{Settings, places};
use crate::rim;
use anyhow::Context as _;
use indexer::serve::{Running, ServeConfig, ServeOutside, Server};
use indexer::store::embedded::EmbeddedBuilder;
use outside::real::{RealClock, RealFiles, RealRng};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Decoded blocks of segments kept for the next query.
const CACHE_BYTES: usize = 64 << 20;

/// What the command line says of serving.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// Data folder.
    pub(crate) data: Option<PathBuf>,
    /// Address to answer on.
    pub(crate) listen: Option<SocketAddr>,
}

/// The data folder that flags and file name.
pub(crate) fn data_folder(settings: &Settings, flag: Option<&PathBuf>) -> PathBuf {
    flag.cloned().or_else(|| settings.path("serve", "data")).unwrap_or_else(places::data_folder)
}

/// The outside of an indexer on this machine.
pub(crate) fn outside() -> ServeOutside {
    ServeOutside {
        files: Arc::new(RealFiles),
        clock: Arc::new(RealClock::default()),
        rng: Arc::new(RealRng),
        builder: Arc::new(EmbeddedBuilder::mapped(CACHE_BYTES)),
    }
}

/// Starts an indexer and says by what rules it keeps events.
///
/// # Errors
/// When the address or the folder cannot be used.
pub(crate) fn start(settings: &Settings, flags: &Flags) -> anyhow::Result<Running> {
    let data = data_folder(settings, flags.data.as_ref());
    let listen = flags.listen.or_else(|| settings.address("serve", "listen"));
    let mut config = ServeConfig::new(data.clone(), listen.context("no address to listen on")?);
    config.store.host_id = Some(rim::host_id(&rim::host_name()));
    config.store.retention_age = settings.duration("serve", "retention");
    let bytes = match settings.size("serve", "retention_bytes") {
        Some(bytes) => bytes,
        None => half_of_the_disk(&data)?,
    };
    config.store.retention_bytes = Some(bytes);
    if let Some(bytes) = settings.size("serve", "wal_bytes") {
        config.store.wal_bytes = bytes;
    }
    if let Some(deadline) = settings.duration("serve", "query_deadline") {
        config.engine.time = deadline;
    }
    let days = config.store.retention_age.map_or(0, |age| age.as_secs() / 86_400);
    let running = Server::start(config, outside())?;
    tracing::info!("events are kept for {days} days and up to {} in `{}`", show_size(bytes), data.display());
    Ok(running)
}

/// Half of free disk space and what the store holds already: the rest belongs to the host's own service.
fn half_of_the_disk(data: &std::path::Path) -> anyhow::Result<u64> {
    let free = rim::free_space(data).with_context(|| format!("failed to look at the disk of `{}`", data.display()))?;
    Ok((free + rim::bytes_below(data)) / 2)
}
