//! The keys that an endpoint has and lets in, compared with those before: what the audit trail has of files that have changed.
//!
//! | | at first | later |
//! |---|---|---|
//! | the server's own keys | all are added | those that have come and gone |
//! | the clients' keys | none: a folder may hold thousands | those that have come and gone |
//! | `allow = "any"` | | one change without a key, when it begins and when it ends |

use super::allowed::{Names, Owner};
use super::authenticator::Clients;
use crate::options::Mechanism;
use std::sync::Arc;

/// Changes that are told one by one, until they are taken.
const MAX_CHANGES: usize = 256;

/// A key that counts from now on, or does so no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    pub added: bool,
    pub whose: Whose,
    pub mechanism: Mechanism,
    /// Its [fingerprint](crate::crypto::fingerprint()); `None`: any key.
    pub key: Option<String>,
    /// The client's.
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Server,
    Client,
}

/// Changes that were not told yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    pub changes: Vec<KeyChange>,
    /// How many more there were.
    pub left_out: u64,
}

/// The keys of one endpoint.
pub struct Keys {
    /// What they are for.
    mechanism: Mechanism,
    servers: Vec<String>,
    clients: Option<Clients>,
    news: News,
}

impl Default for Keys {
    fn default() -> Keys {
        let (servers, clients, news) = Default::default();
        Keys { mechanism: Mechanism::Curve, servers, clients, news }
    }
}

impl Keys {
    /// The server has these keys now, by their fingerprints, for this mechanism.
    pub fn serve(&mut self, now: Vec<String>, mechanism: Mechanism) {
        self.mechanism = mechanism;
        let before = std::mem::replace(&mut self.servers, now.clone());
        let name = String::new;
        for key in before.iter().filter(|key| !now.contains(key)) {
            self.tell(false, Whose::Server, Some(key), name());
        }
        for key in now.iter().filter(|key| !before.contains(key)) {
            self.tell(true, Whose::Server, Some(key), name());
        }
    }

    /// These clients are let in now.
    pub fn let_in(&mut self, now: &Clients) {
        let before = self.clients.replace(now.clone());
        match (&before, now) {
            (Some(Clients::Named(before)), Clients::Named(now)) if !Arc::ptr_eq(before, now) => {
                self.tell_difference(false, before, now);
                self.tell_difference(true, now, before);
            }
            (Some(Clients::Any), Clients::Named(_)) => self.tell(false, Whose::Client, None, String::new()),
            (Some(Clients::Named(_)), Clients::Any) => self.tell(true, Whose::Client, None, String::new()),
            _ => {}
        }
    }

    /// What has changed since this was last called.
    pub fn take_news(&mut self) -> News {
        std::mem::take(&mut self.news)
    }

    /// Tells of the keys that are in `these` alone.
    fn tell_difference(&mut self, added: bool, these: &Names, others: &Names) {
        for (key, owner) in these.iter().filter(|(key, _)| others.owner(key).is_none()) {
            let name = if let Owner::Named(name) = owner { name } else { "" };
            self.tell(added, Whose::Client, Some(key), name.to_owned());
        }
    }

    fn tell(&mut self, added: bool, whose: Whose, key: Option<&str>, name: String) {
        let News { changes, left_out } = &mut self.news;
        if changes.len() < MAX_CHANGES {
            let (mechanism, key) = (self.mechanism, key.map(str::to_owned));
            changes.push(KeyChange { added, whose, mechanism, key, name });
        } else {
            *left_out = left_out.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(keys: &[String]) -> Clients {
        Clients::Named(Arc::new(keys.iter().collect()))
    }

    fn texts(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    fn news(keys: &mut Keys) -> Vec<(bool, Whose, String)> {
        let news = keys.take_news();
        let of = |change: KeyChange| (change.added, change.whose, change.key.unwrap_or_default());
        news.changes.into_iter().map(of).collect()
    }

    #[test]
    fn a_servers_keys_are_told_of_from_the_first_on() {
        let mut keys = Keys::default();
        keys.serve(texts(&["a"]), Mechanism::Curve);
        assert_eq!(news(&mut keys), [(true, Whose::Server, "a".to_owned())]);
        keys.serve(texts(&["a"]), Mechanism::Curve);
        assert_eq!(news(&mut keys), []);
        keys.serve(texts(&["b", "a"]), Mechanism::Qzmq);
        assert!(keys.news.changes.iter().all(|change| change.mechanism == Mechanism::Qzmq));
        keys.serve(texts(&["b"]), Mechanism::Qzmq);
        let expected = [(true, Whose::Server, "b".to_owned()), (false, Whose::Server, "a".to_owned())];
        assert_eq!(news(&mut keys), expected);
    }

    #[test]
    fn clients_are_told_of_when_they_come_and_go() {
        let mut keys = Keys::default();
        keys.let_in(&named(&texts(&["a", "b"])));
        assert_eq!(news(&mut keys), [], "those that are there at first");
        keys.let_in(&named(&texts(&["b", "c"])));
        let expected = [(false, Whose::Client, "a".to_owned()), (true, Whose::Client, "c".to_owned())];
        assert_eq!(news(&mut keys), expected);
        keys.let_in(&named(&texts(&["c", "b"])));
        assert_eq!(news(&mut keys), []);
        keys.let_in(&Clients::Any);
        keys.let_in(&Clients::Any);
        assert_eq!(news(&mut keys), [(true, Whose::Client, String::new())]);
        keys.let_in(&named(&[]));
        assert_eq!(news(&mut keys), [(false, Whose::Client, String::new())]);
    }

    #[test]
    fn a_folder_that_is_emptied_is_told_of_by_a_number() {
        let mut keys = Keys::default();
        let many: Vec<String> = (0..MAX_CHANGES + 5).map(|number| number.to_string()).collect();
        keys.let_in(&named(&many));
        keys.let_in(&named(&[]));
        let news = keys.take_news();
        assert_eq!((news.changes.len(), news.left_out), (MAX_CHANGES, 5));
        assert_eq!(keys.take_news(), News::default());
    }
}
