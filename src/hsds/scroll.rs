//! Lists and records as they are written: some at a time, so that no more of an answer is in memory than that. One organization may give
//! thousands of services, and all of them are nested in it.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use futures_util::future::ready;
use futures_util::stream::{self, StreamExt as _};
use serde_json::Value;

use super::handlers::shelves;
use super::pages::{BATCH, Entry, Extent, Pages, Shelves};
use crate::app::State;
use crate::db::DbConn;
use crate::error::{Error, Result};

/// So much text is written together, in bytes; of an entry that is larger all of it.
const PIECE: usize = 4 << 20;

/// The form of an answer.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// One object.
    Single,
    /// An object in each line.
    Lines,
    /// A page of a list.
    Page {
        /// How many entries there are in all.
        total: usize,
        /// The number of the page, from 1.
        number: usize,
        /// How many a page has.
        size: usize,
    },
}

/// An answer on its way.
#[derive(Debug)]
pub struct Scroll {
    form: Form,
    extent: Extent,
    /// What is written, an organization followed by its services where they are shown.
    entries: Arc<[Entry]>,
    at: usize,
    /// How many are read together: as many as were written together last, and more again where they are small.
    batch: usize,
    written: usize,
    /// How many services were written of an organization whose end is still to come.
    nested: Option<usize>,
}

impl Scroll {
    /// Of these entries. Call it in a read, after a refresh of the catalogue.
    pub fn new(shelves: Shelves<'_>, entries: Vec<Entry>, extent: Extent, form: Form) -> Self {
        let entries = if extent.is_full { nested(shelves, entries) } else { entries };
        Self { form, extent, entries: entries.into(), at: 0, batch: BATCH, written: 0, nested: None }
    }

    /// How many objects there are so far. What is deleted meanwhile is left out.
    pub const fn written(&self) -> usize {
        self.written
    }

    /// What comes next of the text. Call it in a read.
    pub fn write_on(&mut self, shelves: Shelves<'_>, conn: &mut DbConn) -> Result<Vec<u8>> {
        let mut text = if self.at == 0 { self.head() } else { Vec::new() };
        let entries = Arc::clone(&self.entries);
        let from = self.at;
        let end = (from + self.batch).min(entries.len());
        let entries = entries.get(from..end).unwrap_or_default();
        let (pages, read) = Pages::read(shelves, conn, entries, self.extent)?;
        let end = from + read;
        for entry in entries.iter().take(read) {
            self.put(&mut text, *entry, pages.object(*entry))?;
            self.at += 1;
            if text.len() >= PIECE {
                break;
            }
        }
        self.batch = if self.at < end { self.at - from } else { (2 * self.batch).min(BATCH) };
        if self.is_at_end() {
            text.extend(self.tail());
        }
        Ok(text)
    }

    /// The answer of which this is the beginning.
    pub fn respond(self, app: State, first: Vec<u8>) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response.content_type(if matches!(self.form, Form::Lines) { "application/x-ndjson" } else { "application/json" });
        if self.is_at_end() {
            return response.body(first);
        }
        let rest = stream::try_unfold(self, move |mut scroll| {
            let app = app.clone();
            async move {
                if scroll.is_at_end() {
                    return Ok::<_, Error>(None);
                }
                let shared = app.clone();
                let write = move |conn: &mut DbConn| scroll.write_on(shelves(&shared), conn).map(|text| (Bytes::from(text), scroll));
                app.db.read(write).await.map(Some)
            }
        });
        response.streaming(stream::once(ready(Ok(Bytes::from(first)))).chain(rest))
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.entries.len()
    }

    fn head(&self) -> Vec<u8> {
        let Form::Page { total, number, size } = self.form else { return Vec::new() };
        let pages = total.div_ceil(size);
        let (is_first, is_last) = (number == 1, number >= pages);
        let counts = format!(r#"{{"total_items":{total},"total_pages":{pages},"page_number":{number}"#);
        format!(r#"{counts},"first_page":{is_first},"last_page":{is_last},"contents":["#).into()
    }

    fn tail(&self) -> Vec<u8> {
        if !matches!(self.form, Form::Page { .. }) {
            return Vec::new();
        }
        format!(r#"],"size":{},"empty":{}}}"#, self.written, self.written == 0).into()
    }

    /// Writes an entry, of which this is the object if it is still there.
    fn put(&mut self, text: &mut Vec<u8>, entry: Entry, object: Option<Value>) -> Result<()> {
        match (entry, object, self.nested) {
            (Entry::End, _, Some(services)) => {
                text.extend_from_slice(if services > 0 { b"]}" } else { b"}" });
                self.nested = None;
                self.close(text);
            }
            (Entry::Nested(_), Some(object), Some(services)) => {
                text.extend_from_slice(if services > 0 { b"," } else { br#","services":["# });
                serde_json::to_writer(&mut *text, &object).map_err(Error::internal)?;
                self.nested = Some(services + 1);
            }
            (Entry::End | Entry::Nested(_), ..) | (_, None, _) => {}
            (_, Some(object), _) => {
                if self.written > 0 && matches!(self.form, Form::Page { .. }) {
                    text.push(b',');
                }
                serde_json::to_writer(&mut *text, &object).map_err(Error::internal)?;
                self.written += 1;
                if self.extent.is_full && matches!(entry, Entry::Provider(_)) {
                    // It is closed behind its services.
                    text.pop();
                    self.nested = Some(0);
                } else {
                    self.close(text);
                }
            }
        }
        Ok(())
    }

    fn close(&self, text: &mut Vec<u8>) {
        if matches!(self.form, Form::Lines) {
            text.push(b'\n');
        }
    }
}

/// The same entries, each organization followed by its services and its end.
fn nested(shelves: Shelves<'_>, entries: Vec<Entry>) -> Vec<Entry> {
    let shelf = shelves.catalogue.read();
    let mut all = Vec::with_capacity(entries.len());
    for entry in entries {
        all.push(entry);
        if let Entry::Provider(provider) = entry {
            all.extend(shelf.given_by(provider).into_iter().map(Entry::Nested));
            all.push(Entry::End);
        }
    }
    all
}
