//! The roles that this process wants or has. Pure: nothing here asks etcd.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use workflow_core::RoleName;
use workflow_core::adapter::{Lease, RoleClaim};

use crate::keys::group_part;
use crate::view::{View, Want};

/// How many roles one process gives up at a time, so that its work does not stop all at once.
const MOVES_AT_ONCE: usize = 16;

/// A call of `claim` that has not ended.
pub(crate) struct Waiter {
    pub(crate) id: u64,
    pub(crate) reply: oneshot::Sender<Lease>,
}

/// A role between wish and release.
pub(crate) struct Local {
    pub(crate) want: Want,
    pub(crate) waiters: VecDeque<Waiter>,
    pub(crate) phase: Phase,
}

/// How far a role is.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Not ours.
    Waiting,
    /// A request that claims it is under way.
    Claiming,
    /// Ours since then.
    Owned { epoch: i64, lost: CancellationToken, since: Duration },
    /// Ours, but it is to move: the process that works under it has been told to end.
    Yielding { epoch: i64, until: Duration },
    /// To be deleted in etcd.
    Releasing { epoch: i64 },
}

/// What is to be asked of etcd in one request.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) wants: Option<BTreeSet<Want>>,
    pub(crate) claims: Vec<Want>,
    pub(crate) releases: Vec<(Want, i64)>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.wants.is_none() && self.claims.is_empty() && self.releases.is_empty()
    }
}

/// All roles that this process wants or has.
#[derive(Default)]
pub(crate) struct Roles {
    by_name: BTreeMap<RoleName, Local>,
    /// What etcd knows that we want.
    published: Option<BTreeSet<Want>>,
}

impl Roles {
    pub(crate) fn wait(&mut self, claim: &RoleClaim, waiter: Waiter) {
        let local = self.by_name.entry(claim.role.clone()).or_insert_with(|| Local {
            want: Want {
                group: group_part(&claim.group),
                shards: claim.shard.of(),
                role: claim.role.as_str().to_owned(),
            },
            waiters: VecDeque::new(),
            phase: Phase::Waiting,
        });
        local.waiters.push_back(waiter);
    }

    pub(crate) fn withdraw(&mut self, role: &RoleName, id: u64) {
        if let Some(local) = self.by_name.get_mut(role) {
            local.waiters.retain(|waiter| waiter.id != id);
        }
        self.forget_unwanted();
    }

    /// The owner gave a role back.
    pub(crate) fn release(&mut self, role: &RoleName, of: i64) {
        let Some(local) = self.by_name.get_mut(role) else { return };
        if let Phase::Owned { epoch, .. } | Phase::Yielding { epoch, .. } = local.phase
            && epoch == of
        {
            local.phase = Phase::Releasing { epoch };
        }
    }

    /// The key of a role was deleted by somebody else.
    pub(crate) fn deleted(&mut self, role: &RoleName, revision: i64) {
        let Some(local) = self.by_name.get_mut(role) else { return };
        match &local.phase {
            Phase::Owned { epoch, lost, .. } if *epoch < revision => lost.cancel(),
            Phase::Yielding { epoch, .. } if *epoch < revision => {}
            Phase::Owned { .. }
            | Phase::Yielding { .. }
            | Phase::Waiting
            | Phase::Claiming
            | Phase::Releasing { .. } => return,
        }
        tracing::warn!(%role, "the role was taken away in etcd");
        local.phase = Phase::Waiting;
        self.forget_unwanted();
    }

    /// The role is ours; gives the first waiter that still waits its lease.
    pub(crate) fn won(
        &mut self,
        role: &RoleName,
        epoch: i64,
        since: Duration,
        mut lease: impl FnMut() -> (Lease, CancellationToken),
    ) {
        let Some(local) = self.by_name.get_mut(role) else { return };
        local.phase = Phase::Releasing { epoch };
        while let Some(waiter) = local.waiters.pop_front() {
            let (offer, lost) = lease();
            if waiter.reply.send(offer).is_ok() {
                local.phase = Phase::Owned { epoch, lost, since };
                return;
            }
        }
    }

    /// The claim of a role did not succeed.
    pub(crate) fn not_won(&mut self, role: &RoleName) {
        if let Some(local) = self.by_name.get_mut(role)
            && matches!(local.phase, Phase::Claiming)
        {
            local.phase = Phase::Waiting;
        }
        self.forget_unwanted();
    }

    /// A role that was to be released has no owner.
    pub(crate) fn released(&mut self, role: &RoleName, of: i64) {
        if let Some(local) = self.by_name.get_mut(role)
            && matches!(local.phase, Phase::Releasing { epoch } if epoch == of)
        {
            local.phase = Phase::Waiting;
        }
        self.forget_unwanted();
    }

    /// The session is lost, and every role with it.
    pub(crate) fn all_lost(&mut self) {
        for local in self.by_name.values_mut() {
            local.phase = Phase::Waiting;
        }
        self.published = None;
        self.forget_unwanted();
    }

    pub(crate) fn published(&mut self, wants: BTreeSet<Want>) {
        self.published = Some(wants);
    }

    /// Nobody knows what etcd knows: it is told again.
    pub(crate) fn published_unknown(&mut self) {
        self.published = None;
    }

    /// What this process wants: what it waits for, and what it has and is to keep.
    pub(crate) fn wants(&self) -> BTreeSet<Want> {
        let wanted = |local: &&Local| match local.phase {
            Phase::Claiming | Phase::Owned { .. } | Phase::Yielding { .. } => true,
            Phase::Waiting | Phase::Releasing { .. } => !local.waiters.is_empty(),
        };
        self.by_name.values().filter(wanted).map(|local| local.want.clone()).collect()
    }

    /// Whether it is known what becomes of the role under this epoch.
    pub(crate) fn is_settled(&self, role: &RoleName, of: i64) -> bool {
        self.by_name.get(role).is_some_and(|local| match local.phase {
            Phase::Owned { epoch, .. } | Phase::Yielding { epoch, .. } | Phase::Releasing { epoch } => {
                epoch == of
            }
            Phase::Waiting | Phase::Claiming => false,
        })
    }

    /// Takes up a role that etcd says is ours, whoever wanted it.
    pub(crate) fn recall(&mut self, role: &RoleName, group: &str, shards: u32) {
        self.by_name.entry(role.clone()).or_insert_with(|| Local {
            want: Want { group: group.to_owned(), shards, role: role.as_str().to_owned() },
            waiters: VecDeque::new(),
            phase: Phase::Waiting,
        });
    }

    /// No claim is under way any more, and those whose answer was lost have not been found.
    pub(crate) fn unclaim(&mut self) {
        for local in self.by_name.values_mut() {
            if matches!(local.phase, Phase::Claiming) {
                local.phase = Phase::Waiting;
            }
        }
        self.forget_unwanted();
    }

    /// The roles that this process believes to have, with their epochs.
    pub(crate) fn owned(&self) -> Vec<(RoleName, i64)> {
        let owned = self.by_name.iter().filter_map(|(role, local)| match local.phase {
            Phase::Owned { epoch, .. } | Phase::Yielding { epoch, .. } => Some((role.clone(), epoch)),
            Phase::Waiting | Phase::Claiming | Phase::Releasing { .. } => None,
        });
        owned.collect()
    }

    /// Tells the processes of roles that are to move to end, and takes away what was not given back in time. Says when to look
    /// again.
    pub(crate) fn give_up(
        &mut self,
        view: &View,
        me: &str,
        now: Duration,
        limits: &Limits,
    ) -> Option<Duration> {
        let counts = view.shard_counts();
        let mut moving =
            self.by_name.values().filter(|local| matches!(local.phase, Phase::Yielding { .. })).count();
        let mut next = None;
        let mut look_at = |at: Duration| next = Some(next.map_or(at, |next: Duration| next.min(at)));
        for (role, local) in &mut self.by_name {
            match &local.phase {
                Phase::Owned { epoch, lost, since } => {
                    let outdated = counts.get(local.want.group.as_str()) != Some(&local.want.shards);
                    if !outdated && view.preferred(&local.want) == Some(me) || moving >= MOVES_AT_ONCE {
                        continue;
                    }
                    if !outdated && now < *since + limits.hold_min {
                        look_at(*since + limits.hold_min);
                        continue;
                    }
                    tracing::info!(%role, outdated, "the role moves to another instance");
                    lost.cancel();
                    moving += 1;
                    let until = now + limits.hand_over;
                    local.phase = Phase::Yielding { epoch: *epoch, until };
                    look_at(until);
                }
                Phase::Yielding { epoch, until } if now >= *until => {
                    tracing::warn!(%role, "the role moves although its process has not ended");
                    local.phase = Phase::Releasing { epoch: *epoch };
                }
                Phase::Yielding { until, .. } => look_at(*until),
                Phase::Waiting | Phase::Claiming | Phase::Releasing { .. } => {}
            }
        }
        next
    }

    /// What is to be asked of etcd now, at most `limit` roles of it; what is claimed is under way from here on.
    pub(crate) fn next_batch(&mut self, view: &View, me: &str, limit: usize) -> Batch {
        let wants = self.wants();
        let counts = view.shard_counts();
        let mut batch = Batch::default();
        for local in self.by_name.values_mut() {
            if batch.claims.len() + batch.releases.len() >= limit {
                break;
            }
            match local.phase {
                Phase::Releasing { epoch } => batch.releases.push((local.want.clone(), epoch)),
                Phase::Waiting
                    if !local.waiters.is_empty()
                        && counts.get(local.want.group.as_str()) == Some(&local.want.shards)
                        && view.preferred(&local.want) == Some(me)
                        && view.is_free(&local.want) =>
                {
                    local.phase = Phase::Claiming;
                    batch.claims.push(local.want.clone());
                }
                Phase::Waiting | Phase::Claiming | Phase::Owned { .. } | Phase::Yielding { .. } => {}
            }
        }
        if self.published.as_ref() != Some(&wants) {
            batch.wants = Some(wants);
        }
        batch
    }

    fn forget_unwanted(&mut self) {
        self.by_name.retain(|_, local| !matches!(local.phase, Phase::Waiting) || !local.waiters.is_empty());
    }
}

/// How long roles are held and moves may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) hold_min: Duration,
    pub(crate) hand_over: Duration,
}
