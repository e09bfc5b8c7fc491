//! MariaDB: small, and as durable as its settings say.

use super::{NAME, Server, system};

/// What it says when it answers.
pub(super) const READY: &str = "ready for connections";

/// Makes the data folder, and the statements that the server runs before it answers anybody.
pub(super) fn prepare(server: &Server) {
    let login = format!("'{NAME}'@'127.0.0.1'");
    let statements = format!(
        "create database if not exists {NAME};\n\
         create user if not exists {login} identified by '{}';\n\
         grant all privileges on *.* to {login} with grant option;\n",
        server.password()
    );
    server.write("init.sql", &statements);
    server.make("tmp");
    let arguments = [
        "--no-defaults".to_owned(),
        "--skip-test-db".to_owned(),
        "--auth-root-authentication-method=socket".to_owned(),
        "--innodb-log-file-size=16M".to_owned(),
        temporary(server),
        format!("--datadir={}", server.folder().join("data").display()),
    ];
    server.complete("mariadb-install-db", &arguments);
}

pub(super) fn server(server: &Server) -> Vec<String> {
    let mut command = vec![system::find("mariadbd", server.spec.kind).display().to_string()];
    command.push("--no-defaults".to_owned());
    command.push(format!("--datadir={}", server.folder().join("data").display()));
    command.push(format!("--init-file={}", server.folder().join("init.sql").display()));
    command.push(format!("--port={}", server.port()));
    command.push(temporary(server));
    let settings = [
        "--bind-address=127.0.0.1",
        "--socket=socket",
        "--skip-name-resolve",
        "--innodb-buffer-pool-size=32M",
        "--innodb-log-file-size=16M",
        "--character-set-server=utf8mb4",
    ];
    command.extend(settings.map(str::to_owned));
    command.extend(server.arguments());
    command
}

/// A server that starts removes what others seem to have left in the folder for temporary files.
fn temporary(server: &Server) -> String {
    format!("--tmpdir={}", server.folder().join("tmp").display())
}
