//! How every session is set up, and what a server must be.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::{MySqlConnection, Row};
use workflow_core::adapter::{BackendError, ErrorKind};

/// Which server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    MariaDb,
    MySql,
}

/// What is known of a server.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) family: Family,
    version: String,
    numbers: (u32, u32, u32),
    wsrep: bool,
    pub(super) packet_bytes_max: usize,
}

/// How long sessions wait, and are waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    pub(super) idle_transaction: Duration,
    pub(super) lock: Duration,
}

/// What is done in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Whatever a store does.
    Write,
    /// Queries alone, as on a replica.
    Read,
}

/// The limits of a session, kept by the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) access: Access,
    pub(super) statement: Duration,
    pub(super) waits: Waits,
    pub(super) write: Option<Duration>,
}

impl Facts {
    /// Asks the server.
    pub(super) async fn ask(connection: &mut MySqlConnection) -> Result<Self, sqlx::Error> {
        let version: String = sqlx::query_scalar("select version()").fetch_one(&mut *connection).await?;
        let text = "show global variables where variable_name in ('wsrep_on', 'max_allowed_packet')";
        let mut variables = HashMap::new();
        for row in sqlx::raw_sql(text).fetch_all(connection).await? {
            variables.insert(row.try_get::<String, _>(0)?.to_lowercase(), row.try_get::<String, _>(1)?);
        }
        let packet = variables.get("max_allowed_packet").and_then(|bytes| bytes.parse().ok());
        Ok(Self {
            family: if version.contains("MariaDB") { Family::MariaDb } else { Family::MySql },
            numbers: numbers(&version),
            version,
            wsrep: variables.get("wsrep_on").is_some_and(|on| on == "ON" || on == "1"),
            packet_bytes_max: packet.unwrap_or(16 * 1024 * 1024),
        })
    }

    /// Refuses servers on which the promises do not hold.
    pub(super) fn check(&self, single_writer: bool) -> Result<(), BackendError> {
        let (name, least) = match self.family {
            Family::MariaDb => ("MariaDB", (10, 6, 0)),
            Family::MySql => ("MySQL", (8, 0, 17)),
        };
        let refuse = |why: String| Err(BackendError::new(ErrorKind::Permanent, why));
        if self.numbers < least {
            let (major, minor, patch) = least;
            return refuse(format!(
                "the server is {}: {name} {major}.{minor}.{patch} or later is needed, which can pass over locked rows",
                self.version
            ));
        }
        if self.wsrep && !single_writer {
            return refuse(
                "the server is a node of a Galera cluster, where two nodes can both accept a change of one run: send \
                 all writes to one node and say so by the option single_writer"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// `10.11.19` of `5.5.5-10.11.19-MariaDB-..`.
fn numbers(version: &str) -> (u32, u32, u32) {
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut parts = version.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

/// Sets a session up, and makes sure of its isolation.
pub(super) async fn set_up(
    connection: &mut MySqlConnection,
    family: Family,
    limits: Limits,
) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements(family, limits))).execute(&mut *connection).await?;
    let text = "show session variables where variable_name in ('tx_isolation', 'transaction_isolation')";
    for row in sqlx::raw_sql(text).fetch_all(connection).await? {
        let level: String = row.try_get(1)?;
        if level != "READ-COMMITTED" {
            let why = format!("the session's isolation stays {level}, READ-COMMITTED is needed");
            return Err(sqlx::Error::Configuration(why.into()));
        }
    }
    Ok(())
}

fn statements(family: Family, limits: Limits) -> String {
    let access = match limits.access {
        Access::Write => "read write",
        Access::Read => "read only",
    };
    let mut text = format!(
        "set session transaction isolation level read committed, {access}; set session innodb_lock_wait_timeout = {}, \
         session sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
        whole_seconds(limits.waits.lock),
    );
    match family {
        Family::MariaDb => text.push_str(&format!(
            ", session max_statement_time = {:.3}, session idle_transaction_timeout = {}",
            limits.statement.as_secs_f64(),
            whole_seconds(limits.waits.idle_transaction),
        )),
        // It ends queries only, and there is no limit for idle transactions.
        Family::MySql => {
            text.push_str(&format!(", session max_execution_time = {}", limits.statement.as_millis()));
        }
    }
    if let Some(write) = limits.write {
        text.push_str(&format!(", session net_read_timeout = {}", whole_seconds(write)));
    }
    text
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(version: &str, wsrep: bool) -> Facts {
        let family = if version.contains("MariaDB") { Family::MariaDb } else { Family::MySql };
        Facts { family, version: version.to_owned(), numbers: numbers(version), wsrep, packet_bytes_max: 1 }
    }

    #[test]
    fn old_servers_are_refused() {
        let cases = [
            ("10.11.19-MariaDB-0+deb12u1", true),
            ("5.5.5-10.6.0-MariaDB", true),
            ("11.4.2-MariaDB", true),
            ("10.5.29-MariaDB", false),
            ("8.0.17", true),
            ("8.4.0-commercial", true),
            ("8.0.16", false),
            ("5.7.44-log", false),
        ];
        for (version, accepted) in cases {
            assert_eq!(facts(version, false).check(false).is_ok(), accepted, "{version}");
        }
    }

    #[test]
    fn a_cluster_is_refused_unless_it_has_a_single_writer() {
        let cluster = facts("10.11.19-MariaDB", true);
        assert!(cluster.check(false).expect_err("it is refused").to_string().contains("single_writer"));
        assert!(cluster.check(true).is_ok());
    }

    #[test]
    fn each_family_gets_the_limits_that_it_knows() {
        let second = Duration::from_secs(1);
        let waits = Waits { idle_transaction: second * 5, lock: second * 2 };
        let (statement, write) = (second * 5, Some(second * 30));
        let limits = Limits { access: Access::Write, statement, waits, write };
        let mariadb = statements(Family::MariaDb, limits);
        assert!(
            mariadb.contains("max_statement_time = 5.000")
                && mariadb.contains("idle_transaction_timeout = 5")
        );
        assert!(mariadb.contains("net_read_timeout = 30"));
        let mysql = statements(Family::MySql, limits);
        assert!(mysql.contains("max_execution_time = 5000") && !mysql.contains("idle_transaction"));
    }
}
