//! Keyset pages: opaque cursors, stable while rows are inserted.
//!
//! A cursor is base64url of a small JSON: a version, a fingerprint of the filters and sort, and the last key seen. Used with other
//! filters it is refused. The last part of every sort key is the id, so no row is seen twice and none is skipped.

use std::hash::{Hash, Hasher};

use actix_web::http::header::{self, ContentType};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use super::kept::Written;
use crate::error::{Error, Fault, Result};

/// How many items a page has: 1 to 200, 50 unless told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit(u16);

impl Limit {
    /// The most items of one page.
    pub const MOST: u16 = 200;

    /// A page of so many items, as far as a page can have them.
    pub fn of(items: i64) -> Self {
        Self(u16::try_from(items).map_or(Self::MOST, |items| items.clamp(1, Self::MOST)))
    }

    /// The number of items.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }

    /// One row more than the page has, to know whether there is a next one.
    pub fn and_one(self) -> i64 {
        i64::from(self.0) + 1
    }
}
impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}
impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        u16::try_from(number)
            .ok()
            .filter(|number| (1..=Self::MOST).contains(number))
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom(format!("must be from 1 to {}", Self::MOST)))
    }
}
impl Serialize for Limit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.0)
    }
}
impl PartialSchema for Limit {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(Self::MOST))
            .default(Some(50.into()))
            .description(Some("Items of a page, 1 to 200; 50 unless told."))
            .examples([20])
            .into()
    }
}
impl ToSchema for Limit {
    fn name() -> std::borrow::Cow<'static, str> {
        "Limit".into()
    }
}

/// Written in cursors, so that a later form is told from this one.
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Token<K> {
    v: u8,
    f: u64,
    k: K,
}

/// The filters and the sort of a list, by which its cursors are known.
///
/// Made from everything that changes which rows come in which order, the limit and cursor excepted.
pub fn fingerprint(filters: &impl Hash) -> u64 {
    // FNV-1a: the same in every process and version, unlike the standard library's hasher.
    struct Fnv(u64);
    impl Hasher for Fnv {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    filters.hash(&mut hasher);
    hasher.finish()
}

/// The cursor after the row with this key.
pub fn encode_cursor<K: Serialize>(key: &K, fingerprint: u64) -> Result<String> {
    let token = serde_json::to_vec(&Token { v: VERSION, f: fingerprint, k: key }).map_err(Error::internal)?;
    Ok(URL_SAFE_NO_PAD.encode(token))
}

/// The key in a cursor, which must be of a list with the same filters.
pub fn decode_cursor<K: DeserializeOwned>(text: &str, fingerprint: u64) -> Result<K> {
    let spoiled = |message: &str| Error::Malformed {
        detail: "The cursor cannot be used; see errors.".into(),
        faults: vec![Fault::new("cursor", "invalid_cursor", message)],
    };
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| spoiled("is not a cursor that this API has given"))?;
    let token: Token<K> = serde_json::from_slice(&bytes).map_err(|_| spoiled("is not a cursor that this list has given"))?;
    if token.v != VERSION || token.f != fingerprint {
        return Err(spoiled("belongs to a list with other filters"));
    }
    Ok(token.k)
}

/// The key in a cursor of any list whose keys are of this kind, whatever its filters were.
pub fn decode_any_cursor<K: DeserializeOwned>(text: &str) -> Option<K> {
    let token: Token<K> = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    (token.v == VERSION).then_some(token.k)
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// The cursor of the next page; null on the last. The same is in the `Link` header.
    #[schema(example = "eyJ2IjoxLCJmIjo5LCJrIjoiMDE5MzFmNGUifQ")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of `limit` items from rows of which one more was fetched; `key` gives a row's place in the order.
    pub fn from_rows<K: Serialize>(mut rows: Vec<T>, limit: Limit, fingerprint: u64, key: impl Fn(&T) -> K) -> Result<Self> {
        let has_next = rows.len() > limit.get();
        rows.truncate(limit.get());
        let next = match rows.last() {
            Some(last) if has_next => Some(encode_cursor(&key(last), fingerprint)?),
            _ => None,
        };
        Ok(Self { items: rows, next })
    }

    /// The same page of other items.
    pub fn map<U>(self, shape: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(shape).collect(), next: self.next }
    }
}

impl<T: Serialize> Page<T> {
    /// The response: the page as JSON, and its `Link` header.
    pub fn respond(&self, request: &HttpRequest) -> HttpResponse {
        let mut body = Vec::with_capacity(ITEM_BYTES * (self.items.len() + 1));
        match serde_json::to_writer(&mut body, self) {
            Ok(()) => answer(request, self.next.as_deref(), body),
            Err(error) => HttpResponse::from_error(Error::internal(error)),
        }
    }
}

impl Page<Written> {
    /// The same of items that are written out already.
    pub fn respond_written(&self, request: &HttpRequest) -> HttpResponse {
        let texts: usize = self.items.iter().map(|text| text.0.len() + 1).sum();
        let mut body = Vec::with_capacity(texts + ITEM_BYTES);
        body.extend_from_slice(b"{\"items\":[");
        for (number, Written(text)) in self.items.iter().enumerate() {
            if number > 0 {
                body.push(b',');
            }
            body.extend_from_slice(text);
        }
        body.extend_from_slice(b"],\"next\":");
        match serde_json::to_writer(&mut body, &self.next) {
            Ok(()) => {
                body.push(b'}');
                answer(request, self.next.as_deref(), body)
            }
            Err(error) => HttpResponse::from_error(Error::internal(error)),
        }
    }
}

fn answer(request: &HttpRequest, next: Option<&str>, body: Vec<u8>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(next) = next {
        response.insert_header((header::LINK, next_link(request, next)));
    }
    response.content_type(ContentType::json()).body(body)
}

/// A page that several ways of seeing put together, in the order of its keys.
#[derive(Debug)]
pub struct Joined<R, K> {
    rows: Vec<R>,
    most: usize,
    key: fn(&R) -> K,
}

impl<R, K: Ord> Joined<R, K> {
    /// A page of `limit` items, and one more. Keys are unique.
    pub fn new(limit: Limit, key: fn(&R) -> K) -> Self {
        Self::of(limit.get() + 1, key)
    }

    /// A page of so many items.
    pub const fn of(most: usize, key: fn(&R) -> K) -> Self {
        Self { rows: Vec::new(), most, key }
    }

    /// Adds what one way of seeing has found: its first rows, as many as the page holds.
    pub fn add(&mut self, rows: Vec<R>) {
        self.rows.extend(rows);
        self.rows.sort_by_key(self.key);
        self.rows.dedup_by_key(|row| (self.key)(row));
        self.rows.truncate(self.most);
    }

    /// The row with which the page ends, if it is full: what comes behind it need not be asked for.
    pub fn end(&self) -> Option<&R> {
        self.rows.last().filter(|_| self.rows.len() == self.most)
    }

    /// The page.
    pub fn into_rows(self) -> Vec<R> {
        self.rows
    }
}

/// For so many bytes of each item room is made at once: a body that grows is copied again and again.
const ITEM_BYTES: usize = 1_024;

/// `<…>; rel="next"` for the same request with another cursor.
pub fn next_link(request: &HttpRequest, cursor: &str) -> String {
    let kept = request.query_string().split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let query: Vec<String> = kept.map(str::to_owned).chain([format!("cursor={cursor}")]).collect();
    format!("<{}?{}>; rel=\"next\"", request.path(), query.join("&"))
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody as _;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_gives_back_its_key_to_the_same_list_only(key in "\\PC{0,40}", filters in any::<(u8, Option<String>)>()) {
            let own = fingerprint(&filters);
            let cursor = encode_cursor(&key, own).unwrap();
            prop_assert_eq!(decode_cursor::<String>(&cursor, own).unwrap(), key);
            prop_assert!(decode_cursor::<String>(&cursor, own.wrapping_add(1)).is_err());
        }

        #[test]
        fn a_spoiled_cursor_is_refused_and_never_panics(text in "\\PC{0,60}") {
            prop_assert!(decode_cursor::<String>(&text, 7).is_err());
        }

        #[test]
        fn a_page_of_written_items_reads_as_one_that_is_written_now(items in proptest::collection::vec("\\PC{0,10}", 0..4), next in any::<Option<String>>()) {
            let written = Page { items: items.iter().map(|item| Written::of(item).unwrap()).collect(), next: next.clone() };
            let body = |response: HttpResponse| response.into_body().try_into_bytes().unwrap();
            let request = actix_web::test::TestRequest::default().to_http_request();
            prop_assert_eq!(body(written.respond_written(&request)), body(Page { items, next }.respond(&request)));
        }

        #[test]
        fn pages_of_any_size_walk_every_row_once(count in 0_u32..60, size in 1_u16..20) {
            let (limit, rows) = (Limit(size), (0..count).collect::<Vec<_>>());
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let fetched: Vec<u32> = rows.iter().copied().filter(|row| after.is_none_or(|key| *row > key)).take(limit.get() + 1).collect();
                let page = Page::from_rows(fetched, limit, 1, |row| *row).unwrap();
                seen.extend(page.items);
                match page.next {
                    Some(cursor) => after = Some(decode_cursor::<u32>(&cursor, 1).unwrap()),
                    None => break,
                }
            }
            prop_assert_eq!(seen, rows);
        }
    }
}
