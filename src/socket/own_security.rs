//! The security file that a socket's own option names.

use crate::options::Text;
use crate::security::SecurityFile;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

/// The file that the socket's own option names, once it was needed.
#[derive(Default)]
pub struct OwnSecurity(Option<(Text, Arc<SecurityFile>)>);

impl OwnSecurity {
    /// The file at a path, the same as long as that is.
    pub fn file(&mut self, path: &Text) -> &Arc<SecurityFile> {
        let known = self.0.take().filter(|(known, _)| known.as_ref() == path.as_ref());
        let open = || {
            let path = PathBuf::from(OsStr::from_bytes(path.as_c_bytes()));
            Arc::new(SecurityFile::new(path))
        };
        &self.0.insert(known.unwrap_or_else(|| (path.clone(), open()))).1
    }
}
