//! The suite of [`EventReceiver`](workflow_core::adapter::EventReceiver).

mod assignment;
mod hand_over;

pub use assignment::*;
pub use hand_over::*;

pub use crate::flow::StreamerFixture;

/// Makes a test of every function of the receiver's suite, for one
/// [`StreamerFixture`](crate::receiver::StreamerFixture).
#[macro_export]
macro_rules! receiver_suite {
    ($fixture:ty) => {
        $crate::suite_tests! { receiver, StreamerFixture, $fixture, [
            only_assigned,
            out_of_order,
            stale_generation,
            released,
            cancellation,
            nothing_comes_before_assign,
            an_assignment_replaces_the_one_before,
            a_batch_is_as_large_as_asked_at_most,
            groups_settle_apart,
            a_dropped_receiver_leaves_its_events,
            hand_over_under_load_loses_nothing,
        ] }
    };
}
