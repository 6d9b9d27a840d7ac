//! The system's OpenPGM 5.3: reliable multicast (RFC 3208), bare or in UDP.

mod headers;

use super::random;
use crate::errno::{Errno, Result};
use headers::*;
use std::ffi::{CString, c_char, c_int, c_void};
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::time::Duration;

/// The settings of a socket.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// In UDP (`epgm://`) rather than bare, which needs a privilege.
    pub in_udp: bool,
    /// Receives; otherwise sends.
    pub receives: bool,
    /// Bytes of the largest packet with all its headers.
    pub max_tpdu: i32,
    /// Kernel buffers in bytes; negative leaves them alone.
    pub sndbuf: i32,
    pub rcvbuf: i32,
    pub rate_kbit: i32,
    /// How long receivers can ask for sent packets again, in milliseconds.
    pub recovery_ivl_ms: i32,
    pub hops: i32,
}

/// A socket of OpenPGM; closed when dropped.
pub struct PgmSocket {
    raw: NonNull<Sock>,
    /// The descriptors behind it, each with whether it is for writing. OpenPGM owns them.
    fds: Vec<(RawFd, bool)>,
    largest: usize,
}

/// The sender of a packet.
pub type Source = [u8; 8];

/// The result of a call to receive.
#[derive(Debug)]
pub enum Received<'a> {
    Packet(Source, &'a [u8]),
    /// Packets of this sender are lost for good.
    Lost(Source),
    /// No packet for now. If a time is given, call again after it at the latest: a timer is due then.
    Nothing(Option<Duration>),
}

/// The result of a call to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    Whole,
    /// The rate is used up for this time.
    NotYet(Duration),
    /// The descriptor takes no more for now.
    Blocked,
}

// SAFETY: OpenPGM ties a socket to no thread; this value is its only owner.
unsafe impl Send for PgmSocket {}

impl PgmSocket {
    /// Opens a bound and connected socket for `interface;group` and a port. Errors: `EINVAL` for all that
    /// OpenPGM refuses, as in libzmq.
    pub fn open(network: &str, port: u16, settings: &Settings) -> Result<PgmSocket> {
        initialised()?;
        let addresses = Addresses::resolve(network)?;
        let raw = make(addresses.family(), settings.in_udp)?;
        let mut socket = PgmSocket { raw, fds: Vec::new(), largest: 0 };
        if settings.in_udp {
            socket.set(PGM_UDP_ENCAP_UCAST_PORT, &c_int::from(port))?;
            socket.set(PGM_UDP_ENCAP_MCAST_PORT, &c_int::from(port))?;
        }
        for (option, bytes) in [(libc::SO_RCVBUF, settings.rcvbuf), (libc::SO_SNDBUF, settings.sndbuf)] {
            if bytes >= 0 {
                socket.set_at(libc::SOL_SOCKET, option, &bytes)?;
            }
        }
        socket.set(PGM_MTU, &settings.max_tpdu)?;
        match settings.receives {
            true => socket.prepare_receiving(settings)?,
            false => socket.prepare_sending(settings)?,
        }
        socket.bind(&addresses, port)?;
        socket.set(PGM_MULTICAST_LOOP, &0)?;
        socket.set(PGM_MULTICAST_HOPS, &settings.hops)?;
        if addresses.family() != libc::AF_INET6 {
            // Expedited forwarding, where the process may set it.
            let _ = socket.set(PGM_TOS, &(0x2e << 2));
        }
        socket.set(PGM_NOBLOCK, &1)?;
        let mut error = Error(ptr::null_mut());
        // SAFETY: a socket of ours, and a place for an error.
        if !unsafe { pgm_connect(socket.raw.as_ptr(), &raw mut error.0) } {
            return Err(Errno::INVAL);
        }
        socket.largest = usize::try_from(socket.get::<c_int>(PGM_MSS)?).map_err(|_| Errno::INVAL)?;
        let readable = [PGM_RECV_SOCK, PGM_PENDING_SOCK, PGM_REPAIR_SOCK];
        let count = if settings.receives { 2 } else { 3 };
        for option in readable.into_iter().take(count) {
            socket.fds.push((socket.get(option)?, false));
        }
        if !settings.receives {
            socket.fds.push((socket.get(PGM_SEND_SOCK)?, true));
        }
        Ok(socket)
    }

    /// The descriptors to watch, each with whether to watch for writing; otherwise for reading. The socket
    /// still owns them.
    pub fn fds(&self) -> &[(RawFd, bool)] {
        &self.fds
    }

    /// Bytes of the largest packet that [`send`](PgmSocket::send) takes.
    pub fn largest(&self) -> usize {
        self.largest
    }

    /// Sends one packet. Errors: `EINVAL` for one that is too large, and for other errors of OpenPGM.
    pub fn send(&mut self, packet: &[u8]) -> Result<Sent> {
        let mut sent = 0;
        // SAFETY: a socket of ours, a slice's pointer and length, and a place for a number.
        match unsafe { pgm_send(self.raw.as_ptr(), packet.as_ptr().cast(), packet.len(), &raw mut sent) } {
            STATUS_NORMAL => Ok(Sent::Whole),
            STATUS_RATE_LIMITED => Ok(Sent::NotYet(self.remaining(PGM_RATE_REMAIN))),
            STATUS_WOULD_BLOCK | STATUS_CONGESTION => Ok(Sent::Blocked),
            _ => Err(Errno::INVAL),
        }
    }

    /// Receives a packet, and runs the protocol's timers. Senders have to call it as well. Errors: `EIO` if
    /// the socket is unusable.
    pub fn receive(&mut self) -> Result<Received<'_>> {
        let mut message = Msgv { len: 0, skb: [ptr::null_mut(); 16] };
        let (mut bytes, mut error) = (0, Error(ptr::null_mut()));
        // SAFETY: a socket of ours, one message's room, a place for a number and one for an error.
        let status = unsafe {
            pgm_recvmsgv(
                self.raw.as_ptr(),
                &raw mut message,
                1,
                libc::MSG_ERRQUEUE,
                &raw mut bytes,
                &raw mut error.0,
            )
        };
        let [first, ..] = message.skb;
        match status {
            STATUS_NORMAL if message.len > 0 && !first.is_null() => {
                // SAFETY: OpenPGM has put a packet there, which it owns and keeps until the next call on the
                // socket. That needs `&mut self`, which the returned borrow holds.
                let packet: &SkBuff = unsafe { &*first };
                // SAFETY: `data` and `len` are the packet's content, valid as long as the packet.
                let data = unsafe { std::slice::from_raw_parts(packet.data.cast::<u8>(), packet.len.into()) };
                Ok(Received::Packet(packet.tsi, data))
            }
            STATUS_NORMAL => Ok(Received::Nothing(Some(Duration::ZERO))),
            STATUS_RESET if !first.is_null() => {
                // SAFETY: with MSG_ERRQUEUE a reset comes with a buffer made for it. It names the sender, and
                // the caller alone owns and frees it.
                let source = unsafe {
                    let source = (*first).tsi;
                    pgm_free(first.cast());
                    source
                };
                Ok(Received::Lost(source))
            }
            STATUS_TIMER_PENDING => Ok(Received::Nothing(Some(self.remaining(PGM_TIME_REMAIN)))),
            STATUS_RATE_LIMITED => Ok(Received::Nothing(Some(self.remaining(PGM_RATE_REMAIN)))),
            STATUS_WOULD_BLOCK => Ok(Received::Nothing(None)),
            _ => Err(Errno(libc::EIO)),
        }
    }

    fn prepare_receiving(&mut self, settings: &Settings) -> Result<()> {
        self.set(PGM_RECV_ONLY, &1)?;
        self.set(PGM_RXW_SQNS, &window(settings))?;
        let patience = [
            (PGM_PEER_EXPIRY, 300_000_000),
            (PGM_SPMR_EXPIRY, 25_000),
            (PGM_NAK_BO_IVL, 50_000),
            (PGM_NAK_RPT_IVL, 200_000),
            (PGM_NAK_RDATA_IVL, 200_000),
            (PGM_NAK_DATA_RETRIES, 50),
            (PGM_NAK_NCF_RETRIES, 50),
        ];
        patience.iter().try_for_each(|(option, value)| self.set(*option, value))
    }

    fn prepare_sending(&mut self, settings: &Settings) -> Result<()> {
        self.set(PGM_SEND_ONLY, &1)?;
        self.set(
            PGM_ODATA_MAX_RTE,
            &(i64::from(settings.rate_kbit) * 1000 / 8).try_into().unwrap_or(c_int::MAX),
        )?;
        self.set(PGM_TXW_SQNS, &window(settings))?;
        self.set(PGM_AMBIENT_SPM, &30_000_000)?;
        let heartbeats: [c_int; 9] =
            [100_000, 100_000, 100_000, 100_000, 1_300_000, 7_000_000, 16_000_000, 25_000_000, 30_000_000];
        self.set(PGM_HEARTBEAT_SPM, &heartbeats)
    }

    /// Binds to the interface and joins the groups.
    fn bind(&mut self, addresses: &Addresses, port: u16) -> Result<()> {
        /// `DEFAULT_DATA_SOURCE_PORT`.
        const SOURCE_PORT: u16 = 7500;
        let mut identifier = [0; 6];
        random::fill(&mut identifier)?;
        let local = PgmAddress { port, gsi: identifier, sport: SOURCE_PORT };
        let (first, target) = (addresses.receiving().first(), addresses.sending().first());
        let (first, target) = (first.ok_or(Errno::INVAL)?, target.ok_or(Errno::INVAL)?);
        let interface = InterfaceReq {
            interface: first.interface,
            scope_id: first.scope_id(),
            address: zeroed_storage(),
        };
        let length = size_of::<InterfaceReq>() as libc::socklen_t;
        let mut error = Error(ptr::null_mut());
        // SAFETY: a socket of ours, structures of the lengths given that outlive the call, and a place for an error.
        let bound = unsafe {
            pgm_bind3(
                self.raw.as_ptr(),
                &raw const local,
                size_of::<PgmAddress>() as libc::socklen_t,
                &raw const interface,
                length,
                &raw const interface,
                length,
                &raw mut error.0,
            )
        };
        if !bound {
            return Err(Errno::INVAL);
        }
        for group in addresses.receiving() {
            self.set(PGM_JOIN_GROUP, &group.as_group_req())?;
        }
        self.set(PGM_SEND_GROUP, &target.as_group_req())
    }

    fn set<T>(&mut self, option: c_int, value: &T) -> Result<()> {
        self.set_at(IPPROTO_PGM, option, value)
    }

    /// `T` is the option's type, in the layout of C.
    fn set_at<T>(&mut self, level: c_int, option: c_int, value: &T) -> Result<()> {
        let length = size_of::<T>() as libc::socklen_t;
        // SAFETY: a socket of ours, and a value of the length given that outlives the call. OpenPGM checks the length.
        match unsafe { pgm_setsockopt(self.raw.as_ptr(), level, option, ptr::from_ref(value).cast(), length) }
        {
            true => Ok(()),
            false => Err(Errno::INVAL),
        }
    }

    fn get<T: Copy + Default>(&self, option: c_int) -> Result<T> {
        let (mut value, mut length) = (T::default(), size_of::<T>() as libc::socklen_t);
        // SAFETY: a socket of ours, and room of the length given. OpenPGM checks the length.
        let known = unsafe {
            pgm_getsockopt(self.raw.as_ptr(), IPPROTO_PGM, option, (&raw mut value).cast(), &raw mut length)
        };
        if known { Ok(value) } else { Err(Errno::INVAL) }
    }

    /// Time until the rate allows more, or the next timer is due. At least a millisecond, so that no thread
    /// spins.
    fn remaining(&self, option: c_int) -> Duration {
        let [seconds, micros] = self.get::<[libc::time_t; 2]>(option).unwrap_or_default();
        let left = Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
            .saturating_add(Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
        left.clamp(Duration::from_millis(1), Duration::from_secs(30))
    }
}

impl Drop for PgmSocket {
    fn drop(&mut self) {
        // SAFETY: a socket of ours, not used after this.
        unsafe { pgm_close(self.raw.as_ptr(), true) };
    }
}

/// Packets in the window: those that the rate sends while receivers can ask for them again.
fn window(settings: &Settings) -> c_int {
    let rate = i64::from(settings.rate_kbit) / 8;
    let bytes = i64::from(settings.recovery_ivl_ms).saturating_mul(rate);
    let packets = bytes / i64::from(settings.max_tpdu.max(1));
    packets.clamp(1, i64::from(c_int::MAX)).try_into().unwrap_or(1)
}

/// Starts OpenPGM, once, and disables its log: it would print to the standard output.
fn initialised() -> Result<()> {
    static STARTED: OnceLock<bool> = OnceLock::new();
    let started = STARTED.get_or_init(|| {
        let mut error = Error(ptr::null_mut());
        // SAFETY: a function that ignores its arguments; a place for an error. No other function of OpenPGM
        // was called before.
        unsafe {
            pgm_log_set_handler(Some(ignore), ptr::null_mut());
            pgm_init(&raw mut error.0)
        }
    });
    if *started { Ok(()) } else { Err(Errno::INVAL) }
}

extern "C" fn ignore(_level: c_int, _text: *const c_char, _closure: *mut c_void) {}

fn make(family: c_int, in_udp: bool) -> Result<NonNull<Sock>> {
    let (mut raw, mut error) = (ptr::null_mut(), Error(ptr::null_mut()));
    let protocol = if in_udp { libc::IPPROTO_UDP } else { IPPROTO_PGM };
    let family = libc::sa_family_t::try_from(family).map_err(|_| Errno::INVAL)?;
    // SAFETY: places for a socket and an error.
    if !unsafe { pgm_socket(&raw mut raw, family, libc::SOCK_SEQPACKET, protocol, &raw mut error.0) } {
        return Err(Errno::INVAL);
    }
    NonNull::new(raw).ok_or(Errno::INVAL)
}

/// The resolved addresses of a network.
struct Addresses(NonNull<AddrInfo>);

impl Addresses {
    fn resolve(network: &str) -> Result<Addresses> {
        let network = CString::new(network).map_err(|_| Errno::INVAL)?;
        let (mut found, mut error) = (ptr::null_mut(), Error(ptr::null_mut()));
        // SAFETY: a C string, no hints, and places for the answer and an error.
        if !unsafe { pgm_getaddrinfo(network.as_ptr(), ptr::null(), &raw mut found, &raw mut error.0) } {
            return Err(Errno::INVAL);
        }
        NonNull::new(found).map(Addresses).ok_or(Errno::INVAL)
    }

    fn family(&self) -> c_int {
        self.sending().first().map_or(libc::AF_UNSPEC, |address| address.group.ss_family.into())
    }

    fn receiving(&self) -> &[GroupSourceReq] {
        // SAFETY: an answer of OpenPGM's, which lives as long as `self`.
        let info = unsafe { self.0.as_ref() };
        list(info.recv, info.recv_len)
    }

    fn sending(&self) -> &[GroupSourceReq] {
        // SAFETY: an answer of OpenPGM's, which lives as long as `self`.
        let info = unsafe { self.0.as_ref() };
        list(info.send, info.send_len)
    }
}

/// A list of an answer that is borrowed for as long.
fn list<'a>(first: *const GroupSourceReq, length: u32) -> &'a [GroupSourceReq] {
    if first.is_null() {
        return &[];
    }
    // SAFETY: OpenPGM has put `length` entries there, which live as long as the answer; the callers tie `'a`
    // to it.
    unsafe { std::slice::from_raw_parts(first, length as usize) }
}

impl Drop for Addresses {
    fn drop(&mut self) {
        // SAFETY: an answer of OpenPGM's, freed once.
        unsafe { pgm_freeaddrinfo(self.0.as_ptr()) };
    }
}

fn zeroed_storage() -> libc::sockaddr_storage {
    // SAFETY: integers and bytes, for which zero is a value.
    unsafe { std::mem::zeroed() }
}

/// An error that OpenPGM has made, or null.
struct Error(*mut c_void);

impl Drop for Error {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: made by OpenPGM, freed once.
            unsafe { pgm_error_free(self.0) };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn the_structures_are_those_of_the_headers() {
        assert_eq!((size_of::<SkBuff>(), size_of::<Msgv>(), size_of::<AddrInfo>()), (184, 136, 32));
        assert_eq!(
            (offset_of!(SkBuff, tsi), offset_of!(SkBuff, len), offset_of!(SkBuff, data)),
            (40, 104, 152)
        );
        assert_eq!((size_of::<GroupSourceReq>(), size_of::<InterfaceReq>()), (392, 136));
        assert_eq!((size_of::<PgmAddress>(), size_of::<GroupReq>()), (10, 136));
        assert_eq!((offset_of!(AddrInfo, recv), offset_of!(AddrInfo, send)), (8, 24));
    }

    #[test]
    fn invalid_addresses_are_refused() {
        initialised().unwrap();
        for network in ["nosuchif;239.1.2.3", "lo;127.0.0.1;x;y;z", "\0"] {
            assert!(Addresses::resolve(network).is_err(), "{network}");
        }
    }
}
