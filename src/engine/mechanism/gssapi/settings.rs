//! The options of both sides of GSSAPI.

use super::import;
use crate::engine::Failure;
use crate::options::SocketOptions;
use crate::sys::gssapi::{Credentials, NameType};

/// The settings of both sides.
pub struct Settings {
    /// Our own principal; empty: the system's default.
    pub(super) principal: Vec<u8>,
    pub(super) principal_type: NameType,
    /// The principal of the server that a client connects to.
    pub(super) service: Vec<u8>,
    pub(super) service_type: NameType,
    /// Frames stay in clear text once both sides are authenticated.
    pub(super) plaintext: bool,
}

impl From<&SocketOptions> for Settings {
    fn from(options: &SocketOptions) -> Settings {
        Settings {
            principal: options.gss_principal.as_bytes().to_vec(),
            principal_type: NameType::of(options.gss_principal_nt),
            service: options.gss_service_principal.as_bytes().to_vec(),
            service_type: NameType::of(options.gss_service_principal_nt),
            plaintext: options.gss_plaintext,
        }
    }
}

impl Settings {
    pub(super) fn credentials(&self) -> Result<Option<Credentials>, Failure> {
        if self.principal.is_empty() {
            return Ok(None);
        }
        let name = import(&self.principal, self.principal_type)?;
        Credentials::acquire(&name).map(Some).map_err(Failure::NoDetail)
    }
}
