//! Asking the indexer for its books and its proof, while shipping goes on.
//!
//! The books of a stream can be compared only at the same mark: a stream that moves while it is asked is asked again.

use super::sending::{Load, Part};
use super::{ShipperCore, ShipperOutput};
use crate::audit::{Audit, Own, Proven, StreamAudit, compare};
use crate::kept::Phase;
use parsers::Offset;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use wire::{LedgerRow, Message, RangeProof, StreamId, StreamRange, Verdict};

/// Streams asked for at once.
const STREAMS_MAX: usize = 200;
/// A stream that moves is asked again after so long, and so often.
const AGAIN: Duration = Duration::from_millis(200);
const TRIES_MAX: u32 = 50;

/// An audit on its way.
#[derive(Debug, Default)]
pub(super) struct Run {
    name: String,
    /// Streams whose books are to be asked for.
    ask: BTreeSet<StreamId>,
    /// What is still to be proved.
    prove: BTreeMap<StreamId, StreamRange>,
    rows: BTreeMap<StreamId, (Own, Option<LedgerRow>)>,
    proven: BTreeMap<StreamId, Proven>,
    tries: u32,
    not_before: Duration,
    in_flight: bool,
}

impl ShipperCore {
    /// Someone asks for an audit; a newer one takes the place of an older one.
    pub(super) fn begin_audit(&mut self, name: String) {
        let ask = self.streams.keys().copied().collect();
        self.audit = Some(Run { name, ask, ..Run::default() });
    }

    /// When the audit needs a step.
    pub(super) fn wake_of_audit(&self) -> Duration {
        let due = self.audit.as_ref().filter(|run| !run.in_flight);
        due.map_or(Duration::MAX, |run| run.not_before.max(self.link.retry_at))
    }

    /// Asks for what is due, beside the batches.
    pub(super) fn audit_due(&mut self) {
        let Some(run) = self.audit.as_mut().filter(|run| !run.in_flight && run.not_before <= self.now) else { return };
        let message = if !run.ask.is_empty() {
            Message::Ledger(run.ask.iter().copied().take(STREAMS_MAX).collect())
        } else if !run.prove.is_empty() {
            Message::Prove(run.prove.values().copied().take(STREAMS_MAX).collect())
        } else {
            self.finish_audit();
            return;
        };
        run.in_flight = true;
        let mut load = Load::default();
        load.add(message, Part::Audit);
        self.send(load, false);
    }

    /// The request was not answered, or refused: it is made again.
    pub(super) fn audit_failed(&mut self) {
        if let Some(run) = &mut self.audit {
            run.in_flight = false;
            run.not_before = self.now + AGAIN;
        }
    }

    pub(super) fn audit_answered(&mut self, verdict: Verdict) {
        let Some(mut run) = self.audit.take() else { return };
        run.in_flight = false;
        match verdict {
            Verdict::Ledger(rows) => self.books_came(&mut run, rows),
            Verdict::Proof(proofs) => proof_came(&mut run, &proofs),
            _ => run.not_before = self.now + AGAIN,
        }
        self.audit = Some(run);
    }

    fn books_came(&self, run: &mut Run, rows: Vec<LedgerRow>) {
        let asked: Vec<StreamId> = run.ask.iter().copied().take(STREAMS_MAX).collect();
        let mut rows: BTreeMap<StreamId, LedgerRow> = rows.into_iter().map(|row| (row.stream, row)).collect();
        run.tries += 1;
        let last = run.tries >= TRIES_MAX;
        for id in asked {
            let (Some(stream), row) = (self.streams.get(&id), rows.remove(&id)) else {
                run.ask.remove(&id);
                continue;
            };
            let moves = row.as_ref().is_some_and(|row| row.mark != stream.kept.mark) || stream.in_flight.is_some();
            if moves && !last {
                run.not_before = self.now + AGAIN;
                continue;
            }
            run.ask.remove(&id);
            let kept = &stream.kept;
            let own = Own {
                base: kept.base.0,
                mark: kept.mark.0,
                ledger: kept.ledger,
                other: kept.other,
                unsent: kept.mark == kept.base,
            };
            if let Some(row) = &row {
                run.prove.insert(id, StreamRange { stream: id, from: row.base, to: row.mark });
            }
            run.rows.insert(id, (own, row));
        }
    }

    fn finish_audit(&mut self) {
        let Some(run) = self.audit.take() else { return };
        let mut streams = Vec::new();
        for (id, (own, row)) in &run.rows {
            let Some(stream) = self.streams.get(id) else { continue };
            let kept = &stream.kept;
            let written = match kept.phase {
                Phase::Gone => kept.size_seen.max(own.mark),
                _ => kept.size_seen.max(stream.size).max(own.mark),
            };
            let mut audit = StreamAudit {
                path: kept.path.display().to_string(),
                stream: id.to_string(),
                base: own.base,
                written,
                mark: own.mark,
                waiting: written - own.mark,
                spooled: stream.held_bytes,
                acknowledged: own.ledger.into(),
                own_sum: kept.ledger_whole,
                dead: own.other.dead,
                excluded: own.other.excluded,
                lost: own.other.lost,
                ..StreamAudit::default()
            };
            compare(&mut audit, own, row.as_ref(), run.proven.get(id).unwrap_or(&Proven::default()));
            streams.push(audit);
        }
        streams.sort_by(|a, b| (&a.path, &a.stream).cmp(&(&b.path, &b.stream)));
        let audit = Audit { name: run.name, taken_ns: self.outside.clock.wall_ns(), streams };
        self.out.push(ShipperOutput::Audited(audit));
    }
}

fn proof_came(run: &mut Run, proofs: &[RangeProof]) {
    let asked: Vec<StreamRange> = run.prove.values().copied().take(STREAMS_MAX).collect();
    let mut moved = false;
    for range in asked {
        let Some(proof) = proofs.iter().find(|p| p.range.stream == range.stream && p.range.from == range.from) else {
            continue;
        };
        let end: Offset = proof.range.to;
        moved |= end > range.from || end >= range.to;
        run.proven.entry(range.stream).or_default().add(proof);
        if end >= range.to {
            run.prove.remove(&range.stream);
        } else if let Some(left) = run.prove.get_mut(&range.stream) {
            left.from = end;
        }
    }
    if !moved {
        // Nothing comes of asking again: what is not proved is told as a difference.
        run.prove.clear();
    }
}
