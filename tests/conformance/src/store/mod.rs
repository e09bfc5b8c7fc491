//! The suite of [`Store`].

mod changes;
mod commits;
mod dead_letters;
mod driverless;
mod durability;
mod engine_right;
mod fencing;
mod history;
mod inbox;
mod keys_and_clock;
mod lists;
mod lookups;
mod outbox;
mod purging;
mod retries;
mod slots;
mod timers;
mod uniqueness;
mod versions;

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use workflow_core::RunId;
use workflow_core::adapter::Store;

pub use changes::*;
pub use commits::*;
pub use dead_letters::*;
pub use driverless::*;
pub use durability::*;
pub use engine_right::*;
pub use fencing::*;
pub use history::*;
pub use inbox::*;
pub use keys_and_clock::*;
pub use lists::*;
pub use lookups::*;
pub use outbox::*;
pub use purging::*;
pub use retries::*;
pub use slots::*;
pub use timers::*;
pub use uniqueness::*;
pub use versions::*;

/// What the suite needs to know of a store. Each test has a fixture of its own.
pub trait StoreFixture: Sized + Send + Sync + 'static {
    /// The store.
    type Store: Store;

    /// An empty store.
    fn fresh() -> impl Future<Output = Self> + Send;

    /// The store.
    fn store(&self) -> Arc<Self::Store>;

    /// A second handle on the same data, as another process would have it. A store that one process has for itself gives
    /// the first one.
    fn second(&self) -> impl Future<Output = Arc<Self::Store>> + Send {
        async { self.store() }
    }

    /// Ends every handle, as the end of the process would, and opens what is kept. A store in memory gives itself.
    fn reopen(self) -> impl Future<Output = Self> + Send;

    /// Writes a row into the outbox behind the store's back, and tells whether it did; a store to which nobody else can
    /// write does not.
    fn plant(&self, row: Planted) -> impl Future<Output = bool> + Send {
        let _ = row;
        async { false }
    }

    /// Makes the record of a run unreadable behind the store's back, and tells whether it did.
    fn spoil(&self, run_id: RunId) -> impl Future<Output = bool> + Send {
        let _ = run_id;
        async { false }
    }
}

/// An outbox row as another program may have left it.
#[derive(Clone, Debug)]
pub struct Planted {
    /// The id as text.
    pub id: String,
    /// The workflow that it names.
    pub workflow_name: String,
    /// The column `data`, NULL if there is none.
    pub data: Option<Bytes>,
}

/// Makes a test of every function of the store's suite, for one [`StoreFixture`](crate::store::StoreFixture).
#[macro_export]
macro_rules! store_suite {
    ($fixture:ty) => {
        $crate::suite_tests! { store, StoreFixture, $fixture, [
            // The contract, clause by clause.
            atomic_change,
            independent_changes,
            compare_and_set,
            one_live_run,
            start_keys,
            fenced,
            durable,
            outbox_order,
            idempotent_timers,
            cancellation,
            one_clock,
            byte_exact_keys,
            // Changes and commits.
            a_refused_change_leaves_no_trace,
            a_refused_change_takes_no_key,
            a_commit_is_seen_whole,
            changes_of_one_run_are_made_in_order,
            a_finished_run_makes_room_in_the_same_commit,
            effects_alone_leave_the_record_alone,
            effects_alone_are_refused_at_another_version,
            effects_that_expect_nothing_need_no_run,
            an_empty_commit_is_answered,
            acked_rows_go_even_if_a_change_is_refused,
            acking_what_is_gone_is_no_error,
            three_thousand_changes_are_one_commit,
            // Versions and keys.
            a_missing_run_is_refused_as_missing,
            a_finished_run_can_be_moved_at_its_version,
            a_run_id_is_created_once,
            one_of_two_creations_in_one_commit_is_stored,
            a_paused_run_is_live,
            a_run_that_is_created_finished_is_not_live,
            a_taken_start_key_is_told_before_a_live_run,
            start_keys_are_told_apart_by_workflow,
            // Fences.
            epochs_rise_by_claim,
            a_fence_holds_its_own_role_alone,
            nothing_is_stored_under_a_lower_epoch_after_register,
            a_role_is_registered_once_at_each_epoch,
            // Reading.
            lookup_answers_in_the_order_asked,
            latest_prefers_the_live_run,
            started_by_finds_the_run,
            an_unreadable_record_takes_no_other_with_it,
            lists_filter,
            lists_order_and_page_by_key,
            pages_by_key_hold_under_every_filter,
            lists_skip_by_offset,
            runs_of_one_instant_have_a_total_order,
            lists_give_25_by_default,
            history_is_paged_by_version,
            history_keeps_every_field,
            entered_asks_the_history,
            outbox_pages_meet_without_gap,
            an_undecodable_row_is_given_with_the_others,
            events_keep_every_field,
            // Timers and retries.
            only_due_timers_are_given,
            due_work_is_oldest_first_and_limited,
            due_work_is_of_the_named_workflows_alone,
            due_timers_come_with_their_run,
            held_timers_wait_for_their_release,
            cancelled_timers_stay_cancelled,
            timers_of_one_entry_are_cancelled_alone,
            a_new_timer_survives_the_cancelling_of_the_old,
            retry_rows_are_inserted_and_replaced,
            a_retry_row_that_is_gone_is_not_replaced,
            a_retry_without_due_time_waits,
            retry_rows_are_deleted_by_key_and_by_run,
            waiting_retries_are_counted_by_workflow,
            // Slots, inbox, dead letters, scrubbing.
            a_slot_is_taken_once,
            one_of_many_takes_a_slot,
            forgotten_slots_can_be_taken_again,
            a_callback_key_is_noted_once,
            callbacks_are_given_oldest_first,
            an_applied_callback_stays_without_its_payload,
            dead_letters_are_kept_oldest_first,
            dead_letters_need_no_run,
            an_outbox_row_is_deleted_by_its_text,
            scrubbing_replaces_snapshots_and_deletes_payloads,
            // Maintenance.
            a_driver_keeps_a_run_from_the_reconciler,
            driverless_runs_are_live_and_old,
            driverless_slices_walk_everything_once,
            unfinished_runs_are_never_purged,
            a_run_with_an_unsent_row_is_never_purged,
            a_run_is_purged_with_all_that_belongs_to_it,
            a_run_to_which_something_is_owed_is_never_purged,
            purging_is_limited_and_minds_the_age,
            // Ends of processes.
            a_crash_between_commit_and_publish_loses_no_row,
            one_engine_runs_on_a_store,
            engines_of_a_cluster_share_a_store,
        ] }
    };
}
