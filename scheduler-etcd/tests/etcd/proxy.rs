//! A proxy before etcd that loses answers: what was asked is done, and nobody hears of it.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of what etcd answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answers {
    Pass,
    Vanish,
    /// The connections end.
    Cut,
}

/// The proxy; it ends with the test's runtime.
pub(crate) struct Proxy {
    address: SocketAddr,
    answers: watch::Sender<Answers>,
}

impl Proxy {
    /// A proxy before an endpoint.
    pub(crate) async fn before(endpoint: &str) -> Self {
        let server = endpoint.rsplit_once('/').unwrap().1.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (answers, _) = watch::channel(Answers::Pass);
        let shared = answers.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                // A connection that ends in an error has ended, which is what it is for.
                tokio::spawn(pass(client, server, shared.subscribe()));
            }
        });
        Self { address, answers }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on no answer comes through.
    pub(crate) fn lose_answers(&self) {
        self.answers.send_replace(Answers::Vanish);
    }

    /// Ends all connections; new ones are as good as before.
    pub(crate) fn cut(&self) {
        self.answers.send_replace(Answers::Cut);
        self.answers.send_replace(Answers::Pass);
    }
}

async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    mut answers: watch::Receiver<Answers>,
) -> std::io::Result<()> {
    let (mut from_client, mut from_server) = (vec![0; 65536], vec![0; 65536]);
    let mut vanish = *answers.borrow_and_update() == Answers::Vanish;
    loop {
        tokio::select! {
            biased;
            // Whoever has lost an answer never hears of this server again by the same connection.
            changed = answers.changed() => match (changed.is_ok(), *answers.borrow_and_update(), vanish) {
                (true, Answers::Vanish, _) => vanish = true,
                _ => return Ok(()),
            },
            read = client.read(&mut from_client) => match read? {
                0 => return Ok(()),
                count => server.write_all(&from_client[..count]).await?,
            },
            read = server.read(&mut from_server) => match read? {
                0 => return Ok(()),
                count if !vanish => client.write_all(&from_server[..count]).await?,
                _ => {}
            },
        }
    }
}
