//! The tables and their indexes, by their default names.

/// One of the store's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Table {
    /// Runs.
    Records,
    /// Events that are to be published.
    Outbox,
    /// Timers.
    Timeouts,
    /// Attempts that are to be made again.
    Retries,
    /// What each commit did.
    History,
    /// What cannot be processed.
    DeadLetters,
    /// Callbacks.
    Inbox,
    /// Slots of schedules.
    Slots,
    /// Epochs of roles.
    Roles,
    /// Which programs can use the tables.
    Schema,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Records,
        Self::Outbox,
        Self::Timeouts,
        Self::Retries,
        Self::History,
        Self::DeadLetters,
        Self::Inbox,
        Self::Slots,
        Self::Roles,
        Self::Schema,
    ];

    /// Its default name, by which the store's statements and the documentation call it.
    pub const fn default_name(self) -> &'static str {
        match self {
            Self::Records => "workflow_records",
            Self::Outbox => "workflow_outbox",
            Self::Timeouts => "workflow_timeouts",
            Self::Retries => "workflow_retries",
            Self::History => "workflow_history",
            Self::DeadLetters => "workflow_dead_letters",
            Self::Inbox => "workflow_inbox",
            Self::Slots => "workflow_slots",
            Self::Roles => "workflow_roles",
            Self::Schema => "workflow_schema",
        }
    }

    /// What follows the prefix.
    pub(super) fn rest(self) -> &'static str {
        self.default_name().strip_prefix(super::PREFIX).unwrap_or(self.default_name())
    }
}

/// The indexes that statements or tables name, and their tables. Those of the guide on MariaDB and MySQL are not among
/// them: there an index has its name within its table, so that it keeps it.
pub(crate) const INDEXES: [(&str, Table); 14] = [
    ("workflow_records_live", Table::Records),
    ("workflow_records_start_key", Table::Records),
    ("workflow_records_by_foreign_id", Table::Records),
    ("workflow_records_by_age", Table::Records),
    ("workflow_outbox_by_run", Table::Outbox),
    ("workflow_outbox_unrouted", Table::Outbox),
    ("workflow_timeouts_due", Table::Timeouts),
    ("workflow_retries_due", Table::Retries),
    ("workflow_dead_letters_by_age", Table::DeadLetters),
    ("workflow_dead_letters_by_run", Table::DeadLetters),
    ("idx_workflow_name_foreign_id_status", Table::Records),
    ("idx_run_state", Table::Records),
    ("idx_created_at", Table::Records),
    ("idx_outbox_workflow_name", Table::Outbox),
];
