//! ZIP archives in spools and files: read in place, within bounds. Nothing is unpacked to disk, and an entry is
//! found by its exact name, so that a path that climbs out leads nowhere.

use std::borrow::Cow;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;
use txid_shared::blobs::spool::SpoolReader;
use zip::ZipArchive;

/// Entries of one archive at most.
const MOST_ENTRIES: usize = 10_000_000;
/// An entry may unpack to so many times its size: text compresses a hundredfold, bombs a thousandfold.
const LARGEST_RATIO: u64 = 200;
/// Read from the spool at once.
const AHEAD: usize = 256 * 1024;

trait Seekable: Read + Seek + Send {}
impl<T: Read + Seek + Send> Seekable for T {}

/// Open, and shared by the rows that read from it one after the other.
#[derive(Clone)]
pub(super) struct Archive {
    zip: Arc<Mutex<ZipArchive<Box<dyn Seekable>>>>,
    /// Where every entry lies, as after `zip -r people.zip people/`: names may leave it out. Ends in `/`.
    folder: Arc<str>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error("is no ZIP archive that can be read: {0}")]
    Malformed(String),
    #[error("has more than {MOST_ENTRIES} entries")]
    TooManyEntries,
    #[error("has no entry of that name")]
    NoEntry,
    #[error("is larger than {0} bytes")]
    TooLarge(u64),
    #[error("unpacks to more than {LARGEST_RATIO} times its size")]
    Bomb,
}

impl Archive {
    /// Blocks.
    pub(super) fn of_spool(
        reader: SpoolReader,
        size_bytes: u64,
        runtime: Handle,
    ) -> Result<Self, ArchiveError> {
        let file = SpoolFile { reader, runtime, size_bytes, at: 0, ahead: Vec::new(), ahead_at: 0 };
        Self::open(Box::new(file))
    }

    /// Blocks.
    pub(super) fn of_file(path: &Path) -> Result<Self, ArchiveError> {
        let file = std::fs::File::open(path).map_err(|error| ArchiveError::Malformed(error.to_string()))?;
        Self::open(Box::new(std::io::BufReader::with_capacity(AHEAD, file)))
    }

    fn open(file: Box<dyn Seekable>) -> Result<Self, ArchiveError> {
        let archive = ZipArchive::new(file).map_err(|error| ArchiveError::Malformed(error.to_string()))?;
        if archive.len() > MOST_ENTRIES {
            return Err(ArchiveError::TooManyEntries);
        }
        let folder = common_folder(archive.file_names().flatten()).into();
        Ok(Self { zip: Arc::new(Mutex::new(archive)), folder })
    }

    /// Blocks. The whole entry.
    pub(super) fn read(&self, name: &str, largest_bytes: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut archive = self.zip.lock().unwrap_or_else(PoisonError::into_inner);
        let in_folder = format!("{}{name}", self.folder);
        let found = archive
            .index_for_name_raw(name.as_bytes())
            .or_else(|| archive.index_for_name_raw(in_folder.as_bytes()))
            // Goes through all names, for those that are not UTF-8.
            .or_else(|| archive.index_for_name(name));
        let mut entry = archive
            .by_index(found.ok_or(ArchiveError::NoEntry)?)
            .map_err(|error| ArchiveError::Malformed(error.to_string()))?;
        if entry.size() > largest_bytes {
            return Err(ArchiveError::TooLarge(largest_bytes));
        }
        if entry.size() > entry.compressed_size().saturating_mul(LARGEST_RATIO).max(64 * 1024) {
            return Err(ArchiveError::Bomb);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(entry.size()).unwrap_or_default());
        // What stands in the directory is a claim; what comes out is counted.
        let read = entry.by_ref().take(largest_bytes + 1).read_to_end(&mut bytes);
        read.map_err(|error| ArchiveError::Malformed(error.to_string()))?;
        if bytes.len() as u64 > largest_bytes {
            return Err(ArchiveError::TooLarge(largest_bytes));
        }
        Ok(bytes)
    }

    /// Blocks. The names that end in one of `endings`.
    pub(super) fn names(&self, endings: &[&str]) -> Vec<String> {
        let archive = self.zip.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |name: &String| endings.iter().any(|ending| name.ends_with(ending)) && is_given(name);
        archive.file_names().flatten().map(std::borrow::Cow::into_owned).filter(wanted).collect()
    }

    /// Blocks. Hands on what an entry holds, part by part, until `take` says stop.
    pub(super) fn each_part(
        &self,
        name: &str,
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), ArchiveError> {
        let mut archive = self.zip.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entry = archive.by_name(name).map_err(|error| ArchiveError::Malformed(error.to_string()))?;
        let mut part = vec![0; AHEAD];
        loop {
            let read = entry.read(&mut part).map_err(|error| ArchiveError::Malformed(error.to_string()))?;
            if read == 0 || !take(part.get(..read).unwrap_or_default()) {
                return Ok(());
            }
        }
    }
}

/// Not what macOS adds beside each file.
fn is_given(name: &str) -> bool {
    !name.contains("__MACOSX")
}

fn common_folder<'a>(names: impl Iterator<Item = Cow<'a, str>>) -> String {
    let mut common: Option<String> = None;
    for name in names.filter(|name| is_given(name)) {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let common = common.get_or_insert_with(|| format!("{folder}/"));
        while !format!("{folder}/").starts_with(common.as_str()) {
            let shorter = common.trim_end_matches('/').rsplit_once('/').map_or(0, |(rest, _)| rest.len() + 1);
            common.truncate(shorter);
        }
    }
    common.filter(|folder| folder != "/").unwrap_or_default()
}

/// A spool as the file that the ZIP reader wants. Lives on blocking threads only.
struct SpoolFile {
    reader: SpoolReader,
    runtime: Handle,
    size_bytes: u64,
    at: u64,
    ahead: Vec<u8>,
    ahead_at: u64,
}

impl Read for SpoolFile {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let within = self.at.checked_sub(self.ahead_at).and_then(|offset| usize::try_from(offset).ok());
        let held = within.and_then(|within| self.ahead.get(within..)).filter(|held| !held.is_empty());
        let held = match held {
            Some(held) => held,
            None => {
                let reading = self.reader.read(self.at, AHEAD);
                self.ahead = self.runtime.block_on(reading).map_err(std::io::Error::other)?.to_vec();
                self.ahead_at = self.at;
                &self.ahead
            }
        };
        let count = held.len().min(into.len());
        for (to, from) in into.iter_mut().zip(held) {
            *to = *from;
        }
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for SpoolFile {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size_bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| std::io::Error::other("before the beginning"))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_every_entry_may_be_left_out() {
        let of = |names: &[&str]| common_folder(names.iter().copied().map(Cow::Borrowed));
        assert_eq!(of(&["people/", "people/manifest.csv", "people/front/a.jpg"]), "people/");
        assert_eq!(of(&["a/b/m.csv", "a/b/c/x.jpg", "__MACOSX/a/b/m.csv"]), "a/b/");
        assert_eq!(of(&["ab/m.csv", "a/x.jpg"]), "");
        assert_eq!(of(&["manifest.csv", "front/a.jpg"]), "");
        assert_eq!(of(&["front/a.jpg", "manifest.csv"]), "");
        assert_eq!(of(&[]), "");
    }
}
