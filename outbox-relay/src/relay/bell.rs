//! The doorbell: whoever stored rows sends a datagram, and the table is read at once.
//!
//! A datagram carries a random token, which stands beside the address in the database: without it, it is dropped. A ring
//! that is lost costs one poll interval.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// The doorbell cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("the doorbell cannot listen on {address}")]
pub struct BellError {
    address: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// Where a relay is rung. Each clone hears every ring.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// use outbox_relay::Bell;
/// let bell = Bell::listen("127.0.0.1:0".parse()?, None).await?;
/// let (address, token) = bell.address().and_then(|text| text.split_once(' ')).unwrap();
/// let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await?;
/// socket.send_to(token.as_bytes(), address).await?;
/// bell.rung().await;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Bell {
    ear: Arc<Notify>,
    tower: Arc<Tower>,
}

#[derive(Default)]
struct Tower {
    ears: Mutex<Vec<std::sync::Weak<Notify>>>,
    address: Option<String>,
    _listening: Option<DropGuard>,
}

impl Bell {
    /// A doorbell that nobody can ring.
    pub fn silent() -> Self {
        Self::of(Arc::default())
    }

    /// Listens on an address; `advertised` is what others reach it by, if that is another one. A port of 0 is a free one.
    ///
    /// # Errors
    /// [`BellError`] if the address is taken or is not one of this host.
    pub async fn listen(address: SocketAddr, advertised: Option<IpAddr>) -> Result<Self, BellError> {
        let failed = |source| BellError { address, source };
        let socket = UdpSocket::bind(address).await.map_err(failed)?;
        let mut place = socket.local_addr().map_err(failed)?;
        if let Some(ip) = advertised {
            place.set_ip(ip);
        }
        let token = Uuid::new_v4().simple().to_string();
        let end = CancellationToken::new();
        let tower = Arc::new(Tower {
            ears: Mutex::default(),
            address: Some(format!("{place} {token}")),
            _listening: Some(end.clone().drop_guard()),
        });
        tokio::spawn(hear(socket, token, Arc::downgrade(&tower), end));
        Ok(Self::of(tower))
    }

    /// What is announced in the database: the address and the token.
    pub fn address(&self) -> Option<&str> {
        self.tower.address.as_deref()
    }

    /// Waits for a ring; one that came since the last wait counts.
    pub async fn rung(&self) {
        self.ear.notified().await;
    }

    fn of(tower: Arc<Tower>) -> Self {
        let ear = Arc::new(Notify::new());
        let mut ears = tower.ears.lock().unwrap_or_else(PoisonError::into_inner);
        ears.retain(|ear| ear.strong_count() > 0);
        ears.push(Arc::downgrade(&ear));
        drop(ears);
        Self { ear, tower }
    }
}

impl Clone for Bell {
    fn clone(&self) -> Self {
        Self::of(Arc::clone(&self.tower))
    }
}

async fn hear(socket: UdpSocket, token: String, tower: std::sync::Weak<Tower>, end: CancellationToken) {
    let mut datagram = [0; 64];
    loop {
        let heard = tokio::select! {
            heard = socket.recv_from(&mut datagram) => heard,
            () = end.cancelled() => return,
        };
        // An error is that of a datagram, as one that was sent to nobody.
        let Ok((length, _)) = heard else { continue };
        if datagram[..length] != *token.as_bytes() {
            continue;
        }
        let Some(tower) = tower.upgrade() else { return };
        let ears = tower.ears.lock().unwrap_or_else(PoisonError::into_inner);
        ears.iter().filter_map(std::sync::Weak::upgrade).for_each(|ear| ear.notify_one());
    }
}
