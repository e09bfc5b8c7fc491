//! Who stored what under which epoch, noted by the database itself.

use std::ops::{Bound, RangeBounds};

use store_sql::DatabaseOptions;
use workflow_system_tests::ground::{Kind, Session};
use workflow_system_tests::patience::until;

/// Notes with each row of the history who wrote it, and the epoch of the step's role at that time.
const POSTGRES: &str = "
create table writes (run_id text, version bigint, from_status integer, writer text, epoch bigint);
create function note_write() returns trigger language plpgsql as $$ begin
    insert into writes select new.run_id, new.version, new.from_status, current_setting('application_name'),
        (select epoch from workflow_roles where role = 'orders-' || new.from_status || '-consumer-1-of-1');
    return null;
end $$;
create trigger note_write after insert on workflow_history for each row execute function note_write();";

const MARIADB: &str = "
create table writes (run_id varchar(255), version bigint, from_status integer, writer varchar(255), epoch bigint);
create trigger note_write after insert on workflow_history for each row insert into writes
    values (new.run_id, new.version, new.from_status, substring_index(user(), '@', 1),
        (select max(epoch) from workflow_roles where role = concat('orders-', new.from_status, '-consumer-1-of-1')
         lock in share mode));";

/// The notes of a database.
pub(crate) struct Writes {
    session: Session,
    url: String,
}

impl Writes {
    /// Makes the tables in an empty database, and begins to note.
    pub(crate) async fn note(url: String) -> Self {
        DatabaseOptions::new().connect(&url).await.unwrap();
        let mut session = Session::connect(&url.parse().unwrap()).await.unwrap();
        session.run(if session.kind() == Kind::MariaDb { MARIADB } else { POSTGRES }).await.unwrap();
        Self { session, url }
    }

    /// The database for a worker whose name is to be noted.
    pub(crate) async fn url_for(&mut self, worker: &str) -> String {
        if self.session.kind() == Kind::Postgres {
            return format!("{}?application_name={worker}", self.url);
        }
        let user = format!("'{worker}'@'127.0.0.1'");
        let create =
            format!("create user {user} identified by 'secret'; grant all privileges on *.* to {user}");
        self.session.run(&create).await.unwrap();
        let (_, place) = self.url.rsplit_once('@').unwrap();
        format!("mysql://{worker}:secret@{place}")
    }

    async fn number(&mut self, sql: &str) -> i64 {
        self.session.number(sql).await.unwrap()
    }

    /// How many runs there are.
    pub(crate) async fn runs(&mut self) -> i64 {
        self.number("select count(*) from workflow_records").await
    }

    /// Locks all records until it is let go.
    pub(crate) async fn lock_records(&mut self) -> Lock {
        let mut session = Session::connect(&self.url.parse().unwrap()).await.unwrap();
        session.run("begin; select * from workflow_records for update").await.unwrap();
        if self.session.kind() == Kind::MariaDb {
            self.session.run("set global log_output = 'TABLE', global general_log = 1").await.unwrap();
        }
        Lock(session)
    }

    /// Waits until a worker has met the lock.
    pub(crate) async fn has_met_the_lock(&mut self, worker: &str) {
        let sql = match self.session.kind() {
            Kind::MariaDb => format!(
                "select count(*) from mysql.general_log where user_host like '{worker}%' \
                 and argument like '%workflow_records%for update skip locked%'"
            ),
            _ => format!(
                "select count(*) from pg_stat_activity where application_name = '{worker}' and wait_event_type = 'Lock'"
            ),
        };
        until("a step waits to be stored", async || self.number(&sql).await > 0).await;
        if self.session.kind() == Kind::MariaDb {
            self.session.run("set global general_log = 0").await.unwrap();
        }
    }

    /// The epoch that the database knows of a role.
    pub(crate) async fn epoch(&mut self, role: &str) -> u64 {
        let sql = format!("select coalesce(max(epoch), 0) from workflow_roles where role = '{role}'");
        self.number(&sql).await.try_into().unwrap()
    }

    /// How many transitions of a step a worker has stored while the step's role had an epoch in this range.
    pub(crate) async fn steps_of(
        &mut self,
        worker: &str,
        from_status: i32,
        epochs: impl RangeBounds<u64>,
    ) -> i64 {
        let bound = |bound: Bound<&u64>, none: i64| match bound {
            Bound::Included(epoch) => i64::try_from(*epoch).unwrap(),
            Bound::Excluded(epoch) => i64::try_from(*epoch).unwrap() - 1,
            Bound::Unbounded => none,
        };
        let (from, to) = (bound(epochs.start_bound(), 0), bound(epochs.end_bound(), i64::MAX));
        let sql = format!(
            "select count(*) from writes where writer = '{worker}' and from_status = {from_status} \
             and epoch between {from} and {to}"
        );
        self.number(&sql).await
    }
}

/// All records, locked.
pub(crate) struct Lock(Session);

impl Lock {
    pub(crate) async fn let_go(mut self) {
        self.0.run("rollback").await.unwrap();
    }
}
