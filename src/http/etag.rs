//! Versions in headers: `ETag`, `If-Match` and `If-None-Match` (RFC 9110 §8.8, §13.1).

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use actix_web::{FromRequest, HttpRequest};

use crate::error::{Error, Result};

/// The entity tag of a version.
pub fn tag(version: i64) -> String {
    format!("\"{version}\"")
}

/// What an `If-Match` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Any,
    Versions(Vec<i64>),
}

impl Wanted {
    fn check(&self, current: i64) -> Result<()> {
        match self {
            Self::Any => Ok(()),
            Self::Versions(versions) if versions.contains(&current) => Ok(()),
            Self::Versions(_) => Err(Error::VersionMismatch { current: Some(current) }),
        }
    }
}

/// A demanded `If-Match`: without it the request is refused with 428.
#[derive(Debug, Clone)]
pub struct IfMatch(Wanted);

impl IfMatch {
    /// Fails with the current version unless that is one that the caller named.
    pub fn check(&self, current: i64) -> Result<()> {
        self.0.check(current)
    }
}

/// An `If-Match` that is honoured where it is given: on actions, which the rules of state guard.
#[derive(Debug, Clone)]
pub struct OptionalIfMatch(Option<Wanted>);

impl OptionalIfMatch {
    /// What names no version.
    pub const ANY: Self = Self(None);

    /// Fails if the caller named any version, where there is nothing yet that could have one.
    pub fn check_new(&self) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |_| Err(Error::VersionMismatch { current: None }))
    }

    /// Fails with the current version if the caller named others.
    pub fn check(&self, current: i64) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |wanted| wanted.check(current))
    }
}

/// `If-None-Match`: the versions that the caller already has.
#[derive(Debug, Clone, Default)]
pub struct IfNoneMatch(Option<Wanted>);

impl IfNoneMatch {
    /// True where the caller has this version, so that 304 is the answer.
    pub fn has(&self, version: i64) -> bool {
        self.0.as_ref().is_some_and(|wanted| wanted.check(version).is_ok())
    }
}

/// The versions in a header; `None` where there is no such header.
///
/// What is no tag of ours names no version, which is a mismatch and not a fault. Weak tags never match strongly, but proxies that
/// compress weaken ours, and the version is the same.
fn parse(headers: &HeaderMap, name: HeaderName) -> Option<Wanted> {
    let mut values = headers.get_all(&name).peekable();
    values.peek()?;
    let mut versions = Vec::new();
    for value in values.filter_map(|value| value.to_str().ok()) {
        if value.trim() == "*" {
            return Some(Wanted::Any);
        }
        versions.extend(value.split(',').filter_map(version));
    }
    Some(Wanted::Versions(versions))
}

/// The version that a tag names.
fn version(tag: &str) -> Option<i64> {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

impl FromRequest for IfMatch {
    type Error = Error;
    type Future = Ready<Result<Self>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.headers(), IF_MATCH).map(Self).ok_or(Error::PreconditionRequired))
    }
}
impl FromRequest for OptionalIfMatch {
    type Error = Error;
    type Future = Ready<Result<Self>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(parse(request.headers(), IF_MATCH))))
    }
}
impl FromRequest for IfNoneMatch {
    type Error = Error;
    type Future = Ready<Result<Self>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(parse(request.headers(), IF_NONE_MATCH))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn wanted(text: &'static str) -> Option<Wanted> {
        let mut headers = HeaderMap::new();
        headers.insert(IF_MATCH, HeaderValue::from_static(text));
        parse(&headers, IF_MATCH)
    }

    #[test]
    fn lists_stars_and_weak_tags_are_read_and_strangers_match_nothing() {
        assert_eq!(wanted("*"), Some(Wanted::Any));
        assert_eq!(wanted("\"3\", W/\"4\""), Some(Wanted::Versions(vec![3, 4])));
        for stranger in ["\"abc\"", "3", "", "\"3", "null", "*, *"] {
            assert_eq!(wanted(stranger), Some(Wanted::Versions(Vec::new())), "{stranger}");
        }
        assert_eq!(parse(&HeaderMap::new(), IF_MATCH), None);
    }
}
