//! Plans of MariaDB and MySQL.

use std::collections::BTreeSet;

use super::plans::Plan;
use crate::doctor::expected;
use crate::doctor::session::{Rows, Session, number};

const SEED: &str = include_str!("../statements/mysql_seed.sql");

/// How many rows each copy has.
pub(super) const ROWS: usize = 4000;

/// The most rows that a statement may look at in a table, unless it reads one page in the order of an index.
const ROWS_MAX: i64 = 1000;

/// What both families call keys that come with the statement.
const TABLE_FUNCTION: &str = "Table function";

/// What stands for the values of statements: each is in a row of every copy, as the optimizer looks a unique key up
/// before it makes a plan.
const VALUES: [(&str, &str); 8] = [
    ("{keys}", "'[\"run-20\"]'"),
    ("{run}", "'run-20'"),
    ("{workflow}", "'orders'"),
    ("{foreign_id}", "'key-20'"),
    ("{text}", "'text-20'"),
    ("{since}", "(utc_timestamp(3) - interval 3000 second)"),
    ("{at}", "(utc_timestamp(3) - interval 1000 second)"),
    ("{n}", "1"),
];

/// The numbers from 1 on, which every server can count to without a table.
pub(super) fn numbers() -> String {
    let digits = "(select 0 as d union all select 1 union all select 2 union all select 3 union all select 4 union all \
                  select 5 union all select 6 union all select 7 union all select 8 union all select 9)";
    format!(
        "(select a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 1 as seq from {digits} a cross join {digits} b cross join \
         {digits} c cross join {digits} e where e.d < {}) numbers",
        ROWS / 1000
    )
}

/// Puts temporary tables before the real ones: this session alone sees them, and they end with it.
pub(super) async fn copy_tables(session: &mut Session) -> Result<(), sqlx::Error> {
    for table in expected::tables_of_runs() {
        let row =
            session.rows(format!("show create table {table}")).await?.into_iter().next().unwrap_or_default();
        let made = row.into_iter().nth(1).flatten().unwrap_or_default();
        // `like` would do, if a table could be made like that of its own name.
        session.execute_as_written(made.replacen("CREATE TABLE", "create temporary table", 1)).await?;
    }
    let seed = session.names().in_copies(SEED).replace("{numbers}", &numbers());
    session.execute_as_written(seed).await.map(drop)
}

pub(super) async fn explain(session: &mut Session, text: &str) -> Result<Plan, sqlx::Error> {
    let bound = VALUES.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
    let bound = session.names().in_copies(&bound);
    let rows = session.rows_as_written(format!("explain {bound}")).await?;
    Ok(read(&rows, text))
}

/// The plan in rows of `id, select_type, table, [partitions,] type, possible_keys, key, key_len, ref, rows, [filtered,]
/// Extra`: MySQL has the columns in brackets.
fn read(rows: &Rows, text: &str) -> Plan {
    let mut plan = Plan { used: BTreeSet::new(), waste: None };
    for row in rows {
        let more = usize::from(row.len() > 10);
        let cell = |at: usize| row.get(at).and_then(Option::as_deref);
        let (access, key, count) = (cell(3 + more), cell(5 + more), number(cell(8 + more)).unwrap_or(0));
        let extra = row.last().and_then(Option::as_deref).unwrap_or_default();
        plan.used.extend(key.into_iter().flat_map(|key| key.split(',')).map(str::to_owned));
        // A page that is read in the order of its index ends at its limit, whatever the estimate says.
        let is_page = text.contains(" limit ") && !extra.contains("filesort");
        let table = cell(2).unwrap_or("a table");
        // What a part of the statement gives is read as a whole; how that part comes by it has a row of its own.
        let is_computed = table.starts_with('<') || extra.contains(TABLE_FUNCTION);
        let scans = access == Some("ALL") || (key.is_none() && count > 1);
        if !is_computed && (scans || (count > ROWS_MAX && !is_page)) {
            plan.waste = Some(format!("it reads all of {table}"));
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<Option<String>> {
        cells.iter().map(|cell| (*cell != "NULL").then(|| (*cell).to_owned())).collect()
    }

    #[test]
    fn plans_of_both_families_are_read() {
        let maria = row(&["1", "SIMPLE", "r", "range", "live", "live", "9", "NULL", "1", "Using where"]);
        let mysql = row(&[
            "1",
            "SIMPLE",
            "r",
            "NULL",
            "range",
            "live",
            "live",
            "9",
            "NULL",
            "1",
            "100.00",
            "Using where",
        ]);
        for row in [maria, mysql] {
            let plan = read(&vec![row], "select 1");
            assert_eq!(
                (plan.used.into_iter().collect::<Vec<_>>(), plan.waste),
                (vec!["live".to_owned()], None)
            );
        }
    }

    #[test]
    fn reading_too_much_is_waste_unless_it_is_a_page() {
        let cases = [
            ("ALL", "NULL", "4000", "", "select 1", true),
            ("index", "live", "4000", "Using index", "select 1", true),
            ("index", "live", "4000", "Using index", "select 1 limit 1", false),
            ("range", "live", "4000", "Using filesort", "select 1 limit 1", true),
            ("NULL", "NULL", "NULL", "Select tables optimized away", "select 1", false),
            ("const", "PRIMARY", "1", "", "select 1", false),
        ];
        for (access, key, rows, extra, text, waste) in cases {
            let row = |table| row(&["1", "SIMPLE", table, access, key, key, "9", "NULL", rows, extra]);
            assert_eq!(read(&vec![row("r")], text).waste.is_some(), waste, "{access} {key} {rows} {extra}");
            assert_eq!(read(&vec![row("<derived2>")], text).waste, None, "it is no table");
        }
    }
}
