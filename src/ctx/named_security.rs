//! Which file secures the sockets of a context.
//!
//! | the program named one | the environment names one | the file |
//! |---|---|---|
//! | yes | | the program's |
//! | no | when the context was made | that one |
//! | no | later | the one that it names when the first endpoint opens |
//!
//! A relative path counts from the folder in which the process worked when it was named: a daemon may leave that before it binds.

use crate::options::Text;
use crate::security::{SECURITY, SecurityFile};
use crate::sys::environment;
use crate::sys::lock::Lock;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

pub(super) struct NamedSecurity {
    by_environment: Option<Arc<SecurityFile>>,
    by_program: Lock<Option<Arc<SecurityFile>>>,
    /// Found out at the first endpoint.
    file: OnceLock<Option<Arc<SecurityFile>>>,
}

impl NamedSecurity {
    /// Of a context that is made now.
    pub fn begin() -> NamedSecurity {
        NamedSecurity { by_environment: by_environment(), by_program: Lock::default(), file: OnceLock::new() }
    }

    /// The program has named a file, or none if that is empty.
    pub fn name(&self, path: &Text) {
        let path = Path::new(OsStr::from_bytes(path.as_c_bytes()));
        let named = !path.as_os_str().is_empty();
        *self.by_program.lock() = named.then(|| Arc::new(SecurityFile::new(path)));
    }

    /// The file, the same from the first call on.
    pub fn file(&self) -> Option<&Arc<SecurityFile>> {
        let find = || {
            let by_program = self.by_program.lock().clone();
            by_program.or_else(|| self.by_environment.clone()).or_else(by_environment)
        };
        self.file.get_or_init(find).as_ref()
    }

    /// Whether another file would come too late.
    pub fn is_settled(&self) -> bool {
        self.file.get().is_some()
    }
}

fn by_environment() -> Option<Arc<SecurityFile>> {
    environment::variable(SECURITY).map(|path| Arc::new(SecurityFile::new(Path::new(&path))))
}
