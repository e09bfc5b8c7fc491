//! Roles spread over the instances that want them.

use std::time::Duration;

use workflow_core::adapter::RoleScheduler;

use crate::support::{Onlooker, Worker, connect, epoch_of, eventually, fresh, role, soon};

const ROLES: i32 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_spread_over_instances_that_come_and_go() {
    let config = fresh();
    let looking = Onlooker::new(&config).await;
    let first = Worker::start(&config, (1..=ROLES).map(role)).await;
    eventually("the only instance has all", async || looking.shares([&first]).await == [40]).await;
    let second = Worker::start(&config, (1..=ROLES).map(role)).await;
    eventually("two share", async || {
        let [one, two] = looking.shares([&first, &second]).await;
        one + two == 40 && one >= 10 && two >= 10
    })
    .await;
    let third = Worker::start(&config, (1..=ROLES).map(role)).await;
    eventually("three share", async || {
        let shares = looking.shares([&first, &second, &third]).await;
        shares.iter().sum::<usize>() == 40 && shares.iter().all(|share| *share >= 5)
    })
    .await;
    let (of_first, of_second) =
        (first.scheduler.instance().to_owned(), second.scheduler.instance().to_owned());
    third.stop().await;
    second.stop().await;
    eventually("the one that stays has all", async || looking.shares([&first]).await == [40]).await;
    assert_ne!(of_first, of_second);
    let epochs: Vec<_> = looking.roles().await.into_iter().map(|owned| owned.epoch).collect();
    assert!(epochs.iter().all(|epoch| epoch.get() > 0));
    first.stop().await;
    eventually("nobody has anything", async || looking.roles().await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_is_given_only_what_it_wants() {
    let config = fresh();
    let looking = Onlooker::new(&config).await;
    let one = Worker::start(&config, (1..=20).map(role)).await;
    let other = Worker::start(&config, (11..=30).map(role)).await;
    eventually("each role has an owner that wants it", async || {
        let roles = looking.roles().await;
        let owned_by = |number: i32, worker: &Worker| {
            let name = role(number).role;
            roles.iter().any(|owned| owned.role == name && owned.instance == worker.scheduler.instance())
        };
        roles.len() == 30
            && (1..=10).all(|number| owned_by(number, &one))
            && (21..=30).all(|number| owned_by(number, &other))
    })
    .await;
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_moves_stays_until_its_lease_is_dropped() {
    let config = fresh();
    let (one, other) = (connect(&config).await, connect(&config).await);
    let mut moved = None;
    // Of several roles some are to be the other's.
    let mut leases = Vec::new();
    for number in 1..=12 {
        leases.push((number, one.claim(role(number)).await.unwrap()));
    }
    let waiting: Vec<_> = (1..=12)
        .map(|number| {
            let other = other.clone();
            (number, tokio::spawn(async move { other.claim(role(number)).await.unwrap() }))
        })
        .collect();
    eventually("a role is to move", async || {
        moved = leases.iter().position(|(_, lease)| lease.lost.is_cancelled());
        moved.is_some()
    })
    .await;
    let (number, lease) = leases.swap_remove(moved.unwrap());
    let (_, waiter) = waiting.into_iter().find(|(waits_for, _)| *waits_for == number).unwrap();
    let looking = Onlooker::new(&config).await;
    let owner = looking.roles().await.into_iter().find(|owned| owned.role == role(number).role).unwrap();
    assert_eq!(owner.instance, one.instance());
    assert!(!waiter.is_finished(), "the first owner has not ended");
    let epoch = epoch_of(&lease);
    drop(lease);
    let next = soon("the other has the role", waiter).await.unwrap();
    assert!(epoch_of(&next) > epoch && !next.lost.is_cancelled());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_moves_in_the_end_although_its_process_does_not_end() {
    let config = fresh().hand_over_timeout(Duration::from_millis(100));
    let (one, other) = (connect(&config).await, connect(&config).await);
    let mut leases = Vec::new();
    for number in 1..=12 {
        leases.push(one.claim(role(number)).await.unwrap());
    }
    let claims = (1..=12).map(|number| {
        let other = other.clone();
        Box::pin(async move { other.claim(role(number)).await.unwrap() })
    });
    let (lease, ..) = soon("one moves", futures_util::future::select_all(claims)).await;
    assert!(leases.iter().any(|held| held.lost.is_cancelled() && epoch_of(held) < epoch_of(&lease)));
}
