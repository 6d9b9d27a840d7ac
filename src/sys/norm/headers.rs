//! The part of NORM's header that is used here (Debian: libnorm-dev 1.5).

use std::ffi::{c_char, c_double, c_int, c_uint, c_void};

/// `NORM_OBJECT_STREAM`.
pub(super) const OBJECT_STREAM: c_int = 3;
/// `NORM_FLUSH_ACTIVE`.
pub(super) const FLUSH_ACTIVE: c_int = 2;
/// `NORM_SYNC_STREAM`.
pub(super) const SYNC_STREAM: c_int = 1;

pub(super) const TX_QUEUE_VACANCY: c_int = 1;
pub(super) const TX_QUEUE_EMPTY: c_int = 2;
pub(super) const REMOTE_SENDER_INACTIVE: c_int = 14;
pub(super) const RX_OBJECT_NEW: c_int = 17;
pub(super) const RX_OBJECT_UPDATED: c_int = 19;
pub(super) const RX_OBJECT_COMPLETED: c_int = 20;
pub(super) const RX_OBJECT_ABORTED: c_int = 21;

/// `NormInstanceHandle`, `NormSessionHandle`, `NormNodeHandle`, `NormObjectHandle`; null is none.
pub(super) type Handle = *const c_void;

/// `NormEvent`.
#[repr(C)]
pub(super) struct Event {
    pub(super) kind: c_int,
    _session: Handle,
    pub(super) sender: Handle,
    pub(super) object: Handle,
}

impl Event {
    pub(super) fn none() -> Event {
        use std::ptr::null;
        Event { kind: 0, _session: null(), sender: null(), object: null() }
    }
}

#[link(name = "norm")]
unsafe extern "C" {
    pub(super) fn NormGetVersion(major: *mut c_int, minor: *mut c_int, patch: *mut c_int) -> c_int;
    pub(super) fn NormCreateInstance(priority_boost: bool) -> Handle;
    pub(super) fn NormStopInstance(instance: Handle);
    pub(super) fn NormDestroyInstance(instance: Handle);
    pub(super) fn NormRestartInstance(instance: Handle) -> bool;
    pub(super) fn NormSuspendInstance(instance: Handle) -> bool;
    pub(super) fn NormResumeInstance(instance: Handle);
    pub(super) fn NormSetAllocationFunctions(
        instance: Handle,
        allocate: Option<extern "C" fn(usize) -> *mut c_char>,
        free: Option<extern "C" fn(*mut c_char)>,
    );
    pub(super) fn NormGetDescriptor(instance: Handle) -> c_int;
    pub(super) fn NormGetNextEvent(instance: Handle, event: *mut Event, wait: bool) -> bool;
    pub(super) fn NormIsUnicastAddress(address: *const c_char) -> bool;

    pub(super) fn NormCreateSession(instance: Handle, address: *const c_char, port: u16, node: u32)
    -> Handle;
    pub(super) fn NormDestroySession(session: Handle);
    pub(super) fn NormSetTTL(session: Handle, ttl: u8) -> bool;
    pub(super) fn NormSetTOS(session: Handle, tos: u8) -> bool;
    pub(super) fn NormSetLoopback(session: Handle, loopback: bool) -> bool;
    pub(super) fn NormSetMulticastInterface(session: Handle, name: *const c_char) -> bool;
    pub(super) fn NormSetRxPortReuse(
        session: Handle,
        reuse: bool,
        bind_address: *const c_char,
        sender_address: *const c_char,
        sender_port: u16,
    );

    pub(super) fn NormSetDefaultUnicastNack(session: Handle, unicast: bool);
    pub(super) fn NormSetDefaultSyncPolicy(session: Handle, policy: c_int);
    pub(super) fn NormStartReceiver(session: Handle, buffer_bytes: u32) -> bool;
    pub(super) fn NormStopReceiver(session: Handle);

    pub(super) fn NormStartSender(
        session: Handle,
        instance_id: u16,
        buffer_bytes: u32,
        segment_bytes: u16,
        data_segments: u16,
        parity_segments: u16,
        fec_id: u8,
    ) -> bool;
    pub(super) fn NormStopSender(session: Handle);
    pub(super) fn NormSetTxRate(session: Handle, bits_per_second: c_double);
    pub(super) fn NormSetCongestionControl(session: Handle, enable: bool, adjust_rate: bool);
    pub(super) fn NormSetEcnSupport(session: Handle, enable: bool, ignore_loss: bool, tolerate_loss: bool);
    pub(super) fn NormSetAutoParity(session: Handle, segments: u8);

    pub(super) fn NormStreamOpen(
        session: Handle,
        buffer_bytes: u32,
        info: *const c_char,
        info_len: c_uint,
    ) -> Handle;
    pub(super) fn NormStreamSetPushEnable(stream: Handle, push: bool);
    pub(super) fn NormStreamWrite(stream: Handle, data: *const c_char, length: c_uint) -> c_uint;
    pub(super) fn NormStreamMarkEom(stream: Handle);
    pub(super) fn NormStreamFlush(stream: Handle, end_of_message: bool, mode: c_int);
    pub(super) fn NormStreamRead(stream: Handle, room: *mut c_char, length: *mut c_uint) -> bool;
    pub(super) fn NormStreamSeekMsgStart(stream: Handle) -> bool;

    pub(super) fn NormObjectGetType(object: Handle) -> c_int;
    pub(super) fn NormObjectGetSender(object: Handle) -> Handle;
    pub(super) fn NormObjectRetain(object: Handle);
    pub(super) fn NormObjectRelease(object: Handle);
    pub(super) fn NormObjectCancel(object: Handle);
    pub(super) fn NormNodeRetain(node: Handle);
    pub(super) fn NormNodeRelease(node: Handle);
    pub(super) fn NormNodeDelete(node: Handle);
}
