//! What the server allows, against what the pool and the objects want.

use std::time::Duration;

use crate::doctor::context::Context;
use crate::doctor::id::FindingId;
use crate::doctor::report::Finding;
use crate::doctor::session::{Dialect, Session};
use crate::doctor::settings::Settings;

/// The largest object that the store for MariaDB and MySQL takes if nothing else is said.
const OBJECT_BYTES: u64 = 1024 * 1024;

/// Beside its pool a process with engines holds the right to run them by a connection of its own.
const BESIDE_THE_POOL: i64 = 1;

/// How many connections there may be, and are.
#[derive(Clone, Copy, Debug)]
pub(in crate::doctor) struct Connections {
    /// How many this user may have, all limits considered.
    allowed: i64,
    used: i64,
}

/// Asks; `None` where there is no such limit.
pub(in crate::doctor) async fn connections(
    session: &mut Session,
    settings: &Settings,
) -> Result<Option<Connections>, sqlx::Error> {
    match session.dialect() {
        Dialect::MySql => {
            let rows = session.rows("show global status like 'threads_connected'").await?;
            let used = rows.first().and_then(|row| row.get(1)?.as_deref()?.parse().ok()).unwrap_or(0);
            // What this account may have stands in its session.
            let own = session.number("select @@session.max_user_connections").await?;
            Ok(Some(Connections { allowed: mysql_allowed(settings, own), used }))
        }
        Dialect::Postgres => {
            let used = "select count(*) from pg_stat_activity where backend_type = 'client backend'";
            let used = session.number(used).await?;
            let own = "select min(l) from (select rolconnlimit as l from pg_roles where rolname = current_user union all \
                       select datconnlimit from pg_database where datname = current_database()) x where l >= 0";
            let own = session.value(own).await?.and_then(|limit| limit.parse().ok());
            Ok(Some(Connections { allowed: postgres_allowed(settings, own), used }))
        }
        Dialect::Sqlite => Ok(None),
    }
}

fn mysql_allowed(settings: &Settings, own: i64) -> i64 {
    let all = settings.number("max_connections").unwrap_or(i64::MAX);
    if own > 0 { all.min(own) } else { all }
}

fn postgres_allowed(settings: &Settings, own: Option<i64>) -> i64 {
    let number = |name| settings.number(name).unwrap_or(0);
    let reserved = number("superuser_reserved_connections") + number("reserved_connections");
    (number("max_connections") - reserved).min(own.unwrap_or(i64::MAX))
}

fn more_connections(dialect: Dialect, wanted: i64) -> String {
    match dialect {
        Dialect::MySql => {
            format!("set global max_connections = {wanted}; and the same under [mysqld] in my.cnf")
        }
        Dialect::Postgres => format!("alter system set max_connections = {wanted}; then restart the server"),
        Dialect::Sqlite => String::new(),
    }
}

pub(in crate::doctor) fn judge_connections(connections: Connections, cx: &Context) -> Vec<Finding> {
    let Connections { allowed, used } = connections;
    let processes = i64::from(cx.options.processes);
    let each = i64::from(cx.options.pool.max_open) + BESIDE_THE_POOL;
    let wanted = processes.saturating_mul(each);
    let fix = format!(
        "{}; or lower max_open of the pool to {} at most",
        more_connections(cx.dialect, wanted + used + 10),
        (allowed.saturating_sub(used) / processes.max(1) - BESIDE_THE_POOL).max(1)
    );
    if wanted > allowed {
        let message = format!(
            "{processes} process(es) with a pool of {} and one connection more want {wanted} connections, and the server gives {allowed}",
            cx.options.pool.max_open
        );
        return vec![Finding::error(FindingId::PoolTooLarge, message, fix)];
    }
    // The doctor's own connection ends with it.
    let used = used.saturating_sub(1);
    if wanted + used > allowed {
        let message = format!(
            "{used} of {allowed} connections are in use (those of running engines among them), and {wanted} more may be wanted"
        );
        return vec![Finding::warning(FindingId::ConnectionsScarce, message, fix)];
    }
    Vec::new()
}

/// How long a connection may be idle on the server.
pub(in crate::doctor) fn judge_lifetime(settings: &Settings, cx: &Context) -> Vec<Finding> {
    let lifetime = cx.options.pool.max_lifetime;
    let seconds = lifetime.as_secs();
    match cx.dialect {
        Dialect::MySql => {
            let limit = settings.number("wait_timeout").unwrap_or(0).unsigned_abs();
            if limit == 0 || Duration::from_secs(limit) > lifetime {
                return Vec::new();
            }
            let message = format!(
                "the server ends connections that are idle for {limit} s, and the pool keeps them for {seconds} s"
            );
            let fix = format!(
                "set global wait_timeout = {}; and the same under [mysqld] in my.cnf; or a max_lifetime of the pool below {limit} s",
                (seconds * 2).max(600)
            );
            vec![Finding::warning(FindingId::LifetimeTooLong, message, fix)]
        }
        Dialect::Postgres => {
            let limit = settings.number("idle_session_timeout").unwrap_or(0);
            if limit == 0 {
                return Vec::new();
            }
            let message = format!(
                "idle_session_timeout is {limit} ms: it ends the session that holds the engine's right to run, which is idle \
                 by nature, and connections that the pool keeps for {seconds} s"
            );
            let fix = "alter role USER set idle_session_timeout = 0";
            vec![Finding::warning(FindingId::LifetimeTooLong, message, fix)]
        }
        Dialect::Sqlite => Vec::new(),
    }
}

/// Whether the largest object travels in a packet, with what stands around it.
pub(in crate::doctor) fn judge_packet(settings: &Settings, cx: &Context) -> Vec<Finding> {
    let Some(packet) = settings.number("max_allowed_packet").filter(|_| cx.dialect == Dialect::MySql) else {
        return Vec::new();
    };
    let packet = packet.unsigned_abs();
    let wanted = cx.options.object_bytes_max.unwrap_or(OBJECT_BYTES).saturating_mul(2);
    if wanted <= packet {
        return Vec::new();
    }
    let message = format!(
        "max_allowed_packet is {packet} bytes: objects of {} bytes at most can be stored",
        packet / 2
    );
    let fix = format!("set global max_allowed_packet = {wanted}; and the same under [mysqld] in my.cnf");
    vec![match cx.options.object_bytes_max {
        Some(_) => Finding::error(FindingId::PacketTooSmall, message, fix),
        // The store takes smaller objects then.
        None => Finding::warning(FindingId::PacketTooSmall, message, fix),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PoolOptions;
    use crate::doctor::options::DoctorOptions;
    use crate::doctor::report::Severity;

    fn context(dialect: Dialect, options: DoctorOptions) -> Context {
        Context { options, ..Context::sample(dialect) }
    }

    fn ids(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(|finding| finding.id.as_str()).collect()
    }

    #[test]
    fn pools_are_measured_by_what_the_server_gives() {
        let cases: [(i64, i64, u32, u32, &[&str]); 7] = [
            (200, 1, 25, 1, &[]),
            (26, 1, 25, 1, &[]),
            (25, 1, 25, 1, &["pool-too-large"]),
            (100, 80, 25, 1, &["connections-scarce"]),
            (100, 1, 25, 4, &["pool-too-large"]),
            (151, 48, 25, 4, &[]),
            (151, 49, 25, 4, &["connections-scarce"]),
        ];
        for (allowed, used, max_open, processes, expected) in cases {
            let pool = PoolOptions::new().max_open(max_open);
            let cx = context(Dialect::MySql, DoctorOptions::new().pool(pool).processes(processes));
            let found = judge_connections(Connections { allowed, used }, &cx);
            assert_eq!(ids(&found), expected, "{allowed} {used} {max_open} {processes}");
        }
    }

    #[test]
    fn all_limits_on_connections_count() {
        let settings = Settings::of(&[("max_connections", "151")]);
        assert_eq!((mysql_allowed(&settings, 0), mysql_allowed(&settings, 20)), (151, 20));
        let settings = Settings::of(&[
            ("max_connections", "100"),
            ("superuser_reserved_connections", "3"),
            ("reserved_connections", "2"),
        ]);
        assert_eq!(postgres_allowed(&settings, None), 95);
        assert_eq!(postgres_allowed(&settings, Some(10)), 10);
    }

    #[test]
    fn connections_are_not_kept_longer_than_the_server_lets_them() {
        let (my, pg) = (Dialect::MySql, Dialect::Postgres);
        let cases: [(Dialect, &str, &str, &[&str]); 6] = [
            (my, "wait_timeout", "28800", &[]),
            (my, "wait_timeout", "301", &[]),
            (my, "wait_timeout", "300", &["lifetime-too-long"]),
            (my, "wait_timeout", "60", &["lifetime-too-long"]),
            (pg, "idle_session_timeout", "0", &[]),
            (pg, "idle_session_timeout", "600000", &["lifetime-too-long"]),
        ];
        for (dialect, name, value, expected) in cases {
            let found = judge_lifetime(&Settings::of(&[(name, value)]), &Context::sample(dialect));
            assert_eq!(ids(&found), expected, "{name} {value}");
        }
    }

    #[test]
    fn objects_have_to_fit_into_packets() {
        let mib: u64 = 1 << 20;
        let cases = [
            (16 * mib, None, None),
            (2 * mib, None, None),
            (mib, None, Some(Severity::Warning)),
            (16 * mib, Some(8 * mib), None),
            (16 * mib, Some(9 * mib), Some(Severity::Error)),
        ];
        for (packet, object, expected) in cases {
            let mut cx = Context::sample(Dialect::MySql);
            cx.options.object_bytes_max = object;
            let found = judge_packet(&Settings::of(&[("max_allowed_packet", &packet.to_string())]), &cx);
            assert_eq!(found.first().map(|finding| finding.severity), expected, "{packet} {object:?}");
        }
    }
}
