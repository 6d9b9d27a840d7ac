//! The list of what is revoked, as it is looked at again and again.
//!
//! Law: what was revoked stays so until two looks, one after the other, find the same list without it. A list that is emptied and
//! written again, or that an editor is about to write, so goes on to revoke. What is added counts at once.

use super::authorities::{self, Revoked};
use super::fault::Fault;
use super::reload::FileLook;
use super::watch::Look;
use std::path::Path;
use std::sync::Arc;

/// Looks at the list.
pub struct RevokedLook {
    file: FileLook<Revoked>,
    remembered: Remembered,
}

#[derive(Default)]
struct Remembered {
    /// What counts.
    kept: Arc<Revoked>,
    /// What the look before has found; `None` where that found a fault.
    before: Option<Arc<Revoked>>,
}

impl RevokedLook {
    pub fn new(path: &Path) -> RevokedLook {
        RevokedLook { file: FileLook::new(path, authorities::revoked), remembered: Remembered::default() }
    }
}

impl Look for RevokedLook {
    type Value = Revoked;

    fn look(&mut self) -> Result<Arc<Revoked>, Fault> {
        let before = self.remembered.before.take();
        let found = self.file.look()?;
        Ok(self.remembered.take(before, found))
    }
}

impl Remembered {
    /// What counts once a look has found this, and the one before that.
    fn take(&mut self, before: Option<Arc<Revoked>>, found: Arc<Revoked>) -> Arc<Revoked> {
        let gone: Revoked = self.kept.iter().filter(|key| !found.contains(*key)).copied().collect();
        let is_seen_twice = before.is_some_and(|before| before == found);
        self.kept = match gone.is_empty() || is_seen_twice {
            true => Arc::clone(&found),
            false => Arc::new([&found[..], &gone].concat()),
        };
        self.before = Some(found);
        Arc::clone(&self.kept)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::testing;
    use super::*;
    use crate::z85;
    use std::fs;

    /// Writes the list, and looks.
    fn look(looks: &mut RevokedLook, path: &Path, keys: &[u8]) -> Revoked {
        let line = |key: &u8| format!("{} a key\n", *z85::encode(&[*key; 32]).unwrap());
        fs::write(path, keys.iter().map(line).collect::<String>()).unwrap();
        let mut found = Revoked::clone(&looks.look().unwrap());
        found.sort();
        found
    }

    #[test]
    fn what_was_revoked_stays_so_until_two_looks_agree() {
        let folder = testing::folder();
        let path = folder.join("revoked");
        let looks = &mut RevokedLook::new(&path);
        let mut now = |keys: &[u8]| look(looks, &path, keys);
        assert_eq!(now(&[1, 2]), [[1; 32], [2; 32]]);
        assert_eq!(now(&[]), [[1; 32], [2; 32]], "emptied, and about to be written again");
        assert_eq!(now(&[1, 2, 3]), [[1; 32], [2; 32], [3; 32]], "written again");
        assert_eq!(now(&[3]), [[1; 32], [2; 32], [3; 32]]);
        assert_eq!(now(&[3, 4]), [[1; 32], [2; 32], [3; 32], [4; 32]], "it is being written still");
        assert_eq!(now(&[3, 4]), [[3; 32], [4; 32]], "twice the same");
        assert_eq!((now(&[]), now(&[])), (vec![[3; 32], [4; 32]], vec![]));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_list_with_a_fault_between_two_others_forgets_nothing() {
        let folder = testing::folder();
        let path = folder.join("revoked");
        let looks = &mut RevokedLook::new(&path);
        assert_eq!(look(looks, &path, &[1]), [[1; 32]]);
        for _ in 0..2 {
            fs::write(&path, "half a li").unwrap();
            assert!(looks.look().is_err());
            assert_eq!(look(looks, &path, &[]), [[1; 32]]);
        }
        assert_eq!(look(looks, &path, &[]), Revoked::new());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_list_that_stays_the_same_is_the_same_value() {
        let mut remembered = Remembered::default();
        let list = Arc::new(vec![[1; 32]]);
        for _ in 0..3 {
            let before = remembered.before.take();
            let kept = remembered.take(before, Arc::clone(&list));
            assert!(Arc::ptr_eq(&kept, &list), "trust is made anew for a new one alone");
        }
    }
}
