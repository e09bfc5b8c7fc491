//! Waiting for a role, running its process while it is owned, and waiting for it again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use super::hub::Hub;
use super::metrics::{ProcessMetrics, ProcessState};
use crate::adapter::{BackendError, BoxFuture, ErrorKind, Fence, RoleClaim};

/// How long a process waits after an error, before it claims its role again.
const ERROR_BACK_OFF: Duration = Duration::from_millis(500);

/// What runs while a role is owned.
pub(crate) trait Process: Send + 'static {
    /// Works until the scope ends. It ends by itself only on an error, or when its role has a later owner.
    fn run<'a>(
        &'a mut self,
        scope: CancellationToken,
        fence: Fence,
    ) -> BoxFuture<'a, Result<(), BackendError>>;
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
        tracing::info!(role = %claim.role, "the role has a later owner already");
        return Ok(());
    };
    let fence = Fence { role: claim.role.clone(), epoch };
    let scope = shutdown.child_token();
    let lost = {
        let (lost, scope) = (lease.lost.clone(), scope.clone());
        async move {
            lost.cancelled().await;
            scope.cancel();
        }
    };
    metrics.set_state(ProcessState::Running);
    tracing::debug!(role = %claim.role, epoch = %epoch, "role owned");
    let run = process.run(scope, fence);
    tokio::pin!(run);
    let ended = tokio::select! {
        ended = &mut run => ended,
        // Once the loss is known the process is let end by itself: what it would store is refused.
        () = lost => run.await,
    };
    metrics.set_state(ProcessState::Idle);
    ended
}
