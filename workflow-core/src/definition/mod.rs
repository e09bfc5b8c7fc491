//! What a workflow is: its parts, checked as a whole before it runs.

mod api;
mod builder;
mod callback;
mod check;
mod connector;
mod cron;
mod draft;
mod graph;
mod options;
mod outbox_options;
mod parts;
mod problem;
mod schedule;
mod settings;
mod step;
mod timer;
mod workflow;

pub use api::{Api, CallbackOutcome};
pub use builder::Builder;
pub use callback::{CallbackFn, Payload};
pub use connector::{ConnectorFn, ConnectorReceiver, ConnectorSource};
pub use cron::{CronSpec, InvalidCron};
pub use graph::{Edge, EdgeKind, Graph};
pub use options::{Options, PauseAfter};
pub use outbox_options::OutboxOptions;
pub use parts::History;
pub use problem::{DefinitionErrors, Problem};
pub use schedule::Schedule;
pub use step::{HookFn, IntoStep, StepFn};
pub use timer::{TimerFn, after, at};
pub use workflow::Workflow;

pub(crate) use api::ApiCalls;
pub(crate) use options::ProcessOptions;
pub(crate) use parts::{
    CallbackPart, ConnectorPart, Definition, HookPart, SchedulePart, StepPart, TimeoutPart,
};
