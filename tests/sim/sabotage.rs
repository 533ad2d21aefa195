//! Built with one safeguard off, the simulation must go red.

use outside::Safeguard;
use tests::{Options, run};

/// Runs within which a missing safeguard must be noticed.
const RUNS: u64 = 3_000;

fn goes_red_without(safeguard: Safeguard) {
    let noticed = (0..RUNS).find_map(|seed| safeguard.without(|| run(seed, Options::default())).err());
    match noticed {
        Some(failure) => println!("without {safeguard:?}: {}", failure.to_string().lines().next().unwrap_or_default()),
        None => panic!("{RUNS} runs without {safeguard:?} passed: the simulation does not see it"),
    }
}

macro_rules! twins {
    ($($name:ident: $safeguard:ident),* $(,)?) => {
        $(#[test] fn $name() { goes_red_without(Safeguard::$safeguard); })*
    };
}

twins! {
    answering_before_fsync: SyncBeforeAnswer,
    no_sync_of_folders: SyncFolder,
    mark_ignored: MarkChecked,
    mark_answered_before_it_is_durable: MarkDurableBeforeAnswer,
    cut_not_journaled: CutJournaled,
    gap_skipped: GapRefused,
    bytes_before_the_offset_not_compared: AnchorChecked,
    files_not_compared_by_content: ContentMatched,
    loss_not_journaled: LossJournaled,
    older_starts_not_refused: EpochChecked,
    incarnation_not_noticed: IncarnationNoticed,
    replay_without_the_partitions_number: ReplayByPartition,
    provisional_not_replaced: ProvisionalReplaced,
    old_events_sent: OldExcluded,
    dead_without_a_letter: LetterBeforeDead,
    letter_removed_before_its_replay_was_taken: LetterUntilReplayed,
    hand_over_in_two_swaps: HandOverAtomic,
    merged_segments_removed_before_the_manifest: MergeNamedFirst,
}
