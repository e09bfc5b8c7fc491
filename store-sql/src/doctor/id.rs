//! The names of findings, which stay the same from version to version.

use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// What was found; `docs/doctor.md` has a line for each.
        ///
        /// ```
        /// use store_sql::doctor::FindingId;
        /// assert_eq!(FindingId::IndexMissing.as_str(), "index-missing");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum FindingId {
            $($(#[$doc])* $variant,)+
        }

        impl FindingId {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name, in words that are joined by hyphens.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

ids! {
    /// Nothing answers where the server should be.
    ServerUnreachable = "server-unreachable",
    /// The server refuses user, password or host.
    LoginRefused = "login-refused",
    /// There is no such database, or no such file.
    DatabaseMissing = "database-missing",
    /// No encrypted connection came about, or only an encrypted one would be accepted.
    TlsRefused = "tls-refused",
    /// The server has no connection free.
    ConnectionsExhausted = "connections-exhausted",
    /// The connection failed in another way.
    ConnectFailed = "connect-failed",
    /// The file is no SQLite database, or is damaged.
    FileDamaged = "file-damaged",
    /// The server lacks what the engine needs.
    ServerTooOld = "server-too-old",
    /// The server is MySQL, not MariaDB.
    ServerIsMysql = "server-is-mysql",
    /// The server or the file takes no writes.
    ServerReadOnly = "server-read-only",
    /// The server copies another one.
    ServerIsReplica = "server-is-replica",
    /// The server is a node of a Galera cluster.
    GaleraCluster = "galera-cluster",
    /// A pooler gives connections for one transaction at a time.
    PoolerInBetween = "pooler-in-between",
    /// There are no tables.
    SchemaMissing = "schema-missing",
    /// The tables are those of the Go library's guide.
    SchemaOfTheGuide = "schema-of-the-guide",
    /// The tables are those of an older program.
    SchemaOld = "schema-old",
    /// The tables are those of a newer program, which tolerates this one.
    SchemaNewer = "schema-newer",
    /// The tables are those of a newer program, which does not tolerate this one.
    SchemaTooNew = "schema-too-new",
    /// The records have the guard.
    GuardOn = "guard-on",
    /// A table is missing.
    TableMissing = "table-missing",
    /// A column is missing.
    ColumnMissing = "column-missing",
    /// A table's storage engine has no transactions.
    EngineNotTransactional = "engine-not-transactional",
    /// An index is missing.
    IndexMissing = "index-missing",
    /// An index is there and cannot be used.
    IndexInvalid = "index-invalid",
    /// An index has the name of another one.
    IndexDiffers = "index-differs",
    /// A query does not use its index.
    IndexNotUsed = "index-not-used",
    /// An index of the guide's set, which costs throughput.
    IndexOfTheGuide = "index-of-the-guide",
    /// An index that no query of the engine uses.
    IndexUnknown = "index-unknown",
    /// A column or table cannot hold every character.
    CharsetNotUtf8mb4 = "charset-not-utf8mb4",
    /// A column's collation takes different keys for one.
    CollationMergesKeys = "collation-merges-keys",
    /// A column's collation has another order than that of bytes.
    CollationNotBytewise = "collation-not-bytewise",
    /// The connection has another character set.
    ConnectionCharset = "connection-charset",
    /// The database is not in UTF-8.
    DatabaseEncoding = "database-encoding",
    /// A key has more than one unfinished run.
    LiveRunsDuplicate = "live-runs-duplicate",
    /// Keys that are different are one in the collation of their column.
    KeysCollide = "keys-collide",
    /// Sessions cannot be set to READ COMMITTED.
    IsolationNotReadCommitted = "isolation-not-read-committed",
    /// The binary log has a format that forbids the engine's writes.
    BinlogFormatStatement = "binlog-format-statement",
    /// The server cuts values that are too long, for other programs.
    SqlModeNotStrict = "sql-mode-not-strict",
    /// A commit is answered before it is on disk.
    CommitsNotFlushed = "commits-not-flushed",
    /// The binary log is behind what is committed.
    BinlogNotSynced = "binlog-not-synced",
    /// A crash can tear pages apart.
    PagesNotProtected = "pages-not-protected",
    /// The file has another journal than the write-ahead log.
    JournalMode = "journal-mode",
    /// The pool wants more connections than the server gives.
    PoolTooLarge = "pool-too-large",
    /// The pool wants more connections than are free at present.
    ConnectionsScarce = "connections-scarce",
    /// The server ends connections before the pool does.
    LifetimeTooLong = "lifetime-too-long",
    /// The server's packets are too small for the largest object.
    PacketTooSmall = "packet-too-small",
    /// The clocks of host and server differ.
    ClockSkew = "clock-skew",
    /// Events wait for long to be published.
    OutboxOld = "outbox-old",
    /// There are dead letters.
    DeadLetters = "dead-letters",
    /// Retries are overdue.
    RetriesOverdue = "retries-overdue",
    /// Timers are overdue.
    TimersOverdue = "timers-overdue",
    /// Runs have not moved for long, and nothing drives them.
    RunsQuiet = "runs-quiet",
    /// Runs are paused because their step failed too often.
    RunsPaused = "runs-paused",
    /// Much of a table is dead rows.
    RowsDead = "rows-dead",
    /// Dead rows are never removed.
    AutovacuumOff = "autovacuum-off",
    /// A table is large.
    TableLarge = "table-large",
    /// The disk is nearly full.
    DiskNearlyFull = "disk-nearly-full",
    /// A probe run cannot be written, read, moved or removed.
    ProbeFailed = "probe-failed",
    /// A check could not be made.
    CheckSkipped = "check-skipped",
}

impl FindingId {
    /// Whether nothing else can be checked.
    pub fn is_blocking(self) -> bool {
        matches!(
            self,
            Self::ServerUnreachable
                | Self::LoginRefused
                | Self::DatabaseMissing
                | Self::TlsRefused
                | Self::ConnectionsExhausted
                | Self::ConnectFailed
                | Self::FileDamaged
        )
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl serde::Serialize for FindingId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_of_one_form() {
        let names: BTreeSet<&str> = FindingId::ALL.iter().map(|id| id.as_str()).collect();
        assert_eq!(names.len(), FindingId::ALL.len());
        for name in names {
            assert!(name.split('-').all(|word| !word.is_empty()), "{name}");
            assert!(name.chars().all(|c| c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit()), "{name}");
        }
    }
}
