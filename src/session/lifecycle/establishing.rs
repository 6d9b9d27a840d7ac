//! From a stream to a connection: the handshake, and the two halves.

use crate::counters::ConnectionRecord;
use crate::ctx::Guard;
#[cfg(feature = "qzmq")]
use crate::engine::Codec;
use crate::engine::mechanism::properties::TLS_SUBJECT;
use crate::engine::zap::{ZapRequest, ZapStatus};
use crate::engine::zmtp::Version;
use crate::engine::zmtp::heartbeat::Intervals;
use crate::engine::{Config, Failure, Heartbeat, Peer, Security, ws};
use crate::errno::Result;
use crate::message::{Metadata, OutFrame};
use crate::options::draft_number::ZMQ_NOTIFY_CONNECT;
use crate::options::{SocketOptions, SocketType};
use crate::pipe::{LaneReader, LaneWriter};
use crate::reactor::{Interest, SourceContext};
use crate::security::Protection;
use crate::session::connection::rate::{Rates, Throttle};
#[cfg(feature = "qzmq")]
use crate::session::connection::records::Records;
use crate::session::connection::recv::{Limits, RecvForm, RecvHalf};
use crate::session::connection::send::{SendForm, SendHalf};
use crate::session::connection::tls_stream::Tunnel;
#[cfg(feature = "qzmq")]
use crate::session::connection::ws_records::WsRecords;
use crate::session::lifecycle::admission::Counted;
use crate::session::lifecycle::connecter::Connecter;
use crate::session::lifecycle::connecting::READABLE_AND_WRITABLE;
use crate::session::lifecycle::events::SessionEvents;
use crate::session::lifecycle::handshaking::{Handshaking, Outcome};
use crate::session::lifecycle::reason::Reason;
use crate::session::lifecycle::timer;
use crate::session::lifecycle::zap::{Authenticators, Zap};
use crate::session::remote::SessionRemote;
use crate::sys::log::{Level, Notice, Subsystem};
use std::os::fd::RawFd;
use std::sync::Arc;

/// A peer whose authentication has failed for now is told nothing (RFC 25, RFC 27): after this number of milliseconds the
/// connection ends, so that the peer comes back. If it ended at once, the peer would be back at once, and would ask the same
/// authenticator.
const AUTH_FAILED_SILENCE_MS: i32 = 1100;

/// What a session lends while it shakes hands.
pub struct Establishing<'a> {
    pub options: &'a SocketOptions,
    pub events: &'a SessionEvents,
    /// What a security file says. It answers where no authenticator is bound.
    pub protection: Option<&'a Protection>,
    pub authenticators: &'a dyn Authenticators,
    pub guard: &'a Guard,
    pub remote: &'a Arc<SessionRemote>,
}

/// How far the handshake has come.
pub enum Progress {
    /// It waits for the peer, or for the authenticator.
    Wait,
    /// The peers have introduced themselves.
    Done(Introduction),
    Over(Reason),
}

/// What the end of a handshake leaves behind.
#[derive(Default)]
pub struct Introduction {
    /// `None` for a raw stream.
    pub peer: Option<Peer>,
    /// Of our side's last words, what the stream did not take yet.
    pub unsent: Vec<u8>,
    /// Of the peer's, what belongs to the data phase already.
    pub rest: Vec<u8>,
    /// Whether there is no more in the stream for now.
    pub drained: bool,
}

impl Establishing<'_> {
    /// Drives the handshake as far as it goes. `denied`: called where the authenticator has turned the peer away.
    pub fn shake_hands(
        &self,
        cx: &mut SourceContext<'_>,
        handshaking: &mut Handshaking,
        mut denied: impl FnMut(u64),
    ) -> Progress {
        loop {
            let outcome = match handshaking.drive() {
                Outcome::Ask(request) => self.ask(&request, handshaking),
                outcome => outcome,
            };
            match outcome {
                Outcome::Blocked => {
                    if handshaking.needs_room()
                        && let Err(errno) = cx.reregister(handshaking.raw_fd(), READABLE_AND_WRITABLE)
                    {
                        return Progress::Over(Reason::Stream(errno));
                    }
                    return Progress::Wait;
                }
                Outcome::Later => {
                    cx.again();
                    return Progress::Wait;
                }
                Outcome::DriveOn | Outcome::Ask(_) => {}
                Outcome::Denied(status) => {
                    self.note_denial(cx, status, handshaking);
                    self.events.record(&handshaking.trail, |trail| trail.denied(status));
                    if status == ZapStatus::AuthenticationFailure {
                        denied(cx.now_ms());
                    }
                }
                Outcome::Done { peer, unsent, rest, drained } => {
                    cx.cancel_timer(timer::HANDSHAKE);
                    self.events.handshake_succeeded(&peer, handshaking.duration());
                    return Progress::Done(Introduction { peer: Some(peer), unsent, rest, drained });
                }
                Outcome::Failed(errno) => return Progress::Over(Reason::Stream(errno)),
                Outcome::Broken(Failure::Own(errno)) => return Progress::Over(Reason::Own(errno)),
                Outcome::Broken(failure) => return Progress::Over(Reason::Protocol(failure)),
            }
        }
    }

    /// Asks the authenticator about the peer.
    fn ask(&self, request: &ZapRequest, handshaking: &mut Handshaking) -> Outcome {
        if let Some(trail) = &mut handshaking.trail {
            trail.ask(request);
        }
        let subject = handshaking.peer_subject();
        let properties = subject.map(|subject| Metadata::new([subject_property(subject)]));
        let asked = Zap::ask(self.authenticators, self.remote, request, properties);
        let built_in = || {
            let protection = self.protection?;
            let answer = protection.answer(request);
            self.events.keys_changed(self.options, protection);
            answer
        };
        match asked.map(|asked| {
            asked.or_else(|| built_in().map(|answer| Zap::built_in(answer, self.remote, self.guard.clone())))
        }) {
            Ok(Some(zap)) => {
                handshaking.await_answer(zap);
                Outcome::DriveOn
            }
            Ok(None) => handshaking.zap_unavailable().unwrap_or(Outcome::DriveOn),
            Err(errno) => Outcome::Failed(errno),
        }
    }

    fn note_denial(&self, cx: &mut SourceContext<'_>, status: ZapStatus, handshaking: &Handshaking) {
        self.events.handshake_denied(status, handshaking);
        if status == ZapStatus::TemporaryError
            && !(1..=AUTH_FAILED_SILENCE_MS).contains(&self.options.handshake_ivl_ms)
        {
            cx.set_timer(timer::HANDSHAKE, timer::millis(AUTH_FAILED_SILENCE_MS));
        }
    }
}

/// What a handshake is made with where the options say it. `begun_ms`: when this side connected, if it did. The listener has
/// told the security of a connection that came.
pub fn by_options(
    options: &SocketOptions,
    security: Security,
    peer_address: &str,
    begun_ms: Option<u64>,
) -> Config {
    if let Some(now_ms) = begun_ms {
        security.note_connection(now_ms);
    }
    Config::new(options, security, peer_address)
}

/// What a handshake is made with where a security file has its say, which it has each time. Where it is at fault there is no handshake.
pub fn secured(
    (protection, options): (&Protection, &SocketOptions),
    events: &SessionEvents,
    peer_address: &str,
    now_ms: u64,
) -> Result<Config> {
    static NOTICE: Notice = Notice::new(Subsystem::Security, Level::Error);
    let checked = protection.check_listener(peer_address).and_then(|()| protection.security(now_ms));
    let security = checked.map_err(|fault| {
        NOTICE.complain(format_args!("no connection for now: {fault}"));
        events.kept_away(options, peer_address, &fault, now_ms);
        fault.errno
    })?;
    events.keys_changed(options, protection);
    let is_null = matches!(security, Security::Null);
    let mut config = Config::new(options, security, peer_address);
    // The file answers about each client. With that option alone a CURVE server asks about none.
    config.zap.enforce &= is_null;
    Ok(config)
}

/// How much of what the peer sends is read, by the security file. A peer that comes back goes on with the buckets of before: of its address,
/// or of the session that connects to it.
pub fn throttle(
    protection: Option<&Protection>,
    counted: Option<&Counted>,
    connecter: Option<&mut Connecter>,
    now_ms: u64,
) -> Option<Throttle> {
    let rates = Rates::of(&protection?.limits);
    match connecter {
        Some(connecter) => connecter.buckets(rates).map(|buckets| buckets.lend(None, now_ms)),
        None => counted.and_then(|counted| counted.throttle(now_ms)).or_else(|| Throttle::new(rates, now_ms)),
    }
}

/// Has the reactor watch a stream. `watched`: it has watched it for being connected.
pub fn watch(cx: &mut SourceContext<'_>, fd: RawFd, watched: bool, for_room: bool) -> Result<()> {
    match (watched, for_room) {
        // Events in between are found by trying.
        (true, true) => Ok(()),
        (true, false) => cx.reregister(fd, Interest::READABLE),
        (false, true) => cx.register(fd, READABLE_AND_WRITABLE),
        (false, false) => cx.register(fd, Interest::READABLE),
    }
}

/// What the halves of a connection are made of.
pub struct Makings<'a> {
    pub options: &'a SocketOptions,
    /// The role on a WebSocket.
    pub role: Option<&'a ws::Role>,
    pub lanes: (LaneReader, LaneWriter),
    pub tunnel: Option<Arc<Tunnel>>,
    pub record: ConnectionRecord,
    pub introduction: Introduction,
    pub throttle: Option<Throttle>,
    /// The peer is to be probed (`ZMQ_PROBE_ROUTER`).
    pub probes: bool,
    /// Of the context.
    pub io_threads: usize,
}

/// Makes the halves. Errors: `ENOMEM`, beside the halves, which hold the lanes.
pub fn halves(makings: Makings<'_>, now_ms: u64) -> ((SendHalf, RecvHalf), Result<()>) {
    let Makings { options, role, lanes, tunnel, record, introduction, throttle, probes, io_threads } =
        makings;
    let (reader, writer) = lanes;
    let Introduction { mut peer, mut unsent, mut rest, mut drained } = introduction;
    let below = (role, tunnel);
    let recorded = through_records(peer.as_mut(), below, (&mut unsent, &mut rest, &mut drained), &record);
    // Without memory for the records nothing is sent: the connection ends.
    let ((role, tunnel), recorded) =
        recorded.map_or_else(|errno| ((None, None), Err(errno)), |below| (below, Ok(())));
    let beats = peer.as_ref().is_some_and(|peer| peer.version.has_commands());
    let (send_form, recv_form) = forms(peer, role, options);
    let heartbeat = beats.then(|| Heartbeat::start(Intervals::from(options), now_ms));
    let send = SendHalf::new(reader, send_form).through(tunnel.clone()).counted_in(&record);
    let mut send = send.of_io_threads(io_threads);
    if let Some(bytes) = options.out_batch() {
        send.write_at_most(bytes);
    }
    if options.sndbuf >= 0 {
        send.keep_size();
    }
    send.begin_with(&unsent);
    let greeted = options.hello().map_or(Ok(()), |hello| send.begin_with_message(hello));
    let probed = if probes { send.begin_with_message(b"") } else { Ok(()) };
    let recv = RecvHalf::new(writer, recv_form, Limits::of(options), heartbeat);
    let mut recv = recv.through(tunnel).counted_in(&record);
    if let Some(bytes) = options.in_batch() {
        recv.read_at_most(bytes);
    }
    let mut recv = recv.at_rate(throttle);
    let begun = recorded.and(greeted).and(probed).and_then(|()| recv.begin_with(&rest, drained));
    ((send, recv), begun)
}

/// What messages of this connection say of the peer. `subject`: of its certificate.
pub fn properties(
    peer: Option<&Peer>,
    subject: Option<String>,
    (peer_address, fd): (&str, RawFd),
) -> Arc<Metadata> {
    // The first of a name counts, and no authenticator knows the certificate better than TLS does.
    let mut properties: Vec<_> = subject.map(subject_property).into_iter().collect();
    properties.extend(peer.into_iter().flat_map(|peer| peer.properties.iter().cloned()));
    if !peer_address.is_empty() {
        properties.push(("Peer-Address".to_string(), peer_address.as_bytes().to_vec()));
    }
    properties.push(("__fd".to_string(), fd.to_string().into_bytes()));
    Arc::new(Metadata::new(properties))
}

/// Tells the socket of the peer: its properties and its routing id.
///
/// A socket that only sends reads none of it, and its peer may come and go for ever. So what comes with each connection shows with the
/// first message alone, and goes with a connection that brings none.
pub fn introduce(
    writer: &mut LaneWriter,
    options: &SocketOptions,
    peer: Option<&Peer>,
    properties: &Arc<Metadata>,
) -> Result<()> {
    writer.append_properties(Arc::clone(properties))?;
    if let Some(peer) = peer
        && options.recv_routing_id
        && !writer.is_named()
    {
        writer.append_routing_id(&peer.routing_id)?;
        writer.flush();
    }
    let notifies = match peer {
        Some(_) => options.router_notify & ZMQ_NOTIFY_CONNECT != 0,
        None => options.raw_notify,
    };
    if notifies && writer.takes_notice() {
        writer.append(&mut OutFrame::bytes(b"", false))?;
        writer.flush();
    }
    if peer.is_some_and(|peer| peer.phantom_subscription) && writer.takes_notice() {
        writer.append_subscription(true, b"")?;
        writer.flush();
    }
    Ok(())
}

fn subject_property(subject: String) -> (String, Vec<u8>) {
    (TLS_SUBJECT.to_string(), subject.into_bytes())
}

/// The bytes at the end of a handshake: ours that are not sent, the peer's behind it, and whether the stream has no more.
type Ends<'a> = (&'a mut Vec<u8>, &'a mut Vec<u8>, &'a mut bool);

/// What lies between frames and the stream: WebSocket, by our role there, and a tunnel.
type Below<'a> = (Option<&'a ws::Role>, Option<Arc<Tunnel>>);

/// What is below a peer whose stream is in records, which take what is left of the handshake. Where WebSocket has them in its frames, its
/// role is part of the tunnel. For other peers that is `below`.
#[cfg(feature = "qzmq")]
fn through_records<'a>(
    peer: Option<&mut Peer>,
    below: Below<'a>,
    (unsent, rest, drained): Ends<'_>,
    record: &ConnectionRecord,
) -> Result<Below<'a>> {
    let Some(peer) = peer else { return Ok(below) };
    let traffic = match std::mem::replace(&mut peer.codec, Codec::Clear) {
        Codec::Qzmq(traffic) => traffic,
        other => {
            peer.codec = other;
            return Ok(below);
        }
    };
    let (role, mut tunnel) = below;
    if let Some(role) = role {
        let frames = WsRecords::new(role, unsent, rest)?;
        (*unsent, *rest) = (Vec::new(), Vec::new());
        tunnel = Some(Arc::new(Tunnel::WsRecords(Box::new(frames), tunnel)));
    }
    let records = Records::new(*traffic, unsent, rest)?.counted_in(record);
    (*unsent, *rest, *drained) = (Vec::new(), Vec::new(), false);
    // The stream in records has the form of ZMTP 3.1. The greetings make no difference.
    peer.version = Version::V3_1;
    Ok((None, Some(Arc::new(Tunnel::Records(Box::new(records), tunnel)))))
}

#[cfg(not(feature = "qzmq"))]
fn through_records<'a>(
    _peer: Option<&mut Peer>,
    below: Below<'a>,
    _ends: Ends<'_>,
    _record: &ConnectionRecord,
) -> Result<Below<'a>> {
    Ok(below)
}

/// How frames leave and arrive.
fn forms(peer: Option<Peer>, role: Option<&ws::Role>, options: &SocketOptions) -> (SendForm, RecvForm) {
    let Some(peer) = peer else { return (SendForm::Raw, RecvForm::Raw) };
    let version = peer.version;
    if let Some(role) = role {
        let (outgoing, incoming) = ws::codec(role, peer.codec);
        return (SendForm::Ws(outgoing), RecvForm::Ws(incoming));
    }
    if let Some((sealer, opener)) = peer.codec.halves() {
        return (SendForm::Sealed(sealer), RecvForm::Sealed(version, opener));
    }
    let subscribes = matches!(options.socket_type, SocketType::Sub | SocketType::Xsub);
    let send = match version {
        Version::V3_1 => SendForm::AsTheyLie,
        Version::V2 | Version::V3_0 if !subscribes => SendForm::AsTheyLie,
        version => SendForm::Framed(version),
    };
    (send, RecvForm::Zmtp(version))
}
