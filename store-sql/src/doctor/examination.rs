//! One check after the other.

use std::time::Duration;

use super::checks::{
    backlog, clock, columns, durability, indexes, keys, limits, plans, probe, schema, server, sessions, sizes,
};
use super::context::Context;
use super::expected::Over;
use super::id::FindingId;
use super::names::Names;
use super::options::DoctorOptions;
use super::reach::told;
use super::report::{Finding, Report};
use super::session::{Dialect, Session};
use super::settings::Settings;
use crate::config::{Dsn, Pooler};

/// Looks at a database. Nothing of it is changed, and nothing stays behind.
///
/// That it could not be looked at is a finding, too: see [`Report::verdict`].
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use store_sql::doctor::{DoctorOptions, examine};
/// let report = examine(&"postgres://me:secret@db/orders".parse()?, &DoctorOptions::new()).await;
/// print!("{report}");
/// std::process::exit(report.verdict().exit_code().into());
/// # }
/// ```
pub async fn examine(dsn: &Dsn, options: &DoctorOptions) -> Report {
    let cx = Context {
        dialect: Dialect::of(dsn),
        place: dsn.to_string(),
        options: options.clone(),
        over: Over::Keys,
    };
    let names = Names::new(options.tables.clone());
    match Session::connect(dsn, names.clone(), connect_timeout(dsn, options)).await {
        Ok(session) => {
            let mut examination = Examination { dsn, cx, session, findings: Vec::new() };
            examination.all().await;
            examination.session.close().await;
            Report::new(
                examination.findings.into_iter().map(|finding| in_own_names(finding, &names)).collect(),
            )
        }
        Err(unreachable) => Report::new(vec![unreachable.finding(&cx.place)]),
    }
}

/// A finding as its reader calls the tables.
fn in_own_names(finding: Finding, names: &Names) -> Finding {
    Finding { message: names.written(&finding.message), fix: names.written(&finding.fix), ..finding }
}

fn connect_timeout(dsn: &Dsn, options: &DoctorOptions) -> Duration {
    let named = match dsn {
        Dsn::MySql(dsn) => dsn.connect_timeout,
        Dsn::Postgres(dsn) => dsn.connect_timeout,
        Dsn::Sqlite(_) => None,
    };
    named.unwrap_or(options.connect_timeout)
}

struct Examination<'a> {
    dsn: &'a Dsn,
    cx: Context,
    session: Session,
    findings: Vec<Finding>,
}

impl Examination<'_> {
    async fn all(&mut self) {
        let settings = self.check("the settings", async |session, _| Settings::gather(session).await).await;
        let settings = settings.unwrap_or_default();
        let version = self.check("the version", async |session, _| server::version(session).await).await;
        let version = version.unwrap_or_default();
        if !version.is_empty() {
            self.findings.extend(server::judge_version(&version, self.cx.dialect));
        }
        let writable = self.server(&settings, &version).await;
        self.sessions().await;
        self.limits(&settings).await;
        self.tables(&settings, &version, writable).await;
    }

    /// What the server is; tells whether it takes writes.
    async fn server(&mut self, settings: &Settings, version: &str) -> bool {
        let replica = async |session: &mut Session, _: &Context| server::is_replica(session, version).await;
        let replica = self.check("whether the server is a replica", replica).await.unwrap_or(false);
        let part = server::Part::of(settings, replica);
        self.findings.extend(server::judge_part(part, &self.cx));
        self.findings.extend(durability::judge(settings, &self.cx));
        self.findings.extend(sessions::judge_settings(settings, &self.cx));
        let reading = self.check("the clocks", async |session, cx| clock::gather(session, cx).await).await;
        if let Some(reading) = reading.flatten() {
            self.findings.extend(clock::judge(reading, &self.cx));
        }
        let barred =
            [FindingId::ServerIsReplica, FindingId::ServerReadOnly, FindingId::BinlogFormatStatement];
        !self.findings.iter().any(|finding| barred.contains(&finding.id))
    }

    async fn sessions(&mut self) {
        let level = self.check("the isolation", async |session, _| sessions::isolation(session).await).await;
        if let Some(level) = level.flatten() {
            self.findings.extend(sessions::judge_isolation(&level));
        }
        match self.dsn {
            Dsn::MySql(_) => {
                let charsets = async |session: &mut Session, _: &Context| sessions::charsets(session).await;
                if let Some(charsets) = self.check("the connection's character set", charsets).await {
                    self.findings.extend(sessions::judge_charsets(&charsets));
                }
            }
            Dsn::Postgres(dsn) => self.pooler(dsn.pooler == Some(Pooler::Transaction)).await,
            Dsn::Sqlite(_) => {}
        }
    }

    async fn pooler(&mut self, declared: bool) {
        let timeout = connect_timeout(self.dsn, &self.cx.options);
        let mut second = match Session::connect(self.dsn, self.session.names().clone(), timeout).await {
            Ok(second) => second,
            Err(unreachable) => {
                let finding = unreachable.finding(&self.cx.place);
                let what = "whether a pooler is in between";
                self.findings.push(skipped(what, &finding.message, finding.fix));
                return;
            }
        };
        let ask = async |first: &mut Session, _: &Context| sessions::backends(first, &mut second).await;
        if let Some(backends) = self.check("whether a pooler is in between", ask).await {
            self.findings.extend(sessions::judge_pooler(&backends, declared));
        }
        second.close().await;
    }

    async fn limits(&mut self, settings: &Settings) {
        let ask = async |session: &mut Session, _: &Context| limits::connections(session, settings).await;
        if let Some(connections) = self.check("the connections", ask).await.flatten() {
            self.findings.extend(limits::judge_connections(connections, &self.cx));
        }
        self.findings.extend(limits::judge_lifetime(settings, &self.cx));
        self.findings.extend(limits::judge_packet(settings, &self.cx));
        if let Some(folder) = sizes::folder(self.dsn, settings)
            && let Some(free) = sizes::free_bytes(&folder)
        {
            self.findings.extend(sizes::judge_free(&folder, free, &self.cx));
        }
    }

    async fn tables(&mut self, settings: &Settings, version: &str, writable: bool) {
        let facts = self.check("the tables", async |session, _| schema::gather(session).await).await;
        let Some(facts) = facts else { return };
        if facts.has_twins() {
            self.session.names_mut().compare_by_twins();
            self.cx.over = Over::Twins;
        }
        let judged = schema::judge(&facts, &self.cx, crate::schema::VERSION.into());
        self.findings.extend(judged.findings);
        self.columns(version).await;
        let present = self.check("the indexes", async |session, _| indexes::gather(session).await).await;
        let present = present.unwrap_or_default();
        if judged.usable {
            self.findings.extend(indexes::judge(&present, &self.cx));
        }
        if judged.records && !indexes::has_live_key(&present, self.cx.dialect) {
            self.duplicates().await;
        }
        let tables = self.check("the sizes", async |session, _| sizes::gather(session).await).await;
        self.findings.extend(sizes::judge(&tables.unwrap_or_default(), settings, &self.cx));
        if !judged.usable {
            return;
        }
        let waiting = async |session: &mut Session, cx: &Context| backlog::gather(session, cx).await;
        if let Some(facts) = self.check("what waits", waiting).await {
            self.findings.extend(backlog::judge(&facts, &self.cx));
        }
        if !writable {
            return;
        }
        let failed = self.check("a probe run", async |session, _| probe::run(session).await).await;
        self.findings.extend(failed.flatten().iter().flat_map(|failed| probe::judge(failed, &self.cx)));
        let explain = async |session: &mut Session, _: &Context| plans::gather(session, &present).await;
        if let Some(plans) = self.check("the plans of the statements", explain).await {
            self.findings.extend(plans::judge(&plans, &present, &self.cx));
        }
    }

    /// How text is kept, and what follows from it for the keys that are there.
    async fn columns(&mut self, version: &str) {
        let found = self.check("the columns", async |session, _| columns::gather(session).await).await;
        let exact = columns::exact_collation(version);
        let judged = columns::judge(&found.unwrap_or_default(), exact, &self.cx);
        let merging = |finding: &Finding| finding.message.contains(" in workflow_records ");
        let records_merge = judged.iter().any(merging);
        self.findings.extend(judged);
        match self.cx.dialect {
            Dialect::MySql => {
                let engines = async |session: &mut Session, _: &Context| columns::engines(session).await;
                let engines = self.check("the storage engines", engines).await.unwrap_or_default();
                self.findings.extend(columns::judge_engines(&engines));
                if records_merge {
                    let ask = async |session: &mut Session, _: &Context| keys::collisions(session).await;
                    let found = self.check("keys that are one in their collation", ask).await;
                    self.findings.extend(keys::judge_collisions(&found.unwrap_or_default(), &self.cx));
                }
            }
            Dialect::Postgres => {
                let encoding = async |session: &mut Session, _: &Context| columns::encoding(session).await;
                if let Some(encoding) = self.check("the encoding", encoding).await {
                    self.findings.extend(columns::judge_encoding(&encoding));
                }
            }
            Dialect::Sqlite => {}
        }
    }

    async fn duplicates(&mut self) {
        let ask = async |session: &mut Session, _: &Context| keys::duplicates(session).await;
        let found = self.check("keys with more than one unfinished run", ask).await.unwrap_or_default();
        self.findings.extend(keys::judge_duplicates(&found, &self.cx));
    }

    /// Makes a check; a finding says so if it cannot be made.
    async fn check<T>(
        &mut self,
        what: &str,
        gather: impl AsyncFnOnce(&mut Session, &Context) -> Result<T, sqlx::Error>,
    ) -> Option<T> {
        let made = match self.session.begin().await {
            Ok(()) => gather(&mut self.session, &self.cx).await,
            Err(error) => Err(error),
        };
        let ended = self.session.end().await;
        match made.and_then(|made| ended.map(|()| made)) {
            Ok(made) => Some(made),
            Err(error) => {
                let fix = "grant the user the right that is missing, or see the reason: the engine itself may do without it";
                self.findings.push(skipped(what, &told(&error), fix.to_owned()));
                None
            }
        }
    }
}

fn skipped(what: &str, reason: &str, fix: String) -> Finding {
    Finding::warning(FindingId::CheckSkipped, format!("{what}: this could not be checked: {reason}"), fix)
}
