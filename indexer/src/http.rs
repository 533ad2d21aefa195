//! The HTTP edge: questions and answers as JSON, live tail as server-sent events, batches from shippers, probes,
//! metrics, the description of all that, and the web view. See `docs/http.md`.
//!
//! Reading is answered on loopback only, until people can log in; on any other address there are batches and probes,
//! and whoever asks for more is told why. On loopback the names of host and origin are checked, so that a page from
//! elsewhere that points its name to 127.0.0.1 reads nothing. Queries run on threads beside the sockets, a bounded
//! number of them, and end when their client leaves.

mod ask;
mod batches;
mod export;
mod guard;
mod json;
mod metrics;
mod openapi;
mod read;
mod refusal;
mod tail;
mod tail_bus;
mod web;

pub use tail_bus::{Announced, Subscription, TailBus};

use crate::access::Tokens;
use crate::query::engine::Engine;
use crate::serve::StoreHandle;
use crate::store::core::StoreStatus;
use axum::Router;
use axum::routing::{MethodRouter, get, post};
use metrics::Counters;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use tokio::sync::{Semaphore, watch};

/// Queries at work at once; others wait a moment, then are refused.
const QUERIES_MAX: usize = 8;
/// Bodies of shippers' requests in memory at once.
const BODIES_MAX: usize = 8;

/// What the edge works with.
pub struct EndpointParts {
    /// Answers questions.
    pub engine: Engine,
    /// Lets agents in.
    pub tokens: Tokens,
    /// Takes batches.
    pub store: StoreHandle,
    /// How the store stands.
    pub status: Arc<RwLock<StoreStatus>>,
    /// Announces events.
    pub tail: TailBus,
    /// `true` at the end: streams are closed.
    pub stopped: watch::Receiver<bool>,
    /// Largest request of a shipper.
    pub request_bytes_max: usize,
}

/// The state of the edge.
pub struct Endpoint {
    engine: Arc<Engine>,
    tokens: Tokens,
    store: StoreHandle,
    status: Arc<RwLock<StoreStatus>>,
    tail: TailBus,
    stopped: watch::Receiver<bool>,
    request_bytes_max: usize,
    queries: Semaphore,
    bodies: Semaphore,
    counters: Counters,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// The state of an edge.
    pub fn new(parts: EndpointParts) -> Arc<Endpoint> {
        Arc::new(Endpoint {
            engine: Arc::new(parts.engine),
            tokens: parts.tokens,
            store: parts.store,
            status: parts.status,
            tail: parts.tail,
            stopped: parts.stopped,
            request_bytes_max: parts.request_bytes_max,
            queries: Semaphore::new(QUERIES_MAX),
            bodies: Semaphore::new(BODIES_MAX),
            counters: Counters::default(),
        })
    }

    fn status(&self) -> StoreStatus {
        self.status.read().map(|status| status.clone()).unwrap_or_default()
    }
}

type Route = (&'static str, fn() -> MethodRouter<Arc<Endpoint>>);

/// What is read inside a scope: below `/v1/`, and below `/v1/o/{owner}/{env}/`.
const SCOPED: &[Route] = &[
    ("search", || get(read::search)),
    ("count", || get(read::count)),
    ("histogram", || get(read::histogram)),
    ("facets", || get(read::facets)),
    ("fields", || get(read::fields)),
    ("values", || get(read::values)),
    ("event/{id}", || get(read::event)),
    ("context/{id}", || get(read::context)),
    ("tail", || get(tail::tail)),
    ("export", || get(export::export)),
    ("parse", || get(read::parse)),
];

/// What else is answered on loopback.
const LOCAL: &[Route] = &[("/metrics", || get(metrics::metrics)), ("/openapi.json", || get(openapi::openapi))];

/// What is answered everywhere.
const EVERYWHERE: &[Route] = &[
    ("/v1/batches", || post(batches::batches)),
    ("/health/live", || get(metrics::live)),
    ("/health/ready", || get(metrics::ready)),
];

/// All paths, as the description must have them.
#[cfg(test)]
fn described() -> impl Iterator<Item = String> {
    let scoped = SCOPED.iter().map(|(path, _)| *path);
    let short = scoped.clone().map(|path| format!("/v1/{path}"));
    let long = scoped.map(|path| format!("/v1/o/{{owner}}/{{env}}/{path}"));
    short.chain(long).chain(LOCAL.iter().chain(EVERYWHERE).map(|(path, _)| (*path).to_owned()))
}

/// What is answered to requests that come in at `address`.
pub fn router(endpoint: Arc<Endpoint>, address: SocketAddr) -> Router {
    let mut router = Router::new();
    for (path, method) in EVERYWHERE {
        router = router.route(path, method());
    }
    let loopback = address.ip().is_loopback();
    if loopback {
        for (path, method) in SCOPED {
            router = router.route(&format!("/v1/{path}"), method());
            router = router.route(&format!("/v1/o/{{owner}}/{{env}}/{path}"), method());
        }
        for (path, method) in LOCAL {
            router = router.route(path, method());
        }
        router = router.fallback(web::file).layer(axum::middleware::from_fn(guard::same_machine));
    } else {
        router = router.fallback(guard::loopback_only);
    }
    router
        .method_not_allowed_fallback(refusal::wrong_method)
        .layer(axum::Extension(guard::Reached { loopback }))
        .layer(axum::middleware::map_response(guard::headers))
        .with_state(endpoint)
}

#[cfg(test)]
mod tests;
