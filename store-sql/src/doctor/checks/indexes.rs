//! The indexes: what is missing, what cannot be used, and what costs without need.

use crate::doctor::context::Context;
use crate::doctor::expected::{self, Index, OF_THE_GUIDE};
use crate::doctor::id::FindingId;
use crate::doctor::report::Finding;
use crate::doctor::session::{Dialect, Session};
use crate::names::{TWIN, TWINNED};

/// An index that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::doctor) struct Present {
    pub(in crate::doctor) table: String,
    pub(in crate::doctor) name: String,
    pub(in crate::doctor) columns: String,
    pub(in crate::doctor) unique: bool,
    pub(in crate::doctor) primary: bool,
    pub(in crate::doctor) valid: bool,
    pub(in crate::doctor) filter: String,
}

fn text(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::MySql => {
            "select lower(table_name), index_name, group_concat(lower(column_name) order by seq_in_index separator ', '), \
             max(non_unique = 0), max(index_name = 'PRIMARY'), 1, max(if(sub_part is null, '', 'a part of each value')) from \
             information_schema.statistics where table_schema = {schema} and lower(table_name) in ({tables}) group by \
             table_name, index_name"
        }
        Dialect::Postgres => {
            "select c.relname, i.relname, (select string_agg(pg_get_indexdef(x.indexrelid, k, true), ', ' order by k) from \
             generate_series(1, x.indnkeyatts) k), x.indisunique::int, x.indisprimary::int, (x.indisvalid and \
             x.indisready)::int, coalesce(pg_get_expr(x.indpred, x.indrelid, true), '') from pg_index x join pg_class c on \
             c.oid = x.indrelid join pg_class i on i.oid = x.indexrelid where c.relname in ({tables}) and {visible}"
        }
        Dialect::Sqlite => {
            "select lower(m.name), l.name, (select group_concat(lower(name), ', ') from (select name from \
             pragma_index_info(l.name) order by seqno)), l.\"unique\", l.origin = 'pk', 1, coalesce((select case when \
             instr(lower(sql), ' where ') > 0 then substr(sql, instr(lower(sql), ' where ') + 7) else '' end from \
             sqlite_master s where s.name = l.name), '') from sqlite_master m join pragma_index_list(m.name) l where m.type = \
             'table' and lower(m.name) in ({tables})"
        }
    }
}

pub(in crate::doctor) async fn gather(session: &mut Session) -> Result<Vec<Present>, sqlx::Error> {
    let dialect = session.dialect();
    let rows = session.catalogue(text(dialect)).await?;
    let names = session.names();
    let present = |row: Vec<Option<String>>| {
        let cell = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        let flag = |at: usize| cell(at) == "1";
        Present {
            table: names.table(&cell(0)).map_or_else(|| cell(0), str::to_owned),
            name: names.index(&cell(1), dialect),
            columns: of_keys(&cell(2)),
            unique: flag(3),
            primary: flag(4),
            valid: flag(5),
            filter: cell(6),
        }
    };
    Ok(rows.into_iter().map(present).collect())
}

/// An index over the twins of key columns is one over the keys.
fn of_keys(columns: &str) -> String {
    TWINNED.iter().fold(columns.to_owned(), |columns, key| columns.replace(&format!("{key}{TWIN}"), key))
}

/// A condition without what servers add to it.
fn plain(filter: &str) -> String {
    filter.chars().filter(|c| !c.is_whitespace() && !"()".contains(*c)).collect::<String>().to_lowercase()
}

impl Present {
    /// Whether it is the one that is wanted, and can be used.
    pub(super) fn serves(&self, wanted: &Index) -> bool {
        self.name == wanted.name && self.valid && self.is(wanted)
    }

    fn is(&self, wanted: &Index) -> bool {
        self.columns.replace('"', "") == wanted.columns
            && self.unique == wanted.unique
            && plain(&self.filter) == plain(&wanted.filter)
    }

    fn drop_statement(&self, cx: &Context) -> String {
        let Self { table, name, .. } = self;
        // An index is in the schema of its table, and only some statements know it from that.
        let schema = cx.options.tables.schema().map(|schema| format!("{schema}.")).unwrap_or_default();
        match cx.dialect {
            Dialect::MySql => format!("alter table {table} drop key `{name}`"),
            Dialect::Postgres => format!("drop index concurrently {schema}\"{name}\""),
            Dialect::Sqlite => format!("drop index \"{name}\""),
        }
    }
}

pub(in crate::doctor) fn judge(present: &[Present], cx: &Context) -> Vec<Finding> {
    let mut findings = primary_keys(present, cx.dialect);
    findings.extend(expected::indexes(cx.dialect).iter().filter_map(|wanted| needed(present, wanted, cx)));
    findings.extend(present.iter().filter_map(|index| beyond_need(index, cx)));
    findings
}

/// Whether the key that lets one unfinished run in is there and can be used.
pub(in crate::doctor) fn has_live_key(present: &[Present], dialect: Dialect) -> bool {
    let live = expected::live_key(dialect);
    present.iter().any(|index| index.serves(live))
}

fn primary_keys(present: &[Present], dialect: Dialect) -> Vec<Finding> {
    let wanted = expected::tables().map(|table| (table, expected::primary_key(table)));
    wanted
        .filter(|(table, columns)| {
            let has = |index: &Present| index.table == *table && index.primary && index.columns == *columns;
            !columns.is_empty() && !present.iter().any(has)
        })
        .map(|(table, columns)| {
            let quoted =
                if dialect == Dialect::MySql { columns.replace("key", "`key`") } else { columns.to_owned() };
            let fix = match dialect {
                Dialect::MySql | Dialect::Postgres => {
                    format!("alter table {table} add primary key ({quoted})")
                }
                Dialect::Sqlite => format!("restore {table} from a backup: a primary key cannot be added"),
            };
            let message = format!("the primary key of {table} is not ({columns})");
            Finding::error(FindingId::IndexMissing, message, fix)
        })
        .collect()
}

fn needed(present: &[Present], wanted: &Index, cx: &Context) -> Option<Finding> {
    let Index { table, name, columns, .. } = wanted;
    let make = wanted.statement(cx.dialect, cx.over);
    let Some(found) = present.iter().find(|index| index.table == *table && index.name == *name) else {
        let message = match (wanted.unique, cx.dialect) {
            (true, _) => format!("the unique index {name} of {table} is missing: keys can be taken twice"),
            (false, Dialect::MySql) => {
                format!("the index {name} of {table} is missing: queries that name it fail")
            }
            (false, _) => format!("the index {name} of {table} is missing: queries read the whole table"),
        };
        return Some(Finding::error(FindingId::IndexMissing, message, make));
    };
    let again = format!("{};\n{make}", found.drop_statement(cx));
    if !found.valid {
        let message = format!("the index {name} of {table} is invalid: making it was interrupted or failed");
        return Some(Finding::error(FindingId::IndexInvalid, message, again));
    }
    if !found.is(wanted) {
        let message = format!(
            "the index {name} of {table} is on ({}), {}, {}; it has to be on ({columns}), {}, {}",
            found.columns,
            uniqueness(found.unique),
            rows(&found.filter),
            uniqueness(wanted.unique),
            rows(&wanted.filter)
        );
        return Some(Finding::error(FindingId::IndexDiffers, message, again));
    }
    None
}

fn uniqueness(unique: bool) -> &'static str {
    if unique { "unique" } else { "not unique" }
}

fn rows(filter: &str) -> String {
    if filter.is_empty() { "all rows".to_owned() } else { format!("where {filter}") }
}

/// By how much less runs a second all four indexes of the guide leave, as measured: 15,200 to 10,100 and 12,700 to 7,800.
fn cost(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::MySql => "39 %",
        Dialect::Postgres => "33 %",
        Dialect::Sqlite => "35 %",
    }
}

fn beyond_need(index: &Present, cx: &Context) -> Option<Finding> {
    let known = expected::indexes(cx.dialect).iter().any(|wanted| wanted.name == index.name);
    if index.primary || known {
        return None;
    }
    let Present { table, name, columns, .. } = index;
    let of_guide = OF_THE_GUIDE.iter().any(|(of, on)| of == table && on == columns);
    let fix = format!("unless somebody lists by it: {}", index.drop_statement(cx));
    Some(if of_guide && !index.unique {
        let message = format!(
            "the index {name} of {table} on ({columns}) is the guide's; no query of the engine needs it, and the guide's \
             four together cost {} of the throughput",
            cost(cx.dialect)
        );
        Finding::note(FindingId::IndexOfTheGuide, message, fix)
    } else {
        let message = format!(
            "no query of the engine needs the index {name} of {table} on ({columns}), and each move pays for it"
        );
        Finding::note(FindingId::IndexUnknown, message, fix)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::expected::Over;

    fn all(dialect: Dialect) -> Vec<Present> {
        let keys = expected::tables_of_runs().map(|table| Present {
            table: table.to_owned(),
            name: "PRIMARY".to_owned(),
            columns: expected::primary_key(table).to_owned(),
            unique: true,
            primary: true,
            valid: true,
            filter: String::new(),
        });
        let others = expected::indexes(dialect).iter().map(|index| Present {
            table: index.table.to_owned(),
            name: index.name.clone(),
            columns: index.columns.clone(),
            unique: index.unique,
            primary: false,
            valid: true,
            filter: if index.filter.is_empty() {
                String::new()
            } else {
                format!("({})", index.filter.to_uppercase())
            },
        });
        keys.chain(others).collect()
    }

    fn ids(present: &[Present], dialect: Dialect) -> Vec<&'static str> {
        judge(present, &Context::sample(dialect)).iter().map(|finding| finding.id.as_str()).collect()
    }

    fn extra(table: &str, columns: &str) -> Present {
        let (table, name, columns) = (table.to_owned(), "extra".to_owned(), columns.to_owned());
        Present { table, name, columns, unique: false, primary: false, valid: true, filter: String::new() }
    }

    #[test]
    fn what_the_migrations_make_is_right() {
        for dialect in [Dialect::MySql, Dialect::Postgres, Dialect::Sqlite] {
            assert!(ids(&all(dialect), dialect).is_empty(), "{dialect:?}");
        }
    }

    #[test]
    fn each_index_that_is_missing_is_named_with_its_statement() {
        for dialect in [Dialect::MySql, Dialect::Postgres, Dialect::Sqlite] {
            for wanted in expected::indexes(dialect) {
                let mut present = all(dialect);
                present.retain(|index| index.name != wanted.name);
                let found = judge(&present, &Context::sample(dialect));
                assert_eq!(found.len(), 1);
                assert_eq!(found[0].id, FindingId::IndexMissing);
                assert_eq!(found[0].fix, wanted.statement(dialect, Over::Keys));
            }
        }
    }

    #[test]
    fn an_index_that_is_not_what_it_is_called_is_found() {
        type Spoil = fn(&mut Present);
        let cases: [(Spoil, &str); 4] = [
            (|index| index.valid = false, "index-invalid"),
            (|index| index.unique = false, "index-differs"),
            (|index| index.columns = "foreign_id, workflow_name".to_owned(), "index-differs"),
            (|index| index.filter = "live is null".to_owned(), "index-differs"),
        ];
        for (spoil, id) in cases {
            let mut present = all(Dialect::Postgres);
            let live = present.iter_mut().find(|index| index.name == "workflow_records_live");
            live.into_iter().for_each(spoil);
            assert_eq!(ids(&present, Dialect::Postgres), [id]);
        }
    }

    #[test]
    fn a_lost_primary_key_is_found() {
        let mut present = all(Dialect::MySql);
        present.retain(|index| !(index.primary && index.table == "workflow_inbox"));
        let found = judge(&present, &Context::sample(Dialect::MySql));
        assert_eq!(found[0].fix, "alter table workflow_inbox add primary key (run_id, status, `key`)");
    }

    #[test]
    fn indexes_beyond_need_are_notes_with_their_price() {
        let cases = [
            ("workflow_records", "run_state", "index-of-the-guide"),
            ("workflow_records", "workflow_name, foreign_id, status", "index-of-the-guide"),
            ("workflow_outbox", "workflow_name", "index-of-the-guide"),
            ("workflow_records", "status", "index-unknown"),
        ];
        for (table, columns, id) in cases {
            let mut present = all(Dialect::MySql);
            present.push(extra(table, columns));
            let found = judge(&present, &Context::sample(Dialect::MySql));
            assert_eq!(found.iter().map(|finding| finding.id.as_str()).collect::<Vec<_>>(), [id]);
            assert!(
                found[0].fix.contains(&format!("alter table {table} drop key `extra`")),
                "{}",
                found[0].fix
            );
        }
    }
}
