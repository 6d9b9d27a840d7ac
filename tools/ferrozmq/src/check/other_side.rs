//! Whether the files of two sides are in step.

use super::certified::{self, Certified};
use super::files::Files;
use std::path::Path;

/// What keeps clients of the one from servers of the other, both ways.
pub fn differences(one: (&Path, &Files), other: (&Path, &Files)) -> Vec<String> {
    let shown = |(file, files): (&Path, &Files), (other, others): (&Path, &Files)| {
        certified::refused((file, &files.certified), (other, &others.certified))
    };
    let certificates = [shown(one, other), shown(other, one)].concat();
    [towards(one, other), towards(other, one), certificates, logins(one, other), logins(other, one)].concat()
}

/// What keeps the clients of one file from the servers of the other.
fn towards((client_file, client): (&Path, &Files), (server_file, server): (&Path, &Files)) -> Vec<String> {
    let mut problems = Vec::new();
    let (client_file, server_file) = (client_file.display(), server_file.display());
    let is_client = !client.trusts.is_empty() || client.certified.iter().any(Certified::knows_by_name);
    if server.serves.is_empty() || !is_client {
        return problems;
    }
    for (key, file) in &client.trusts {
        if !server.serves.contains_key(key) {
            let file = file.display();
            problems.push(format!(
                "{client_file} takes {file} ({key}) for the server's key, and {server_file} serves with another: \
                 copy the server's .key file again"
            ));
        }
    }
    let Some(lets_in) = &server.lets_in else { return problems };
    // Whether their certificates are accepted is told apart from this.
    let certified = certified::certified_keys(&client.certified);
    let is_let_in = |key: &String| lets_in.contains_key(key) || certified.contains(key);
    for (key, file) in client.own.iter().filter(|(key, _)| !is_let_in(key)) {
        let file = file.display();
        problems.push(format!(
            "{client_file} has the client key {file} ({key}), which {server_file} does not let in: \
             copy its .key file into the server's folder"
        ));
    }
    if client.own.is_empty() {
        problems.push(format!(
            "{client_file} names no client_key, and {server_file} lets in known keys alone: name one"
        ));
    }
    problems
}

/// What keeps the PLAIN clients of one file from the servers of the other.
fn logins((client_file, client): (&Path, &Files), (server_file, server): (&Path, &Files)) -> Vec<String> {
    let (client_file, server_file) = (client_file.display(), server_file.display());
    let mut problems = Vec::new();
    for (login, (users, there)) in
        client.logins.iter().flat_map(|login| server.users.iter().map(move |users| (login, users)))
    {
        let (user, users) = (&login.user, users.display());
        let Some(comparison) = there.comparison(user.as_bytes()).filter(|comparison| comparison.is_known)
        else {
            problems.push(format!(
                "{client_file} has the user {user:?}, who is not in {users} of {server_file}: \
                 add a line by `ferrozmq passwd`"
            ));
            continue;
        };
        if comparison.hash.verify(&login.password) == Ok(false) {
            let file = login.file.display();
            problems.push(format!(
                "{file} of {client_file} holds another password than the one of {user:?} in {users}: \
                 renew one of the two"
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    fn keys(names: &[&str]) -> BTreeMap<String, PathBuf> {
        names.iter().map(|name| ((*name).to_owned(), PathBuf::from(name))).collect()
    }

    fn sides(server_key: &str, trusted: &str, allowed: Option<&str>, own: Option<&str>) -> Vec<String> {
        let lets_in = allowed.map(|key| [(key.to_owned(), String::new())].into());
        let server = Files { serves: keys(&[server_key]), lets_in, ..Files::default() };
        let own = own.map(|key| keys(&[key])).unwrap_or_default();
        let client = Files { trusts: keys(&[trusted]), own, ..Files::default() };
        differences((Path::new("c.toml"), &client), (Path::new("s.toml"), &server))
    }

    #[test]
    fn keys_must_be_known_on_the_other_side() {
        assert!(sides("s", "s", Some("c"), Some("c")).is_empty());
        assert!(sides("s", "s", None, None).is_empty(), "any key is let in");
        for (found, words) in [
            (sides("s", "old", Some("c"), Some("c")), "copy the server's .key file again"),
            (sides("s", "s", Some("other"), Some("c")), "does not let in"),
            (sides("s", "s", Some("c"), None), "names no client_key"),
        ] {
            assert!(found.len() == 1 && found.iter().all(|problem| problem.contains(words)), "{found:?}");
        }
    }
}
