//! `carbontrail up`: shipper and indexer in one process. Requests are handed over by call; what judges them is the
//! same as over the network.

use super::ship;
use crate::config::{Settings, places};
use crate::serving;
use crate::shipping;
use crate::tapping;
use anyhow::Context as _;
use indexer::access::Source;
use indexer::serve::{StoreHandle, SubmitError};
use shipper::{AnswerTo, SendError, Tapped, Taps};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use wire::{DecodeError, Draft, Request};

/// Follows log folders, keeps their events, and answers searches: everything in one process.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  carbontrail up /opt/wso2am/repository/logs\n  \
    then open http://127.0.0.1:7600, or: carbontrail search 'level:ERROR' --from now-1h")]
pub(crate) struct Arguments {
    /// Folders to follow, with their sub-folders.
    #[arg(value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of store and state.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address to answer on; port 0 picks a free one [default: 127.0.0.1:7600].
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Age up to which rotated files are taken at the first start, such as 7d.
    #[arg(long, value_name = "AGE", value_parser = shipping::parse_duration)]
    since: Option<Duration>,
}

/// Runs the command.
///
/// # Errors
/// When one half cannot start, or fails.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = Settings::load(arguments.config.as_deref())?;
    let shipping = shipping::Flags { folders: arguments.folders.clone(), since: arguments.since, until_idle: false };
    let config = shipping::config(&settings, &shipping)?;
    let data = serving::data_folder(&settings, arguments.data.as_ref());
    super::telemetry::start();
    let runtime = super::runtime()?;
    let serving = serving::Flags { data: Some(data.clone()), listen: arguments.listen };
    let server = serving::start(&settings, &serving)?;
    let taps = Arc::new(Taps::default());
    let forward = by_call(server.store().clone(), runtime.handle().clone());
    let forward = Tapped::new(forward, Arc::clone(&taps));
    let state = data.join(places::STATE_IN_DATA);
    let shipper = shipper::start(&state, config, Arc::new(forward));
    let result = match shipper {
        Ok(shipper) => super::ready(&server).and_then(|()| {
            let mut failure = server.failure();
            let shipper_handle = shipper.handle();
            runtime.block_on(async {
                let _socket = tapping::start(&state, taps);
                tokio::select! {
                    result = ship::until_end(shipper) => result,
                    failed = failure.wait_for(Option::is_some) => {
                        shipper_handle.shutdown();
                        Err(super::store_failed(failed.ok().and_then(|f| f.clone())))
                    }
                }
            })
        }),
        Err(error) => Err(error).context("the shipper did not start"),
    };
    server.shutdown();
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// Hands requests to the server in this process.
fn by_call(store: StoreHandle, runtime: tokio::runtime::Handle) -> impl shipper::Forward {
    move |request: Draft, answer: AnswerTo| {
        let store = store.clone();
        runtime.spawn(async move {
            let request = match tokio::task::spawn_blocking(move || completed(request)).await {
                Ok(Ok(request)) => request,
                Ok(Err(error)) => return answer.give(Err(SendError::Refused(error.to_string()))),
                Err(_) => return,
            };
            let result = store.submit(Source::local(), request).await;
            answer.give(result.map_err(|error| match error {
                SubmitError::Busy { retry_after } => {
                    SendError::Busy { retry_after: Some(retry_after), reason: error.to_string() }
                }
                other => SendError::Unreachable(other.to_string()),
            }));
        });
    }
}

/// As a request comes in over the network.
fn completed(draft: Draft) -> Result<Request, DecodeError> {
    let mut request = draft.into_request()?;
    indexer::templates::complete(&mut request);
    Ok(request)
}
