//! Whether the statements of the store really use their indexes.
//!
//! On MariaDB, MySQL and PostgreSQL they are explained on temporary copies of the tables, with the indexes that the real
//! ones have and some thousand rows: what a server does with a table of ten rows says nothing of one with a million. Only
//! the doctor's own session sees the copies. A SQLite file is explained as it is: what its planner does hangs on the
//! indexes, and on the statistics in the file.

use std::collections::{BTreeMap, BTreeSet};

use super::indexes::Present;
use crate::doctor::context::Context;
use crate::doctor::expected;
use crate::doctor::id::FindingId;
use crate::doctor::reach::told;
use crate::doctor::report::Finding;
use crate::doctor::session::{Dialect, Session};

const MYSQL: &str = include_str!("../statements/mysql.sql");
const POSTGRES: &str = include_str!("../statements/postgres.sql");
const SQLITE: &str = include_str!("../statements/sqlite.sql");

/// What stands in a list for a statement that may read a whole table.
const WHOLE: &str = "whole table";

/// How long a statement is in a message.
const SHOWN_CHARS: usize = 120;

/// A statement of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::doctor) struct Statement {
    pub(in crate::doctor) text: &'static str,
    /// The indexes that it has to use; PostgreSQL's primary keys by the names that they have by default.
    indexes: Vec<&'static str>,
    /// Whether it may read a whole table.
    whole: bool,
}

/// How a server would go about a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::doctor) struct Plan {
    pub(in crate::doctor) used: BTreeSet<String>,
    /// Why it reads more than it gives.
    pub(in crate::doctor) waste: Option<String>,
}

/// The list of a dialect.
pub(in crate::doctor) fn statements(dialect: Dialect) -> Vec<Statement> {
    let list = match dialect {
        Dialect::MySql => MYSQL,
        Dialect::Postgres => POSTGRES,
        Dialect::Sqlite => SQLITE,
    };
    let (mut statements, mut indexes) = (Vec::new(), "");
    for line in list.lines() {
        if let Some(comment) = line.strip_prefix("-- ") {
            indexes = comment;
        } else if let Some(text) = line.strip_suffix(';') {
            let named = indexes.split(", ").filter(|name| !["any", WHOLE].contains(name));
            let whole = indexes.split(", ").any(|name| name == WHOLE);
            statements.push(Statement { text, indexes: named.collect(), whole });
        }
    }
    statements
}

/// Explains each statement. On MariaDB and MySQL the session sees the copies from then on: it is its last check.
pub(in crate::doctor) async fn gather(
    session: &mut Session,
    present: &[Present],
) -> Result<Vec<(Statement, Plan)>, sqlx::Error> {
    let dialect = session.dialect();
    match dialect {
        Dialect::MySql => super::mysql_plans::copy_tables(session).await?,
        Dialect::Postgres => super::postgres_plans::copy_tables(session).await?,
        Dialect::Sqlite => {}
    }
    let mut plans = Vec::new();
    for statement in statements(dialect) {
        if !statement.indexes.iter().all(|name| is_sound(name, present, dialect)) {
            continue;
        }
        let plan = match dialect {
            Dialect::MySql => super::mysql_plans::explain(session, statement.text).await,
            Dialect::Postgres => super::postgres_plans::explain(session, statement.text, present).await,
            Dialect::Sqlite => sqlite(session, statement.text).await,
        };
        let plan = plan.or_else(|error| match error {
            sqlx::Error::Database(_) if dialect == Dialect::MySql => {
                Ok(Plan { used: BTreeSet::new(), waste: Some(format!("it fails: {}", told(&error))) })
            }
            error => Err(error),
        })?;
        let known = |used: String| session.names().index(&used, dialect);
        plans.push((statement, Plan { used: plan.used.into_iter().map(known).collect(), ..plan }));
    }
    Ok(plans)
}

/// Whether an index is there and is what it has to be: if not, that is a finding of its own.
fn is_sound(name: &str, present: &[Present], dialect: Dialect) -> bool {
    match expected::indexes(dialect).iter().find(|index| index.name == name) {
        Some(wanted) => present.iter().any(|index| index.serves(wanted)),
        None => true,
    }
}

async fn sqlite(session: &mut Session, text: &str) -> Result<Plan, sqlx::Error> {
    let rows = session.rows(format!("explain query plan {text}")).await?;
    let lines = rows.into_iter().filter_map(|row| row.into_iter().next_back().flatten());
    Ok(of_sqlite(lines))
}

/// The plan in lines as `SEARCH workflow_records USING INDEX workflow_records_live (workflow_name=?)`.
fn of_sqlite(lines: impl Iterator<Item = String>) -> Plan {
    let mut plan = Plan::default();
    for line in lines {
        if line.contains("USING PRIMARY KEY") {
            plan.used.insert("PRIMARY KEY".to_owned());
        } else if let Some((_, index)) = line.split_once("INDEX ") {
            plan.used.insert(index.split_whitespace().next().unwrap_or(index).to_owned());
        } else if let Some(table) = line.strip_prefix("SCAN ").filter(|table| !is_computed(table)) {
            plan.waste = Some(format!("it reads all of {table}"));
        }
    }
    plan
}

/// Whether rows come from values, not from a table.
fn is_computed(what: &str) -> bool {
    let what = what.split_whitespace().next().unwrap_or(what);
    what.contains('(')
        || what == "v"
        || what == "CONSTANT"
        || what.chars().all(|c| c.is_ascii_digit())
        || what == "SUBQUERY"
}

/// Why a statement was noted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// It reads more than it gives.
    Waste(String),
    /// It uses no such index.
    PassesOver(&'static str),
    /// It uses an index that nobody needs in the place of one that is made for it.
    Prefers(String, &'static str),
}

impl Statement {
    /// What is wrong with a plan of it, if the indexes beyond need are these.
    fn noted(&self, plan: &Plan, beyond: &[&str]) -> Option<Why> {
        if let Some(waste) = plan.waste.as_ref().filter(|_| !self.whole) {
            return Some(Why::Waste(waste.clone()));
        }
        let unused = self.indexes.iter().find(|index| !plan.used.contains(**index))?;
        let other = plan.used.iter().find(|index| beyond.contains(&index.as_str()));
        Some(other.map_or(Why::PassesOver(unused), |other| Why::Prefers(other.clone(), unused)))
    }
}

/// One finding for each index that statements pass over, and for statements that read too much.
pub(in crate::doctor) fn judge(
    plans: &[(Statement, Plan)],
    present: &[Present],
    cx: &Context,
) -> Vec<Finding> {
    let beyond: Vec<&str> = present
        .iter()
        .filter(|index| {
            !index.primary && !expected::indexes(cx.dialect).iter().any(|wanted| index.serves(wanted))
        })
        .map(|index| index.name.as_str())
        .collect();
    let mut noted: BTreeMap<Why, Vec<&str>> = BTreeMap::new();
    for (statement, plan) in plans {
        if let Some(why) = statement.noted(plan, &beyond) {
            noted.entry(why).or_default().push(statement.text);
        }
    }
    noted.into_iter().map(|(why, texts)| finding(why, &texts, cx.dialect)).collect()
}

fn finding(why: Why, texts: &[&str], dialect: Dialect) -> Finding {
    let shown: String = texts[0].chars().take(SHOWN_CHARS).collect();
    let dots = if shown.len() < texts[0].len() { ".." } else { "" };
    let of = format!("{} statement(s), the first of them `{shown}{dots}`", texts.len());
    match why {
        Why::Waste(waste) => {
            Finding::error(FindingId::IndexNotUsed, format!("{of}: {waste}"), way_back(dialect))
        }
        Why::PassesOver(index) => {
            let message = format!("{of}: it does not use the index {index}");
            Finding::error(FindingId::IndexNotUsed, message, way_back(dialect))
        }
        Why::Prefers(other, index) => {
            let message =
                format!("{of}: it uses the index {other} in the place of {index}, which is made for it");
            let fix = format!(
                "nothing has to be done; it would be faster without {other}, unless somebody lists by that"
            );
            Finding::note(FindingId::IndexNotUsed, message, fix)
        }
    }
}

/// What keeps a server from an index that is there.
fn way_back(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::MySql => {
            "see `show index from TABLE` for an index that is ignored (`alter table TABLE alter index INDEX not ignored`), \
             and `select @@optimizer_switch` for what was turned off"
        }
        Dialect::Postgres => {
            "see `select name, setting, source from pg_settings where name like 'enable_%' or name like '%_cost'` for what \
             was turned off or made dear for this user or database, and reset it; and see that the columns of all tables \
             have one collation"
        }
        Dialect::Sqlite => "run: analyze; statistics from a nearly empty file mislead the planner",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Severity;

    #[test]
    fn the_lists_can_be_read() {
        for dialect in [Dialect::MySql, Dialect::Postgres, Dialect::Sqlite] {
            let statements = statements(dialect);
            assert!(statements.len() >= 40, "{dialect:?}: {}", statements.len());
            for statement in &statements {
                assert!(statement.text.contains("workflow_"), "{statement:?}");
                let known = |name: &&str| {
                    expected::indexes(dialect).iter().any(|index| index.name == *name)
                        || ["PRIMARY", "PRIMARY KEY"].contains(name)
                        || name.ends_with("_pkey")
                };
                assert!(statement.indexes.iter().all(known), "{statement:?}");
            }
            for index in expected::indexes(dialect) {
                let used = statements.iter().any(|statement| statement.indexes.contains(&&*index.name));
                assert!(used, "{dialect:?}: no statement needs {}", index.name);
            }
        }
    }

    #[test]
    fn plans_of_sqlite_are_read() {
        let plan = |lines: &[&str]| of_sqlite(lines.iter().map(|line| (*line).to_owned()));
        let used = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(
            plan(&[
                "SEARCH workflow_records USING PRIMARY KEY (run_id=?)",
                "LIST SUBQUERY 2",
                "SCAN 2 CONSTANT ROWS"
            ]),
            Plan { used: used(&["PRIMARY KEY"]), waste: None }
        );
        assert_eq!(
            plan(&["SEARCH workflow_records USING COVERING INDEX workflow_records_live (workflow_name=?)"])
                .used,
            used(&["workflow_records_live"])
        );
        assert!(plan(&["SCAN workflow_records", "USE TEMP B-TREE FOR ORDER BY"]).waste.is_some());
    }

    fn statement(text: &'static str, whole: bool) -> Statement {
        Statement { text, indexes: vec!["workflow_records_live"], whole }
    }

    fn plan(used: &[&str], waste: Option<&str>) -> Plan {
        let used = used.iter().map(|name| (*name).to_owned()).collect();
        Plan { used, waste: waste.map(str::to_owned) }
    }

    fn beyond_need(name: &str) -> Present {
        let (table, columns) = ("workflow_records".to_owned(), "run_state".to_owned());
        let name = name.to_owned();
        Present { table, name, columns, unique: false, primary: false, valid: true, filter: String::new() }
    }

    #[test]
    fn plans_are_judged_by_index_and_by_waste() {
        let cx = Context::sample(Dialect::Postgres);
        let present = [beyond_need("mine")];
        let severity = |whole, plan| {
            let found = judge(&[(statement("select 1", whole), plan)], &present, &cx);
            found.first().map(|finding| finding.severity)
        };
        let good = &["workflow_records_live"][..];
        let cases = [
            (false, plan(good, None), None),
            (false, plan(good, Some("all")), Some(Severity::Error)),
            (true, plan(good, Some("all")), None),
            (false, plan(&[], None), Some(Severity::Error)),
            (false, plan(&["workflow_records_by_age"], None), Some(Severity::Error)),
            (false, plan(&["mine"], None), Some(Severity::Note)),
        ];
        for (whole, plan, expected) in cases {
            assert_eq!(severity(whole, plan.clone()), expected, "{whole} {plan:?}");
        }
    }

    #[test]
    fn an_index_that_is_passed_over_is_named_once() {
        let bad = [
            (statement("select 1", false), plan(&[], None)),
            (statement("select 2", false), plan(&[], None)),
        ];
        let found = judge(&bad, &[], &Context::sample(Dialect::Postgres));
        assert_eq!(found.len(), 1);
        assert!(found[0].message.starts_with("2 statement(s)"), "{}", found[0].message);
    }
}
