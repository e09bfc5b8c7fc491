//! The suite of [`EventStreamer`](workflow_core::adapter::EventStreamer).

mod back_pressure;
mod delivery;
mod forgetting;

pub use back_pressure::*;
pub use delivery::*;
pub use forgetting::*;

pub use crate::flow::StreamerFixture;

/// Makes a test of every function of the streamer's suite, for one
/// [`StreamerFixture`](crate::streamer::StreamerFixture).
#[macro_export]
macro_rules! streamer_suite {
    ($fixture:ty) => {
        $crate::suite_tests! { streamer, StreamerFixture, $fixture, [
            order,
            at_least_once,
            no_early_forgetting,
            refused_together,
            cancellation,
            topics_have_partitions,
            topics_are_read_apart,
            a_new_group_starts_where_it_asks,
            a_late_group_brings_nothing_back,
            readers_that_come_back_miss_nothing,
            what_nobody_reads_fills_no_stream,
            a_full_stream_takes_events_again,
        ] }
    };
}
