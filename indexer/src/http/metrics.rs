//! Probes, and figures for Prometheus.

use super::Endpoint;
use super::refusal::Refusal;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the edge itself counts.
#[derive(Debug, Default)]
pub(super) struct Counters {
    batches: AtomicU64,
    batch_bytes: AtomicU64,
    queries: AtomicU64,
}

impl Counters {
    pub(super) fn batch(&self, bytes: usize) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.batch_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn query(&self) {
        self.queries.fetch_add(1, Ordering::Relaxed);
    }
}

/// `GET /health/live`: the process answers.
pub(super) async fn live() -> Response {
    answer("{\"status\":\"live\"}".to_owned())
}

/// `GET /health/ready`: the store takes events. What is wrong in detail is not for everybody.
pub(super) async fn ready(State(endpoint): State<Arc<Endpoint>>) -> Result<Response, Refusal> {
    let status = endpoint.status();
    let refused = |kind, message: &str| {
        Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, kind, message).retry_after(Duration::from_secs(5)))
    };
    if status.failed.is_some() {
        return refused("failed", "the store takes nothing any more until the server is started again");
    }
    if status.full.is_some() {
        return refused("full", "the disk is almost full: nothing new is taken until there is room");
    }
    Ok(answer("{\"status\":\"ready\"}".to_owned()))
}

/// `GET /metrics`
pub(super) async fn metrics(State(endpoint): State<Arc<Endpoint>>) -> Response {
    let text = endpoint.exposition();
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

impl Endpoint {
    fn exposition(&self) -> String {
        let status = self.status();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let flag = |set: bool| u64::from(set);
        let counters = [
            ("batches_total", "Requests of shippers.", count(&self.counters.batches)),
            ("batch_bytes_total", "Bytes of these, compressed.", count(&self.counters.batch_bytes)),
            ("queries_total", "Questions asked.", count(&self.counters.queries)),
            ("merges_total", "Merges of segments since the start.", status.merges),
        ];
        let gauges = [
            ("events", "Events held, in segments and memory.", status.events),
            ("raw_bytes", "Bytes of these events in their files.", status.raw_bytes),
            ("segments", "Segments on disk.", status.segments),
            ("segment_bytes", "Bytes of all segments on disk.", status.segment_bytes),
            ("partitions", "Partitions.", status.partitions),
            ("streams", "Streams in the mark table.", status.streams),
            ("memory_events", "Events in memory and WAL only.", status.memory_events),
            ("memory_raw_bytes", "Bytes of these.", status.memory_bytes),
            ("provisional_events", "Open events shown.", status.provisional_events),
            ("wal_bytes", "Bytes of the write-ahead log.", status.wal_bytes),
            ("queue_bytes", "Bytes of requests that wait for the store.", self.store.queued_bytes() as u64),
            ("tail_readers", "Readers of live tail.", self.tail.readers() as u64),
            ("full", "1: nothing new is taken for lack of space.", flag(status.full.is_some())),
            ("failed", "1: the server must be started again.", flag(status.failed.is_some())),
            (
                "flush_failing",
                "1: newest lines could not be written as a segment; it is tried again.",
                flag(status.flush_error.is_some()),
            ),
            (
                "merge_failing",
                "1: segments could not be merged; they stay, and it is tried again.",
                flag(status.merge_error.is_some()),
            ),
            (
                "retention_waits",
                "1: retention by age waits, the clock is not trusted.",
                flag(status.retention_waits.is_some()),
            ),
        ];
        let mut text = String::new();
        for (kind, rows) in [("counter", &counters[..]), ("gauge", &gauges[..])] {
            for (name, help, value) in rows {
                let name = format!("carbontrail_indexer_{name}");
                let _written = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
            }
        }
        text
    }
}

fn answer(json: String) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response()
}
