//! Who wants to see what is sent gets a copy of each request, as long as it keeps up: nothing ever waits for it.
//!
//! A copy shares its bytes with the request. While nobody listens a request costs one look at a number.

use crate::forward::{AnswerTo, Forward};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;
use wire::Draft;

/// So many may listen at a time.
const LISTENERS_MAX: usize = 4;
/// Bytes of events that wait for one listener; what comes beyond them it misses.
const WAITING_BYTES_MAX: usize = 8 << 20;
/// Requests that wait for one listener.
const WAITING_MAX: usize = 1000;

/// Those who listen.
#[derive(Debug, Default)]
pub struct Taps {
    seats: Mutex<Vec<Arc<Seat>>>,
    taken: AtomicUsize,
}

#[derive(Debug, Default)]
struct Seat {
    waiting: Mutex<Waiting>,
    came: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    requests: VecDeque<Draft>,
    bytes: usize,
    missed: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic while a queue is changed")
}

impl Taps {
    /// One more listener; `None` when there are enough.
    pub fn listen(self: &Arc<Taps>) -> Option<Listener> {
        let mut seats = lock(&self.seats);
        if seats.len() >= LISTENERS_MAX {
            return None;
        }
        let seat = Arc::new(Seat::default());
        seats.push(Arc::clone(&seat));
        self.taken.store(seats.len(), Ordering::Release);
        Some(Listener { taps: Arc::clone(self), seat })
    }

    fn tell(&self, request: &Draft) {
        if self.taken.load(Ordering::Acquire) == 0 {
            return;
        }
        for seat in lock(&self.seats).iter() {
            seat.put(request);
        }
    }
}

impl Seat {
    fn put(&self, request: &Draft) {
        let bytes = request.event_bytes();
        let mut waiting = lock(&self.waiting);
        let full = waiting.bytes + bytes > WAITING_BYTES_MAX || waiting.requests.len() >= WAITING_MAX;
        // One that is larger than all that may wait is heard by who has nothing to do.
        if full && !waiting.requests.is_empty() {
            waiting.missed += 1;
            return;
        }
        waiting.bytes += bytes;
        waiting.requests.push_back(request.clone());
        drop(waiting);
        self.came.notify_one();
    }

    fn take(&self) -> Option<Heard> {
        let mut waiting = lock(&self.waiting);
        let request = waiting.requests.pop_front()?;
        waiting.bytes -= request.event_bytes();
        Some(Heard { request, missed: std::mem::take(&mut waiting.missed) })
    }
}

/// A request as it was sent.
#[derive(Debug)]
pub struct Heard {
    /// The request.
    pub request: Draft,
    /// So many others were not heard, because too much waited: each is counted once.
    pub missed: u64,
}

/// One who listens, until it is dropped.
#[derive(Debug)]
pub struct Listener {
    taps: Arc<Taps>,
    seat: Arc<Seat>,
}

impl Listener {
    /// Waits for the next request. Nothing is lost when the wait is given up.
    pub async fn next(&self) -> Heard {
        loop {
            if let Some(heard) = self.seat.take() {
                return heard;
            }
            self.seat.came.notified().await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut seats = lock(&self.taps.seats);
        seats.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
        self.taps.taken.store(seats.len(), Ordering::Release);
    }
}

/// A way to the indexer, and those who listen to what goes over it.
#[derive(Debug)]
pub struct Tapped<F> {
    inner: F,
    taps: Arc<Taps>,
}

impl<F: Forward> Tapped<F> {
    /// Lets those of `taps` hear what goes to `inner`.
    pub fn new(inner: F, taps: Arc<Taps>) -> Tapped<F> {
        Tapped { inner, taps }
    }
}

impl<F: Forward> Forward for Tapped<F> {
    fn send(&self, request: Draft, answer: AnswerTo) {
        self.taps.tell(&request);
        self.inner.send(request, answer);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use bytes::Bytes;
    use parsers::Offset;
    use wire::{Drafted, DraftedRange, Epoch, EventsPayload, Fate, Range, StreamId};

    fn request(number: u64, bytes: usize) -> Draft {
        let payload = EventsPayload { bytes: Bytes::from(vec![b'x'; bytes]), events: Vec::new() };
        let range = Range {
            from: Offset(0),
            to: Some(Offset(bytes as u64)),
            fate: Fate::Events(payload),
            context: Bytes::new(),
            anchors: Vec::new(),
        };
        let ranges = vec![DraftedRange { range, parse: Bytes::new() }];
        let epoch = Epoch { incarnation: number, ..Epoch::default() };
        Draft { epoch, messages: vec![Drafted::Ranges { stream: StreamId(1), ranges }], ..Draft::default() }
    }

    fn heard(listener: &Listener) -> Option<(u64, u64)> {
        listener.seat.take().map(|heard| (heard.request.epoch.incarnation, heard.missed))
    }

    #[test]
    fn each_listener_hears_what_is_sent_while_it_listens() {
        let taps = Arc::new(Taps::default());
        let sent = Arc::new(Mutex::new(Vec::new()));
        let (to, forwarded) = (Arc::clone(&sent), Arc::clone(&taps));
        let forward =
            Tapped::new(move |request: Draft, _: AnswerTo| lock(&to).push(request.epoch.incarnation), forwarded);
        let send = |number| forward.send(request(number, 10), AnswerTo::new(|_| {}));
        send(1);
        let early = taps.listen().unwrap();
        send(2);
        let late = taps.listen().unwrap();
        send(3);
        assert_eq!([heard(&early), heard(&early), heard(&early)], [Some((2, 0)), Some((3, 0)), None]);
        assert_eq!([heard(&late), heard(&late)], [Some((3, 0)), None]);
        drop(early);
        send(4);
        assert_eq!(heard(&late), Some((4, 0)));
        drop(late);
        send(5);
        assert_eq!(*lock(&sent), [1, 2, 3, 4, 5], "the indexer gets all of them");
        let seats: Vec<_> = (0..LISTENERS_MAX).map(|_| taps.listen().unwrap()).collect();
        assert!(taps.listen().is_none());
        drop(seats);
        assert!(taps.listen().is_some());
    }

    #[test]
    fn who_does_not_keep_up_misses_some_and_hears_how_many() {
        let taps = Arc::new(Taps::default());
        let listener = taps.listen().unwrap();
        let tell = |number, bytes| taps.tell(&request(number, bytes));
        (0..5).for_each(|number| tell(number, WAITING_BYTES_MAX / 4));
        assert_eq!(heard(&listener), Some((0, 1)), "the fifth was one too many");
        tell(5, WAITING_BYTES_MAX / 4);
        assert_eq!([1, 2, 3, 5].map(|n| Some((n, 0))), [0; 4].map(|_| heard(&listener)));
        // One that alone is too large is heard all the same.
        tell(6, WAITING_BYTES_MAX + 1);
        tell(7, 0);
        assert_eq!(heard(&listener), Some((6, 1)));
        (0..2 * WAITING_MAX as u64).for_each(|number| tell(number, 0));
        assert_eq!(heard(&listener), Some((0, WAITING_MAX as u64)));
    }
}
