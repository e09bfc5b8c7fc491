//! A made-up stream of events, as a source for a connector.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;
use workflow::adapter::{Backend, BackendError, BoxFuture, ConnectorEvent};
use workflow::{ConnectorReceiver, ConnectorSource, GroupName, Shard};

/// Payments in the order in which they were made, and how far each group of readers has got.
#[derive(Clone)]
pub(crate) struct Bank {
    payments: Arc<[ConnectorEvent]>,
    places: watch::Sender<HashMap<GroupName, usize>>,
}

impl Bank {
    /// A bank that reports these payments: id, payer, amount.
    pub(crate) fn reporting<const N: usize>(payments: [(&str, &str, &str); N]) -> Self {
        let event = |(id, payer, amount): (&str, &str, &str)| ConnectorEvent {
            id: id.to_owned(),
            key: payer.to_owned(),
            kind: "payment".to_owned(),
            data: amount.to_owned().into(),
            ..ConnectorEvent::default()
        };
        Self { payments: payments.map(event).into(), places: watch::Sender::default() }
    }

    /// Waits until a group has dealt with so many payments.
    pub(crate) async fn settled(&self, count: usize) {
        let mut places = self.places.subscribe();
        let done = places.wait_for(|places| places.values().any(|place| *place >= count)).await;
        done.expect("this bank keeps the sender");
    }
}

impl ConnectorSource for Bank {
    /// A group goes on where it left off: what it was given and did not settle, it is given again.
    fn open<'a>(
        &'a self,
        _: &'a Backend,
        group: &'a GroupName,
        _: Shard,
    ) -> BoxFuture<'a, Result<Box<dyn ConnectorReceiver>, BackendError>> {
        let given = self.places.borrow().get(group).copied().unwrap_or_default();
        let counter = Counter { bank: self.clone(), group: group.clone(), given };
        Box::pin(async { Ok(Box::new(counter) as Box<dyn ConnectorReceiver>) })
    }
}

/// One reader of the bank's payments. A source with shards would give each reader the keys of its own.
struct Counter {
    bank: Bank,
    group: GroupName,
    given: usize,
}

impl ConnectorReceiver for Counter {
    fn next_batch<'a>(&'a mut self, max: usize) -> BoxFuture<'a, Result<Vec<ConnectorEvent>, BackendError>> {
        Box::pin(async move {
            let payments = &self.bank.payments[self.given..];
            if payments.is_empty() {
                // A real source waits for its next event here.
                return std::future::pending().await;
            }
            let batch: Vec<ConnectorEvent> = payments.iter().take(max).cloned().collect();
            self.given += batch.len();
            Ok(batch)
        })
    }

    fn settle<'a>(&'a mut self) -> BoxFuture<'a, Result<(), BackendError>> {
        let (group, given) = (self.group.clone(), self.given);
        Box::pin(async move {
            self.bank.places.send_modify(|places| {
                places.insert(group, given);
            });
            Ok(())
        })
    }
}
