//! What one transition of the load stores.

use workflow::{
    Event, EventId, ForeignId, Meta, RunId, RunState, Status, StatusCode, Timestamp, Topic, Version,
    WorkflowName, encode_outbox,
};

use crate::load::{self, Keys, Order, Progress};

/// A run between two transitions.
pub(crate) struct Moving {
    pub(crate) run_id: RunId,
    pub(crate) foreign_id: ForeignId,
    order: Order,
    created_at: Timestamp,
    /// What was stored last; nothing of a new run.
    last: Option<(Version, Progress, EventId)>,
}

/// A transition with everything that is bound into statements.
pub(crate) struct Move {
    pub(crate) run: Moving,
    pub(crate) before: Option<(Version, StatusCode)>,
    pub(crate) version: Version,
    progress: Progress,
    pub(crate) run_state: RunState,
    pub(crate) event_id: EventId,
    pub(crate) object: Vec<u8>,
    pub(crate) meta: Vec<u8>,
    pub(crate) event: Vec<u8>,
    pub(crate) now: Timestamp,
    pub(crate) created_at: Timestamp,
}

const ORIGIN: &str = "bench/src/load.rs:1:1";

impl Moving {
    /// A run that is to be started.
    pub(crate) fn start(number: u64) -> Self {
        Self {
            run_id: RunId::generate(),
            foreign_id: ForeignId::new(Keys::Rising.of(number)).expect("a number is a key"),
            order: Order::new(number),
            created_at: Timestamp::from_millis(0),
            last: None,
        }
    }

    /// The row of the event that the next transition deals with.
    pub(crate) fn event_at_hand(&self) -> Option<EventId> {
        self.last.map(|(_, _, event_id)| event_id)
    }

    /// The next transition.
    pub(crate) fn step(mut self, now: Timestamp) -> Move {
        let (version, progress) = match self.last {
            None => (Version::FIRST, Progress::Placed),
            Some((version, Progress::Placed, _)) => (version.next(), Progress::Paid),
            Some((version, Progress::Paid, _)) => (version.next(), Progress::Packed),
            Some((version, _, _)) => (version.next(), Progress::Sent),
        };
        let run_state = match progress {
            Progress::Placed => RunState::Initiated,
            Progress::Paid | Progress::Packed => RunState::Running,
            Progress::Sent => RunState::Completed,
        };
        if self.last.is_none() {
            self.created_at = now;
        } else {
            self.order.steps += 1;
        }
        let event_id = EventId::after(self.event_at_hand());
        Move {
            before: self.last.map(|(version, progress, _)| (version, progress.code())),
            version,
            progress,
            run_state,
            event_id,
            object: serde_json::to_vec(&self.order).expect("an order is always JSON"),
            meta: meta(version, progress),
            event: self.event(version, progress, run_state, event_id),
            now,
            created_at: self.created_at,
            run: self,
        }
    }

    fn event(&self, version: Version, progress: Progress, run_state: RunState, id: EventId) -> Vec<u8> {
        thread_local! {
            static NAME: WorkflowName = WorkflowName::new(load::NAME).expect("the load's name is a name");
            static TOPICS: [Topic; 5] = ["load-0", "load-1", "load-2", "load-3", "load-run-state-change"]
                .map(Topic::new);
        }
        let at = usize::try_from(progress.code().get()).unwrap_or_default();
        encode_outbox(&Event {
            event_id: Some(id),
            workflow_name: NAME.with(Clone::clone),
            foreign_id: self.foreign_id.clone(),
            run_id: self.run_id,
            status: progress.code(),
            run_state,
            version: Some(version),
            topic: TOPICS.with(|topics| topics[at].clone()),
            headers: Vec::new(),
        })
    }
}

impl Move {
    /// Whether no event of the run follows.
    pub(crate) fn is_last(&self) -> bool {
        self.run_state == RunState::Completed
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.progress.code()
    }
}

impl From<Move> for Moving {
    fn from(made: Move) -> Self {
        Self { last: Some((made.version, made.progress, made.event_id)), ..made.run }
    }
}

fn meta(version: Version, progress: Progress) -> Vec<u8> {
    let meta = Meta {
        run_state_reason: "".into(),
        status_description: progress.name().into(),
        version: version.get(),
        trace_origin: ORIGIN.into(),
        traceparent: None,
    };
    meta.encode()
}
