//! Built with one safeguard off, the simulation must go red.

use outside::Safeguard;
use tests::{Options, run};

/// Runs within which a missing safeguard must be noticed.
const RUNS: u64 = 3_000;

/// Seeds of runs in which something is likelier: one of so many, beginning with this.
type Likelier = (u64, u64);
const ANY: Likelier = (1, 0);
/// Stores are wiped more often.
const MORE_OF_THE_RARE: Likelier = (4, 2);

fn goes_red_without(safeguard: Safeguard, (step, first): Likelier) {
    let mut seeds = (0..RUNS).map(|n| n * step + first);
    let noticed = seeds.find_map(|seed| safeguard.without(|| run(seed, Options::default())).err());
    match noticed {
        Some(failure) => println!("without {safeguard:?}: {}", failure.to_string().lines().next().unwrap_or_default()),
        None => panic!("{RUNS} runs without {safeguard:?} passed: the simulation does not see it"),
    }
}

macro_rules! twins {
    ($($name:ident: $safeguard:ident in $likelier:ident),* $(,)?) => {
        $(#[test] fn $name() { goes_red_without(Safeguard::$safeguard, $likelier); })*
    };
}

twins! {
    answering_before_fsync: SyncBeforeAnswer in ANY,
    no_sync_of_folders: SyncFolder in ANY,
    mark_ignored: MarkChecked in ANY,
    mark_answered_before_it_is_durable: MarkDurableBeforeAnswer in ANY,
    cut_not_journaled: CutJournaled in ANY,
    gap_skipped: GapRefused in ANY,
    bytes_before_the_offset_not_compared: AnchorChecked in ANY,
    files_not_compared_by_content: ContentMatched in ANY,
    loss_not_journaled: LossJournaled in ANY,
    older_starts_not_refused: EpochChecked in ANY,
    claimed_streams_not_fenced: ClaimFences in ANY,
    straddling_events_taken: StraddleRefused in ANY,
    wal_cut_before_the_marks: MarksBeforeCut in ANY,
    state_folder_not_locked: FolderLocked in ANY,
    state_written_over_itself: StateInTurn in ANY,
    incarnation_not_noticed: IncarnationNoticed in MORE_OF_THE_RARE,
    replay_without_the_partitions_number: ReplayByPartition in ANY,
    provisional_not_replaced: ProvisionalReplaced in ANY,
    old_events_sent: OldExcluded in ANY,
    dead_without_a_letter: LetterBeforeDead in ANY,
    letter_removed_before_its_replay_was_taken: LetterUntilReplayed in ANY,
    hand_over_in_two_swaps: HandOverAtomic in ANY,
    merged_segments_removed_before_the_manifest: MergeNamedFirst in ANY,
}
