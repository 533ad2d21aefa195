//! Small segments become larger ones.

use super::rig::{DAY, NOW, Rig, STREAM, events_at, small};
use crate::store::core::{BuildJob, StoreConfig, StoreInput};
use crate::store::naive::NaiveBuilder;
use crate::store::segment::{Budget, Order, Question, Window};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;
use wire::{LedgerRow, Message, Verdict};

const HOUR: Duration = Duration::from_secs(3600);

fn ready(merge_segments: usize) -> Rig {
    let mut rig = Rig::new(StoreConfig { merge_segments, merge_bytes: 1000, ..small() });
    rig.begin();
    rig
}

/// One more segment of ten bytes, of a day so long ago.
fn segment(rig: &mut Rig, days_ago: i64) {
    let from = rig.offsets().len() as u64 * 10;
    rig.send(events_at(from, &[from + 10], Some(NOW - days_ago * DAY)));
    rig.step(StoreInput::Flush);
    let job = rig.jobs.remove(0);
    run(rig, job);
}

fn run(rig: &mut Rig, job: BuildJob) {
    let outcome = job.run(&*rig.files, &NaiveBuilder);
    rig.step(StoreInput::Built(outcome));
}

fn segments(rig: &mut Rig) -> Vec<u64> {
    let snapshot = rig.snapshot();
    snapshot.partitions.values().flat_map(|view| view.segments.iter().map(|s| s.meta().events)).collect()
}

fn ledger(rig: &mut Rig) -> LedgerRow {
    match rig.send(Message::Ledger(vec![STREAM])) {
        Verdict::Ledger(rows) => rows.into_iter().next().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The folder of the only partition.
fn folder(rig: &Rig) -> std::path::PathBuf {
    use outside::Files as _;
    let above = Path::new("/data/partitions/local/default");
    let names = rig.files.list(above).unwrap();
    assert_eq!(names.len(), 1);
    above.join(&names[0])
}

fn names(rig: &Rig) -> Vec<String> {
    use outside::Files as _;
    let mut names: Vec<_> =
        rig.files.list(&folder(rig)).unwrap().into_iter().map(|name| name.display().to_string()).collect();
    names.sort();
    names
}

#[test]
fn segments_of_one_size_become_one_and_the_sums_stay() {
    let mut rig = ready(7);
    for _ in 0..7 {
        segment(&mut rig, 0);
    }
    let (before, seen) = (ledger(&mut rig), rig.offsets());
    assert_eq!((segments(&mut rig).len(), rig.jobs.len()), (7, 1));
    rig.build();
    assert_eq!(segments(&mut rig), [7]);
    assert_eq!((ledger(&mut rig), rig.offsets()), (before, seen.clone()));
    assert_eq!(names(&rig), ["partition.manifest", "s0000000008"], "the parts are gone");
    assert_eq!(rig.core().status().merges, 1);
    // Six more, and one of another size: not yet.
    for _ in 0..6 {
        segment(&mut rig, 0);
    }
    assert!(rig.jobs.is_empty());
    rig.power_cut();
    rig.open().unwrap();
    assert_eq!(segments(&mut rig), [7, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn a_day_that_is_over_and_quiet_is_sealed_and_late_events_too() {
    let mut rig = ready(100);
    for _ in 0..3 {
        segment(&mut rig, 0);
    }
    rig.advance(HOUR * 24);
    rig.step(StoreInput::Tick);
    assert!(rig.jobs.is_empty(), "the day is over, but only just");
    rig.advance(HOUR * 2);
    rig.step(StoreInput::Tick);
    rig.build();
    assert_eq!(segments(&mut rig), [3]);
    segment(&mut rig, 0);
    rig.step(StoreInput::Tick);
    assert!(rig.jobs.is_empty(), "it is not quiet");
    rig.advance(HOUR * 2);
    rig.step(StoreInput::Tick);
    rig.build();
    assert_eq!((segments(&mut rig), rig.offsets()), (vec![4], vec![0, 10, 20, 30]));
}

#[test]
fn a_merged_segment_has_bounds() {
    let mut rig = Rig::new(StoreConfig { merge_segments: 2, merge_bytes: 40, merge_events: 3, ..small() });
    rig.begin();
    for _ in 0..7 {
        segment(&mut rig, 1);
        rig.step(StoreInput::Tick);
        rig.build();
    }
    rig.advance(HOUR * 2);
    for _ in 0..5 {
        rig.step(StoreInput::Tick);
        rig.build();
    }
    let sizes = segments(&mut rig);
    assert!(sizes.iter().all(|&events| events <= 3) && sizes.len() <= 4, "{sizes:?}");
    assert_eq!(rig.offsets().len(), 7);
}

#[test]
fn queries_go_on_in_the_parts() {
    let mut rig = ready(2);
    segment(&mut rig, 0);
    segment(&mut rig, 0);
    let before = rig.snapshot();
    rig.build();
    let after = rig.snapshot();
    let query = crate::query::Matcher::new(&crate::query::Query::All).unwrap();
    let question = Question { matcher: &query, window: Window::ALL };
    for (snapshot, segments) in [(before, 2), (after, 1)] {
        let view = snapshot.partitions.values().next().unwrap();
        let mut hits = 0;
        for segment in &view.segments {
            let count = &mut hits;
            let visit = &mut |_| {
                *count += 1;
                ControlFlow::Continue(())
            };
            segment.scan(&question, Order::Newest, None, &Budget::unlimited(), visit).unwrap();
        }
        assert_eq!((view.segments.len(), hits), (segments, 2));
    }
}

#[test]
fn a_death_at_any_call_of_a_merge_leaves_every_event_once() {
    let mut outcomes = [0, 0];
    for calls in 0..60 {
        let mut rig = ready(2);
        segment(&mut rig, 0);
        segment(&mut rig, 0);
        rig.files.die_after(calls);
        rig.build();
        let survived = !rig.files.is_dead();
        if calls % 2 == 0 {
            rig.power_cut()
        } else {
            rig.kill()
        }
        rig.open().unwrap();
        assert_eq!(rig.offsets(), [0, 10], "after {calls} calls");
        let merged = segments(&mut rig) == [2];
        outcomes[usize::from(merged)] += 1;
        assert!(merged || !survived);
        assert_eq!(names(&rig).len(), if merged { 2 } else { 3 }, "nothing is left that no manifest names");
        rig.hello();
        assert_eq!(ledger(&mut rig).held.events, 2);
    }
    assert!(outcomes.iter().all(|&n| n > 5), "{outcomes:?}");
}

#[test]
fn a_full_disk_keeps_the_parts_and_leaves_nothing() {
    let mut rig = ready(2);
    segment(&mut rig, 0);
    segment(&mut rig, 0);
    let before = names(&rig);
    rig.disk.set_capacity(rig.disk.used() + 20);
    rig.build();
    assert!(rig.core().status().merge_error.is_some());
    assert_eq!((names(&rig), segments(&mut rig)), (before, vec![1, 1]));
    rig.disk.set_capacity(1 << 30);
    rig.step(StoreInput::Tick);
    assert!(rig.jobs.is_empty(), "it rests");
    rig.advance(Duration::from_secs(61));
    rig.step(StoreInput::Tick);
    rig.build();
    assert_eq!((rig.core().status().merge_error, segments(&mut rig)), (None, vec![2]));
}

#[test]
fn what_is_kept_for_newest_lines_is_not_for_merges() {
    let mut rig = ready(2);
    segment(&mut rig, 0);
    rig.kill();
    rig.config.low_water_bytes = Some(100_000);
    rig.open().unwrap();
    rig.hello();
    segment(&mut rig, 0);
    rig.jobs.clear();
    rig.reopen();
    rig.disk.set_capacity(rig.disk.used() + 100_000);
    rig.step(StoreInput::Tick);
    assert!(rig.jobs.is_empty());
    rig.disk.set_capacity(1 << 30);
    rig.step(StoreInput::Tick);
    assert_eq!(rig.jobs.len(), 1);
}

#[test]
fn retention_wins_over_a_merge() {
    for late in [false, true] {
        let mut rig = ready(2);
        rig.kill();
        rig.config.retention_age = Some(HOUR * 48);
        rig.open().unwrap();
        rig.begin();
        segment(&mut rig, 2);
        segment(&mut rig, 2);
        let job = rig.jobs.remove(0);
        assert!(job.is_merge());
        rig.advance(HOUR * 24);
        // The merge ends before its partition goes, or after.
        let outcome = if late { Err(job) } else { Ok(job.run(&*rig.files, &NaiveBuilder)) };
        rig.step(StoreInput::Tick);
        assert!(rig.offsets().is_empty());
        let outcome = outcome.unwrap_or_else(|job| job.run(&*rig.files, &NaiveBuilder));
        rig.step(StoreInput::Built(outcome));
        assert!(rig.offsets().is_empty());
        use outside::Files as _;
        let left = rig.files.list(Path::new("/data/partitions/local/default")).unwrap();
        assert!(left.is_empty(), "{left:?}");
        let row = ledger(&mut rig);
        assert_eq!((row.held.events, row.removed.events), (0, 2));
    }
}

#[test]
fn parts_that_do_not_add_up_are_not_replaced() {
    let mut rig = ready(2);
    segment(&mut rig, 0);
    segment(&mut rig, 0);
    // A manifest that says of a segment what it does not hold.
    let path = folder(&rig).join("partition.manifest");
    rig.kill();
    let text = rig.disk.contents(&path).unwrap();
    let body = String::from_utf8_lossy(&text[24..]).into_owned();
    let at = body.find("\"hash\": \"").unwrap() + 9;
    let mut body = body.into_bytes();
    body[at] = if body[at] == b'0' { b'1' } else { b'0' };
    rig.files = rig.disk.process();
    super::super::super::manifest::replace_whole(
        &*rig.files,
        &path,
        super::super::super::manifest::PARTITION_KIND,
        &body,
    )
    .unwrap();
    rig.open().unwrap();
    rig.step(StoreInput::Tick);
    rig.build();
    let error = rig.core().status().merge_error.unwrap();
    assert!(error.contains("do not add up"), "{error}");
    assert_eq!(segments(&mut rig), [1, 1]);
}
