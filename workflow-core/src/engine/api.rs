//! The engine behind a connector's [`Api`].

use std::sync::Arc;

use bytes::Bytes;

use super::callback::Call;
use super::core::{Core, Object};
use super::trigger::NewRun;
use crate::adapter::BoxFuture;
use crate::definition::{Api, ApiCalls, CallbackOutcome};
use crate::{Error, ForeignId, RunId, StartKey, Status};

/// What a connector's function gets.
pub(crate) fn api_of<T: Object, S: Status>(core: &Arc<Core<T, S>>) -> Api<T, S> {
    Api(Arc::new(Calls(Arc::clone(core))))
}

struct Calls<T, S>(Arc<Core<T, S>>);

impl<T: Object, S: Status> ApiCalls<T, S> for Calls<T, S> {
    fn trigger<'a>(
        &'a self,
        foreign_id: &'a str,
        object: T,
        key: Option<&'a str>,
    ) -> BoxFuture<'a, Result<RunId, Error>> {
        Box::pin(async move {
            self.0
                .trigger(NewRun {
                    run_id: crate::RunId::generate(),
                    foreign_id: ForeignId::new(foreign_id)?,
                    object,
                    start: self.0.definition.start,
                    key: key.map(StartKey::new).transpose()?,
                    origin: "connector".into(),
                })
                .await
        })
    }

    fn callback<'a>(
        &'a self,
        status: S,
        foreign_id: &'a str,
        payload: Bytes,
        key: Option<&'a str>,
    ) -> BoxFuture<'a, Result<CallbackOutcome, Error>> {
        Box::pin(async move {
            let foreign_id = ForeignId::new(foreign_id)?;
            self.0
                .callback(Call { status: status.code(), foreign_id, payload, key: key.map(Arc::from) })
                .await
        })
    }

    fn cancel<'a>(&'a self, run_id: RunId, reason: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.0.cancel(run_id, reason))
    }
}
