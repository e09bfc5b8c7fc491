//! Rings the relays after rows were stored, so that they need not poll.
//!
//! Where they are rung stands in the table of roles. It is read when it is needed, by a task of its own, so that no commit
//! waits for it; what is sent are datagrams, which nobody waits for either.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};
use workflow_core::adapter::{Change, Clock, RelayStore, SystemClock};

/// How soon a relay is rung again at the earliest: what is stored in between is read with the next ring.
const RING_EVERY: Duration = Duration::from_millis(1);

/// How long what was read of the table is believed. A relay that has moved is found by then; until then it polls.
const BELIEVED_FOR: Duration = Duration::from_secs(2);

/// How many relays are rung at most.
const DOORBELLS_MAX: usize = 256;

/// Rings until it is dropped.
pub(crate) struct Ringer {
    wanted: Arc<Notify>,
    _end: DropGuard,
}

impl Ringer {
    /// Rings for a store, as long as `store` still gives it.
    pub(crate) fn start<S: RelayStore>(store: impl Fn() -> Option<S> + Send + Sync + 'static) -> Self {
        let (wanted, end) = (Arc::new(Notify::new()), CancellationToken::new());
        let (heard, ended) = (Arc::clone(&wanted), end.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = ring_for_ever(store, heard) => {}
                () = ended.cancelled() => {}
            }
        });
        Self { wanted, _end: end.drop_guard() }
    }

    pub(crate) fn ring(&self) {
        self.wanted.notify_one();
    }
}

/// Whether changes, once they are stored, leave something for a relay.
pub(crate) fn rings(changes: &[Change]) -> bool {
    changes.iter().any(|change| change.outbox.is_some())
}

async fn ring_for_ever<S: RelayStore>(store: impl Fn() -> Option<S>, wanted: Arc<Notify>) {
    let clock = SystemClock::new();
    let mut sockets: [Option<UdpSocket>; 2] = [None, None];
    let mut doorbells: Vec<(SocketAddr, String)> = Vec::new();
    let mut read_at = None;
    loop {
        wanted.notified().await;
        if read_at.is_none_or(|at| clock.elapsed() - at > BELIEVED_FOR) {
            let Some(store) = store() else { return };
            match store.doorbells().await {
                Ok(found) => {
                    doorbells = found.iter().filter_map(|text| parse(text)).take(DOORBELLS_MAX).collect()
                }
                Err(error) => tracing::debug!(error = %error, "the relays' doorbells cannot be read"),
            }
            read_at = Some(clock.elapsed());
        }
        for (address, token) in &doorbells {
            let socket = &mut sockets[usize::from(address.is_ipv6())];
            if socket.is_none() {
                let any = if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
                *socket = UdpSocket::bind(any).await.ok();
            }
            if let Some(socket) = socket {
                // A ring that is lost costs one poll interval.
                let _ = socket.send_to(token.as_bytes(), address).await;
            }
        }
        clock.sleep(RING_EVERY).await;
    }
}

/// The address and the token of a doorbell.
fn parse(text: &str) -> Option<(SocketAddr, String)> {
    let (address, token) = text.split_once(' ')?;
    Some((address.parse().ok()?, token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doorbell_is_an_address_and_a_token() {
        assert_eq!(
            parse("127.0.0.1:7 abc"),
            Some(("127.0.0.1:7".parse().expect("an address"), "abc".to_owned()))
        );
        assert!(parse("127.0.0.1:7").is_none() && parse("somewhere abc").is_none());
    }
}
