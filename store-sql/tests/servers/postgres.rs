//! PostgreSQL: small, and as durable as its settings say.

use super::{NAME, Server, system};

/// What it says when it answers.
pub(super) const READY: &str = "database system is ready to accept";

pub(super) fn prepare(server: &Server) {
    let secret = server.write("password", server.password());
    let data = server.folder().join("data");
    let arguments = [
        format!("--pgdata={}", data.display()),
        format!("--pwfile={}", secret.display()),
        format!("--username={NAME}"),
        "--encoding=UTF8".to_owned(),
        "--locale=C.UTF-8".to_owned(),
        "--auth=scram-sha-256".to_owned(),
        "--no-sync".to_owned(),
    ];
    server.complete("initdb", &arguments);
}

pub(super) fn server(server: &Server) -> Vec<String> {
    let mut command = vec![system::find("postgres", server.spec.kind).display().to_string()];
    command.push("-D".to_owned());
    command.push(server.folder().join("data").display().to_string());
    let port = format!("port={}", server.port());
    let settings =
        ["listen_addresses=127.0.0.1", "unix_socket_directories=", "shared_buffers=16MB", "jit=off", &port];
    for setting in settings {
        command.extend(["-c".to_owned(), setting.to_owned()]);
    }
    command.extend(server.arguments());
    command
}
