//! A small workflow that has no problem, for tests that spoil one thing.

use workflow_core::{Builder, Payload, Problem, Run, Step, Workflow};
use workflow_derive::Status;

#[derive(Status, Clone, Copy, Debug, PartialEq, Eq)]
#[status(crate = workflow_core)]
pub(crate) enum Light {
    Red = 1,
    Green = 2,
    Off = 3,
}
pub(crate) use Light::{Green, Off, Red};

pub(crate) async fn step(_: &mut Run<(), Light>) -> Step<Light> {
    Ok(Off)
}

pub(crate) async fn call(_: &mut Run<(), Light>, _: Payload) -> Step<Light> {
    Ok(Off)
}

pub(crate) async fn hook(_: &mut Run<(), Light>) -> Step<()> {
    Ok(())
}

pub(crate) fn empty() -> Builder<(), Light, ()> {
    Workflow::builder("lights")
}

/// Red leads to green and off, by a step; green to off, by a callback.
pub(crate) fn sound() -> Builder<(), Light, ()> {
    empty().step(Red, step, [Green, Off]).callback(Green, call, [Off])
}

/// What is wrong with it.
pub(crate) fn problems<T, S>(builder: Builder<T, S, ()>) -> Vec<Problem>
where
    T: Send + Sync + 'static,
    S: workflow_core::Status,
{
    builder.build().err().map(|errors| errors.problems).unwrap_or_default()
}

/// What the one problem says.
pub(crate) fn says<T, S>(builder: Builder<T, S, ()>) -> String
where
    T: Send + Sync + 'static,
    S: workflow_core::Status,
{
    let problems = problems(builder);
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].to_string()
}
