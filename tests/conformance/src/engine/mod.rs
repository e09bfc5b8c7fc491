//! How workflows behave, on any store: scenarios, and [`engine_suite!`](crate::engine_suite) that makes tests of them.
#![allow(clippy::unwrap_used, reason = "the whole module is made of tests")]

mod invariants;
mod parcel;
mod place;

pub mod callbacks;
pub mod clients;
pub mod cluster;
pub mod connectors;
pub mod crash;
pub mod events;
pub mod hooks;
pub mod interrupts;
pub mod lifecycle;
pub mod retries;
pub mod schedules;
pub mod steps;
pub mod stream;
pub mod timeouts;

pub use invariants::{declared, holds_for};
pub use parcel::{
    Case, Counter, Desk, Office, Parcel, Stage, close, hand_over, pack, parcels, parcels_called, send,
    take_back,
};
pub use place::{Patience, Place, pass, skip_until, start, until};

/// Makes tests of every scenario; `$place` is an async function that gives a [`Place`] on an empty store.
#[macro_export]
macro_rules! engine_suite {
    ($place:path) => {
        $crate::engine_suite! { @module $place, callbacks:
            every_outcome_of_a_callback_can_be_told_apart
            several_callbacks_of_a_status_each_get_the_payload
            a_callback_that_fails_tells_its_caller_and_stores_nothing
            a_repeated_key_is_a_duplicate
            an_early_callback_is_kept_until_its_status_is_entered
            callbacks_that_come_together_do_not_overwrite_each_other
        }
        $crate::engine_suite! { @module $place, clients:
            triggers_that_come_together_start_one_run
            a_start_key_starts_one_run_for_ever
            a_trigger_knows_what_became_of_it
            many_runs_are_started_together
            a_run_can_be_started_in_a_later_status
            a_wait_never_hangs_and_ends_on_its_own_run_only
            moves_that_are_not_allowed_are_refused_with_both_states
            a_run_of_another_workflow_is_refused
            lists_filter_order_and_page
            a_purge_deletes_old_ended_runs_only
            metrics_have_their_names_and_count_what_is_stored
            options_of_a_part_do_not_reset_what_they_do_not_mention
        }
        $crate::engine_suite! { @module $place, cluster:
            a_cluster_shares_a_store_and_excludes_a_single_process
            processes_of_a_cluster_finish_each_others_runs
            a_handed_over_role_loses_nothing_and_repeats_nothing
            a_role_that_expires_is_taken_over
            a_process_begins_nothing_after_its_deadline
            a_process_that_does_not_know_of_its_loss_stores_nothing
            a_step_that_outlives_its_role_is_told_and_dropped
            a_crash_after_any_commit_is_taken_over
            a_client_without_engines_triggers_and_waits
            what_is_due_is_dealt_with_once
            workflows_that_differ_share_their_runs
        }
        $crate::engine_suite! { @module $place, connectors:
            no_event_is_lost_whatever_the_number_of_shards
            events_of_one_key_keep_their_order
            an_event_that_cannot_be_taken_is_set_aside
            an_event_that_is_taken_again_starts_no_second_run
            a_connector_can_call_back_and_cancel
        }
        $crate::engine_suite! { @matrix $place, crash:
            a_crash_after_any_commit_is_survived
            a_failed_commit_or_a_lost_answer_is_survived
            failing_reads_are_survived
            lost_and_repeated_events_are_survived
        }
        $crate::engine_suite! { @module $place, events:
            a_lost_event_is_sent_again_by_the_reconciler
            the_lost_event_of_a_retry_is_sent_again
            a_repeated_event_changes_nothing
            an_event_without_a_version_is_processed_if_the_status_matches
            events_that_cannot_be_processed_are_parked_with_the_reason
            an_object_that_cannot_be_read_pauses_its_run_alone
        }
        $crate::engine_suite! { @module $place, hooks:
            each_hook_is_called_for_its_own_state
            a_hook_is_called_although_its_event_was_lost
            a_failing_hook_is_retried_and_set_aside_in_the_end
            a_failing_hook_outlives_the_next_move_of_its_run
            a_slow_hook_is_called_once
            deleted_data_is_gone_from_the_record_and_its_history
            the_users_own_deletion_decides_what_is_left
        }
        $crate::engine_suite! { @module $place, interrupts:
            a_step_whose_run_is_cancelled_is_told_and_not_stored
            a_step_whose_run_is_paused_is_told_and_begun_again_after_the_resume
            a_step_is_not_told_of_the_callback_that_led_to_it
            a_step_that_does_not_listen_is_dropped_after_the_grace
            an_attempt_that_takes_too_long_is_dropped_and_counted
            an_event_is_taken_once_it_is_as_old_as_the_lag
            no_more_runs_are_in_flight_than_allowed
        }
        $crate::engine_suite! { @module $place, lifecycle:
            a_clean_shutdown_stores_what_runs
            a_shutdown_past_its_deadline_drops_what_runs
            a_shutdown_does_not_wait_for_a_lag
            a_workflow_that_is_dropped_stops
            two_workflows_run_on_one_backend
            what_would_share_roles_is_refused
            more_shards_than_partitions_are_refused
        }
        $crate::engine_suite! { @module $place, retries:
            a_failed_attempt_is_repeated_in_place_first
            attempts_are_numbered_backed_off_and_outlive_the_process
            a_run_is_paused_after_its_last_attempt_and_a_resume_goes_on
            a_run_that_must_not_be_paused_is_retried_for_ever
            a_run_that_the_engine_paused_is_resumed_after_a_while
            an_operators_pause_is_left_alone
            a_terminal_error_pauses_at_once
            a_panic_is_an_error_of_its_run
            a_time_out_error_ends_no_consumer_and_holds_up_no_other_run
            an_object_over_the_limit_is_refused
            the_epoch_rises_with_each_owner
        }
        $crate::engine_suite! { @module $place, schedules:
            a_schedule_starts_a_run_at_each_slot
            a_schedule_loses_no_slot_when_the_trigger_fails
            of_missed_slots_the_latest_is_made_up_for
            a_slot_is_skipped_while_the_previous_run_is_unfinished
            a_filter_passes_slots_over
            a_schedule_goes_by_its_own_time_zone
            a_schedule_can_be_added_while_running
        }
        $crate::engine_suite! { @module $place, steps:
            a_step_takes_its_run_to_a_declared_status
            a_skipped_step_is_not_run_again_by_itself
            a_repeated_event_does_not_run_a_skipped_step_again
            a_repeating_step_stores_its_object_and_runs_again_at_the_next_version
            a_step_pauses_its_run_with_a_reason
            a_step_cancels_its_run_with_a_reason
            an_undeclared_destination_pauses_the_run_and_stores_nothing
        }
        $crate::engine_suite! { @module $place, stream:
            partitions_that_are_added_are_noticed
            an_event_that_waits_in_the_stream_is_not_sent_again
            a_lost_event_of_a_cluster_is_sent_again
            a_group_that_begins_anew_repeats_nothing
            roles_of_a_cluster_need_a_stream_of_a_cluster
        }
        $crate::engine_suite! { @module $place, timeouts:
            a_timer_fires_when_it_is_due
            a_timeout_that_skips_completes_its_timer
            a_paused_run_holds_its_timer_until_the_resume
            a_timer_does_not_fire_on_the_next_run_of_the_same_foreign_id
            an_expiry_runs_the_function_of_its_own_timer_only
            timers_are_not_set_twice
            a_timer_is_a_delay_an_instant_or_a_function_of_the_run
            a_timer_that_fails_is_asked_again
            a_timeout_that_fails_is_retried_and_pauses_its_run_in_the_end
            timeouts_of_one_status_are_retried_each_by_itself
            a_repetition_does_not_lose_a_timer_that_is_to_be_retried
            a_terminal_error_of_a_timeout_pauses_at_once
        }
    };
    (@module $place:path, $module:ident: $($scenario:ident)+) => {
        mod $module {
            use super::*;
            $(
                #[tokio::test]
                async fn $scenario() {
                    $crate::engine::$module::$scenario($place().await).await;
                }
            )+
        }
    };
    (@matrix $place:path, $module:ident: $($scenario:ident)+) => {
        mod $module {
            use super::*;
            $(
                #[tokio::test]
                async fn $scenario() {
                    $crate::engine::$module::$scenario($place).await;
                }
            )+
        }
    };
}
