//! Which streams files of a host may be (protocol rule 6).
//!
//! The indexer only looks for names: it has no file to compare with. The shipper compares content, and opens
//! what fits, which fences whoever had it.

use super::{Judge, Judged};
use crate::store::marks::StreamMark;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use wire::{Claim, Claimable, Factors, Refusal, Verdict};

/// Streams told for each folder and name.
const STREAMS_MAX: usize = 64;

impl Judge<'_> {
    /// Streams of a host, whoever opened them.
    pub(super) fn of_host<'a>(&'a self, host_id: &'a str) -> impl Iterator<Item = &'a Arc<StreamMark>> {
        let own = self.marks.streams().iter().filter(|(key, _)| key.owner == *self.owner).map(|(_, mark)| mark);
        own.filter(move |mark| !host_id.is_empty() && mark.info.host_id == host_id)
    }

    /// Answers a claim.
    pub(in crate::store::core) fn claim(&self, claim: &Claim) -> Judged {
        if self.is_fenced() {
            return Refusal::Fenced.into();
        }
        let host = self.row().map(|row| row.host_id.clone()).unwrap_or_default();
        let mut known: BTreeMap<(String, String), Vec<&Arc<StreamMark>>> =
            claim.files.iter().map(|factors| (place_of(factors), Vec::new())).collect();
        for mark in self.of_host(&host) {
            if let Some(streams) = known.get_mut(&place_of(&mark.info.factors)) {
                streams.push(mark);
            }
        }
        let mut told = Vec::new();
        for mut streams in known.into_values() {
            // Those whose file was not told gone first, then the largest.
            streams.sort_by_key(|mark| (mark.gone_at.is_some(), std::cmp::Reverse(mark.mark)));
            told.extend(streams.into_iter().take(STREAMS_MAX).map(claimable));
        }
        Judged::Settled(Verdict::Claim(told))
    }
}

/// Folder and name without date and index.
fn place_of(factors: &Factors) -> (String, String) {
    let folder = Path::new(&factors.path).parent().map(|folder| folder.to_string_lossy().into_owned());
    (folder.unwrap_or_default(), factors.name.clone())
}

fn claimable(mark: &Arc<StreamMark>) -> Claimable {
    Claimable { stream: mark.info.stream, factors: mark.info.factors.clone(), base: mark.base, state: mark.state() }
}
