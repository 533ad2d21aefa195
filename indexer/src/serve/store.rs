//! The thread of the store's core, and the one that builds its segments.
//!
//! Requests that wait are taken together, up to [`GATHER_BYTES`], and made durable with one sync; while that runs, the
//! next ones gather. So one slow disk slows everybody down alike, and many small senders cost one sync.

use super::handle::{Input, StoreHandle};
use super::{ServeConfig, ServeOutside};
use crate::http::TailBus;
use crate::store::core::{BuildJob, ProveJob, StoreCore, StoreInput, StoreOutput, StoreStatus, Ticket};
use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use wire::Answer;

/// Bytes of requests made durable with one sync.
const GATHER_BYTES: usize = 16 << 20;
const TICK: Duration = Duration::from_secs(1);

/// The store's threads.
#[derive(Debug)]
pub(super) struct StoreThread {
    pub(super) handle: StoreHandle,
    status: Arc<RwLock<StoreStatus>>,
    failure: watch::Receiver<Option<String>>,
    threads: Vec<JoinHandle<()>>,
}

impl StoreThread {
    pub(super) fn start(
        core: StoreCore,
        config: &ServeConfig,
        outside: &ServeOutside,
        tail: TailBus,
    ) -> io::Result<StoreThread> {
        let (sender, receiver) = mpsc::channel();
        let handle = StoreHandle::new(sender, config.queue_bytes);
        let (jobs, waiting_jobs) = mpsc::channel::<Work>();
        let status = Arc::new(RwLock::new(core.status()));
        let (failed, failure) = watch::channel(None);
        let builder = {
            let (outside, handle) = (outside.clone(), handle.clone());
            thread::Builder::new().name("segments".to_owned()).spawn(move || {
                for work in waiting_jobs {
                    match work {
                        Work::Build(job) => handle.built(job.run(&*outside.files, &*outside.builder)),
                        Work::Prove(job) => {
                            let (ticket, answer) = job.run();
                            handle.proved(ticket, answer);
                        }
                    }
                }
            })?
        };
        let run = Run {
            core,
            receiver,
            handle: handle.clone(),
            jobs,
            tail,
            status: Arc::clone(&status),
            failed,
            tickets: HashMap::new(),
            next_ticket: 0,
            next_tick: outside.clock.monotonic() + TICK,
            clock: Arc::clone(&outside.clock),
        };
        let store = thread::Builder::new().name("store".to_owned()).spawn(move || run.until_stopped())?;
        Ok(StoreThread { handle, status, failure, threads: vec![store, builder] })
    }

    pub(super) fn status(&self) -> Arc<RwLock<StoreStatus>> {
        Arc::clone(&self.status)
    }

    pub(super) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.clone()
    }

    /// Ends the store after what it took, then the builder after the segment it is at.
    pub(super) fn stop(self) {
        self.handle.stop();
        for thread in self.threads {
            let _panicked = thread.join();
        }
    }
}

/// What takes long and is done beside the store's thread.
enum Work {
    Build(BuildJob),
    Prove(ProveJob),
}

/// What the store's thread works with.
struct Run {
    core: StoreCore,
    receiver: Receiver<Input>,
    handle: StoreHandle,
    jobs: mpsc::Sender<Work>,
    tail: TailBus,
    status: Arc<RwLock<StoreStatus>>,
    failed: watch::Sender<Option<String>>,
    tickets: HashMap<Ticket, oneshot::Sender<Answer>>,
    next_ticket: u64,
    next_tick: Duration,
    clock: Arc<dyn outside::Clock>,
}

impl Run {
    fn until_stopped(mut self) {
        let mut stopping = false;
        while !stopping {
            let wait = self.next_tick.saturating_sub(self.clock.monotonic());
            let mut gathered = 0;
            match self.receiver.recv_timeout(wait) {
                Ok(input) => stopping = self.take(input, &mut gathered),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => stopping = true,
            }
            while !stopping && gathered < GATHER_BYTES {
                let Ok(input) = self.receiver.try_recv() else { break };
                stopping = self.take(input, &mut gathered);
            }
            self.step(StoreInput::Sync);
            if self.clock.monotonic() >= self.next_tick {
                self.next_tick = self.clock.monotonic() + TICK;
                self.step(StoreInput::Tick);
            }
            if let Ok(mut status) = self.status.write() {
                let now = self.core.status();
                tell_changes(&status, &now);
                *status = now;
            }
        }
    }

    /// Takes one input; whether it was the last one.
    fn take(&mut self, input: Input, gathered: &mut usize) -> bool {
        match input {
            Input::Request { source, request, bytes, answer } => {
                self.handle.taken(bytes);
                *gathered += bytes;
                let ticket = Ticket(self.next_ticket);
                self.next_ticket += 1;
                self.tickets.insert(ticket, answer);
                self.step(StoreInput::Request { ticket, source, request });
            }
            Input::Built(outcome) => self.step(StoreInput::Built(outcome)),
            Input::Proved(ticket, answer) => self.answer(ticket, answer),
            Input::ClockConfirmed => self.step(StoreInput::ClockConfirmed),
            Input::Stop => return true,
        }
        false
    }

    fn answer(&mut self, ticket: Ticket, answer: Answer) {
        // A sender that went away asks again.
        let _gone = self.tickets.remove(&ticket).map(|waiting| waiting.send(answer));
    }

    fn step(&mut self, input: StoreInput) {
        for output in self.core.step(input) {
            match output {
                StoreOutput::Answer { ticket, answer } => self.answer(ticket, answer),
                StoreOutput::NoAnswer { ticket } => drop(self.tickets.remove(&ticket)),
                StoreOutput::Build(job) => {
                    let _ended = self.jobs.send(Work::Build(job));
                }
                StoreOutput::Prove(job) => {
                    let _ended = self.jobs.send(Work::Prove(job));
                }
                StoreOutput::Tail(batch) => self.tail.publish(&Arc::new(batch)),
                StoreOutput::Failed(reason) => {
                    tracing::error!(reason, "the store takes nothing any more, the process must be started again");
                    self.failed.send_replace(Some(reason));
                }
            }
        }
    }
}

/// Says once what is wrong, and once that it is over.
fn tell_changes(before: &StoreStatus, now: &StoreStatus) {
    let troubles = [
        (&before.full, &now.full, "nothing new is taken until there is room, senders wait", "there is room again"),
        (&before.flush_error, &now.flush_error, "it is tried again", "newest lines are written into segments again"),
        (&before.merge_error, &now.merge_error, "its parts stay, it is tried again", "segments are merged again"),
        (&before.retention_waits, &now.retention_waits, "retention by age waits", "retention by age goes on"),
    ];
    for (before, now, consequence, over) in troubles {
        match (before, now) {
            (None, Some(reason)) => tracing::warn!("{reason}: {consequence}"),
            (Some(_), None) => tracing::info!("{over}"),
            _ => {}
        }
    }
}
