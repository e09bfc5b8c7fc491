//! A disk that is full in the middle of a run: calls say so, nothing that was acknowledged is lost, and the engine goes
//! on by itself when there is room.
//!
//! The disk is a small file system in memory, in a name space of the process's own. Where nobody may make one, a limit
//! on the size of files stands for it: SQLite then sees a failed write instead of a full disk.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;

use tokio::process::Command;
use workflow_system_tests::child::{Worker, text};

const WORKER: &str = env!("CARGO_BIN_EXE_worker");

/// A name space with a file system of 6 MiB, 3 of them filled.
const MOUNT: &str = "mount -t tmpfs -o size=6m tmpfs \"$1\" && head -c 3145728 /dev/zero > \"$1/filler\" && ";

/// Files of at most 2 MiB, and no signal for who writes more.
const LIMIT: &str = "trap '' XFSZ; ulimit -S -f 2048; ";

async fn shell(around: &[&str], script: String, folder: &Path) -> (bool, String) {
    let mut line: Vec<&str> = around.to_vec();
    line.extend(["sh", "-c", &script, "sh", text(folder)]);
    let mut command = Command::new(line[0]);
    command.args(&line[1..]);
    let (status, said) = Worker::spawn(command).end().await;
    (status.success(), said.join("\n"))
}

async fn may_mount(folder: &Path) -> bool {
    shell(&["unshare", "-rm"], format!("{MOUNT} echo"), folder).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_goes_on_by_itself_when_a_full_disk_has_room_again() {
    let folder = tempfile::tempdir().unwrap();
    if !may_mount(folder.path()).await {
        return limited(folder.path()).await;
    }
    let script = format!("{MOUNT} exec '{WORKER}' full-disk \"$1/parcels.db\" \"$1/filler\"");
    let (survived, said) = shell(&["unshare", "-rm"], script, folder.path()).await;
    assert!(survived, "{said}");
    assert!(said.starts_with("survived with") && said.contains("is full: make room"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_goes_on_by_itself_when_a_failed_write_can_be_made_again() {
    let folder = tempfile::tempdir().unwrap();
    limited(folder.path()).await;
}

async fn limited(folder: &Path) {
    let script = format!("{LIMIT} exec '{WORKER}' full-limit \"$1/parcels.db\"");
    let (survived, said) = shell(&[], script, folder).await;
    assert!(survived, "{said}");
    // Whether a commit is on disk whose last write failed, nobody can tell; then the error says that.
    let told = said.contains("cannot be read or written") || said.contains("was not answered");
    assert!(said.starts_with("survived with") && said.contains("parcels.db") && told, "{said}");
}
