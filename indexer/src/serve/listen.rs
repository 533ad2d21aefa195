//! HTTP on tokio, on threads of its own.

use crate::http::Endpoint;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::watch;

/// Threads for sockets; queries run beside them.
const WORKERS: usize = 2;
/// Most queries and decoders at work at once.
const BLOCKING: usize = 16;
/// How long open connections are waited for at the end.
const GRACE: Duration = Duration::from_secs(3);

/// Answers on all listeners until `stopped` says so.
pub(super) fn start(
    listeners: Vec<(TcpListener, SocketAddr)>,
    endpoint: Arc<Endpoint>,
    stopped: watch::Receiver<bool>,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .thread_name("http")
        .enable_all()
        .build()?;
    let listeners = {
        let _inside = runtime.enter();
        let tokio = |(listener, address)| Ok((tokio::net::TcpListener::from_std(listener)?, address));
        listeners.into_iter().map(tokio).collect::<io::Result<Vec<_>>>()?
    };
    thread::Builder::new().name("http".to_owned()).spawn(move || {
        runtime.block_on(async {
            let servers = listeners.into_iter().map(|(listener, address)| {
                let router = crate::http::router(Arc::clone(&endpoint), address);
                let mut stopped = stopped.clone();
                let server = axum::serve(listener, router).with_graceful_shutdown(async move {
                    let _ended = stopped.wait_for(|stopped| *stopped).await;
                });
                tokio::spawn(server.into_future())
            });
            let servers: Vec<_> = servers.collect();
            let mut stopped = stopped.clone();
            let _ended = stopped.wait_for(|stopped| *stopped).await;
            let all = futures_util::future::join_all(servers);
            let _in_time = tokio::time::timeout(GRACE, all).await;
        });
        runtime.shutdown_timeout(GRACE);
    })
}
