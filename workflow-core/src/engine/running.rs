//! A workflow whose processes run here.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client::Client;
use super::core::Object;
use super::due_work::DueWork;
use super::start::Starter;
use crate::definition::SchedulePart;
use crate::{Error, Schedule, Status};

/// A workflow that runs in this process, until it is shut down or dropped.
///
/// ```
/// # use workflow_shop::*;
/// # example!(
/// let running = orders().run(Memory::new()).await?;
/// let client = running.client();
/// let run = client.trigger("order-17", Order { cents: 50_000 }).await?;
/// // What can be done with a client can be done with it.
/// assert_eq!(running.wait_for(&run).finished().await?.status(), Declined);
/// # );
/// ```
pub struct Running<T: Object, S: Status> {
    client: Client<T, S>,
    life: Arc<Life<T, S>>,
}

pub(crate) struct Life<T: Object, S: Status> {
    pub(crate) client: Client<T, S>,
    pub(crate) intake: CancellationToken,
    pub(crate) tasks: TaskTracker,
    pub(crate) aborts: CancellationToken,
    pub(crate) due: Arc<DueWork<T, S>>,
    /// Whether everything has been given back.
    pub(crate) left: AtomicBool,
}

/// How a shutdown ended.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// let ended = running.shutdown(Duration::from_secs(5)).await;
/// assert_ne!(ended, Shutdown::DeadlinePassed);
/// # );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Everything that was in flight has been stored.
    Clean,
    /// The deadline passed: functions were dropped, and will run again when the workflow runs again.
    DeadlinePassed,
}

impl<T: Object, S: Status> Running<T, S> {
    pub(crate) fn new(life: Life<T, S>) -> Self {
        Self { client: life.client.clone(), life: Arc::new(life) }
    }

    /// For calls from elsewhere in the program.
    pub fn client(&self) -> Client<T, S> {
        self.client.clone()
    }

    /// Adds a schedule, for as long as this runs; one of the definition is added at every start.
    ///
    /// # Errors
    /// [`Error::Name`] if its foreign id cannot be used, [`Error::Cron`] if its spec cannot be read, [`Error::NoStart`]
    /// if runs cannot start where it says.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(running =>
    /// let unreadable = running.schedule(Schedule::new("milk", "0 6 * *", || Order { cents: 180 }));
    /// assert!(unreadable.unwrap_err().to_string().contains("the day of week is missing"));
    /// running.schedule(Schedule::new("milk", "0 6 * * mon-fri", || Order { cents: 180 }))?;
    /// # );
    /// ```
    pub fn schedule(&self, schedule: Schedule<T, S>) -> Result<(), Error> {
        let part: SchedulePart<T, S> = schedule.into_part()?;
        let core = self.client.core();
        if let Some(status) = part.start {
            core.startable(status)?;
        }
        Starter::of(&self.life).schedule(Arc::new(part));
        Ok(())
    }

    /// Takes no more events, lets the functions that run end, stores what they made, and gives the roles back. What
    /// has not ended by the deadline is told, dropped after a grace, and runs again at the next start.
    ///
    /// ```
    /// # use workflow_shop::*;
    /// # example!(running =>
    /// let run = running.trigger("order-17", Order { cents: 50_000 }).await?;
    /// running.wait_for(&run).finished().await?;
    /// assert_eq!(running.shutdown(Duration::from_secs(5)).await, Shutdown::Clean);
    /// # );
    /// ```
    pub async fn shutdown(self, deadline: Duration) -> Shutdown {
        self.life.shutdown(deadline).await
    }
}

impl<T: Object, S: Status> Life<T, S> {
    async fn shutdown(&self, deadline: Duration) -> Shutdown {
        let core = self.client.core();
        self.tasks.close();
        self.intake.cancel();
        let ended = tokio::select! {
            () = self.tasks.wait() => Shutdown::Clean,
            () = core.hub.clock.sleep(deadline) => Shutdown::DeadlinePassed,
        };
        if ended == Shutdown::DeadlinePassed {
            core.signals.cancel_all();
            tokio::select! {
                () = self.tasks.wait() => {}
                () = core.hub.clock.sleep(core.definition.longest_grace()) => {}
            }
            self.aborts.cancel();
            self.tasks.wait().await;
        }
        core.hub.leave(&core.definition.name).await;
        self.left.store(true, Ordering::Release);
        ended
    }
}

impl<T: Object, S: Status> Drop for Life<T, S> {
    fn drop(&mut self) {
        // Also when the future of a shutdown was dropped before it had ended.
        if self.left.load(Ordering::Acquire) {
            return;
        }
        self.intake.cancel();
        self.aborts.cancel();
        let (hub, name) = (Arc::clone(&self.client.core().hub), self.client.core().definition.name.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let leaving = hub.leaving();
            runtime.spawn(async move {
                hub.leave(&name).await;
                drop(leaving);
            });
        }
    }
}

impl<T: Object, S: Status> Deref for Running<T, S> {
    type Target = Client<T, S>;

    fn deref(&self) -> &Client<T, S> {
        &self.client
    }
}
