//! The accounts: tables of this program's own, in the same database as the runs.

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use workflow::any::Connection;
use workflow::config::Dsn;

use crate::transfer::Transfer;

/// Who has an account.
pub const NAMES: [&str; 4] = ["alice", "bob", "chloe", "dan"];

/// What is in each account at the beginning, in cents.
pub const CENTS: i64 = 100_000;

/// The same for every database: an account is never overdrawn, and a transfer is booked once.
const TABLES: [&str; 2] = [
    "create table if not exists accounts (name varchar(64) not null primary key, cents bigint not null check (cents >= 0))",
    "create table if not exists bookings (run_id varchar(64) not null primary key, cents bigint not null)",
];

const BALANCES: &str = "select name, cents from accounts order by name";

const BOOKED: &str = "select count(*) from bookings";

/// Moves money and books it, on the connection on which the transition is being stored: all of it is, or nothing.
///
/// # Errors
/// What the database says, as that an account would be overdrawn. The attempt has failed then and is made again, so that
/// the transfer waits for the money.
pub async fn book(
    mut connection: Connection<'_>,
    run_id: &str,
    transfer: &Transfer,
) -> Result<(), sqlx::Error> {
    let Transfer { from, to, cents } = transfer;
    let mut changes = [(from, -cents), (to, *cents)];
    // In one order, so that transfers to and fro do not wait for each other.
    changes.sort_unstable();
    for (name, cents) in changes {
        let update = "update accounts set cents = cents + ? where name = ?";
        connection.execute(update, [cents.into(), name.as_str().into()]).await?;
    }
    let insert = "insert into bookings (run_id, cents) values (?, ?)";
    connection.execute(insert, [run_id.into(), (*cents).into()]).await?;
    Ok(())
}

/// A connection of this program's own to the accounts.
pub enum Accounts {
    /// On MariaDB or MySQL.
    #[cfg(feature = "mysql")]
    MySql(sqlx::MySqlConnection),
    /// On PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgConnection),
    /// In a SQLite file.
    Sqlite(SqliteConnection),
}

/// Does the same on each kind of connection.
macro_rules! on_each {
    ($accounts:expr, $connection:ident => $work:expr) => {
        match $accounts {
            #[cfg(feature = "mysql")]
            Accounts::MySql($connection) => $work,
            #[cfg(feature = "postgres")]
            Accounts::Postgres($connection) => $work,
            Accounts::Sqlite($connection) => $work,
        }
    };
}

impl Accounts {
    /// Connects to the accounts, and opens them if they are not there.
    ///
    /// # Errors
    /// What the database says, or if its kind is not compiled in.
    pub async fn open(dsn: &Dsn) -> anyhow::Result<Self> {
        let mut accounts = Self::connect(dsn).await?;
        for table in TABLES {
            on_each!(&mut accounts, connection => sqlx::query(table).execute(connection).await.map(drop))?;
        }
        for name in NAMES {
            // Names and sum are constants; a statement without values is the same for every database.
            let open = format!(
                "insert into accounts select * from (select '{name}' as name, {CENTS} as cents) new where not exists \
                 (select 1 from accounts where accounts.name = '{name}')"
            );
            let open = sqlx::AssertSqlSafe(open);
            on_each!(&mut accounts, connection => sqlx::query(open).execute(connection).await.map(drop))?;
        }
        Ok(accounts)
    }

    async fn connect(dsn: &Dsn) -> anyhow::Result<Self> {
        match dsn {
            #[cfg(feature = "mysql")]
            Dsn::MySql(dsn) => {
                let options = dsn.connect_options();
                Ok(Self::MySql(sqlx::MySqlConnection::connect_with(&options).await?))
            }
            #[cfg(feature = "postgres")]
            Dsn::Postgres(dsn) => {
                let options = dsn.connect_options();
                Ok(Self::Postgres(sqlx::PgConnection::connect_with(&options).await?))
            }
            Dsn::Sqlite(dsn) => {
                let options = SqliteConnectOptions::new().filename(&dsn.file);
                Ok(Self::Sqlite(SqliteConnection::connect_with(&options).await?))
            }
            #[cfg(not(all(feature = "mysql", feature = "postgres")))]
            other => anyhow::bail!("this program was built without the kind of database of {other}"),
        }
    }

    /// What is in each account, in cents.
    ///
    /// # Errors
    /// What the database says.
    pub async fn balances(&mut self) -> Result<Vec<(String, i64)>, sqlx::Error> {
        on_each!(self, connection => sqlx::query_as(BALANCES).fetch_all(connection).await)
    }

    /// How many transfers are booked.
    ///
    /// # Errors
    /// What the database says.
    pub async fn booked(&mut self) -> Result<i64, sqlx::Error> {
        on_each!(self, connection => sqlx::query_scalar(BOOKED).fetch_one(connection).await)
    }
}
