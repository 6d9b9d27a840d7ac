//! QZMQ: a post-quantum mechanism, by the document [docs/qzmq.md](../../../../docs/qzmq.md).
//!
//! | File | What |
//! |---|---|
//! | `client`, `server` | the states of either side |
//! | `hello`, `retry`, `welcome`, `initiate`, `ready`, `refusal` | the commands; `fields` takes them apart |
//! | `ask` | the commands by which a client gets the server's certificate |
//! | `identity` | what a client says of itself |
//! | `cookie` | when a server wants a cookie, and what it is |
//! | `ticket`, `kept` | what a client resumes with: as the server makes it, and as the client keeps it |
//! | `suite` | the suites |
//! | `schedule` | the key schedule of the handshake |
//! | `derivation` | keys of boxes and records |
//! | `encapsulation` | encapsulation to a key of the other side, and whose fault it is when there is none |
//! | `traffic` | the keys of records, and how they are replaced |
//! | `logged` | secrets for dissectors |
//! | `record` | records |
//! | `recent` | which records have come before |
//! | `keys` | the long-term keys of either side |

mod ask;
mod client;
mod cookie;
mod derivation;
mod encapsulation;
mod fields;
pub mod hello;
pub mod identity;
pub mod initiate;
mod kept;
pub mod keys;
mod logged;
pub mod ready;
pub mod recent;
pub mod record;
mod refusal;
pub mod retry;
mod schedule;
mod server;
pub mod suite;
mod ticket;
pub mod traffic;
pub mod welcome;

pub(super) use client::Client;
pub(super) use server::Server;

#[cfg(test)]
mod tests;
