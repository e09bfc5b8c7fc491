//! A MariaDB server for tests: small, durable, on loopback alone.

use std::process::Command;

use super::launch::{NAME, Plan, complete, succeeds};
use super::place;
use super::recipe::Recipe;

/// Settings beside the defaults. Durability stays as it comes: each commit is flushed to disk.
pub(super) const SETTINGS: [&str; 9] = [
    "--bind-address=127.0.0.1",
    // Relative to the data folder: the whole path may be too long for the system.
    "--socket=socket",
    "--skip-name-resolve",
    "--max-connections=200",
    "--innodb-buffer-pool-size=256M",
    "--innodb-log-file-size=256M",
    "--innodb-flush-log-at-trx-commit=1",
    "--character-set-server=utf8mb4",
    "--default-time-zone=+00:00",
];

pub(super) struct Mariadb;

impl Recipe for Mariadb {
    /// Makes the data folder, and the statements that the server runs before it answers anybody.
    fn prepare(&self, plan: &Plan) -> anyhow::Result<()> {
        let login = format!("'{NAME}'@'127.0.0.1'");
        let statements = format!(
            "create database if not exists {NAME};\n\
             create user if not exists {login} identified by '{}';\n\
             grant all privileges on *.* to {login} with grant option;\n",
            plan.password
        );
        place::write(&plan.folder.join("init.sql"), &statements, plan.user)?;
        let mut command = plan.command("mariadb-install-db")?;
        command.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=socket"]);
        command.arg(format!("--datadir={}", plan.data().display()));
        complete(command, "mariadb-install-db")
    }

    fn server(&self, plan: &Plan) -> anyhow::Result<Command> {
        let mut command = plan.command("mariadbd")?;
        command.arg("--no-defaults");
        command.arg(format!("--datadir={}", plan.data().display()));
        command.arg(format!("--init-file={}", plan.folder.join("init.sql").display()));
        command.arg(format!("--pid-file={}", plan.folder.join("pid").display()));
        command.arg(format!("--port={}", plan.port)).args(SETTINGS);
        Ok(command)
    }

    fn answers(&self, plan: &Plan) -> anyhow::Result<bool> {
        let mut command = plan.command("mariadb")?;
        command.args(["--no-defaults", "--host=127.0.0.1", "--user", NAME, "--execute=select 1"]);
        command.arg(format!("--port={}", plan.port)).env("MYSQL_PWD", &plan.password);
        succeeds(command)
    }

    fn address(&self, plan: &Plan) -> String {
        format!("mysql://{NAME}:{}@127.0.0.1:{}/{NAME}", plan.password, plan.port)
    }
}
