//! How large the tables are, and how much of them is dead.

use std::path::{Path, PathBuf};

use crate::config::Dsn;
use crate::doctor::context::Context;
use crate::doctor::id::FindingId;
use crate::doctor::report::Finding;
use crate::doctor::session::{Dialect, Session, number};
use crate::doctor::settings::Settings;

/// A table's size, and on PostgreSQL what is dead of it.
#[derive(Clone, Debug, Default)]
pub(in crate::doctor) struct Table {
    name: String,
    bytes: u64,
    live_rows: u64,
    dead_rows: u64,
    last_vacuum: Option<String>,
    vacuum_off: bool,
}

fn text(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::MySql => {
            "select lower(table_name), coalesce(data_length + index_length, 0), coalesce(table_rows, 0), 0, null, 0 from \
             information_schema.tables where table_schema = {schema} and lower(table_name) in ({tables}) and table_type = \
             'BASE TABLE' order by 1"
        }
        Dialect::Postgres => {
            "select c.relname, pg_total_relation_size(c.oid), coalesce(s.n_live_tup, 0), coalesce(s.n_dead_tup, 0), \
             greatest(s.last_autovacuum, s.last_vacuum)::timestamp(0)::text, coalesce(exists (select 1 from \
             pg_options_to_table(c.reloptions) where option_name = 'autovacuum_enabled' and not option_value::boolean), \
             false)::int from pg_class c left join pg_stat_user_tables s on s.relid = c.oid where c.relkind in ('r', 'p') and \
             c.relname in ({tables}) and {visible} order by 1"
        }
        Dialect::Sqlite => {
            "select 'the file', page_count * page_size, 0, 0, null, 0 from pragma_page_count, pragma_page_size"
        }
    }
}

pub(in crate::doctor) async fn gather(session: &mut Session) -> Result<Vec<Table>, sqlx::Error> {
    let rows = session.catalogue(text(session.dialect())).await?;
    let names = session.names();
    let table = |row: Vec<Option<String>>| {
        let cell = |at: usize| row.get(at).and_then(Option::as_deref);
        let count = |at: usize| number(cell(at)).unwrap_or(0).unsigned_abs();
        Table {
            name: cell(0).map_or("", |own| names.table(own).unwrap_or(own)).to_owned(),
            bytes: count(1),
            live_rows: count(2),
            dead_rows: count(3),
            last_vacuum: cell(4).map(str::to_owned),
            vacuum_off: cell(5) == Some("1"),
        }
    };
    Ok(rows.into_iter().map(table).collect())
}

pub(in crate::doctor) fn judge(tables: &[Table], settings: &Settings, cx: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    if cx.dialect == Dialect::Postgres && settings.is_off("autovacuum") {
        findings.push(Finding::warning(
            FindingId::AutovacuumOff,
            "autovacuum is off: rows that were moved or deleted stay in the tables for ever",
            "alter system set autovacuum = on; select pg_reload_conf()",
        ));
    }
    for table in tables {
        findings.extend(of_table(table, cx));
    }
    findings
}

fn of_table(table: &Table, cx: &Context) -> Vec<Finding> {
    let Table { name, bytes, live_rows, dead_rows, .. } = table;
    let mut findings = Vec::new();
    if table.vacuum_off {
        let message =
            format!("autovacuum is off for {name}: rows that were moved or deleted stay there for ever");
        let fix = format!("alter table {name} reset (autovacuum_enabled)");
        findings.push(Finding::warning(FindingId::AutovacuumOff, message, fix));
    }
    if *dead_rows >= cx.options.dead_rows && dead_rows > live_rows {
        let message = format!(
            "{dead_rows} rows of {name} are dead and {live_rows} alive; it was last vacuumed {}",
            table.last_vacuum.as_deref().unwrap_or("never")
        );
        let fix = format!(
            "vacuum (analyze) {name}; then see what holds old rows (select pid, state, xact_start, query from \
             pg_stat_activity where backend_xmin is not null order by xact_start), or let it be vacuumed more often: alter \
             table {name} set (autovacuum_vacuum_scale_factor = 0.02)"
        );
        findings.push(Finding::warning(FindingId::RowsDead, message, fix));
    }
    if *bytes >= cx.options.table_bytes {
        let message = format!("the size of {name} is {} MiB", bytes >> 20);
        let fix = "move what is finished elsewhere: workflowctl archive, and workflowctl prune-history for the history";
        findings.push(Finding::note(FindingId::TableLarge, message, fix));
    }
    findings
}

/// The folder of the data, if it is on this host.
pub(in crate::doctor) fn folder(dsn: &Dsn, settings: &Settings) -> Option<PathBuf> {
    let is_local = |host: &str, socket: bool| socket || matches!(host, "localhost" | "127.0.0.1" | "::1");
    let folder = match dsn {
        Dsn::Sqlite(dsn) => {
            let parent = dsn.file.parent().filter(|parent| !parent.as_os_str().is_empty());
            Some(parent.unwrap_or(Path::new(".")).to_owned())
        }
        // A forwarded port looks local, too: the server's name for its host must be this one's.
        Dsn::MySql(dsn) => {
            let here = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            let same = settings.get("hostname") == here.trim().to_lowercase();
            (same && is_local(&dsn.host, dsn.socket.is_some())).then(|| settings.exact("datadir").into())
        }
        // Only some users are told.
        Dsn::Postgres(dsn) => {
            is_local(&dsn.host, dsn.socket.is_some()).then(|| settings.exact("data_directory").into())
        }
    };
    folder.filter(|folder: &PathBuf| folder.is_dir())
}

/// How many bytes can still be written in a folder.
#[cfg(unix)]
pub(in crate::doctor) fn free_bytes(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// It is not asked for here.
#[cfg(not(unix))]
pub(in crate::doctor) fn free_bytes(_: &Path) -> Option<u64> {
    None
}

pub(in crate::doctor) fn judge_free(folder: &Path, free: u64, cx: &Context) -> Vec<Finding> {
    if free >= cx.options.free_bytes_min {
        return Vec::new();
    }
    let message = format!("{} MiB are free on the disk of {}", free >> 20, folder.display());
    let fix = "make room, or move the data to a larger disk: when it is full nothing can be stored";
    vec![Finding::warning(FindingId::DiskNearlyFull, message, fix)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(table: &Table) -> Vec<&'static str> {
        let found =
            judge(std::slice::from_ref(table), &Settings::default(), &Context::sample(Dialect::Postgres));
        found.iter().map(|finding| finding.id.as_str()).collect()
    }

    #[test]
    fn tables_are_judged_by_what_is_dead_and_what_is_large() {
        let table = |live_rows, dead_rows, bytes| Table { live_rows, dead_rows, bytes, ..Table::default() };
        let cases: [(Table, &[&str]); 6] = [
            (table(1000, 99_999, 0), &[]),
            (table(1000, 100_000, 0), &["rows-dead"]),
            (table(200_000, 100_000, 0), &[]),
            (table(0, 0, (20 << 30) - 1), &[]),
            (table(0, 0, 20 << 30), &["table-large"]),
            (Table { vacuum_off: true, ..Table::default() }, &["autovacuum-off"]),
        ];
        for (table, expected) in cases {
            assert_eq!(ids(&table), expected, "{table:?}");
        }
    }

    #[test]
    fn autovacuum_is_on() {
        let of = |value| {
            judge(&[], &Settings::of(&[("autovacuum", value)]), &Context::sample(Dialect::Postgres)).len()
        };
        assert_eq!((of("on"), of("off")), (0, 1));
    }

    #[test]
    fn a_disk_has_room() {
        let cx = Context::sample(Dialect::Sqlite);
        let found = |free| judge_free(Path::new("/data"), free, &cx).len();
        assert_eq!((found(1 << 30), found((1 << 30) - 1)), (0, 1));
    }

    #[test]
    fn only_folders_of_this_host_are_looked_at() -> Result<(), crate::config::DsnError> {
        let settings = Settings::of(&[("data_directory", "/")]);
        let of = |text: &str| Ok::<_, crate::config::DsnError>(folder(&text.parse()?, &settings));
        assert_eq!(of("postgres://me@127.0.0.1/orders")?, Some("/".into()));
        assert_eq!(of("postgres://me@db.example/orders")?, None);
        assert_eq!(of("sqlite:orders.db")?, Some(".".into()));
        assert_eq!(of("mysql://me@127.0.0.1/orders")?, None, "it does not say on which host it is");
        Ok(())
    }
}
