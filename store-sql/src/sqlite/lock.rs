//! The right to run engines on a file: a lock of the operating system beside it, freed when the process ends. Engines of
//! a cluster share it.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use workflow_core::adapter::{BackendError, ErrorKind, Reach};

use crate::TableNames;
use crate::held::refused;

/// The lock; given back when it is dropped.
pub(super) struct EngineLock(#[allow(dead_code, reason = "held, not read")] File);

/// Where the lock of a database file's tables is: those with other names than the default ones have their own.
pub(super) fn lock_file(database: &Path, names: &TableNames) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    if !names.is_default() {
        name.push(format!(".{}", names.records().to_ascii_lowercase()));
    }
    name.push(".lock");
    PathBuf::from(name)
}

impl EngineLock {
    pub(super) fn take(database: &Path, names: &TableNames, reach: Reach) -> Result<Self, BackendError> {
        let path = lock_file(database, names);
        let failed = |error: std::io::Error| {
            let context = format!("the lock file {} cannot be opened", path.display());
            BackendError::with_source(ErrorKind::Permanent, context, error)
        };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        let locked = match reach {
            Reach::Process => file.try_lock(),
            Reach::Cluster => file.try_lock_shared(),
        };
        match locked {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(refused(&database.display().to_string())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// The lock by which one relay runs alone on a file; `None` if another one has it.
pub(super) fn relay_lock(database: &Path, names: &TableNames) -> Result<Option<File>, BackendError> {
    let mut path = lock_file(database, names).into_os_string();
    path.push(".relay");
    let path = PathBuf::from(path);
    let failed = |error: std::io::Error| {
        let context = format!("the lock file {} cannot be opened", path.display());
        BackendError::with_source(ErrorKind::Permanent, context, error)
    };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
