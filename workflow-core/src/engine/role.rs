//! Waiting for a role, running its process while it is owned, and waiting for it again.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use super::hub::Hub;
use super::metrics::{ProcessMetrics, ProcessState};
use crate::adapter::{BackendError, BoxFuture, ErrorKind, Fence, Held, Lease, RoleClaim};

/// How long a process waits after an error, before it claims its role again.
const ERROR_BACK_OFF: Duration = Duration::from_millis(500);

/// How long what is in flight may take to end after its role was lost, before it is told to.
const DRAIN: Duration = Duration::from_secs(3);

/// How long after the loss of a role everything under it has ended, or is dropped: whoever is waiting for the role gets it then.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(10);

/// How long a process may take to give back what it holds after it was dropped.
const GIVING_BACK_MAX: Duration = Duration::from_secs(2);

/// What runs while a role is owned.
pub(crate) trait Process: Send + 'static {
    /// Works until the scope ends. It ends by itself only on an error, or when its role has a later owner.
    fn run<'a>(&'a mut self, scope: Scope, fence: Fence) -> BoxFuture<'a, Result<(), BackendError>>;

    /// Gives back what it holds after `run` was dropped.
    fn give_up<'a>(&'a mut self) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// For how long a process runs.
#[derive(Clone)]
pub(crate) struct Scope {
    /// Nothing new is begun from then on.
    pub(crate) end: CancellationToken,
    /// What is still in flight is told to stop.
    pub(crate) hurry: CancellationToken,
    held: Held,
}

impl Scope {
    /// Whether nothing new may be begun. It does not wait to be told of a loss that the clock shows already.
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_cancelled() || !self.held.is_held()
    }
}

/// Runs a process whenever its role is owned, until `shutdown`.
pub(crate) async fn supervise(
    hub: Arc<Hub>,
    claim: RoleClaim,
    metrics: Arc<ProcessMetrics>,
    mut process: impl Process,
    shutdown: CancellationToken,
) {
    while !shutdown.is_cancelled() {
        metrics.set_state(ProcessState::Idle);
        let run =
            AssertUnwindSafe(own_and_run(&hub, &claim, &metrics, &mut process, &shutdown)).catch_unwind();
        // A function of the user's that is no run's, as a schedule's, may panic.
        let ended = run.await.unwrap_or_else(|panic| {
            Err(BackendError::new(ErrorKind::Permanent, super::attempt::panicked(&*panic).reason()))
        });
        if let Err(error) = ended {
            metrics.error();
            tracing::warn!(role = %claim.role, error = %super::with_causes(&error), "process failed and begins again");
        }
        if !shutdown.is_cancelled() {
            tokio::select! {
                () = hub.clock.sleep(ERROR_BACK_OFF) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }
    metrics.set_state(ProcessState::Shutdown);
}

async fn own_and_run(
    hub: &Hub,
    claim: &RoleClaim,
    metrics: &ProcessMetrics,
    process: &mut impl Process,
    shutdown: &CancellationToken,
) -> Result<(), BackendError> {
    let lease = tokio::select! {
        lease = hub.scheduler.claim(claim.clone()) => lease?,
        () = shutdown.cancelled() => return Ok(()),
    };
    let Some(epoch) = hub.store.register(&claim.role, lease.epoch).await? else {
        metrics.error();
        tracing::warn!(
            role = %claim.role, claimed = ?lease.epoch,
            "the store knows a later owner of the role: if this goes on, the scheduler's numbers have gone back, as after the restore of a backup",
        );
        return Ok(());
    };
    let fence = Fence { role: claim.role.clone(), epoch };
    metrics.set_state(ProcessState::Running);
    tracing::debug!(role = %claim.role, epoch = %epoch, "role owned");
    let ended = run_until_lost(hub, &lease, process, shutdown, fence).await;
    metrics.set_state(ProcessState::Idle);
    ended.unwrap_or_else(|| {
        metrics.error();
        tracing::warn!(role = %claim.role, "what ran under a lost role did not end and was dropped");
        Ok(())
    })
}

/// Runs a process until it ends by itself, or its role is lost: then what is in flight may end, is told to, and is dropped
/// at last, which `None` says. What it would store under a role that has another owner is refused anyway.
async fn run_until_lost(
    hub: &Hub,
    lease: &Lease,
    process: &mut impl Process,
    shutdown: &CancellationToken,
    fence: Fence,
) -> Option<Result<(), BackendError>> {
    let (end, hurry) = (shutdown.child_token(), CancellationToken::new());
    let scope = Scope { end, hurry, held: lease.held() };
    let ended = {
        let mut running = process.run(scope.clone(), fence);
        // Whatever wakes the process, it looks first whether its role is still its own.
        let run = poll_fn(|context| {
            if scope.is_over() {
                scope.end.cancel();
            }
            running.as_mut().poll(context)
        });
        tokio::pin!(run);
        let given_up = async {
            lease.lost.cancelled().await;
            scope.end.cancel();
            hub.clock.sleep(DRAIN).await;
            scope.hurry.cancel();
            hub.clock.sleep(GIVEN_UP_AFTER - DRAIN).await;
        };
        tokio::select! {
            ended = &mut run => Some(ended),
            () = given_up => None,
        }
    };
    if ended.is_none() {
        tokio::select! {
            () = process.give_up() => {}
            () = hub.clock.sleep(GIVING_BACK_MAX) => {}
        }
    }
    ended
}
