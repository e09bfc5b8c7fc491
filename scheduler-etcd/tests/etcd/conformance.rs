//! The suite of the contract, with two instances on one etcd.

use std::sync::Arc;
use std::time::Duration;

use scheduler_etcd::{EtcdConfig, EtcdScheduler};
use workflow_conformance::scheduler::SchedulerFixture;

use crate::support::{connect, fresh};

struct Roles {
    config: EtcdConfig,
    first: Arc<EtcdScheduler>,
}

impl SchedulerFixture for Roles {
    type Scheduler = EtcdScheduler;

    async fn fresh() -> Self {
        // The suite is about who owns a role; that it moves to another while it is held is for other tests.
        let config = fresh().hold_min(Duration::from_secs(600));
        Self { first: Arc::new(connect(&config).await), config }
    }

    fn scheduler(&self) -> Arc<EtcdScheduler> {
        Arc::clone(&self.first)
    }

    async fn second(&self) -> Arc<EtcdScheduler> {
        Arc::new(connect(&self.config).await)
    }
}

workflow_conformance::scheduler_suite!(Roles);
