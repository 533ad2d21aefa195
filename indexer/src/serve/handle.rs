//! Hands requests to the store's thread and waits for their answers.

use crate::access::Source;
use crate::store::core::{BuildOutcome, Ticket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::oneshot;
use wire::{Answer, Fate, Message, Request};

/// What the store's thread is told.
#[derive(Debug)]
pub(super) enum Input {
    Request { source: Source, request: Request, bytes: usize, answer: oneshot::Sender<Answer> },
    Built(BuildOutcome),
    Proved(Ticket, Answer),
    ClockConfirmed,
    Stop,
}

/// Why a request has no answer. Whether it was taken is not known, unless it says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// Too much waits already; the request was not taken.
    #[error("too many requests wait for the store")]
    Busy {
        /// Try again after this.
        retry_after: Duration,
    },
    /// The store cannot answer; ask it again.
    #[error("the store gives no answer: it failed, or is ending")]
    NoAnswer,
}

impl SubmitError {
    /// Whether sending it again can help. Always: what was taken is recognised.
    pub fn is_retryable(&self) -> bool {
        true
    }
}

/// A way to the store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StoreHandle {
    sender: mpsc::Sender<Input>,
    queued: Arc<AtomicUsize>,
    queue_bytes: usize,
}

impl StoreHandle {
    pub(super) fn new(sender: mpsc::Sender<Input>, queue_bytes: usize) -> StoreHandle {
        StoreHandle { sender, queued: Arc::default(), queue_bytes }
    }

    /// Hands a request over; its answer comes when what it changed is durable.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn submit(&self, source: Source, request: Request) -> Result<Answer, SubmitError> {
        self.send(source, request)?.await.map_err(|_| SubmitError::NoAnswer)
    }

    /// As [`StoreHandle::submit`], for threads; not to be called inside tokio.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub fn call(&self, source: Source, request: Request) -> Result<Answer, SubmitError> {
        self.send(source, request)?.blocking_recv().map_err(|_| SubmitError::NoAnswer)
    }

    /// A person confirmed that the wall clock is right (protocol rule 37).
    pub fn confirm_clock(&self) {
        let _ended = self.sender.send(Input::ClockConfirmed);
    }

    /// Bytes of requests that wait.
    pub fn queued_bytes(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    fn send(&self, source: Source, request: Request) -> Result<oneshot::Receiver<Answer>, SubmitError> {
        let bytes = weight(&request);
        let waiting = self.queued.fetch_add(bytes, Ordering::Relaxed);
        // A single request always fits, however large: its own limit is checked by the store.
        if waiting > 0 && waiting + bytes > self.queue_bytes {
            self.taken(bytes);
            return Err(SubmitError::Busy { retry_after: Duration::from_secs(1) });
        }
        let (answer, answered) = oneshot::channel();
        let sent = self.sender.send(Input::Request { source, request, bytes, answer });
        sent.map_err(|_| {
            self.taken(bytes);
            SubmitError::NoAnswer
        })?;
        Ok(answered)
    }

    pub(super) fn taken(&self, bytes: usize) {
        self.queued.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn built(&self, outcome: BuildOutcome) {
        let _ended = self.sender.send(Input::Built(outcome));
    }

    pub(super) fn proved(&self, ticket: Ticket, answer: Answer) {
        let _ended = self.sender.send(Input::Proved(ticket, answer));
    }

    pub(super) fn stop(&self) {
        let _ended = self.sender.send(Input::Stop);
    }
}

/// Bytes a request holds, roughly.
fn weight(request: &Request) -> usize {
    const EVENT: usize = 200;
    let message = |message: &Message| match message {
        Message::Ranges(ranges) => ranges.ranges.iter().map(|range| range.context.len() + fate(&range.fate)).sum(),
        Message::Provisional(provisional) => provisional.bytes.len() + EVENT,
        Message::Replay(replay) => replay.payload.bytes.len() + replay.payload.events.len() * EVENT,
        Message::Hello(_) | Message::Open(_) | Message::Gone(_) | Message::Ledger(_) | Message::Prove(_) => EVENT,
        Message::Claim(claim) => EVENT * (1 + claim.files.len()),
    };
    fn fate(fate: &Fate) -> usize {
        match fate {
            Fate::Events(payload) => payload.bytes.len() + payload.events.len() * EVENT,
            Fate::Dead(reason) | Fate::Excluded(reason) | Fate::Lost(reason) => reason.len(),
        }
    }
    request.messages.iter().map(message).sum::<usize>() + EVENT
}
