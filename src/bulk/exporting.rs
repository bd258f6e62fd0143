//! From what the client sees to files.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::kinds::{BulkType, Exported, Window};
use super::model::{ChunkRow, ExportFormat, ExportProgress, FileInfo, JobError, JobRow, JobStatus};
use super::pieces::pack;
use super::repository;
use crate::auth::sight;
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::openapi;

/// A piece of a file has so many lines,
const LINES: i64 = 1_000;
/// or ends with the line that makes it this large. It is in memory as a whole, here and where it is downloaded.
const BYTES: usize = 8 << 20;

/// What was read, and where it leads.
#[derive(Debug)]
pub struct Step {
    /// How far the export is with it.
    progress: ExportProgress,
    /// What is to be added to a file.
    chunk: Option<ChunkRow>,
    /// Resources in it.
    resources: i64,
    /// Its size, unpacked.
    bytes: i64,
    /// Why the export cannot go on.
    error: Option<JobError>,
}

/// Reads what is next of a job, as much as a piece of a file holds.
pub fn read(conn: &mut DbConn, job: &JobRow, now: Instant) -> Result<Step> {
    let mut progress = job.progress.0.clone();
    let step = |progress, error| Step { progress, chunk: None, resources: 0, bytes: 0, error };
    let Some(of) = job.content.types.get(progress.done).copied() else { return Ok(step(progress, None)) };
    let kind = of.kind();
    let Some(standing) = repository::standing(conn, job)? else { return Ok(step(progress, Some(JobError::ClientDisabled))) };
    let caller = job.caller(standing.scopes, now);
    if !caller.has(sight::guard(kind.resource_type()).0) {
        return Ok(step(progress, Some(JobError::ClientDisabled)));
    }
    let name = file_name(of, job.content.format);
    let is_new = progress.files.last().is_none_or(|file| file.name != name);
    if is_new {
        progress.files.push(FileInfo { name: name.clone(), r#type: of, resources: 0, bytes: 0 });
    }
    let mut piece = Piece::new(of, job.content.format, is_new)?;
    let mut has_more = true;
    while has_more && !piece.is_full() {
        let window = Window { since: job.content.since, after: progress.after, until: None, limit: kind.at_once() };
        has_more = kind.page(conn, &caller, window, &mut |resource| {
            piece.add(&resource)?;
            progress.after = Some(resource.id);
            Ok(!piece.is_full())
        })?;
    }
    let (resources, text) = (piece.lines, piece.finish()?);
    let bytes = count(text.len());
    let Some(file) = progress.files.last_mut() else { return Err(Error::internal("an export without files")) };
    let chunk = match text.is_empty() {
        true => None,
        false => Some(ChunkRow {
            job_id: job.id,
            file: name,
            first_line: file.resources + 1,
            lines: i32::try_from(resources).unwrap_or(i32::MAX).max(1),
            content: pack(&text)?,
        }),
    };
    (file.resources, file.bytes) = (file.resources + resources, file.bytes + bytes);
    if !has_more {
        (progress.done, progress.after) = (progress.done + 1, None);
    }
    Ok(Step { progress, chunk, resources, bytes, error: None })
}

/// Writes what was read, in a transaction in which a worker has the job; the job as it then stands, ended where there is nothing more.
pub fn write(conn: &mut DbConn, mut job: JobRow, step: &Step, now: Instant) -> Result<JobRow> {
    job.started_at = job.started_at.or(Some(now));
    job.updated_at = now;
    repository::insert_chunks(conn, step.chunk.as_slice())?;
    job.progress.0 = step.progress.clone();
    (job.lines, job.bytes) = (job.lines + step.resources, job.bytes + step.bytes);
    if let Some(error) = step.error {
        job = JobRow { error: Some(error), ..job }.ended(JobStatus::Failed, now);
    } else if job.progress.done >= job.content.types.len() {
        (job.lines_total, job.bytes_total) = (Some(job.lines), Some(job.bytes));
        job = job.ended(JobStatus::Completed, now);
    }
    repository::replace(conn, &job)?;
    Ok(job)
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn file_name(of: BulkType, format: ExportFormat) -> String {
    format!("{}.{format}", of.kind().path().trim_start_matches("/v1/"))
}

/// A piece of a file that is being written.
struct Piece {
    lines: i64,
    text: Written,
}

enum Written {
    Ndjson(BulkType, Vec<u8>),
    /// The columns are the fields of the resource, in the order of the document.
    Csv(Vec<&'static String>, Box<::csv::Writer<Vec<u8>>>),
}

/// A line of NDJSON.
#[derive(Serialize)]
struct Line<'a> {
    r#type: BulkType,
    id: Uuid,
    resource: &'a Map<String, Value>,
    read_only: Rest<'a>,
}

/// What the server says of a resource besides what clients write.
struct Rest<'a>(&'a Exported);

impl Serialize for Rest<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let Exported { writable, whole, .. } = self.0;
        serializer.collect_map(whole.iter().filter(|(name, _)| *name != "id" && !writable.contains_key(*name)))
    }
}

impl Piece {
    /// One that is empty, but for the names of the columns where it is the first of a table.
    fn new(of: BulkType, format: ExportFormat, is_first: bool) -> Result<Self> {
        let text = match format {
            ExportFormat::Ndjson => Written::Ndjson(of, Vec::new()),
            ExportFormat::Csv => {
                let pointer = format!("/{}/properties", of.kind().schema());
                let properties = openapi::schemas().pointer(&pointer).and_then(Value::as_object);
                let columns: Vec<&String> = properties.into_iter().flat_map(Map::keys).collect();
                let mut rows = ::csv::Writer::from_writer(Vec::new());
                if is_first {
                    rows.write_record(&columns).map_err(Error::internal)?;
                }
                Written::Csv(columns, Box::new(rows))
            }
        };
        Ok(Self { lines: 0, text })
    }

    fn add(&mut self, resource: &Exported) -> Result<()> {
        self.lines += 1;
        match &mut self.text {
            Written::Ndjson(of, text) => {
                let line = Line { r#type: *of, id: resource.id, resource: &resource.writable, read_only: Rest(resource) };
                serde_json::to_writer(&mut *text, &line).map_err(Error::internal)?;
                text.push(b'\n');
                Ok(())
            }
            Written::Csv(columns, rows) => {
                rows.write_record(columns.iter().map(|column| cell(resource.whole.get(*column)))).map_err(Error::internal)
            }
        }
    }

    fn is_full(&self) -> bool {
        let bytes = match &self.text {
            Written::Ndjson(_, text) => text.len(),
            Written::Csv(_, rows) => rows.get_ref().len(),
        };
        self.lines >= LINES || bytes >= BYTES
    }

    fn finish(self) -> Result<Vec<u8>> {
        match self.text {
            Written::Ndjson(_, text) => Ok(text),
            Written::Csv(_, rows) => (*rows).into_inner().map_err(|error| Error::internal(error.to_string())),
        }
    }
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => guarded(text),
        Some(other) => other.to_string(),
    }
}

/// With a mark before it that keeps spreadsheets from running it, where a text begins as a formula does. A number is none, nor is a
/// telephone number in the form of E.164, which looks like one.
fn guarded(text: &str) -> String {
    let begins_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if begins_formula && !is_number(text) { format!("'{text}") } else { text.to_owned() }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, part].iter().all(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_has_what_is_written_and_apart_from_it_the_rest() {
        let object = |value: Value| if let Value::Object(members) = value { members } else { Map::new() };
        let (writable, whole) = (object(json!({ "name": "Tea" })), object(json!({ "id": "x", "name": "Tea", "version": 2 })));
        let mut piece = Piece::new(BulkType::Service, ExportFormat::Ndjson, true).unwrap();
        piece.add(&Exported { id: Uuid::nil(), writable, whole }).unwrap();
        let text = String::from_utf8(piece.finish().unwrap()).unwrap();
        let said = r#""resource":{"name":"Tea"},"read_only":{"version":2}"#;
        assert_eq!(text, format!("{{\"type\":\"service\",\"id\":\"{}\",{said}}}\n", Uuid::nil()));
    }

    #[test]
    fn a_cell_is_plain_where_it_can_be_and_json_where_it_must_be() {
        assert_eq!(cell(None), "");
        assert_eq!(cell(Some(&json!(null))), "");
        assert_eq!(cell(Some(&json!("a, b"))), "a, b");
        assert_eq!(cell(Some(&json!(12))), "12");
        assert_eq!(cell(Some(&json!([{ "family": "Tremblay" }]))), r#"[{"family":"Tremblay"}]"#);
    }

    #[test]
    fn a_text_that_begins_a_formula_is_marked_unless_it_is_a_number() {
        for plain in ["Lunch", "", "'=1", "+12505550142", "-123.12", "+5", "-5", "2-1", " =1"] {
            assert_eq!(cell(Some(&json!(plain))), plain);
        }
        let formulas =
            ["=1+1", "+1-2", "-1+2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "-", "+", "-1.", "-.5", "--5", "+1 250", "-5e3", "-2\n", "＝1"];
        for formula in formulas {
            assert_eq!(cell(Some(&json!(formula))), format!("'{formula}"));
        }
        assert_eq!(cell(Some(&json!(-1.5e-9))), "-1.5e-9");
    }

    #[test]
    fn every_kind_has_columns_and_a_file_of_its_own() {
        let mut names = std::collections::BTreeSet::new();
        for of in BulkType::ALL {
            let header = String::from_utf8(Piece::new(*of, ExportFormat::Csv, true).unwrap().finish().unwrap()).unwrap();
            assert!(header.contains("id,") && header.contains("created_at"), "{of}: {header}");
            assert!(names.insert(file_name(*of, ExportFormat::Csv)), "{of}");
        }
    }
}
