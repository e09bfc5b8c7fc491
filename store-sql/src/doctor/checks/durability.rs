//! Whether what is committed stays, whatever ends.

use crate::doctor::context::Context;
use crate::doctor::id::FindingId;
use crate::doctor::report::Finding;
use crate::doctor::session::Dialect;
use crate::doctor::settings::Settings;

pub(in crate::doctor) fn judge(settings: &Settings, cx: &Context) -> Vec<Finding> {
    match cx.dialect {
        Dialect::MySql => mysql(settings),
        Dialect::Postgres => postgres(settings),
        Dialect::Sqlite => sqlite(settings),
    }
}

/// A setting that lets a crash undo what was answered.
fn lost(name: &str, value: &str, fix: &str) -> Finding {
    let message = format!("{name} is {value}: a crash can undo moves that were answered as stored");
    Finding::error(FindingId::CommitsNotFlushed, message, fix)
}

fn torn(name: &str, value: &str, fix: &str) -> Finding {
    let message = format!("{name} is {value}: a crash while a page is written can make the table unreadable");
    Finding::error(FindingId::PagesNotProtected, message, fix)
}

fn mysql(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let flush = settings.get("innodb_flush_log_at_trx_commit");
    // 3 is MariaDB's old name for more than 1.
    if matches!(flush.as_str(), "0" | "2") {
        let fix = "set global innodb_flush_log_at_trx_commit = 1; and the same under [mysqld] in my.cnf";
        findings.push(lost("innodb_flush_log_at_trx_commit", &flush, fix));
    }
    let method = settings.get("innodb_flush_method");
    if method == "nosync" {
        let fix = "innodb_flush_method = O_DIRECT under [mysqld] in my.cnf, then restart the server";
        findings.push(lost("innodb_flush_method", &method, fix));
    }
    let doublewrite = settings.get("innodb_doublewrite");
    if settings.is_off("innodb_doublewrite") || doublewrite == "detect_only" {
        let fix = "innodb_doublewrite = ON under [mysqld] in my.cnf, then restart the server; a file system that writes \
                   whole pages (ZFS) needs none";
        findings.push(torn("innodb_doublewrite", &doublewrite, fix));
    }
    let sync = settings.number("sync_binlog");
    if settings.is_on("log_bin") && sync != Some(1) {
        let message = format!(
            "the binary log is on and sync_binlog is {}: after a crash it may lack what is committed, and replicas with it",
            sync.map_or_else(|| "unknown".to_owned(), |sync| sync.to_string())
        );
        let fix = "set global sync_binlog = 1; and the same under [mysqld] in my.cnf";
        findings.push(Finding::warning(FindingId::BinlogNotSynced, message, fix));
    }
    findings
}

fn postgres(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    if settings.is_off("fsync") {
        findings.push(lost("fsync", "off", "alter system set fsync = on; select pg_reload_conf()"));
    }
    if settings.is_off("synchronous_commit") {
        let fix = "alter system set synchronous_commit = on; select pg_reload_conf(); if it was set for the user or the \
                   database: alter role USER reset synchronous_commit; alter database DATABASE reset synchronous_commit";
        findings.push(lost("synchronous_commit", "off", fix));
    }
    if settings.is_off("full_page_writes") {
        let fix = "alter system set full_page_writes = on; select pg_reload_conf(); a file system that writes whole pages \
                   (ZFS) needs none";
        findings.push(torn("full_page_writes", "off", fix));
    }
    findings
}

/// How a file is flushed is each connection's own affair, and the store flushes fully unless it is told to relax; its
/// journal is the file's.
fn sqlite(settings: &Settings) -> Vec<Finding> {
    let mode = settings.get("journal_mode");
    if mode == "wal" {
        return Vec::new();
    }
    let message = format!(
        "the journal is {mode}: the store writes a write-ahead log, so another program has changed it"
    );
    let fix = "pragma journal_mode = wal; the store does so itself when it opens the file";
    vec![Finding::warning(FindingId::JournalMode, message, fix)]
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs = &'static [(&'static str, &'static str)];

    /// A dialect, settings, and what is found.
    type Case = (Dialect, Pairs, &'static [&'static str]);

    #[test]
    fn each_setting_that_loses_data_is_found() {
        let (my, pg, lite) = (Dialect::MySql, Dialect::Postgres, Dialect::Sqlite);
        let cases: [Case; 17] = [
            (my, &[("innodb_flush_log_at_trx_commit", "1"), ("innodb_doublewrite", "ON")], &[]),
            (my, &[("innodb_flush_log_at_trx_commit", "2")], &["commits-not-flushed"]),
            (my, &[("innodb_flush_log_at_trx_commit", "0")], &["commits-not-flushed"]),
            (my, &[("innodb_flush_log_at_trx_commit", "3")], &[]),
            (my, &[("innodb_flush_method", "nosync")], &["commits-not-flushed"]),
            (my, &[("innodb_doublewrite", "OFF")], &["pages-not-protected"]),
            (my, &[("innodb_doublewrite", "DETECT_ONLY")], &["pages-not-protected"]),
            (my, &[("innodb_doublewrite", "fast")], &[]),
            (my, &[("log_bin", "OFF"), ("sync_binlog", "0")], &[]),
            (my, &[("log_bin", "ON"), ("sync_binlog", "0")], &["binlog-not-synced"]),
            (my, &[("log_bin", "ON"), ("sync_binlog", "1")], &[]),
            (pg, &[("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on")], &[]),
            (pg, &[("fsync", "off")], &["commits-not-flushed"]),
            (pg, &[("synchronous_commit", "off")], &["commits-not-flushed"]),
            (pg, &[("full_page_writes", "off")], &["pages-not-protected"]),
            (lite, &[("journal_mode", "wal")], &[]),
            (lite, &[("journal_mode", "delete")], &["journal-mode"]),
        ];
        for (dialect, settings, expected) in cases {
            let found = judge(&Settings::of(settings), &Context::sample(dialect));
            let ids: Vec<_> = found.iter().map(|finding| finding.id.as_str()).collect();
            assert_eq!(ids, expected, "{settings:?}");
        }
    }
}
