//! What stands between a broker and its clients, and can swallow what the broker says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A proxy to a broker that may not be up yet.
pub(crate) struct Proxy {
    listener: Option<TcpListener>,
    port: u16,
    /// Connections with a lower number than this are dumb.
    dumb_below: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
    end: CancellationToken,
    _ends: DropGuard,
}

impl Proxy {
    /// Takes a port; nothing is passed on before [`to`](Self::to).
    pub(crate) async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, end) = (listener.local_addr().unwrap().port(), CancellationToken::new());
        let _ends = end.clone().drop_guard();
        let (dumb_below, connections) = Default::default();
        Self { listener: Some(listener), port, dumb_below, connections, end, _ends }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Passes on to this address from now on.
    pub(crate) fn to(&mut self, broker: String) {
        let listener = self.listener.take().unwrap();
        let (dumb_below, connections) = (Arc::clone(&self.dumb_below), Arc::clone(&self.connections));
        tokio::spawn(self.end.clone().run_until_cancelled_owned(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let number = connections.fetch_add(1, Ordering::AcqRel);
                // A broker that is not up refuses the client by closing the connection.
                let Ok(server) = TcpStream::connect(&broker).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(pass_on(from_client, to_server, Arc::default(), u64::MAX));
                tokio::spawn(pass_on(from_server, to_client, Arc::clone(&dumb_below), number));
            }
        }));
    }

    /// From now on, nothing of what the broker says on the present connections arrives, and they stay open. Later ones are
    /// not concerned.
    pub(crate) fn strike_dumb(&self) {
        let so_far = self.connections.load(Ordering::Acquire);
        self.dumb_below.store(so_far, Ordering::Release);
    }
}

async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, dumb_below: Arc<AtomicU64>, number: u64) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let is_dumb = number < dumb_below.load(Ordering::Acquire);
        if !is_dumb && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
