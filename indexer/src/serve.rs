//! The rim of the indexer: runs the store's core on a thread, builds segments on another, and answers HTTP on tokio.
//!
//! Start: listen first (an address in use is told before anything is touched), then open the store, then answer.
//! End: stop listening, take no more requests, settle and answer what was taken, end the threads. Nothing is flushed
//! at the end: what is in the WAL is durable, and is read back in seconds.
#![allow(clippy::disallowed_methods, reason = "a rim: the threads of the indexer are started here")]

mod handle;
mod listen;
mod store;

pub use handle::{StoreHandle, SubmitError};

use crate::access::Tokens;
use crate::http::{Endpoint, EndpointParts, TailBus};
use crate::query::engine::{Engine, EngineLimits};
use crate::store::core::{OpenError, StoreConfig, StoreCore, StoreOutside};
use crate::store::segment::SegmentBuilder;
use crate::store::snapshot::SnapshotCell;
use outside::{Clock, Files, Rng};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use store::StoreThread;
use tokio::sync::watch;

/// How to serve.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Data folder: WAL, segments, marks, tokens.
    pub data: PathBuf,
    /// Where to listen; port 0 picks a free one. Loopback answers everything, any other address takes batches only.
    pub listen: Vec<SocketAddr>,
    /// Limits of the store.
    pub store: StoreConfig,
    /// Limits of one question.
    pub engine: EngineLimits,
    /// Bytes of requests that may wait for the store; more is answered by 429.
    pub queue_bytes: usize,
    /// Bytes of events that may wait for one reader of live tail; more is dropped, and said.
    pub tail_bytes: usize,
}

impl ServeConfig {
    /// Everything as it is by default, for that data folder and address.
    pub fn new(data: PathBuf, listen: SocketAddr) -> ServeConfig {
        ServeConfig {
            data,
            listen: vec![listen],
            store: StoreConfig::default(),
            engine: EngineLimits::default(),
            queue_bytes: 64 << 20,
            tail_bytes: 8 << 20,
        }
    }
}

/// The outside of the indexer.
#[derive(Clone)]
pub struct ServeOutside {
    /// Where it keeps everything.
    pub files: Arc<dyn Files>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// For ids and tokens.
    pub rng: Arc<dyn Rng>,
    /// Makes segments.
    pub builder: Arc<dyn SegmentBuilder>,
}

/// Why the indexer does not start. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another process listens there, or the address is not one of this machine.
    #[error("failed to listen on {address}: {}; name another address with --listen", advice(.reason))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said; it is in the text already.
        reason: io::Error,
    },
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The system gives no thread.
    #[error("failed to start a thread")]
    Thread(#[source] io::Error),
}

fn advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process uses it".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        io::ErrorKind::PermissionDenied => "this port may not be used (below 1024 only by root)".to_owned(),
        _ => error.to_string(),
    }
}

/// The indexer.
#[derive(Debug)]
pub struct Server;

/// An indexer that answers.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<SocketAddr>,
    handle: StoreHandle,
    snapshots: Arc<SnapshotCell>,
    tail: TailBus,
    failure: watch::Receiver<Option<String>>,
    stop: watch::Sender<bool>,
    store: StoreThread,
    http: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts; when this returns, requests are answered.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(config: ServeConfig, outside: ServeOutside) -> Result<Running, StartError> {
        let listeners = config.listen.iter().map(|&address| listen(address)).collect::<Result<Vec<_>, _>>()?;
        let addresses: Vec<_> = listeners.iter().map(|(_, address)| *address).collect();
        let store_outside = StoreOutside {
            files: Arc::clone(&outside.files),
            clock: Arc::clone(&outside.clock),
            rng: Arc::clone(&outside.rng),
            builder: Arc::clone(&outside.builder),
        };
        let core = StoreCore::open(&config.data, config.store.clone(), store_outside)?;
        let snapshots = core.snapshot();
        let tail = TailBus::new(config.tail_bytes);
        let store = StoreThread::start(core, &config, &outside, tail.clone()).map_err(StartError::Thread)?;
        let (stop, stopped) = watch::channel(false);
        let endpoint = Endpoint::new(EndpointParts {
            engine: Engine::new(Arc::clone(&snapshots), Arc::clone(&outside.clock), config.engine),
            tokens: Tokens::new(Arc::clone(&outside.files), &config.data),
            store: store.handle.clone(),
            status: store.status(),
            tail: tail.clone(),
            stopped: stopped.clone(),
            request_bytes_max: usize::try_from(config.store.request_bytes_max).unwrap_or(usize::MAX),
        });
        let http = listen::start(listeners, endpoint, stopped).map_err(StartError::Thread)?;
        let (handle, failure) = (store.handle.clone(), store.failure());
        Ok(Running { addresses, handle, snapshots, tail, failure, stop, store, http: Some(http) })
    }
}

impl Running {
    /// Where it listens, in the order of the configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// To hand over requests without HTTP, as `up` does.
    pub fn store(&self) -> &StoreHandle {
        &self.handle
    }

    /// What queries see.
    pub fn snapshots(&self) -> &Arc<SnapshotCell> {
        &self.snapshots
    }

    /// Where events are announced as they become visible.
    pub fn tail(&self) -> &TailBus {
        &self.tail
    }

    /// Says why, once the store takes nothing any more: the process must then end and be started again.
    pub fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.clone()
    }

    /// Ends it: answers what was taken, then stops all threads.
    pub fn shutdown(mut self) {
        self.stop.send_replace(true);
        if let Some(http) = self.http.take() {
            let _panicked = http.join();
        }
        self.store.stop();
    }
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |reason| StartError::Listen { address, reason };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

#[cfg(test)]
pub(crate) mod tests;
