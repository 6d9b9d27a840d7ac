//! The way to the authenticator and back (RFC 27): a pipe to the socket that is bound to `inproc://zeromq.zap.01`.

use crate::ctx::Guard;
use crate::engine::Failure;
use crate::engine::zap::{ZapReply, ZapRequest};
use crate::errno::Result;
use crate::message::{Metadata, OutFrame};
use crate::pipe::{Notify, Pipe, PipeEvent};
use crate::security::authenticator::Answer;
use crate::session::SocketLink;
use crate::session::letterbox::Flags;
use crate::session::lifecycle::handshake_memory::QUESTION_BYTES;
use crate::session::remote::SessionRemote;
use crate::sys::lock::Lock;
use std::sync::{Arc, Weak};

/// Frames and bytes of a reply, beyond which it is no reply. A ZAP reply has eight frames.
const MAX_REPLY_FRAMES: usize = 32;
const MAX_REPLY_BYTES: usize = 64 * 1024;

/// The sockets of the context, as far as a session needs one of them.
pub trait Authenticators: Send + Sync {
    /// A pipe to the authenticator, and its socket; `None` if there is none. Errors: `ENOMEM`.
    fn authenticator(&self) -> Result<Option<(Pipe, Arc<SocketLink>)>>;
}

/// A question that is under way. Dropped, it is forgotten, and so is a late reply.
pub enum Zap {
    /// The program's authenticator thinks.
    Asked(Box<Asked>),
    /// The answer is there; `None` once it was taken.
    Answered(Option<ZapReply>),
    /// A password is being compared; the reply comes here.
    Compared(Arc<Lock<Option<ZapReply>>>),
}

/// The program's authenticator, and what it has said. Dropped, it takes a question back that the authenticator has not read.
pub struct Asked {
    pipe: Pipe,
    authenticator: Arc<SocketLink>,
    frames: Vec<Vec<u8>>,
    bytes: usize,
    /// Of the question.
    asked_bytes: usize,
}

impl Zap {
    /// Memory that it takes, until it is answered.
    pub fn held(&self) -> usize {
        match self {
            Zap::Asked(asked) => QUESTION_BYTES.saturating_add(asked.asked_bytes),
            Zap::Answered(_) | Zap::Compared(_) => 0,
        }
    }

    /// Asks; the session is woken when there is something to read. The frames of the request carry `properties`, as a message
    /// of the peer would: RFC 27 has no frame for what lies below the mechanism, and stock authenticators count the frames.
    ///
    /// `None`: there is no authenticator. Errors: `ENOMEM`.
    pub fn ask(
        who: &dyn Authenticators,
        remote: &Arc<SessionRemote>,
        request: &ZapRequest,
        properties: Option<Metadata>,
    ) -> Result<Option<Zap>> {
        let Some((pipe, authenticator)) = who.authenticator()? else { return Ok(None) };
        let mut asked = Asked { pipe, authenticator, frames: Vec::new(), bytes: 0, asked_bytes: 0 };
        let pipe = &mut asked.pipe;
        pipe.set_owner(Arc::new(Asker(Arc::clone(remote))));
        if let Some(properties) = properties {
            pipe.write_properties(Arc::new(properties))?;
        }
        let mut frames = request.frames().peekable();
        while let Some(frame) = frames.next() {
            asked.asked_bytes = asked.asked_bytes.saturating_add(frame.len());
            pipe.write(&mut OutFrame::bytes(frame, frames.peek().is_some()))?;
        }
        pipe.flush();
        Ok(Some(Zap::Asked(Box::new(asked))))
    }

    /// The answer of a security file. The session is woken when it is there; `guard` keeps the context until then. Where the session has
    /// forgotten its question by then, nothing is compared.
    pub fn built_in(answer: Answer, remote: &Arc<SessionRemote>, guard: Guard) -> Zap {
        let check = match answer {
            Answer::Now(reply) => return Zap::Answered(Some(reply)),
            Answer::Later(check) => check,
        };
        let place = Arc::new(Lock::new(None));
        let (there, remote) = (Arc::downgrade(&place), Arc::clone(remote));
        let is_wanted = {
            let there = Weak::clone(&there);
            move || there.strong_count() > 0
        };
        let at_once = check.begin(is_wanted, move |reply| {
            if let Some(there) = there.upgrade() {
                *there.lock() = Some(reply);
            }
            remote.letterbox.raise(Flags::ZAP_REPLY);
            drop(guard);
        });
        at_once.map_or(Zap::Compared(place), |reply| Zap::Answered(Some(reply)))
    }

    /// The reply, once it is there whole.
    pub fn reply(&mut self) -> Option<std::result::Result<ZapReply, Failure>> {
        match self {
            Zap::Asked(asked) => asked.reply(),
            Zap::Answered(reply) => reply.take().map(Ok),
            Zap::Compared(place) => place.lock().take().map(Ok),
        }
    }
}

impl Asked {
    fn reply(&mut self) -> Option<std::result::Result<ZapReply, Failure>> {
        while let Some(frame) = self.pipe.read() {
            let (more, data) = (frame.more(), frame.data());
            // A reply that is too long is kept cut, and fails to parse.
            self.bytes = self.bytes.saturating_add(data.len());
            if self.frames.len() < MAX_REPLY_FRAMES && self.bytes <= MAX_REPLY_BYTES {
                self.frames.push(data.to_vec());
            }
            if !more {
                // The address part ends with an empty frame, which a REP or ROUTER socket sends along.
                return Some(ZapReply::parse(&self.frames));
            }
        }
        None
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let is_claimed = self.pipe.is_peer_owned();
        self.pipe.close();
        // A socket that has the pipe hears of the close, and drops the question. Its mailbox it does not look at before its next call.
        if !is_claimed {
            self.authenticator.note_unclaimed(false);
        }
    }
}

/// The session's end of the pipe.
struct Asker(Arc<SessionRemote>);

impl Notify for Asker {
    fn notify(&self, event: PipeEvent) {
        // An authenticator that goes away without an answer leaves the peer to the handshake's time. A peer that came back at once would
        // find none, and be let in where the socket demands none: libzmq's tests hold that against it.
        if matches!(event, PipeEvent::Readable) {
            self.0.letterbox.raise(Flags::ZAP_REPLY);
        }
    }
}
