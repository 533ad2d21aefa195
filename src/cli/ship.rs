//! `carbontrail ship`: the shipper.

use crate::config::{Settings, places};
use crate::rim;
use crate::shipping::{self, Flags};
use anyhow::{Context as _, bail};
use shipper::{ExitReason, HttpForward, Running, Way};
use std::path::PathBuf;
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
    /// End when all that was there is acknowledged.
    #[arg(long)]
    until_idle: bool,
}

/// A newer start of the same agent took over. `main` ends with a code of its own.
#[derive(Debug, thiserror::Error)]
#[error("a newer start of the same agent took over; this one must not be started again")]
pub(crate) struct Fenced;

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
    let token = token_file.map(|path| {
        let text = rim::read_text(&path).with_context(|| format!("failed to read token file `{}`", path.display()))?;
        anyhow::Ok(text.trim().to_owned())
    });
    let forward = HttpForward::by(&to, token.transpose()?, &way(&settings)?)?;
    let state = arguments.state.clone().or_else(|| settings.path("ship", "state"));
    super::telemetry::start();
    let running = shipper::start(&state.unwrap_or_else(places::state_folder), config, Arc::new(forward))?;
    super::runtime()?.block_on(until_end(running))
}

/// Certificates and proxy.
fn way(settings: &Settings) -> anyhow::Result<Way> {
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
