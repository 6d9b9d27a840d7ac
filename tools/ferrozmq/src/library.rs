//! Our shared library, as this tool finds it.

use crate::elf::{Elf, Maker, Target};
use crate::failure::Failure;
use std::env;
use std::path::{Path, PathBuf};

/// Names the library, where it is not beside the tool.
pub const VARIABLE: &str = "FERROZMQ_LIBRARY";
/// Where it is, from the folder of the tool: beside it, in a build, in a package that leaves the system's libzmq alone, on Debian and on
/// Fedora, installed, in the place of the system's.
const PLACES: [&str; 7] = [
    "libzmq.so.5",
    "../release/libzmq.so",
    "../lib/TRIPLET/ferrozmq/libzmq.so.5",
    "../lib64/ferrozmq/libzmq.so.5",
    "../lib/libzmq.so.5",
    "../lib/TRIPLET/libzmq.so.5",
    "../lib64/libzmq.so.5",
];

/// The file, and what it is.
#[derive(Debug)]
pub struct Library {
    pub path: PathBuf,
    pub version: Option<String>,
    pub target: Target,
}

impl Library {
    /// The one that the environment names, else the first that is in its place. Errors: there is none, or it is not ours.
    pub fn find() -> Result<Library, Failure> {
        if let Some(path) = env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
            let path = PathBuf::from(path);
            return Library::at(&path)
                .map_err(|why| Failure::new(format!("{VARIABLE}={}: {why}", path.display())));
        }
        let tool = env::current_exe().map_err(|error| Failure::of(Path::new("/proc/self/exe"), &error))?;
        let folder = tool.parent().unwrap_or(Path::new("/"));
        let found = places(folder).into_iter().find_map(|path| Library::at(&path).ok());
        found.ok_or_else(|| {
            Failure::new(format!(
                "no ferrozmq library in {} or in the lib folder beside it: name it by {VARIABLE}=/path/to/libzmq.so.5",
                folder.display()
            ))
        })
    }

    fn at(path: &Path) -> Result<Library, String> {
        let path = path.canonicalize().map_err(|error| crate::failure::plain(&error).to_string())?;
        let elf = Elf::read(&path).map_err(|error| crate::failure::plain(&error).to_string())?;
        let elf = elf.ok_or("this is no library")?;
        match elf.maker() {
            Some(Maker::Ferrozmq(version)) if elf.soname.is_some() => {
                Ok(Library { path, version, target: elf.target })
            }
            Some(_) => Err("this is another libzmq".to_owned()),
            None => Err("this is no libzmq".to_owned()),
        }
    }
}

fn places(folder: &Path) -> Vec<PathBuf> {
    let triplet = format!("{}-linux-gnu", env::consts::ARCH);
    PLACES.iter().map(|place| folder.join(place.replace("TRIPLET", &triplet))).collect()
}
