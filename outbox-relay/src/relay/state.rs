//! What the work on a shard knows of itself, and what its dead letters say.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use workflow_core::adapter::{BackendError, BoxFuture, DeadLetter, SendOutcome, ShardPage, StoredOutboxRow};
use workflow_core::{EventId, Topic, encode_outbox};

use super::ledger::{Ledger, Picked, Row};

/// What a dead letter says of who wrote it.
const PROCESS: &str = "outbox-relay";

/// How often reading, or a topic, may fail in a drain before what is left is left.
const FAILURES_MAX: u32 = 5;

/// What was under way and has ended.
pub(super) enum Done {
    Read(Result<ShardPage, BackendError>),
    Sent {
        rows: Vec<Row>,
        outcomes: Result<Vec<SendOutcome>, BackendError>,
    },
    Gone {
        ids: Vec<Arc<str>>,
        letters: usize,
        result: Result<(), BackendError>,
    },
    Gathered,
    /// Deleting may be tried again.
    Again,
    Settled(Vec<EventId>),
    Ready,
}

pub(super) struct State {
    pub(super) ledger: Ledger,
    pub(super) under_way: FuturesUnordered<BoxFuture<'static, Done>>,
    pub(super) after: Option<Arc<str>>,
    /// Whether a page is being read.
    pub(super) reading: bool,
    /// Whether acknowledged rows are being deleted, or waited for.
    pub(super) deleting: bool,
    pub(super) gathering: bool,
    pub(super) gathered: bool,
    pub(super) sending: usize,
    pub(super) full: bool,
    /// Whether nothing new is to be sent any more.
    pub(super) ending: bool,
    pub(super) acked: Vec<Arc<str>>,
    pub(super) held: HashMap<EventId, Arc<str>>,
    /// Topics that take nothing until the clock shows this, and how often they have failed.
    pub(super) topics: HashMap<Topic, (Duration, u32)>,
    pub(super) pass: Pass,
    pub(super) failures: u32,
}

/// What a pass has met.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pass {
    pub(super) is_open: bool,
    pub(super) taken: usize,
    pub(super) waiting: usize,
    pub(super) held: usize,
    pub(super) failed: bool,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            ledger: Ledger::default(),
            under_way: FuturesUnordered::new(),
            after: None,
            reading: false,
            deleting: false,
            gathering: false,
            gathered: false,
            sending: 0,
            full: false,
            ending: false,
            acked: Vec::new(),
            held: HashMap::new(),
            topics: HashMap::new(),
            pass: Pass::default(),
            failures: 0,
        }
    }

    pub(super) fn begin_pass(&mut self) {
        self.ledger.begin_pass();
        self.after = None;
        self.pass = Pass { is_open: true, ..Pass::default() };
    }

    /// Whether what is left fails again and again.
    pub(super) fn is_hopeless(&self) -> bool {
        let topics =
            !self.topics.is_empty() && self.topics.values().all(|(_, failures)| *failures >= FAILURES_MAX);
        self.failures >= FAILURES_MAX || topics
    }

    pub(super) fn fail(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.pass.failed = true;
        self.pass.is_open = false;
    }
}

impl Pass {
    pub(super) fn note(&mut self, picked: &Picked) {
        self.taken += picked.rows.len() + picked.unreadable.len();
        self.held += picked.held;
    }
}

pub(super) fn unreadable(row: StoredOutboxRow) -> Option<DeadLetter> {
    let (reason, data) = row.event.err()?;
    Some(DeadLetter {
        id: row.id,
        workflow_name: row.workflow_name,
        run_id: None,
        version: None,
        process: PROCESS.into(),
        reason,
        data,
        created_at: row.created_at,
    })
}

pub(super) fn refused(row: Row, reason: Arc<str>) -> DeadLetter {
    DeadLetter {
        id: row.text,
        workflow_name: row.event.workflow_name.as_str().into(),
        run_id: Some(row.event.run_id),
        version: row.event.version,
        process: PROCESS.into(),
        reason,
        data: encode_outbox(&row.event).into(),
        created_at: row.stored.created_at,
    }
}
