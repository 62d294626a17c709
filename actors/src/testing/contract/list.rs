//! The list of cases, and the macros that make a test of each.

/// Makes one test per case of the store contract. The argument is called as `maker().await` for every test and returns a
/// fresh [`ContractFixture`](crate::testing::contract::ContractFixture). The calling crate needs `tokio` with `macros` and
/// `rt-multi-thread`.
///
/// ```
/// mod memory_store {
///     use std::sync::Arc;
///
///     use ordo_actors::{EventStore, stores::memory::MemoryStore};
///
///     ordo_actors::store_contract!(|| async { Arc::new(MemoryStore::new()) as Arc<dyn EventStore> });
/// }
/// ```
#[macro_export]
macro_rules! store_contract {
    ($maker:expr) => {
        $crate::store_contract! { @cases $maker; append:
            a_new_log_is_empty
            an_empty_batch_changes_nothing
            the_first_event_has_version_one_and_position_one
            an_event_reads_back_from_its_stream_as_it_was_answered
            an_event_reads_back_from_the_log_as_it_was_answered
            an_event_carries_what_the_commit_said
            the_events_of_a_commit_keep_their_order
            versions_go_on_from_commit_to_commit
            every_stream_counts_its_own_versions
            positions_go_on_over_all_streams
            a_commit_answers_the_position_of_its_last_event
            a_commit_without_events_answers_the_head_and_appends_nothing
            a_commit_without_events_answers_zero_on_an_empty_log
            the_head_is_the_position_of_the_last_event
            the_epoch_is_the_same_at_every_look
            a_ping_is_answered
            a_stream_may_have_any_uuid
            a_commit_of_two_thousand_events_is_written_whole
            a_batch_of_a_thousand_commits_is_written_whole
            long_names_of_types_are_kept
            a_large_schema_version_is_kept
            two_streams_are_written_by_one_commit
            the_order_of_the_writes_is_the_order_in_the_log
            streams_of_different_aggregate_types_share_a_commit
        }
        $crate::store_contract! { @cases $maker; versions:
            no_stream_refuses_a_stream_that_has_events
            exact_zero_refuses_a_stream_that_has_events
            exact_accepts_the_end_of_the_stream
            exact_refuses_a_version_that_has_been_passed
            exact_refuses_a_version_that_is_still_to_come
            exact_refuses_a_stream_that_does_not_exist
            any_accepts_a_stream_that_does_not_exist
            any_accepts_a_stream_that_has_events
            a_conflict_writes_nothing
            a_conflict_takes_no_position
            a_conflict_does_not_use_its_key
            a_conflict_leaves_no_snapshot
            after_a_conflict_the_version_it_told_is_accepted
            a_write_without_events_accepts_the_version_it_demands
            a_write_without_events_refuses_another_version
            a_write_without_events_makes_no_stream
            a_write_without_events_leaves_the_version_where_it_is
            one_stream_in_conflict_refuses_the_whole_commit
            a_conflict_in_the_first_stream_refuses_the_second
            the_first_write_in_conflict_is_the_one_named
            a_demand_on_one_stream_guards_the_events_of_another
            a_stream_is_no_other_stream
            the_ends_of_streams_are_told_in_the_order_asked
            a_stream_asked_for_twice_is_told_twice
            the_ends_of_a_thousand_streams_are_told_at_once
        }
        $crate::store_contract! { @cases $maker; batches:
            verdicts_come_in_the_order_of_the_commits
            a_conflict_loses_alone
            a_loser_leaves_no_hole_in_the_positions
            a_commit_sees_the_versions_of_those_before_it
            of_two_commits_with_the_same_demand_the_first_wins
            a_stream_is_made_once_in_a_batch
            any_goes_on_where_the_batch_has_come
            the_events_of_a_loser_do_not_count_for_those_after_it
            a_batch_of_losers_changes_nothing
            streams_may_alternate_within_a_batch
            a_commit_without_events_answers_the_head_at_its_place_in_the_batch
            a_demand_without_events_sees_the_commits_before_it
            commits_over_two_streams_see_each_other
            every_commit_of_a_batch_keeps_its_own_events
            a_commit_goes_on_from_the_one_it_follows
            a_commit_loses_with_the_one_it_follows
            a_commit_loses_with_one_it_follows_from_afar
            a_commit_loses_with_the_repetition_it_follows
            a_repetition_is_one_whatever_it_follows
            a_commit_that_follows_another_demands_its_version_too
            the_first_of_a_batch_follows_nothing_that_lost
        }
        $crate::store_contract! { @cases $maker; idempotency:
            a_key_that_was_not_used_has_no_record
            a_record_reads_back_with_the_position_of_its_commit
            the_position_written_with_a_record_is_ignored
            a_key_is_used_once
            a_duplicate_writes_nothing
            a_key_is_looked_at_before_the_versions
            a_key_is_used_once_in_a_batch
            a_key_is_looked_at_before_the_versions_within_a_batch
            the_key_of_a_loser_is_free_for_those_after_it
            keys_of_different_scopes_never_meet
            a_key_may_be_any_text
            a_record_without_events_is_kept_with_the_head
            a_record_without_events_is_kept_on_an_empty_log
            a_record_without_events_gets_the_head_at_its_place_in_the_batch
            a_record_whose_demand_fails_is_not_kept
            a_record_with_a_demand_that_holds_is_kept
            an_answer_is_kept_byte_for_byte
            a_fingerprint_is_kept_byte_for_byte
            records_before_a_time_are_forgotten
            at_most_the_limit_is_forgotten_at_once
            a_limit_of_zero_forgets_nothing
            a_forgotten_key_can_be_used_again
            forgetting_keys_leaves_the_events
        }
        $crate::store_contract! { @cases $maker; queries:
            a_stream_reads_from_a_version_on
            a_stream_reads_whole_from_version_zero
            a_stream_reads_nothing_past_its_end
            a_stream_reads_at_most_the_limit
            a_stream_that_does_not_exist_reads_as_nothing
            a_stream_reads_in_order_across_other_streams
            the_log_reads_after_a_position
            the_log_reads_nothing_past_its_end
            the_log_reads_at_most_the_limit
            the_log_reads_in_pages_without_gap_or_double
            the_log_stays_in_commit_order_when_clocks_go_back
            the_log_filters_by_stream
            the_log_filters_by_one_event_type
            the_log_filters_by_several_event_types
            the_log_finds_nothing_of_an_event_type_that_never_was
            the_log_takes_names_for_text_and_nothing_else
            the_log_filters_by_aggregate_type
            the_log_filters_from_a_time_on
            the_log_filters_up_to_a_time_and_not_at_it
            the_log_filters_by_a_range_of_time
            times_are_compared_to_the_microsecond
            the_log_filters_by_stream_and_position
            the_log_filters_by_stream_and_event_type
            the_log_filters_by_stream_and_time
            the_log_finds_nothing_of_a_stream_under_another_aggregate_type
            the_log_filters_by_aggregate_type_and_event_type
            the_log_filters_by_event_type_and_time
            the_log_filters_by_aggregate_type_and_time
            the_log_filters_by_everything_at_once
            a_limit_counts_what_matches
            a_filtered_log_reads_in_pages_without_gap_or_double
            a_filtered_stream_reads_in_pages_without_gap_or_double
            no_read_returns_more_than_the_cap
            a_read_ends_with_the_event_that_brings_it_to_its_bytes
            a_read_returns_one_event_however_large
            a_read_tells_whether_it_came_to_the_end
            a_rare_event_is_found_far_down_the_log
            both_ways_of_reading_show_the_same_event
            events_of_several_schema_versions_are_found_by_one_type
        }
        $crate::store_contract! { @cases $maker; payloads:
            an_empty_object_comes_back
            every_json_value_comes_back
            unicode_comes_back
            escapes_come_back_as_they_were_written
            a_null_character_comes_back
            blanks_and_line_breaks_come_back
            the_order_of_the_keys_comes_back
            a_key_said_twice_comes_back_twice
            long_whole_numbers_come_back
            numbers_come_back_as_they_were_written
            numbers_beyond_floating_point_come_back
            deep_nesting_comes_back
            a_payload_of_a_megabyte_comes_back
            an_object_of_many_keys_comes_back
            text_that_looks_like_another_language_comes_back
            payloads_of_one_commit_are_not_mixed_up
        }
        $crate::store_contract! { @cases $maker; metadata:
            empty_metadata_comes_back
            full_metadata_comes_back
            every_part_of_the_metadata_may_stand_alone
            metadata_may_be_any_text
            every_commit_of_a_batch_keeps_its_own_metadata_and_time
            the_streams_of_a_commit_share_its_metadata_and_time
            a_time_comes_back_to_the_microsecond
            a_time_before_1970_comes_back
            a_time_of_the_far_future_comes_back
        }
        $crate::store_contract! { @cases $maker; snapshots:
            a_stream_that_does_not_exist_has_no_snapshot
            a_stream_without_a_snapshot_has_none
            a_snapshot_reads_back_as_written
            a_snapshot_carries_the_position_of_its_version
            the_position_written_with_a_snapshot_is_ignored
            a_newer_snapshot_takes_the_place_of_the_older
            later_events_leave_a_snapshot_as_it_is
            a_snapshot_may_come_without_events
            a_snapshot_of_the_same_version_is_replaced
            a_snapshot_of_another_schema_takes_the_place
            a_large_snapshot_schema_is_kept
            streams_have_their_own_snapshots
            of_the_snapshots_of_a_batch_the_last_remains
            the_snapshot_of_a_loser_leaves_the_kept_one
            the_state_of_a_snapshot_is_kept_byte_for_byte
        }
        $crate::store_contract! { @cases $maker; kinds:
            an_empty_log_has_no_kinds
            a_kind_is_listed_once_however_often_it_occurs
            event_types_are_kinds_of_their_own
            schema_versions_are_kinds_of_their_own
            aggregate_types_are_kinds_of_their_own
            the_kinds_of_a_whole_batch_are_listed
            a_conflict_leaves_no_kind
            a_duplicate_leaves_no_kind
        }
        $crate::store_contract! { @cases $maker; concurrency:
            positions_have_no_hole_under_many_writers
            every_verdict_names_the_positions_its_events_have
            versions_have_no_hole_under_many_writers
            of_many_writers_of_one_version_one_wins
            of_many_uses_of_one_key_one_wins
            commits_that_name_streams_in_opposite_orders_all_end
            a_reader_beside_many_writers_misses_nothing
            several_readers_beside_many_writers_miss_nothing
            a_reader_beside_writers_sees_a_commit_whole
            the_head_never_runs_ahead_of_the_log
            what_was_acknowledged_is_read_at_once
        }
    };
    (@cases $maker:expr; $topic:ident: $($case:ident)+) => {
        $(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let fixture = ($maker)().await;
                let store = $crate::testing::contract::ContractFixture::store(&fixture);
                $crate::testing::contract::$topic::$case(store).await;
            }
        )+
    };
}

/// Makes one test per rule that only a durable store can keep: what was acknowledged is there when the store is opened again.
/// The argument is as for [`store_contract!`](crate::store_contract); the fixture must say how to `reopen`.
#[macro_export]
macro_rules! durable_store_contract {
    ($maker:expr) => {
        $crate::durable_store_contract! { @cases $maker;
            acknowledged_events_survive
            every_winner_of_a_batch_survives_and_no_loser
            payloads_survive_byte_for_byte
            the_epoch_survives
            the_epoch_of_an_empty_log_survives
            positions_go_on_without_a_hole
            versions_go_on_and_are_still_demanded
            idempotency_records_survive
            a_record_without_events_survives
            forgotten_records_stay_forgotten
            snapshots_survive
            kinds_survive
        }
    };
    (@cases $maker:expr; $($case:ident)+) => {
        $(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let fixture = ($maker)().await;
                $crate::testing::contract::durability::$case(fixture).await;
            }
        )+
    };
}
