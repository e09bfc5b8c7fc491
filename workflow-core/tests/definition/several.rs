//! All problems come at once, as a text that can be read.

use std::time::Duration;

use workflow_core::{Options, Schedule, Workflow, after};

use super::shop::{Off, Red, call, hook, step};

#[test]
fn all_problems_come_at_once() {
    let errors = Workflow::builder("my/lights")
        .with(Options::new())
        .step(Red, step, [Off, Off])
        .with(Options::new().shards(0).in_flight(0))
        .step(Red, step, [Off])
        .callback(Red, call, [])
        .timeout(Red, after(Duration::from_secs(1)), step, [Off])
        .with(Options::new().shards(2))
        .on_pause(hook)
        .named("pause")
        .schedule(Schedule::new("", "@daily", || ()))
        .schedule(Schedule::new("nightly", "0 0 * *", || ()))
        .build()
        .unwrap_err();
    let text = r#"workflow "my/lights" cannot be built
  - .with(..) must follow a step, timeout, hook or connector
  - .named(..) must follow a timeout
  - the step of Red names the destination Off twice
  - the step of Red: shards is 0: use 1 or more
  - the step of Red: in_flight is 0: use 1 or more
  - the callback of Red leads to no status: name at least one
  - the timeout of Red: shards is not for a timeout: remove it
  - status Red has two steps: a status has one
  - status Green cannot be reached from Red: add a way to it, or remove it
  - topic my/lights-run-state-change has the character '/'; letters, digits, `.`, `_` and `-` are allowed
  - foreign id "" cannot be used: it is empty
  - schedule "0 0 * *", position 8: the day of week is missing: a spec has five fields"#;
    assert_eq!(errors.to_string(), text);
    assert_eq!((errors.workflow.as_str(), errors.problems.len()), ("my/lights", 12));
}
