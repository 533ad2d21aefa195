//! Files that the configuration leaves out after they were followed, and takes in again (protocol rule 25).
//!
//! An exclusion holds from the mark on; inclusion again starts at the size the file has then. In between the file
//! goes on being read to its end, so that marks, anchors and context stay those of the file, but what is read is
//! not sent: its ranges are recorded as excluded, with the rule, and `audit` counts them. That a stream is left out
//! is part of its record: a start between the two changes nothing.
//!
//! Judged is the name under which the file was first seen, not the one that rotation gave it.

use super::scan::own_facts;
use super::{Importance, ShipperCore};
use crate::kept::LeftOut;
use parsers::Offset;
use wire::StreamId;

impl ShipperCore {
    /// Compares every stream with the configuration that holds from now on.
    pub(super) fn judge_exclusions(&mut self) {
        let all: Vec<StreamId> = self.streams.values().filter(|s| s.has_file()).map(|s| s.kept.id).collect();
        for id in all {
            let Some(stream) = self.streams.get(&id) else { continue };
            let rule = self.config.rule_that_leaves_out(&stream.kept.first_path);
            let is_out = stream.kept.left_out.as_deref().is_some_and(LeftOut::holds);
            match rule {
                Some(rule) if !is_out => self.leave_out(id, rule),
                None if is_out => self.take_in_again(id),
                _ => {}
            }
        }
    }

    fn leave_out(&mut self, id: StreamId, rule: String) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let in_memory_only = stream.tail.as_ref().is_some_and(|tail| tail.cut_off);
        if stream.busy.is_none() && !in_memory_only {
            // What was read and not sent is read again, and left out.
            stream.go_back_to_mark();
        }
        stream.kept.left_out = Some(Box::new(LeftOut::by(rule.clone())));
        let text = format!("`{}` is left out from byte {} on: {rule}", stream.kept.path.display(), stream.kept.mark.0);
        self.active.insert(id);
        self.journal_stream(id);
        self.notice(Importance::Info, text);
    }

    fn take_in_again(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(&id) else { return };
        let kept = &stream.kept;
        let facts = self.outside.files.metadata(&kept.path).ok().filter(|facts| facts.id == kept.file);
        let facts = facts.or_else(|| stream.held_metadata()?.ok()).and_then(|facts| own_facts(kept, facts));
        let size = facts.map_or(stream.size, |facts| facts.size.max(stream.size));
        let text = format!("`{}` is followed again, from byte {size} on", kept.path.display());
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if let Some(left_out) = &mut stream.kept.left_out {
            left_out.to = Offset(size);
        }
        self.active.insert(id);
        self.journal_stream(id);
        self.notice(Importance::Info, text);
    }
}
