//! The configuration file, with what flags and the environment say put over it.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::problems::Problems;

/// The file that is read if none is named.
const FILE: &str = "outbox-relay.toml";

/// Settings by name, each from the strongest source that has it.
pub(crate) struct Layers {
    folder: PathBuf,
    name: String,
    values: Table,
}

impl Layers {
    /// Reads the file that is named, or the usual one if it is there.
    pub(crate) fn read(named: Option<&Path>, problems: &mut Problems) -> Self {
        let path = match named {
            Some(path) => path.to_owned(),
            None => FILE.into(),
        };
        let values = match std::fs::read_to_string(&path) {
            Ok(text) => text.parse::<Table>().map_err(|error| {
                // The line itself may hold a password.
                let line = error.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1));
                line.map_or_else(String::new, |line| format!("line {line}: ")) + error.message()
            }),
            Err(_) if named.is_none() => Ok(Table::new()),
            Err(error) => Err(format!("it cannot be read: {error}")),
        };
        let values = problems.take(path.display(), values).unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Self { folder, name: path.display().to_string(), values }
    }

    /// Puts a value of a flag or the environment over that of the file; an empty one is none.
    pub(crate) fn put(&mut self, section: Option<&str>, key: &str, value: Option<&str>) {
        let Some(value) = value.filter(|value| !value.is_empty()) else { return };
        self.put_value(section, key, Value::String(value.to_owned()));
    }

    /// The same for a list.
    pub(crate) fn put_list(&mut self, section: &str, key: &str, values: Vec<String>) {
        let values = values.into_iter().map(Value::String).collect();
        self.put_value(Some(section), key, Value::Array(values));
    }

    fn put_value(&mut self, section: Option<&str>, key: &str, value: Value) {
        let Some(section) = section else {
            self.values.insert(key.to_owned(), value);
            return;
        };
        // A section that is none is complained of where it is taken.
        if let Value::Table(table) = self.values.entry(section).or_insert_with(|| Value::Table(Table::new()))
        {
            table.insert(key.to_owned(), value);
        }
    }

    /// Takes a text; a number is taken as one, too.
    pub(crate) fn text(&mut self, key: &str, problems: &mut Problems) -> Option<String> {
        match self.values.remove(key)? {
            Value::String(text) => Some(text),
            Value::Integer(number) => Some(number.to_string()),
            _ => {
                problems.add(self.place(key), "it is a text or a whole number");
                None
            }
        }
    }

    pub(crate) fn flag(&mut self, key: &str, problems: &mut Problems) -> bool {
        match self.values.remove(key) {
            None => false,
            Some(Value::Boolean(is_set)) => is_set,
            Some(_) => {
                problems.add(self.place(key), "it is true or false");
                false
            }
        }
    }

    /// Takes a section, with the passwords that stand in files.
    pub(crate) fn section<V: DeserializeOwned>(&mut self, key: &str, problems: &mut Problems) -> Option<V> {
        let mut value = self.values.remove(key)?;
        let place = self.place(key);
        self.read_passwords(&mut value, &place, problems);
        problems.take(place, value.try_into::<V>().map_err(|error| error.message().to_owned()))
    }

    /// Puts the line of each file that a `password_file` names in its place, as `password`.
    fn read_passwords(&self, value: &mut Value, place: &str, problems: &mut Problems) {
        let Value::Table(table) = value else { return };
        for (from, to) in [("password_file", "password"), ("key_password_file", "key_password")] {
            let Some(file) = table.remove(from) else { continue };
            let place = format!("{place}.{from}");
            match file.as_str() {
                Some(_) if table.contains_key(to) => problems.add(place, format!("there is a {to} already")),
                Some(file) => {
                    let secret = secret(&self.folder.join(file));
                    if let Some(secret) = problems.take(place, secret) {
                        table.insert(to.to_owned(), Value::String(secret));
                    }
                }
                None => problems.add(place, "it is the name of a file"),
            }
        }
        for (key, inner) in table.iter_mut() {
            self.read_passwords(inner, &format!("{place}.{key}"), problems);
        }
    }

    /// A file that is named in the file lies beside it.
    pub(crate) fn beside(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// What was not taken is not known.
    pub(crate) fn end(self, known: &str, problems: &mut Problems) {
        for key in self.values.keys() {
            problems.add(self.place(key), format!("there is no such setting; there are {known}"));
        }
    }

    pub(crate) fn place(&self, key: &str) -> String {
        format!("{key} (a flag, the environment or {})", self.name)
    }
}

/// The one line of a file.
pub(crate) fn secret(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    match text {
        "" => Err(format!("{} is empty", path.display())),
        text if text.contains('\n') => {
            Err(format!("{} has several lines: the password is the one line of its file", path.display()))
        }
        text => Ok(text.to_owned()),
    }
}
