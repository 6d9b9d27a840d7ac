//! Control frames (PING, PONG, a WebSocket's PONG and CLOSE) that wait to be sent.

/// Control frames kept while the stream takes no more. A peer that asks for answers and does not read them gets no further ones.
pub const MAX_CONTROL_BYTES: usize = 16 * 1024;

/// Appends `frames`, or none of them where too much waits already.
pub fn append(waiting: &mut Vec<u8>, frames: &[u8]) {
    if waiting.len().saturating_add(frames.len()) <= MAX_CONTROL_BYTES {
        waiting.extend_from_slice(frames);
    }
}
