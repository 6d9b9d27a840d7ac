//! The trust of an endpoint of QZMQ by the security file: its authorities, and what is revoked.

use super::authorities::Revoked;
use crate::crypto::{DsaPublic, Trust};
use crate::engine::mechanism::qzmq::keys::Trusted;
use std::sync::Arc;

/// What the trust of an endpoint comes from, as the files were last read.
#[derive(Default)]
pub struct Sources {
    pub authorities: Vec<Arc<DsaPublic>>,
    pub revoked: Option<Arc<Revoked>>,
}

/// The trust that all handshakes of an endpoint share. It is made anew where a file has changed.
#[derive(Default)]
pub struct Followed {
    from: Sources,
    trusted: Arc<Trusted>,
}

impl Sources {
    fn are_those(&self, other: &Sources) -> bool {
        let same_revoked = match (&self.revoked, &other.revoked) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        same_revoked
            && self.authorities.len() == other.authorities.len()
            && self.authorities.iter().zip(&other.authorities).all(|(one, other)| Arc::ptr_eq(one, other))
    }

    /// The file bounds the number of authorities, so none is left out.
    fn trust(&self) -> Trust {
        let mut trust = Trust::default();
        for authority in &self.authorities {
            let _ = trust.add(DsaPublic::clone(authority));
        }
        self.revoked.iter().flat_map(|revoked| revoked.iter()).for_each(|key| trust.revoke(*key));
        trust
    }
}

impl Followed {
    /// The trust by these files. It counts for handshakes that have begun, too.
    pub fn follow(&mut self, now: Sources) -> Arc<Trusted> {
        if !self.from.are_those(&now) {
            self.trusted.set(Arc::new(now.trust()));
            self.from = now;
        }
        Arc::clone(&self.trusted)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::crypto::{DsaSecret, DsaSuite};

    #[test]
    fn trust_is_made_anew_where_a_file_has_changed() {
        let authority = Arc::new(DsaSecret::generate(DsaSuite::MlDsa44).unwrap().public().clone());
        let mut followed = Followed::default();
        let sources = |revoked: &Option<Arc<Revoked>>| Sources {
            authorities: vec![Arc::clone(&authority)],
            revoked: revoked.clone(),
        };
        let trusted = followed.follow(sources(&None));
        let first = trusted.now();
        assert!(!first.is_empty() && !first.is_revoked(&[7; 32]));
        followed.follow(sources(&None));
        assert!(Arc::ptr_eq(&first, &trusted.now()), "the files are the same");
        followed.follow(sources(&Some(Arc::new(vec![[7; 32]]))));
        assert!(trusted.now().is_revoked(&[7; 32]));
        followed.follow(Sources::default());
        assert!(trusted.now().is_empty() && !trusted.now().is_revoked(&[7; 32]));
        assert!(trusted.wants_certificates(), "files that are replaced open nothing");
    }
}
