//! The list of what is revoked, as it is looked at again and again.
//!
//! Law: what was revoked stays so until two looks, one after the other, find the same list without it. No writer may have touched the file
//! between them. A list that is emptied and written again, or that an editor is about to write, so goes on to revoke. Looks may be hours
//! apart, and two of them may by chance meet a list while it is empty: the file's stamp tells these. What is added counts at once.

use super::authorities::{self, Revoked};
use super::fault::Fault;
use super::reload::{Content, FileLook, Stamp};
use super::watch::Look;
use std::path::Path;
use std::sync::Arc;

/// Looks at the list.
pub struct RevokedLook {
    file: FileLook<Listed>,
    remembered: Remembered,
}

/// A list, and the file that it stood in.
#[derive(PartialEq)]
struct Listed {
    stamp: Stamp,
    list: Arc<Revoked>,
}

#[derive(Default)]
struct Remembered {
    /// What counts.
    kept: Arc<Revoked>,
    /// What the look before has found; `None` where that found a fault.
    before: Option<Arc<Listed>>,
}

impl RevokedLook {
    pub fn new(path: &Path) -> RevokedLook {
        RevokedLook { file: FileLook::new(path, listed), remembered: Remembered::default() }
    }
}

fn listed(path: &Path, content: &Content) -> Result<Listed, Fault> {
    let list = Arc::new(authorities::revoked(path, content)?);
    Ok(Listed { stamp: content.stamp, list })
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
    fn take(&mut self, before: Option<Arc<Listed>>, found: Arc<Listed>) -> Arc<Revoked> {
        let list = &found.list;
        let gone: Revoked = self.kept.iter().filter(|key| !list.contains(*key)).copied().collect();
        let has_lasted = before.is_some_and(|before| before == found);
        self.kept = match gone.is_empty() || has_lasted {
            true => Arc::clone(list),
            false => Arc::new([&list[..], &gone].concat()),
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
    use std::fs::{self, File};
    use std::time::{Duration, UNIX_EPOCH};

    /// Writes the list. `second`: when it was written, as the file system says.
    fn write(path: &Path, keys: &[u8], second: u64) {
        let line = |key: &u8| format!("{} a key\n", *z85::encode(&[*key; 32]).unwrap());
        fs::write(path, keys.iter().map(line).collect::<String>()).unwrap();
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(second)).unwrap();
    }

    fn look(looks: &mut RevokedLook) -> Revoked {
        let mut found = Revoked::clone(&looks.look().unwrap());
        found.sort();
        found
    }

    #[test]
    fn what_was_revoked_stays_so_until_two_looks_agree() {
        let folder = testing::folder();
        let path = folder.join("revoked");
        let looks = &mut RevokedLook::new(&path);
        let mut second = 0;
        let mut now = |keys: &[u8]| {
            second += 1;
            write(&path, keys, second);
            look(looks)
        };
        assert_eq!(now(&[1, 2]), [[1; 32], [2; 32]]);
        assert_eq!(now(&[]), [[1; 32], [2; 32]], "emptied, and about to be written again");
        assert_eq!(now(&[1, 2, 3]), [[1; 32], [2; 32], [3; 32]], "written again");
        assert_eq!(now(&[3]), [[1; 32], [2; 32], [3; 32]]);
        assert_eq!(now(&[3, 4]), [[1; 32], [2; 32], [3; 32], [4; 32]], "it is being written still");
        assert_eq!(look(looks), [[3; 32], [4; 32]], "nothing has touched it");
        write(&path, &[], 100);
        assert_eq!((look(looks), look(looks)), (vec![[3; 32], [4; 32]], vec![]));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_list_that_is_empty_twice_by_chance_goes_on_to_revoke() {
        let folder = testing::folder();
        let path = folder.join("revoked");
        let looks = &mut RevokedLook::new(&path);
        write(&path, &[1], 1);
        assert_eq!(look(looks), [[1; 32]]);
        for hour in 2..5 {
            // It is written each time, and emptied before that. The looks meet it while it is empty.
            write(&path, &[], hour);
            assert_eq!(look(looks), [[1; 32]]);
        }
        assert_eq!(look(looks), Revoked::new(), "now it has lasted");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_list_with_a_fault_between_two_others_forgets_nothing() {
        let folder = testing::folder();
        let path = folder.join("revoked");
        let looks = &mut RevokedLook::new(&path);
        write(&path, &[1], 1);
        assert_eq!(look(looks), [[1; 32]]);
        for second in 2..4 {
            fs::write(&path, "half a li").unwrap();
            assert!(looks.look().is_err());
            write(&path, &[], second);
            assert_eq!(look(looks), [[1; 32]]);
        }
        assert_eq!(look(looks), Revoked::new());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_list_that_stays_the_same_is_the_same_value() {
        let folder = testing::folder();
        let path = folder.join("revoked");
        write(&path, &[1], 1);
        let stamp = Stamp::of(&fs::metadata(&path).unwrap());
        let mut remembered = Remembered::default();
        let list = Arc::new(Listed { stamp, list: Arc::new(vec![[1; 32]]) });
        for _ in 0..3 {
            let before = remembered.before.take();
            let kept = remembered.take(before, Arc::clone(&list));
            assert!(Arc::ptr_eq(&kept, &list.list), "trust is made anew for a new one alone");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
