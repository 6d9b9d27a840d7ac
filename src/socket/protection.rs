//! The security file of a socket, and what it says about an endpoint that is bound or connected.

use super::state::Socket;
use crate::errno::Errno;
use crate::options::{Mechanism, SocketOptions};
use crate::security::rules::{Own, Scene};
use crate::security::{Fault, Protection};
use crate::sys::credentials;
use crate::sys::log::{self, Level, Subsystem};
use crate::transport::Unconnected;
use crate::transport::{self, Listener, Role, Scheme};
use std::sync::Arc;

/// Why an endpoint is not bound or connected.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub errno: Errno,
    /// Where the security file refuses it or is at fault, or an option does; was told where it was found. `None` where the errno says it
    /// all.
    pub why: Option<String>,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Refusal {
        Refusal { errno, why: None }
    }
}

/// What the security file says about an endpoint; `None` where there is no file, or the file leaves the endpoint alone. A fault is
/// told in a line on stderr. Errors: `EACCES`, `EINVAL`.
pub(super) fn of(
    socket: &mut Socket,
    scheme: Scheme,
    address: &str,
    role: Role,
) -> Result<Option<Protection>, Refusal> {
    let context = socket.context();
    let Some(file) = socket.own_security.file().or_else(|| context.security()) else { return Ok(None) };
    let options = &socket.options;
    let own = if options.mechanism != Mechanism::Null {
        Own::Mechanism
    } else if !options.zap_domain.is_empty() && socket.names.has_authenticator() {
        Own::Handler
    } else {
        Own::Nothing
    };
    let scene = Scene {
        endpoint: format!("{}://{address}", scheme.name()),
        scheme,
        address: address.to_owned(),
        settled: false,
        socket_type: options.socket_type,
        role,
        own,
        adopted: match role {
            Role::Binds => options.use_fd != -1,
            Role::Connects => !options.socks_proxy_address.is_empty(),
        },
        // A WebSocket has ZMTP in its frames in any case.
        raw: options.raw_socket && !matches!(scheme, Scheme::Ws | Scheme::Wss),
    };
    file.protect(&scene).map_err(|fault| failed(role, &scene.endpoint, fault))
}

/// Binds as the security file says.
pub(super) fn listener(
    socket: &Socket,
    scheme: Scheme,
    address: &str,
    protection: Option<Protection>,
) -> Result<(Listener, Option<Arc<Protection>>), Refusal> {
    let Some(protection) = protection else {
        return Ok((transport::bind(scheme, address, &socket.options)?, None));
    };
    let address = protection.address.as_deref().unwrap_or(address);
    let listener = if protection.ipc_same_user && scheme == Scheme::Ipc && !chooses_ipc_peers(&socket.options)
    {
        let mut options = socket.options.clone();
        options.ipc_uid_accept_filters.push(credentials::effective_uid());
        transport::bind(scheme, address, &options)?
    } else {
        transport::bind(scheme, address, &socket.options)?
    };
    match settle(protection, Role::Binds, listener.last_endpoint()) {
        Ok(protection) => Ok((listener, Some(Arc::new(protection)))),
        Err(refusal) => {
            listener.give_back();
            Err(refusal)
        }
    }
}

/// Opens a socket without connections as the security file says.
pub(super) fn datagrams(
    socket: &Socket,
    scheme: Scheme,
    address: &str,
    role: Role,
    protection: Option<Protection>,
) -> Result<Unconnected, Refusal> {
    let turned = protection.as_ref().and_then(|protection| protection.address.as_deref());
    let datagrams = transport::datagrams(scheme, turned.unwrap_or(address), role, &socket.options)?;
    if let (Some(protection), Some(place)) = (protection, datagrams.place()) {
        settle(protection, role, &format!("{}://{place}", scheme.name()))?;
    }
    Ok(datagrams)
}

fn settle(protection: Protection, role: Role, endpoint: &str) -> Result<Protection, Refusal> {
    protection.settle(endpoint).map_err(|fault| failed(role, endpoint, fault))
}

/// Whether the program has said itself which users, groups or processes may connect.
fn chooses_ipc_peers(options: &SocketOptions) -> bool {
    !options.ipc_uid_accept_filters.is_empty()
        || !options.ipc_gid_accept_filters.is_empty()
        || !options.ipc_pid_accept_filters.is_empty()
}

fn failed(role: Role, endpoint: &str, fault: Fault) -> Refusal {
    let call = match role {
        Role::Binds => "zmq_bind",
        Role::Connects => "zmq_connect",
    };
    log::complain((Subsystem::Security, Level::Error), format_args!("{call} {endpoint} refused: {fault}"));
    Refusal { errno: fault.errno, why: Some(fault.to_string()) }
}
