//! The one lease of a process, and the deadline until which its roles are its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::boot_time;
use crate::epochs;
use crate::error::EtcdError;
use crate::link::{Link, in_time};

/// Looks at deadline and runtime so often within a lease time.
const LOOKS: u32 = 12;
/// Renewals within a lease time.
const RENEWALS: u32 = 3;

/// The time until which the roles are ours, shared with whoever asks; zero is "not at all".
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    until_ms: AtomicU64,
}

impl Deadline {
    /// Counted from the sending of what was acknowledged: two thirds of the lease, so always before it can expire.
    fn extend(&self, sent: Duration, lease_time: Duration) {
        let until = sent + lease_time * 2 / 3;
        self.until_ms.fetch_max(millis(until), Ordering::SeqCst);
    }

    pub(crate) fn end(&self) {
        self.until_ms.store(0, Ordering::SeqCst);
    }

    pub(crate) fn has_passed(&self) -> bool {
        millis(boot_time()) >= self.until_ms.load(Ordering::SeqCst)
    }
}

/// Whether the main runtime answers: a task there answers each ping.
#[derive(Clone)]
pub(crate) struct Probe {
    pings: watch::Sender<u64>,
    answered_ms: Arc<AtomicU64>,
}

impl Probe {
    /// Starts to answer on the runtime that this is called on.
    pub(crate) fn start() -> Self {
        let (pings, mut asked) = watch::channel(0);
        let answered_ms = Arc::new(AtomicU64::new(millis(boot_time())));
        let answers = Arc::clone(&answered_ms);
        tokio::spawn(async move {
            while asked.changed().await.is_ok() {
                answers.store(millis(boot_time()), Ordering::SeqCst);
            }
        });
        Self { pings, answered_ms }
    }

    fn ping(&self) {
        self.pings.send_modify(|pings| *pings = pings.wrapping_add(1));
    }

    /// Waits until the main runtime has answered lately.
    pub(crate) async fn answered_within(&self, lease_time: Duration) {
        loop {
            self.ping();
            tokio::time::sleep(lease_time / LOOKS / 8).await;
            if self.silence() <= lease_time / 4 {
                return;
            }
        }
    }

    fn silence(&self) -> Duration {
        Duration::from_millis(millis(boot_time()).saturating_sub(self.answered_ms.load(Ordering::SeqCst)))
    }
}

/// One lease, renewed by tasks that end with it.
pub(crate) struct Session {
    pub(crate) lease: i64,
    /// Cancelled when the lease is lost; every role's token is a child of it.
    pub(crate) lost: CancellationToken,
    pub(crate) lease_time: Duration,
    /// What epochs are counted from, for as long as this lease is known to etcd: one that has lost its data does not know it.
    pub(crate) epoch_base: u64,
    _tasks: JoinSet<()>,
}

impl Session {
    /// Asks etcd for a lease and begins to renew it.
    pub(crate) async fn open(
        link: &Link,
        probe: &Probe,
        deadline: &Arc<Deadline>,
        lost: CancellationToken,
    ) -> Result<Self, EtcdError> {
        let asked = link.config().lease_time;
        let mut client = link.client().await?.lease_client();
        let sent = boot_time();
        // etcd counts whole seconds.
        let seconds = i64::try_from(asked.as_millis().div_ceil(1000)).unwrap_or(i64::MAX);
        let granted =
            in_time("grant a lease", link.config().connect_timeout, client.grant(seconds, None)).await?;
        let lease_time = asked.min(Duration::from_secs(granted.ttl().unsigned_abs()));
        deadline.extend(sent, lease_time);
        let epoch_base = epochs::base(link).await?;
        let keeper = Keeper {
            link: link.clone(),
            probe: probe.clone(),
            deadline: Arc::clone(deadline),
            lost: lost.clone(),
            lease: granted.id(),
            lease_time,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(keeper.clone().guard());
        tasks.spawn(keeper.renew());
        Ok(Self { lease: granted.id(), lost, lease_time, epoch_base, _tasks: tasks })
    }
}

#[derive(Clone)]
struct Keeper {
    link: Link,
    probe: Probe,
    deadline: Arc<Deadline>,
    lost: CancellationToken,
    lease: i64,
    lease_time: Duration,
}

impl Keeper {
    /// Ends the session at its deadline. It looks often, since timers stop in suspend and the deadline does not.
    async fn guard(self) {
        while !self.lost.is_cancelled() {
            if self.deadline.has_passed() {
                tracing::warn!(
                    lease = self.lease,
                    "the lease could not be renewed in time: all roles are given up"
                );
                self.lost.cancel();
                return;
            }
            self.probe.ping();
            tokio::time::sleep(self.lease_time / LOOKS).await;
        }
    }

    /// Renews the lease until it is lost. While the main runtime is stuck it does not: what cannot work must own nothing.
    async fn renew(self) {
        while !self.lost.is_cancelled() {
            match self.renew_by_one_stream().await {
                Ok(Kept::Gone) => {
                    tracing::warn!(lease = self.lease, "etcd has ended the lease: all roles are given up");
                    self.deadline.end();
                    self.lost.cancel();
                    return;
                }
                Ok(Kept::StreamEnded) => {}
                Err(error) => {
                    tracing::warn!(lease = self.lease, cause = %crate::driver::with_causes(&error), "the lease was not renewed");
                }
            }
            self.link.is_broken();
            tokio::time::sleep(self.lease_time / LOOKS).await;
        }
    }

    async fn renew_by_one_stream(&self) -> Result<Kept, EtcdError> {
        const WHAT: &str = "renew the lease";
        let limit = self.lease_time / RENEWALS;
        let client = self.link.client().await?;
        let sent = boot_time();
        let opened = in_time(WHAT, limit, client.lease_client().keep_alive(self.lease)).await;
        let (mut keeper, mut answers) = match opened {
            Ok(stream) => stream,
            Err(EtcdError::Request { source, .. }) if source.to_string().contains("lease not found") => {
                return Ok(Kept::Gone);
            }
            Err(error) => return Err(error),
        };
        // Opening has sent the first renewal and read its answer.
        self.deadline.extend(sent, self.lease_time);
        loop {
            tokio::time::sleep(self.lease_time / RENEWALS).await;
            while self.probe.silence() > self.lease_time / 2 {
                tracing::warn!(lease = self.lease, "the runtime is stuck: the lease is not renewed");
                tokio::time::sleep(self.lease_time / LOOKS).await;
            }
            let sent = boot_time();
            in_time(WHAT, limit, keeper.keep_alive()).await?;
            match in_time(WHAT, limit, answers.message()).await? {
                Some(answer) if answer.ttl() > 0 => self.deadline.extend(sent, self.lease_time),
                Some(_) => return Ok(Kept::Gone),
                None => return Ok(Kept::StreamEnded),
            }
        }
    }
}

/// How a stream of renewals ended.
enum Kept {
    Gone,
    StreamEnded,
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_is_counted_from_the_sending_and_is_before_the_expiry() {
        let deadline = Deadline::default();
        assert!(deadline.has_passed());
        let lease_time = Duration::from_secs(300);
        deadline.extend(boot_time(), lease_time);
        assert!(!deadline.has_passed());
        assert!(deadline.until_ms.load(Ordering::SeqCst) <= millis(boot_time() + lease_time * 2 / 3));
        deadline.end();
        assert!(deadline.has_passed());
    }
}
