//! The loop of one session: it listens, looks at what is to change, and asks etcd for it.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{EventType, WatchResponse, WatchStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use workflow_core::RoleName;
use workflow_core::adapter::{EpochClaim, Lease};

use super::requests::{self, Changed, Snapshot, Watched};
use super::roles::Limits;
use super::{BACK_OFF, BACK_OFF_MAX, Driver, Ended, Message, jittered, with_causes};
use crate::clock::boot_time;
use crate::epochs;
use crate::error::EtcdError;
use crate::keys::Key;
use crate::session::Session;
use crate::view::{Instance, Owned, View};

/// How many roles one request claims or releases: etcd allows 128 operations in one.
const ROLES_PER_REQUEST: usize = 60;

/// One thing that etcd was asked.
enum Answer {
    Snapshot(Result<Box<Snapshot>, EtcdError>),
    Changed(Result<Changed, EtcdError>),
}

/// The work of one session.
pub(super) struct Work<'a> {
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
    pub(super) fn new(driver: &'a mut Driver, session: &'a Session) -> Self {
        let (view, back_off) = (View::default(), BACK_OFF);
        let (read_at, not_before) = (Duration::ZERO, Duration::ZERO);
        Self { driver, session, view, watch: None, request: None, read_at, not_before, back_off }
    }

    pub(super) async fn run(mut self) -> Ended {
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
            self.request = Some(Box::pin(async { Answer::Snapshot(snapshot.await.map(Box::new)) }));
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
            Answer::Snapshot(Ok(snapshot)) => self.take_snapshot(*snapshot),
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
        let ours = |(role, owned): (&RoleName, &Owned)| {
            (owned.lease == self.session.lease).then(|| (role.clone(), owned.epoch, owned.clone()))
        };
        let ours: Vec<_> = self.view.owners().filter_map(ours).collect();
        for (role, epoch, owned) in ours {
            self.adopt(&role, epoch, &owned);
        }
        self.driver.roles.unclaim();
    }

    /// A key under our lease: a claim or release whose answer was lost, unless the role is known to be ours.
    fn adopt(&mut self, role: &RoleName, epoch: i64, owned: &Owned) {
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
        let (session, sender, deadline) = (self.session, &self.driver.sender, &self.driver.shared.deadline);
        self.driver.roles.won(role, epoch, boot_time(), || {
            let (lease, lost) = lease(session, sender, role, epoch);
            let (session_lost, deadline) = (session.lost.clone(), Arc::clone(deadline));
            let check = move || {
                let has_passed = deadline.has_passed();
                if has_passed {
                    session_lost.cancel();
                }
                !has_passed
            };
            (lease.checked(check), lost)
        });
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
    let epoch = EpochClaim::At(epochs::epoch(session.epoch_base, epoch));
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
