//! Messages on a topic that are not events.

use std::sync::Arc;

use super::Stretch;
use super::judging::ERROR_BACK_OFF;
use crate::RunId;
use crate::adapter::{Change, Effect, Expect, Unreadable};
use crate::engine::failure::unreadable_letter;

impl Stretch<'_> {
    /// Sets a message aside that is not an event; it is settled once that is stored, and the partition goes on meanwhile.
    pub(super) fn park_unreadable(&mut self, message: Unreadable) {
        let position = message.position;
        let letter = unreadable_letter(self.workflow, self.process, message);
        self.totals.dead_letter();
        tracing::warn!(process = %self.process, reason = %letter.reason, "message is set aside");
        let (hub, process) = (Arc::clone(self.hub), Arc::clone(self.process));
        self.parking.spawn(async move {
            loop {
                let mut change = Change::new(RunId::from_uuid(uuid::Uuid::nil()), Expect::Nothing);
                change.effects.push(Effect::PutDeadLetter(letter.clone()));
                match hub.commits.commit_one(change).await {
                    Ok(_) => return position,
                    Err(error) => {
                        let error = crate::engine::with_causes(&error);
                        tracing::warn!(%process, error = %error, "message could not be set aside yet");
                        hub.clock.sleep(ERROR_BACK_OFF).await;
                    }
                }
            }
        });
    }
}
