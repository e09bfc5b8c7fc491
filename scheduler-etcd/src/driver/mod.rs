//! The loop that owns everything: what is wanted, what etcd says, and what is asked of it.
//!
//! It runs on a thread of its own, beside the tasks that renew the lease. At most one request is under way, and takes along all
//! that is to change by then: an idle process asks nothing, and a hundred roles are claimed by a few requests.

mod requests;
mod roles;
mod work;

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use workflow_core::RoleName;
use workflow_core::adapter::RoleClaim;

use self::requests::Identity;
pub(crate) use self::requests::read_view;
use self::roles::Roles;
pub(crate) use self::roles::Waiter;
use self::work::Work;
use crate::error::EtcdError;
use crate::link::{Link, in_time};
use crate::session::{Deadline, Probe, Session};

/// The first pause after a failed request, and the longest.
const BACK_OFF: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(2);

/// What the loop is told.
pub(crate) enum Message {
    Claim { claim: RoleClaim, waiter: Waiter },
    Withdraw { role: RoleName, id: u64 },
    Release { role: RoleName, epoch: i64 },
    Close { done: oneshot::Sender<()> },
}

/// What the loop and its handles share.
pub(crate) struct Shared {
    pub(crate) deadline: Arc<Deadline>,
    pub(crate) session_lost: Mutex<CancellationToken>,
}

/// An error and its causes on one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Why one session's loop ended.
enum Ended {
    Lost,
    Closed(Option<oneshot::Sender<()>>),
}

pub(crate) struct Driver {
    link: Link,
    probe: Probe,
    shared: Arc<Shared>,
    me: Identity,
    roles: Roles,
    messages: mpsc::UnboundedReceiver<Message>,
    /// For what leases tell when they are dropped; weak, so that the end of all handles is seen.
    sender: mpsc::WeakUnboundedSender<Message>,
}

impl Driver {
    pub(crate) fn new(
        (link, probe): (Link, Probe),
        shared: Arc<Shared>,
        (id, name): (String, String),
        messages: mpsc::UnboundedReceiver<Message>,
        sender: mpsc::WeakUnboundedSender<Message>,
    ) -> Self {
        let me = Identity { id, name, born: None, lease: 0 };
        Self { link, probe, shared, me, roles: Roles::default(), messages, sender }
    }

    /// Opens the first session.
    pub(crate) async fn open(&self) -> Result<Session, EtcdError> {
        open(&self.link, &self.probe, &self.shared).await
    }

    /// Works until it is closed or all handles are gone, with one session after the other.
    pub(crate) async fn run(mut self, first: Session) {
        let mut session = first;
        loop {
            self.me.lease = session.lease;
            let ended = Work::new(&mut self, &session).run().await;
            session.lost.cancel();
            self.shared.deadline.end();
            self.roles.all_lost();
            match ended {
                Ended::Closed(done) => {
                    revoke(&self.link, session.lease).await;
                    tell(done);
                    return;
                }
                Ended::Lost => match self.reopen(session.lease).await {
                    Ok(next) => session = next,
                    Err(done) => {
                        tell(done);
                        return;
                    }
                },
            }
        }
    }

    /// Opens another session, however long etcd is away; meanwhile claims may come and go.
    async fn reopen(&mut self, old: i64) -> Result<Session, Option<oneshot::Sender<()>>> {
        let opening = open_patiently(self.link.clone(), self.probe.clone(), Arc::clone(&self.shared), old);
        tokio::pin!(opening);
        loop {
            tokio::select! {
                session = &mut opening => return Ok(session),
                message = self.messages.recv() => self.take_in(message).map_or(Ok(()), Err)?,
            }
        }
    }

    /// Takes in what a handle says; gives whom to tell when all is to end.
    fn take_in(&mut self, message: Option<Message>) -> Option<Option<oneshot::Sender<()>>> {
        match message {
            Some(Message::Claim { claim, waiter }) => self.roles.wait(&claim, waiter),
            Some(Message::Withdraw { role, id }) => self.roles.withdraw(&role, id),
            Some(Message::Release { role, epoch }) => self.roles.release(&role, epoch),
            Some(Message::Close { done }) => return Some(Some(done)),
            None => return Some(None),
        }
        None
    }
}

/// Tells whoever closed the scheduler, if somebody did and still waits.
fn tell(done: Option<oneshot::Sender<()>>) {
    if let Some(done) = done {
        let _ = done.send(());
    }
}

async fn open(link: &Link, probe: &Probe, shared: &Shared) -> Result<Session, EtcdError> {
    let lost = CancellationToken::new();
    let session = Session::open(link, probe, &shared.deadline, lost.clone()).await?;
    *shared.session_lost.lock().unwrap_or_else(PoisonError::into_inner) = lost;
    Ok(session)
}

async fn open_patiently(link: Link, probe: Probe, shared: Arc<Shared>, old: i64) -> Session {
    let mut back_off = BACK_OFF;
    loop {
        // What owns nothing because it is stuck is not to own something again at once.
        probe.answered_within(link.config().lease_time).await;
        // What is left of the old lease would keep roles from their next owners.
        revoke(&link, old).await;
        match open(&link, &probe, &shared).await {
            Ok(session) => return session,
            Err(error) => {
                link.is_broken();
                tracing::warn!(cause = %with_causes(&error), "there is no new session in etcd yet");
            }
        }
        tokio::time::sleep(jittered(back_off)).await;
        back_off = (back_off * 2).min(BACK_OFF_MAX);
    }
}

/// Gives a lease back, with all keys under it; if that fails it expires by itself.
async fn revoke(link: &Link, lease: i64) {
    let limit = link.config().connect_timeout;
    if let Ok(client) = link.client().await
        && let Err(error) = in_time("revoke a lease", limit, client.lease_client().revoke(lease)).await
    {
        tracing::debug!(cause = %with_causes(&error), "a lease was not revoked");
    }
}

fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64())
}
