//! The suite of [`Clock`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use workflow_core::adapter::Clock;

/// What the suite needs to know of a clock.
pub trait ClockFixture: Sized + Send + Sync + 'static {
    /// The clock.
    type Clock: Clock;

    /// A clock.
    fn fresh() -> impl Future<Output = Self> + Send;

    /// The clock.
    fn clock(&self) -> Arc<Self::Clock>;

    /// Has this time pass on a clock that is set by hand. One that runs by itself needs nothing.
    fn pass(&self, time: Duration) {
        let _ = time;
    }
}

/// Makes a test of every function of the clock's suite, for one [`ClockFixture`](crate::clock::ClockFixture).
#[macro_export]
macro_rules! clock_suite {
    ($fixture:ty) => {
        $crate::suite_tests! { clock, ClockFixture, $fixture, [
            now_goes_on,
            elapsed_never_goes_back,
            a_sleep_is_never_short,
            a_dropped_sleep_has_no_effect,
        ] }
    };
}

/// How long the sleeps of the suite are.
const NAP: Duration = Duration::from_millis(20);

/// Starts a sleep. The suite of a clock has to sleep by it: this is the one place where a test does.
fn nap(fixture: &impl ClockFixture) -> workflow_core::adapter::BoxFuture<'static, ()> {
    let start = Clock::sleep;
    start(&*fixture.clock(), NAP)
}

/// `now` is in milliseconds since 1970, and later when time has passed.
pub async fn now_goes_on(fixture: impl ClockFixture) {
    let clock = fixture.clock();
    let before = clock.now();
    fixture.pass(NAP);
    while clock.now() <= before {
        tokio::task::yield_now().await;
    }
    assert!(clock.now().since(before) < Duration::from_secs(3600));
}

/// `elapsed` never goes back, whoever asks.
pub async fn elapsed_never_goes_back(fixture: impl ClockFixture) {
    let mut askers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let clock = fixture.clock();
        askers.spawn(async move {
            let mut last = clock.elapsed();
            for _ in 0..10_000 {
                let now = clock.elapsed();
                assert!(now >= last, "{now:?} after {last:?}");
                last = now;
            }
        });
    }
    fixture.pass(NAP);
    askers.join_all().await;
}

/// A sleep ends, and no earlier than its duration says.
pub async fn a_sleep_is_never_short(fixture: impl ClockFixture) {
    let clock = fixture.clock();
    let start = clock.elapsed();
    let sleep = nap(&fixture);
    fixture.pass(NAP);
    sleep.await;
    assert!(clock.elapsed() - start >= NAP, "it ended after {:?}", clock.elapsed() - start);
}

/// Dropping a sleep, begun or not, leaves other sleeps alone.
pub async fn a_dropped_sleep_has_no_effect(fixture: impl ClockFixture) {
    let clock = fixture.clock();
    let start = clock.elapsed();
    let (other, dropped) = (nap(&fixture), nap(&fixture));
    drop(nap(&fixture));
    let begun = tokio::spawn(dropped);
    begun.abort();
    let ended = begun.await;
    assert!(ended.is_err() || clock.elapsed() - start >= NAP);
    fixture.pass(NAP);
    other.await;
    assert!(clock.elapsed() - start >= NAP);
}
