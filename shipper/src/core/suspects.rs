//! Files that may hold other bytes by now, and cannot be read just now: the indexer has not told where they stand, or there is
//! no room for more.
//!
//! Reading finds out by itself (protocol rule 9). But a copy of what a file held is there for a while only, so the
//! head is compared as soon as there is reason to, and the search for the copy begins.

use super::ShipperCore;
use crate::identity::read_first;
use crate::packed::open_log;
use crate::stream::Stream;
use outside::{File, Metadata};
use std::io;
use wire::StreamId;

impl ShipperCore {
    /// Compares the heads of files that changed and are not about to be read.
    pub(super) fn look_at_suspects(&mut self) {
        let suspects = self.active.iter().filter_map(|id| self.streams.get(id));
        let suspects: Vec<StreamId> =
            suspects.filter(|s| is_suspect(s) && !self.may_read(s)).map(|s| s.kept.id).collect();
        for id in suspects {
            let Some(stream) = self.streams.get(&id) else { continue };
            match self.begins_as_known(stream) {
                Ok(None) => {
                    if let Some(stream) = self.streams.get_mut(&id) {
                        stream.suspect = false;
                        stream.looked_at = Some(self.now);
                    }
                }
                Ok(Some(facts)) => self.rewritten(id, &facts),
                // Not found, or not to be read: the next scan, or the next step, knows more.
                Err(_) => {}
            }
        }
    }

    /// `None` when it does; else the facts of a file that begins otherwise.
    fn begins_as_known(&self, stream: &Stream) -> io::Result<Option<Metadata>> {
        let opened;
        let file: &dyn File = match stream.held_file() {
            Some(file) => file,
            None => {
                opened = open_log(&*self.outside.files, &stream.kept.path, None)?;
                &*opened
            }
        };
        let facts = file.metadata()?;
        if facts.id != stream.kept.file {
            return Err(io::ErrorKind::NotFound.into());
        }
        let first = read_first(file, stream.kept.head.len as usize)?;
        Ok((!stream.kept.head.fits(&first)).then_some(facts))
    }
}

/// It changed otherwise than by growing, or this process has not seen it as it was left.
fn is_suspect(stream: &Stream) -> bool {
    let changed = stream.suspect || stream.looked_at.is_none();
    changed && stream.has_file() && stream.kept.head.len > 0 && stream.kept.packed.is_none()
}
