//! Where servers keep their data, and as whom they run.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::kind::Kind;

/// A user of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl User {
    /// As whom a server is to run: its package's user if this is root and must not; otherwise this user (`None`).
    pub(crate) fn of(kind: Kind) -> anyhow::Result<Option<Self>> {
        let Some(name) = kind.system_user().filter(|_| is_root()) else { return Ok(None) };
        let users = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let user = find(&users, name);
        user.map(Some).with_context(|| format!("there is no user {name}, whom the Debian package makes"))
    }

    /// A command that this user runs.
    pub(crate) fn runs(user: Option<Self>, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some(user) = user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }
}

fn find(users: &str, name: &str) -> Option<User> {
    users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let (found, uid, gid) = (fields.first()?, fields.get(2)?, fields.get(3)?);
        (*found == name).then_some(User { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
    })
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// The folder below which servers have theirs: under `target`, unless other users cannot reach it.
pub(crate) fn base(root: &Path) -> PathBuf {
    let target = root.join("target");
    if !is_root() || reachable(&target) {
        return target.join("services");
    }
    // The name tells work trees apart, so that two of them do not share servers.
    let name: String =
        root.to_string_lossy().chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    std::env::temp_dir().join(format!("workflow-services{name}"))
}

/// Whether every user may walk to a folder; one that is not there yet is made by us, reachable.
fn reachable(folder: &Path) -> bool {
    folder
        .ancestors()
        .filter_map(|part| fs::metadata(part).ok())
        .all(|found| found.permissions().mode() & 0o001 != 0)
}

/// Makes an empty folder for a server, owned by its user; what an earlier one left there goes.
pub(crate) fn make(folder: &Path, user: Option<User>) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    own(folder, user)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    Ok(())
}

/// Writes a file that only a server's user can read.
pub(crate) fn write(file: &Path, text: &str, user: Option<User>) -> anyhow::Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600))?;
    own(file, user)
}

fn own(path: &Path, user: Option<User>) -> anyhow::Result<()> {
    let Some(user) = user else { return Ok(()) };
    std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid))
        .with_context(|| format!("cannot give {} to its server's user", path.display()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users = "root:x:0:0::/root:/bin/sh\npostgres2:x:9:9::/:/bin/sh\npostgres:x:105:110::/v:/bin/sh\n";
        assert_eq!(find(users, "postgres"), Some(User { uid: 105, gid: 110 }));
        assert_eq!(find(users, "mysql"), None);
    }

    #[test]
    fn a_closed_parent_folder_makes_a_folder_unreachable() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner/target");
        fs::create_dir_all(&inner).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(reachable(&inner));
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!reachable(&inner));
    }
}
