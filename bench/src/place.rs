//! Where the files of a measurement are.

use std::path::{Path, PathBuf};

use anyhow::Context;

/// A folder on disk that is removed at the end. It is in the target folder: the system's own folder for temporary files
/// may be in memory, where nothing is ever written to a disk.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let parent = Path::new("target").join("bench");
        std::fs::create_dir_all(&parent).with_context(|| format!("cannot make {}", parent.display()))?;
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(&parent);
        Ok(Self(folder.with_context(|| format!("cannot make a folder in {}", parent.display()))?))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Removes a database, so that the next one finds room.
    pub(crate) fn remove(&self, name: &str) {
        for suffix in ["", "-wal", "-shm", ".lock"] {
            // Not every database has all of them.
            let _ = std::fs::remove_file(self.file(&format!("{name}{suffix}")));
        }
    }
}
