//! Tests of sessions: what needs no socket around them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod attempts;
mod closing;
mod commands;
mod complete;
mod credit;
mod denied;
mod ends;
mod halves;
mod heartbeats;
mod idle;
mod loans;
mod marks;
mod panics;
mod reconnects;
mod refused;
#[cfg(target_os = "linux")]
mod room;
mod sealed;
mod shortage;
mod tunnels;
mod ws;
