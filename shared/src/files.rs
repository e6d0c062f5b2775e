//! Pictures in files of somebody's own machine: bounded, and never from what does not end.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The contract's limit on one picture.
pub const LARGEST_PICTURE_BYTES: usize = 10 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error(transparent)]
    Unreadable(#[from] std::io::Error),
    /// A pipe or a device may never end, and opening one may wait for ever.
    #[error("is not a regular file")]
    NotRegular,
    #[error("is larger than 10 MB")]
    TooLarge,
}

/// Blocks. Fails where it is no regular file, before it is opened.
pub fn regular(path: &Path) -> Result<(), FileError> {
    if std::fs::metadata(path)?.is_file() { Ok(()) } else { Err(FileError::NotRegular) }
}

/// The whole of a picture's file.
pub async fn read_picture(path: PathBuf) -> Result<Vec<u8>, FileError> {
    let reading = tokio::task::spawn_blocking(move || {
        regular(&path)?;
        let most = LARGEST_PICTURE_BYTES as u64;
        let file = File::open(path)?;
        // What the file system says is a claim; what comes out is counted.
        if file.metadata()?.len() > most {
            return Err(FileError::TooLarge);
        }
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() > LARGEST_PICTURE_BYTES { Err(FileError::TooLarge) } else { Ok(bytes) }
    });
    reading.await.map_err(std::io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_may_not_end_is_not_begun() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, huge, small) =
            (folder.path().join("pipe"), folder.path().join("huge"), folder.path().join("small"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        // Sparse: it takes no room.
        File::create(&huge).unwrap().set_len(LARGEST_PICTURE_BYTES as u64 + 1).unwrap();
        File::create(&small).unwrap().set_len(LARGEST_PICTURE_BYTES as u64).unwrap();
        for path in [pipe, PathBuf::from("/dev/zero"), folder.path().to_owned()] {
            assert!(matches!(read_picture(path).await, Err(FileError::NotRegular)));
        }
        assert!(matches!(read_picture(huge).await, Err(FileError::TooLarge)));
        assert_eq!(read_picture(small).await.unwrap().len(), LARGEST_PICTURE_BYTES);
        let missing = read_picture(folder.path().join("none")).await;
        assert!(matches!(missing, Err(FileError::Unreadable(_))));
    }
}
