//! The guard: a trigger on the records that lets a run's next version in, and no other.
//!
//! The engine compares versions under a lock, and needs no guard for itself. It is for tables that others write, too: the
//! Go library updates a record by its key alone, whatever has become of it since it was read.

use super::{Found, Step, Wish};
use crate::Dialect;
use crate::names::{Table, TableNames};

/// The default name of the trigger, and of its function on PostgreSQL.
const GUARD: &str = "workflow_records_guard";

/// What the trigger says.
const REFUSED: &str = "workflow guard: a record was written whose version is not the next one; read it again";

/// The SQL that makes the guard, as text for people who apply it by hand after [`schema_sql`](crate::schema_sql).
///
/// For MariaDB and MySQL it is made for their command line client, which has to be told where a statement with semicolons
/// in it ends.
///
/// ```
/// use store_sql::{Dialect, TableNames, guard_sql};
/// let text = guard_sql(Dialect::Postgres, &TableNames::prefixed("shop_")?);
/// assert!(text.contains("create trigger shop_records_guard before update on shop_records"));
/// # Ok::<(), store_sql::NameError>(())
/// ```
pub fn guard_sql(dialect: Dialect, names: &TableNames) -> String {
    let texts = make(dialect, names);
    match dialect {
        Dialect::MariaDb | Dialect::MySql => format!("delimiter //\n{}//\ndelimiter ;\n", texts.join("//\n")),
        Dialect::Postgres | Dialect::Sqlite => texts.iter().map(|text| format!("{text};\n")).collect(),
    }
}

/// What the trigger is called.
pub(crate) fn guard_name(names: &TableNames) -> String {
    names.index(GUARD)
}

fn qualified(names: &TableNames) -> String {
    let schema = names.schema().map(|schema| format!("{schema}.")).unwrap_or_default();
    format!("{schema}{}", guard_name(names))
}

/// What is to be done about it.
pub(super) fn step(found: &Found, wish: Wish<'_>) -> Option<Step> {
    match (wish.guard?, found.guard) {
        (true, false) => Some(Step::MakeGuard),
        (false, true) => Some(Step::DropGuard),
        (true, true) | (false, false) => None,
    }
}

/// The statements that make it.
pub(super) fn make(dialect: Dialect, names: &TableNames) -> Vec<String> {
    let (records, name, qualified) = (names.qualified(Table::Records), guard_name(names), qualified(names));
    match dialect {
        Dialect::MariaDb | Dialect::MySql => vec![format!(
            "create trigger {qualified} before update on {records} for each row\n\
             if not ({} <=> {} + 1) then\n  \
             signal sqlstate '45000' set message_text = '{REFUSED}';\n\
             end if",
            mysql_version("new"),
            mysql_version("old"),
        )],
        Dialect::Postgres => vec![
            format!(
                "create or replace function {qualified}() returns trigger language plpgsql as $guard$\nbegin\n  \
                 if new.version = old.version + 1 and {} and {} then\n    return new;\n  end if;\n  \
                 if {} is distinct from {} + 1 then\n    \
                 raise exception using errcode = 'check_violation', message = '{REFUSED}';\n  \
                 end if;\n  return new;\nend\n$guard$",
                is_ours("new"),
                is_ours("old"),
                postgres_version("new"),
                postgres_version("old"),
            ),
            format!(
                "create trigger {name} before update on {records} for each row execute function {qualified}()"
            ),
        ],
        // Only the engine writes such a file by itself, so that the column alone counts.
        Dialect::Sqlite => vec![format!(
            "create trigger {name} before update on {records} when new.version is not old.version + 1 begin\n  \
             select raise(abort, '{REFUSED}');\nend"
        )],
    }
}

/// The statements that drop it.
pub(super) fn drop(dialect: Dialect, names: &TableNames) -> Vec<String> {
    let (records, name, qualified) = (names.qualified(Table::Records), guard_name(names), qualified(names));
    match dialect {
        Dialect::MariaDb | Dialect::MySql => vec![format!("drop trigger if exists {qualified}")],
        Dialect::Postgres => vec![
            format!("drop trigger if exists {name} on {records}"),
            format!("drop function if exists {qualified}()"),
        ],
        Dialect::Sqlite => vec![format!("drop trigger if exists {name}")],
    }
}

/// The version of a row, as `shared_version` of a record that was read: the Go library counts in `meta` alone.
fn mysql_version(row: &str) -> String {
    let meta = format!("convert({row}.meta using utf8mb4)");
    format!(
        "greatest(coalesce({row}.version, 1), coalesce(if(json_valid({meta}), cast(json_value({meta}, '$.Version') as \
         signed), null), 1))"
    )
}

/// The same on PostgreSQL, where reading JSON fails on what is none. A quote inside a text has a backslash before it, so
/// that nothing in one looks like the key.
fn postgres_version(row: &str) -> String {
    format!(
        "greatest(coalesce({row}.version, 1), coalesce(substring(encode({row}.meta, 'escape') from '\"Version\": \
         *([0-9]{{1,18}})')::bigint, 1))"
    )
}

/// Whether `meta` agrees with the column, in the form in which ours writes it: that is seen for less than any reading of it.
fn is_ours(row: &str) -> String {
    format!("position(('\"Version\":' || {row}.version || ',')::bytea in {row}.meta) > 0")
}
