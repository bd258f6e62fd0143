//! From what the client sees to files.

use serde_json::{Map, Value, json};

use super::kinds::{BulkType, Exported, Window};
use super::model::{ChunkRow, ExportFormat, ExportProgress, FileInfo, JobError, JobRow, JobStatus};
use super::pieces::pack;
use super::repository;
use crate::auth::sight;
use crate::db::DbConn;
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::openapi;

/// Resources of a page.
const PAGE: i64 = 200;

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

/// Reads the next page of a job.
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
    let found = kind.page(conn, &caller, Window { since: job.content.since, after: progress.after, until: None, limit: PAGE })?;
    let name = file_name(of, job.content.format);
    let is_new = progress.files.last().is_none_or(|file| file.name != name);
    if is_new {
        progress.files.push(FileInfo { name: name.clone(), r#type: of, resources: 0, bytes: 0 });
    }
    let text = match job.content.format {
        ExportFormat::Ndjson => ndjson(of, &found)?,
        ExportFormat::Csv => csv(kind.schema(), &found, is_new)?,
    };
    let (resources, bytes) = (count(found.len()), count(text.len()));
    let Some(file) = progress.files.last_mut() else { return Err(Error::internal("an export without files")) };
    let chunk = match text.is_empty() {
        true => None,
        false => Some(ChunkRow {
            job_id: job.id,
            file: name,
            first_line: file.resources + 1,
            lines: i32::try_from(found.len()).unwrap_or(i32::MAX).max(1),
            content: pack(&text)?,
        }),
    };
    (file.resources, file.bytes) = (file.resources + resources, file.bytes + bytes);
    match found.last() {
        Some(last) if resources >= PAGE => progress.after = Some(last.id),
        _ => (progress.done, progress.after) = (progress.done + 1, None),
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

fn ndjson(of: BulkType, found: &[Exported]) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    for Exported { id, writable, whole } in found {
        let rest = whole.iter().filter(|(name, _)| *name != "id" && !writable.contains_key(*name));
        let rest: Map<String, Value> = rest.map(|(name, value)| (name.clone(), value.clone())).collect();
        let line = json!({ "type": of, "id": id, "resource": writable, "read_only": rest });
        serde_json::to_writer(&mut text, &line).map_err(Error::internal)?;
        text.push(b'\n');
    }
    Ok(text)
}

/// The columns are the fields of the resource, in the order of the document.
fn csv(schema: &str, found: &[Exported], with_names: bool) -> Result<Vec<u8>> {
    let properties = openapi::schemas().pointer(&format!("/{schema}/properties")).and_then(Value::as_object);
    let columns: Vec<&String> = properties.into_iter().flat_map(Map::keys).collect();
    let mut rows = ::csv::Writer::from_writer(Vec::new());
    if with_names {
        rows.write_record(&columns).map_err(Error::internal)?;
    }
    for resource in found {
        rows.write_record(columns.iter().map(|column| cell(resource.whole.get(*column)))).map_err(Error::internal)?;
    }
    rows.into_inner().map_err(|error| Error::internal(error.to_string()))
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
    use super::*;

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
            let header = String::from_utf8(csv(of.kind().schema(), &[], true).unwrap()).unwrap();
            assert!(header.contains("id,") && header.contains("created_at"), "{of}: {header}");
            assert!(names.insert(file_name(*of, ExportFormat::Csv)), "{of}");
        }
    }
}
