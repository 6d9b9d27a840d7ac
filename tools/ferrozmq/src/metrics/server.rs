//! The HTTP server: one request for each connection, a bounded number of connections, and a time by which each must be done.

use super::request::{self, Head, Refusal, Wanted};
use crate::failure::{self, Failure};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const MAX_CONNECTIONS: usize = 16;
const MAX_HEAD_BYTES: usize = 8 << 10;
/// From accepting a connection to the last byte of its answer.
const MAX_CONNECTION_TIME: Duration = Duration::from_secs(10);
/// After a failed accept: without a pause, a lack of descriptors would keep the thread busy.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a request is answered with.
pub struct Answer {
    pub content_type: &'static str,
    pub body: String,
}

/// Serves for ever. `answer` makes what is wanted, or says in a line why it cannot.
pub fn serve<A>(listener: &TcpListener, answer: A) -> !
where
    A: Fn(Wanted) -> Result<Answer, Failure> + Send + Sync + 'static,
{
    let answer = Arc::new(answer);
    // Raised by the accepting thread and lowered by the thread of a connection. It orders nothing.
    let connections = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(ACCEPT_PAUSE);
            continue;
        };
        let deadline = Instant::now() + MAX_CONNECTION_TIME;
        if connections.load(Ordering::Relaxed) >= MAX_CONNECTIONS {
            // The buffer of a new connection takes these few bytes without waiting.
            let _ =
                stream.set_nonblocking(true).and_then(|()| refuse(&stream, Refusal::Busy, true, deadline));
            continue;
        }
        connections.fetch_add(1, Ordering::Relaxed);
        let (shared, answer) = (connections.clone(), answer.clone());
        let work = move || {
            // A client that has gone is told nothing.
            let _ = converse(&stream, deadline, &*answer);
            shared.fetch_sub(1, Ordering::Relaxed);
        };
        if thread::Builder::new().name("connection".to_owned()).spawn(work).is_err() {
            connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn converse(
    stream: &TcpStream,
    deadline: Instant,
    answer: &dyn Fn(Wanted) -> Result<Answer, Failure>,
) -> io::Result<()> {
    let (wanted, has_body) = head(stream, deadline)?;
    let wanted = match wanted {
        Ok(wanted) => wanted,
        Err(why) => return refuse(stream, why, has_body, deadline),
    };
    let (status, answer) = match answer(wanted) {
        Ok(answer) => ("200 OK", answer),
        Err(failure) => {
            let body = format!("{}\n", failure.line());
            ("500 Internal Server Error", Answer { content_type: "text/plain; charset=utf-8", body })
        }
    };
    send(stream, status, &answer, has_body, deadline)
}

/// Reads until the head of the request is whole, is refused, or has taken too long.
fn head(mut stream: &TcpStream, deadline: Instant) -> io::Result<(Result<Wanted, Refusal>, bool)> {
    let mut bytes = Vec::new();
    let mut piece = [0; 1024];
    loop {
        if let Head::Whole { wanted, has_body } = request::parse(&bytes) {
            return Ok((wanted, has_body));
        }
        if bytes.len() >= MAX_HEAD_BYTES {
            return Ok((Err(Refusal::TooLarge), !request::is_head(&bytes)));
        }
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut piece) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => bytes.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn refuse(stream: &TcpStream, why: Refusal, has_body: bool, deadline: Instant) -> io::Result<()> {
    let body = format!("{}\n", why.status());
    send(
        stream,
        why.status(),
        &Answer { content_type: "text/plain; charset=utf-8", body },
        has_body,
        deadline,
    )
}

fn send(
    stream: &TcpStream,
    status: &str,
    answer: &Answer,
    has_body: bool,
    deadline: Instant,
) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Allow: GET, HEAD\r\nConnection: close\r\n\r\n",
        answer.content_type,
        answer.body.len()
    );
    write_all(stream, head.as_bytes(), deadline)?;
    if has_body {
        write_all(stream, answer.body.as_bytes(), deadline)?;
    }
    stream.shutdown(Shutdown::Write)
}

fn write_all(mut stream: &TcpStream, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(deadline)?))?;
        match stream.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Listens on an address such as `127.0.0.1:9464`.
pub fn listen(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|error| {
        Failure::new(format!("--listen {address}: {}; write ADDRESS:PORT", failure::plain(&error)))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::SocketAddr;

    fn served() -> SocketAddr {
        let listener = listen("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            serve(&listener, |wanted| match wanted {
                Wanted::QzmqStatus => Err(Failure::new("no status")),
                _ => Ok(Answer { content_type: "text/plain", body: "b".repeat(1 << 20) }),
            })
        });
        address
    }

    fn ask(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        // A server that refuses early may have closed already.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[test]
    fn requests_are_answered() {
        let address = served();
        let answer = ask(address, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.len() > 1 << 20);
        let answer = ask(address, b"HEAD /metrics HTTP/1.1\r\n\r\n");
        assert!(answer.contains("Content-Length: 1048576\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
        assert!(ask(address, b"GET /a HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(ask(address, b"GET /qzmq/status HTTP/1.1\r\n\r\n").ends_with("no status\n"));
        let long = [b"HEAD /".to_vec(), vec![b'a'; MAX_HEAD_BYTES - 6]].concat();
        for refused in [&b"HEAD /a HTTP/1.1\r\n\r\n"[..], b"HEAD / a b\r\n\r\n", &long] {
            let answer = ask(address, refused);
            assert!(answer.starts_with("HTTP/1.1 4") && answer.ends_with("\r\n\r\n"), "{answer}");
        }
        let long = [b"GET /".to_vec(), vec![b'a'; MAX_HEAD_BYTES - 5]].concat();
        assert!(ask(address, &long).starts_with("HTTP/1.1 431"));
    }

    #[test]
    fn too_many_connections_are_refused_and_those_that_end_make_room() {
        let address = served();
        let mut silent: Vec<TcpStream> =
            (0..MAX_CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert!(ask(address, b"GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 503"));
        let mut first = silent.remove(0);
        first.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        first.read_to_end(&mut answer).unwrap();
        // The thread lowers the number after the last byte.
        let mut refused = 0;
        while ask(address, b"GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 503") {
            refused += 1;
            assert!(refused < 10_000);
        }
    }
}
