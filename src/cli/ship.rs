//! `carbontrail ship`: the shipper.

use crate::config::options::Kind;
use crate::config::{Settings, file, places};
use crate::observe;
use crate::rim;
use crate::shipping::{self, Flags};
use crate::tapping;
use anyhow::{Context as _, bail};
use shipper::{ExitReason, Handle, HttpForward, Running, Tapped, Taps, Way};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Follows log folders and sends what is written to an indexer, each byte exactly once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carbontrail ship /opt/wso2am/repository/logs --to http://store:7600 \
    --token-file /etc/carbontrail/token\n\nEnds with 3 when a newer start of the same agent took over: \
    starting it again would not help.")]
pub(crate) struct Arguments {
    /// Folders to follow, with their sub-folders.
    #[arg(value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// The indexer.
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// File that holds the agent token.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Folder of the shipper's own state.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Age up to which rotated files are sent at the first start, such as 7d.
    #[arg(long, value_name = "AGE", value_parser = shipping::parse_duration)]
    since: Option<Duration>,
    /// Loopback address on which /metrics and /health are answered.
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_loopback)]
    listen: Option<SocketAddr>,
    /// End when all that was there is acknowledged.
    #[arg(long)]
    until_idle: bool,
}

/// A newer start of the same agent took over. `main` ends with a code of its own.
#[derive(Debug, thiserror::Error)]
#[error("a newer start of the same agent took over; this one must not be started again")]
pub(crate) struct Fenced;

fn parse_loopback(text: &str) -> Result<SocketAddr, String> {
    match file::check_text(&Kind::Loopback, text)? {
        file::Value::Address(address) => Ok(address),
        _ => Err("IP:PORT expected".to_owned()),
    }
}

/// Runs the command.
///
/// # Errors
/// When it cannot start, or was fenced.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = Settings::load(arguments.config.as_deref())?;
    let flags = Flags { folders: arguments.folders.clone(), since: arguments.since, until_idle: arguments.until_idle };
    let config = shipping::config(&settings, &flags)?;
    let Some(to) = arguments.to.clone().or_else(|| settings.text("ship", "to")) else {
        bail!("nowhere to send to; name the indexer with --to http://HOST:7600, or set `to` in [ship]");
    };
    let token_file = arguments.token_file.clone().or_else(|| settings.path("ship", "token_file"));
    let token = token_file.map(|path| token(&path)).transpose()?;
    let taps = Arc::new(Taps::default());
    let forward = Tapped::new(HttpForward::by(&to, token, &way(&settings)?)?, Arc::clone(&taps));
    let state = arguments.state.clone().or_else(|| settings.path("ship", "state"));
    let state = state.unwrap_or_else(places::state_folder);
    super::telemetry::start();
    let running = shipper::start(&state, config, Arc::new(forward))?;
    let listen = arguments.listen.or_else(|| settings.address("ship", "listen"));
    super::runtime()?.block_on(async {
        let _socket = tapping::start(&state, taps);
        if let Some(address) = listen {
            let bound = observe::start(address, running.handle()).await;
            let bound = bound.with_context(|| format!("failed to listen on {address} for /metrics and /health"))?;
            tracing::info!("/metrics and /health are answered on http://{bound}");
        }
        let reload = reload(running.handle(), arguments.config.clone(), flags);
        tokio::select! {
            result = until_end(running) => result,
            never = reload => never,
        }
    })
}

/// Reads the configuration file again at each SIGHUP. One with problems changes nothing.
///
/// # Errors
/// When the signal cannot be listened to.
async fn reload(handle: Handle, file: Option<PathBuf>, flags: Flags) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hang_up = signal(SignalKind::hangup())?;
    let started_with = file.as_ref().and_then(|file| Settings::load(Some(file)).ok()).unwrap_or_default();
    while hang_up.recv().await.is_some() {
        let Some(file) = &file else {
            tracing::warn!("nothing to read again: no --config was given");
            continue;
        };
        let settings = Settings::load(Some(file));
        match settings.and_then(|settings| Ok((shipping::config(&settings, &flags)?, settings))) {
            Ok((config, settings)) => {
                let changed: Vec<&str> =
                    ["to", "token_file", "ca_file", "client_cert", "client_key", "proxy", "state", "listen"]
                        .into_iter()
                        .filter(|key| !settings.says_the_same(&started_with, "ship", key))
                        .collect();
                if !changed.is_empty() {
                    tracing::warn!("changes of {} hold from the next start on", changed.join(", "));
                }
                handle.configure(config);
            }
            Err(error) => tracing::error!("the configuration stays as it was: {error:#}"),
        }
    }
    std::future::pending().await
}

/// The agent token in a file.
fn token(path: &Path) -> anyhow::Result<String> {
    const MAKE: &str = "`carbontrail token create --agent --owner O --env E` on the server makes one";
    let shown = path.display();
    let text = rim::read_text(path).with_context(|| format!("failed to read token file `{shown}` ({MAKE})"))?;
    match text.trim() {
        "" => bail!("token file `{shown}` is empty; it must hold the agent token ({MAKE})"),
        token if token.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            bail!("token file `{shown}` must hold one agent token and nothing else")
        }
        token => Ok(token.to_owned()),
    }
}

/// Certificates and proxy.
///
/// # Errors
/// When a file of them cannot be read, or one is missing.
pub(super) fn way(settings: &Settings) -> anyhow::Result<Way> {
    let pem = |key: &'static str| {
        let read = |path: PathBuf| {
            rim::read_text(&path).with_context(|| format!("failed to read `{key}`, `{}`", path.display()))
        };
        settings.path("ship", key).map(read).transpose()
    };
    let (certificate, key) = (pem("client_cert")?, pem("client_key")?);
    if certificate.is_none() && key.is_some() {
        bail!("`client_key` is set and `client_cert` is not; set both in [ship]");
    }
    let identity = certificate.map(|text| format!("{text}\n{}", key.unwrap_or_default()).into_bytes());
    let authorities = pem("ca_file")?.map(String::into_bytes);
    Ok(Way { authorities, identity, proxy: settings.text("ship", "proxy") })
}

/// Waits for the shipper's end, and asks for it when SIGINT or SIGTERM do.
///
/// # Errors
/// When it was fenced.
pub(crate) async fn until_end(running: Running) -> anyhow::Result<()> {
    let handle = running.handle();
    let mut ended = tokio::task::spawn_blocking(move || running.wait());
    let reason = tokio::select! {
        reason = &mut ended => reason?,
        asked = super::end_asked_for() => {
            asked?;
            handle.shutdown();
            ended.await?
        }
    };
    judge(reason)
}

/// Whether that end is a failure.
///
/// # Errors
/// When it is.
pub(crate) fn judge(reason: ExitReason) -> anyhow::Result<()> {
    match reason {
        ExitReason::Shutdown | ExitReason::Idle => Ok(()),
        ExitReason::ShutdownUnanswered => {
            tracing::warn!(
                "not all answers came in time; the files still hold what is missing, the next start sends it"
            );
            Ok(())
        }
        ExitReason::Fenced => Err(Fenced.into()),
    }
}
