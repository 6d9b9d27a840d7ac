//! CURVE (RFCs 25 and 26): each side proves by what it can open that it has its long-term key, and all that follows is
//! sealed with short-term keys that die with the connection.
//!
//! The client says HELLO, the server WELCOME, the client INITIATE; the server may ask the authenticator about the
//! client's long-term key, and says READY. Then each frame is a MESSAGE. States are in [`client`] and [`server`].

mod client;
mod cookie;
mod hello;
mod initiate;
pub mod keys;
pub mod message;
mod nonce;
mod ready;
mod server;
mod welcome;

pub(super) use client::Client;
pub(super) use server::Server;
