//! The list of cases, and the macros that make a test of each.

/// Makes one test per case of the contract of rows. The argument is called as `maker().await` for every test and returns a
/// fresh [`RowFixture`](crate::testing::row_contract::RowFixture). The calling crate needs `tokio` with `macros` and
/// `rt-multi-thread`.
///
/// ```ignore
/// mod memory_rows {
///     ordo_actors::row_store_contract!(|| async { Arc::new(MemoryRows::new()) as Arc<dyn RowStore> });
/// }
/// ```
#[macro_export]
macro_rules! row_store_contract {
    ($maker:expr) => {
        $crate::row_store_contract! { @cases $maker; rows:
            a_table_that_was_never_written_is_empty
            a_row_reads_back_as_it_was_written
            extreme_values_are_kept
            a_row_that_is_there_is_overwritten
            a_row_written_again_as_it_was_stays
            a_deleted_row_is_gone
            a_row_that_is_not_there_may_be_deleted
            a_deleted_row_may_be_written_again
            of_two_writes_in_a_commit_the_last_wins
            a_write_after_a_delete_in_a_commit_wins
            a_delete_after_a_write_in_a_commit_wins
            a_key_of_two_columns_is_one_key
            one_commit_writes_several_tables
            keys_that_share_their_bytes_are_told_apart
            rows_are_fetched_in_the_order_of_the_keys
            a_key_without_a_row_leaves_a_hole
            a_key_asked_for_twice_is_answered_twice
            a_page_of_large_rows_ends_early_and_the_next_goes_on
            no_keys_fetch_no_rows
            a_thousand_keys_are_fetched_at_once
            a_commit_of_five_thousand_rows_is_written_whole
            a_commit_without_changes_moves_the_checkpoint
        }
        $crate::row_store_contract! { @cases $maker; checkpoints:
            a_read_model_that_never_ran_stands_nowhere
            the_first_claim_stands_at_the_start_and_is_live
            the_second_generation_claimed_is_not_live
            a_commit_moves_the_checkpoint
            a_commit_may_follow_another_log
            a_commit_from_an_earlier_position_writes_nothing
            a_commit_from_a_later_position_writes_nothing
            a_commit_of_another_owner_writes_nothing
            a_commit_of_another_epoch_writes_nothing
            a_commit_to_a_generation_nobody_claimed_writes_nothing
            a_commit_of_a_read_model_nobody_claimed_writes_nothing
            the_same_commit_goes_through_once
            of_many_commits_from_one_place_one_goes_through
            a_claim_keeps_position_and_epoch
            a_claim_supersedes_the_runner_before
            a_claim_may_be_repeated
            of_many_first_claims_one_makes_the_checkpoint
            read_models_stand_apart
            the_largest_generation_is_a_generation
        }
        $crate::row_store_contract! { @cases $maker; generations:
            generations_hold_rows_of_their_own
            a_delete_stays_in_its_generation
            a_claim_of_the_next_generation_leaves_the_runner_of_the_live_one
            a_switch_makes_a_generation_live
            a_switch_back_is_a_switch
            a_switch_to_the_live_generation_changes_nothing
            a_switch_leaves_both_runners_at_work
            a_switch_from_another_place_is_superseded
            a_switch_leaves_other_read_models
            a_discarded_generation_leaves_nothing
            a_discard_leaves_the_other_generations
            the_live_generation_is_never_discarded
            a_discard_deletes_at_most_its_limit
            a_discard_begun_supersedes_the_runner
            a_discard_begun_leaves_a_checkpoint_of_no_log
            a_commit_to_a_discarded_generation_writes_nothing
            a_discarded_generation_may_be_built_again
            a_generation_that_never_was_is_discarded_already
            tables_that_are_not_named_are_not_discarded
        }
        $crate::row_store_contract! { @cases $maker; letters:
            a_read_model_without_dead_letters_has_none
            a_parked_stream_reads_back_as_it_was_parked
            parked_streams_come_by_position
            a_stream_parked_again_is_written_anew
            a_skipped_stream_stays_parked_and_says_who_skipped_it
                a_skipped_stream_may_be_parked_as_one_that_is_not
                a_freed_stream_is_parked_no_more
            a_stream_that_is_not_parked_may_be_freed
            a_stream_freed_and_parked_at_once_is_parked
            streams_are_parked_and_freed_with_the_rows
            a_superseded_commit_parks_and_frees_nothing
            parked_streams_stay_parked_over_a_claim
            a_stream_is_parked_for_one_generation_of_one_read_model
            a_discard_counts_parked_streams_against_its_limit
        }
        $crate::row_store_contract! { @cases $maker; pages:
            an_empty_table_has_an_empty_page
            a_page_is_ordered_by_its_column
            a_page_is_ordered_from_large_to_small
            a_page_is_ordered_by_the_key
            a_page_is_ordered_by_text
            a_page_may_be_ordered_by_a_column_without_an_index
            equal_values_are_ordered_by_key
            equal_values_are_ordered_by_the_whole_key
            a_page_may_be_ordered_by_the_second_column_of_the_key
            a_page_may_be_ordered_by_the_first_column_of_the_key
            numbers_are_ordered_as_numbers
            text_is_ordered_by_its_bytes
            text_is_compared_by_its_bytes
            a_page_holds_at_most_its_limit
            a_page_of_no_rows_is_empty
            no_page_holds_more_than_the_cap
            a_changed_row_stands_in_its_new_place_alone
            a_deleted_row_is_gone_from_every_order
            a_row_changed_back_and_forth_stays_one
            a_row_comes_with_all_its_columns
        }
        $crate::row_store_contract! { @cases $maker; conditions:
            is_finds_what_is_equal
            from_includes_its_value
            before_excludes_its_value
            a_range_has_two_ends
            of_several_ranges_the_narrowest_holds
            a_range_of_keys_is_a_range
            a_key_may_be_a_condition
            a_condition_on_another_column_keeps_the_order
            a_condition_and_a_range_hold_together
            two_columns_may_be_fixed
            a_condition_on_a_column_without_an_index_holds
            the_column_of_the_order_may_be_fixed
            conditions_that_exclude_each_other_find_nothing
            a_limit_counts_the_rows_that_satisfy_the_conditions
            a_part_of_the_key_may_be_a_condition
            the_second_column_of_the_key_may_be_a_condition
            a_condition_takes_text_for_text_and_nothing_else
        }
        $crate::row_store_contract! { @cases $maker; cursors:
            pages_follow_one_another_without_gap_or_double
            pages_over_a_key_of_two_columns_follow_one_another
            a_page_goes_on_within_a_tie
            nothing_comes_behind_the_last_row
            a_page_goes_on_behind_a_row_that_is_gone
            a_page_goes_on_behind_a_row_that_never_was
            rows_inserted_before_the_cursor_do_not_show
            rows_inserted_behind_the_cursor_show_in_their_place
            rows_that_stay_are_each_seen_once_while_others_come_and_go
            a_cursor_outside_the_conditions_is_a_place_all_the_same
            a_cursor_of_another_key_is_a_place_all_the_same
            a_long_search_goes_on_where_it_was
        }
        $crate::row_store_contract! { @cases $maker; atomicity:
            a_page_never_shows_half_a_commit
            a_page_along_an_index_never_shows_half_a_commit
            rows_fetched_together_are_of_one_moment
            who_sees_one_table_of_a_commit_sees_the_other
            who_sees_a_checkpoint_sees_its_rows
            a_commit_is_seen_by_reads_that_begin_after_it
            two_read_models_commit_beside_each_other
            a_long_search_amid_commits_shows_each_row_once
        }
    };
    (@cases $maker:expr; $topic:ident: $($case:ident)+) => {
        $(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let fixture = ($maker)().await;
                let rows = $crate::testing::row_contract::RowFixture::rows(&fixture);
                $crate::testing::row_contract::$topic::$case(rows).await;
            }
        )+
    };
}

/// Makes one test per rule that only durable rows can keep. The argument is as for
/// [`row_store_contract!`](crate::row_store_contract); the fixture must say how to `reopen`.
#[macro_export]
macro_rules! durable_row_store_contract {
    ($maker:expr) => {
        $crate::durable_row_store_contract! { @cases $maker;
            rows_survive
            the_checkpoint_survives
            a_runner_of_before_is_superseded_by_a_claim_after
            which_generation_is_live_survives
            a_discarded_generation_stays_discarded
            a_discard_goes_on_where_it_was_cut_off
            parked_streams_survive
        }
    };
    (@cases $maker:expr; $($case:ident)+) => {
        $(
            #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let fixture = ($maker)().await;
                $crate::testing::row_contract::durability::$case(fixture).await;
            }
        )+
    };
}
