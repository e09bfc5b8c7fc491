//! What can be wrong with a schedule.

use workflow_core::{InvalidCron, Problem, Schedule};

use super::shop::{Green, Light, Off, Red, call, empty, problems, says, sound, step};

fn schedule(foreign_id: &str, spec: &str) -> Schedule<(), Light> {
    Schedule::new(foreign_id, spec, || ())
}

#[test]
fn a_spec_that_cannot_be_read() {
    let found = problems(sound().schedule(schedule("nightly", "0 25 * * *")));
    assert!(matches!(&found[..], [Problem::Cron(InvalidCron { position: 3, .. })]), "{found:?}");
    let zone = says(sound().schedule(schedule("nightly", "@daily").in_zone("Mars/Base")));
    assert!(zone.contains("\"Mars/Base\" is no time zone"), "{zone}");
}

#[test]
fn a_foreign_id_that_cannot_be_used() {
    let found = says(sound().schedule(schedule("", "@daily")));
    assert_eq!(found, "foreign id \"\" cannot be used: it is empty");
}

#[test]
fn a_role_that_does_not_fit() {
    let found = says(sound().schedule(schedule(&"x".repeat(240), "@daily")));
    assert!(
        found.ends_with("has 264 bytes, 255 are allowed: shorten the names that it is made of"),
        "{found}"
    );
    assert_eq!(problems(sound().schedule(schedule(&"x".repeat(231), "@daily"))), []);
}

#[test]
fn schedules_that_roles_do_not_tell_apart() {
    let twice = |one: &str, other: &str| {
        sound().schedule(schedule("Nightly", one)).schedule(schedule("nightly", other))
    };
    let found = says(twice("@daily", "@daily"));
    assert_eq!(found, "there are two schedules called \"nightly @daily\": give each its own name");
    assert!(says(twice("0 0 * * MON", "0 0 * * mon")).contains("two schedules"));
    assert_eq!(problems(twice("@daily", "@hourly")), []);
    let zones = sound()
        .schedule(schedule("nightly", "@daily").in_zone("Europe/Berlin"))
        .schedule(schedule("nightly", "@daily").in_zone("Asia/Tokyo"));
    assert_eq!(problems(zones), []);
}

#[test]
fn a_start_that_nothing_leaves() {
    let found = says(sound().schedule(schedule("nightly", "@daily").start_at(Off)));
    assert_eq!(found, "runs start at Off, but no step, callback or timeout leaves it");
}

#[test]
fn a_status_may_be_reached_by_a_schedule_alone() {
    let built = || empty().step(Red, step, [Off]).callback(Green, call, [Off]);
    assert_eq!(says(built()), "status Green cannot be reached from Red: add a way to it, or remove it");
    assert_eq!(problems(built().schedule(schedule("nightly", "@daily").start_at(Green))), []);
}
