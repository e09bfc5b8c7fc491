//! From what is there to what is done.

use super::definition::TableDefinition;
use super::*;

fn wish(names: &TableNames, indexes: Option<IndexSet>) -> Wish<'_> {
    Wish { place: "here", names, indexes, guard: None }
}

/// A database that has these tables, and these columns of them at most.
fn with(definition: &Definition, tables: &[Table], columns_max: usize) -> Found {
    let mut found = Found::default();
    for table in definition.tables.iter().filter(|each| tables.contains(&each.table)) {
        let columns = table.columns.iter().take(columns_max).map(|column| column.name.clone()).collect();
        let lean = table.indexes.iter().filter(|index| index.set == IndexSet::Lean);
        let whole = |index: &Index| FoundIndex { whole: true, columns: index.columns() };
        let indexes = lean.map(|index| (index.name.clone(), whole(index))).collect();
        found.tables.insert(table.table, FoundTable { columns, indexes });
    }
    found
}

fn noted(version: i32, adopted: bool) -> Note {
    let marks =
        Marks { records: "workflow_records".to_owned(), outbox: "workflow_outbox".to_owned(), adopted };
    Note { version, oldest_program: 1, marks: Some(marks) }
}

fn texts(definition: &Definition, plan: &Plan, names: &TableNames) -> Vec<String> {
    plan.steps.iter().flat_map(|step| step.statements(definition, names, plan.adopted)).collect()
}

#[test]
fn every_index_of_the_tables_has_a_name_that_is_known_and_every_table_is_defined() {
    for dialect in Dialect::ALL {
        let definition = Definition::of(dialect);
        assert_eq!(definition.tables.len(), Table::ALL.len());
        for TableDefinition { table, columns, indexes, .. } in &definition.tables {
            assert!(columns.len() > 1, "{dialect}: {table:?}");
            for index in indexes {
                let known = crate::names::INDEXES.iter().find(|(name, _)| *name == index.name);
                let is_of_mysql = matches!(dialect, Dialect::MariaDb | Dialect::MySql);
                let is_free = is_of_mysql && index.set == IndexSet::Guide;
                assert!(is_free || known.is_some_and(|(_, of)| of == table), "{dialect}: {}", index.name);
            }
        }
    }
}

#[test]
fn a_column_may_be_called_key() {
    for dialect in Dialect::ALL {
        let definition = Definition::of(dialect);
        let inbox = definition.table(Table::Inbox);
        assert!(inbox.columns.iter().any(|column| column.name == "key"), "{dialect}: {inbox:?}");
        assert!(inbox.indexes.is_empty(), "{dialect}: {inbox:?}");
    }
}

#[test]
fn an_empty_database_gets_all_tables_and_their_note() {
    let names = TableNames::default();
    for dialect in Dialect::ALL {
        let definition = Definition::of(dialect);
        let made = plan(&definition, &Found::default(), wish(&names, None)).map(|plan| {
            assert!(plan.only_makes_tables(), "{dialect}");
            plan.steps
        });
        let made = made.unwrap_or_default();
        assert_eq!(made.len(), 11, "{dialect}: {made:?}");
        assert_eq!(made[0], Step::MakeTable(Table::Schema));
        assert_eq!(made[10], Step::NoteVersion);
    }
}

#[test]
fn tables_that_are_up_to_date_are_left_alone() {
    let names = TableNames::default();
    for dialect in Dialect::ALL {
        let definition = Definition::of(dialect);
        let mut found = with(&definition, &Table::ALL, usize::MAX);
        found.note = Some(noted(VERSION, false));
        let steps = plan(&definition, &found, wish(&names, None)).map(|plan| plan.steps);
        assert_eq!(steps.unwrap_or(vec![Step::NoteVersion]), [], "{dialect}");
    }
}

#[test]
fn the_guides_tables_are_taken_over_by_their_twins_on_mariadb_alone() {
    let names = TableNames::default();
    for (dialect, twins) in [(Dialect::MariaDb, true), (Dialect::MySql, true), (Dialect::Postgres, false)] {
        let definition = Definition::of(dialect);
        let mut found = with(&definition, &[Table::Records], 9);
        found.tables.extend(with(&definition, &[Table::Outbox], 4).tables);
        found.tables.values_mut().for_each(|table| table.indexes.clear());
        let texts = plan(&definition, &found, wish(&names, None)).map(|plan| {
            assert!(plan.adopted && !plan.only_makes_tables(), "{dialect}");
            texts(&definition, &plan, &names)
        });
        let texts = texts.unwrap_or_default();
        assert_eq!(texts.iter().any(|text| text.contains("foreign_id_bin")), twins, "{dialect}: {texts:#?}");
        let live =
            texts.iter().find(|text| text.contains(" workflow_records_live ")).cloned().unwrap_or_default();
        if twins {
            assert!(live.ends_with("(workflow_name_bin, live, foreign_id_bin, age), lock=none"), "{live}");
        } else {
            assert!(live.starts_with("create unique index concurrently workflow_records_live on"), "{live}");
        }
    }
}

#[test]
fn computed_columns_are_added_by_themselves() {
    let names = TableNames::default();
    let definition = Definition::of(Dialect::MariaDb);
    let found = with(&definition, &[Table::Records], 9);
    let texts = plan(&definition, &found, wish(&names, None)).map(|plan| texts(&definition, &plan, &names));
    let texts = texts.unwrap_or_default();
    let adding: Vec<bool> = texts
        .iter()
        .filter(|text| text.starts_with("alter table workflow_records add column"))
        .map(|text| text.contains(" virtual"))
        .collect();
    assert_eq!(adding, [false, true]);
}

#[test]
fn an_index_in_another_schema_is_dropped_where_it_is() {
    let names = TableNames::default().in_schema("jobs").unwrap_or_default();
    let definition = Definition::of(Dialect::Postgres);
    let mut found = with(&definition, &Table::ALL, usize::MAX);
    found.note = Some(noted(VERSION, false));
    found.tables.entry(Table::Records).or_default().indexes.insert(
        "workflow_idx_run_state".to_owned(),
        FoundIndex { whole: true, columns: vec!["run_state".to_owned()] },
    );
    let texts = plan(&definition, &found, wish(&names, Some(IndexSet::Lean)))
        .map(|plan| texts(&definition, &plan, &names));
    let texts = texts.unwrap_or_default();
    assert_eq!(texts[0], "drop index concurrently jobs.workflow_idx_run_state");
}

#[test]
fn an_index_on_other_columns_is_made_again_at_once() {
    let names = TableNames::default();
    let definition = Definition::of(Dialect::MariaDb);
    let mut found = with(&definition, &Table::ALL, usize::MAX);
    found.note = Some(noted(VERSION, false));
    let due = found.tables.entry(Table::Retries).or_default().indexes.get_mut("workflow_retries_due");
    due.into_iter().for_each(|index| index.columns = vec!["due_at".to_owned()]);
    let texts = plan(&definition, &found, wish(&names, None)).map(|plan| texts(&definition, &plan, &names));
    let remade = "alter table workflow_retries drop key workflow_retries_due, add key workflow_retries_due (workflow_name, \
                  due_at), lock=none";
    assert_eq!(texts.unwrap_or_default()[0], remade);
}

#[test]
fn a_file_whose_tables_were_made_elsewhere_is_refused() {
    let names = TableNames::default();
    let definition = Definition::of(Dialect::Sqlite);
    let refused = plan(&definition, &with(&definition, &[Table::Records], 9), wish(&names, None));
    assert!(matches!(refused, Err(MigrateError::OtherTable { .. })));
}

#[test]
fn a_table_of_others_is_refused_though_the_rest_is_ours() {
    let names = TableNames::default();
    for dialect in Dialect::ALL {
        let definition = Definition::of(dialect);
        let mut found = with(&definition, &Table::ALL, usize::MAX);
        found.note = Some(noted(VERSION, false));
        found.tables.entry(Table::Slots).or_default().columns = ["id".to_owned()].into();
        let refused = plan(&definition, &found, wish(&names, None));
        assert!(
            matches!(&refused, Err(MigrateError::OtherTable { table, .. }) if table == "workflow_slots"),
            "{dialect}"
        );
    }
}

#[test]
fn messages_name_run_ids_and_no_keys() {
    let duplicate = |number: usize| Duplicate {
        workflow_name: "orders".to_owned(),
        foreign_id: "secret-key".to_owned(),
        runs: vec![format!("run-{number}-a"), format!("run-{number}-b")],
    };
    let error =
        MigrateError::Duplicates { place: "here".to_owned(), duplicates: (0..12).map(duplicate).collect() };
    let text = error.to_string();
    assert!(text.contains("of 12 foreign ids") && text.contains("migrate --cancel-duplicates"), "{text}");
    assert!(text.contains("run-9-a and run-9-b; and 2 more"), "{text}");
    assert!(!text.contains("secret-key"), "{text}");
}
