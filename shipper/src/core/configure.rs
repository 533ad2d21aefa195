//! What configuration changes while the shipper runs: the file read again, rates.
//!
//! What decides where events end and which store they go to stays as it was at the start: state folder, host,
//! indexer. What is read from here on follows the new rules; what was sent is not sent again.

use super::{Importance, ShipperCore};
use crate::config::ShipperConfig;
use crate::rate;
use crate::stream::Stream;
use std::time::Duration;
use wire::StreamId;

impl ShipperCore {
    /// Takes over what can change; says what cannot.
    pub(super) fn configure(&mut self, new: ShipperConfig) {
        let old = std::mem::replace(&mut self.config, new);
        let stays = stays(&old, &self.config);
        let config = &mut self.config;
        config.host_id = old.host_id;
        config.host_name = old.host_name;
        config.host_zone = old.host_zone;
        config.until_idle = old.until_idle;
        config.since = old.since;
        let (memory, batch) = (config.limits.memory_bytes_max, config.limits.batch_bytes_max);
        config.limits = old.limits;
        config.limits.memory_bytes_max = memory;
        config.limits.batch_bytes_max = batch;
        // A folder that is followed stays so until the next start: its streams are open.
        for folder in old.folders {
            if !config.folders.contains(&folder) {
                config.folders.push(folder);
            }
        }
        for stream in self.streams.values_mut() {
            if let Some(tail) = &mut stream.tail {
                tail.parser.redact(self.config.redaction_of(&stream.kept.first_path));
            }
        }
        self.judge_exclusions();
        self.scans.want_all();
        self.notice(Importance::Info, "configuration read again");
        if !stays.is_empty() {
            let text = format!("changes of {} hold from the next start on", stays.join(", "));
            self.notice(Importance::Warn, text);
        }
    }

    /// Bytes of one read of a stream: less where a rate holds, so that the others have their turn soon.
    pub(super) fn read_bytes_max(&self, id: StreamId) -> usize {
        let own = self.streams.get(&id).and_then(|s| self.config.rate_of(&s.kept.first_path));
        let rates = own.into_iter().chain(self.config.rate);
        let most = rates.map(rate::read_bytes).min().unwrap_or(u64::MAX);
        self.config.limits.read_bytes.min(usize::try_from(most).unwrap_or(usize::MAX))
    }

    /// When the rates let a stream read.
    pub(super) fn may_read_at(&self, stream: &Stream) -> Duration {
        self.rated_read(stream).max(self.paced_read(stream))
    }

    /// Whether many files are written to, and nobody waits for the end of it.
    pub(super) fn is_paced(&self) -> bool {
        self.active.len() > self.config.limits.unpaced_files_max && self.stop.is_none() && !self.config.until_idle
    }

    /// By the pace of reading, all files at the same moments: a step costs as much as a look at all that are active. At
    /// once where much waits, or is waited for.
    fn paced_read(&self, stream: &Stream) -> Duration {
        let hurry = !self.is_paced() || stream.suspect;
        match stream.pace().read_at {
            Some(at) if !hurry && stream.unread() < self.config.limits.read_bytes as u64 / 4 => {
                let half = self.config.timing.read_pace / 2;
                let halves = (at + half).as_nanos().div_ceil(half.as_nanos().max(1));
                half * u32::try_from(halves).unwrap_or(u32::MAX)
            }
            _ => self.now,
        }
    }

    fn rated_read(&self, stream: &Stream) -> Duration {
        if self.config.rate.is_none() && self.config.file_rate.is_none() && self.config.sources.is_empty() {
            return self.now;
        }
        let own = self.config.rate_of(&stream.kept.first_path);
        stream.bucket.open_at(own, self.now).max(self.bucket.open_at(self.config.rate, self.now))
    }

    /// Notes what was read of a stream.
    pub(super) fn count_read(&mut self, id: StreamId, bytes: usize) {
        let (rate, now) = (self.config.rate, self.now);
        self.bucket.take(rate, now, bytes);
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let own = self.config.rate_of(&stream.kept.first_path);
        stream.bucket.take(own, now, bytes);
    }
}

/// What differs and holds only from the next start on.
fn stays(old: &ShipperConfig, new: &ShipperConfig) -> Vec<&'static str> {
    let folders = old.folders.iter().any(|folder| !new.folders.contains(folder));
    [
        (folders, "folders left out"),
        (old.host_id != new.host_id, "host_id"),
        (old.host_name != new.host_name, "host_name"),
        (old.since != new.since, "since"),
    ]
    .into_iter()
    .filter_map(|(differs, name)| differs.then_some(name))
    .collect()
}
