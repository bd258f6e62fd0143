//! HTTP of imports: newline-delimited JSON in, a report out.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, Bytes, BytesMut};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, post};
use futures_util::StreamExt;
use serde::Deserialize;
use utoipa::IntoParams;

use super::desk::{Desk, Taken};
use super::importer::Importer;
use super::kin;
use super::load::{BATCH, Batch, Load, Written, preview_retired, retire};
use super::mapping::Mapping;
use super::package::{MOST_ROWS, Package, PackageError};
use super::read::{Raw, line};
use super::report::Report;
use crate::app::State;
use crate::auth::limits::Allowance;
use crate::auth::{Allowed, Principal, scope};
use crate::db::DbConn;
use crate::error::{Error, Fault, Result};
use crate::http::body::{self, unreadable};
use crate::http::concurrency::Slot;
use crate::http::json::MOST_OF_LINE;
use crate::http::query;
use crate::http::unpack::Unpacked;
use crate::kind::OrganizationId;

/// The media type of an HSDS tabular package.
const PACKAGE: &str = "application/zip";
/// How many times larger than the body a package may be when it is unpacked.
const PACKED: u64 = 4;
/// A package has a row for so many of these bytes at most: where each stands is in memory beside them.
const BYTES_OF_ROW: u64 = 128;

/// Imports that an organization has under way at once, at most: what is read of each is in memory.
pub const MOST_AT_ONCE: u16 = 2;
/// Longer than anything of an import goes on: reading may outlast the request, and keeps its place until it ends.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Lines of at most this many bytes in all are read together.
const CHUNK: usize = 4 << 20;

/// Whose records they are, and what is to be done with those that are missing.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// The name under which the records are known from now on.
    #[param(min_length = 1, max_length = 200, example = "alder-valley-211")]
    pub source: String,
    /// IANA time zone of opening hours that do not name one.
    #[param(max_length = 60, example = "America/Vancouver")]
    pub time_zone: Option<String>,
    /// Make services inactive that the body no longer lists: it is a full one. Refused with 409 where it lists less than half of them. Where
    /// a record was refused of which it is not known which it is, such as a line that is no JSON, nothing is retired, and the report says so
    /// (`nothing_retired`). Of a package, terms and the like that it no longer lists are forgotten, unless a row of those was refused so, or
    /// less than half of the services are listed (`nothing_forgotten`); rows of other tables hold up neither.
    #[serde(default)]
    #[param(example = false)]
    pub retire_missing: bool,
    /// Retire them even where the body lists less than half of them, or it is not known which of them were refused.
    #[serde(default)]
    #[param(example = false)]
    pub force: bool,
    /// Say what would be done, and do nothing. What only writing shows, such as a key that another record has, is not told.
    #[serde(default)]
    #[param(example = false)]
    pub dry_run: bool,
}

/// Import services
///
/// As NDJSON one record in each line, as a zip file an HSDS tabular package (`datapackage.json` and CSV files). A record is an HSDS 3.x object (a service, or an organization with its services), or a service in the form of this API with
/// its key among `identifiers`. Records are read and written as they arrive, 500 at a time; each is created, updated, unchanged or refused
/// with reasons, and one that is refused does not hold up the others. What was not understood is kept in `source_fields` and reported.
/// Ids are stable for each source, so sending the same records again changes nothing. Of a package, organizations are imported that give no
/// service, and terms, taxonomies, units and descriptions of tables are kept as they are; of rows that hang on nothing that is there is told.
///
/// A line is as long as the body may be, and has 2,000,000 values at most, else it is refused by itself. An organization has two imports
/// under way at once; one more is answered 429.
#[utoipa::path(
    tag = "services",
    params(ImportQuery),
    request_body(content((String = "application/x-ndjson"), (String = "application/zip", example = json!("PK"))), description = "Newline-delimited JSON or a tabular package, up to the limit that the server sets for imports (64 MiB); a package unpacked up to four times that, of one row for each 128 bytes of that at most (two million), and of five million whatever the limit."),
    responses((status = 200, description = "What was done.", body = Report), (status = 409, description = "`retire_missing`, and the body lists less than half of what the source had: `too_many_missing`. Its records are imported, but of a dry run; nothing is retired."), (status = 413, description = "The body is larger than an import may be. What came before is imported."), (status = 415, description = "The body is neither NDJSON nor a zip file.")),
    security(("oauth2" = ["services:write"]))
)]
#[post("/v1/imports/services")]
pub async fn import_services(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse> {
    let query: ImportQuery = query::read(&request)?;
    let is_package = body::media_type(&request, &["application/x-ndjson", PACKAGE, "application/ndjson", "application/jsonl"])? == PACKAGE;
    let mapping = mapping(&query)?;
    let (owner, source) = (caller.organization_id, query.source.clone());
    let slot = app.imports.open(owner, LONGEST).map_err(|_| {
        // What is left of the calls says nothing of these, and when one of them ends nobody knows.
        request.extensions_mut().remove::<Allowance>();
        Error::RateLimited { retry_after_seconds: 1 }
    })?;
    // Small imports into a large source are many: all of it is read only where what is missing must be known.
    let load = match query.retire_missing {
        true => app.db.read(move |conn| Load::open(conn, owner, &source)).await?,
        false => Load::piecemeal(owner, &source),
    };
    let mut import = Import {
        app: &app,
        caller: &caller,
        desk: Some(Desk { importer: Importer::new(mapping), load }),
        report: Report::new(&query.source, query.dry_run),
        slot: Arc::new(slot),
    };
    let (body, limit) = (Unpacked::of(&request, payload.into_inner())?, app.config.import_limit);
    if is_package {
        import.take_package(whole(body, limit as usize).await?, u64::from(limit).saturating_mul(PACKED)).await?;
    } else {
        let mut lines = Lines::new(body, limit as usize);
        while let Some(chunk) = lines.next().await? {
            import.take(chunk).await?;
        }
    }
    let mut desk = import.finish().await?;
    for kin in kin::pieces(desk.importer.take_kin()).filter(|_| !query.dry_run) {
        let (caller, clock, source) = (Principal::clone(&caller), app.clock.clone(), query.source.clone());
        let join = move |conn: &mut DbConn| kin::join(conn, &caller.now(&clock).actor(), owner, &source, &kin);
        app.db.write_patiently(join).await?.into_iter().for_each(|line| import.report.add(line));
    }
    if query.retire_missing {
        import.retire(&desk.load, &query, is_package).await?;
    }
    Ok(HttpResponse::Ok().json(import.report))
}

fn mapping(query: &ImportQuery) -> Result<Mapping> {
    let mut mapping = Mapping::hsds(&query.source);
    if let Some(zone) = &query.time_zone {
        zone.parse::<chrono_tz::Tz>().map_err(|_| {
            query::refusal(vec![Fault::new("time_zone", "invalid_parameter", "is not an IANA time zone such as America/Vancouver")])
        })?;
        mapping.defaults.time_zone = Some(zone.clone());
    }
    Ok(mapping)
}

struct Import<'a> {
    app: &'a State,
    caller: &'a Principal,
    desk: Option<Desk>,
    report: Report,
    slot: Arc<Slot<OrganizationId>>,
}

/// Records of an import, which is one of few at once for as long as they are being read, though whoever sent them may be gone.
struct Held<R> {
    raws: R,
    _slot: Arc<Slot<OrganizationId>>,
}

impl<R: Iterator<Item = Raw>> Iterator for Held<R> {
    type Item = Raw;

    fn next(&mut self) -> Option<Raw> {
        self.raws.next()
    }
}

impl Import<'_> {
    async fn take(&mut self, lines: Vec<(u64, Bytes)>) -> Result<()> {
        self.at_desk(lines.into_iter().filter_map(|(position, bytes)| line(&bytes, position, MOST_OF_LINE))).await
    }

    /// Takes a tabular package, some services at a time.
    async fn take_package(&mut self, bytes: Vec<u8>, most: u64) -> Result<()> {
        let slot = Arc::clone(&self.slot);
        let read = move || {
            let package = Package::of_zip(Cursor::new(bytes), most, most_rows(most));
            drop(slot);
            package
        };
        let read = web::block(read).await.map_err(Error::internal)?;
        let mut package = read.map_err(|fault| match fault {
            PackageError::TooLarge(_) => Error::TooLarge,
            fault => Error::malformed(format!("The package cannot be read: {fault}.")),
        })?;
        let mut records = Vec::new().into_iter();
        let raws = std::iter::from_fn(move || {
            if let Some(raw) = records.next() {
                return Some(raw);
            }
            records = package.next_records(BATCH).into_iter();
            records.next()
        });
        self.at_desk(raws).await
    }

    async fn finish(&mut self) -> Result<Desk> {
        let mut desk = self.desk.take().ok_or_else(|| Error::internal("the desk of the import is gone"))?;
        if let Some(batch) = desk.load.rest() {
            self.write(batch).await?;
        }
        Ok(desk)
    }

    /// Has the desk read records, some services at a time, and writes the batches that come of them before it reads on.
    async fn at_desk(&mut self, raws: impl Iterator<Item = Raw> + Send + 'static) -> Result<()> {
        let mut next = Some(Held { raws, _slot: Arc::clone(&self.slot) });
        while let Some(raws) = next.take() {
            let desk = self.desk.take().ok_or_else(|| Error::internal("the desk of the import is gone"))?;
            let Taken { desk, left, lines, batches } = desk.take(&self.app.db, raws).await?;
            (self.desk, next) = (Some(desk), left);
            lines.into_iter().for_each(|line| self.report.add(line));
            for batch in batches {
                self.write(batch).await?;
            }
        }
        Ok(())
    }

    /// Writes a batch; where it clashes as a whole, its records one by one, so that only those that clash are refused. Of a dry run it
    /// is only told what would be written.
    async fn write(&mut self, batch: Batch) -> Result<()> {
        if self.report.dry_run {
            self.report.add_written(batch.preview());
            return Ok(());
        }
        let written = match self.write_once(batch.clone()).await {
            Err(Error::Duplicate { .. } | Error::Reference { .. }) => {
                let mut written = Written::default();
                for part in batch.split() {
                    written.add(match self.write_once(part.clone()).await {
                        Ok(part) => part,
                        Err(fault) => part.refused(fault)?,
                    });
                }
                written
            }
            outcome => outcome?,
        };
        self.report.add_written(written);
        Ok(())
    }

    async fn write_once(&self, batch: Batch) -> Result<Written> {
        let (caller, clock) = (self.caller.clone(), self.app.clock.clone());
        self.app.db.write_patiently(move |conn| batch.write(conn, &caller.now(&clock).actor())).await
    }

    /// Makes services inactive that are missing, and forgets what a package lists no more; or tells why not.
    async fn retire(&mut self, load: &Load, query: &ImportQuery, is_package: bool) -> Result<()> {
        let missing = load.missing();
        if let Some(told) = load.doubt().filter(|_| !query.force) {
            self.report.add(told);
        } else if load.is_hardly_full() && !query.force {
            let detail = format!("The body lists less than half of what the source had; {} services would be retired.", missing.len());
            return Err(Error::conflict("too_many_missing", detail));
        } else if query.dry_run {
            let lines = self.app.db.read(move |conn| preview_retired(conn, &missing)).await?;
            lines.into_iter().for_each(|line| self.report.add(line));
        } else {
            for ids in missing.chunks(BATCH) {
                let (ids, caller, clock) = (ids.to_vec(), self.caller.clone(), self.app.clock.clone());
                let lines = self.app.db.write_patiently(move |conn| retire(conn, &caller.now(&clock).actor(), &ids)).await?;
                lines.into_iter().for_each(|line| self.report.add(line));
            }
        }
        if is_package { self.forget(load, query).await } else { Ok(()) }
    }

    /// Forgets what a package lists no more and belongs to no record; or tells why not.
    async fn forget(&mut self, load: &Load, query: &ImportQuery) -> Result<()> {
        if let Some(told) = load.doubt_of_rows().filter(|_| !query.force) {
            self.report.add(told);
            return Ok(());
        }
        if query.dry_run {
            return Ok(());
        }
        let unseen = load.unseen();
        for gone in self.app.db.read(move |conn| unseen.pieces(conn)).await? {
            self.app.db.write_patiently(move |conn| gone.forget(conn)).await?;
        }
        Ok(())
    }
}

/// How many rows a package may have that is unpacked no larger than this.
fn most_rows(most: u64) -> usize {
    usize::try_from(most / BYTES_OF_ROW).unwrap_or(MOST_ROWS).min(MOST_ROWS)
}

/// A body to its end.
async fn whole(mut body: Unpacked, limit: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(unreadable)?;
        if bytes.len() + piece.len() > limit {
            return Err(Error::TooLarge);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// The lines of a body, some at a time.
struct Lines {
    body: Unpacked,
    /// How many more bytes the body may have.
    left: usize,
    buffer: BytesMut,
    /// How much of the buffer is known to have no end of a line.
    scanned: usize,
    position: u64,
}

impl Lines {
    fn new(body: Unpacked, limit: usize) -> Self {
        Self { body, left: limit, buffer: BytesMut::new(), scanned: 0, position: 0 }
    }

    /// The next lines with their numbers; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<(u64, Bytes)>>> {
        let mut lines = Vec::new();
        let mut size = 0;
        loop {
            while let Some(end) = self.buffer.iter().skip(self.scanned).position(|byte| *byte == b'\n') {
                let bytes = self.buffer.split_to(self.scanned + end + 1).freeze();
                self.scanned = 0;
                size += bytes.len();
                self.position += 1;
                lines.push((self.position, bytes));
                if lines.len() >= BATCH || size >= CHUNK {
                    return Ok(Some(lines));
                }
            }
            self.scanned = self.buffer.len();
            match self.body.next().await {
                Some(Ok(bytes)) => {
                    self.left = self.left.checked_sub(bytes.len()).ok_or(Error::TooLarge)?;
                    self.buffer.extend_from_slice(&bytes);
                }
                Some(Err(error)) => return Err(unreadable(error)),
                None if self.buffer.is_empty() => return Ok((!lines.is_empty()).then_some(lines)),
                None => {
                    self.position += 1;
                    lines.push((self.position, self.buffer.split().freeze()));
                    return Ok(Some(lines));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_may_have_more_rows_where_it_may_be_larger() {
        assert_eq!([4 << 20, 256 << 20, 1 << 30, u64::MAX].map(most_rows), [32_768, 2_097_152, MOST_ROWS, MOST_ROWS]);
    }
}
