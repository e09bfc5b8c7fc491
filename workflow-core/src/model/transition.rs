//! From a record and a wish to the next record, or to a typed refusal.

use std::sync::Arc;

use bytes::Bytes;

use super::{EventId, PausedBy, Record, RunState, StatusCode};

/// What is to become of a run.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// # let run = running.trigger("order-17", Order { cents: 4_200 }).start_at(Paid).await?;
/// let record = running.get(&run).await?.record().clone();
/// let pause = Move::Pause { reason: "no stock".into(), by: PausedBy::Operator };
/// let next = apply(&record, Transition { to: pause, object: None })?;
/// assert_eq!((next.run_state, next.version.get()), (RunState::Paused, 2));
/// # );
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Move {
    /// Go to a status; whether it is terminal decides between Running and Completed.
    Go {
        /// The status.
        to: StatusCode,
        /// Its name.
        description: Arc<str>,
        /// Whether it has no outgoing transition.
        terminal: bool,
    },
    /// Store the object and stay in the status.
    Repeat,
    /// Set the run aside.
    Pause {
        /// Why.
        reason: Arc<str>,
        /// Who did it.
        by: PausedBy,
    },
    /// Let a paused run go on.
    Resume,
    /// End the run early.
    Cancel {
        /// Why.
        reason: Arc<str>,
    },
    /// Ask for the deletion of a finished run's object.
    RequestDelete {
        /// Why.
        reason: Arc<str>,
    },
    /// The object was deleted or scrubbed.
    Deleted,
}

/// A move that the run's state does not allow.
///
/// ```
/// use workflow_core::{Refusal, RunState};
/// let refusal = Refusal { from: RunState::Completed, to: RunState::Paused };
/// assert_eq!(refusal.to_string(), "a run that is Completed cannot become Paused");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a run that is {from} cannot become {to}")]
pub struct Refusal {
    /// The run's state.
    pub from: RunState,
    /// The state that was wanted.
    pub to: RunState,
}

/// A move of one run: what is stored next.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// # let run = running.trigger("order-17", Order { cents: 4_200 }).start_at(Paid).await?;
/// let record = running.get(&run).await?.record().clone();
/// let repeat = Transition { to: Move::Repeat, object: Some(r#"{"cents":1}"#.into()) };
/// assert_eq!(apply(&record, repeat)?.object.as_ref(), br#"{"cents":1}"#);
/// # );
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The move.
    pub to: Move,
    /// The object to store; `None` keeps the one that is there.
    pub object: Option<Bytes>,
}

/// Makes the next record: one version higher, under a new event id.
///
/// # Errors
/// [`Refusal`] if the run's state does not allow the move.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// # let run = running.trigger("order-17", Order { cents: 4_200 }).start_at(Paid).await?;
/// let record = running.get(&run).await?.record().clone();
/// let resume = Transition { to: Move::Resume, object: None };
/// assert_eq!(apply(&record, resume), Err(Refusal { from: RunState::Initiated, to: RunState::Running }));
/// # );
/// ```
pub fn apply(record: &Record, transition: Transition) -> Result<Record, Refusal> {
    let run_state = next_state(record.run_state, &transition.to)?;
    let mut next = Record {
        run_state,
        version: record.version.next(),
        last_event_id: Some(EventId::after(record.last_event_id)),
        paused_by: None,
        ..record.clone()
    };
    if let Some(object) = transition.object {
        next.object = object;
    }
    match transition.to {
        Move::Go { to, description, .. } => {
            next.status = to;
            next.status_description = description;
            next.run_state_reason = Arc::default();
        }
        Move::Repeat | Move::Resume => next.run_state_reason = Arc::default(),
        Move::Pause { reason, by } => {
            next.run_state_reason = reason;
            next.paused_by = Some(by);
        }
        Move::Cancel { reason } | Move::RequestDelete { reason } => next.run_state_reason = reason,
        Move::Deleted => {}
    }
    Ok(next)
}

fn next_state(from: RunState, wish: &Move) -> Result<RunState, Refusal> {
    let to = match wish {
        Move::Go { terminal: true, .. } => RunState::Completed,
        Move::Go { terminal: false, .. } | Move::Repeat | Move::Resume => RunState::Running,
        Move::Pause { .. } => RunState::Paused,
        Move::Cancel { .. } => RunState::Cancelled,
        Move::RequestDelete { .. } => RunState::RequestedDataDeleted,
        Move::Deleted => RunState::DataDeleted,
    };
    let stays_running = from == RunState::Running && matches!(wish, Move::Go { .. } | Move::Repeat);
    // Only a resume takes a run out of Paused: a step that was in flight must not undo a pause.
    let allowed = match wish {
        Move::Resume => from == RunState::Paused,
        Move::Go { .. } | Move::Repeat if from == RunState::Paused => false,
        _ => stays_running || from.can_move(to),
    };
    if allowed { Ok(to) } else { Err(Refusal { from, to }) }
}
