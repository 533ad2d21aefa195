//! The byte ledger: what became of every byte of every stream, by the shipper's books and by the indexer's.
//!
//! Three books are compared. The shipper's own: what was acknowledged, with the ledger hash it added up itself. The
//! indexer's mark table and stream tables. And the events themselves, which the indexer reads and adds up anew.

use serde::{Deserialize, Serialize};
use wire::{FateKind, LedgerRow, LedgerSum, RangeProof};

/// Result of one audit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// What the asker called it.
    pub name: String,
    /// When it was finished, nanoseconds since 1970.
    pub taken_ns: i64,
    /// Every stream of this agent.
    pub streams: Vec<StreamAudit>,
}

/// A number of events with their bytes and ledger hash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditSum {
    /// Events.
    pub events: u64,
    /// Bytes they have in the file.
    pub bytes: u64,
    /// Sum of their hashes, 32 hex digits.
    pub hash: String,
}

impl From<LedgerSum> for AuditSum {
    fn from(sum: LedgerSum) -> AuditSum {
        AuditSum { events: sum.events, bytes: sum.bytes, hash: format!("{:032x}", sum.hash.0) }
    }
}

/// The books of one stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StreamAudit {
    /// Present name of its file, or the last one.
    pub path: String,
    /// 16 hex digits.
    pub stream: String,
    /// Where it begins.
    pub base: u64,
    /// Bytes written to the file, as last seen.
    pub written: u64,
    /// Up to where everything is settled.
    pub mark: u64,
    /// Bytes behind the mark: in the file, not settled yet.
    pub waiting: u64,
    /// Bytes of it that no name in a log folder holds any more, only this shipper.
    pub spooled: u64,
    /// Acknowledged as events.
    pub acknowledged: AuditSum,
    /// Whether the shipper added that up itself from the first byte on, or took a part over from the indexer after an
    /// answer was lost.
    pub own_sum: bool,
    /// Acknowledged as dead, in the dead-letter folder.
    pub dead: u64,
    /// Acknowledged as left out by a rule.
    pub excluded: u64,
    /// Acknowledged as lost.
    pub lost: u64,
    /// The stream ended with a loss of unknown size.
    pub lost_open: bool,
    /// What the indexer proved; `None` when it knows no such stream.
    pub indexer: Option<IndexerBooks>,
    /// What does not add up.
    pub faults: Vec<String>,
}

/// The indexer's books of one stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IndexerBooks {
    /// Its durable mark.
    pub mark: u64,
    /// Everything ever taken as events.
    pub taken: AuditSum,
    /// What its stream tables say is there now.
    pub held: AuditSum,
    /// Removed by retention or erasure.
    pub removed: AuditSum,
    /// Recorded as dead.
    pub dead: u64,
    /// Recorded as excluded.
    pub excluded: u64,
    /// Recorded as lost.
    pub lost: u64,
    /// The events themselves, read and added up anew.
    pub found: AuditSum,
    /// Bytes that neither are events nor have another fate.
    pub absent: u64,
    /// Bytes that stand there twice.
    pub doubled: u64,
}

/// What the shipper knows of a stream when the indexer's books are compared with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    pub(crate) base: u64,
    pub(crate) mark: u64,
    pub(crate) ledger: LedgerSum,
    pub(crate) other: wire::OtherBytes,
    /// Nothing of it was ever sent.
    pub(crate) unsent: bool,
}

/// Sums of several answers on one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proven {
    pub(crate) found: LedgerSum,
    pub(crate) absent: u64,
    pub(crate) doubled: u64,
    pub(crate) damage: Option<String>,
}

impl Proven {
    pub(crate) fn add(&mut self, proof: &RangeProof) {
        self.found += proof.found;
        self.absent += proof.absent;
        self.doubled += proof.doubled;
        self.damage = self.damage.take().or_else(|| proof.damage.clone());
    }
}

/// Bytes by fate as the indexer recorded them.
fn recorded(row: &LedgerRow) -> wire::OtherBytes {
    let mut other = wire::OtherBytes { dead: 0, excluded: row.folded_excluded, lost: row.folded_lost };
    for span in row.other.iter().filter(|span| span.to.0 != u64::MAX) {
        other.add(span.fate, span.to.0.saturating_sub(span.from.0));
    }
    other
}

/// Compares; puts the indexer's books and what does not add up into `audit`.
pub(crate) fn compare(audit: &mut StreamAudit, own: &Own, row: Option<&LedgerRow>, proven: &Proven) {
    let mut faults = Vec::new();
    let settled = own.mark.saturating_sub(own.base);
    if own.ledger.bytes + own.other.all() != settled {
        let sum = own.ledger.bytes + own.other.all();
        faults.push(format!("{settled} bytes are settled, but events, dead, excluded and lost come to {sum}"));
    }
    let Some(row) = row else {
        if !own.unsent {
            faults.push("the indexer does not know the stream".to_owned());
        }
        audit.faults = faults;
        return;
    };
    let other = recorded(row);
    let mut differ = |what: &str, here: u64, there: u64| {
        if here != there {
            faults.push(format!("{what}: {here} here, {there} at the indexer"));
        }
    };
    differ("mark", own.mark, row.mark.0);
    differ("base", own.base, row.base.0);
    differ("events", own.ledger.events, row.taken.events);
    differ("bytes of events", own.ledger.bytes, row.taken.bytes);
    differ("dead bytes", own.other.dead, other.dead);
    differ("excluded bytes", own.other.excluded, other.excluded);
    differ("lost bytes", own.other.lost, other.lost);
    if own.ledger.hash != row.taken.hash {
        faults.push("the ledger hash here is not that at the indexer".to_owned());
    }
    let mut kept = row.held;
    kept += row.removed;
    if kept != row.taken {
        faults.push("the indexer's tables: what is held and what was removed is not what was taken".to_owned());
    }
    if proven.found != row.held {
        let (found, held) = (proven.found.events, row.held.events);
        faults.push(format!("the indexer reads {found} events, its tables say {held}, or their hashes differ"));
    }
    if proven.doubled > 0 {
        faults.push(format!("{} bytes stand at the indexer twice", proven.doubled));
    }
    let expected = row.removed.bytes + row.folded_excluded + row.folded_lost;
    if proven.absent != expected {
        faults.push(format!("{} bytes are absent at the indexer, {expected} were removed", proven.absent));
    }
    faults.extend(proven.damage.iter().map(|why| format!("the indexer cannot read a part of it: {why}")));
    audit.lost_open = row.other.iter().any(|span| span.fate == FateKind::Lost && span.to.0 == u64::MAX);
    audit.indexer = Some(IndexerBooks {
        mark: row.mark.0,
        taken: row.taken.into(),
        held: row.held.into(),
        removed: row.removed.into(),
        dead: other.dead,
        excluded: other.excluded,
        lost: other.lost,
        found: proven.found.into(),
        absent: proven.absent,
        doubled: proven.doubled,
    });
    audit.faults = faults;
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsers::Offset;
    use wire::{FateSpan, LedgerHash, OtherBytes};

    fn books() -> (Own, LedgerRow, Proven) {
        let sum = |n: u64| LedgerSum { events: n, bytes: n * 10, hash: LedgerHash(u128::from(n) * 7) };
        let other = OtherBytes { dead: 5, excluded: 10, lost: 15 };
        let own = Own { base: 100, mark: 230, ledger: sum(10), other, unsent: false };
        let span = |from, to, fate| FateSpan { from: Offset(from), to: Offset(to), fate };
        let row = LedgerRow {
            mark: Offset(230),
            base: Offset(100),
            taken: sum(10),
            held: sum(8),
            removed: sum(2),
            other: vec![span(100, 105, FateKind::Dead), span(110, 120, FateKind::Excluded)],
            folded_lost: 15,
            ..LedgerRow::default()
        };
        (own, row, Proven { found: sum(8), absent: 35, ..Proven::default() })
    }

    fn faults(own: &Own, row: Option<&LedgerRow>, proven: &Proven) -> Vec<String> {
        let mut audit = StreamAudit::default();
        compare(&mut audit, own, row, proven);
        audit.faults
    }

    /// One way in which the books of the two sides may differ.
    type Change<'a> = &'a dyn Fn(&mut Own, &mut LedgerRow, &mut Proven);

    #[test]
    fn books_that_add_up_have_no_fault_and_each_difference_is_told() {
        let (own, row, proven) = books();
        assert_eq!(faults(&own, Some(&row), &proven), Vec::<String>::new());
        assert_eq!(faults(&own, None, &proven).len(), 1);
        let wrong: [Change; 10] = [
            &|own, _, _| own.mark += 1,
            &|own, _, _| own.ledger.hash.0 += 1,
            &|own, _, _| own.other.dead -= 1,
            &|own, _, _| (own.other.lost, own.other.excluded) = (14, 11),
            &|_, row, _| row.mark.0 -= 1,
            &|_, row, _| row.removed.events -= 1,
            &|_, _, proven| proven.found.hash.0 += 1,
            &|_, _, proven| proven.absent += 1,
            &|_, _, proven| proven.doubled += 1,
            &|_, _, proven| proven.damage = Some("checksum".to_owned()),
        ];
        for (n, change) in wrong.iter().enumerate() {
            let (mut own, mut row, mut proven) = books();
            change(&mut own, &mut row, &mut proven);
            assert!(!faults(&own, Some(&row), &proven).is_empty(), "difference {n} is not seen");
        }
    }
}
