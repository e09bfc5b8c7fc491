//! Owners that stop, die, or cannot go on.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use scheduler_etcd::EtcdConfig;
use workflow_core::adapter::{RoleClaim, RoleScheduler};
use workflow_core::{GroupName, Shard, WorkflowName};

use crate::support::{connect, endpoints, epoch_of, fresh, fresh_namespace, role, soon};

const LEASE_SECONDS: u64 = 2;

/// A process that owns a role.
struct Holder {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Holder {
    fn start(namespace: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_scheduler-etcd-holder"))
            .args([&endpoints()[0], namespace, &LEASE_SECONDS.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output).lines() }
    }

    fn line(&mut self) -> String {
        self.output.next().unwrap().unwrap()
    }

    /// Waits until it owns the role; gives its epoch.
    fn owned(&mut self) -> u64 {
        self.line().strip_prefix("owned ").unwrap().parse().unwrap()
    }

    fn work(&mut self) -> String {
        writeln!(self.input, "work").unwrap();
        self.line()
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn held() -> RoleClaim {
    let group = GroupName::of_deletions(&WorkflowName::new("held").unwrap());
    RoleClaim { role: group.single_role(), group, shard: Shard::WHOLE }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_owner_sees_its_loss_before_it_does_anything() {
    let namespace = fresh_namespace();
    let mut holder = Holder::start(&namespace.to_string());
    let epoch = holder.owned();
    assert_eq!(holder.work(), "held");
    let other = connect(&EtcdConfig::new(endpoints()).namespace(namespace)).await;
    holder.signal("-STOP");
    let lease = soon("another takes over", other.claim(held())).await.unwrap();
    assert!(epoch_of(&lease) > epoch);
    holder.signal("-CONT");
    assert_eq!(holder.work(), "lost");
    assert!(!lease.lost.is_cancelled());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_roles_of_a_killed_owner_are_taken_over() {
    let namespace = fresh_namespace();
    let mut holder = Holder::start(&namespace.to_string());
    let epoch = holder.owned();
    let other = connect(&EtcdConfig::new(endpoints()).namespace(namespace)).await;
    holder.child.kill().unwrap();
    let lease = soon("another takes over", other.claim(held())).await.unwrap();
    assert!(epoch_of(&lease) > epoch);
}

/// A runtime that is stuck owns nothing for long, although the thread that renews the lease goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_runtime_loses_its_roles() {
    let config = fresh().lease_time(Duration::from_secs(LEASE_SECONDS));
    let (owned, first_epoch) = tokio::sync::oneshot::channel();
    let (go_on, stuck) = std::sync::mpsc::channel::<()>();
    let of_thread = config.clone();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let scheduler = connect(&of_thread).await;
            let lease = scheduler.claim(role(1)).await.unwrap();
            owned.send(epoch_of(&lease)).unwrap();
            stuck.recv().unwrap();
            assert!(lease.lost.is_cancelled(), "it was told of its loss");
            drop(lease);
            // The session comes back once the runtime answers.
            let again = soon("it owns a role again", scheduler.claim(role(2))).await.unwrap();
            assert!(!again.lost.is_cancelled());
        });
    });
    let first_epoch = first_epoch.await.unwrap();
    let other = connect(&config).await;
    let lease = soon("another takes over", other.claim(role(1))).await.unwrap();
    assert!(epoch_of(&lease) > first_epoch);
    go_on.send(()).unwrap();
    tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
}
