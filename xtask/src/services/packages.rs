//! Programs and libraries: found, or installed by those who may.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use super::place::is_root;

/// Where Debian puts the programs of each version of PostgreSQL.
const POSTGRES_VERSIONS: &str = "/usr/lib/postgresql";

/// Where this script says no, Debian's packages do not start the services that they install.
const START_POLICY: &str = "/usr/sbin/policy-rc.d";

/// Something that must be there, and the Debian package that brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    what: What,
    package: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// A program, by its name.
    Program(&'static str),
    /// A library to build against, by the name that `pkg-config` has for it.
    Library(&'static str),
}

impl Need {
    pub(crate) const fn program(name: &'static str, package: &'static str) -> Self {
        Self { what: What::Program(name), package }
    }

    const fn library(name: &'static str, package: &'static str) -> Self {
        Self { what: What::Library(name), package }
    }

    /// The Debian package.
    #[cfg(test)]
    pub(super) const fn package(self) -> &'static str {
        self.package
    }

    const fn name(self) -> &'static str {
        match self.what {
            What::Program(name) | What::Library(name) => name,
        }
    }

    fn is_met(self) -> bool {
        match self.what {
            What::Program(name) => find(name).is_some(),
            What::Library(name) => {
                let mut ask = Command::new("pkg-config");
                ask.args(["--exists", name]).stderr(Stdio::null());
                ask.status().is_ok_and(|found| found.success())
            }
        }
    }
}

/// What the workspace is built with: SQLite and librdkafka are compiled from source.
pub(super) const BUILD: [Need; 6] = [
    Need::program("cc", "gcc"),
    Need::program("c++", "g++"),
    Need::program("make", "make"),
    Need::program("pkg-config", "pkg-config"),
    Need::library("libssl", "libssl-dev"),
    Need::library("zlib", "zlib1g-dev"),
];

/// What tests use beside the servers: the pooler that they put before PostgreSQL, and the language of `tests/interop`.
pub(crate) const TESTS: [Need; 2] =
    [Need::program("pgbouncer", "pgbouncer"), Need::program("go", "golang-go")];

/// Sees to it that the workspace can be built.
pub(crate) fn ensure_for_build() -> anyhow::Result<()> {
    ensure(&BUILD).context("the workspace cannot be built")
}

/// Sees to it that all that is needed is there, installing packages if allowed.
pub(crate) fn ensure(needs: &[Need]) -> anyhow::Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    if is_root() && find_in_path("apt-get").is_some() {
        let packages = packages_of(&missing);
        eprintln!("installing {}", packages.join(" "));
        // What it could not install is told below, by name.
        if let Err(error) = install(&packages) {
            eprintln!("{error:#}");
        }
    }
    let missing = self::missing(&missing);
    anyhow::ensure!(missing.is_empty(), advice(&missing));
    Ok(())
}

fn missing(needs: &[Need]) -> Vec<Need> {
    needs.iter().copied().filter(|need| !need.is_met()).collect()
}

/// The packages of what is needed, each once.
fn packages_of(needs: &[Need]) -> Vec<&'static str> {
    let mut packages: Vec<&str> = needs.iter().map(|need| need.package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn advice(missing: &[Need]) -> String {
    let names: Vec<&str> = missing.iter().map(|need| need.name()).collect();
    format!(
        "not found: {}; install with apt-get install {}",
        names.join(", "),
        packages_of(missing).join(" ")
    )
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

fn install(packages: &[&str]) -> anyhow::Result<()> {
    let policy = Path::new(START_POLICY);
    let ours = !policy.exists();
    if ours {
        fs::write(policy, "#!/bin/sh\nexit 101\n").context("cannot keep packages from starting services")?;
        fs::set_permissions(policy, fs::Permissions::from_mode(0o755))?;
    }
    let mut args = vec!["install", "-q", "-y", "--no-install-recommends"];
    args.extend(packages);
    let installed = apt_get(&["update", "-q"]).and_then(|()| apt_get(&args));
    if ours {
        fs::remove_file(policy).with_context(|| format!("cannot remove {START_POLICY}"))?;
    }
    installed
}

fn apt_get(args: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("apt-get");
    command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
    // The standard output may be what a shell takes addresses from.
    command.stdout(std::io::stderr());
    let status = command.status().context("cannot run apt-get")?;
    anyhow::ensure!(status.success(), "apt-get {} failed", args.join(" "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::kind::Kind;

    #[test]
    fn versions_are_compared_as_numbers() {
        let found = ["9", "15", "archive", "14"].map(str::to_owned);
        assert_eq!(newest(found.into_iter()).as_deref(), Some("15"));
        assert_eq!(newest(std::iter::empty()), None);
    }

    #[test]
    fn what_is_there_is_not_missing() {
        let (shell, nothing) = (Need::program("sh", "dash"), Need::program("no-such-program", "none"));
        let library = Need::library("no-such-library", "none");
        assert_eq!(missing(&[shell, nothing, library]), [nothing, library]);
    }

    #[test]
    fn who_may_not_install_is_told_all_packages_in_one_line() {
        let needs: Vec<Need> =
            Kind::Mariadb.needs().iter().chain(Kind::Kafka.needs()).chain(&BUILD).copied().collect();
        let said = advice(&needs);
        assert!(said.contains("mariadbd, ") && said.contains("java, "), "{said}");
        let packages =
            "default-jre-headless g++ gcc libssl-dev make mariadb-server maven pkg-config zlib1g-dev";
        assert!(said.ends_with(&format!("apt-get install {packages}")), "{said}");
        assert!(!said.contains('\n'), "{said}");
    }
}
