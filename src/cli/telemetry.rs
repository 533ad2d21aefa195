//! Our own messages: one line each, to stderr.

use tracing_subscriber::EnvFilter;

/// Starts writing them. `CARBONTRAIL_LOG` sets how much (`warn`, `debug`, `shipper=debug`, …).
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("CARBONTRAIL_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Without colours: most of these lines end in a journal, and the crate's `ansi` feature is off.
        .with_ansi(false);
    subscriber.init();
}
