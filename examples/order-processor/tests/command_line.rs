//! What the program does with its command line, its input and its database.
#![allow(missing_docs, clippy::unwrap_used)]

mod program;

use program::{ORDER, Program};

const SAMPLE: &str = include_str!("../sample/orders.jsonl");

#[test]
fn the_generator_makes_the_sample_again() {
    let program = Program::new();
    let made = program.run(&["--generate", "1000", "--seed", "1"]);
    assert_eq!(made.code, 0);
    assert!(made.out == SAMPLE, "the sample and `--generate 1000 --seed 1` differ");
    let other = program.run(&["--generate", "1000", "--seed", "2"]);
    assert_ne!(other.out, SAMPLE);
}

#[test]
fn the_sample_comes_to_its_ends_and_a_second_run_starts_nothing_over() {
    let program = Program::new();
    let first = program.run(&["--database", "orders.db"]);
    assert_eq!(first.code, 0, "{}", first.err);
    for shown in
        ["Fulfilled", "Declined", "OutOfStock", "Rejected", "Cancelled", "runs per second", "work p50"]
    {
        assert!(first.out.contains(shown), "{shown} is missing:\n{}", first.out);
    }
    for step in ["validate", "pay", "reserve", "courier_called", "fulfil"] {
        assert!(first.out.lines().any(|line| line.starts_with(step)), "{step} is missing:\n{}", first.out);
    }
    assert!(first.out.ends_with(&format!("database: {}\n", program.path("orders.db").display())));
    assert!(first.err.ends_with("orders at their end: 1000 of 1000\n"), "{}", first.err);

    let second = program.run(&["--database", "orders.db"]);
    assert_eq!(second.code, 0);
    assert!(second.out.contains("1000 of the orders were there already, 1000 of them at their end"));
    assert!(second.out.contains("no order came to an end this time"));
    assert!(!second.out.contains("work p50"), "{}", second.out);
}

#[test]
fn json_is_one_object_with_exactly_the_promised_fields_in_their_order() {
    let program = Program::new();
    let printed = program.run(&["--json"]).out;
    assert_eq!(printed.lines().count(), 1);
    let object: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let places: Vec<usize> =
        ["orders", "rejected_lines", "by_status", "unfinished", "runs_per_second", "database"]
            .iter()
            .map(|field| printed.find(&format!("\"{field}\":")).unwrap())
            .collect();
    assert!(places.is_sorted(), "{printed}");
    assert_eq!(object.as_object().unwrap().len(), places.len());
    assert_eq!(object["orders"], 1000);
    assert_eq!(object["unfinished"], 0);
    let ended: u64 = object["by_status"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(ended, 1000);
    assert!(object["runs_per_second"].as_f64().unwrap() > 0.0);
    assert_eq!(object["database"], program.path("orders.db").display().to_string());

    let again: serde_json::Value = serde_json::from_str(&program.run(&["--json"]).out).unwrap();
    assert_eq!(again["runs_per_second"], 0.0);
    assert_eq!(again["by_status"], object["by_status"]);
}

#[test]
fn standard_input_is_read_and_an_unfinished_input_is_gone_on_with() {
    let program = Program::new();
    let lines: Vec<&str> = SAMPLE.lines().collect();
    let some = program.run_with(&["--input", "-", "--json"], lines[..40].join("\n"));
    assert_eq!(some.json()["orders"], 40);
    let all = program.run_with(&["--input", "-"], lines[..60].join("\r\n"));
    assert_eq!(all.code, 0);
    assert!(all.out.contains("40 of the orders were there already, 40 of them at their end"), "{}", all.out);
}

#[test]
fn more_orders_than_fit_at_once_all_come_to_an_end() {
    let program = Program::new();
    let orders = program.run(&["--generate", "2500", "--seed", "3"]).out;
    let ran = program.run_with(&["-i", "-", "--json", "--in-flight", "600"], orders);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!((&ran.json()["orders"], &ran.json()["unfinished"]), (&2500.into(), &0.into()));
    let one_by_one =
        program.run_with(&["-i", "-", "--json", "--in-flight", "1", "-d", "b.db"], &SAMPLE[..2000]);
    assert_eq!(one_by_one.json()["unfinished"], 0, "{}", one_by_one.err);
}

#[test]
fn a_paused_order_is_shown_with_its_reason_and_stays_unfinished() {
    let program = Program::new();
    let order = ORDER.replace(r#"{"method":"invoice"}"#, r#"{"method":"card","last_four":"12"}"#);
    for _ in 0..2 {
        let paused = program.run_with(&["-i", "-"], &order);
        assert_eq!(paused.code, 4);
        assert!(
            paused.out.contains("a-1: the last four digits of the card are not four digits"),
            "{}",
            paused.out
        );
    }
    assert_eq!(program.run_with(&["-i", "-", "--json"], &order).json()["unfinished"], 1);
}

#[test]
fn the_log_is_shown_when_it_is_asked_for() {
    let program = Program::new();
    let quiet = program.run_with(&["-i", "-"], ORDER);
    assert!(!quiet.err.contains("workflow_core"), "{}", quiet.err);
    let loud = program.run_with(&["-i", "-", "-v"], ORDER);
    assert!(loud.err.contains("workflow_core"), "{}", loud.err);
    assert!(!loud.err.contains("sqlx::query"), "{}", loud.err);
    let louder = program.run_with(&["-i", "-", "-vv", "-d", "louder.db"], ORDER);
    assert!(louder.err.contains("workflow_core"), "{}", louder.err);
    assert!(louder.err.contains("DEBUG sqlx::query"), "{}", louder.err);
}

#[test]
fn a_database_that_cannot_be_used_is_named_with_what_to_do() {
    let program = Program::new();
    std::fs::create_dir(program.path("folder")).unwrap();
    std::fs::write(program.path("text.db"), "this is no database, it is a letter to a friend").unwrap();
    for (database, said) in [
        ("folder", "is a folder: name a file in it"),
        ("text.db", "the file is not a database: name another one"),
        ("nowhere/orders.db", "check that its folder exists"),
    ] {
        let refused = program.run(&["--database", database]);
        assert_eq!(refused.code, 1, "{database}: {}", refused.out);
        assert!(refused.err.contains(database) && refused.err.contains(said), "{database}: {}", refused.err);
        assert_eq!(refused.out, "");
    }
    let letter = std::fs::read_to_string(program.path("text.db")).unwrap();
    assert!(letter.starts_with("this is no database"));
}

#[test]
fn a_connection_string_is_taken_as_one_and_a_wrong_one_is_no_file() {
    let program = Program::new();
    let ran = program.run_with(&["-i", "-", "-d", "sqlite:orders.db", "--json"], ORDER);
    assert_eq!(ran.json()["database"], program.path("orders.db").display().to_string(), "{}", ran.err);
    for database in ["mysq://me:secret@localhost/shop", "postgres://me:secret@localhost:port/shop"] {
        let refused = program.run(&["--database", database]);
        assert_eq!(refused.code, 2, "{}", refused.err);
        assert!(refused.err.contains("--database") && !refused.err.contains("secret"), "{}", refused.err);
    }
    let refused = program.run(&["--database", "mysql://me:secret@127.0.0.1:1/shop?timeout=2s"]);
    assert_eq!(refused.code, 1, "{}", refused.err);
    assert!(refused.err.contains("cannot use mysql://me:***@127.0.0.1:1/shop"), "{}", refused.err);
}

#[test]
fn a_refused_database_is_told_without_saying_anything_twice() {
    let program = Program::new();
    std::fs::write(program.path("text.db"), "this is no database, it is a letter to a friend").unwrap();
    let refused = program.run(&["--database", "text.db"]);
    assert_eq!(refused.code, 1);
    assert_eq!(refused.err.matches("(code: 26)").count(), 1, "{}", refused.err);
    assert_eq!(refused.err.lines().count(), 1, "{}", refused.err);
}

#[test]
fn an_input_that_is_not_there_makes_no_database() {
    let program = Program::new();
    let refused = program.run(&["--input", "nothing.jsonl"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("cannot open the orders in nothing.jsonl"), "{}", refused.err);
    assert!(!program.path("orders.db").exists());
    let folder = program.run(&["--input", "."]);
    assert_eq!((folder.code, folder.err.lines().count()), (1, 1), "{}", folder.err);
}

#[test]
fn wrong_command_lines_are_refused() {
    let program = Program::new();
    for args in [
        &["--in-flight", "0"][..],
        &["--seed", "1"],
        &["--generate", "1", "--json"],
        &["--generate", "1", "--in-flight", "9"],
        &["--inptu", "-"],
    ] {
        assert_eq!(program.run(args).code, 2, "{args:?}");
    }
}
