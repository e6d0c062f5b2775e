//! Reads a manifest from the first line to the last, whatever its size and form: JSONL, CSV, or one of them in a ZIP
//! archive. Each line becomes a row, also one that is wrong; only a manifest that cannot be read at all is refused.

use super::rows::{HEADERS, Line};
use super::source::Location;
use super::zipped::Archive;
use super::{Batches, DriveError};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Map, Value};
use std::io::{BufRead, BufReader, Read};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use txid_shared::api::{ApiError, BatchFault, ErrorCode};
use txid_shared::blobs::spool::SpoolWriter;
use txid_shared::ids::BatchId;
use txid_shared::store::NewRow;
use uuid::Uuid;

/// As long as the body of a single call.
const LONGEST_LINE: u64 = 45 * 1024 * 1024;
/// Lines that are written together.
const TOGETHER: usize = 1000;
/// Bytes of lines that are written together.
const TOGETHER_BYTES: usize = 4 * 1024 * 1024;
/// Parts and groups of lines that wait for each other.
const AHEAD: usize = 4;
/// What a manifest in an archive is called, if there are several that it could be.
const NAMES: [&str; 2] = ["manifest.jsonl", "manifest.csv"];
/// Columns of CSV whose value is JSON.
const STRUCTURES: [&str; 3] = ["expected", "metadata", "thresholds"];

struct Parsed {
    line: i64,
    read: Result<Line, (Option<String>, ApiError)>,
}

type Part = Result<Bytes, ApiError>;
type Group = Result<Vec<Parsed>, ApiError>;

/// Who holds the batch that is read.
pub(super) struct Holding<'a> {
    pub(super) id: BatchId,
    pub(super) token: Uuid,
    pub(super) until: jiff::SignedDuration,
    pub(super) rows: SpoolWriter,
    pub(super) batches: &'a Batches,
}

impl Holding<'_> {
    /// `Err` inside: the manifest as a whole cannot be used.
    pub(super) async fn read(
        mut self,
        location: &Location,
        archive: Option<&Archive>,
        account_name: &str,
        account: txid_shared::ids::AccountId,
    ) -> Result<Result<(), ApiError>, DriveError> {
        if !self.batches.store.reset_rows((self.id, self.token)).await? {
            return Err(DriveError::LeaseLost);
        }
        let (parts, incoming) = channel::<Part>(AHEAD);
        let (groups, mut lines) = channel::<Group>(AHEAD);
        let feeding =
            feed(self.batches, location.clone(), archive.cloned(), account_name.to_owned(), account, parts);
        let parsing = tokio::task::spawn_blocking(move || parse(incoming, &groups));
        let writing = self.write(&mut lines);
        let (fed, written) = tokio::join!(feeding, writing);
        fed?;
        let written = written?;
        drop(lines);
        parsing.await.map_err(|_| DriveError::Panicked)?;
        if let Err(refused) = written {
            return Ok(Err(refused));
        }
        self.rows.close().await?;
        Ok(Ok(()))
    }

    async fn write(&mut self, lines: &mut Receiver<Group>) -> Result<Result<(), ApiError>, DriveError> {
        let (mut number, most) = (0, self.batches.settings.most_rows);
        while let Some(group) = lines.recv().await {
            let group = match group {
                Ok(group) => group,
                Err(refused) => return Ok(Err(refused)),
            };
            let held = self.batches.clock.now() + self.until;
            if self.batches.store.hold_batch(self.id, self.token, held).await?.is_none() {
                return Err(DriveError::LeaseLost);
            }
            let mut rows = Vec::with_capacity(group.len());
            for Parsed { line, read } in group {
                number += 1;
                let start_byte = i64::try_from(self.rows.size_bytes()).unwrap_or(i64::MAX);
                let (custom_id, text, fault) = match read {
                    Ok(Line { custom_id, text }) => (custom_id, text, None),
                    Err((custom_id, error)) => (custom_id, String::new(), Some(error.into())),
                };
                self.rows.write(text.as_bytes()).await?;
                let size_bytes = i32::try_from(text.len()).unwrap_or(i32::MAX);
                rows.push(NewRow { number, line, custom_id, start_byte, size_bytes, fault });
            }
            if number > most {
                let message = format!("the manifest has more than {most} rows");
                return Ok(Err(ApiError::invalid("manifest", message)));
            }
            self.append(rows).await?;
        }
        if number == 0 {
            return Ok(Err(ApiError::invalid("manifest", "the manifest has no rows")));
        }
        Ok(Ok(()))
    }

    /// Rows whose `custom_id` stands earlier as well are kept with the fault that they have.
    async fn append(&self, rows: Vec<NewRow>) -> Result<(), DriveError> {
        let (store, held) = (&self.batches.store, (self.id, self.token));
        let taken = store.append_rows(held, &rows).await?.ok_or(DriveError::LeaseLost)?;
        if taken.len() == rows.len() {
            return Ok(());
        }
        let taken: std::collections::HashSet<i64> = taken.into_iter().collect();
        let mut repeated = Vec::new();
        for mut row in rows.into_iter().filter(|row| !taken.contains(&row.number)) {
            let first = match &row.custom_id {
                Some(custom_id) => store.line_of(self.id, custom_id).await?.unwrap_or_default(),
                None => 0,
            };
            row.fault = Some(BatchFault {
                code: ErrorCode::InvalidParameter.name(),
                message: format!("`custom_id` stands on line {first} already"),
                param: Some("custom_id".to_owned()),
            });
            repeated.push(row);
        }
        store.append_rows(held, &repeated).await?.ok_or(DriveError::LeaseLost)?;
        Ok(())
    }
}

/// Hands on the manifest's bytes. What is wrong with its place goes the same way.
async fn feed(
    batches: &Batches,
    location: Location,
    archive: Option<Archive>,
    account_name: String,
    account: txid_shared::ids::AccountId,
    parts: Sender<Part>,
) -> Result<(), DriveError> {
    let refuse = |error: ApiError| async {
        // Nobody listens any more where the parser stopped first.
        let _ = parts.send(Err(error)).await;
    };
    match location {
        Location::Upload(id) => {
            let Some((_, reader)) = batches.references.upload(account, id).await? else {
                refuse(ApiError::new(ErrorCode::NotFound, "`manifest`: no such upload").param("manifest"))
                    .await;
                return Ok(());
            };
            let mut number = 0;
            while let Some(piece) = reader.piece_or_end(number).await? {
                if parts.send(Ok(piece)).await.is_err() {
                    break;
                }
                number += 1;
            }
        }
        Location::Bucket(url) => match batches.references.sources.stream(&account_name, &url).await {
            Err(error) => refuse(unreachable("manifest", &error)).await,
            Ok(stream) => {
                let mut stream = std::pin::pin!(stream);
                while let Some(part) = stream.next().await {
                    let part = part.map_err(|error| unreachable("manifest", &error));
                    let broken = part.is_err();
                    if parts.send(part).await.is_err() || broken {
                        break;
                    }
                }
            }
        },
        Location::Archive(name) => {
            let Some(archive) = archive else {
                refuse(ApiError::missing("archive")).await;
                return Ok(());
            };
            let reading = tokio::task::spawn_blocking(move || {
                let read = named(&archive, &name).and_then(|name| {
                    let each = archive.each_part(&name, |part| {
                        parts.blocking_send(Ok(Bytes::copy_from_slice(part))).is_ok()
                    });
                    each.map_err(|error| {
                        ApiError::invalid("manifest", format!("the manifest in the archive {error}"))
                    })
                });
                if let Err(error) = read {
                    let _ = parts.blocking_send(Err(error));
                }
            });
            reading.await.map_err(|_| DriveError::Panicked)?;
        }
        Location::File(path) if batches.references.local_files.is_some() => {
            use tokio::io::AsyncReadExt as _;
            let mut file = match tokio::fs::File::open(&path).await {
                Ok(file) => file,
                Err(error) => {
                    refuse(ApiError::invalid("manifest", format!("`manifest`: {error}"))).await;
                    return Ok(());
                }
            };
            loop {
                let mut part = vec![0; 256 * 1024];
                let read = file.read(&mut part).await.map_err(txid_shared::blobs::BlobError::from)?;
                part.truncate(read);
                if read == 0 || parts.send(Ok(part.into())).await.is_err() {
                    break;
                }
            }
        }
        Location::Web(_) | Location::File(_) => {
            refuse(super::source::not_open("manifest", "such")).await;
        }
    }
    Ok(())
}

fn unreachable(param: &str, error: &txid_shared::blobs::sources::SourceError) -> ApiError {
    use txid_shared::blobs::sources::SourceError;
    let (code, what) = match error {
        SourceError::NotOpen => (ErrorCode::Forbidden, "is not in a bucket that this account may read"),
        SourceError::NotFound => (ErrorCode::NotFound, "does not exist"),
        SourceError::TooLarge(_) => (ErrorCode::InvalidParameter, "is too large"),
        SourceError::Store(_) => (ErrorCode::ServiceUnavailable, "could not be fetched"),
    };
    ApiError::new(code, format!("`{param}` {what}")).param(param)
}

/// The entry that is the manifest, where none is named.
fn named(archive: &Archive, name: &str) -> Result<String, ApiError> {
    if !name.is_empty() {
        return Ok(name.to_owned());
    }
    let found = archive.names(&[".jsonl", ".csv"]);
    let usual = found.iter().find(|name| NAMES.contains(&name.rsplit('/').next().unwrap_or_default()));
    match (usual, found.as_slice()) {
        (Some(usual), _) => Ok(usual.clone()),
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(ApiError::invalid("manifest", "the archive has no manifest.jsonl or manifest.csv")),
        (None, _) => {
            Err(ApiError::invalid("manifest", "the archive has several manifests; name one manifest.jsonl"))
        }
    }
}

/// Blocks. Lines until the end, in groups.
fn parse(incoming: Receiver<Part>, groups: &Sender<Group>) {
    let mut reader =
        BufReader::with_capacity(256 * 1024, Parts { incoming, part: Bytes::new(), refused: None });
    let parsed = begin(&mut reader, groups);
    let refused = reader.into_inner().refused;
    // What is wrong with the place explains why the parser met an end.
    if let Some(error) = refused.or(parsed.err()) {
        // Nobody listens any more where the writer stopped first.
        let _ = groups.blocking_send(Err(error));
    }
}

fn begin(reader: &mut BufReader<Parts>, groups: &Sender<Group>) -> Result<(), ApiError> {
    let start = reader.fill_buf().map_err(|error| unreadable(&error))?;
    if start.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    let start = reader.fill_buf().map_err(|error| unreadable(&error))?;
    if start.starts_with(b"PK\x03\x04") {
        return Err(ApiError::invalid("manifest", "`manifest` is a ZIP archive: give it as `archive`"));
    }
    match start.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => Ok(()),
        Some(b'{') => jsonl(reader, &mut Grouped::new(groups)),
        Some(_) => csv(reader, &mut Grouped::new(groups)),
    }
}

fn jsonl(reader: &mut BufReader<Parts>, groups: &mut Grouped<'_>) -> Result<(), ApiError> {
    let mut number = 0;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes);
        if read.map_err(|error| unreadable(&error))? == 0 {
            return groups.end();
        }
        number += 1;
        let mut too_long = bytes.len() as u64 == LONGEST_LINE && !bytes.ends_with(b"\n");
        while too_long {
            // To its end, and forgotten.
            let mut rest = Vec::new();
            let read = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut rest);
            read.map_err(|error| unreadable(&error))?;
            if rest.is_empty() || rest.ends_with(b"\n") {
                let message = "the line is longer than 45 MB";
                groups.add(number, Err((None, ApiError::new(ErrorCode::InvalidRequest, message))))?;
                bytes.clear();
                too_long = false;
            }
        }
        let read = match std::str::from_utf8(&bytes) {
            Ok(text) if text.trim().is_empty() => continue,
            Ok(text) => Line::read(text.trim()),
            Err(_) => Err((None, ApiError::new(ErrorCode::InvalidRequest, "the line is not UTF-8"))),
        };
        groups.add(number, read)?;
    }
}

fn csv(reader: &mut BufReader<Parts>, groups: &mut Grouped<'_>) -> Result<(), ApiError> {
    let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(reader);
    let headers = csv.headers().map_err(|_| {
        ApiError::invalid("manifest", "`manifest` is neither JSONL nor CSV: its first line cannot be read")
    })?;
    let headers: Vec<String> = headers.iter().map(|name| name.trim().to_owned()).collect();
    let is_known = |name: &&String| {
        let structure = name.split_once('.').map(|(structure, _)| structure);
        HEADERS.contains(&name.as_str())
            || STRUCTURES.contains(&name.as_str())
            || structure.is_some_and(|structure| STRUCTURES.contains(&structure))
            || name.starts_with('_')
    };
    if !headers.iter().any(|name| name == "custom_id") {
        let message = "`manifest` is neither JSONL nor CSV with a column `custom_id`";
        return Err(ApiError::invalid("manifest", message));
    }
    if let Some(unknown) = headers.iter().find(|name| !is_known(name)) {
        let shown: String = unknown.chars().filter(|c| !c.is_control()).take(64).collect();
        let message = format!("`manifest` has the unknown column `{shown}`; known: {}", HEADERS.join(", "));
        return Err(ApiError::invalid("manifest", message));
    }
    let mut record = csv::ByteRecord::new();
    loop {
        let more = csv.read_byte_record(&mut record);
        // Quotes and ends of lines that do not fit are taken as they are; only reading itself can fail.
        if !more.map_err(|_| ApiError::invalid("manifest", "`manifest` broke off"))? {
            return groups.end();
        }
        let line = record.position().map_or(0, |position| i64::try_from(position.line()).unwrap_or_default());
        groups.add(line, of_record(&headers, &record).and_then(Line::of))?;
    }
}

/// The members that a record stands for.
fn of_record(
    headers: &[String],
    record: &csv::ByteRecord,
) -> Result<Map<String, Value>, (Option<String>, ApiError)> {
    let mut members = Map::new();
    let custom_id = headers.iter().position(|name| name == "custom_id").and_then(|at| record.get(at));
    let custom_id = custom_id.and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::to_owned);
    let refused = |error: ApiError| Err((custom_id.clone().filter(|id| !id.is_empty()), error));
    if record.len() != headers.len() {
        let message = format!("the line has {} columns, not {}", record.len(), headers.len());
        return refused(ApiError::new(ErrorCode::InvalidRequest, message));
    }
    for (name, bytes) in headers.iter().zip(record) {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return refused(ApiError::new(ErrorCode::InvalidRequest, "the line is not UTF-8"));
        };
        if text.is_empty() || name.starts_with('_') {
            continue;
        }
        let value = match name.as_str() {
            "checks" => Value::Array(
                text.split([';', ',', ' ']).filter(|word| !word.is_empty()).map(Value::from).collect(),
            ),
            structure if STRUCTURES.contains(&structure) => match serde_json::from_str(text) {
                Ok(value) => value,
                Err(_) => return refused(ApiError::invalid(name, format!("`{name}` must be a JSON object"))),
            },
            _ => Value::from(text),
        };
        match name.split_once('.') {
            Some((structure, member)) => {
                let object = members.entry(structure).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(object) = object {
                    object.insert(member.to_owned(), value);
                }
            }
            None => {
                members.insert(name.clone(), value);
            }
        }
    }
    Ok(members)
}

fn unreadable(error: &std::io::Error) -> ApiError {
    ApiError::invalid("manifest", format!("`manifest` cannot be read: {error}"))
}

/// Gathers lines; fails once nobody takes them any more.
struct Grouped<'a> {
    groups: &'a Sender<Group>,
    gathered: Vec<Parsed>,
    bytes: usize,
}

impl<'a> Grouped<'a> {
    fn new(groups: &'a Sender<Group>) -> Self {
        Self { groups, gathered: Vec::new(), bytes: 0 }
    }

    fn add(&mut self, line: i64, read: Result<Line, (Option<String>, ApiError)>) -> Result<(), ApiError> {
        self.bytes += read.as_ref().map_or(0, |line| line.text.len());
        self.gathered.push(Parsed { line, read });
        if self.gathered.len() >= TOGETHER || self.bytes >= TOGETHER_BYTES {
            return self.end();
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), ApiError> {
        self.bytes = 0;
        let gathered = std::mem::take(&mut self.gathered);
        if gathered.is_empty() {
            return Ok(());
        }
        let stopped = |_| ApiError::new(ErrorCode::InvalidState, "reading was stopped");
        self.groups.blocking_send(Ok(gathered)).map_err(stopped)
    }
}

/// What comes in parts, as a reader on a blocking thread.
struct Parts {
    incoming: Receiver<Part>,
    part: Bytes,
    refused: Option<ApiError>,
}

impl Read for Parts {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.part.is_empty() {
            match self.incoming.blocking_recv() {
                None => return Ok(0),
                Some(Ok(part)) => self.part = part,
                Some(Err(error)) => {
                    self.refused = Some(error);
                    return Ok(0);
                }
            }
        }
        let count = self.part.len().min(into.len());
        let taken = self.part.split_to(count);
        for (to, from) in into.iter_mut().zip(taken) {
            *to = from;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Vec<Parsed>, ApiError> {
        let (parts, incoming) = channel(1024);
        for part in text.chunks(7) {
            parts.try_send(Ok(Bytes::copy_from_slice(part))).unwrap();
        }
        drop(parts);
        let (groups, mut lines) = channel(1024);
        parse(incoming, &groups);
        drop(groups);
        let mut found = Vec::new();
        while let Ok(group) = lines.try_recv() {
            found.extend(group?);
        }
        Ok(found)
    }

    fn told(text: &[u8]) -> Vec<(i64, Result<String, String>)> {
        let lines = read(text).unwrap().into_iter();
        lines
            .map(|parsed| (parsed.line, parsed.read.map(|line| line.text).map_err(|(_, e)| e.message)))
            .collect()
    }

    #[test]
    fn json_lines_keep_their_numbers_and_faults() {
        let text =
            b"\xef\xbb\xbf{\"custom_id\":\"a\"}\r\n\n{\"custom_id\":\"b\"\n\xff\xfe\n{\"custom_id\":\"c\"}";
        let found = told(text);
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 3, 4, 5]);
        assert_eq!(
            found.iter().map(|(_, read)| read.is_ok()).collect::<Vec<_>>(),
            [true, false, false, true]
        );
    }

    #[test]
    fn a_table_has_the_same_rows() {
        let text = b"custom_id,document_front,country,checks,expected.first_name,metadata\n\
            a,zip:a.jpg,MA,ocr;fraud,\"Zo\xc3\xab, B\",\"{\"\"x\"\":1}\"\n\
            b,zip:b.jpg\n\
            \"c\nd\",zip:c.jpg,,,,{oops\n\
            e,zip:e.jpg,,,,\n";
        let found = told(text);
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4, 6]);
        assert_eq!(
            found[0].1.clone().unwrap(),
            r#"{"checks":["ocr","fraud"],"country":"MA","custom_id":"a","document_front":"zip:a.jpg","expected":{"first_name":"Zoë, B"},"metadata":{"x":1}}"#
        );
        assert!(found[1].1.clone().unwrap_err().contains("2 columns, not 6"));
        assert!(found[2].1.clone().unwrap_err().contains("metadata"));
        assert_eq!(found[3].1.clone().unwrap(), r#"{"custom_id":"e","document_front":"zip:e.jpg"}"#);
    }

    #[test]
    fn what_is_no_manifest_says_what_it_should_be() {
        for (text, wanted) in [
            (&b"PK\x03\x04xxxx"[..], "archive"),
            (b"name,country\na,MA\n", "custom_id"),
            (b"custom_id,contry\na,MA\n", "contry"),
            (b"\x00\x01\x02", "custom_id"),
        ] {
            let Err(error) = read(text) else { panic!("{wanted}") };
            assert!(error.message.contains(wanted), "{error}");
        }
        assert!(read(b"").unwrap().is_empty() && read(b"\n \n").unwrap().is_empty());
    }
}
