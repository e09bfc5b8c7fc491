//! Role and consumer group names.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::{ForeignId, Namespace, RunState, StatusCode, WorkflowName};

/// One of the equal parts that a process's topic is divided into.
///
/// ```
/// use std::num::NonZeroU32;
/// use workflow_core::Shard;
/// let shards: Vec<Shard> = Shard::all(NonZeroU32::new(3).unwrap()).collect();
/// assert_eq!((shards[1].number(), shards[1].of(), shards[1].to_string().as_str()), (2, 3, "2-of-3"));
/// assert!(shards[1].has_partition(4) && !shards[0].has_partition(4));
/// assert!(Shard::WHOLE.has_partition(4));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shard {
    number: NonZeroU32,
    of: NonZeroU32,
}

impl Shard {
    /// The only shard of a process that is not divided.
    pub const WHOLE: Shard = Shard { number: NonZeroU32::MIN, of: NonZeroU32::MIN };

    /// All shards of a process, numbered from 1.
    pub fn all(of: NonZeroU32) -> impl Iterator<Item = Shard> {
        (1..=of.get()).filter_map(NonZeroU32::new).map(move |number| Shard { number, of })
    }

    /// The number, from 1.
    pub const fn number(self) -> u32 {
        self.number.get()
    }

    /// How many shards there are.
    pub const fn of(self) -> u32 {
        self.of.get()
    }

    /// Whether the outbox rows of a bucket belong to this shard: bucket modulo shards.
    pub const fn has_bucket(self, bucket: u16) -> bool {
        bucket as u32 % self.of.get() == self.number.get() - 1
    }

    /// Whether a partition belongs to this shard: partition modulo shards.
    pub const fn has_partition(self, partition: u32) -> bool {
        partition % self.of.get() == self.number.get() - 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-of-{}", self.number, self.of)
    }
}

/// Lower case, and `_` for spaces, as the Go library has it: there each character becomes one, whatever its neighbours.
pub(crate) fn normal_name(text: &str) -> String {
    text.chars().map(|c| if c == ' ' { '_' } else { c.to_lowercase().next().unwrap_or(c) }).collect()
}

/// The name of a consumer group: a role's name without the shard part, the same for every shard count.
///
/// ```
/// use workflow_core::{ForeignId, GroupName, RunState, Shard, StatusCode, WorkflowName};
/// let (orders, paid) = (WorkflowName::new("My orders")?, StatusCode::new(2)?);
/// assert_eq!(GroupName::of_step(&orders, paid).as_str(), "my_orders-2-consumer");
/// assert_eq!(GroupName::of_timeouts(&orders, paid).single_role().as_str(), "my_orders-2-timeout-consumer");
/// assert_eq!(
///     GroupName::of_timeout_inserter(&orders, paid).as_str(),
///     "my_orders-2-timeout-auto-inserter-consumer"
/// );
/// assert_eq!(GroupName::of_inbox(&orders, paid).as_str(), "my_orders-2-callback-inbox-consumer");
/// assert_eq!(GroupName::of_connector("letters", &orders).as_str(), "letters-connector-to-my_orders-consumer");
/// assert_eq!(
///     GroupName::of_hook(&orders, RunState::Completed).as_str(),
///     "my_orders-completed-run-state-change-hook-consumer"
/// );
/// assert_eq!(GroupName::of_deletions(&orders).as_str(), "my_orders-delete-consumer");
/// assert_eq!(GroupName::of_paused_retry(&orders).as_str(), "my_orders-paused-records-retry-consumer");
/// assert_eq!(GroupName::of_outbox(&orders).as_str(), "my_orders-outbox-consumer");
/// assert_eq!(GroupName::of_reconciler(&orders).as_str(), "my_orders-reconciler");
/// assert_eq!(GroupName::of_relay().role(Shard::WHOLE).as_str(), "outbox-relay-1-of-1");
/// let milk = ForeignId::new("milk")?;
/// assert_eq!(GroupName::of_schedule(&orders, &milk, "@daily").as_str(), "my_orders-milk-scheduler-@daily");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// `{workflow}-{status}-consumer`
    pub fn of_step(workflow: &WorkflowName, status: StatusCode) -> Self {
        Self::join(workflow, &format!("{status}-consumer"))
    }

    /// `{workflow}-{status}-timeout-consumer`; a role, never a group.
    pub fn of_timeouts(workflow: &WorkflowName, status: StatusCode) -> Self {
        Self::join(workflow, &format!("{status}-timeout-consumer"))
    }

    /// `{workflow}-{status}-timeout-auto-inserter-consumer`
    pub fn of_timeout_inserter(workflow: &WorkflowName, status: StatusCode) -> Self {
        Self::join(workflow, &format!("{status}-timeout-auto-inserter-consumer"))
    }

    /// `{workflow}-{status}-callback-inbox-consumer`, which applies callbacks that came early.
    pub fn of_inbox(workflow: &WorkflowName, status: StatusCode) -> Self {
        Self::join(workflow, &format!("{status}-callback-inbox-consumer"))
    }

    /// `{connector}-connector-to-{workflow}-consumer`
    pub fn of_connector(connector: &str, workflow: &WorkflowName) -> Self {
        Self(
            format!("{}-connector-to-{}-consumer", normal_name(connector), normal_name(workflow.as_str()))
                .into(),
        )
    }

    /// `{workflow}-{run state}-run-state-change-hook-consumer`
    pub fn of_hook(workflow: &WorkflowName, run_state: RunState) -> Self {
        Self::join(workflow, &format!("{}-run-state-change-hook-consumer", run_state.role_part()))
    }

    /// `{workflow}-delete-consumer`
    pub fn of_deletions(workflow: &WorkflowName) -> Self {
        Self::join(workflow, "delete-consumer")
    }

    /// `{workflow}-paused-records-retry-consumer`
    pub fn of_paused_retry(workflow: &WorkflowName) -> Self {
        Self::join(workflow, "paused-records-retry-consumer")
    }

    /// `{workflow}-outbox-consumer`, the publisher inside the process; a role, never a group.
    pub fn of_outbox(workflow: &WorkflowName) -> Self {
        Self::join(workflow, "outbox-consumer")
    }

    /// `outbox-relay`, the relay in a process of its own: its roles are `outbox-relay-{shard}-of-{shards}`.
    pub fn of_relay() -> Self {
        Self("outbox-relay".into())
    }

    /// `{workflow}-reconciler`; a role, never a group.
    pub fn of_reconciler(workflow: &WorkflowName) -> Self {
        Self::join(workflow, "reconciler")
    }

    /// `{workflow}-{foreign id}-scheduler-{spec}`; a role, never a group.
    pub fn of_schedule(workflow: &WorkflowName, foreign_id: &ForeignId, spec: &str) -> Self {
        Self::join(workflow, &format!("{}-scheduler-{}", normal_name(foreign_id.as_str()), normal_name(spec)))
    }

    fn join(workflow: &WorkflowName, rest: &str) -> Self {
        Self(format!("{}-{rest}", normal_name(workflow.as_str())).into())
    }

    /// The group in a namespace; its roles are in it too.
    ///
    /// ```
    /// use workflow_core::{GroupName, Namespace, Shard, WorkflowName};
    /// let orders = WorkflowName::new("Orders").unwrap();
    /// let group = GroupName::of_deletions(&orders).within(&Namespace::new("Shop").unwrap());
    /// assert_eq!(group.single_role().as_str(), "Shop.orders-delete-consumer");
    /// ```
    pub fn within(self, namespace: &Namespace) -> Self {
        Self(namespace.qualify(self.0))
    }

    /// The role of one shard of the group: `{group}-{shard}-of-{shards}`.
    pub fn role(&self, shard: Shard) -> RoleName {
        RoleName(format!("{}-{shard}", self.0).into())
    }

    /// The role of a process that is never divided: the group's own name.
    pub fn single_role(&self) -> RoleName {
        RoleName(self.0.clone())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The name of one long-lived process of a workflow, owned by one instance at a time.
///
/// ```
/// use workflow_core::{GroupName, Shard, StatusCode, WorkflowName};
/// let orders = WorkflowName::new("Orders").unwrap();
/// let group = GroupName::of_step(&orders, StatusCode::new(1).unwrap());
/// assert_eq!(group.role(Shard::WHOLE).as_str(), "orders-1-consumer-1-of-1");
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleName(Arc<str>);

impl RoleName {
    /// A role name read from a store.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
