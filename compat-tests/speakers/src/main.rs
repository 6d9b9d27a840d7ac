//! `speakers CRATE TYPE ENDPOINT COUNT` connects a socket of an independent implementation and lets it talk: what it
//! receives it prints, a line for each message, frames parted by `|`.

use std::error::Error;
use std::time::Duration;

type Frames = Vec<Vec<u8>>;
type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, implementation, kind, endpoint, count] = &arguments[..] else {
        return Err("speakers CRATE TYPE ENDPOINT COUNT".into());
    };
    let mut speaker = match implementation.as_str() {
        "zeromq" => Speaker::zeromq(kind, endpoint).await?,
        "rzmq" => Speaker::rzmq(kind, endpoint).await?,
        _ => return Err("no such crate".into()),
    };
    talk(&mut speaker, kind, count.parse()?).await?;
    // What was sent must get out before the process ends, which neither crate waits for.
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(())
}

async fn talk(speaker: &mut Speaker, kind: &str, count: usize) -> Outcome<()> {
    for number in 0..count {
        let body = format!("{} {number}", "x".repeat(number * 7)).into_bytes();
        match kind {
            "PUSH" => speaker.send(vec![body]).await?,
            "PULL" | "SUB" => show(&speaker.recv().await?),
            // Until the subscription has arrived, nobody hears any of this.
            "PUB" => {
                speaker.send(vec![b"topic".to_vec()]).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            "REQ" | "DEALER" => {
                speaker.send(vec![body]).await?;
                show(&speaker.recv().await?);
            }
            "REP" | "ROUTER" => {
                let message = speaker.recv().await?;
                // A ROUTER's first frame names the peer, by chance.
                show(&message[usize::from(kind == "ROUTER")..]);
                speaker.send(message).await?;
            }
            _ => return Err("no such type".into()),
        }
    }
    Ok(())
}

fn show(frames: &[Vec<u8>]) {
    let texts: Vec<_> = frames.iter().map(|frame| String::from_utf8_lossy(frame)).collect();
    println!("{}", texts.join("|"));
}

enum Speaker {
    Push(zeromq::PushSocket),
    Pull(zeromq::PullSocket),
    Pub(zeromq::PubSocket),
    Sub(zeromq::SubSocket),
    Req(zeromq::ReqSocket),
    Rep(zeromq::RepSocket),
    Dealer(zeromq::DealerSocket),
    Router(zeromq::RouterSocket),
    // The context is kept: the socket ends with it.
    Rzmq { socket: rzmq::Socket, _context: rzmq::Context },
}

impl Speaker {
    async fn zeromq(kind: &str, endpoint: &str) -> Outcome<Speaker> {
        async fn connected<S: zeromq::Socket>(endpoint: &str) -> Outcome<S> {
            let mut socket = S::new();
            socket.connect(endpoint).await?;
            Ok(socket)
        }
        Ok(match kind {
            "PUSH" => Speaker::Push(connected(endpoint).await?),
            "PULL" => Speaker::Pull(connected(endpoint).await?),
            "PUB" => Speaker::Pub(connected(endpoint).await?),
            "SUB" => {
                let mut socket: zeromq::SubSocket = connected(endpoint).await?;
                socket.subscribe("").await?;
                Speaker::Sub(socket)
            }
            "REQ" => Speaker::Req(connected(endpoint).await?),
            "REP" => Speaker::Rep(connected(endpoint).await?),
            "DEALER" => Speaker::Dealer(connected(endpoint).await?),
            "ROUTER" => Speaker::Router(connected(endpoint).await?),
            _ => return Err("no such type".into()),
        })
    }

    async fn rzmq(kind: &str, endpoint: &str) -> Outcome<Speaker> {
        use rzmq::SocketType;
        let context = rzmq::Context::new()?;
        let socket = context.socket(match kind {
            "PUSH" => SocketType::Push,
            "PULL" => SocketType::Pull,
            "PUB" => SocketType::Pub,
            "SUB" => SocketType::Sub,
            "REQ" => SocketType::Req,
            "REP" => SocketType::Rep,
            "DEALER" => SocketType::Dealer,
            "ROUTER" => SocketType::Router,
            _ => return Err("no such type".into()),
        })?;
        if kind == "SUB" {
            socket.set_option_raw(rzmq::socket::options::SUBSCRIBE, b"").await?;
        }
        socket.connect(endpoint).await?;
        Ok(Speaker::Rzmq { socket, _context: context })
    }

    async fn send(&mut self, frames: Frames) -> Outcome<()> {
        use zeromq::SocketSend;
        if let Speaker::Rzmq { socket, .. } = self {
            if let [only] = &frames[..] {
                return Ok(socket.send(rzmq::Msg::from_vec(only.clone())).await?);
            }
            return Ok(socket.send_multipart(frames.into_iter().map(rzmq::Msg::from_vec).collect()).await?);
        }
        let message = zeromq_message(frames)?;
        match self {
            Speaker::Push(socket) => socket.send(message).await?,
            Speaker::Pub(socket) => socket.send(message).await?,
            Speaker::Req(socket) => socket.send(message).await?,
            Speaker::Rep(socket) => socket.send(message).await?,
            Speaker::Dealer(socket) => socket.send(message).await?,
            Speaker::Router(socket) => socket.send(message).await?,
            _ => return Err("this one does not send".into()),
        }
        Ok(())
    }

    async fn recv(&mut self) -> Outcome<Frames> {
        use zeromq::SocketRecv;
        let message = match self {
            Speaker::Rzmq { socket, .. } => {
                let message = socket.recv_multipart().await?;
                return Ok(message.iter().map(|frame| frame.data().unwrap_or_default().to_vec()).collect());
            }
            Speaker::Pull(socket) => socket.recv().await?,
            Speaker::Sub(socket) => socket.recv().await?,
            Speaker::Req(socket) => socket.recv().await?,
            Speaker::Rep(socket) => socket.recv().await?,
            Speaker::Dealer(socket) => socket.recv().await?,
            Speaker::Router(socket) => socket.recv().await?,
            _ => return Err("this one does not receive".into()),
        };
        Ok(message.into_vec().into_iter().map(|frame| frame.to_vec()).collect())
    }
}

fn zeromq_message(frames: Frames) -> Outcome<zeromq::ZmqMessage> {
    let mut frames = frames.into_iter();
    let mut message = zeromq::ZmqMessage::from(frames.next().ok_or("a message has frames")?);
    frames.for_each(|frame| message.push_back(frame.into()));
    Ok(message)
}
