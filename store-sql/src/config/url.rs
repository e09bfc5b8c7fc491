//! The parts of a URL that names a server.

use super::percent;
use super::problem::Problems;
use super::secret::Secret;

/// `user:password@host:port/database?name=value`, each part decoded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) database: Option<String>,
    pub(super) params: Vec<(String, String)>,
}

/// Reads what follows `scheme://`.
pub(super) fn parse(rest: &str, problems: &mut Problems) -> Parts {
    let mut parts = Parts::default();
    if rest.contains('#') {
        problems.add("#", "a URL ends there: write %23 for a # in a name or password");
    }
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = before.split_once('/').unwrap_or((before, ""));
    if path.contains('@') || query.contains('@') {
        // The password may have ended too early: nothing of what follows is shown.
        let reason = "one stands behind the host: write %2F for a /, %3F for a ? and %40 for an @ in a user, password or parameter";
        problems.add("@", reason);
        return parts;
    }
    let (login, place) = authority.rsplit_once('@').map_or((None, authority), |(l, p)| (Some(l), p));
    if let Some(login) = login {
        let (user, password) = login.split_once(':').map_or((login, None), |(u, p)| (u, Some(p)));
        parts.user = problems.take("user", percent::decode(user)).filter(|user| !user.is_empty());
        let password = password.and_then(|text| problems.take("password", percent::decode(text)));
        parts.password = password.map(Secret::new);
    }
    let (host, port) = host_and_port(place, problems);
    parts.host = host;
    parts.port = port;
    if path.contains('/') {
        problems.add("database", "there is a / in it: write %2F, or leave it out at the end");
    }
    parts.database = problems.take("database", percent::decode(path)).filter(|name| !name.is_empty());
    parts.params = params(query, problems);
    parts
}

/// Reads `host`, `host:port`, `[::1]:port`; the host is percent-decoded.
pub(super) fn host_and_port(place: &str, problems: &mut Problems) -> (Option<String>, Option<u16>) {
    if place.contains(',') {
        problems.add("host", "several hosts are not supported: name the primary's");
        return (None, None);
    }
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let Some((inner, after)) = rest.split_once(']') else {
            problems.add("host", "the ] of an IPv6 address is missing");
            return (None, None);
        };
        if inner.parse::<std::net::Ipv6Addr>().is_err() {
            problems.add("host", "what stands in [ ] is no IPv6 address");
        }
        let port = after.strip_prefix(':');
        if port.is_none() && !after.is_empty() {
            problems.add("host", "only a port can follow the ] of an IPv6 address");
        }
        (inner, port)
    } else {
        place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)))
    };
    let host = problems.take("host", percent::decode(host)).filter(|host| !host.is_empty());
    let port = port.filter(|port| !port.is_empty()).and_then(|text| problems.take("port", port_of(text)));
    (host, port)
}

/// A port from its digits.
pub(super) fn port_of(text: &str) -> Result<u16, String> {
    match text.trim().parse() {
        Ok(0) | Err(_) => Err("it is no number from 1 to 65535".to_owned()),
        Ok(port) => Ok(port),
    }
}

/// The parameters of a query, decoded; each once.
pub(super) fn params(query: &str, problems: &mut Problems) -> Vec<(String, String)> {
    let mut params: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(name) = problems.take("parameters", percent::decode(name)) else { continue };
        let Some(value) = problems.take(&name, percent::decode(value)) else { continue };
        if params.iter().any(|(known, _)| *known == name) {
            problems.add(name, "it is there twice");
        } else {
            params.push((name, value));
        }
    }
    params
}

/// A host as it stands in a URL.
pub(super) fn show_host(host: &str) -> String {
    if host.parse::<std::net::Ipv6Addr>().is_ok() { format!("[{host}]") } else { percent::encode(host) }
}
