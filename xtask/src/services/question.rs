//! A short question to a server over TCP, for those that have no small client program.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long one question may take; it is asked again until the start's own limit.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// The most that is read of an answer: none of ours is longer.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What a server on loopback says to a request: `enough` bytes, or all until it closes; `None` if it does not answer.
pub(super) fn ask(port: u16, request: &[u8], enough: usize) -> Option<Vec<u8>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_MAX).ok()?;
    stream.set_read_timeout(Some(ANSWER_MAX)).ok()?;
    stream.set_write_timeout(Some(ANSWER_MAX)).ok()?;
    stream.write_all(request).ok()?;
    let mut said = Vec::new();
    let limit = u64::try_from(enough).unwrap_or(u64::MAX).min(ANSWER_BYTES_MAX);
    stream.take(limit).read_to_end(&mut said).ok()?;
    (!said.is_empty()).then_some(said)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn an_answer_is_read_and_silence_is_none() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            for answer in [b"yes".as_slice(), b""] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = [0; 4];
                stream.read_exact(&mut asked).unwrap();
                stream.write_all(answer).unwrap();
            }
        });
        assert_eq!(ask(port, b"well", usize::MAX).as_deref(), Some(b"yes".as_slice()));
        assert_eq!(ask(port, b"well", usize::MAX), None);
        server.join().unwrap();
        assert_eq!(ask(port, b"well", usize::MAX), None, "nobody listens");
    }
}
