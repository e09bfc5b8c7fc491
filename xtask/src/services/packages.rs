//! The servers' programs: found, or installed by those who may.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::kind::Kind;
use super::place::is_root;

/// Where Debian puts the programs of each version of PostgreSQL.
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";

/// Where this script says no, Debian's packages do not start the services that they install.
const START_POLICY: &str = "/usr/sbin/policy-rc.d";

/// The folders of the programs of a server, installing its package if needed and allowed.
pub(crate) fn ensure(kind: Kind) -> anyhow::Result<()> {
    if missing(kind).is_none() {
        return Ok(());
    }
    if is_root() && find_in_path("apt-get").is_some() {
        println!("installing {}", kind.package());
        install(kind.package())?;
    }
    match missing(kind) {
        None => Ok(()),
        Some(program) => anyhow::bail!(advice(kind, program)),
    }
}

/// The pooler that tests put before PostgreSQL: its Debian package and its program.
const POOLER: &str = "pgbouncer";

/// The programs of the servers that tests start for themselves, whatever servers the environment names.
pub(crate) fn ensure_for_tests() -> anyhow::Result<()> {
    Kind::ALL.into_iter().try_for_each(ensure)?;
    if find(POOLER).is_none() && is_root() && find_in_path("apt-get").is_some() {
        println!("installing {POOLER}");
        install(POOLER)?;
    }
    anyhow::ensure!(find(POOLER).is_some(), "{POOLER} is not there: install the Debian package {POOLER}");
    Ok(())
}

fn advice(kind: Kind, program: &str) -> String {
    format!(
        "{kind} cannot be started, {program} is not there: install the Debian package {}, or name a server in {}={}",
        kind.package(),
        kind.variable(),
        match kind {
            Kind::Postgres => "postgres://user:password@host:5432/database",
            Kind::Mariadb => "mysql://user:password@host:3306/database",
        }
    )
}

fn missing(kind: Kind) -> Option<&'static str> {
    kind.programs().iter().copied().find(|program| find(program).is_none())
}

/// The path of a program.
pub(crate) fn path(program: &str) -> anyhow::Result<PathBuf> {
    find(program).with_context(|| format!("{program} is not there"))
}

fn find(program: &str) -> Option<PathBuf> {
    let versions = fs::read_dir(POSTGRES_VERSIONS).into_iter().flatten().flatten();
    let newest = newest(versions.filter_map(|entry| entry.file_name().into_string().ok()));
    let packaged = newest.map(|version| Path::new(POSTGRES_VERSIONS).join(version).join("bin").join(program));
    packaged.filter(|path| path.exists()).or_else(|| find_in_path(program))
}

/// The newest of version numbers; what is no number is passed over.
fn newest(versions: impl Iterator<Item = String>) -> Option<String> {
    versions
        .filter_map(|version| Some((version.parse::<u32>().ok()?, version)))
        .max_by_key(|(number, _)| *number)
        .map(|(_, version)| version)
}

fn find_in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Servers are in folders that only root has in its path.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.exists())
}

fn install(package: &str) -> anyhow::Result<()> {
    let policy = Path::new(START_POLICY);
    let ours = !policy.exists();
    if ours {
        fs::write(policy, "#!/bin/sh\nexit 101\n").context("cannot keep the package from starting")?;
        fs::set_permissions(policy, fs::Permissions::from_mode(0o755))?;
    }
    let installed = apt_get(&["update", "-q"])
        .and_then(|()| apt_get(&["install", "-q", "-y", "--no-install-recommends", package]));
    if ours {
        fs::remove_file(policy).with_context(|| format!("cannot remove {START_POLICY}"))?;
    }
    installed
}

fn apt_get(args: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .context("cannot run apt-get")?;
    anyhow::ensure!(status.success(), "apt-get {} failed", args.join(" "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let found = ["9", "15", "archive", "14"].map(str::to_owned);
        assert_eq!(newest(found.into_iter()).as_deref(), Some("15"));
        assert_eq!(newest(std::iter::empty()), None);
    }

    #[test]
    fn who_may_not_install_is_told_the_package_and_the_variable() {
        let said = advice(Kind::Mariadb, "mariadbd");
        assert!(said.contains("mariadb-server") && said.contains("WORKFLOW_MARIADB_URL=mysql://"), "{said}");
        assert!(!said.contains('\n'), "{said}");
    }
}
