//! Tests of the store's core on a simulated disk with the naive segment builder.
//!
//! | protocol rule | test |
//! |---|---|
//! | 3 epochs, fencing | [`streams::an_older_epoch_is_refused`], [`streams::epochs_go_on_after_restarts_and_wipes`] |
//! | 4 marks by owner and stream | [`streams::owners_do_not_share_streams`] |
//! | 5 open before ranges | [`streams::ranges_of_an_unknown_stream_are_refused`], [`streams::opening_again_tells_mark_context_and_anchors`] |
//! | 6 claims | [`streams::a_claim_fences_who_had_the_stream`] |
//! | 8 anchors kept | [`streams::anchors_are_thinned_out`] |
//! | 18 provisional | [`provisional`] (module) |
//! | 19, 20 gap-free, gap, straddles, trimming | [`rules::a_gap_is_refused_with_the_mark`], [`rules::an_event_over_the_mark_straddles`], [`rules::other_fates_are_trimmed_at_the_mark`], [`rules::malformed_ranges_are_refused_with_the_offset`] |
//! | 21 covered, durable before answered | [`rules::a_resend_is_covered_with_fates_and_sum`], [`durable::no_answer_before_the_sync`], [`durable::after_a_failed_sync_nothing_is_answered_until_restarted`] |
//! | 22 rejected | [`rules::a_rejected_event_moves_no_mark`] |
//! | 23 replay | [`books::dead_ranges_come_back_as_events`] |
//! | 24 sums add up | [`books::the_ledger_adds_up_over_memory_segments_and_retention`] |
//! | 29 marks outlive data | [`retention::marks_go_after_file_and_data`] |
//! | 30 lost to unknown end | [`books::a_loss_of_unknown_end_closes_the_stream`] |
//! | 32 decided once | [`places::time_and_partition_are_decided_once`] |
//! | 33, 34 manifests, mark table, recovery | [`model`], [`damage`] (modules), [`durable::what_no_manifest_names_is_removed`] |
//! | 35 leaving memory | [`durable::newest_lines_leave_memory_by_count_age_and_wal`] |
//! | 36 low water, full disk | [`durable::a_full_disk_refuses_and_recovers_by_itself`], [`durable::a_flush_on_a_full_disk_keeps_block_and_wal`], [`durable::below_low_water_nothing_new_is_taken`] |
//! | 37 retention and clock | [`retention`] (module) |
//! | 33, 36, 39 merges | [`merge`] (module) |
//! | 39 one swap | [`durable::a_hand_over_is_one_swap`], [`provisional`] |
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod books;
mod damage;
mod durable;
mod merge;
mod model;
mod places;
mod provisional;
mod retention;
mod rig;
mod rules;
mod streams;
