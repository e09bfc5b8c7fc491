//! A clock that stands still until somebody moves it.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use crate::Timestamp;
use crate::adapter::{BoxFuture, Clock, Hold};

/// What the clock shows at first: 2026-01-01T00:00:00Z, in milliseconds since 1970.
const START_MILLIS: i64 = 1_767_225_600_000;

/// How often everything that can run gets its turn, without anything having happened, before nothing is left to run.
const TURNS: u32 = 24;

/// How long other threads get, where there are some.
const OTHER_THREADS: Duration = Duration::from_micros(500);

/// A clock for tests. Clones show the same time.
///
/// ```
/// use std::time::Duration;
/// use workflow_core::adapter::Clock;
/// use workflow_core::testing::ManualClock;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let clock = ManualClock::new();
/// let before = clock.now();
/// clock.advance(Duration::from_secs(90)).await;
/// assert_eq!(clock.now().since(before), Duration::from_secs(90));
/// # }
/// ```
#[derive(Clone)]
pub struct ManualClock(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// What runs and must not be cut short.
    holds: Arc<AtomicUsize>,
    /// How often the clock was asked for anything: it stands still when nothing runs.
    asked: AtomicU64,
}

#[derive(Default)]
struct State {
    elapsed: Duration,
    sleepers: BTreeMap<(Duration, u64), oneshot::Sender<()>>,
    sleeps: u64,
}

impl ManualClock {
    /// A clock that shows the first moment of 2026.
    pub fn new() -> Self {
        Self(Arc::new(Shared { state: Mutex::default(), holds: Arc::default(), asked: AtomicU64::new(0) }))
    }

    /// Moves the time on, from one sleep that ends to the next; after each, what it woke runs until nothing is left to
    /// run but what sleeps longer. It does not wait for functions that are under way.
    pub async fn advance(&self, by: Duration) {
        self.settle(Holds::Ignored).await;
        let target = self.state().elapsed + by;
        while self.wake_next(target) {
            self.settle(Holds::Ignored).await;
        }
        self.state().elapsed = target;
    }

    /// Waits until nothing runs, then moves the time to the end of the shortest sleep; tells whether there was one that
    /// ends within `limit`.
    pub async fn skip(&self, limit: Duration) -> bool {
        self.settle(Holds::Awaited).await;
        let target = self.state().elapsed + limit;
        self.wake_next(target)
    }

    /// Waits until nothing is left to run but what sleeps by this clock.
    pub async fn quiet(&self) {
        self.settle(Holds::Awaited).await;
    }

    /// Ends the sleeps that end first, if they do so by `target`.
    fn wake_next(&self, target: Duration) -> bool {
        let mut state = self.state();
        let Some(next) = state.sleepers.first_key_value().map(|((until, _), _)| *until) else { return false };
        if next > target {
            return false;
        }
        state.elapsed = state.elapsed.max(next);
        let later = state.sleepers.split_off(&(next, u64::MAX));
        for sleeper in std::mem::replace(&mut state.sleepers, later).into_values() {
            // One that has stopped waiting is gone already.
            let _ = sleeper.send(());
        }
        true
    }

    async fn settle(&self, holds: Holds) {
        let threads =
            Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() != RuntimeFlavor::CurrentThread);
        let mut turns = 0;
        let mut asked = self.0.asked.load(Ordering::Acquire);
        while turns < TURNS {
            let held = holds == Holds::Awaited && self.0.holds.load(Ordering::Acquire) > 0;
            if held || (threads && turns + 1 == TURNS) {
                tokio::time::sleep(OTHER_THREADS).await;
            } else {
                tokio::task::yield_now().await;
            }
            let now = self.0.asked.load(Ordering::Acquire);
            turns = if held || now != asked { 0 } else { turns + 1 };
            asked = now;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self) {
        self.0.asked.fetch_add(1, Ordering::AcqRel);
    }
}

/// Whether time waits for functions that are under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Awaited,
    Ignored,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("ManualClock")
            .field("elapsed", &state.elapsed)
            .field("sleepers", &state.sleepers.len())
            .finish_non_exhaustive()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.ask();
        Timestamp::from_millis(START_MILLIS) + self.state().elapsed
    }

    fn elapsed(&self) -> Duration {
        self.ask();
        self.state().elapsed
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.ask();
        let mut state = self.state();
        let until = state.elapsed.saturating_add(duration);
        let key = (until, state.sleeps);
        state.sleeps += 1;
        let (wake, woken) = oneshot::channel();
        if duration.is_zero() {
            // Nobody is left to hear it only if the sleep is dropped first.
            let _ = wake.send(());
        } else {
            state.sleepers.insert(key, wake);
        }
        drop(state);
        Box::pin(Sleep { clock: self.clone(), key, woken })
    }

    fn hold(&self) -> Hold {
        self.ask();
        Hold::on(&self.0.holds)
    }
}

/// A sleep by a manual clock; gives its place up when it is dropped.
struct Sleep {
    clock: ManualClock,
    key: (Duration, u64),
    woken: oneshot::Receiver<()>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // The sender is never dropped unsent while this waits: its place is given up only below.
        Pin::new(&mut self.woken).poll(cx).map(|_| ())
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.clock.ask();
        self.clock.state().sleepers.remove(&self.key);
    }
}
