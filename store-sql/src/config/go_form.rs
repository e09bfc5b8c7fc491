//! The Go driver's form: `user:password@tcp(host:3306)/database?name=value`.

use super::mysql::MySqlDsn;
use super::percent;
use super::problem::{DsnError, Problems};
use super::secret::Secret;
use super::url::{Parts, host_and_port, params};

/// How an address begins, after the `@` or at the start.
const PROTOCOLS: [&str; 2] = ["tcp(", "unix("];

/// Whether a string has this form: a slash, and no scheme before it.
pub(super) fn is_go_form(text: &str) -> bool {
    address_start(text).is_some() || (text.contains('/') && !text.contains("://"))
}

/// Where the address with its brackets begins; the last place counts, as passwords may hold anything.
fn address_start(text: &str) -> Option<usize> {
    let marks = PROTOCOLS.iter().filter_map(|mark| {
        let inside = text.rfind(&format!("@{mark}")).map(|at| at + 1);
        inside.or_else(|| text.starts_with(mark).then_some(0))
    });
    marks.max()
}

/// The slash before the database.
fn slash(text: &str) -> Option<usize> {
    match address_start(text) {
        Some(start) => text[start..].find(")/").map(|at| start + at + 1),
        None => text.rfind('/'),
    }
}

/// Reads the form. User and password stand as they are; database and parameters are percent-decoded.
pub(super) fn parse(text: &str) -> Result<MySqlDsn, DsnError> {
    let mut problems = Problems::default();
    let mut parts = Parts::default();
    let (before, after) = match slash(text) {
        Some(slash) => (&text[..slash], &text[slash + 1..]),
        None => {
            problems.add(
                "address",
                "it must be followed by / and the database, as in tcp(localhost:3306)/orders",
            );
            (text, "")
        }
    };
    let (database, query) = after.split_once('?').unwrap_or((after, ""));
    parts.database = problems.take("database", percent::decode(database)).filter(|name| !name.is_empty());
    let place = match address_start(before) {
        Some(start) => start,
        None => before.rfind('@').map_or(0, |at| at + 1),
    };
    if let Some(login) = before[..place].strip_suffix('@') {
        let (user, password) = login.split_once(':').map_or((login, None), |(u, p)| (u, Some(p)));
        parts.user = Some(user.to_owned()).filter(|user| !user.is_empty());
        parts.password = password.map(Secret::new);
    }
    parts.params = params(query, &mut problems);
    address(&before[place..], &mut parts, &mut problems);
    MySqlDsn::from_parts(parts, problems)
}

/// Reads `tcp(host:port)`, `unix(/path)`, or nothing.
fn address(place: &str, parts: &mut Parts, problems: &mut Problems) {
    let (protocol, inner) = match place.split_once('(') {
        Some((protocol, inner)) => (protocol, inner.strip_suffix(')')),
        None => (place, Some("")),
    };
    let Some(inner) = inner else {
        problems.add("address", "its closing bracket is missing");
        return;
    };
    match protocol {
        "" | "tcp" => (parts.host, parts.port) = host_and_port(inner, problems),
        "unix" => {
            let path = if inner.is_empty() { "/tmp/mysql.sock" } else { inner };
            if parts.params.iter().any(|(name, _)| name == "socket") {
                problems.add("socket", "it is there twice: the address names one already");
            }
            parts.params.push(("socket".to_owned(), path.to_owned()));
        }
        _ => problems.add("protocol", "it is tcp or unix"),
    }
}
