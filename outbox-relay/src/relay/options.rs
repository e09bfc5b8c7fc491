//! How a relay goes about its work.

use std::time::Duration;

/// Bounds and times of a relay; each has a default that fits most.
///
/// ```
/// use outbox_relay::RelayOptions;
/// let options = RelayOptions { page: 500, ..RelayOptions::default() };
/// assert_eq!(options.in_flight_events, 10_000);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayOptions {
    /// How many rows are read at once.
    pub page: usize,
    /// How many events may be under way in a shard; beyond, nothing is read.
    pub in_flight_events: usize,
    /// How many bytes they may have together.
    pub in_flight_bytes: usize,
    /// How soon the table is read again while rows flow.
    pub poll_min: Duration,
    /// How soon it is read again at rest, if no doorbell rings.
    pub poll_max: Duration,
    /// The wait after the first failure; it doubles with each further one.
    pub back_off_min: Duration,
    /// The longest such wait.
    pub back_off_max: Duration,
    /// How long what is under way may take when the relay is stopped.
    pub drain: Duration,
    /// How often the depth of the outbox is measured.
    pub measure_every: Duration,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            page: 1000,
            in_flight_events: 10_000,
            in_flight_bytes: 16 * 1024 * 1024,
            poll_min: Duration::from_millis(1),
            poll_max: Duration::from_secs(1),
            back_off_min: Duration::from_millis(50),
            back_off_max: Duration::from_secs(5),
            drain: Duration::from_secs(10),
            measure_every: Duration::from_secs(5),
        }
    }
}
