//! The suite of [`RoleScheduler`].

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::{JoinHandle, JoinSet};
use workflow_core::adapter::{EpochClaim, Lease, RoleClaim, RoleScheduler};
use workflow_core::{GroupName, Shard};

use crate::samples::{orders, status};
use crate::waiting::{eventually, let_others_run};

/// What the suite needs to know of a scheduler.
pub trait SchedulerFixture: Sized + Send + Sync + 'static {
    /// The scheduler.
    type Scheduler: RoleScheduler;

    /// A scheduler of which nobody owns a role.
    fn fresh() -> impl Future<Output = Self> + Send;

    /// The scheduler.
    fn scheduler(&self) -> Arc<Self::Scheduler>;

    /// The same roles, as another instance sees them. A scheduler for one process gives the first one.
    fn second(&self) -> impl Future<Output = Arc<Self::Scheduler>> + Send {
        async { self.scheduler() }
    }
}

/// Makes a test of every function of the scheduler's suite, for one
/// [`SchedulerFixture`](crate::scheduler::SchedulerFixture).
#[macro_export]
macro_rules! scheduler_suite {
    ($fixture:ty) => {
        $crate::suite_tests! { scheduler, SchedulerFixture, $fixture, [
            one_owner,
            hand_over,
            cancellation,
            roles_are_owned_apart,
            a_hundred_contenders_take_turns,
            epochs_rise_with_each_owner,
            a_claim_that_is_dropped_as_it_ends_leaves_the_role,
        ] }
    };
}

/// The claim of one shard of a step.
fn claim_of(code: i32) -> RoleClaim {
    let group = GroupName::of_step(&orders(), status(code));
    RoleClaim { role: group.role(Shard::WHOLE), group, shard: Shard::WHOLE }
}

async fn claim(scheduler: &impl RoleScheduler, code: i32) -> Lease {
    scheduler.claim(claim_of(code)).await.unwrap()
}

/// Waits for a role in a task of its own.
fn waiting<S: RoleScheduler>(scheduler: &Arc<S>, code: i32) -> JoinHandle<Lease> {
    let scheduler = Arc::clone(scheduler);
    tokio::spawn(async move { claim(&*scheduler, code).await })
}

/// While a lease is neither dropped nor lost, no other claim of the role ends.
pub async fn one_owner(fixture: impl SchedulerFixture) {
    let (scheduler, other) = (fixture.scheduler(), fixture.second().await);
    let lease = claim(&*scheduler, 1).await;
    let waiters = [waiting(&scheduler, 1), waiting(&other, 1)];
    let_others_run().await;
    for waiter in &waiters {
        assert!(lease.lost.is_cancelled() || !waiter.is_finished(), "a role has two owners");
        waiter.abort();
    }
    assert!(!lease.lost.is_cancelled(), "nothing has happened that could cost the role");
}

/// When a lease is dropped, a waiting claim ends, and again for the next one.
pub async fn hand_over(fixture: impl SchedulerFixture) {
    let (scheduler, other) = (fixture.scheduler(), fixture.second().await);
    let mut lease = claim(&*scheduler, 1).await;
    for turn in 0..10 {
        let next = waiting(if turn % 2 == 0 { &other } else { &scheduler }, 1);
        let_others_run().await;
        drop(lease);
        lease = next.await.unwrap();
        assert!(!lease.lost.is_cancelled(), "a role that was just taken over is owned");
    }
}

/// Dropping the future of a claim leaves the role to others, whether it waited first, in the middle or last.
pub async fn cancellation(fixture: impl SchedulerFixture) {
    let (scheduler, other) = (fixture.scheduler(), fixture.second().await);
    let lease = claim(&*scheduler, 1).await;
    let mut waiters = Vec::new();
    for turn in 0..6 {
        let waiter = waiting(if turn % 2 == 0 { &other } else { &scheduler }, 1);
        let abort = waiter.abort_handle();
        // Each gives the role back at once: who comes first among those who wait is for the scheduler to say.
        let turn = tokio::spawn(async move { waiter.await.map(drop) });
        waiters.push((turn, abort));
        let_others_run().await;
    }
    for dropped in [0, 2, 5] {
        waiters[dropped].1.abort();
        eventually("the claim is dropped", async || waiters[dropped].0.is_finished()).await;
    }
    drop(lease);
    for (at, (turn, _)) in waiters.into_iter().enumerate() {
        let ended = turn.await.unwrap();
        assert_eq!(ended.is_err(), [0, 2, 5].contains(&at), "claim {at}");
    }
    drop(claim(&*scheduler, 1).await);
}

/// Owning one role keeps nobody from another.
pub async fn roles_are_owned_apart(fixture: impl SchedulerFixture) {
    let (scheduler, other) = (fixture.scheduler(), fixture.second().await);
    let mut leases = Vec::new();
    for code in 1..=20 {
        leases.push(claim(if code % 2 == 0 { &*other } else { &*scheduler }, code).await);
    }
    assert!(leases.iter().all(|lease| !lease.lost.is_cancelled()));
}

/// Of a hundred that want a role, each has it in its turn, and never two at once.
pub async fn a_hundred_contenders_take_turns(fixture: impl SchedulerFixture) {
    const CONTENDERS: usize = 100;
    let (scheduler, other) = (fixture.scheduler(), fixture.second().await);
    let owners = Arc::new(AtomicUsize::new(0));
    let mut contenders = JoinSet::new();
    for contender in 0..CONTENDERS {
        let scheduler = Arc::clone(if contender % 2 == 0 { &scheduler } else { &other });
        let owners = Arc::clone(&owners);
        contenders.spawn(async move {
            let lease = claim(&*scheduler, 1).await;
            assert_eq!(owners.fetch_add(1, Ordering::SeqCst), 0, "a role has two owners");
            let_others_run().await;
            assert_eq!(owners.fetch_sub(1, Ordering::SeqCst), 1, "a role has two owners");
            drop(lease);
        });
    }
    assert_eq!(contenders.join_all().await.len(), CONTENDERS);
}

/// Where the scheduler has numbers of its own, each owner's is higher than that of the one before.
pub async fn epochs_rise_with_each_owner(fixture: impl SchedulerFixture) {
    let (scheduler, other) = (fixture.scheduler(), fixture.second().await);
    let mut last = None;
    for turn in 0..10 {
        let lease = claim(if turn % 2 == 0 { &*scheduler } else { &*other }, 1).await;
        if let EpochClaim::At(epoch) = lease.epoch {
            assert!(last.is_none_or(|last| epoch > last), "{epoch} after {last:?}");
            last = Some(epoch);
        }
    }
}

/// A claim that is dropped in the moment in which it ends takes no role with it.
pub async fn a_claim_that_is_dropped_as_it_ends_leaves_the_role(fixture: impl SchedulerFixture) {
    let scheduler = fixture.scheduler();
    for _ in 0..200 {
        let lease = claim(&*scheduler, 1).await;
        let waiter = waiting(&scheduler, 1);
        tokio::task::yield_now().await;
        drop(lease);
        waiter.abort();
        drop(waiter.await);
    }
    drop(claim(&*scheduler, 1).await);
}
