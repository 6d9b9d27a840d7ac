//! `ferrozmq passwd`.

use crate::cli::Passwd;
use crate::failure::{self, Failure, plain};
use crate::outcome::Outcome;
use std::io::{self, BufRead, IsTerminal};
use zeroize::Zeroizing;
use zmq::crypto::password::hash_password;

/// The most that PLAIN (RFC 24) carries of a name and of a password.
const MAX_PLAIN_BYTES: usize = 255;

pub fn run(options: &Passwd) -> Result<Outcome, Failure> {
    check_user(&options.user)?;
    let password = match io::stdin().is_terminal() {
        true => ask(&options.user)?,
        false => first_line(io::stdin().lock())?,
    };
    failure::print(&format!("{}\n", line(&options.user, &password)?))?;
    Ok(Outcome::Yes)
}

fn check_user(user: &str) -> Result<(), Failure> {
    let is_fit = (1..=MAX_PLAIN_BYTES).contains(&user.len())
        && !user.starts_with('#')
        && user.trim() == user
        && !user.chars().any(|c| c == ':' || c.is_control());
    match is_fit {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "{user:?}: a name has 1 to {MAX_PLAIN_BYTES} bytes, no colon or control character, and no `#` or space at its start"
        ))),
    }
}

fn ask(user: &str) -> Result<Zeroizing<String>, Failure> {
    let read = |prompt: String| {
        let password = rpassword::prompt_password(prompt);
        password.map(Zeroizing::new).map_err(|error| Failure::new(format!("the terminal: {}", plain(&error))))
    };
    let password = check_password(read(format!("Password of {user}: "))?)?;
    match *read("Once more: ".to_owned())? == *password {
        true => Ok(password),
        false => Err(Failure::new("the two passwords differ: no line was made")),
    }
}

/// The password is the first line, without its end. No more than what a password may have is read.
fn first_line(input: impl BufRead) -> Result<Zeroizing<String>, Failure> {
    // Of its full size at once: a String that grows leaves copies behind.
    let mut line = Zeroizing::new(String::with_capacity(MAX_PLAIN_BYTES + 3));
    let read = input.take(MAX_PLAIN_BYTES as u64 + 3).read_line(&mut line);
    read.map_err(|error| Failure::new(format!("standard input: {}", plain(&error))))?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    check_password(line)
}

fn check_password(password: Zeroizing<String>) -> Result<Zeroizing<String>, Failure> {
    match password.len() {
        0 => Err(Failure::new("the password is empty: no line was made")),
        1..=MAX_PLAIN_BYTES => Ok(password),
        _ => Err(Failure::new(format!(
            "PLAIN carries passwords of {MAX_PLAIN_BYTES} bytes at most: no line was made"
        ))),
    }
}

/// A line of a file of users, as the library reads it.
fn line(user: &str, password: &str) -> Result<String, Failure> {
    let hash = hash_password(password.as_bytes());
    let hash = hash.map_err(|_| Failure::new("the system gives no random numbers"))?;
    Ok(format!("{user}:{hash}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use zmq::security::passwords::Users;

    #[test]
    fn the_library_reads_the_lines() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = |user, password| line(user, password).unwrap();
        fs::write(&file, format!("{}\n{}\n", line("alice", "wonderland"), line("bob b", "wonderland")))
            .unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        let users = Users::read(file.path()).unwrap();
        for user in ["alice", "bob b"] {
            let user = users.comparison(user.as_bytes()).unwrap();
            assert!(user.is_known && user.hash.verify(b"wonderland").unwrap());
            assert!(!user.hash.verify(b"wonderlanD").unwrap());
        }
        assert!(!users.comparison(b"eve").unwrap().is_known);
        assert_ne!(line("alice", "wonderland"), line("alice", "wonderland"));
    }

    #[test]
    fn the_password_is_the_first_line() {
        for text in ["secret", "secret\n", "secret\r\n", "secret\nmore\n"] {
            assert_eq!(first_line(text.as_bytes()).unwrap().as_str(), "secret");
        }
        assert_eq!(first_line(&b"x".repeat(255)[..]).unwrap().len(), 255);
        for text in [String::new(), "\n".to_owned(), "x".repeat(256), "x".repeat(100_000)] {
            assert!(first_line(text.as_bytes()).is_err());
        }
    }

    #[test]
    fn users_that_a_line_cannot_hold_are_refused() {
        for user in ["", "a:b", "a\nb", "#a", " a", "a "] {
            assert!(check_user(user).is_err(), "{user:?}");
        }
        assert!(check_user("alice@example.org").is_ok());
        assert!(check_user(&"x".repeat(256)).is_err());
    }
}
