//! The command line.

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use zmq::crypto::{DsaSuite, KemSuite, Roles};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const AFTER: &str = "\
Exit codes:
  0  done, or the answer is yes
  1  the answer is no
  2  the command line was not understood, the work could not be done, or there is no answer
`run` has the codes of env(1): 125, 126 and 127 for its own failures, else the program's.

Colours are used on a terminal alone, and not where NO_COLOR is set.";

/// Keys, starts and diagnoses for programs that run on ferrozmq.
#[derive(Debug, Parser)]
#[command(name = "ferrozmq", version, styles = STYLES, after_help = AFTER, max_term_width = 110)]
#[command(disable_help_subcommand = true, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Keygen(Keygen),
    Cert(CertCommand),
    Passwd(Passwd),
    Run(Run),
    Doctor(Doctor),
    Check(Check),
    Audit(Audit),
    Top(Top),
    Metrics(Metrics),
    Completions(Completions),
    Man(Man),
}

const KEYGEN_AFTER: &str = "\
Examples:
  ferrozmq keygen --name server --out /etc/ferrozmq/keys
  ferrozmq keygen --name alice --metadata email=alice@example.org
  ferrozmq keygen --name alice --json | jq -r .fingerprint
  ferrozmq keygen --name server --qzmq

Exit codes:
  0  the files are there
  2  no file was written; one of them is there already, or the folder takes no file";

/// Make a key pair of CURVE or QZMQ: NAME.key, which goes to others, and NAME.key_secret, which stays.
///
/// Both are certificates that pyzmq (zmq.auth.load_certificate) reads; czmq (zcert_load) reads those of CURVE. The secret one is readable
/// for its owner alone from its first byte. No file is ever overwritten, and there are all files or none.
///
/// With --qzmq there is NAME.fingerprint.key too, which is as long as a certificate of CURVE. It goes into the folder of a server whose
/// authenticator is pyzmq's or czmq's.
#[derive(Args, Debug)]
#[command(after_help = KEYGEN_AFTER)]
pub struct Keygen {
    /// What the files are called; this machine's name by default
    #[arg(long, short)]
    pub name: Option<String>,
    /// The folder to put them into; made if it is not there, for its owner alone
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// A line for the metadata part of both files; may be given several times
    #[arg(long, short, value_name = "NAME=VALUE")]
    pub metadata: Vec<String>,
    /// Make a key pair of QZMQ, the post-quantum mechanism
    #[arg(long)]
    pub qzmq: bool,
    /// What the keys of QZMQ are of
    #[arg(long, value_enum, default_value_t = Suite::XWing, requires = "qzmq")]
    pub suite: Suite,
    /// Print what was made as a JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Suite {
    /// X25519 and ML-KEM-768
    #[value(name = "x-wing")]
    XWing,
    /// ML-KEM-1024 alone
    #[value(name = "ml-kem-1024")]
    MlKem1024,
}

impl From<Suite> for KemSuite {
    fn from(suite: Suite) -> KemSuite {
        match suite {
            Suite::XWing => KemSuite::XWing,
            Suite::MlKem1024 => KemSuite::MlKem1024,
        }
    }
}

const CERT_AFTER: &str = "\
Examples:
  ferrozmq cert authority --name home --out ca
  ferrozmq cert sign --authority ca/home.authority_secret alice.key --days 90
  ferrozmq cert show alice.certificate --authority ca/home.authority --revoked revoked
  ferrozmq cert revoke alice.key --list revoked

Exit codes:
  0  done, or the certificate is good
  1  the certificate is not good
  2  no file was written, or a file is not what it should be";

/// Make an authority of QZMQ, sign keys with it, show and revoke what it has signed.
///
/// A certificate says whose a public key of QZMQ is, for which role, and how long. A server that trusts the authority
/// (ZMQ_FERRO_QZMQ_AUTHORITY) lets the key in without knowing it.
#[derive(Args, Debug)]
#[command(after_help = CERT_AFTER, subcommand_required = true, arg_required_else_help = true)]
pub struct CertCommand {
    #[command(subcommand)]
    pub command: Cert,
}

#[derive(Debug, Subcommand)]
pub enum Cert {
    /// Make an authority: NAME.authority, which goes to servers, and NAME.authority_secret, which signs
    Authority(CertAuthority),
    /// Sign a public key of QZMQ
    Sign(CertSign),
    /// Show a certificate, and say whether it is good
    Show(CertShow),
    /// Add a key, an authority or the key of a certificate to a list of revoked ones
    Revoke(CertRevoke),
}

#[derive(Args, Debug)]
pub struct CertAuthority {
    /// What the files are called
    #[arg(long, short)]
    pub name: String,
    /// The folder to put them into; made if it is not there, for its owner alone
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// What the signatures are of
    #[arg(long, value_enum, default_value_t = AuthoritySuite::MlDsa65)]
    pub suite: AuthoritySuite,
}

#[derive(Args, Debug)]
pub struct CertSign {
    /// The secret file of the authority
    #[arg(long, short, value_name = "FILE")]
    pub authority: PathBuf,
    /// The public key that is signed, as NAME.key
    pub key: PathBuf,
    /// The owner's name; the one in the file by default
    #[arg(long, short)]
    pub name: Option<String>,
    /// What the key may be used for
    #[arg(long, short, value_enum, default_value_t = Role::Client)]
    pub role: Role,
    /// How long the certificate is valid, from now on
    #[arg(long, short, default_value_t = 365)]
    pub days: u32,
    /// The file to write; NAME.certificate beside the key by default
    #[arg(long, short, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct CertShow {
    /// The certificate
    pub file: PathBuf,
    /// The public file of the authority that is trusted
    #[arg(long, short, value_name = "FILE")]
    pub authority: Option<PathBuf>,
    /// The list of revoked keys
    #[arg(long, value_name = "FILE", requires = "authority")]
    pub revoked: Option<PathBuf>,
    /// The role that it is checked for
    #[arg(long, short, value_enum, default_value_t = Role::Client)]
    pub role: Role,
    /// Print the findings as a JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct CertRevoke {
    /// The file of the key, of the authority, or of the certificate
    pub key: PathBuf,
    /// The list that the fingerprint is added to; made if it is not there
    #[arg(long, short, value_name = "FILE")]
    pub list: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum AuthoritySuite {
    #[value(name = "ml-dsa-65")]
    MlDsa65,
    #[value(name = "ml-dsa-44")]
    MlDsa44,
}

impl From<AuthoritySuite> for DsaSuite {
    fn from(suite: AuthoritySuite) -> DsaSuite {
        match suite {
            AuthoritySuite::MlDsa65 => DsaSuite::MlDsa65,
            AuthoritySuite::MlDsa44 => DsaSuite::MlDsa44,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Role {
    Client,
    Server,
    Both,
}

impl From<Role> for Roles {
    fn from(role: Role) -> Roles {
        match role {
            Role::Client => Roles::Client,
            Role::Server => Roles::Server,
            Role::Both => Roles::Both,
        }
    }
}

const PASSWD_AFTER: &str = "\
Examples:
  install -m 600 /dev/null /etc/ferrozmq/users      once: the library refuses a file that others may read
  ferrozmq passwd alice >> /etc/ferrozmq/users
  pass show zmq/alice | head -n 1 | ferrozmq passwd alice >> /etc/ferrozmq/users

Exit codes:
  0  the line is printed
  2  no line is printed";

/// Print a line for a file of PLAIN users: the name and the argon2id hash of a password.
///
/// The password is asked for on a terminal, twice. Otherwise it is the first line of standard input. It is never an argument, which
/// other users of the machine could read.
#[derive(Args, Debug)]
#[command(after_help = PASSWD_AFTER)]
pub struct Passwd {
    /// The name that the client gives
    pub user: String,
}

const RUN_AFTER: &str = "\
Examples:
  ferrozmq run python3 server.py
  ferrozmq run --security /etc/ferrozmq/security.toml --audit /var/log/zmq.jsonl -- ./server --port 5555

The library is $FERROZMQ_LIBRARY if that is set; else the first of these that is there, from the folder of this tool:
libzmq.so.5, ../release/libzmq.so, ../lib/TRIPLET/ferrozmq/libzmq.so.5, ../lib64/ferrozmq/libzmq.so.5, ../lib/libzmq.so.5,
../lib/TRIPLET/libzmq.so.5, ../lib64/libzmq.so.5.

Exit codes:
  125  the program was not started: no library, an option that it does not know, or a program that would ignore it
  126  the program cannot be executed
  127  there is no such program
  else the program's own";

/// Start a program on this library, whatever libzmq it was linked with or carries.
///
/// Sets LD_PRELOAD and the variables for this one start, and becomes the program. A program that the loader would not give the library
/// to is not started: one that is static, setuid or of another architecture, or has a libzmq linked into it.
#[derive(Args, Debug)]
#[command(after_help = RUN_AFTER)]
pub struct Run {
    /// The security file (FERROZMQ_SECURITY)
    #[arg(long, value_name = "FILE")]
    pub security: Option<PathBuf>,
    /// The file that the audit trail goes to (FERROZMQ_AUDIT)
    #[arg(long, value_name = "FILE")]
    pub audit: Option<PathBuf>,
    /// The folder that the counters are mapped in (FERROZMQ_STATS)
    #[arg(long, value_name = "DIR")]
    pub stats: Option<PathBuf>,
    /// The program, looked for in PATH, and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "PROGRAM")]
    pub program: Vec<OsString>,
}

const DOCTOR_AFTER: &str = "\
Examples:
  ferrozmq doctor                    what a program that is linked with libzmq would get here
  ferrozmq doctor ./server           this program, under this environment
  ferrozmq doctor venv/bin/python    what `import zmq` would use there
  ferrozmq doctor $(pidof server)    a process that runs

The program is read, never run.

Exit codes:
  0  ferrozmq
  1  another libzmq
  2  cannot tell: no libzmq found, no permission to look, or not a program";

/// Tell which libzmq a program uses or would use, and how to switch it.
#[derive(Args, Debug)]
#[command(after_help = DOCTOR_AFTER)]
pub struct Doctor {
    /// A process id, or a program that is looked for in PATH
    #[arg(value_name = "PID | PROGRAM")]
    pub subject: Option<OsString>,
    /// Print the findings as a JSON object
    #[arg(long)]
    pub json: bool,
}

const CHECK_AFTER: &str = "\
Examples:
  ferrozmq check /etc/ferrozmq/security.toml
  ferrozmq check security.toml --bind 'tcp://*:5555' --socket ROUTER
  ferrozmq check server.toml --with client.toml     are the two sides' keys in step?

Exit codes:
  0  there are no problems
  1  there are problems: each is one line that says what to do
  2  the file is not there, or the command line was not understood";

/// Explain a security file: what endpoints would get, and what is wrong with it and with the files that it names.
///
/// Finds mistakes in the file, keys that cannot be read, are open to other users or do not belong together, and files and folders that
/// other users may write to. Run it as the user that runs the program.
#[derive(Args, Debug)]
#[command(after_help = CHECK_AFTER)]
pub struct Check {
    /// The security file
    pub file: PathBuf,
    /// An endpoint that a program binds; may be given several times
    #[arg(long, short, value_name = "ENDPOINT")]
    pub bind: Vec<String>,
    /// An endpoint that a program connects; may be given several times
    #[arg(long, short, value_name = "ENDPOINT")]
    pub connect: Vec<String>,
    /// The socket's type, as ROUTER; DEALER by default
    #[arg(long, short, value_name = "TYPE")]
    pub socket: Option<String>,
    /// The other side's security file, with its keys beside it as there
    #[arg(long, short, value_name = "FILE")]
    pub with: Option<PathBuf>,
    /// Print the findings as a JSON object
    #[arg(long)]
    pub json: bool,
}

const AUDIT_AFTER: &str = "\
Examples:
  ferrozmq audit /var/log/zmq.jsonl --event denial --since 1h
  ferrozmq audit /var/log/zmq.jsonl --follow --peer 10.0.0.0/8
  ferrozmq audit /var/log/zmq.jsonl --event denial --count-by peer
  zcat /var/log/zmq.jsonl.2.gz | ferrozmq audit - --where user=alice --json | jq .duration_us

Exit codes:
  0  there are such records
  1  there are none
  2  the file cannot be read, or the command line was not understood";

/// Show, filter and count the records of an audit trail.
///
/// A line for each record; what a peer has chosen in it is shown without control characters. Gaps and lines that are no records are
/// counted on standard error.
#[derive(Args, Debug)]
#[command(after_help = AUDIT_AFTER)]
pub struct Audit {
    /// The trail, or `-` for standard input; $FERROZMQ_AUDIT by default
    pub file: Option<PathBuf>,
    /// Go on with what is written from now on, also where the file is moved away and made anew
    #[arg(long, short, conflicts_with = "count_by")]
    pub follow: bool,
    /// Only this event, as `denial`; may be given several times
    #[arg(long, short, value_name = "EVENT")]
    pub event: Vec<String>,
    /// Only this peer, or the peers of this network, as 10.0.0.0/8
    #[arg(long, short, value_name = "ADDRESS")]
    pub peer: Option<String>,
    /// Only from this time on, as `2026-11-30 05:58`, or from this long ago, as `2h`
    #[arg(long, short, value_name = "TIME")]
    pub since: Option<String>,
    /// Only where this field has this value; may be given several times
    #[arg(long = "where", short = 'w', value_name = "FIELD=VALUE")]
    pub fields: Vec<String>,
    /// Print how often each value of this field occurs, the most frequent first
    #[arg(long, short, value_name = "FIELD")]
    pub count_by: Option<String>,
    /// Print the records as they stand in the file, or the counts as JSON objects
    #[arg(long)]
    pub json: bool,
}

const TOP_AFTER: &str = "\
Examples:
  ferrozmq top                                      all sockets of all processes; ? shows the keys
  ferrozmq top --filter PUB                         only what holds these words
  ferrozmq top --once                               three tables, of processes, sockets and connections
  ferrozmq top --once --json | jq '.processes[].sockets[] | {type, dropped}'

Files:
  DIR/ferrozmq.PID    the counters of a process that was started with FERROZMQ_STATS=DIR

DIR is what --stats says, else FERROZMQ_STATS, else the folder `ferrozmq` in XDG_RUNTIME_DIR, else /run/ferrozmq.
The file of a process that was killed is shown for 10 minutes, and then removed.

Exit codes:
  0  there are processes
  1  there are none (with --once)
  2  the folder cannot be read, or this is no terminal";

/// Show what programs on this library do: sockets and connections with rates, queues, drops and peers.
///
/// Reads the counters that a program keeps in a file where FERROZMQ_STATS names a folder. The program does nothing for it, and may be
/// stopped. Run it as the user that runs the program, or as root.
#[derive(Args, Debug)]
#[command(after_help = TOP_AFTER)]
pub struct Top {
    /// The folder that programs keep their counters in
    #[arg(long, short, value_name = "DIR")]
    pub stats: Option<PathBuf>,
    /// Print tables and end; rates are those of one interval
    #[arg(long)]
    pub once: bool,
    /// Print a JSON object for each look, on a line of its own
    #[arg(long)]
    pub json: bool,
    /// Seconds from look to look
    #[arg(long, short, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub interval: f64,
    /// What the table is about
    #[arg(long, value_name = "VIEW", conflicts_with = "json")]
    pub view: Option<crate::top::View>,
    /// Only rows that hold these words, in upper or lower case
    #[arg(long, short, value_name = "WORDS", conflicts_with = "json")]
    pub filter: Option<String>,
    /// Remove no files of processes that have gone
    #[arg(long)]
    pub keep: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.05..=86_400.0).contains(seconds));
    seconds.ok_or_else(|| "write seconds, from 0.05 to 86400".to_owned())
}

const METRICS_AFTER: &str = "\
Examples:
  ferrozmq metrics                                  at http://127.0.0.1:9464/metrics
  ferrozmq metrics --listen 10.0.0.5:9464 --stats /run/orders
  ferrozmq metrics --textfile /var/lib/prometheus/node-exporter
  ferrozmq metrics --once | grep dropped

Paths:
  /metrics         all counters, as Prometheus text 0.0.4 or OpenMetrics 1.0, as the client asks for
  /qzmq/metrics    those of the QZMQ mechanism
  /qzmq/status     the same as a JSON object

Exit codes:
  0  printed or written (--once)
  2  the address is taken, or the folder cannot be read or written";

/// Hand the counters of programs on this library to Prometheus.
///
/// Reads the files that `ferrozmq top` reads. There is no authentication and no encryption, so it listens on the loopback alone unless
/// it is told otherwise.
#[derive(Args, Debug)]
#[command(after_help = METRICS_AFTER)]
pub struct Metrics {
    /// The folder that programs keep their counters in; as for `ferrozmq top`
    #[arg(long, short, value_name = "DIR")]
    pub stats: Option<PathBuf>,
    /// Where to answer HTTP requests
    #[arg(long, short, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9464")]
    pub listen: String,
    /// Write DIR/ferrozmq.prom for node_exporter again and again, and do not listen
    #[arg(long, value_name = "DIR", conflicts_with = "listen")]
    pub textfile: Option<PathBuf>,
    /// Seconds from writing to writing
    #[arg(long, short, value_name = "SECONDS", default_value = "15", value_parser = seconds, requires = "textfile")]
    pub interval: f64,
    /// Print or write once, and end
    #[arg(long, conflicts_with = "listen")]
    pub once: bool,
    /// Print OpenMetrics
    #[arg(long, requires = "once", conflicts_with = "textfile")]
    pub openmetrics: bool,
    /// Also a series for each connection, with its peer, mechanism and user
    #[arg(long)]
    pub connections: bool,
    /// Series at most; what is beyond is left out and counted
    #[arg(long, value_name = "NUMBER", default_value = "10000")]
    pub max_series: usize,
    /// Remove no files of processes that have gone
    #[arg(long)]
    pub keep: bool,
}

const COMPLETIONS_AFTER: &str = "\
Examples:
  source <(ferrozmq completions bash)
  ferrozmq completions zsh > ~/.zfunc/_ferrozmq
  ferrozmq completions fish > ~/.config/fish/completions/ferrozmq.fish";

/// Print a shell's completions.
#[derive(Args, Debug)]
#[command(after_help = COMPLETIONS_AFTER)]
pub struct Completions {
    pub shell: clap_complete::Shell,
}

const MAN_AFTER: &str = "\
Examples:
  ferrozmq man | man -l -
  ferrozmq man --out /usr/local/share/man/man1";

/// Print the manual page ferrozmq(1), or write the pages of all subcommands.
#[derive(Args, Debug)]
#[command(after_help = MAN_AFTER)]
pub struct Man {
    /// Write ferrozmq.1 and a page for each subcommand into this folder
    #[arg(long, short, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_subcommand_has_examples() {
        for command in Cli::command().get_subcommands() {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("Examples:\n  "), "{}", command.get_name());
        }
    }

    #[test]
    fn what_follows_the_program_is_the_programs() {
        let cli =
            Cli::try_parse_from(["ferrozmq", "run", "--audit", "a", "prog", "--audit", "b", "-x"]).unwrap();
        let Command::Run(run) = cli.command else { unreachable!() };
        assert_eq!(run.audit, Some("a".into()));
        assert_eq!(run.program, ["prog", "--audit", "b", "-x"]);
    }
}
