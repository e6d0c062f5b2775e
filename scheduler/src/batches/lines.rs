//! From bytes to lines: JSONL or a table, on a blocking thread, part by part.

use super::rows::{HEADERS, Line, Wrong};
use bytes::Bytes;
use serde_json::{Map, Value};
use std::io::{BufRead, BufReader, Read};
use tokio::sync::mpsc::{Receiver, Sender};
use txid_shared::api::{ApiError, ErrorCode};

/// As long as the body of a single call.
const LONGEST_LINE: u64 = 45 * 1024 * 1024;
/// Lines that are written together.
const TOGETHER: usize = 1000;
/// Bytes of lines that are written together.
const TOGETHER_BYTES: usize = 4 * 1024 * 1024;
/// Columns of a table whose value is JSON.
const STRUCTURES: [&str; 3] = ["expected", "metadata", "thresholds"];

/// A line with what it says, or what is wrong with it.
pub(super) struct Parsed {
    pub(super) line: i64,
    pub(super) read: Result<Line, Wrong>,
}

pub(super) type Part = Result<Bytes, ApiError>;
pub(super) type Group = Result<Vec<Parsed>, ApiError>;

/// Blocks. Lines until the end, in groups.
pub(super) fn parse(incoming: Receiver<Part>, groups: &Sender<Group>) {
    let mut reader = BufReader::with_capacity(
        256 * 1024,
        Parts { incoming, part: Bytes::new(), refused: None, odd_quotes: false },
    );
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
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
        return Err(ApiError::invalid("manifest", "`manifest` is UTF-16: save it as UTF-8 (`CSV UTF-8`)"));
    }
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
                let error = ApiError::new(ErrorCode::InvalidRequest, message);
                groups.add(number, Err(Wrong::unread(&bytes, error)))?;
                bytes.clear();
                too_long = false;
            }
        }
        let read = match std::str::from_utf8(&bytes) {
            Ok(text) if text.trim().is_empty() => continue,
            Ok(text) => Line::read(text.trim()),
            Err(_) => {
                let error = ApiError::new(ErrorCode::InvalidRequest, "the line is not UTF-8");
                Err(Wrong::unread(&bytes, error))
            }
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
        // As spreadsheets write it where the comma is the decimal point.
        let parted_otherwise =
            headers.iter().any(|name| name.contains("custom_id") && name.contains([';', '\t']));
        let message = if parted_otherwise {
            "`manifest`: its columns are parted by semicolons or tabs; write it with commas"
        } else {
            "`manifest` is neither JSONL nor CSV with a column `custom_id`"
        };
        return Err(ApiError::invalid("manifest", message));
    }
    if let Some(unknown) = headers.iter().find(|name| !is_known(name)) {
        let shown: String = unknown.chars().filter(|c| !c.is_control()).take(64).collect();
        let message = format!("`manifest` has the unknown column `{shown}`; known: {}", HEADERS.join(", "));
        return Err(ApiError::invalid("manifest", message));
    }
    let mut seen = std::collections::HashSet::new();
    if let Some(repeated) = headers.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(ApiError::invalid("manifest", format!("`manifest` has the column `{repeated}` twice")));
    }
    let mut record = csv::ByteRecord::new();
    // Where the last record begins and ends, if that is on several lines.
    let mut over_lines = None;
    loop {
        let more = csv.read_byte_record(&mut record);
        // Quotes and ends of lines that do not fit are taken as they are; only reading itself can fail.
        if !more.map_err(|_| ApiError::invalid("manifest", "`manifest` broke off"))? {
            return match over_lines {
                Some(lines) if csv.get_ref().get_ref().odd_quotes => Err(unclosed(lines)),
                _ => groups.end(),
            };
        }
        let line = record.position().map_or(0, csv::Position::line);
        let holds_end = record.iter().any(|field| field.contains(&b'\n') || field.contains(&b'\r'));
        over_lines = holds_end.then(|| (line, csv.position().line()));
        if let Some(lines) = over_lines.filter(|_| record.len() != headers.len()) {
            return Err(unclosed(lines));
        }
        let number = i64::try_from(line).unwrap_or_default();
        groups.add(number, of_record(&headers, &record).and_then(Line::of))?;
    }
}

/// A record that took the lines behind it for its own: as one bad row they would be lost.
fn unclosed((from, behind): (u64, u64)) -> ApiError {
    let to = behind.saturating_sub(1);
    let message =
        format!("`manifest`, line {from}: a quote that opens there swallows the lines up to {to}; close it");
    ApiError::invalid("manifest", message)
}

/// The members that a record stands for.
fn of_record(headers: &[String], record: &csv::ByteRecord) -> Result<Map<String, Value>, Wrong> {
    let mut members = Map::new();
    let custom_id = headers.iter().position(|name| name == "custom_id").and_then(|at| record.get(at));
    let custom_id =
        custom_id.and_then(|bytes| std::str::from_utf8(bytes).ok()).map(|id| id.trim().to_owned());
    let refused = |error: ApiError| {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        // Writing to a Vec cannot fail.
        let _ = writer.write_byte_record(record);
        let line = writer.into_inner().unwrap_or_default();
        let custom_id = custom_id.clone().filter(|id| !id.is_empty());
        Err(Wrong { custom_id, ..Wrong::unread(&line, error) })
    };
    if record.len() != headers.len() {
        let message = format!("the line has {} columns, not {}", record.len(), headers.len());
        return refused(ApiError::new(ErrorCode::InvalidRequest, message));
    }
    for (name, bytes) in headers.iter().zip(record) {
        let Ok(text) = std::str::from_utf8(bytes).map(str::trim) else {
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

    fn add(&mut self, line: i64, read: Result<Line, Wrong>) -> Result<(), ApiError> {
        self.bytes += read.as_ref().map_or_else(|wrong| wrong.text.len(), |line| line.text.len());
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
    /// Whether an odd number of quotes came: one of them opens and never closes.
    odd_quotes: bool,
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
            self.odd_quotes ^= from == b'"';
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::channel;

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
            .map(|parsed| {
                (parsed.line, parsed.read.map(|line| line.text).map_err(|wrong| wrong.error.message))
            })
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
            e, zip:e.jpg ,,,,\n";
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
    fn a_quote_that_does_not_close_loses_no_lines_unsaid() {
        let rows = "b,zip:b.jpg,MA\n".repeat(40);
        for (text, wanted) in [
            // To the end of the file, from the first and from the last column; to the next quote.
            (format!("custom_id,document_front,country\n\"a,zip:a.jpg,MA\n{rows}"), "line 2"),
            (format!("custom_id,document_front,country\nx,zip:x.jpg,MA\na,zip:a.jpg,\"MA\n{rows}"), "line 3"),
            (
                format!("custom_id,document_front,country\n\"a,zip:a.jpg,MA\n{rows}\"c\",zip:c.jpg,MA\n"),
                "line 2",
            ),
        ] {
            let Err(error) = read(text.as_bytes()) else { panic!("{text}") };
            assert!(error.message.contains(wanted) && !error.message.contains("zip:"), "{error}");
        }
        let whole =
            b"custom_id,document_front,country\na\"b,zip:a.jpg,MA\n\"c\nd\",zip:c.jpg,MA\ne,zip:e.jpg,MA\n";
        assert_eq!(read(whole).unwrap().len(), 3, "a stray quote is none that opens");
    }

    #[test]
    fn what_is_no_manifest_says_what_it_should_be() {
        for (text, wanted) in [
            (&b"PK\x03\x04xxxx"[..], "archive"),
            (b"name,country\na,MA\n", "custom_id"),
            (b"custom_id,contry\na,MA\n", "contry"),
            (b"custom_id;country\na;MA\n", "commas"),
            (b"custom_id,country,country\na,MA,FR\n", "`country` twice"),
            (b"\xff\xfec\0u\0s\0", "UTF-8"),
            (b"\x00\x01\x02", "custom_id"),
        ] {
            let Err(error) = read(text) else { panic!("{wanted}") };
            assert!(error.message.contains(wanted), "{error}");
        }
        assert!(read(b"").unwrap().is_empty() && read(b"\n \n").unwrap().is_empty());
    }
}
