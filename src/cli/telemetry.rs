//! Our own messages: one line each, to stderr.

use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Starts writing them. `CARBONTRAIL_LOG` sets how much (`warn`, `debug`, `shipper=debug`, …).
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("CARBONTRAIL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !no_colour);
    subscriber.init();
}
