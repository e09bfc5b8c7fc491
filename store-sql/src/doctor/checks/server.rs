//! Which server it is, and whether it takes writes.

use crate::doctor::context::Context;
use crate::doctor::id::FindingId;
use crate::doctor::report::Finding;
use crate::doctor::session::{Dialect, Session};
use crate::doctor::settings::Settings;

/// The oldest servers that have what the engine needs.
const MARIADB_MIN: (u32, u32, u32) = (10, 6, 0);
const MYSQL_MIN: (u32, u32, u32) = (8, 0, 17);
const POSTGRES_MIN: (u32, u32, u32) = (15, 0, 0);
const SQLITE_MIN: (u32, u32, u32) = (3, 37, 0);

/// `10.11.19` of `5.5.5-10.11.19-MariaDB-..`.
fn numbers(version: &str) -> (u32, u32, u32) {
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut parts = version.split(['.', '-', ' ']).map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

fn is_mariadb(version: &str) -> bool {
    version.to_lowercase().contains("mariadb")
}

/// The version, as the server tells it.
pub(in crate::doctor) async fn version(session: &mut Session) -> Result<String, sqlx::Error> {
    let text = match session.dialect() {
        Dialect::MySql => "select version()",
        Dialect::Postgres => "show server_version",
        Dialect::Sqlite => "select sqlite_version()",
    };
    Ok(session.value(text).await?.unwrap_or_default())
}

pub(in crate::doctor) fn judge_version(version: &str, dialect: Dialect) -> Vec<Finding> {
    let (name, least) = match dialect {
        Dialect::MySql if is_mariadb(version) => ("MariaDB", MARIADB_MIN),
        Dialect::MySql => ("MySQL", MYSQL_MIN),
        Dialect::Postgres => ("PostgreSQL", POSTGRES_MIN),
        Dialect::Sqlite => ("SQLite", SQLITE_MIN),
    };
    let (major, minor, patch) = least;
    if numbers(version) < least {
        let message = format!("the server is {name} {version}; {major}.{minor}.{patch} or later is needed");
        return vec![Finding::error(FindingId::ServerTooOld, message, format!("upgrade {name}"))];
    }
    if name == "MySQL" {
        let message = format!(
            "the server is MySQL {version}: the statements are valid there, the tests run on MariaDB"
        );
        let fix = "try your workflows on it before you rely on it; it has no limit for idle transactions, so a frozen \
                   process may hold its rows until its connection ends";
        return vec![Finding::note(FindingId::ServerIsMysql, message, fix)];
    }
    Vec::new()
}

/// What the server says of its part in a group of servers.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::doctor) struct Part {
    replica: bool,
    read_only: bool,
    galera: bool,
}

/// Asks whether the server copies another one.
pub(in crate::doctor) async fn is_replica(session: &mut Session, version: &str) -> Result<bool, sqlx::Error> {
    match session.dialect() {
        Dialect::MySql => {
            let newer = !is_mariadb(version) && numbers(version) >= (8, 0, 22);
            let text = if newer { "show replica status" } else { "show slave status" };
            Ok(!session.rows(text).await?.is_empty())
        }
        Dialect::Postgres => {
            Ok(session.value("select pg_is_in_recovery()::int").await?.as_deref() == Some("1"))
        }
        Dialect::Sqlite => Ok(false),
    }
}

impl Part {
    pub(in crate::doctor) fn of(settings: &Settings, replica: bool) -> Self {
        let read_only = ["read_only", "super_read_only", "innodb_read_only", "default_transaction_read_only"];
        // MariaDB has names for it, too.
        let stricter =
            ["no_lock", "no_lock_no_admin", "2", "3"].contains(&settings.get("read_only").as_str());
        Self {
            replica,
            read_only: stricter || read_only.into_iter().any(|name| settings.is_on(name)),
            galera: settings.is_on("wsrep_on"),
        }
    }
}

pub(in crate::doctor) fn judge_part(part: Part, cx: &Context) -> Vec<Finding> {
    let mut findings = Vec::new();
    if part.replica {
        findings.push(Finding::error(
            FindingId::ServerIsReplica,
            "the server is a replica: what is written to it is refused, or lost when it is set up anew",
            "connect to the primary; a replica may serve as the one for reads",
        ));
    }
    if part.read_only && !(part.replica && cx.dialect == Dialect::Postgres) {
        let fix = match cx.dialect {
            Dialect::MySql => "connect to the primary, or: set global read_only = 0",
            Dialect::Postgres | Dialect::Sqlite => {
                "connect to the primary, or: alter role USER reset default_transaction_read_only; alter database \
                 DATABASE reset default_transaction_read_only"
            }
        };
        findings.push(Finding::error(FindingId::ServerReadOnly, "the server is read-only", fix));
    }
    if part.galera && !cx.options.single_writer {
        findings.push(Finding::error(
            FindingId::GaleraCluster,
            "the server is a node of a Galera cluster, where two nodes can both accept a change of one run",
            "send all writes to one node, and say so by the option single_writer",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs = &'static [(&'static str, &'static str)];

    /// A dialect, settings, whether it is a replica, and what is found.
    type Case = (Dialect, Pairs, bool, &'static [&'static str]);

    fn ids(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(|finding| finding.id.as_str()).collect()
    }

    #[test]
    fn servers_are_told_by_their_versions() {
        let (my, pg, lite) = (Dialect::MySql, Dialect::Postgres, Dialect::Sqlite);
        let cases: [(Dialect, &str, &[&str]); 11] = [
            (my, "10.11.19-MariaDB-0+deb12u1", &[]),
            (my, "5.5.5-10.6.0-MariaDB", &[]),
            (my, "10.5.29-MariaDB", &["server-too-old"]),
            (my, "8.0.17", &["server-is-mysql"]),
            (my, "8.4.0-commercial", &["server-is-mysql"]),
            (my, "8.0.16", &["server-too-old"]),
            (my, "5.7.44-log", &["server-too-old"]),
            (pg, "15.18 (Debian 15.18-0+deb12u1)", &[]),
            (pg, "14.11", &["server-too-old"]),
            (lite, "3.45.0", &[]),
            (lite, "3.36.0", &["server-too-old"]),
        ];
        for (dialect, version, expected) in cases {
            assert_eq!(ids(&judge_version(version, dialect)), expected, "{version}");
        }
    }

    #[test]
    fn each_part_has_its_findings() {
        let (my, pg) = (Dialect::MySql, Dialect::Postgres);
        let cases: [Case; 9] = [
            (my, &[("read_only", "OFF"), ("wsrep_on", "OFF")], false, &[]),
            (my, &[("read_only", "ON")], false, &["server-read-only"]),
            (my, &[("read_only", "NO_LOCK")], false, &["server-read-only"]),
            (my, &[("innodb_read_only", "ON")], false, &["server-read-only"]),
            (my, &[("read_only", "ON")], true, &["server-is-replica", "server-read-only"]),
            (my, &[("wsrep_on", "ON")], false, &["galera-cluster"]),
            (pg, &[("default_transaction_read_only", "off")], false, &[]),
            (pg, &[("default_transaction_read_only", "on")], false, &["server-read-only"]),
            (pg, &[("default_transaction_read_only", "on")], true, &["server-is-replica"]),
        ];
        for (dialect, settings, replica, expected) in cases {
            let part = Part::of(&Settings::of(settings), replica);
            assert_eq!(ids(&judge_part(part, &Context::sample(dialect))), expected, "{settings:?}");
        }
    }

    #[test]
    fn a_cluster_with_a_single_writer_is_fine() {
        let mut cx = Context::sample(Dialect::MySql);
        cx.options = cx.options.single_writer();
        let part = Part::of(&Settings::of(&[("wsrep_on", "1")]), false);
        assert!(judge_part(part, &cx).is_empty());
    }
}
