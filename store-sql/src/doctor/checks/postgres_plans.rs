//! Plans of PostgreSQL.

use std::collections::BTreeSet;

use super::indexes::Present;
use super::mysql_plans::numbers;
use super::plans::Plan;
use crate::doctor::expected;
use crate::doctor::session::Session;

const SEED: &str = include_str!("../statements/postgres_seed.sql");

/// As the store's sessions are, with plans as they are kept for any value.
const SETTINGS: &str = "set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off; \
                        set local plan_cache_mode = force_generic_plan; set local client_min_messages = warning";

/// Puts temporary tables before the real ones until the transaction ends.
pub(super) async fn copy_tables(session: &mut Session) -> Result<(), sqlx::Error> {
    session.execute(SETTINGS).await?;
    let indexes = "select c.relname, pg_get_indexdef(x.indexrelid) from pg_index x join pg_class c on c.oid = x.indrelid \
                   where c.relname in ({tables}) and {visible} and x.indisvalid";
    let indexes = session.catalogue(indexes).await?;
    for table in expected::tables_of_runs() {
        let names = session.names();
        let text = format!(
            "create temporary table {} (like {} including defaults including generated) on commit drop",
            names.in_copies(table),
            names.written(table)
        );
        session.execute_as_written(text).await?;
    }
    for row in indexes {
        let mut cells = row.into_iter().flatten();
        if let (Some(table), Some(made)) = (cells.next(), cells.next())
            && session.names().table(&table) != Some("workflow_schema")
        {
            session.execute_as_written(on_copy(&made, &table)).await?;
        }
    }
    let seed = session.names().in_copies(SEED).replace("{numbers}", &numbers());
    session.execute_as_written(seed).await.map(drop)
}

/// The statement that makes an index, for the copy of its table.
fn on_copy(made: &str, table: &str) -> String {
    match (made.split_once(" ON "), made.split_once(" USING ")) {
        (Some((name, _)), Some((_, columns))) => format!("{name} ON pg_temp.{table} USING {columns}"),
        _ => made.to_owned(),
    }
}

pub(super) async fn explain(
    session: &mut Session,
    text: &str,
    present: &[Present],
) -> Result<Plan, sqlx::Error> {
    let prepare = format!("prepare workflow_doctor as {}", session.names().in_copies(text));
    session.execute_as_written(prepare).await?;
    let values = vec!["null"; values(text)].join(", ");
    // Empty brackets are an error.
    let values = if values.is_empty() { values } else { format!("({values})") };
    let rows = session.rows(format!("explain (costs off) execute workflow_doctor{values}")).await?;
    session.execute("deallocate workflow_doctor").await?;
    let lines = rows.into_iter().filter_map(|row| row.into_iter().next().flatten());
    Ok(read(lines, present, |table| session.names().table(table).is_some()))
}

/// How many values a statement has.
fn values(text: &str) -> usize {
    let numbers = text.split('$').skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().ok()
    });
    numbers.max().unwrap_or(0)
}

/// The plan in lines as `->  Index Scan using workflow_records_live on workflow_records r`.
fn read(lines: impl Iterator<Item = String>, present: &[Present], is_ours: impl Fn(&str) -> bool) -> Plan {
    let mut plan = Plan { used: BTreeSet::new(), waste: None };
    for line in lines {
        let word_after = |marker: &str| {
            line.split_once(marker).and_then(|(_, rest)| rest.split_whitespace().next()).map(str::to_owned)
        };
        if line.contains("Index Scan using ")
            || line.contains("Index Only Scan using ")
            || line.contains("Scan Backward using ")
        {
            plan.used.extend(word_after(" using ").map(|name| known_as(name, present)));
        } else if let Some(name) = word_after("Bitmap Index Scan on ") {
            plan.used.insert(known_as(name, present));
        } else if let Some(table) = word_after("Seq Scan on ").filter(|table| is_ours(table)) {
            plan.waste = Some(format!("it reads all of {table}"));
        }
    }
    plan
}

/// A primary key by the name that it has by default.
fn known_as(name: String, present: &[Present]) -> String {
    let own = present.iter().find(|index| index.primary && index.name == name);
    own.map(|index| format!("{}_pkey", index.table)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted() {
        for (text, expected) in [("select 1", 0), ("a = $1 and b = $2", 2), ("$28 $3", 28), ("any($1)", 1)] {
            assert_eq!(values(text), expected, "{text}");
        }
    }

    #[test]
    fn an_index_is_made_on_the_copy() {
        let made =
            "CREATE UNIQUE INDEX workflow_records_live ON public.workflow_records USING btree (a) WHERE live";
        assert_eq!(
            on_copy(made, "workflow_records"),
            "CREATE UNIQUE INDEX workflow_records_live ON pg_temp.workflow_records USING btree (a) WHERE live"
        );
    }

    #[test]
    fn plans_are_read() {
        let primary = Present {
            table: "workflow_records".to_owned(),
            name: "pk_records".to_owned(),
            columns: "run_id".to_owned(),
            unique: true,
            primary: true,
            valid: true,
            filter: String::new(),
        };
        let plan = |lines: &[&str]| {
            let lines = lines.iter().map(|line| (*line).to_owned());
            read(lines, std::slice::from_ref(&primary), |table| table.starts_with("workflow_"))
        };
        let cases = [
            ("Index Scan using workflow_records_live on workflow_records r", "workflow_records_live"),
            (
                "->  Index Scan Backward using workflow_records_by_age on workflow_records",
                "workflow_records_by_age",
            ),
            (
                "->  Index Only Scan using workflow_outbox_by_run on workflow_outbox o",
                "workflow_outbox_by_run",
            ),
            ("->  Bitmap Index Scan on workflow_outbox_by_run", "workflow_outbox_by_run"),
            ("Index Scan using pk_records on workflow_records", "workflow_records_pkey"),
        ];
        for (line, index) in cases {
            assert_eq!(plan(&[line]).used.into_iter().collect::<Vec<_>>(), [index], "{line}");
        }
        assert!(plan(&["Seq Scan on workflow_records r"]).waste.is_some());
        assert_eq!(plan(&["Function Scan on unnest d", "CTE Scan on names n"]), Plan::default());
    }
}
