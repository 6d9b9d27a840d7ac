//! The security file that a socket's own option names.

use crate::options::Text;
use crate::security::SecurityFile;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// The file that the socket's own option names; `None` where it names none.
#[derive(Default)]
pub struct OwnSecurity(Option<Arc<SecurityFile>>);

impl OwnSecurity {
    /// The option was set to this path. A relative one counts from the folder in which the process works now. The file stays the same as
    /// long as its path is.
    pub fn name(&mut self, path: &Text) {
        let path = Path::new(OsStr::from_bytes(path.as_c_bytes()));
        if path.as_os_str().is_empty() {
            self.0 = None;
            return;
        }
        let file = SecurityFile::new(path);
        if self.0.as_ref().is_none_or(|known| known.path() != file.path()) {
            self.0 = Some(Arc::new(file));
        }
    }

    pub fn file(&self) -> Option<&Arc<SecurityFile>> {
        self.0.as_ref()
    }
}
