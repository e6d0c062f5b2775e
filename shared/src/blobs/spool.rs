//! Files of any size in the object store: sealed piece by piece, so that writing needs the memory of one piece
//! and any part can be read without the rest.

use super::crypto::SealingKey;
use super::{BlobError, Blobs};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Plain bytes of every piece but the last.
const PIECE: usize = 1024 * 1024;
/// Pieces that a reader keeps: neighbours are read one after the other.
const KEPT: usize = 8;

/// What a spool holds once it is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spooled {
    pub size_bytes: u64,
    /// Hex.
    pub sha256: String,
}

/// Not visible to anybody before the row that speaks of it: a writer that dies leaves pieces that the next one
/// writes over.
pub struct SpoolWriter {
    blobs: Blobs,
    key: SealingKey,
    /// Pieces lie under it.
    place: String,
    buffer: BytesMut,
    pieces: u64,
    size_bytes: u64,
    digest: crate::Digest,
}

impl SpoolWriter {
    pub fn new(blobs: &Blobs, key: &SealingKey, place: &str) -> Self {
        Self {
            blobs: blobs.clone(),
            key: key.clone(),
            place: place.to_owned(),
            buffer: BytesMut::new(),
            pieces: 0,
            size_bytes: 0,
            digest: crate::Digest::default(),
        }
    }

    /// Where the next byte will stand.
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.digest.update(bytes);
        self.size_bytes += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        while self.buffer.len() >= PIECE {
            let piece = self.buffer.split_to(PIECE);
            self.store(&piece).await?;
        }
        Ok(())
    }

    pub async fn close(mut self) -> Result<Spooled, BlobError> {
        let rest = std::mem::take(&mut self.buffer);
        if !rest.is_empty() {
            self.store(&rest).await?;
        }
        let sha256 = self.digest.hex();
        Ok(Spooled { size_bytes: self.size_bytes, sha256 })
    }

    async fn store(&mut self, piece: &[u8]) -> Result<(), BlobError> {
        self.blobs.put_new(&self.key, &self.place, &[(name(self.pieces), piece)]).await?;
        self.pieces += 1;
        Ok(())
    }
}

/// Reads parts of a closed spool.
#[derive(Clone)]
pub struct SpoolReader {
    blobs: Blobs,
    key: SealingKey,
    place: String,
    kept: Arc<Mutex<VecDeque<(u64, Bytes)>>>,
}

impl SpoolReader {
    pub fn new(blobs: &Blobs, key: &SealingKey, place: &str) -> Self {
        let (blobs, key, place) = (blobs.clone(), key.clone(), place.to_owned());
        Self { blobs, key, place, kept: Arc::new(Mutex::new(VecDeque::new())) }
    }

    /// Up to `size` bytes from `start`: fewer only at the end.
    pub async fn read(&self, start: u64, size: usize) -> Result<Bytes, BlobError> {
        let mut found = BytesMut::with_capacity(size);
        while found.len() < size {
            let at = start + found.len() as u64;
            let (number, within) = (at / PIECE as u64, (at % PIECE as u64) as usize);
            let piece = match self.piece(number).await {
                Err(BlobError::NotFound) => break,
                piece => piece?,
            };
            let end = piece.len().min(within.saturating_add(size - found.len()));
            let Some(part) = piece.get(within..end).filter(|part| !part.is_empty()) else { break };
            found.extend_from_slice(part);
            if piece.len() < PIECE {
                break;
            }
        }
        Ok(found.freeze())
    }

    /// The pieces in order, until there is none: `None` at the end.
    pub async fn piece_or_end(&self, number: u64) -> Result<Option<Bytes>, BlobError> {
        match self.piece(number).await {
            Err(BlobError::NotFound) => Ok(None),
            piece => Ok(Some(piece?)),
        }
    }

    async fn piece(&self, number: u64) -> Result<Bytes, BlobError> {
        // Held while reading: of several that want the same piece one fetches it.
        let mut kept = self.kept.lock().await;
        if let Some((_, piece)) = kept.iter().find(|(known, _)| *known == number) {
            return Ok(piece.clone());
        }
        let piece = self.blobs.get(&self.key, &format!("{}/{}", self.place, name(number))).await?;
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((number, piece.clone()));
        Ok(piece)
    }
}

fn name(piece: u64) -> String {
    format!("{piece:08}")
}

#[cfg(test)]
mod tests {
    use super::super::crypto::MasterKeys;
    use super::*;
    use crate::config;

    #[tokio::test]
    async fn any_part_of_what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = config::Config::default().blobs;
        settings.url = format!("file://{}", folder.path().display());
        let blobs = Blobs::open(&settings).unwrap();
        let master = MasterKeys::parse([MasterKeys::generate_entry("k1").unwrap().as_str()]).unwrap();
        let key = master.current().unwrap().1;
        let plain: Vec<u8> = (0..2 * PIECE + 777).map(|number| (number % 251) as u8).collect();
        let mut writer = SpoolWriter::new(&blobs, key, "acc_1/upl_1");
        for part in plain.chunks(100_003) {
            writer.write(part).await.unwrap();
        }
        let spooled = writer.close().await.unwrap();
        assert_eq!(spooled.size_bytes, plain.len() as u64);
        assert_eq!(spooled.sha256, crate::sha256_hex(&plain));
        let reader = SpoolReader::new(&blobs, key, "acc_1/upl_1");
        for (start, size) in [(0, 10), (PIECE - 3, 6), (PIECE, PIECE), (2 * PIECE + 700, 500), (9 * PIECE, 4)]
        {
            let wanted = &plain[start.min(plain.len())..(start + size).min(plain.len())];
            assert_eq!(&reader.read(start as u64, size).await.unwrap()[..], wanted, "{start} {size}");
        }
        assert_eq!(reader.read(0, plain.len()).await.unwrap(), plain);
        assert!(reader.piece_or_end(3).await.unwrap().is_none());
    }
}
