//! What a subcommand that could do its work answers.

use std::process::ExitCode;

/// The exit codes that are answers. Those of failures are in [`crate::failure`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The work is done, or the answer is yes.
    Yes,
    /// The answer is no: another libzmq, a file with mistakes, no such record.
    No,
    /// The subcommand looked and cannot tell.
    Unknown,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(match outcome {
            Outcome::Yes => 0,
            Outcome::No => 1,
            Outcome::Unknown => 2,
        })
    }
}
