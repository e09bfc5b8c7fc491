//! What a session with the server is like: its isolation, its strictness, and whether it is a session at all.

use crate::doctor::context::Context;
use crate::doctor::id::FindingId;
use crate::doctor::report::Finding;
use crate::doctor::session::{Dialect, Session};
use crate::doctor::settings::Settings;

/// The isolation that a session has after it was asked for READ COMMITTED.
pub(in crate::doctor) async fn isolation(session: &mut Session) -> Result<Option<String>, sqlx::Error> {
    match session.dialect() {
        Dialect::MySql => {
            let text =
                "show session variables where variable_name in ('tx_isolation', 'transaction_isolation')";
            Ok(session.rows(text).await?.into_iter().next().and_then(|row| row.into_iter().nth(1)).flatten())
        }
        Dialect::Postgres => {
            session.execute("set transaction isolation level read committed").await?;
            session.value("show transaction_isolation").await
        }
        // It has one writer at a time, which is more.
        Dialect::Sqlite => Ok(None),
    }
}

pub(in crate::doctor) fn judge_isolation(level: &str) -> Vec<Finding> {
    if level.to_lowercase().replace('-', " ") == "read committed" {
        return Vec::new();
    }
    let message = format!("a session that was set to READ COMMITTED stays at {level}");
    let fix = "look for a proxy or an init_connect that changes sessions, and take it out of the way";
    vec![Finding::error(FindingId::IsolationNotReadCommitted, message, fix)]
}

/// What the whole server is set to, where the store's own sessions cannot set it right.
pub(in crate::doctor) fn judge_settings(settings: &Settings, cx: &Context) -> Vec<Finding> {
    if cx.dialect != Dialect::MySql {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if settings.is_on("log_bin") && settings.get("binlog_format") == "statement" {
        findings.push(Finding::error(
            FindingId::BinlogFormatStatement,
            "binlog_format is STATEMENT: the server refuses every write of a session that is READ COMMITTED",
            "set global binlog_format = 'ROW'; and the same under [mysqld] in my.cnf; then connect anew",
        ));
    }
    let mode = settings.get("sql_mode");
    if !mode.contains("strict_trans_tables") && !mode.contains("strict_all_tables") {
        findings.push(Finding::warning(
            FindingId::SqlModeNotStrict,
            "sql_mode is not strict: the engine's own sessions are, but what other programs write to the tables is cut \
             without a word",
            "set global sql_mode = concat(@@global.sql_mode, ',STRICT_TRANS_TABLES'); and the same under [mysqld] in my.cnf",
        ));
    }
    findings
}

/// The character sets that client and server have agreed upon.
pub(in crate::doctor) async fn charsets(session: &mut Session) -> Result<Vec<String>, sqlx::Error> {
    let text = "select @@character_set_client, @@character_set_connection, @@character_set_results";
    let row = session.rows(text).await?.into_iter().next().unwrap_or_default();
    Ok(row.into_iter().map(Option::unwrap_or_default).collect())
}

pub(in crate::doctor) fn judge_charsets(charsets: &[String]) -> Vec<Finding> {
    if charsets.iter().all(|charset| charset == "utf8mb4") {
        return Vec::new();
    }
    let message = format!(
        "the connection was asked for utf8mb4 and has {} (client, connection, results)",
        charsets.join(", ")
    );
    let fix = "look for `skip-character-set-client-handshake` in my.cnf or a proxy that changes sessions";
    vec![Finding::error(FindingId::ConnectionCharset, message, fix)]
}

/// Whether two connections in turn are served by the servers' sessions of one another: the first one's session, the
/// second one's while the first has no transaction, and the first one's while the second has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::doctor) struct Backends {
    pub(in crate::doctor) first: Option<String>,
    pub(in crate::doctor) second: Option<String>,
    pub(in crate::doctor) first_again: Option<String>,
}

/// Asks through two connections. A pooler that gives sessions by the transaction lends the second one what the first one
/// has just given back.
pub(in crate::doctor) async fn backends(
    first: &mut Session,
    second: &mut Session,
) -> Result<Backends, sqlx::Error> {
    const ASK: &str = "select pg_backend_pid()";
    first.end().await?;
    let one = first.value(ASK).await?;
    second.execute("begin").await?;
    let two = second.value(ASK).await?;
    // A pooler with one session would let the first one wait for the second one's end.
    let again = if one == two { None } else { first.value(ASK).await? };
    second.execute("rollback").await?;
    Ok(Backends { first: one, second: two, first_again: again })
}

pub(in crate::doctor) fn judge_pooler(backends: &Backends, declared: bool) -> Vec<Finding> {
    let shared = backends.first == backends.second || backends.first != backends.first_again;
    if !shared || declared {
        return Vec::new();
    }
    let message = "a pooler in between gives sessions for one transaction at a time: the engine's lock and its settings \
                   would be somebody else's at once";
    let fix = "connect to the server itself, or add pooler=transaction to the connection string";
    vec![Finding::error(FindingId::PoolerInBetween, message, fix)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings, and what is found.
    type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);

    fn ids(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(|finding| finding.id.as_str()).collect()
    }

    #[test]
    fn only_read_committed_will_do() {
        for level in ["READ-COMMITTED", "read committed"] {
            assert!(judge_isolation(level).is_empty());
        }
        for level in ["REPEATABLE-READ", "serializable", ""] {
            assert_eq!(ids(&judge_isolation(level)), ["isolation-not-read-committed"]);
        }
    }

    #[test]
    fn settings_of_the_whole_server_are_judged() {
        const STRICT: (&str, &str) = ("sql_mode", "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION");
        let cases: [Case; 5] = [
            (&[STRICT, ("log_bin", "ON"), ("binlog_format", "MIXED")], &[]),
            (&[STRICT, ("log_bin", "OFF"), ("binlog_format", "STATEMENT")], &[]),
            (&[STRICT, ("log_bin", "ON"), ("binlog_format", "STATEMENT")], &["binlog-format-statement"]),
            (&[("sql_mode", "")], &["sql-mode-not-strict"]),
            (&[("sql_mode", "STRICT_ALL_TABLES")], &[]),
        ];
        for (settings, expected) in cases {
            let found = judge_settings(&Settings::of(settings), &Context::sample(Dialect::MySql));
            assert_eq!(ids(&found), expected, "{settings:?}");
        }
    }

    #[test]
    fn the_connection_has_to_be_in_utf8mb4() {
        let of = |charset: &str| vec!["utf8mb4".to_owned(), charset.to_owned(), "utf8mb4".to_owned()];
        assert!(judge_charsets(&of("utf8mb4")).is_empty());
        assert_eq!(ids(&judge_charsets(&of("latin1"))), ["connection-charset"]);
    }

    #[test]
    fn a_pooler_shows_by_sessions_that_change_hands() {
        let backends = |pids: [&str; 3]| {
            let [first, second, first_again] = pids.map(|pid| Some(pid.to_owned()));
            Backends { first, second, first_again }
        };
        assert!(judge_pooler(&backends(["1", "2", "1"]), false).is_empty());
        for pids in [["1", "1", "2"], ["1", "2", "3"], ["1", "1", "1"]] {
            assert_eq!(ids(&judge_pooler(&backends(pids), false)), ["pooler-in-between"]);
            assert!(judge_pooler(&backends(pids), true).is_empty(), "it was declared");
        }
    }
}
