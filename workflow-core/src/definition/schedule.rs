//! When runs are started by themselves.

use std::sync::Arc;

use super::CronSpec;

/// A schedule: the business key and slots of its runs, and the object that each starts with.
pub struct Schedule<T, S> {
    pub(crate) foreign_id: String,
    pub(crate) spec: CronSpec,
    pub(crate) start: Option<S>,
    pub(crate) object: Arc<dyn Fn() -> T + Send + Sync>,
    pub(crate) filter: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl<T, S> Schedule<T, S> {
    pub(crate) fn into_part(self) -> Result<super::SchedulePart<T, S>, crate::Error> {
        let Self { foreign_id, spec, start, object, filter } = self;
        Ok(super::SchedulePart {
            foreign_id: crate::ForeignId::new(foreign_id)?,
            spec,
            start,
            object,
            filter,
        })
    }
}
