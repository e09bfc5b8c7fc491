//! How text is kept: character sets, collations, storage engines.

use std::collections::BTreeMap;

use crate::doctor::context::Context;
use crate::doctor::expected::Over;
use crate::doctor::id::FindingId;
use crate::doctor::report::Finding;
use crate::doctor::session::{Dialect, Session};

/// What users or other programs choose, and what therefore may have any characters.
const KEYS: [(&str, &str); 17] = [
    ("workflow_records", "workflow_name"),
    ("workflow_records", "foreign_id"),
    ("workflow_records", "start_key"),
    ("workflow_outbox", "workflow_name"),
    ("workflow_timeouts", "name"),
    ("workflow_timeouts", "workflow_name"),
    ("workflow_timeouts", "foreign_id"),
    ("workflow_retries", "process"),
    ("workflow_retries", "workflow_name"),
    ("workflow_history", "workflow_name"),
    ("workflow_dead_letters", "id"),
    ("workflow_dead_letters", "workflow_name"),
    ("workflow_inbox", "key"),
    ("workflow_slots", "workflow_name"),
    ("workflow_slots", "foreign_id"),
    ("workflow_slots", "spec"),
    ("workflow_roles", "role"),
];

/// Columns whose values are ASCII.
const ASCII: [&str; 5] = ["run_id", "last_event_id", "paused_by", "id", "doorbell"];

/// A column with text in it.
#[derive(Clone, Debug, Default)]
pub(in crate::doctor) struct Column {
    table: String,
    name: String,
    declared: String,
    required: bool,
    charset: String,
    /// As it is called; on PostgreSQL the database's own where the column has none.
    collation: String,
    /// Whether values that are not the same bytes are never equal; PostgreSQL knows it, elsewhere the name tells.
    deterministic: bool,
}

fn text(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::MySql => {
            "select lower(table_name), lower(column_name), column_type, is_nullable = 'NO', character_set_name, \
             collation_name, 0 from information_schema.columns where table_schema = {schema} and lower(table_name) in \
             ({tables}) and character_set_name is not null order by table_name, ordinal_position"
        }
        Dialect::Postgres => {
            "select c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::int, '', case when o.collname = \
             'default' and d.datlocprovider <> 'i' then d.datcollate else o.collname end, o.collisdeterministic::int from \
             pg_class c join pg_attribute a on a.attrelid = c.oid join pg_collation o on o.oid = a.attcollation join \
             pg_database d on d.datname = current_database() where c.relkind in ('r', 'p') and c.relname in ({tables}) \
             and {visible} and a.attnum > 0 and not a.attisdropped order by c.relname, a.attnum"
        }
        // Its text is compared by bytes unless a column says otherwise, which the migrations do not.
        Dialect::Sqlite => "select '' where false",
    }
}

pub(in crate::doctor) async fn gather(session: &mut Session) -> Result<Vec<Column>, sqlx::Error> {
    let rows = session.catalogue(text(session.dialect())).await?;
    let names = session.names();
    let column = |row: Vec<Option<String>>| {
        let cell = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        Column {
            table: names.table(&cell(0)).map_or_else(|| cell(0), str::to_owned),
            name: cell(1),
            declared: cell(2),
            required: cell(3) == "1",
            charset: cell(4),
            collation: cell(5),
            deterministic: cell(6) == "1",
        }
    };
    Ok(rows.into_iter().map(column).collect())
}

impl Column {
    fn is_key(&self) -> bool {
        KEYS.contains(&(self.table.as_str(), self.name.as_str()))
    }

    /// In MariaDB and MySQL: whether `Case` and `case`, or `case` and `case `, are one.
    fn merges(&self) -> bool {
        let exact = self.collation.ends_with("_nopad_bin")
            || self.collation == "utf8mb4_0900_bin"
            || self.collation == "binary";
        !exact
    }

    /// In PostgreSQL: whether the order is that of bytes.
    fn is_bytewise(&self) -> bool {
        let names = ["c", "posix", "c.utf8", "c.utf-8", "ucs_basic"];
        names.contains(&self.collation.to_lowercase().as_str())
    }

    fn modify(&self, collation: &str) -> String {
        let null = if self.required { " not null" } else { "" };
        format!("modify `{}` {} character set utf8mb4 collate {collation}{null}", self.name, self.declared)
    }
}

pub(in crate::doctor) fn judge(columns: &[Column], exact: &str, cx: &Context) -> Vec<Finding> {
    let mut tables: BTreeMap<&str, Vec<&Column>> = BTreeMap::new();
    for column in columns {
        tables.entry(&column.table).or_default().push(column);
    }
    let of_table = |(table, columns): (&str, Vec<&Column>)| match cx.dialect {
        Dialect::MySql => mysql(table, &columns, exact, cx.over),
        Dialect::Postgres => postgres(table, &columns),
        Dialect::Sqlite => Vec::new(),
    };
    tables.into_iter().flat_map(of_table).collect()
}

fn names(columns: &[&&Column]) -> String {
    columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn mysql(table: &str, columns: &[&Column], exact: &str, over: Over) -> Vec<Finding> {
    let mut findings = Vec::new();
    let modify = |columns: &[&&Column]| {
        let changes: Vec<String> = columns.iter().map(|column| column.modify(exact)).collect();
        format!("alter table {table} {}", changes.join(", "))
    };
    let narrow: Vec<&&Column> = columns
        .iter()
        .filter(|column| column.charset != "utf8mb4" && !ASCII.contains(&column.name.as_str()))
        .collect();
    if let Some(first) = narrow.first() {
        let message = format!(
            "the character set of {} in {table} is {}: text with other characters is refused",
            names(&narrow),
            first.charset
        );
        findings.push(Finding::error(FindingId::CharsetNotUtf8mb4, message, modify(&narrow)));
    }
    let merging: Vec<&&Column> = columns
        .iter()
        .filter(|column| column.is_key() && column.charset == "utf8mb4" && column.merges())
        .collect();
    if let Some(first) = merging.first() {
        let which = if first.collation.ends_with("_bin") {
            "`case` and `case `"
        } else {
            "`Case`, `case` and `case `"
        };
        let merged = format!(
            "the collation of {} in {table} is {}, in which {which} are one",
            names(&merging),
            first.collation
        );
        // The engine does not compare what it finds in the outbox, and has columns of its own to compare the records by.
        let by_others = table == "workflow_outbox" || (table == "workflow_records" && over == Over::Twins);
        findings.push(if by_others {
            let message = format!(
                "{merged}: for programs that compare in it, as the Go library does; not for the engine"
            );
            Finding::note(FindingId::CollationMergesKeys, message, modify(&merging))
        } else {
            let message = format!("{merged}: the second of them is refused");
            Finding::warning(FindingId::CollationMergesKeys, message, modify(&merging))
        });
    }
    findings
}

fn postgres(table: &str, columns: &[&Column]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let alter = |columns: &[&&Column]| {
        let change = |column: &&&Column| {
            format!("alter column {} type {} collate \"C\"", column.name, column.declared)
        };
        let changes: Vec<String> = columns.iter().map(change).collect();
        format!(
            "alter table {table} {}; it locks the table while its indexes are made anew",
            changes.join(", ")
        )
    };
    let concerned = |column: &&&Column| column.is_key() || matches!(column.name.as_str(), "run_id" | "id");
    let merging: Vec<&&Column> =
        columns.iter().filter(concerned).filter(|column| !column.deterministic).collect();
    if let Some(first) = merging.first() {
        let message = format!(
            "the collation of {} in {table} is {}, in which different keys can be one",
            names(&merging),
            first.collation
        );
        findings.push(Finding::error(FindingId::CollationMergesKeys, message, alter(&merging)));
    }
    let ordered: Vec<&&Column> = columns
        .iter()
        .filter(concerned)
        .filter(|column| column.deterministic && !column.is_bytewise())
        .collect();
    if let Some(first) = ordered.first() {
        let message = format!(
            "the collation of {} in {table} is {}, not \"C\": it is slower, and an upgrade of the system can change its \
             order and so spoil indexes",
            names(&ordered),
            first.collation
        );
        findings.push(Finding::warning(FindingId::CollationNotBytewise, message, alter(&ordered)));
    }
    findings
}

/// The collation that tells all keys apart, on this server.
pub(in crate::doctor) fn exact_collation(version: &str) -> &'static str {
    if version.to_lowercase().contains("mariadb") { "utf8mb4_nopad_bin" } else { "utf8mb4_0900_bin" }
}

/// The storage engine of each table.
pub(in crate::doctor) async fn engines(session: &mut Session) -> Result<Vec<(String, String)>, sqlx::Error> {
    let text = "select lower(table_name), engine from information_schema.tables where table_schema = {schema} and \
                lower(table_name) in ({tables}) and table_type = 'BASE TABLE'";
    let rows = session.catalogue(text).await?;
    let pair = |row: Vec<Option<String>>| {
        let mut cells = row.into_iter();
        let table = session.names().table(&cells.next()??)?.to_owned();
        Some((table, cells.next()?.unwrap_or_default()))
    };
    Ok(rows.into_iter().filter_map(pair).collect())
}

pub(in crate::doctor) fn judge_engines(engines: &[(String, String)]) -> Vec<Finding> {
    let without = engines.iter().filter(|(_, engine)| !engine.eq_ignore_ascii_case("innodb"));
    without
        .map(|(table, engine)| {
            let message = format!(
                "the storage engine of {table} is {engine}: its changes do not go with their transaction"
            );
            Finding::error(
                FindingId::EngineNotTransactional,
                message,
                format!("alter table {table} engine = InnoDB"),
            )
        })
        .collect()
}

/// The encoding of a PostgreSQL database.
pub(in crate::doctor) async fn encoding(session: &mut Session) -> Result<String, sqlx::Error> {
    Ok(session.value("show server_encoding").await?.unwrap_or_default())
}

pub(in crate::doctor) fn judge_encoding(encoding: &str) -> Vec<Finding> {
    if encoding == "UTF8" {
        return Vec::new();
    }
    let message = format!("the database is in {encoding}: text with other characters is refused");
    let fix = "create another one with `create database NAME encoding 'UTF8' template template0`, and move the tables there \
               with pg_dump";
    vec![Finding::error(FindingId::DatabaseEncoding, message, fix)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Severity;

    fn column(table: &str, name: &str, charset: &str, collation: &str) -> Column {
        Column {
            table: table.to_owned(),
            name: name.to_owned(),
            declared: "varchar(255)".to_owned(),
            required: true,
            charset: charset.to_owned(),
            collation: collation.to_owned(),
            deterministic: true,
        }
    }

    fn ids(columns: &[Column], dialect: Dialect) -> Vec<&'static str> {
        let found = judge(columns, "utf8mb4_nopad_bin", &Context::sample(dialect));
        found.iter().map(|finding| finding.id.as_str()).collect()
    }

    #[test]
    fn collations_that_merge_keys_are_told_by_their_names() {
        let cases: [(&str, &str, &str, &[&str]); 10] = [
            ("foreign_id", "utf8mb4", "utf8mb4_nopad_bin", &[]),
            ("foreign_id", "utf8mb4", "utf8mb4_0900_bin", &[]),
            ("foreign_id", "utf8mb4", "utf8mb4_bin", &["collation-merges-keys"]),
            ("foreign_id", "utf8mb4", "utf8mb4_unicode_ci", &["collation-merges-keys"]),
            ("foreign_id", "utf8mb4", "utf8mb4_uca1400_ai_ci", &["collation-merges-keys"]),
            ("run_id", "utf8mb4", "utf8mb4_unicode_ci", &[]),
            ("run_id", "ascii", "ascii_bin", &[]),
            ("doorbell", "ascii", "ascii_bin", &[]),
            ("foreign_id", "latin1", "latin1_swedish_ci", &["charset-not-utf8mb4"]),
            ("foreign_id", "utf8mb3", "utf8mb3_bin", &["charset-not-utf8mb4"]),
        ];
        for (name, charset, collation, expected) in cases {
            let columns = [column("workflow_records", name, charset, collation)];
            assert_eq!(ids(&columns, Dialect::MySql), expected, "{name} {collation}");
        }
    }

    #[test]
    fn what_the_engine_does_not_compare_is_no_more_than_a_note() {
        let loose = |table| [column(table, "workflow_name", "utf8mb4", "utf8mb4_unicode_ci")];
        let cases = [
            ("workflow_records", Over::Keys, Severity::Warning),
            ("workflow_records", Over::Twins, Severity::Note),
            ("workflow_outbox", Over::Keys, Severity::Note),
            ("workflow_slots", Over::Twins, Severity::Warning),
        ];
        for (table, over, severity) in cases {
            let cx = Context { over, ..Context::sample(Dialect::MySql) };
            let found = judge(&loose(table), "utf8mb4_nopad_bin", &cx);
            assert_eq!((found.len(), found[0].severity), (1, severity), "{table} {over:?}");
        }
    }

    #[test]
    fn a_column_is_mended_as_it_was_declared() {
        let columns = [
            column("workflow_records", "foreign_id", "latin1", "latin1_swedish_ci"),
            Column {
                required: false,
                ..column("workflow_records", "start_key", "latin1", "latin1_swedish_ci")
            },
        ];
        let found = judge(&columns, "utf8mb4_nopad_bin", &Context::sample(Dialect::MySql));
        assert_eq!(
            found[0].fix,
            "alter table workflow_records modify `foreign_id` varchar(255) character set utf8mb4 collate \
             utf8mb4_nopad_bin not null, modify `start_key` varchar(255) character set utf8mb4 collate utf8mb4_nopad_bin"
        );
    }

    #[test]
    fn keys_of_postgres_are_ordered_by_their_bytes() {
        for (collation, deterministic, expected) in [
            ("C", true, None),
            ("C.UTF-8", true, None),
            ("en_US.UTF-8", true, Some("collation-not-bytewise")),
            ("default", true, Some("collation-not-bytewise")),
            ("loose", false, Some("collation-merges-keys")),
        ] {
            let columns =
                [Column { deterministic, ..column("workflow_records", "foreign_id", "", collation) }];
            assert_eq!(ids(&columns, Dialect::Postgres).first().copied(), expected, "{collation}");
        }
    }

    #[test]
    fn only_one_engine_has_transactions() {
        let engines = |engine: &str| [("workflow_records".to_owned(), engine.to_owned())];
        assert!(judge_engines(&engines("InnoDB")).is_empty());
        assert_eq!(judge_engines(&engines("MyISAM"))[0].fix, "alter table workflow_records engine = InnoDB");
    }

    #[test]
    fn a_database_is_in_utf8() {
        assert!(judge_encoding("UTF8").is_empty());
        assert_eq!(judge_encoding("LATIN1").len(), 1);
    }
}
