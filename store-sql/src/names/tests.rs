//! Names that are taken, names that are refused, and what statements become.

use super::statements::rendered;
use super::*;

fn problem(name: &str) -> Option<NameProblem> {
    TableNames::new(name, "events").err().map(|error| error.problem().clone())
}

#[test]
fn what_is_no_identifier_is_refused_with_the_reason() {
    assert_eq!(problem(""), Some(NameProblem::Empty));
    for (name, character) in
        [("ru'ns", '\''), ("ru\"ns", '"'), ("a.b", '.'), ("läufe", 'ä'), ("a b", ' '), ("`a`", '`')]
    {
        assert_eq!(problem(name), Some(NameProblem::Character(character)), "{name}");
    }
    assert_eq!(problem("7runs"), Some(NameProblem::Digit));
    assert_eq!(problem(&"r".repeat(65)), Some(NameProblem::TooLong { bytes: 65, max: 64 }));
    assert_eq!(problem(&"r".repeat(64)), None);
    for name in ["select", "Table", "KEY", "current_user", "names"] {
        assert_eq!(problem(name), Some(NameProblem::Reserved), "{name}");
    }
    assert_eq!(problem("pg_runs"), Some(NameProblem::System("pg_")));
    assert_eq!(problem("sqlite_runs"), Some(NameProblem::System("sqlite_")));
}

#[test]
fn a_name_with_a_quote_is_shown_as_what_it_is() {
    let refused = TableNames::new("runs\"; drop table runs", "events").map_err(|error| error.to_string());
    let wanted = r#"the table of the records cannot be named "runs\"; drop table runs": it has the character '"', and names are of ASCII letters, digits and underscores"#;
    assert_eq!(refused, Err(wanted.to_owned()));
}

#[test]
fn two_tables_never_have_one_name() {
    let taken = |names: Result<TableNames, NameError>| {
        names.err().map(|error| (error.part(), error.problem().clone()))
    };
    assert_eq!(taken(TableNames::new("runs", "RUNS")), Some((NamePart::Outbox, NameProblem::Taken)));
    assert_eq!(taken(TableNames::new("workflow_roles", "o")), Some((NamePart::Records, NameProblem::Taken)));
    assert_eq!(
        taken(TableNames::new("r", "workflow_records_live")),
        Some((NamePart::Outbox, NameProblem::Taken))
    );
    assert_eq!(
        taken(TableNames::new("a_roles", "o").and_then(|names| names.with_prefix("a_")))
            .map(|(part, _)| part),
        Some(NamePart::Records)
    );
}

#[test]
fn each_database_takes_what_it_can_hold() {
    let long = TableNames::new(&"r".repeat(64), "events");
    let checked =
        |dialect| long.as_ref().map(|names| names.check(dialect).err().map(|error| error.problem().clone()));
    assert_eq!(checked(Dialect::MariaDb), Ok(None));
    assert_eq!(checked(Dialect::Postgres), Ok(Some(NameProblem::TooLong { bytes: 64, max: 63 })));
    let capital = TableNames::new("Runs", "events").map(|names| names.check(Dialect::Postgres).is_err());
    assert_eq!(capital, Ok(true));
    let schema = TableNames::default().in_schema("other");
    assert!(schema.as_ref().is_ok_and(|names| names.check(Dialect::Postgres).is_ok()));
    assert!(schema.is_ok_and(|names| names.check(Dialect::Sqlite).is_err()));
}

#[test]
fn the_longest_prefix_leaves_room_for_every_index() {
    let names = TableNames::prefixed(&"p".repeat(PREFIX_BYTES_MAX));
    let longest = names.map(|names| INDEXES.map(|(index, _)| names.index(index).len()).into_iter().max());
    assert_eq!(longest, Ok(Some(63)));
    assert!(TableNames::prefixed(&"p".repeat(PREFIX_BYTES_MAX + 1)).is_err());
}

#[test]
fn statements_go_as_they_stand_with_the_default_names() {
    const TEXT: &str = "select workflow_name from workflow_records force index (workflow_records_live)";
    let plain = Statements::new(TableNames::default(), Keys::Plain).sql(TEXT);
    assert!(std::ptr::eq(plain.as_str(), TEXT), "it was copied");
}

#[test]
fn names_are_replaced_word_by_word_and_once() {
    const TEXT: &str = "select o.workflow_name, 'workflow_records'::regclass from workflow_records force index \
                        (workflow_records_live) join workflow_outbox o; savepoint workflow_created";
    let names =
        TableNames::new("runs", "events").and_then(|names| names.with_prefix("shop_")).unwrap_or_default();
    let statements = Statements::new(names, Keys::Plain);
    let made = statements.sql(TEXT);
    assert_eq!(
        made.as_str(),
        "select o.workflow_name, 'runs'::regclass from runs force index (shop_records_live) join events o; savepoint \
         workflow_created"
    );
    assert!(std::ptr::eq(made.as_str(), statements.sql(TEXT).as_str()), "it was made again");
}

#[test]
fn a_schema_stands_before_tables_and_not_before_indexes() {
    let names = TableNames::default().in_schema("jobs").unwrap_or_default();
    let made = rendered("from workflow_records force index (workflow_records_live)", &names, Keys::Plain);
    assert_eq!(made, "from jobs.workflow_records force index (workflow_records_live)");
}

#[test]
fn keys_are_compared_by_their_twins_where_they_are_named_with_their_table() {
    const TEXT: &str = "select workflow_name from workflow_records where workflow_records.workflow_name = ? and \
                        workflow_records.run_id = o.foreign_id and workflow_records.foreign_id > ?";
    let made = rendered(TEXT, &TableNames::default(), Keys::Twins);
    assert_eq!(
        made,
        "select workflow_name from workflow_records where workflow_records.workflow_name_bin = ? and \
         workflow_records.run_id = o.foreign_id and workflow_records.foreign_id_bin > ?"
    );
    assert_eq!(rendered(TEXT, &TableNames::default(), Keys::Plain), TEXT);
}
