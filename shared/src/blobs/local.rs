//! New files of one folder, on disk when this returns. The object store's own write would sync the folder
//! and those above it again for each file. No temporary names: nobody looks for a file before the row that
//! speaks of it is committed, and that comes after.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Blocks. `folder` may be new.
pub(super) fn write_new(folder: &Path, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    let mut changed = Vec::new();
    create(folder, &mut changed)?;
    for (name, bytes) in files {
        let mut file = File::create(folder.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    changed.push(folder.to_path_buf());
    changed.iter().try_for_each(|folder| File::open(folder)?.sync_all())
}

/// Blocks. Gone from disk when this returns, also where it was gone before: that removal may not have got there.
pub(super) fn remove(file: &Path) -> io::Result<()> {
    let absent = |error: &io::Error| error.kind() == ErrorKind::NotFound;
    match fs::remove_file(file) {
        Err(error) if !absent(&error) => return Err(error),
        _ => {}
    }
    match file.parent().map(File::open) {
        None => Ok(()),
        Some(Err(error)) if absent(&error) => Ok(()),
        Some(folder) => folder?.sync_all(),
    }
}

/// Adds to `changed` each folder that got a new entry.
fn create(folder: &Path, changed: &mut Vec<PathBuf>) -> io::Result<()> {
    let above = folder.parent();
    match fs::create_dir(folder) {
        Ok(()) => {
            changed.extend(above.map(Path::to_path_buf));
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => match above {
            Some(above) if error.kind() == ErrorKind::NotFound => {
                create(above, changed)?;
                create(folder, changed)
            }
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_and_files_are_whole() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("acc_1/ver_1");
        let files = [("front".to_owned(), vec![1, 2, 3]), ("selfie".to_owned(), Vec::new())];
        write_new(&folder, &files).unwrap();
        write_new(&folder, &files[..1]).unwrap();
        assert_eq!(fs::read(folder.join("front")).unwrap(), [1, 2, 3]);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }

    #[test]
    fn what_is_removed_twice_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("keys/acc_1/ver_1");
        remove(&file).unwrap();
        write_new(file.parent().unwrap(), &[("ver_1".to_owned(), vec![1])]).unwrap();
        remove(&file).unwrap();
        remove(&file).unwrap();
        assert!(!file.exists());
        assert!(remove(root.path()).is_err(), "a folder is no file");
    }

    #[test]
    fn what_stands_in_the_way_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("acc_1"), []).unwrap();
        assert!(write_new(&root.path().join("acc_1/ver_1"), &[]).is_err());
    }
}
