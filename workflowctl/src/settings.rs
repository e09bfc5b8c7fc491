//! Where the settings come from: flags, then the environment, then a file. All that is wrong is told at once.

use std::io::Read;
use std::path::{Path, PathBuf};

use store_sql::config::{Dsn, PoolOptions, Secret};
use store_sql::{Database, Dialect, TableNames};
use workflow_core::adapter::BackendError;

use crate::args::Global;
use crate::failure::{Failure, Problems};

/// The file that is read if none is named.
const FILE: &str = "workflowctl.toml";

/// The most that a configuration file may have, in bytes. What is read may be a device, which never ends.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The most that the file of a password may have, in bytes.
const PASSWORD_BYTES_MAX: u64 = 64 << 10;

/// How many connections the tool has at most: it does one thing at a time.
const CONNECTIONS_MAX: u32 = 4;

/// What the commands need to know.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The database, with its password.
    pub(crate) dsn: Dsn,
    /// What the tables are called.
    pub(crate) tables: TableNames,
}

impl Settings {
    /// Puts the settings together.
    pub(crate) fn resolve(global: &Global) -> Result<Self, Failure> {
        let mut problems = Problems::default();
        let file = File::read(global.config.as_deref(), &mut problems);
        let url =
            given(global.database.as_deref(), "--database or WORKFLOW_DATABASE_URL").or(file.database());
        let mut dsn = match &url {
            Some((text, place)) => match text.parse::<Dsn>() {
                Ok(dsn) => Some(dsn),
                Err(error) => {
                    error.problems().iter().for_each(|problem| problems.add(place, problem));
                    None
                }
            },
            // What stands in the file is complained of already.
            None if file.reading == Reading::Failed || file.values.contains_key("database") => None,
            None => {
                problems.add(
                    "database",
                    "there is none: name it by --database, WORKFLOW_DATABASE_URL or the configuration file",
                );
                None
            }
        };
        let flag = global.password_file.clone().filter(|path| !path.as_os_str().is_empty());
        let path = flag.map(|path| (path, "--password-file or WORKFLOW_DATABASE_PASSWORD_FILE".to_owned()));
        if let Some((path, place)) = path.or(file.password_file())
            && let Some(password) = password(&path, &place, &mut problems)
            && let Some(dsn) = &mut dsn
        {
            put_password(dsn, password, &place, &mut problems);
        }
        let tables = table_names(global, &file, None, &mut problems);
        problems.or(dsn.map(|dsn| Self { dsn, tables }))
    }

    /// Connects; the tables must be there.
    pub(crate) async fn connect(&self) -> Result<Database, BackendError> {
        self.options().without_migrating().connect_to(&self.dsn).await
    }

    /// How the database is connected to.
    pub(crate) fn options(&self) -> store_sql::DatabaseOptions {
        Database::options()
            .tables(self.tables.clone())
            .pool(PoolOptions::new().max_open(CONNECTIONS_MAX).min_idle(0))
    }
}

/// What the tables are called, for a command that needs no database.
pub(crate) fn tables(global: &Global, dialect: Dialect) -> Result<TableNames, Failure> {
    let mut problems = Problems::default();
    let file = File::read(global.config.as_deref(), &mut problems);
    let tables = table_names(global, &file, Some(dialect), &mut problems);
    problems.or(Some(tables))
}

/// The names by their prefix, which must be short enough for a dialect if one is given.
fn table_names(
    global: &Global,
    file: &File,
    dialect: Option<Dialect>,
    problems: &mut Problems,
) -> TableNames {
    let prefix = given(global.table_prefix.as_deref(), "--table-prefix or WORKFLOW_TABLE_PREFIX");
    let Some((prefix, place)) = prefix.or(file.table_prefix()) else { return TableNames::default() };
    let names = TableNames::prefixed(&prefix)
        .and_then(|names| dialect.map_or(Ok(()), |dialect| names.check(dialect)).map(|()| names));
    names.unwrap_or_else(|error| {
        problems.add(place, error);
        TableNames::default()
    })
}

/// A value and where it stands; an empty one is none.
type Given = Option<(String, String)>;

fn given(value: Option<&str>, place: &str) -> Given {
    value.filter(|text| !text.is_empty()).map(|text| (text.to_owned(), place.to_owned()))
}

/// The password that a file holds, its one line.
pub(crate) fn password(path: &Path, place: &str, problems: &mut Problems) -> Option<Secret> {
    match read(path, PASSWORD_BYTES_MAX) {
        Ok(text) => {
            let text = text.strip_suffix('\n').unwrap_or(&text);
            let text = text.strip_suffix('\r').unwrap_or(text);
            if text.is_empty() {
                problems.add(place, format!("{} is empty", path.display()));
            } else if text.contains('\0') {
                problems.add(place, format!("{} has a NUL in it, which no password has", path.display()));
            } else if text.contains('\n') {
                problems.add(
                    place,
                    format!("{} has several lines: the password is the one line of its file", path.display()),
                );
            }
            Some(Secret::new(text))
        }
        Err(error) => {
            problems.add(place, format!("{} cannot be read: {error}", path.display()));
            None
        }
    }
}

/// The text of a file, if it is not too long to be what it is meant to be.
fn read(path: &Path, bytes_max: u64) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let why = format!("it has more than {} KiB: name the right file", bytes_max >> 10);
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, why));
    }
    String::from_utf8(bytes)
        .map_err(|_| std::io::Error::new(std::io::ErrorKind::InvalidData, "it is no UTF-8"))
}

fn put_password(dsn: &mut Dsn, password: Secret, place: &str, problems: &mut Problems) {
    let slot = match dsn {
        Dsn::MySql(dsn) => &mut dsn.password,
        Dsn::Postgres(dsn) => &mut dsn.password,
        Dsn::Sqlite(_) => return problems.add(place, "a SQLite file has no password: leave it out"),
    };
    if slot.is_some() {
        return problems.add(place, "the connection string has a password already: take one of them away");
    }
    *slot = Some(password);
}

/// The configuration file.
#[derive(Default)]
pub(crate) struct File {
    path: PathBuf,
    values: toml::Table,
    reading: Reading,
}

/// Whether it is known what stands in the configuration file.
#[derive(Default, PartialEq, Eq)]
enum Reading {
    /// There is none, or it was read.
    #[default]
    Done,
    /// It is there, and cannot be read.
    Failed,
}

/// What can stand in it.
const KEYS: [&str; 3] = ["database", "password_file", "table_prefix"];

/// What parts it can have.
const PARTS: [&str; 2] = ["etcd", "kafka"];

impl File {
    /// Reads the file that is named, or the usual one if it is there.
    pub(crate) fn read(named: Option<&Path>, problems: &mut Problems) -> Self {
        let path = match named {
            Some(path) => path.to_owned(),
            None if Path::new(FILE).exists() => FILE.into(),
            None => return Self::default(),
        };
        let values = match read(&path, FILE_BYTES_MAX) {
            Ok(text) => text.parse::<toml::Table>().map_err(|error| {
                // The line itself may hold a password.
                let line = error.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1));
                let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
                format!("{line}{}", error.message())
            }),
            Err(error) => Err(format!("it cannot be read: {error}")),
        };
        match values {
            Ok(values) => {
                let file = Self { path, values, reading: Reading::Done };
                file.check(problems);
                file
            }
            Err(problem) => {
                problems.add(path.display(), problem);
                Self { reading: Reading::Failed, ..Self::default() }
            }
        }
    }

    fn check(&self, problems: &mut Problems) {
        for (key, value) in &self.values {
            if PARTS.contains(&key.as_str()) {
                if !value.is_table() {
                    problems.add(self.place(key), format!("it is a part of its own: [{key}]"));
                }
            } else if !KEYS.contains(&key.as_str()) {
                let known = [&KEYS[..], &PARTS].concat().join(", ");
                problems.add(self.place(key), format!("there is no such setting; there are {known}"));
            } else if !value.is_str() {
                problems.add(self.place(key), "it is a text: put it in quotes");
            }
        }
    }

    fn place(&self, key: &str) -> String {
        format!("{}: {key}", self.path.display())
    }

    fn text(&self, key: &str) -> Given {
        given(self.values.get(key)?.as_str(), &self.place(key))
    }

    /// A part, with its place, and the folder that the file is in.
    pub(crate) fn part(&self, name: &str) -> Option<(toml::Table, String, PathBuf)> {
        let values = self.values.get(name)?.as_table()?.clone();
        let folder = self.path.parent().unwrap_or(Path::new("")).to_owned();
        Some((values, self.place(name), folder))
    }

    fn database(&self) -> Given {
        self.text("database")
    }

    fn table_prefix(&self) -> Given {
        self.text("table_prefix")
    }

    /// A file that is named in a file lies beside it.
    fn password_file(&self) -> Option<(PathBuf, String)> {
        let (name, place) = self.text("password_file")?;
        let folder = self.path.parent().unwrap_or(Path::new(""));
        Some((folder.join(name), place))
    }
}
