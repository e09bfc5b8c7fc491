//! A source for connectors.

use workflow_core::adapter::{Backend, BackendError, BoxFuture, ConnectorEvent};
use workflow_core::{ConnectorReceiver, ConnectorSource, GroupName, Headers, Shard};

/// A source that gives the same few texts to everybody who opens it.
pub struct Feed(pub &'static [&'static str]);

struct OpenFeed(Vec<ConnectorEvent>);

impl ConnectorSource for Feed {
    fn open<'a>(
        &'a self,
        _: &'a Backend,
        _: &'a GroupName,
        _: Shard,
    ) -> BoxFuture<'a, Result<Box<dyn ConnectorReceiver>, BackendError>> {
        let event = |(at, text): (usize, &&'static str)| ConnectorEvent {
            id: at.to_string(),
            key: (*text).to_owned(),
            kind: "letter".to_owned(),
            data: text.as_bytes().into(),
            headers: Headers::new(),
        };
        let open = OpenFeed(self.0.iter().enumerate().map(event).collect());
        Box::pin(async { Ok(Box::new(open) as Box<dyn ConnectorReceiver>) })
    }
}

impl ConnectorReceiver for OpenFeed {
    fn next_batch<'a>(&'a mut self, _: usize) -> BoxFuture<'a, Result<Vec<ConnectorEvent>, BackendError>> {
        Box::pin(async {
            if self.0.is_empty() {
                std::future::pending::<()>().await;
            }
            Ok(std::mem::take(&mut self.0))
        })
    }

    fn settle<'a>(&'a mut self) -> BoxFuture<'a, Result<(), BackendError>> {
        Box::pin(async { Ok(()) })
    }
}
