//! Announces events to the readers of live tail. A reader that is too slow loses events, counted; it never slows
//! down the store or another reader.

use crate::access::Scope;
use crate::store::core::{TailBatch, TailChange, TailWhat};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::Notify;

/// Bytes an event takes in a queue besides its own.
const EVENT_BYTES: usize = 256;

/// Where events are announced. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TailBus(Arc<Bus>);

#[derive(Debug)]
struct Bus {
    readers: Mutex<Vec<Weak<Reader>>>,
    reader_bytes: usize,
}

#[derive(Debug)]
struct Reader {
    scope: Scope,
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Arc<TailBatch>, usize)>,
    bytes: usize,
    dropped: u64,
}

/// What a reader is told.
#[derive(Clone, Debug)]
pub enum Announced {
    /// What became visible; of all owners, see [`Subscription::is_mine`].
    Batch(Arc<TailBatch>),
    /// So many changes were dropped here, since this reader was too slow.
    Dropped(u64),
}

/// One reader's place. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription(Arc<Reader>);

impl TailBus {
    /// A bus whose readers may each have `reader_bytes` waiting.
    pub fn new(reader_bytes: usize) -> TailBus {
        TailBus(Arc::new(Bus { readers: Mutex::default(), reader_bytes }))
    }

    /// Announces what became visible. Never waits.
    pub fn publish(&self, batch: &Arc<TailBatch>) {
        let Ok(mut readers) = self.0.readers.lock() else { return };
        readers.retain(|reader| {
            let Some(reader) = reader.upgrade() else { return false };
            reader.take(batch, self.0.reader_bytes);
            true
        });
    }

    /// A new reader, who sees what becomes visible from now on.
    pub fn subscribe(&self, scope: Scope) -> Subscription {
        let reader = Arc::new(Reader { scope, queue: Mutex::default(), wake: Notify::new() });
        if let Ok(mut readers) = self.0.readers.lock() {
            readers.push(Arc::downgrade(&reader));
        }
        Subscription(reader)
    }

    /// Readers there are.
    pub fn readers(&self) -> usize {
        self.0
            .readers
            .lock()
            .map(|readers| readers.iter().filter(|reader| reader.strong_count() > 0).count())
            .unwrap_or(0)
    }
}

impl Reader {
    fn take(&self, batch: &Arc<TailBatch>, bytes_max: usize) {
        let mine = batch.changes.iter().filter(|change| is_of(&self.scope, change));
        let (changes, bytes) = mine.fold((0, 0), |(changes, bytes), change| (changes + 1, bytes + weight(change)));
        if changes == 0 {
            return;
        }
        let Ok(mut queue) = self.queue.lock() else { return };
        if queue.bytes + bytes > bytes_max && !queue.waiting.is_empty() {
            queue.dropped += changes;
        } else {
            queue.bytes += bytes;
            queue.waiting.push_back((Arc::clone(batch), bytes));
        }
        drop(queue);
        self.wake.notify_one();
    }
}

impl Subscription {
    /// Waits for what comes next. May be dropped at any moment without losing anything.
    pub async fn next(&self) -> Announced {
        loop {
            if let Ok(mut queue) = self.0.queue.lock() {
                if let Some((batch, bytes)) = queue.waiting.pop_front() {
                    queue.bytes -= bytes;
                    return Announced::Batch(batch);
                }
                // Told after what came before it was read.
                if queue.dropped > 0 {
                    return Announced::Dropped(std::mem::take(&mut queue.dropped));
                }
            }
            self.0.wake.notified().await;
        }
    }

    /// Whether this reader may see a change.
    pub fn is_mine(&self, change: &TailChange) -> bool {
        is_of(&self.0.scope, change)
    }
}

fn is_of(scope: &Scope, change: &TailChange) -> bool {
    *change.partition.owner == *scope.owner() && *change.partition.environment == *scope.environment()
}

fn weight(change: &TailChange) -> usize {
    EVENT_BYTES
        + match &change.what {
            TailWhat::Closed(event) | TailWhat::Provisional(event) => event.raw.len(),
            TailWhat::Gone(_) => 0,
        }
}
