//! The part of OpenPGM's headers that is used here.

use super::Source;
use std::ffi::{c_char, c_int, c_void};

pub(super) const IPPROTO_PGM: c_int = 113;

pub(super) const STATUS_NORMAL: c_int = 1;
pub(super) const STATUS_RESET: c_int = 2;
pub(super) const STATUS_WOULD_BLOCK: c_int = 5;
pub(super) const STATUS_RATE_LIMITED: c_int = 6;
pub(super) const STATUS_TIMER_PENDING: c_int = 7;
pub(super) const STATUS_CONGESTION: c_int = 8;

pub(super) const PGM_SEND_SOCK: c_int = 0x2000;
pub(super) const PGM_RECV_SOCK: c_int = 0x2001;
pub(super) const PGM_REPAIR_SOCK: c_int = 0x2002;
pub(super) const PGM_PENDING_SOCK: c_int = 0x2003;
pub(super) const PGM_TIME_REMAIN: c_int = 0x2005;
pub(super) const PGM_RATE_REMAIN: c_int = 0x2006;
pub(super) const PGM_MTU: c_int = 0x2008;
pub(super) const PGM_MSS: c_int = 0x200a;
pub(super) const PGM_MULTICAST_LOOP: c_int = 0x200c;
pub(super) const PGM_MULTICAST_HOPS: c_int = 0x200d;
pub(super) const PGM_TOS: c_int = 0x200e;
pub(super) const PGM_AMBIENT_SPM: c_int = 0x200f;
pub(super) const PGM_HEARTBEAT_SPM: c_int = 0x2010;
pub(super) const PGM_TXW_SQNS: c_int = 0x2012;
pub(super) const PGM_PEER_EXPIRY: c_int = 0x2015;
pub(super) const PGM_SPMR_EXPIRY: c_int = 0x2016;
pub(super) const PGM_RXW_SQNS: c_int = 0x2018;
pub(super) const PGM_NAK_BO_IVL: c_int = 0x201b;
pub(super) const PGM_NAK_RPT_IVL: c_int = 0x201c;
pub(super) const PGM_NAK_RDATA_IVL: c_int = 0x201d;
pub(super) const PGM_NAK_DATA_RETRIES: c_int = 0x201e;
pub(super) const PGM_NAK_NCF_RETRIES: c_int = 0x201f;
pub(super) const PGM_SEND_ONLY: c_int = 0x2023;
pub(super) const PGM_RECV_ONLY: c_int = 0x2024;
pub(super) const PGM_NOBLOCK: c_int = 0x2027;
pub(super) const PGM_SEND_GROUP: c_int = 0x2028;
pub(super) const PGM_JOIN_GROUP: c_int = 0x2029;
pub(super) const PGM_UDP_ENCAP_UCAST_PORT: c_int = 0x2030;
pub(super) const PGM_UDP_ENCAP_MCAST_PORT: c_int = 0x2031;
pub(super) const PGM_ODATA_MAX_RTE: c_int = 0x2034;

/// `pgm_sock_t`.
#[repr(C)]
pub(super) struct Sock {
    _private: [u8; 0],
}

/// `struct group_req`.
#[repr(C)]
pub(super) struct GroupReq {
    pub(super) interface: u32,
    pub(super) group: libc::sockaddr_storage,
}

/// `struct pgm_group_source_req`.
#[repr(C)]
pub(super) struct GroupSourceReq {
    pub(super) interface: u32,
    pub(super) group: libc::sockaddr_storage,
    _source: libc::sockaddr_storage,
    _address: libc::sockaddr_storage,
}

impl GroupSourceReq {
    pub(super) fn as_group_req(&self) -> GroupReq {
        GroupReq { interface: self.interface, group: self.group }
    }

    /// The scope of the group's address, if it is IPv6.
    pub(super) fn scope_id(&self) -> u32 {
        if c_int::from(self.group.ss_family) != libc::AF_INET6 {
            return 0;
        }
        // SAFETY: the family says that a `sockaddr_in6` lies here, for which the storage has room.
        unsafe { (&raw const self.group).cast::<libc::sockaddr_in6>().read() }.sin6_scope_id
    }
}

/// `struct pgm_addrinfo_t`.
#[repr(C)]
pub(super) struct AddrInfo {
    _family: libc::sa_family_t,
    pub(super) recv_len: u32,
    pub(super) recv: *const GroupSourceReq,
    pub(super) send_len: u32,
    pub(super) send: *const GroupSourceReq,
}

/// `struct pgm_interface_req_t`.
#[repr(C)]
pub(super) struct InterfaceReq {
    pub(super) interface: u32,
    pub(super) scope_id: u32,
    pub(super) address: libc::sockaddr_storage,
}

/// `struct pgm_sockaddr_t`.
#[repr(C)]
pub(super) struct PgmAddress {
    pub(super) port: u16,
    pub(super) gsi: [u8; 6],
    pub(super) sport: u16,
}

/// `struct pgm_msgv_t`.
#[repr(C)]
pub(super) struct Msgv {
    pub(super) len: u32,
    pub(super) skb: [*mut SkBuff; 16],
}

/// `struct pgm_sk_buff_t`.
#[repr(C)]
pub(super) struct SkBuff {
    _link: [*mut c_void; 3],
    _sock: *mut c_void,
    _tstamp: u64,
    pub(super) tsi: Source,
    _sequence: u32,
    _padding: u32,
    _cb: [u8; 48],
    pub(super) len: u16,
    _bits: u32,
    _headers: [*mut c_void; 4],
    _head: *mut c_void,
    pub(super) data: *const c_void,
    _tail: *mut c_void,
    _end: *mut c_void,
    _truesize: u32,
    _users: u32,
}

pub(super) type LogHandler = Option<extern "C" fn(c_int, *const c_char, *mut c_void)>;

#[link(name = "pgm")]
unsafe extern "C" {
    pub(super) fn pgm_init(error: *mut *mut c_void) -> bool;
    pub(super) fn pgm_log_set_handler(handler: LogHandler, closure: *mut c_void) -> LogHandler;
    pub(super) fn pgm_error_free(error: *mut c_void);
    pub(super) fn pgm_free(memory: *mut c_void);
    pub(super) fn pgm_getaddrinfo(
        name: *const c_char,
        hints: *const AddrInfo,
        found: *mut *mut AddrInfo,
        error: *mut *mut c_void,
    ) -> bool;
    pub(super) fn pgm_freeaddrinfo(found: *mut AddrInfo);
    pub(super) fn pgm_socket(
        socket: *mut *mut Sock,
        family: libc::sa_family_t,
        kind: c_int,
        protocol: c_int,
        error: *mut *mut c_void,
    ) -> bool;
    pub(super) fn pgm_bind3(
        socket: *mut Sock,
        address: *const PgmAddress,
        address_len: libc::socklen_t,
        sending: *const InterfaceReq,
        sending_len: libc::socklen_t,
        receiving: *const InterfaceReq,
        receiving_len: libc::socklen_t,
        error: *mut *mut c_void,
    ) -> bool;
    pub(super) fn pgm_connect(socket: *mut Sock, error: *mut *mut c_void) -> bool;
    pub(super) fn pgm_close(socket: *mut Sock, flush: bool) -> bool;
    pub(super) fn pgm_setsockopt(
        socket: *mut Sock,
        level: c_int,
        option: c_int,
        value: *const c_void,
        length: libc::socklen_t,
    ) -> bool;
    pub(super) fn pgm_getsockopt(
        socket: *mut Sock,
        level: c_int,
        option: c_int,
        value: *mut c_void,
        length: *mut libc::socklen_t,
    ) -> bool;
    pub(super) fn pgm_send(socket: *mut Sock, data: *const c_void, length: usize, sent: *mut usize) -> c_int;
    pub(super) fn pgm_recvmsgv(
        socket: *mut Sock,
        messages: *mut Msgv,
        count: usize,
        flags: c_int,
        received: *mut usize,
        error: *mut *mut c_void,
    ) -> c_int;
}
