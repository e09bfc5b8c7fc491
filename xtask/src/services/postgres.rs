//! A PostgreSQL server for tests: small, durable, on loopback alone.

use std::process::Command;

use super::launch::{NAME, Plan, complete, succeeds};
use super::place;
use super::recipe::Recipe;

/// Settings beside the defaults. Durability stays as it comes: `fsync` and `synchronous_commit` are on.
pub(super) const SETTINGS: [&str; 7] = [
    "listen_addresses=127.0.0.1",
    // The path of a socket may be too long for the system; nobody needs one.
    "unix_socket_directories=",
    "max_connections=200",
    "shared_buffers=128MB",
    "max_wal_size=1GB",
    "jit=off",
    "timezone=UTC",
];

pub(super) struct Postgres;

impl Recipe for Postgres {
    /// Makes the data folder.
    fn prepare(&self, plan: &Plan) -> anyhow::Result<()> {
        let secret = plan.folder.join("password");
        place::write(&secret, &plan.password, plan.user)?;
        let mut initdb = plan.command("initdb")?;
        initdb.arg("-D").arg(plan.data()).args(["-U", NAME, "-E", "UTF8", "--locale=C.UTF-8", "-N"]);
        initdb.arg("--auth=scram-sha-256").arg(format!("--pwfile={}", secret.display()));
        complete(initdb, "initdb")
    }

    fn server(&self, plan: &Plan) -> anyhow::Result<Command> {
        let mut command = plan.command("postgres")?;
        command.arg("-D").arg(plan.data()).args(["-p", &plan.port.to_string()]);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        Ok(command)
    }

    fn answers(&self, plan: &Plan) -> anyhow::Result<bool> {
        let mut command = plan.command("pg_isready")?;
        command.args(["-q", "-h", "127.0.0.1", "-p", &plan.port.to_string(), "-U", NAME, "-d", "postgres"]);
        succeeds(command)
    }

    fn finish(&self, plan: &Plan) -> anyhow::Result<()> {
        let mut command = plan.command("createdb")?;
        command.args(["-h", "127.0.0.1", "-p", &plan.port.to_string(), "-U", NAME, NAME]);
        command.env("PGPASSWORD", &plan.password);
        complete(command, "createdb")
    }

    fn address(&self, plan: &Plan) -> String {
        format!("postgres://{NAME}:{}@127.0.0.1:{}/{NAME}", plan.password, plan.port)
    }
}
