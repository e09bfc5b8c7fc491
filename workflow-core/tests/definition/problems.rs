//! Each problem that `build()` finds, alone.

use std::time::Duration;

use workflow_core::adapter::{Backend, BackendError, BoxFuture, ConnectorEvent};
use workflow_core::{
    Api, ConnectorReceiver, ConnectorSource, GroupName, InvalidTopic, Options, OutboxOptions, Problem,
    RetryPolicy, Run, Shard, Status, StatusCode, Step, Topic, Workflow, after,
};

use super::shop::{Green, Light, Off, Red, call, empty, hook, problems, says, sound, step};

#[test]
fn a_sound_definition_has_no_problem() {
    assert_eq!(problems(sound()), []);
}

#[test]
fn a_name_that_cannot_be_used() {
    let named = |name: &str| Workflow::builder(name).step(Red, step, [Green, Off]);
    assert_eq!(says(named("")), "workflow name \"\" cannot be used: it is empty");
    assert_eq!(
        says(named("a\tb")),
        "workflow name \"a\\tb\" cannot be used: it has a control character at byte 1"
    );
    assert!(says(named(&"x".repeat(101))).ends_with("cannot be used: it has 101 bytes, 100 are allowed"));
    assert_eq!(problems(named(&"x".repeat(100))), []);
}

#[test]
fn a_name_that_no_topic_can_have() {
    let expected =
        "topic a/b-run-state-change has the character '/'; letters, digits, `.`, `_` and `-` are allowed";
    let found = problems(Workflow::builder("a/b").step(Red, step, [Green, Off]));
    assert_eq!(found[0].to_string(), expected);
    let topic = Topic::new("a/b-run-state-change");
    assert_eq!(found, [Problem::Topic(InvalidTopic::Character { topic, found: '/' })]);
}

#[test]
fn nothing_to_start_with() {
    let expected = "it has no step, callback or timeout: add the one that takes a new run";
    assert_eq!(says(empty()), expected);
    assert_eq!(says(empty().on_complete(hook)), expected);
    assert_eq!(says(empty().start_at(Red)), expected);
}

#[test]
fn two_steps_of_a_status() {
    assert_eq!(says(sound().step(Red, step, [Off])), "status Red has two steps: a status has one");
}

#[test]
fn two_hooks_on_a_run_state() {
    let built = sound().on_pause(hook).on_cancel(hook).on_complete(hook);
    assert_eq!(problems(built), []);
    let twice = sound().on_cancel(hook).on_cancel(hook);
    assert_eq!(says(twice), "there are two hooks on Cancelled: one is allowed");
}

#[test]
fn a_start_that_nothing_leaves() {
    let found = problems(sound().start_at(Off));
    assert_eq!(found[0].to_string(), "runs start at Off, but no step, callback or timeout leaves it");
    let unreachable = |status| Problem::Unreachable { status, start: "Off" };
    assert_eq!(found[1..], [unreachable("Red"), unreachable("Green")]);
}

#[test]
fn no_terminal_status() {
    let round = sound().step(Off, step, [Red]);
    assert_eq!(says(round), "it has no terminal status: a run could never complete");
}

#[test]
fn a_status_that_cannot_be_reached() {
    let expected = "status Green cannot be reached from Red: add a way to it, or remove it";
    assert_eq!(says(empty().step(Red, step, [Off])), expected);
    assert_eq!(says(empty().step(Red, step, [Off]).callback(Green, call, [Off])), expected);
    assert_eq!(says(empty().step(Red, step, [Red, Off])), expected);
}

#[test]
fn a_way_to_a_status_may_be_long_and_of_any_kind() {
    let ways =
        empty().timeout(Red, after(Duration::from_secs(1)), step, [Green]).callback(Green, call, [Off]);
    assert_eq!(problems(ways), []);
}

#[test]
fn a_part_that_leads_nowhere() {
    let found = says(sound().callback(Red, call, []));
    assert_eq!(found, "the callback of Red leads to no status: name at least one");
}

#[test]
fn a_destination_named_twice() {
    let found = says(empty().step(Red, step, [Green, Off, Green]));
    assert_eq!(found, "the step of Red names the destination Green twice");
}

#[test]
fn options_that_make_no_sense() {
    let zero = Duration::ZERO;
    let upside_down = RetryPolicy { base: Duration::from_secs(2), cap: Duration::from_secs(1) };
    let cases = [
        (Options::new().shards(0), "shards is 0: use 1 or more"),
        (Options::new().in_flight(0), "in_flight is 0: use 1 or more"),
        (Options::new().poll_every(zero), "poll_every is 0ns: use a second or so"),
        (Options::new().attempt_timeout(zero), "attempt_timeout is 0ns: no attempt could end in it"),
        (Options::new().pause_after(0), "pause_after is 0: use 1 or more, or never_pause()"),
        (
            Options::new().retry(upside_down),
            "retry is RetryPolicy { base: 2s, cap: 1s }: the base must not be longer than the cap",
        ),
    ];
    for (options, text) in cases {
        let of_part = empty().step(Red, step, [Green, Off]).with(options.clone());
        assert_eq!(says(of_part), format!("the step of Red: {text}"));
        assert_eq!(says(sound().options(options)), format!("the workflow's options: {text}"));
    }
}

#[test]
fn options_of_the_whole_that_make_no_sense() {
    let outbox = sound().outbox(OutboxOptions::default().batch(0));
    assert_eq!(says(outbox), "the outbox: batch is 0: use 1 or more");
    let never = sound().reconcile_every(Duration::ZERO);
    assert_eq!(says(never), "the workflow: reconcile_every is 0ns: use a minute or so");
}

#[test]
fn a_zero_is_not_forgotten_by_what_is_said_later() {
    let built = empty().step(Red, step, [Green, Off]);
    let later = built.with(Options::new().pause_after(0)).with(Options::new().shards(2));
    assert_eq!(says(later), "the step of Red: pause_after is 0: use 1 or more, or never_pause()");
}

#[test]
fn a_zero_that_is_taken_back_is_none() {
    for mended in [Options::new().pause_after(0).never_pause(), Options::new().pause_after(0).pause_after(1)]
    {
        assert_eq!(problems(sound().options(mended)), []);
    }
    let again = empty().step(Red, step, [Green, Off]).with(Options::new().pause_after(0));
    assert_eq!(problems(again.with(Options::new().never_pause())), []);
}

#[test]
fn a_timeout_with_shards_or_a_lag() {
    let timeout = || sound().timeout(Green, after(Duration::from_secs(1)), step, [Off]);
    let shards = says(timeout().with(Options::new().shards(2)));
    assert_eq!(shards, "the timeout of Green: shards is not for a timeout: remove it");
    let lag = says(timeout().with(Options::new().consume_lag(Duration::from_secs(1))));
    assert_eq!(lag, "the timeout of Green: consume_lag is not for a timeout: remove it");
    let inherited = timeout().options(Options::new().shards(2).consume_lag(Duration::from_secs(1)));
    assert_eq!(problems(inherited), [], "what all parts have is not said of the timeout");
}

#[test]
fn a_hook_with_shards() {
    let found = says(sound().on_pause(hook).with(Options::new().shards(2)));
    assert_eq!(found, "the hook on Paused: shards is not for a hook: remove it");
}

#[test]
fn a_modifier_with_nothing_to_modify() {
    let options = Options::new().shards(2);
    let with = ".with(..) must follow a step, timeout, hook or connector";
    let named = ".named(..) must follow a timeout";
    let buffered = ".buffered(..) must follow a callback";
    assert_eq!(says(empty().with(options.clone()).step(Red, step, [Green, Off])), with);
    assert_eq!(says(sound().with(options.clone())), with, "a callback has no options");
    assert_eq!(says(sound().named("late")), named);
    assert_eq!(says(sound().on_pause(hook).buffered()), buffered);
    let schedule = workflow_core::Schedule::new("nightly", "@daily", || ());
    assert_eq!(says(empty().step(Red, step, [Green, Off]).schedule(schedule).with(options)), with);
    assert_eq!(problems(sound().buffered()), []);
}

#[test]
fn a_modifier_may_follow_the_shared_state() {
    let built = empty().step(Red, step, [Green, Off]).state(()).with(Options::new().shards(0));
    assert_eq!(says(built), "the step of Red: shards is 0: use 1 or more");
    assert_eq!(says(sound().state(()).named("late")), ".named(..) must follow a timeout");
}

#[test]
fn two_timeouts_of_one_name() {
    let day = after(Duration::from_secs(86_400));
    let twice = |one: &str, other: &str| {
        sound().timeout(Green, day, step, [Off]).named(one).timeout(Green, day, step, [Off]).named(other)
    };
    assert_eq!(problems(twice("one", "other")), []);
    let found = says(twice("same", "same"));
    assert_eq!(found, "there are two timeouts of one status called \"same\": give each its own name");
    let by_default =
        sound().timeout(Green, day, step, [Off]).timeout(Green, day, step, [Off]).named("timeout-1");
    assert!(says(by_default).contains("called \"timeout-1\""));
    let apart = sound().timeout(Green, day, step, [Off]).named("a").timeout(Red, day, step, [Off]).named("a");
    assert_eq!(problems(apart), [], "names tell the timeouts of one status apart");
    assert_eq!(says(twice("one", "")), "timer name \"\" cannot be used: it is empty");
}

struct Nothing;

impl ConnectorSource for Nothing {
    fn open<'a>(
        &'a self,
        _: &'a Backend,
        _: &'a GroupName,
        _: Shard,
    ) -> BoxFuture<'a, Result<Box<dyn ConnectorReceiver>, BackendError>> {
        Box::pin(std::future::pending())
    }
}

async fn feed(_: &Api<(), Light>, _: &ConnectorEvent) -> Step<()> {
    Ok(())
}

#[test]
fn connectors_have_names_that_roles_tell_apart() {
    let found =
        says(sound().connector("Bank Letters", Nothing, feed).connector("bank_letters", Nothing, feed));
    assert_eq!(found, "there are two connectors called \"bank_letters\": give each its own name");
    assert_eq!(says(sound().connector("", Nothing, feed)), "connector name \"\" cannot be used: it is empty");
    let long = says(sound().connector("x".repeat(230), Nothing, feed));
    assert!(long.ends_with("has 270 bytes, 255 are allowed: shorten the names that it is made of"), "{long}");
}

/// A status enum by hand, which the derive would refuse: two of one number, one reserved, one that is not listed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ByHand {
    Good,
    Same,
    Zero,
    Unlisted,
}

impl Status for ByHand {
    const ALL: &'static [Self] = &[ByHand::Good, ByHand::Same, ByHand::Zero];
    fn code(self) -> StatusCode {
        StatusCode::from_declared(match self {
            ByHand::Good | ByHand::Same => 1,
            ByHand::Zero => 0,
            ByHand::Unlisted => 4,
        })
    }
    fn from_code(code: StatusCode) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.code() == code)
    }
    fn name(self) -> &'static str {
        match self {
            ByHand::Good => "Good",
            ByHand::Same => "Same",
            ByHand::Zero => "Zero",
            ByHand::Unlisted => "Unlisted",
        }
    }
}

#[test]
fn numbers_that_are_reserved_or_taken_and_statuses_that_are_not_listed() {
    async fn go(_: &mut Run<(), ByHand>) -> ByHand {
        ByHand::Zero
    }
    let found =
        problems(Workflow::builder("by hand").step(ByHand::Good, go, [ByHand::Zero, ByHand::Unlisted]));
    let (part, status) = ("the step of Good".to_owned(), "Unlisted");
    let expected = [
        Problem::SameNumber { first: "Good", second: "Same", code: 1 },
        Problem::Reserved { status: "Zero", code: 0 },
        Problem::UnknownStatus { part, status },
    ];
    assert_eq!(found, expected);
    let texts = [
        "statuses Good and Same have the same number 1: give each its own",
        "status Zero has the number 0, which is reserved: use 1 or greater",
        "the step of Good names status Unlisted, which `Status::ALL` does not list",
    ];
    assert_eq!(found.iter().map(Problem::to_string).collect::<Vec<_>>(), texts);
}
