//! The tables: whether they are there, whose they are, and what is missing of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::doctor::context::Context;
use crate::doctor::expected;
use crate::doctor::id::FindingId;
use crate::doctor::report::Finding;
use crate::doctor::session::{Dialect, Session, number};
use crate::names::{TWIN, TWINNED};

/// What there is.
#[derive(Debug, Default)]
pub(in crate::doctor) struct Facts {
    /// The columns of each table.
    tables: BTreeMap<String, BTreeSet<String>>,
    /// Views that have the names of tables.
    views: BTreeSet<&'static str>,
    /// Whether there is the guard.
    guard: bool,
    /// The version of the tables, and the oldest program that they tolerate.
    noted: Option<(i64, i64)>,
}

/// What was found of the tables, and whether the rest can be checked.
#[derive(Debug)]
pub(in crate::doctor) struct Judgement {
    pub(in crate::doctor) findings: Vec<Finding>,
    pub(in crate::doctor) usable: bool,
    /// Whether there are runs to look at, at least as the Go library writes them.
    pub(in crate::doctor) records: bool,
}

fn columns_text(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::MySql => {
            "select lower(table_name), lower(column_name) from information_schema.columns where table_schema = {schema} \
             and lower(table_name) in ({tables})"
        }
        Dialect::Postgres => {
            "select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid where c.relkind in ('r', \
             'p') and c.relname in ({tables}) and {visible} and a.attnum > 0 and not a.attisdropped"
        }
        Dialect::Sqlite => {
            "select lower(m.name), lower(c.name) from sqlite_master m join pragma_table_xinfo(m.name) c where m.type = \
             'table' and lower(m.name) in ({tables})"
        }
    }
}

fn views_text(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::MySql => {
            "select table_name from information_schema.views where table_schema = {schema} and lower(table_name) in \
             ({tables})"
        }
        Dialect::Postgres => {
            "select c.relname from pg_class c where c.relkind in ('v', 'm', 'f') and c.relname in ({tables}) and {visible}"
        }
        Dialect::Sqlite => "select name from sqlite_master where type = 'view' and lower(name) in ({tables})",
    }
}

fn guards_text(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::MySql => {
            "select trigger_name from information_schema.triggers where trigger_schema = {schema} and trigger_name = \
             '{guard}'"
        }
        Dialect::Postgres => {
            "select t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid where t.tgname = \
             '{guard}' and c.relname in ({tables}) and {visible}"
        }
        Dialect::Sqlite => {
            "select name from sqlite_master where type = 'trigger' and name = '{guard}' collate nocase"
        }
    }
}

impl Facts {
    /// Whether the records have twins of their key columns, as tables that were taken over have on MariaDB and MySQL.
    pub(in crate::doctor) fn has_twins(&self) -> bool {
        let twin = format!("{}{TWIN}", TWINNED[0]);
        self.tables.get("workflow_records").is_some_and(|columns| columns.contains(&twin))
    }
}

pub(in crate::doctor) async fn gather(session: &mut Session) -> Result<Facts, sqlx::Error> {
    let mut facts = Facts::default();
    for row in session.catalogue(columns_text(session.dialect())).await? {
        let mut cells = row.into_iter().flatten();
        let table = cells.next().and_then(|own| session.names().table(&own));
        if let (Some(table), Some(column)) = (table, cells.next()) {
            facts.tables.entry(table.to_owned()).or_default().insert(column);
        }
    }
    let views = session.catalogue(views_text(session.dialect())).await?;
    facts.views =
        views.into_iter().flatten().flatten().filter_map(|own| session.names().table(&own)).collect();
    facts.guard = !session.catalogue(guards_text(session.dialect())).await?.is_empty();
    if facts.tables.contains_key("workflow_schema") {
        let rows = session.rows("select version, oldest_program from workflow_schema").await?;
        facts.noted = rows
            .first()
            .and_then(|row| Some((number(row.first()?.as_deref())?, number(row.get(1)?.as_deref())?)));
    }
    Ok(facts)
}

/// What the tables are good for, for a program whose tables have a version.
pub(in crate::doctor) fn judge(facts: &Facts, cx: &Context, wanted: i64) -> Judgement {
    let migrate = format!("run: {}", cx.migrate());
    let records = facts.tables.contains_key("workflow_records");
    let stop = |id, message: String, fix: String| Judgement {
        findings: vec![Finding::error(id, message, fix)],
        usable: false,
        records,
    };
    if !facts.views.is_empty() {
        return Judgement { findings: views(facts, cx), usable: false, records: false };
    }
    let ours = facts.tables.get("workflow_records").is_some_and(|columns| columns.contains("version"));
    match facts.noted {
        None if records && !ours => stop(
            FindingId::SchemaOfTheGuide,
            "the tables are those of the Go library's guide: they can be adopted with their rows".to_owned(),
            format!("{migrate} (it adds columns, indexes and tables; the Go library goes on working)"),
        ),
        None => {
            stop(FindingId::SchemaMissing, "the tables are not there, or not wholly made".to_owned(), migrate)
        }
        Some((version, oldest)) if oldest > wanted => stop(
            FindingId::SchemaTooNew,
            format!(
                "the tables are of version {version}, which programs of version {oldest} and newer can use; this one is \
                 of version {wanted}"
            ),
            "use a newer program".to_owned(),
        ),
        Some((version, _)) if version < wanted => stop(
            FindingId::SchemaOld,
            format!("the tables are of version {version}, and version {wanted} is needed"),
            migrate,
        ),
        Some((version, _)) => {
            let mut findings = Vec::new();
            if version > wanted {
                findings.push(Finding::note(
                    FindingId::SchemaNewer,
                    format!("the tables are of version {version}; this program makes version {wanted}, which they tolerate"),
                    "nothing has to be done; a newer program may know more",
                ));
            }
            if facts.guard {
                findings.push(Finding::note(
                    FindingId::GuardOn,
                    "the records have the guard: a write of another version than the next one is refused".to_owned(),
                    "nothing has to be done; where nobody else writes them, `workflowctl migrate --no-guard` drops it",
                ));
            }
            let missing = missing(facts, cx);
            let usable = missing.is_empty();
            findings.extend(missing);
            Judgement { findings, usable, records }
        }
    }
}

fn views(facts: &Facts, cx: &Context) -> Vec<Finding> {
    let finding = |view: &&str| {
        let message = format!("{view} is a view, and a table of that name is needed");
        let fix =
            format!("name the table that is behind the view, or rename the view; then run: {}", cx.migrate());
        Finding::error(FindingId::TableMissing, message, fix)
    };
    facts.views.iter().map(finding).collect()
}

fn missing(facts: &Facts, cx: &Context) -> Vec<Finding> {
    let fix = format!("run: {}", cx.migrate());
    let mut findings = Vec::new();
    for table in expected::tables() {
        let Some(found) = facts.tables.get(table) else {
            let message = format!("the table {table} is missing, though the tables were made");
            findings.push(Finding::error(FindingId::TableMissing, message, fix.clone()));
            continue;
        };
        let wanted = expected::columns(cx.dialect, table).into_iter();
        let absent: Vec<String> = wanted.filter(|column| !found.contains(column)).collect();
        if !absent.is_empty() {
            let message = format!("the table {table} lacks {}", absent.join(", "));
            findings.push(Finding::error(FindingId::ColumnMissing, message, fix.clone()));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(noted: Option<(i64, i64)>) -> Facts {
        let columns = |table| expected::columns(Dialect::Postgres, table).into_iter().collect();
        let tables = expected::tables().map(|table| (table.to_owned(), columns(table))).collect();
        Facts { tables, noted, ..Facts::default() }
    }

    fn ids(facts: &Facts) -> (Vec<&'static str>, bool) {
        let judged = judge(facts, &Context::sample(Dialect::Postgres), 3);
        (judged.findings.iter().map(|finding| finding.id.as_str()).collect(), judged.usable)
    }

    #[test]
    fn each_state_of_the_tables_has_its_name() {
        assert_eq!(ids(&whole(Some((3, 1)))), (vec![], true));
        assert_eq!(ids(&whole(Some((4, 3)))), (vec!["schema-newer"], true));
        assert_eq!(ids(&whole(Some((4, 4)))), (vec!["schema-too-new"], false));
        assert_eq!(ids(&whole(Some((2, 1)))), (vec!["schema-old"], false));
        assert_eq!(ids(&Facts::default()), (vec!["schema-missing"], false));
        assert_eq!(ids(&whole(None)), (vec!["schema-missing"], false), "an interrupted migration");
    }

    #[test]
    fn the_guard_is_told_of() {
        assert_eq!(ids(&Facts { guard: true, ..whole(Some((3, 1))) }), (vec!["guard-on"], true));
    }

    #[test]
    fn tables_of_the_guide_can_be_adopted() {
        let columns = ["workflow_name", "foreign_id", "run_id"].map(str::to_owned).into();
        let facts = Facts { tables: [("workflow_records".to_owned(), columns)].into(), ..Facts::default() };
        assert_eq!(ids(&facts), (vec!["schema-of-the-guide"], false));
    }

    #[test]
    fn a_view_is_called_one() {
        for noted in [None, Some((3, 1))] {
            let facts = Facts { views: ["workflow_slots"].into(), ..whole(noted) };
            assert_eq!(ids(&facts), (vec!["table-missing"], false));
            let judged = judge(&facts, &Context::sample(Dialect::Postgres), 3);
            assert!(judged.findings[0].message.starts_with("workflow_slots is a view"), "{judged:?}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut facts = whole(Some((3, 1)));
        facts.tables.remove("workflow_slots");
        facts.tables.entry("workflow_inbox".to_owned()).or_default().remove("noted");
        assert_eq!(ids(&facts), (vec!["column-missing", "table-missing"], false));
        let judged = judge(&facts, &Context::sample(Dialect::Postgres), 3);
        assert_eq!(judged.findings[0].message, "the table workflow_inbox lacks noted");
    }
}
