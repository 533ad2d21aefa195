//! Decompressed blocks of events, shared by all segments and bounded in bytes.

use super::block::Block;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// The last blocks used.
#[derive(Debug)]
pub(super) struct BlockCache {
    bytes_max: usize,
    blocks: Mutex<Blocks>,
}

#[derive(Debug, Default)]
struct Blocks {
    /// Last used in front.
    order: VecDeque<(Key, Arc<Block>)>,
    bytes: usize,
}

/// A segment's own number and the block's.
pub(super) type Key = (u64, usize);

impl BlockCache {
    pub(super) fn new(bytes_max: usize) -> BlockCache {
        BlockCache { bytes_max, blocks: Mutex::default() }
    }

    pub(super) fn get(&self, key: Key) -> Option<Arc<Block>> {
        let mut blocks = self.blocks.lock().expect("no panic while the cache is held");
        let at = blocks.order.iter().position(|(found, _)| *found == key)?;
        let entry = blocks.order.remove(at)?;
        let block = Arc::clone(&entry.1);
        blocks.order.push_front(entry);
        Some(block)
    }

    pub(super) fn put(&self, key: Key, block: &Arc<Block>) {
        let mut blocks = self.blocks.lock().expect("no panic while the cache is held");
        blocks.bytes += block.memory();
        blocks.order.push_front((key, Arc::clone(block)));
        while blocks.bytes > self.bytes_max {
            let Some((_, oldest)) = blocks.order.pop_back() else { break };
            blocks.bytes = blocks.bytes.saturating_sub(oldest.memory());
        }
    }
}
