//! From lines to resources.
//!
//! A piece of lines is read, and each line checked against the schema, beside the writer; then it is written in short transactions, each
//! with the number of the last line that is done and with what became of the lines. A line that is refused is undone by itself.

use std::time::{Duration, Instant as Moment};

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::kinds::{Body, BulkType, Fresh, Loadable, ReadOnly, Said, fresh};
use super::model::{ChunkRow, JobError, JobRow, JobStatus, LineOutcome, RESULTS};
use super::pieces::{pack, unpack};
use super::{dry_run, references, repository};
use crate::auth::Principal;
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::{Chain, Error, Fault, Problem, Result};
use crate::http::json;
use crate::kind::{OrganizationId, ResourceType};
use crate::patients::api::PossibleDuplicate;
use crate::patients::duplicates::Traits;
use crate::patients::model::PatientInput;
use crate::patients::search;
use crate::referrals::loading;
use crate::referrals::model::ReferralInput;

/// A transaction takes up no more lines after this long, so that others' writes do not wait for it.
pub(super) const TURN: Duration = Duration::from_millis(20);
/// Lines that are inserted together at most.
const TOGETHER: usize = 128;

/// A line of what is imported.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BulkLine {
    /// The kind of resource that the line holds.
    pub r#type: BulkType,
    /// The id under which the resource is known where the line comes from; later lines may refer to it by that.
    #[schema(required = false, example = "01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10")]
    pub id: Option<Uuid>,
    /// The body, as the single call that creates such a resource takes it. In the place of an id an identifier may stand, `{"system": …,
    /// "value": …}`, of a resource that is there or in an earlier line.
    #[schema(value_type = Object, example = json!({ "names": [{ "family": "Tremblay" }] }))]
    pub resource: Value,
    /// What an export says besides. A resource, new or not, takes of it what is said by calls of their own: that a consent was withdrawn
    /// (`withdrawn_at`), a patient's `need_level`, as judged on the day of the import, and `primary_navigator_id`, a service's `capacity` and
    /// `capacities`, where they are newer, and the `next_follow_up_id` of a follow-up that has ended, where it has none. A new referral,
    /// follow-up or appointment is loaded with the `status` that it had and what goes with it, or refused; the rest is ignored.
    #[schema(required = false, value_type = Object, example = json!({ "need_level": "high" }))]
    pub read_only: Option<Value>,
    /// Of a referral alone: false sends it, as `POST /v1/referrals` does, in the transaction that writes the line; also one that is there as
    /// a draft. One that was sent is not sent again. A new referral is a draft otherwise.
    #[schema(required = false, example = false)]
    pub draft: Option<bool>,
}

/// What became of a line.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LineResult {
    /// The number of the line, from 1.
    #[schema(example = 1)]
    pub line: i64,
    /// What became of the line.
    pub outcome: LineOutcome,
    /// What it is of; null where it does not say so.
    pub r#type: Option<BulkType>,
    /// The resource. In a dry run null where it is not there: it gets its id when it is made.
    pub id: Option<Uuid>,
    /// Why it was refused.
    pub problem: Option<Problem>,
    /// Who a new patient may be already, where the import was to look for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub possible_duplicates: Vec<PossibleDuplicate>,
}

/// A line that was read.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) number: i64,
    /// Bytes, with the end of the line.
    size: i64,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// Nothing but white space: no line at all.
    Blank,
    /// It is wrong by itself.
    Refused(Option<BulkType>, Box<Problem>),
    /// It is valid. Of one that is only tried it is known what it names.
    Ready { head: Head, body: Body, duplicates: Vec<PossibleDuplicate>, names: Vec<(ResourceType, Uuid)> },
    /// It names what was not there when it was read.
    Open { head: Head, body: Value },
}

impl Content {
    /// What it says that it is.
    const fn of(&self) -> Option<BulkType> {
        match self {
            Self::Blank => None,
            Self::Refused(of, _) => *of,
            Self::Ready { head, .. } | Self::Open { head, .. } => Some(head.of),
        }
    }

    /// The performer that it names of a referral which is loaded as it stood, as far as it is an id that says who that is.
    fn performer(&self) -> Option<OrganizationId> {
        match self {
            Self::Ready { head, body, .. } => performer(head, body),
            Self::Open { head, body } if head.of == BulkType::Referral && head.was.contains_key("status") => {
                references::id_of(body.get("performer_organization_id")?).map(OrganizationId::from_uuid)
            }
            _ => None,
        }
    }
}

/// What a line says besides its body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) of: BulkType,
    pub(super) id: Option<Uuid>,
    pub(super) was: ReadOnly,
    /// Whether it is a referral that is to be sent.
    pub(super) is_sent: bool,
}

/// Lines that were read and are to be written.
#[derive(Debug)]
pub struct Lines {
    lines: Vec<Line>,
    /// The piece that they are.
    first_line: i64,
}

impl Lines {
    /// The number of the last one.
    pub fn last(&self) -> i64 {
        self.lines.last().map_or(self.first_line, |line| line.number)
    }

    /// Whether services are among them, which searches are to find.
    pub fn has_services(&self) -> bool {
        self.lines.iter().any(|line| line.content.of() == Some(BulkType::Service))
    }
}

/// Reads the lines of a job that come after so many; `None` where there are no more.
pub fn read(conn: &mut DbConn, job: &JobRow, after: i64, now: Instant) -> Result<Option<Lines>> {
    let Some(chunk) = repository::chunk_from(conn, job.id, super::model::INPUT, after + 1)? else { return Ok(None) };
    let standing = repository::standing(conn, job)?.map_or_else(Default::default, |standing| standing.scopes);
    let caller = job.caller(standing, now);
    let text = unpack(&chunk.content)?;
    let mut lines = Vec::with_capacity(chunk.lines.unsigned_abs() as usize);
    for (number, text) in (chunk.first_line..).zip(text.split_inclusive(|byte| *byte == b'\n')) {
        if number > after {
            let content = read_line(conn, job, &caller, number, text.strip_suffix(b"\n").unwrap_or(text))?;
            lines.push(Line { number, size: i64::try_from(text.len()).unwrap_or(i64::MAX), content });
        }
    }
    Ok(Some(Lines { lines, first_line: chunk.first_line }))
}

fn read_line(conn: &mut DbConn, job: &JobRow, caller: &Principal, number: i64, text: &[u8]) -> Result<Content> {
    // Some programs begin a file with it.
    let text = if number == 1 { text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) } else { text };
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(Content::Blank);
    }
    let mut of = None;
    match checked(conn, job, caller, text, &mut of) {
        Ok(content) => Ok(content),
        Err(error) => Ok(Content::Refused(of, Box::new(refusal(error)?))),
    }
}

/// The problem of a line that is wrong; an error that is not the line's is given back.
fn refusal(error: Error) -> Result<Problem> {
    match error {
        Error::Busy | Error::Unavailable(_) | Error::TimedOut => Err(error),
        // Another line may do better, and so may this one some other day.
        Error::Internal(source) => {
            log::error!("a line of an import: {}", Chain(source.as_ref()));
            Ok(Error::Internal(source).problem())
        }
        Error::Malformed { detail, faults } => {
            // What is one body there is one line here.
            let detail = detail.replacen("The body", "The line", 1).replacen("(line 1, column", "(column", 1);
            Ok(Error::Malformed { detail, faults }.problem())
        }
        other => Ok(other.problem()),
    }
}

fn checked(conn: &mut DbConn, job: &JobRow, caller: &Principal, text: &[u8], of: &mut Option<BulkType>) -> Result<Content> {
    if text.len() > job.content.line_limit {
        return Err(Error::TooLarge);
    }
    let (mut head, mut body) = envelope(json::parse(text)?, of)?;
    let kind = head.of.kind();
    caller.require(kind.write_scope())?;
    if let Some(former) = job.content.former_organization_id {
        let own = caller.organization_id;
        head.id = head.id.map(|id| if head.of == BulkType::Organization && id == former.uuid() { own.uuid() } else { id });
        references::rename(kind, &mut body, former, own);
    }
    if references::has_any(kind, &mut body) && !within(references::resolve(conn, caller, kind, &mut body, false))? {
        return Ok(Content::Open { head, body });
    }
    let names = if job.content.dry_run { references::ids(kind, &mut body)? } else { Vec::new() };
    let body = within(kind.read(body))?;
    let patient = body.downcast_ref::<PatientInput>().filter(|_| job.content.possible_duplicates);
    let duplicates =
        patient.map(|patient| search::possible_duplicates(conn, caller, &Traits::from(patient))).transpose()?.unwrap_or_default();
    Ok(Content::Ready { head, body, duplicates, names })
}

/// The same with faults that point into the line, of which the body is a part.
pub(super) fn within<T>(result: Result<T>) -> Result<T> {
    let inside = |fault: &str| if fault.starts_with("/read_only") { fault.to_owned() } else { format!("/resource{fault}") };
    result.map_err(|error| error.at_pointers(inside))
}

/// Takes a line apart, with every fault told.
fn envelope(line: Value, of: &mut Option<BulkType>) -> Result<(Head, Value)> {
    let Value::Object(members) = line else { return Err(Error::invalid("", "type", "must be an object")) };
    let (mut faults, mut id, mut body, mut was, mut draft) = (Vec::new(), None, None, Map::new(), None);
    for (name, value) in members {
        match (name.as_str(), value) {
            ("type", Value::String(text)) => match text.parse::<BulkType>() {
                Ok(known) => *of = Some(known),
                Err(_) => {
                    let all: Vec<&str> = BulkType::ALL.iter().map(|of| of.as_str()).collect();
                    faults.push(Fault::new("/type", "not_allowed", format!("must be one of {}", all.join(", "))));
                }
            },
            ("type", _) => faults.push(Fault::new("/type", "type", "must be of type string")),
            ("id" | "read_only" | "draft", Value::Null) => {}
            ("draft", Value::Bool(is_draft)) => draft = Some(is_draft),
            ("draft", _) => faults.push(Fault::new("/draft", "type", "must be of type boolean")),
            ("id", value) => match value.as_str().map(str::parse::<Uuid>) {
                Some(Ok(uuid)) => id = Some(uuid),
                _ => faults.push(Fault::new("/id", "format", "must be a valid uuid")),
            },
            ("resource", value @ Value::Object(_)) => body = Some(value),
            ("resource", _) => faults.push(Fault::new("/resource", "type", "must be of type object")),
            ("read_only", Value::Object(members)) => was = members,
            ("read_only", _) => faults.push(Fault::new("/read_only", "type", "must be of type object")),
            (name, _) => {
                let mut pointer = String::new();
                json::push_token(&mut pointer, name);
                faults.push(Fault::new(pointer, "unknown_field", "is not a field of a line"));
            }
        }
    }
    for (name, is_absent) in [("type", of.is_none()), ("resource", body.is_none())] {
        let pointer = format!("/{name}");
        if is_absent && faults.iter().all(|fault| fault.pointer != pointer) {
            faults.push(Fault::new(pointer, "required", "is required"));
        }
    }
    if draft.is_some() && of.is_some_and(|of| of != BulkType::Referral) {
        faults.push(Fault::new("/draft", "not_allowed", "is for referrals alone"));
    }
    match (*of, body) {
        (Some(of), Some(body)) if faults.is_empty() => Ok((Head { of, id, was, is_sent: draft == Some(false) }, body)),
        _ => Err(Error::Invalid(faults)),
    }
}

/// Writes what comes next of the lines, as much as fits into a short transaction, in which a worker has the job; the job as it then stands:
/// more of its lines are done, or it has ended.
pub fn write(conn: &mut DbConn, mut job: JobRow, lines: &Lines, now: Instant) -> Result<JobRow> {
    job.started_at = job.started_at.or(Some(now));
    job.updated_at = now;
    let Some(standing) = repository::standing(conn, &job)? else {
        return end(conn, JobRow { error: Some(JobError::ClientDisabled), ..job }, JobStatus::Failed, now);
    };
    let caller = job.caller(standing.scopes, now);
    let done = lines.lines.iter().position(|line| line.number > job.lines).unwrap_or(lines.lines.len());
    let rest = lines.lines.get(done..).unwrap_or_default();
    if rest.first().is_some_and(|line| line.number > job.lines + 1) {
        return end(conn, JobRow { error: Some(JobError::InputLost), ..job }, JobStatus::Failed, now);
    }
    let results = if job.content.dry_run { dry_run::try_some(conn, &caller, job.id, rest)? } else { write_some(conn, &caller, rest)? };
    let (mut text, mut taken) = (Vec::with_capacity(results.len() * 96), 0);
    for (line, result) in rest.iter().zip(&results) {
        (job.lines, job.bytes, taken) = (line.number, job.bytes + line.size, taken + 1);
        if let Some(result) = result {
            job.count(result.outcome);
            serde_json::to_writer(&mut text, result).map_err(Error::internal)?;
            text.push(b'\n');
        }
    }
    // Also of lines that are all blank, so that whoever reads the results knows that none are missing.
    if let Some(first) = rest.first().filter(|_| taken > 0) {
        let chunk = ChunkRow { job_id: job.id, file: RESULTS.into(), first_line: first.number, lines: taken, content: pack(&text)? };
        repository::insert_chunks(conn, &[chunk])?;
    }
    if job.is_hopeless() {
        return end(conn, JobRow { error: Some(JobError::TooManyRefused), ..job }, JobStatus::Failed, now);
    }
    if job.lines >= lines.last() {
        repository::delete_input(conn, job.id, lines.first_line)?;
    }
    repository::replace(conn, &job)?;
    Ok(job)
}

/// Ends a job of which there are no more lines: all are done, or those that are not are gone.
pub fn complete(conn: &mut DbConn, mut job: JobRow, now: Instant) -> Result<JobRow> {
    job.started_at = job.started_at.or(Some(now));
    if job.lines_total.is_some_and(|total| job.lines < total) {
        return end(conn, JobRow { error: Some(JobError::InputLost), ..job }, JobStatus::Failed, now);
    }
    // Bytes of lines that were cut were counted when they arrived.
    job.bytes = job.bytes_total.unwrap_or(job.bytes);
    end(conn, job, JobStatus::Completed, now)
}

fn end(conn: &mut DbConn, job: JobRow, status: JobStatus, now: Instant) -> Result<JobRow> {
    let job = job.ended(status, now);
    repository::replace(conn, &job)?;
    Ok(job)
}

/// The performer that a line names of a referral which is loaded as it stood.
fn performer(head: &Head, body: &Body) -> Option<OrganizationId> {
    body.downcast_ref::<ReferralInput>().filter(|_| head.was.contains_key("status"))?.performer_organization_id
}

/// What became of the first lines, as many as fit into a turn; of a blank one nothing.
fn write_some(conn: &mut DbConn, caller: &Principal, lines: &[Line]) -> Result<Vec<Option<LineResult>>> {
    let began = Moment::now();
    // At first, and for all that may be written: whoever waits for others has nothing yet for which they wait. Found only in its turn is a
    // performer that an open line names by an identifier, or by an id that stands for what an earlier line loads, and one that follows from
    // the service. Where it comes to waiting in a circle for one of these, PostgreSQL ends one of the two, and `Db::write` runs that again:
    // the turn of the import, or the admission of a client.
    loading::hold_performers(conn, caller, lines.iter().filter_map(|line| line.content.performer()))?;
    let is_over = || began.elapsed() >= TURN;
    let mut results: Vec<Option<LineResult>> = Vec::with_capacity(lines.len());
    while let Some(rest) = lines.get(results.len()..).filter(|rest| !rest.is_empty())
        && (results.is_empty() || !is_over())
    {
        let run = run_of(rest);
        if run.len() > 1 {
            results.extend(write_together(conn, caller, run, is_over)?);
        } else if let Some(line) = rest.first() {
            results.push(write_one(conn, caller, line)?);
        }
    }
    Ok(results)
}

/// The lines at the beginning that can be inserted together: of one kind, and nothing open.
fn run_of(lines: &[Line]) -> &[Line] {
    let kind = |line: &Line| match &line.content {
        Content::Ready { head, .. } if head.of.kind().is_batched(&head.was) => Some(head.of),
        _ => None,
    };
    let first = lines.first().and_then(kind);
    let length = lines.iter().take(TOGETHER).take_while(|line| first.is_some() && kind(line) == first).count();
    lines.get(..length).unwrap_or_default()
}

/// Writes lines of one kind: the new ones that stand together with few statements, the others one by one until the turn is over.
fn write_together<'r>(
    conn: &mut DbConn,
    caller: &Principal,
    run: &'r [Line],
    is_over: impl Fn() -> bool,
) -> Result<Vec<Option<LineResult>>> {
    let ready = |line: &'r Line| match &line.content {
        Content::Ready { head, body, duplicates, .. } => Some((line.number, head, body, duplicates)),
        _ => None,
    };
    let ready: Vec<_> = run.iter().filter_map(ready).collect();
    let Some(of) = ready.first().map(|(_, head, ..)| head.of).filter(|_| ready.len() == run.len()) else {
        return run.iter().map(|line| write_one(conn, caller, line)).collect();
    };
    let kind = of.kind();
    if !caller.has(kind.write_scope()) {
        // Taken from the client since the lines were read: each says so.
        return run.iter().map(|line| write_one(conn, caller, line)).collect();
    }
    let keys: Vec<(Option<Uuid>, &Body)> = ready.iter().map(|(_, head, body, _)| (head.id, *body)).collect();
    let is_fresh = fresh(kind, conn, caller, &keys)?;
    let lines: Vec<_> = run.iter().zip(is_fresh).zip(&ready).collect();
    let mut results = Vec::with_capacity(run.len());
    for lines in lines.chunk_by(|((_, one), _), ((_, other), _)| one == other) {
        let mut inserted = Vec::new();
        if lines.first().is_some_and(|((_, is_fresh), _)| *is_fresh) {
            let new: Vec<Fresh<'_>> = lines.iter().map(|(_, (_, head, body, _))| Fresh { id: new_id(caller, head.id), body }).collect();
            match conn.nested(|conn| kind.insert_all(conn, caller, &new)) {
                Ok(outcomes) => inserted = new.iter().map(|fresh| fresh.id).zip(outcomes).collect(),
                Err(error @ (Error::Busy | Error::Unavailable(_) | Error::TimedOut)) => return Err(error),
                // One of them clashes with another, or with what is there: which, is found out one by one.
                Err(_) => {}
            }
        }
        let mut inserted = inserted.into_iter();
        for ((line, _), (number, head, _, duplicates)) in lines {
            match inserted.next() {
                Some((id, outcome)) => {
                    let outcome = within(outcome.map(|()| (LineOutcome::Created, id)));
                    results.push(Some(told(*number, head, outcome, duplicates)?));
                }
                None if !results.is_empty() && is_over() => return Ok(results),
                None => results.push(write_one(conn, caller, line)?),
            }
        }
    }
    Ok(results)
}

/// The id that a new resource gets.
pub(super) fn new_id(caller: &Principal, id: Option<Uuid>) -> Uuid {
    id.map_or_else(|| Id::<()>::generate().uuid(), |id| references::echo(caller.organization_id, id))
}

/// Writes a line inside a savepoint of its own.
fn write_one(conn: &mut DbConn, caller: &Principal, line: &Line) -> Result<Option<LineResult>> {
    let number = line.number;
    let alone = |conn: &mut DbConn, kind: &dyn Loadable, head: &Head, body: &Body| {
        caller.require(kind.write_scope())?;
        let said = Said { id: head.id, body, was: &head.was, is_sent: head.is_sent };
        let write = |conn: &mut DbConn| {
            conn.nested(|conn| {
                let (outcome, found) = within(kind.write(conn, caller, said))?;
                if let Some(id) = head.id {
                    references::remember(conn, caller.organization_id, kind.resource_type(), id, found)?;
                }
                Ok((outcome, found))
            })
        };
        match write(conn) {
            // Another may have created it since it was looked for: then it is replaced.
            Err(Error::Duplicate { .. }) => write(conn),
            done => done,
        }
    };
    Ok(Some(match &line.content {
        Content::Blank => return Ok(None),
        Content::Refused(of, problem) => refused(number, *of, (**problem).clone()),
        Content::Ready { head, body, duplicates, .. } => {
            let outcome = alone(conn, head.of.kind(), head, body);
            told(number, head, outcome, duplicates)?
        }
        Content::Open { head, body } => {
            let (kind, mut body) = (head.of.kind(), body.clone());
            let read = within(references::resolve(conn, caller, kind, &mut body, true).and_then(|_| kind.read(body)));
            let outcome = read.and_then(|body| {
                loading::hold_performers(conn, caller, performer(head, &body))?;
                alone(conn, kind, head, &body)
            });
            told(number, head, outcome, &[])?
        }
    }))
}

/// What is told of a line of which this became.
pub(super) fn told(line: i64, head: &Head, outcome: Result<(LineOutcome, Uuid)>, duplicates: &[PossibleDuplicate]) -> Result<LineResult> {
    match outcome {
        Ok((outcome, id)) => {
            let possible_duplicates = if outcome == LineOutcome::Created { duplicates.to_vec() } else { Vec::new() };
            Ok(LineResult { line, outcome, r#type: Some(head.of), id: Some(id), problem: None, possible_duplicates })
        }
        Err(error) => Ok(refused(line, Some(head.of), refusal(error)?)),
    }
}

/// What is told of a line that is refused.
pub(super) const fn refused(line: i64, of: Option<BulkType>, problem: Problem) -> LineResult {
    LineResult { line, outcome: LineOutcome::Refused, r#type: of, id: None, problem: Some(problem), possible_duplicates: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(line: &str) -> Vec<(String, String)> {
        match envelope(serde_json::from_str(line).unwrap(), &mut None) {
            Ok(_) => Vec::new(),
            Err(Error::Invalid(faults)) => faults.into_iter().map(|fault| (fault.pointer, fault.code.into_owned())).collect(),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn every_fault_of_a_line_is_told() {
        let pairs =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned())).collect::<Vec<_>>();
        assert_eq!(faults(r#"{"type":"patient","id":null,"resource":{}}"#), []);
        assert_eq!(faults("[]"), pairs(&[("", "type")]));
        assert_eq!(faults("{}"), pairs(&[("/type", "required"), ("/resource", "required")]));
        assert_eq!(
            faults(r#"{"type":"client","id":"x","resource":[],"read_only":1,"a/b":2}"#),
            pairs(&[
                ("/type", "not_allowed"),
                ("/id", "format"),
                ("/resource", "type"),
                ("/read_only", "type"),
                ("/a~1b", "unknown_field")
            ])
        );
    }
}
