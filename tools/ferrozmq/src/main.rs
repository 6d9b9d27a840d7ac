//! `ferrozmq`, the command-line tool: makes keys, starts programs on the library, tells which libzmq a program uses.
//!
//! [`cli`] says what the command line looks like; each subcommand has a module of its own, whose `run` carries it out.

mod audit;
mod cert;
mod certificate;
mod check;
mod cli;
mod doctor;
mod elf;
mod failure;
mod keygen;
mod library;
mod loader;
mod metrics;
mod outcome;
mod pages;
mod passwd;
mod program;
mod run;
mod stats;
mod top;
mod units;

use clap::Parser;
use cli::{Cli, Command};
use failure::Failure;
use outcome::Outcome;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match carry_out(cli.command) {
        Ok(outcome) => outcome.into(),
        Err(failure) => failure.report(),
    }
}

fn carry_out(command: Command) -> Result<Outcome, Failure> {
    match command {
        Command::Keygen(options) => keygen::run(&options),
        Command::Cert(options) => cert::run(&options.command),
        Command::Passwd(options) => passwd::run(&options),
        Command::Run(options) => run::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Audit(options) => audit::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Top(options) => top::run(&options),
        Command::Metrics(options) => metrics::run(&options),
        Command::Completions(options) => pages::completions(&options),
        Command::Man(options) => pages::man(&options),
    }
}

/// Help and version go to standard output with exit code 0; what the command line lacks, to standard error. A `run` that was not
/// understood keeps the code that `run` has for its own failures, so that no caller takes it for the program's.
fn usage(error: &clap::Error) -> ExitCode {
    // A closed standard output has no other place to be reported.
    let _ = error.print();
    let is_run = std::env::args_os().nth(1).is_some_and(|word| word == "run");
    match error.exit_code() {
        0 => ExitCode::SUCCESS,
        _ if is_run => ExitCode::from(failure::RUN_FAILED),
        _ => ExitCode::from(failure::FAILED),
    }
}
