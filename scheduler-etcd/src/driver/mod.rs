//! The loop that owns everything: what is wanted, what etcd says, and what is asked of it.
//!
//! It runs on a thread of its own, beside the tasks that renew the lease. At most one request is under way, and takes along all
//! that is to change by then: an idle process asks nothing, and a hundred roles are claimed by a few requests.

mod requests;
mod roles;

use std::error::Error;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use etcd_client::{EventType, WatchResponse, WatchStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use workflow_core::adapter::{EpochClaim, Lease, RoleClaim};
use workflow_core::{Epoch, RoleName};

pub(crate) use self::requests::read_view;
use self::requests::{Changed, Identity, Snapshot, Watched};
pub(crate) use self::roles::Waiter;
use self::roles::{Limits, Roles};
use crate::clock::boot_time;
use crate::error::EtcdError;
use crate::keys::Key;
use crate::link::{Link, in_time};
use crate::session::{Deadline, Probe, Session};
use crate::view::{Instance, View};

/// How many roles one request claims or releases: etcd allows 128 operations in one.
const ROLES_PER_REQUEST: usize = 60;
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

/// One thing that etcd was asked.
enum Answer {
    Snapshot(Result<Snapshot, EtcdError>),
    Changed(Result<Changed, EtcdError>),
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

/// The work of one session.
struct Work<'a> {
    driver: &'a mut Driver,
    session: &'a Session,
    view: View,
    watch: Option<WatchStream>,
    request: Option<Pin<Box<dyn Future<Output = Answer> + Send>>>,
    read_at: Duration,
    not_before: Duration,
    back_off: Duration,
}

impl<'a> Work<'a> {
    fn new(driver: &'a mut Driver, session: &'a Session) -> Self {
        let (view, back_off) = (View::default(), BACK_OFF);
        let (read_at, not_before) = (Duration::ZERO, Duration::ZERO);
        Self { driver, session, view, watch: None, request: None, read_at, not_before, back_off }
    }

    async fn run(mut self) -> Ended {
        loop {
            let look_at = self.next_request();
            let pause = look_at.saturating_sub(boot_time());
            tokio::select! {
                biased;
                () = self.session.lost.cancelled() => return Ended::Lost,
                message = self.driver.messages.recv() => {
                    let mut next = message;
                    loop {
                        if let Some(done) = self.driver.take_in(next) {
                            return Ended::Closed(done);
                        }
                        // All that is there goes along with the next request.
                        let Ok(more) = self.driver.messages.try_recv() else { break };
                        next = Some(more);
                    }
                }
                answer = answer_of(&mut self.request) => {
                    self.request = None;
                    self.take_answer(answer);
                }
                heard = heard_by(&mut self.watch) => self.take_heard(heard),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Starts the next request if there is something to ask; says when to look again.
    fn next_request(&mut self) -> Duration {
        let now = boot_time();
        let roles = &mut self.driver.roles;
        self.view.set_instance(
            &self.driver.me.id,
            Instance { name: self.driver.me.name.clone(), born: self.driver.me.born, wants: roles.wants() },
        );
        let config = self.driver.link.config();
        let limits = Limits { hold_min: config.hold_min, hand_over: config.hand_over_timeout };
        let moves = if self.read_at.is_zero() {
            None
        } else {
            roles.give_up(&self.view, &self.driver.me.id, now, &limits)
        };
        let look_at = moves.map_or(self.read_at, |moves| moves.min(self.read_at));
        if self.request.is_some() {
            return now + self.session.lease_time;
        }
        if now < self.not_before {
            return self.not_before;
        }
        let limit = self.session.lease_time / 3;
        if now >= self.read_at {
            let watched = if self.watch.is_some() { Watched::Already } else { Watched::NotYet };
            let snapshot = requests::snapshot(self.driver.link.clone(), watched, limit);
            self.request = Some(Box::pin(async { Answer::Snapshot(snapshot.await) }));
            return now + self.session.lease_time;
        }
        let batch = roles.next_batch(&self.view, &self.driver.me.id, ROLES_PER_REQUEST);
        if !batch.is_empty() {
            let change = requests::change(self.driver.link.clone(), self.driver.me.clone(), batch, limit);
            self.request = Some(Box::pin(async { Answer::Changed(change.await) }));
            return now + self.session.lease_time;
        }
        look_at
    }

    fn take_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Snapshot(Ok(snapshot)) => self.take_snapshot(snapshot),
            Answer::Changed(Ok(changed)) => self.take_changed(changed),
            Answer::Snapshot(Err(error)) | Answer::Changed(Err(error)) => {
                tracing::warn!(cause = %with_causes(&error), "a request to etcd failed");
                self.begin_anew();
            }
        }
    }

    /// Nobody knows what etcd has done: it is read before anything else is asked.
    fn begin_anew(&mut self) {
        self.driver.link.is_broken();
        self.driver.roles.published_unknown();
        self.watch = None;
        self.read_at = Duration::ZERO;
        self.not_before = boot_time() + jittered(self.back_off);
        self.back_off = (self.back_off * 2).min(BACK_OFF_MAX);
    }

    /// A fresh picture. A watch is only a hint, so roles that have gone and keys that nobody knows of are found here.
    fn take_snapshot(&mut self, snapshot: Snapshot) {
        if let Some(watch) = snapshot.watch {
            self.watch = Some(watch);
        } else if snapshot.view.revision < self.view.revision {
            // The watch was faster than the answer.
            return;
        }
        self.view = snapshot.view;
        self.back_off = BACK_OFF;
        // Once in a lease time everything is read, whatever the watch says.
        self.read_at = boot_time() + self.session.lease_time;
        for (role, epoch) in self.driver.roles.owned() {
            if self.view.owner(&role).is_none_or(|owned| owned.epoch != epoch) {
                self.driver.roles.deleted(&role, i64::MAX);
            }
        }
        let ours = |(role, owned): (&RoleName, &crate::view::Owned)| {
            (owned.lease == self.session.lease).then(|| (role.clone(), owned.epoch, owned.clone()))
        };
        let ours: Vec<_> = self.view.owners().filter_map(ours).collect();
        for (role, epoch, owned) in ours {
            self.adopt(&role, epoch, &owned);
        }
        self.driver.roles.unclaim();
    }

    /// A key under our lease: a claim or release whose answer was lost, unless the role is known to be ours.
    fn adopt(&mut self, role: &RoleName, epoch: i64, owned: &crate::view::Owned) {
        if self.driver.roles.is_settled(role, epoch) {
            return;
        }
        self.driver.roles.recall(role, &owned.group, owned.shards);
        self.win(role, epoch);
    }

    fn take_changed(&mut self, changed: Changed) {
        self.back_off = BACK_OFF;
        if let Some(wants) = changed.wants {
            self.driver.roles.published(wants);
            self.driver.me.born.get_or_insert(changed.revision);
        }
        for (role, epoch) in changed.released {
            self.driver.roles.released(&role, epoch);
        }
        for role in changed.won {
            self.win(&role, changed.revision);
        }
        for role in changed.not_won {
            self.driver.roles.not_won(&role);
            // The picture was old.
            self.read_at = Duration::ZERO;
        }
    }

    fn win(&mut self, role: &RoleName, epoch: i64) {
        let (session, sender) = (self.session, &self.driver.sender);
        self.driver.roles.won(role, epoch, boot_time(), || lease(session, sender, role, epoch));
    }

    fn take_heard(&mut self, heard: Option<WatchResponse>) {
        let Some(heard) = heard.filter(|heard| !heard.canceled()) else {
            tracing::info!("the watch of the namespace has ended and begins anew");
            return self.begin_anew();
        };
        for event in heard.events() {
            let Some(pair) = event.kv() else { continue };
            if pair.mod_revision() <= self.view.revision {
                continue;
            }
            match event.event_type() {
                EventType::Put => requests::put(&mut self.view, self.driver.link.keys(), pair),
                EventType::Delete => {
                    self.take_deleted(pair.key_str().unwrap_or_default(), pair.mod_revision())
                }
            }
        }
        // All events of one revision come together.
        let last = heard.events().iter().filter_map(|event| event.kv()).map(|pair| pair.mod_revision()).max();
        self.view.revision = last.map_or(self.view.revision, |last| last.max(self.view.revision));
    }

    fn take_deleted(&mut self, key: &str, revision: i64) {
        let keys = self.driver.link.keys();
        self.view.delete(keys, key);
        match keys.parse(key) {
            Some(Key::Owner { role, .. }) => self.driver.roles.deleted(&role, revision),
            // Somebody has deleted our registration: it is made again.
            Some(Key::Instance(id)) if id == self.driver.me.id => self.driver.roles.published_unknown(),
            Some(Key::Instance(_)) | None => {}
        }
    }
}

/// A lease for one owner: `lost` ends with the session or alone, and its drop is told to the loop.
fn lease(
    session: &Session,
    sender: &mpsc::WeakUnboundedSender<Message>,
    role: &RoleName,
    epoch: i64,
) -> (Lease, CancellationToken) {
    let (lost, release) = (session.lost.child_token(), CancellationToken::new());
    let (dropped, sender, role) = (release.clone(), sender.clone(), role.clone());
    tokio::spawn(async move {
        dropped.cancelled().await;
        if let Some(sender) = sender.upgrade() {
            drop(sender.send(Message::Release { role, epoch }));
        }
    });
    let epoch = EpochClaim::At(Epoch::new(epoch.unsigned_abs()));
    (Lease::new(epoch, lost.clone(), release), lost)
}

async fn answer_of(request: &mut Option<Pin<Box<dyn Future<Output = Answer> + Send>>>) -> Answer {
    match request {
        Some(request) => request.await,
        None => pending().await,
    }
}

async fn heard_by(watch: &mut Option<WatchStream>) -> Option<WatchResponse> {
    match watch {
        Some(watch) => watch.message().await.ok().flatten(),
        None => pending().await,
    }
}
