//! The way to the authenticator and back (RFC 27): a pipe to the socket that is bound to `inproc://zeromq.zap.01`.

use crate::ctx::Guard;
use crate::engine::Failure;
use crate::engine::zap::{ZapReply, ZapRequest};
use crate::errno::Result;
use crate::message::{Metadata, OutFrame};
use crate::pipe::{Notify, Pipe, PipeEvent};
use crate::security::authenticator::Answer;
use crate::session::letterbox::Flags;
use crate::session::remote::SessionRemote;
use crate::sys::lock::Lock;
use std::sync::{Arc, Weak};

/// Frames and bytes of a reply, beyond which it is no reply. A ZAP reply has eight frames.
const MAX_REPLY_FRAMES: usize = 32;
const MAX_REPLY_BYTES: usize = 64 * 1024;

/// The sockets of the context, as far as a session needs one of them.
pub trait Authenticators: Send + Sync {
    /// A pipe to the authenticator; `None` if there is none. Errors: `ENOMEM`.
    fn authenticator(&self) -> Result<Option<Pipe>>;
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

/// The program's authenticator, and what it has said.
pub struct Asked {
    pipe: Pipe,
    frames: Vec<Vec<u8>>,
    bytes: usize,
}

impl Zap {
    /// Asks; the session is woken when there is something to read. The frames of the request carry `properties`, as a message
    /// of the peer would: RFC 27 has no frame for what lies below the mechanism, and stock authenticators count the frames.
    ///
    /// The pipe has no mark, so it takes the request whole, or nothing where the authenticator has closed by now. Then that is the
    /// [reply](Zap::reply).
    ///
    /// `None`: there is no authenticator. Errors: `ENOMEM`.
    pub fn ask(
        who: &dyn Authenticators,
        remote: &Arc<SessionRemote>,
        request: &ZapRequest,
        properties: Option<Metadata>,
    ) -> Result<Option<Zap>> {
        let Some(mut pipe) = who.authenticator()? else { return Ok(None) };
        pipe.set_owner(Arc::new(Asker(Arc::clone(remote))));
        if let Some(properties) = properties {
            pipe.write_properties(Arc::new(properties))?;
        }
        let mut frames = request.frames().peekable();
        let mut taken = true;
        while let Some(frame) = frames.next()
            && taken
        {
            taken = pipe.write_rest(&mut OutFrame::bytes(frame, frames.peek().is_some()))?;
        }
        if taken {
            pipe.flush();
        } else {
            pipe.rollback();
        }
        Ok(Some(Zap::Asked(Box::new(Asked { pipe, frames: Vec::new(), bytes: 0 }))))
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

    /// The reply, once it is there whole. Errors: what is wrong with it; [`Failure::AUTHENTICATOR_GONE`].
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
        loop {
            let Some(frame) = self.pipe.read() else {
                if self.pipe.ended() {
                    return Some(Err(Failure::AUTHENTICATOR_GONE));
                }
                // That may have found what was published just before the authenticator closed.
                if self.pipe.check_read() {
                    continue;
                }
                return None;
            };
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
    }
}

/// The session's end of the pipe.
struct Asker(Arc<SessionRemote>);

impl Notify for Asker {
    fn notify(&self, event: PipeEvent) {
        // An authenticator that goes away without an answer ends the handshake.
        if matches!(event, PipeEvent::Readable | PipeEvent::PeerClosed) {
            self.0.letterbox.raise(Flags::ZAP_REPLY);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::engine::zap::ZapStatus;
    use crate::pipe::{LaneOptions, pair};

    /// An authenticator that does this with its end of the pipe before it is asked.
    struct Bound<F>(F, Lock<Option<Pipe>>);

    impl<F: Fn(&mut Pipe) + Send + Sync> Authenticators for Bound<F> {
        fn authenticator(&self) -> Result<Option<Pipe>> {
            let lane = LaneOptions { hwm: 0, conflate: false };
            let (ours, mut theirs) = pair(lane, lane)?;
            (self.0)(&mut theirs);
            *self.1.lock() = Some(theirs);
            Ok(Some(ours))
        }
    }

    /// The question, and the authenticator's end of its pipe.
    fn ask(first: impl Fn(&mut Pipe) + Send + Sync) -> (Zap, Pipe, Arc<SessionRemote>) {
        let (bound, remote) = (Bound(first, Lock::default()), Arc::new(SessionRemote::default()));
        let request = ZapRequest {
            domain: b"domain".to_vec(),
            address: b"127.0.0.1".to_vec(),
            routing_id: Vec::new(),
            mechanism: "PLAIN",
            credentials: ["user", "word"].map(|text| text.as_bytes().to_vec().into()).to_vec(),
            key: None,
            certified: None,
        };
        let zap = Zap::ask(&bound, &remote, &request, None).unwrap().unwrap();
        let theirs = bound.1.lock().take().unwrap();
        (zap, theirs, remote)
    }

    fn read(pipe: &mut Pipe) -> Vec<(Vec<u8>, bool)> {
        std::iter::from_fn(|| pipe.read().map(|frame| (frame.data().to_vec(), frame.more()))).collect()
    }

    fn answer(pipe: &mut Pipe) {
        for frame in ["", "1.0", "1", "200", "", "ann"] {
            assert!(pipe.write(&mut OutFrame::bytes(frame.as_bytes(), true)).unwrap());
        }
        assert!(pipe.write(&mut OutFrame::bytes(b"", false)).unwrap());
        pipe.flush();
    }

    #[test]
    fn a_request_is_whole_whatever_mark_the_authenticator_has() {
        for mark in [0, 1] {
            let (mut zap, mut theirs, _remote) = ask(|theirs| theirs.set_hwms(mark, mark));
            let frames = read(&mut theirs);
            let expected = ["", "1.0", "1", "domain", "127.0.0.1", "", "PLAIN", "user", "word"];
            assert!(frames.iter().map(|(data, _)| &**data).eq(expected.map(str::as_bytes)), "mark {mark}");
            assert!(frames.iter().map(|(_, more)| *more).eq((0..9).map(|place| place < 8)), "mark {mark}");
            assert!(zap.reply().is_none());
            answer(&mut theirs);
            assert_eq!(zap.reply().unwrap().unwrap().status, ZapStatus::Success);
        }
    }

    #[test]
    fn an_authenticator_that_has_closed_gets_nothing_and_fails_the_handshake() {
        let (mut zap, _theirs, _remote) = ask(Pipe::close);
        assert_eq!(zap.reply(), Some(Err(Failure::AUTHENTICATOR_GONE)));
    }

    #[test]
    fn an_authenticator_that_closes_wakes_the_session_and_its_answer_counts() {
        for answers in [false, true] {
            let (mut zap, mut theirs, remote) = ask(|_| {});
            assert!(zap.reply().is_none());
            if answers {
                answer(&mut theirs);
            }
            drop(theirs);
            assert!(remote.letterbox.take().flags.has(Flags::ZAP_REPLY));
            let reply = zap.reply().unwrap();
            assert_eq!(
                reply.map(|reply| reply.user_id),
                if answers { Ok(b"ann".to_vec()) } else { Err(Failure::AUTHENTICATOR_GONE) }
            );
        }
    }
}
