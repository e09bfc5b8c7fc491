//! What to do with an event, given the record that the store has.

use super::{Event, Record, RunState};

/// What kind of process consumes the event: each looks for something else in the record.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// # let run = running.trigger("order-17", Order { cents: 4_200 }).start_at(Paid).await?;
/// let record = running.get(&run).await?.record().clone();
/// let event = Event::of_record(&record, Topic::of_status(&record.workflow_name, record.status));
/// assert_eq!(judge(&event, Some(&record), Consumer::Step), Verdict::Process);
/// assert_eq!(judge(&event, Some(&record), Consumer::Delete), Verdict::Skip(Skip::NotWanted));
/// # );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumer {
    /// A step, or what else is driven by a run entering a status (timers, early callbacks).
    Step,
    /// A hook on a run state.
    Hook(RunState),
    /// The delete consumer.
    Delete,
    /// The automatic resume of paused runs.
    PausedRetry,
}

/// Why an event is acknowledged without being processed.
///
/// ```
/// use workflow_core::Skip;
/// assert_eq!(Skip::AlreadyProcessed.as_str(), "already_processed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skip {
    /// The record has moved on: the event was processed before.
    AlreadyProcessed,
    /// The run is paused, cancelled or deleted.
    Stopped,
    /// The event is of a run state that this process does not look for.
    NotWanted,
    /// The status or run state differs at the same version.
    Mismatch,
    /// The event is of another commit that bore the same version (a database fail-over lost that commit).
    Phantom,
    /// There is no such run.
    Missing,
}

impl Skip {
    /// The label in the metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Skip::AlreadyProcessed => "already_processed",
            Skip::Stopped => "stopped",
            Skip::NotWanted => "not_wanted",
            Skip::Mismatch => "mismatch",
            Skip::Phantom => "phantom",
            Skip::Missing => "missing",
        }
    }
}

/// What to do with an event.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// # let run = running.trigger("order-17", Order { cents: 4_200 }).start_at(Paid).await?;
/// let record = running.get(&run).await?.record().clone();
/// let mut ahead = Event::of_record(&record, Topic::of_status(&record.workflow_name, record.status));
/// ahead.version = Some(record.version.next());
/// assert_eq!(judge(&ahead, Some(&record), Consumer::Step), Verdict::Stale);
/// # );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Run the user's function.
    Process,
    /// Acknowledge it, and count why.
    Skip(Skip),
    /// The event is ahead of the record: the read was stale. Read the primary, wait a little, then park.
    Stale,
}

/// Judges an event against the record of its run on the primary.
///
/// ```
/// # use workflow_shop::*;
/// # example!(running =>
/// # let run = running.trigger("order-17", Order { cents: 4_200 }).start_at(Paid).await?;
/// let record = running.get(&run).await?.record().clone();
/// let event = Event::of_record(&record, Topic::of_status(&record.workflow_name, record.status));
/// assert_eq!(judge(&event, None, Consumer::Step), Verdict::Skip(Skip::Missing));
/// # );
/// ```
pub fn judge(event: &Event, record: Option<&Record>, consumer: Consumer) -> Verdict {
    let Some(record) = record else { return Verdict::Skip(Skip::Missing) };
    match consumer {
        Consumer::Step => judge_step(event, record),
        Consumer::Hook(wanted) => judge_state(event, record, wanted, Late::Process),
        Consumer::Delete => judge_state(event, record, RunState::RequestedDataDeleted, Late::Skip),
        Consumer::PausedRetry => judge_state(event, record, RunState::Paused, Late::Skip),
    }
}

fn judge_step(event: &Event, record: &Record) -> Verdict {
    match event.version {
        Some(version) if version > record.version => return Verdict::Stale,
        Some(version) if version < record.version => return Verdict::Skip(Skip::AlreadyProcessed),
        Some(_) if is_phantom(event, record) => return Verdict::Skip(Skip::Phantom),
        Some(_) | None => {}
    }
    if record.run_state.is_stopped() {
        Verdict::Skip(Skip::Stopped)
    } else if record.run_state.is_finished() {
        Verdict::Skip(Skip::AlreadyProcessed)
    } else if event.status != record.status {
        Verdict::Skip(Skip::Mismatch)
    } else {
        Verdict::Process
    }
}

/// What to do with an event whose record has moved on.
enum Late {
    /// A hook is told of every change of state, also if another followed quickly.
    Process,
    Skip,
}

fn judge_state(event: &Event, record: &Record, wanted: RunState, late: Late) -> Verdict {
    if event.run_state != wanted {
        return Verdict::Skip(Skip::NotWanted);
    }
    match event.version {
        Some(version) if version > record.version => Verdict::Stale,
        Some(version) if version < record.version => match late {
            Late::Process => Verdict::Process,
            Late::Skip => Verdict::Skip(Skip::AlreadyProcessed),
        },
        Some(_) if is_phantom(event, record) => Verdict::Skip(Skip::Phantom),
        Some(_) | None if record.run_state == wanted => Verdict::Process,
        // Without a version nothing tells whether the record has moved on; in the same status, that is all it can be.
        None if matches!(late, Late::Process) && event.status == record.status => Verdict::Process,
        Some(_) | None => Verdict::Skip(Skip::Mismatch),
    }
}

/// Whether both name the commit that made them and it is not the same.
fn is_phantom(event: &Event, record: &Record) -> bool {
    matches!((event.event_id, record.last_event_id), (Some(of_event), Some(of_record)) if of_event != of_record)
}
