//! What is durable when: sync, flush, cut, full disk.

use super::rig::{DAY, NOW, ROOT, Rig, STREAM, all, events, events_at, mark_of, open, small};
use crate::store::core::{StoreConfig, StoreInput, Ticket};
use crate::store::naive::NaiveBuilder;
use outside::Files;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wire::{Message, Refusal, Verdict};

fn ready(config: StoreConfig) -> Rig {
    let mut rig = Rig::new(config);
    rig.begin();
    rig
}

fn is_busy(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Refused(Refusal::Busy { .. }))
}

#[test]
fn no_answer_before_the_sync() {
    let mut rig = ready(small());
    assert!(rig.request(1, vec![events(0, &[10, 20])]).is_empty());
    assert!(rig.offsets().is_empty());
    let answers = rig.step(StoreInput::Sync);
    assert_eq!(answers.len(), 1);
    assert_eq!(mark_of(&answers[0].1.verdicts[0]), 20);
    assert_eq!(rig.offsets(), [0, 10]);
    rig.power_cut();
    rig.open().unwrap();
    assert_eq!(rig.offsets(), [0, 10]);
    rig.flush();
    assert_eq!(rig.offsets(), [0, 10]);
    rig.power_cut();
    rig.open().unwrap();
    assert_eq!(rig.offsets(), [0, 10]);
}

#[test]
fn after_a_failed_sync_nothing_is_answered_until_restarted() {
    let mut rig = ready(small());
    rig.request(1, vec![events(0, &[10])]);
    rig.request(2, vec![open(STREAM)]);
    rig.disk.fail_syncs(1);
    assert!(rig.step(StoreInput::Sync).is_empty());
    assert_eq!(rig.unanswered, [Ticket(1), Ticket(2)]);
    assert!(rig.failed.is_some() && rig.core().status().failed.is_some());
    assert!(rig.offsets().is_empty());
    // Not even what was durable before.
    assert!(rig.request(3, vec![open(STREAM)]).is_empty());
    assert!(rig.step(StoreInput::Sync).is_empty() && rig.step(StoreInput::Tick).is_empty());
    assert_eq!(rig.unanswered, [Ticket(1), Ticket(2), Ticket(3)]);
    rig.power_cut();
    rig.open().unwrap();
    assert!(matches!(rig.send(open(STREAM)), Verdict::Open(state) if state.mark.0 == 0));
    assert_eq!(mark_of(&rig.send(events(0, &[10]))), 10);
}

#[test]
fn newest_lines_leave_memory_by_count_age_and_wal() {
    let mut rig = ready(StoreConfig { memory_events: 3, ..small() });
    rig.send(events(0, &[10, 20]));
    assert!(rig.jobs.is_empty());
    rig.send(events(20, &[30]));
    assert_eq!(rig.jobs.len(), 1);
    // While it is built, later events go into the next block.
    rig.send(events(30, &[40, 50, 60]));
    assert_eq!((rig.jobs.len(), rig.jobs[0].events()), (1, 3));
    rig.build();
    assert_eq!((rig.jobs.len(), rig.jobs[0].events()), (1, 3));
    rig.build();
    assert_eq!(rig.core().status().memory_events, 0);

    let mut rig = ready(StoreConfig { memory_bytes: 15, ..small() });
    rig.send(events(0, &[10]));
    assert!(rig.jobs.is_empty());
    rig.send(events(10, &[20]));
    assert_eq!(rig.jobs.len(), 1);

    let mut rig = ready(StoreConfig { memory_age: Duration::from_secs(600), ..small() });
    rig.send(events(0, &[10]));
    rig.advance(Duration::from_secs(599));
    rig.step(StoreInput::Tick);
    assert!(rig.jobs.is_empty());
    rig.advance(Duration::from_secs(1));
    rig.step(StoreInput::Tick);
    assert_eq!(rig.jobs.len(), 1);

    let mut rig = ready(StoreConfig { wal_bytes: 2000, ..small() });
    rig.send(events_at(0, &[10], Some(NOW - DAY)));
    rig.send(events(10, &[500]));
    assert!(rig.jobs.is_empty());
    rig.send(events(500, &[2000]));
    assert_eq!(rig.jobs.len(), 2, "all partitions, so that the WAL can be cut");
}

#[test]
fn the_largest_leave_memory_when_all_take_too_much_and_at_twice_that_nothing_is_taken() {
    let mut rig = ready(StoreConfig { memory_total_bytes: 3_000, ..small() });
    rig.send(events_at(0, &[10], Some(NOW - DAY)));
    let ends: Vec<u64> = (2..=5).map(|i| i * 10).collect();
    rig.send(events(10, &ends));
    assert!(rig.jobs.is_empty());
    rig.send(events_at(50, &[500, 1_000], Some(NOW)));
    assert_eq!((rig.jobs.len(), rig.jobs[0].events()), (1, 6), "today's, and nothing else");
    rig.send(events(1_000, &[4_000]));
    assert_eq!(rig.jobs.len(), 1, "one at a time");
    assert!(is_busy(&rig.send(events(4_000, &[4_010]))));
    assert_eq!(rig.core().status().full, None, "there is room on the disk");
    rig.build();
    rig.build();
    assert_eq!(mark_of(&rig.send(events(4_000, &[4_010]))), 4_010);
}

#[test]
fn twice_the_wal_limit_is_refused_until_segments_are_written() {
    let mut rig = ready(StoreConfig { wal_bytes: 1000, ..small() });
    assert_eq!(mark_of(&rig.send(events(0, &[2000]))), 2000);
    assert!(is_busy(&rig.send(events(2000, &[2010]))));
    rig.build();
    rig.step(StoreInput::Tick);
    assert_eq!(mark_of(&rig.send(events(2000, &[2010]))), 2010);
}

#[test]
fn the_wal_is_cut_and_the_marks_are_kept() {
    let mut rig = ready(StoreConfig { memory_events: 2, ..small() });
    for i in 0..40 {
        rig.send(events(i * 50, &[i * 50 + 50]));
        rig.build();
    }
    rig.step(StoreInput::Tick);
    assert!(rig.core().status().wal_bytes < 2500, "{}", rig.core().status().wal_bytes);
    for _ in 0..2 {
        rig.power_cut();
        rig.open().unwrap();
        assert_eq!(rig.offsets().len(), 40);
    }
    rig.hello();
    assert!(matches!(rig.send(open(STREAM)), Verdict::Open(state) if state.mark.0 == 2000));
}

#[test]
fn a_hand_over_is_one_swap() {
    let mut rig = ready(StoreConfig { memory_events: 2, ..small() });
    rig.send(events(0, &[10, 20]));
    let job = rig.jobs.pop().unwrap();
    rig.send(events(20, &[30]));
    let before = rig.snapshot();
    let outcome = job.run(&*rig.files, &NaiveBuilder);
    assert_eq!(rig.offsets(), [0, 10, 20]);
    rig.step(StoreInput::Built(outcome));
    assert_eq!(rig.offsets(), [0, 10, 20]);
    assert_eq!(rig.core().status().segments, 1);
    assert_eq!(all(&before).len(), 3, "a query that runs keeps what it sees");
}

#[test]
fn a_full_disk_refuses_and_recovers_by_itself() {
    for left in [0, 1, 30, 80, 150] {
        let mut rig = ready(small());
        rig.send(events(0, &[10]));
        rig.disk.set_capacity(rig.disk.used() + left);
        rig.request(1, vec![events(10, &[110])]);
        rig.request(2, vec![events(110, &[120])]);
        rig.request(3, vec![Message::Gone(STREAM)]);
        let answers = rig.step(StoreInput::Sync);
        assert!(answers.iter().all(|(_, answer)| is_busy(&answer.verdicts[0])) && answers.len() == 3, "{left}");
        assert!(rig.failed.is_none());
        rig.disk.set_capacity(1 << 30);
        // What was written all the same stays, once; the senders come again.
        rig.step(StoreInput::Tick);
        assert_eq!(mark_of(&rig.send(events(10, &[110]))).max(110), mark_of(&rig.send(events(10, &[110]))));
        assert_eq!(mark_of(&rig.send(events(110, &[120]))), 120);
        assert_eq!(rig.offsets(), [0, 10, 110]);
        rig.power_cut();
        rig.open().unwrap();
        assert_eq!(rig.offsets(), [0, 10, 110]);
    }
}

#[test]
fn below_low_water_nothing_new_is_taken() {
    let mut rig = ready(StoreConfig { low_water_bytes: Some(10_000), retention_bytes: Some(0), ..small() });
    rig.send(events_at(0, &[10], Some(NOW - DAY)));
    rig.send(events(10, &[20]));
    rig.disk.set_capacity(rig.disk.used() + 9_999);
    assert!(is_busy(&rig.send(events(20, &[30]))));
    assert!(rig.core().status().full.is_some());
    // Marks are told, and what frees space may run.
    assert!(matches!(rig.send(open(STREAM)), Verdict::Open(state) if state.mark.0 == 20));
    rig.flush();
    assert_eq!(rig.core().status().memory_events, 0);
    rig.step(StoreInput::Tick);
    assert_eq!(rig.offsets(), [10]);
    rig.disk.set_capacity(rig.disk.used() + 11_000);
    assert_eq!(mark_of(&rig.send(events(20, &[30]))), 30);
    assert!(rig.core().status().full.is_none());
}

#[test]
fn a_flush_on_a_full_disk_keeps_block_and_wal() {
    for left in [0, 100, 400, 900] {
        let mut rig = ready(StoreConfig { memory_events: 2, ..small() });
        rig.send(events(0, &[10, 20]));
        let files = tree(&rig);
        rig.disk.set_capacity(rig.disk.used() + left);
        rig.build();
        if rig.core().status().segments == 0 {
            assert!(rig.core().status().flush_error.is_some());
            assert_eq!(tree(&rig), files, "temporary files are gone");
            assert_eq!(rig.core().status().memory_events, 2);
            // Not again at once.
            rig.step(StoreInput::Tick);
            assert!(rig.jobs.is_empty());
        }
        assert_eq!(rig.offsets(), [0, 10]);
        rig.disk.set_capacity(1 << 30);
        rig.send(events(20, &[30]));
        rig.advance(Duration::from_secs(5));
        rig.flush();
        assert_eq!(rig.core().status().memory_events, 0);
        assert_eq!(rig.core().status().flush_error, None);
        assert_eq!(rig.offsets(), [0, 10, 20]);
        rig.power_cut();
        rig.open().unwrap();
        assert_eq!(rig.offsets(), [0, 10, 20]);
    }
}

#[test]
fn a_rename_nobody_synced_is_made_durable_before_the_cut() {
    // Every number of calls after which the process can die while it commits a segment.
    for calls in 0..40 {
        let mut rig = ready(StoreConfig { memory_events: 2, wal_segment_bytes: 100, ..small() });
        rig.send(events(0, &[10, 20]));
        rig.files.die_after(calls);
        rig.build();
        rig.reopen();
        rig.flush();
        rig.step(StoreInput::Tick);
        for _ in 0..2 {
            rig.power_cut();
            rig.open().unwrap();
            assert_eq!(rig.offsets(), [0, 10], "died after {calls} calls");
        }
    }
}

#[test]
fn what_no_manifest_names_is_removed() {
    let mut rig = ready(StoreConfig { memory_events: 2, ..small() });
    rig.send(events(0, &[10, 20]));
    rig.build();
    let mut kept = tree(&rig);
    let partition = kept.iter().find(|path| path.ends_with("partition.manifest")).unwrap().parent().unwrap().to_owned();
    let owner = partition.parent().unwrap().parent().unwrap().to_owned();
    for path in [
        Path::new(ROOT).join("store.tmp"),
        Path::new(ROOT).join("marks.tmp"),
        partition.join("partition.tmp"),
        partition.join("s0000000009/events"),
        owner.join("default/2026-01-01.9/partition.manifest"),
        owner.with_file_name("other").join("default/2026-01-01.9/s0000000001/events"),
    ] {
        rig.disk.append(&path, b"remains");
        rig.disk.make_folder(path.parent().unwrap());
    }
    let foreign = Path::new(ROOT).join("tokens");
    rig.disk.append(&foreign, b"not ours to remove");
    kept.push(foreign);
    kept.sort();
    rig.reopen();
    assert_eq!(tree(&rig), kept);
    assert_eq!(rig.offsets(), [0, 10]);
}

/// All files in the data folder.
fn tree(rig: &Rig) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(ROOT)];
    while let Some(folder) = folders.pop() {
        for name in rig.files.list(&folder).unwrap() {
            let path = folder.join(name);
            match rig.files.metadata(&path).unwrap().kind {
                outside::Kind::Folder => folders.push(path),
                _ => files.push(path),
            }
        }
    }
    files.sort();
    files
}
