//! The counters of other processes: files, records, and the tree that they make.

pub mod file;
pub mod folder;
pub mod json;
pub mod layout;
pub mod process;
pub mod tree;
#[cfg(test)]
pub mod written;

use crate::failure::Failure;
use std::path::Path;
use tree::Process;

/// All processes of a folder at one time.
#[derive(Debug, Default)]
pub struct Observation {
    /// Seconds since 1970.
    pub time: f64,
    pub processes: Vec<Process>,
    pub problems: Vec<String>,
}

/// Looks at the folder. Removes what processes have left over, unless `keep`.
pub fn observe(folder: &Path, keep: bool) -> Result<Observation, Failure> {
    let listing = folder::list(folder, keep)?;
    let processes = listing.found.into_iter().map(Process::of).collect();
    Ok(Observation { time: folder::now().as_secs_f64(), processes, problems: listing.problems })
}
