//! `zmq_socket_monitor`: events as messages of a socket that is bound inside the context.

use super::{DONTWAIT, Handle};
use crate::errno::{Errno, Result};
use crate::message::OutFrame;
use crate::options::SocketType;
use crate::options::number::ZMQ_LINGER;
use crate::session::{Endpoints, Observer, event};
use crate::sys::lock::Lock;
use crate::transport::{self, Scheme};
use std::collections::VecDeque;

/// Events kept for a reader that is not there yet or too slow; older ones are kept, later ones dropped. libzmq
/// would stop the I/O thread instead.
const MOST_WAITING: usize = 1000;

/// Monitors a socket; see [`Handle::monitor`].
pub fn monitor(
    handle: Handle,
    endpoint: Option<&str>,
    events: u64,
    version: i32,
    socket_type: i32,
) -> Result<()> {
    let (owner, context) = {
        let socket = handle.lock()?;
        socket.alive()?;
        (std::sync::Arc::clone(&socket.owner), socket.context())
    };
    // The first version counts events with 16 bits.
    if version == 1 && events >> 16 != 0 {
        return Err(Errno::INVAL);
    }
    let Some(endpoint) = endpoint else {
        drop(owner.monitor.set(0, None));
        return Ok(());
    };
    let (scheme, _) = transport::parse(endpoint)?;
    if scheme != Scheme::Inproc {
        return Err(Errno::PROTONOSUPPORT);
    }
    drop(owner.monitor.set(0, None));
    let socket_type = match socket_type {
        0 => SocketType::Pair,
        1 => SocketType::Pub,
        8 => SocketType::Push,
        _ => return Err(Errno::INVAL),
    };
    let socket = Handle::open(&context, socket_type)?;
    let reporter = Reporter { socket, version, events, waiting: Lock::new(VecDeque::new()) };
    // Events never hold up the end of the context.
    socket.set_option(ZMQ_LINGER, &0i32.to_ne_bytes())?;
    socket.bind(endpoint)?;
    drop(owner.monitor.set(events, Some(std::sync::Arc::new(reporter))));
    Ok(())
}

/// The sending side of a monitor. Dropped, it closes its socket.
struct Reporter {
    socket: Handle,
    version: i32,
    events: u64,
    /// Messages that nobody has taken yet; the lock also keeps the frames of a message together.
    waiting: Lock<VecDeque<Vec<Vec<u8>>>>,
}

impl Reporter {
    /// The frames of an event (zmq_socket_monitor(3), zmq_socket_monitor_versioned(3)); none in a version that nobody
    /// knows, which libzmq takes without a word.
    fn frames(&self, kind: u64, values: &[u64], endpoints: &Endpoints) -> Option<Vec<Vec<u8>>> {
        let first = values.first().copied().unwrap_or(0);
        if self.version == 1 {
            // Both numbers are cut to the widths that the first version has for them.
            let mut event = (kind as u16).to_ne_bytes().to_vec();
            event.extend_from_slice(&(first as u32).to_ne_bytes());
            return Some(vec![event, endpoints.identifier().as_bytes().to_vec()]);
        }
        if self.version != 2 {
            return None;
        }
        let mut frames = vec![kind.to_ne_bytes().to_vec(), (values.len() as u64).to_ne_bytes().to_vec()];
        frames.extend(values.iter().map(|value| value.to_ne_bytes().to_vec()));
        frames.push(endpoints.local.as_bytes().to_vec());
        frames.push(endpoints.remote.as_bytes().to_vec());
        Some(frames)
    }

    fn deliver(&self, waiting: &mut VecDeque<Vec<Vec<u8>>>) {
        while let Some(frames) = waiting.front() {
            let last = frames.len().saturating_sub(1);
            for (i, frame) in frames.iter().enumerate() {
                match self.socket.send(&mut OutFrame::bytes(frame, i < last), DONTWAIT) {
                    Ok(()) => {}
                    // Only ever before the first frame: a message is taken whole.
                    Err(Errno::AGAIN) if i == 0 => return,
                    Err(_) => break,
                }
            }
            waiting.pop_front();
        }
    }
}

impl Observer for Reporter {
    fn event(&self, kind: u64, values: &[u64], endpoints: &Endpoints) {
        let Some(frames) = self.frames(kind, values, endpoints) else { return };
        let mut waiting = self.waiting.lock();
        if waiting.len() < MOST_WAITING {
            waiting.push_back(frames);
        }
        self.deliver(&mut waiting);
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        if self.events & event::MONITOR_STOPPED != 0 {
            self.event(event::MONITOR_STOPPED, &[0], &Endpoints::default());
        }
        // It may be closed already: it lives in the same context as the program's own sockets.
        let _ = self.socket.close();
    }
}
