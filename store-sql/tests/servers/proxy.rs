//! A proxy between the store and its server that cuts a connection exactly at a commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// When the next commit's connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Not at all.
    Never = 0,
    /// Before the server sees the commit.
    Request = 1,
    /// After the server has made the commit, before the store sees its answer.
    Answer = 2,
}

/// The proxy; it ends with the test's runtime.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    cut: Arc<AtomicU8>,
}

impl Proxy {
    pub(crate) async fn before(host: String, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let own_port = listener.local_addr().unwrap().port();
        let cut = Arc::new(AtomicU8::new(Cut::Never as u8));
        let shared = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((host.as_str(), port)).await.unwrap();
                let cut = Arc::clone(&shared);
                // A connection that ends in an error has ended, which is what it is for.
                tokio::spawn(async move { pass(client, server, cut).await.ok() });
            }
        });
        Self { port: own_port, cut }
    }

    /// Cuts the connection of the next commit, once.
    pub(crate) fn arm(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::SeqCst);
    }

    /// Whether the connection that was to be cut has been cut.
    pub(crate) fn has_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst) == Cut::Never as u8
    }
}

/// PostgreSQL's text ends with a zero, MariaDB's begins with the number of its command.
fn is_commit(bytes: &[u8]) -> bool {
    bytes.windows(7).any(|part| part == b"commit\0" || part == b"\x03commit")
}

async fn pass(mut client: TcpStream, mut server: TcpStream, cut: Arc<AtomicU8>) -> std::io::Result<()> {
    let (mut from_client, mut from_server) = (vec![0; 65536], vec![0; 65536]);
    let mut cutting = false;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let bytes = &from_client[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                if is_commit(bytes) {
                    match cut.load(Ordering::SeqCst) {
                        1 => {
                            cut.store(Cut::Never as u8, Ordering::SeqCst);
                            return Ok(());
                        }
                        2 => cutting = true,
                        _ => {}
                    }
                }
                server.write_all(bytes).await?;
            }
            read = server.read(&mut from_server) => {
                let bytes = &from_server[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                if cutting {
                    cut.store(Cut::Never as u8, Ordering::SeqCst);
                    return Ok(());
                }
                client.write_all(bytes).await?;
            }
        }
    }
}
