//! `carbontrail search`: asks a server, all pages that are wanted.

use super::Format;
use crate::client::{Client, Parameters, Where};
use crate::out::{self, Out};
use crate::render;
use anyhow::Context as _;
use serde_json::Value;

/// Searches the events of a running server, newest first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  carbontrail search 'level:ERROR timeout' --from now-1h\n  \
    carbontrail search 'stream:4f1c2a90b7d3e855' --format raw > wso2carbon.log")]
pub(crate) struct Arguments {
    /// What to find: words, "phrases", field:value, AND, OR, NOT, brackets. Empty: everything.
    #[arg(value_name = "QUERY", default_value = "")]
    query: String,
    #[command(flatten)]
    place: Where,
    /// Oldest time: RFC 3339, epoch milliseconds, or date math such as now-1h or now/d.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    from: Option<String>,
    /// Newest time.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    to: Option<String>,
    /// Events at most; without it 100, with --format raw all.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Oldest events first.
    #[arg(long)]
    oldest_first: bool,
    /// Also events of files that only repeat another file's lines.
    #[arg(long)]
    copies: bool,
    /// How events are printed; without it text on a terminal, else ndjson.
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// Events in a page, the most the endpoint gives.
const PAGE_EVENTS_MAX: u64 = 10_000;

/// Runs the command.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("failed to start the event loop")?.block_on(search(arguments))
}

async fn search(arguments: &Arguments) -> anyhow::Result<()> {
    let client = Client::new(&arguments.place)?;
    let mut out = Out::new();
    let format = arguments.format.unwrap_or(if out::is_terminal() { Format::Text } else { Format::Ndjson });
    match format {
        Format::Raw => raw(arguments, &client, &mut out).await?,
        _ => pages(arguments, &client, format, &mut out).await?,
    }
    out.flush()
}

fn parameters(arguments: &Arguments) -> Parameters {
    let mut parameters = vec![("q", arguments.query.clone())];
    parameters.extend(arguments.from.clone().map(|from| ("from", from)));
    parameters.extend(arguments.to.clone().map(|to| ("to", to)));
    parameters
}

/// The events' own bytes in file order, copies included.
async fn raw(arguments: &Arguments, client: &Client, out: &mut Out) -> anyhow::Result<()> {
    let mut parameters = parameters(arguments);
    parameters.push(("format", "raw".to_owned()));
    parameters.extend(arguments.limit.map(|limit| ("limit", limit.to_string())));
    let mut response = client.send("export", &parameters, "application/octet-stream").await?;
    // A body that breaks off is an error of the transfer, so half a file is never taken for a whole one.
    while let Some(chunk) = response.chunk().await.context("the answer broke off, what was printed is not whole")? {
        out.bytes(&chunk)?;
    }
    Ok(())
}

async fn pages(arguments: &Arguments, client: &Client, format: Format, out: &mut Out) -> anyhow::Result<()> {
    let mut left = arguments.limit.unwrap_or(100);
    let mut cursor: Option<String> = None;
    let mut incomplete = false;
    loop {
        let mut page = parameters(arguments);
        page.push(("limit", left.min(PAGE_EVENTS_MAX).to_string()));
        page.push(("order", if arguments.oldest_first { "oldest" } else { "newest" }.to_owned()));
        page.push(("raw", "1".to_owned()));
        if arguments.copies {
            page.push(("copies", "1".to_owned()));
        }
        page.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let answer = client.json("search", &page).await?;
        let events = answer["events"].as_array().map_or(&[][..], Vec::as_slice);
        print(events, format, out)?;
        out.flush()?;
        incomplete |= answer["complete"] == Value::Bool(false) && answer["cursor"].is_null();
        left = left.saturating_sub(events.len() as u64);
        cursor = answer["cursor"].as_str().map(str::to_owned);
        if left == 0 || cursor.is_none() {
            break;
        }
    }
    if incomplete {
        super::note("the answer is incomplete: the server is still reading what it had at its last stop");
    }
    Ok(())
}

fn print(events: &[Value], format: Format, out: &mut Out) -> anyhow::Result<()> {
    match format {
        Format::Text => render::page(out, events),
        _ => events.iter().try_for_each(|event| out.line(&event.to_string())),
    }
}
