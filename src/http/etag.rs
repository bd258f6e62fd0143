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
            Self::Versions(_) => Err(Error::VersionMismatch { current }),
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

/// What stands in a header of tags, as a regular expression: `*`, or tags of visible ASCII without quotes and commas.
pub const PATTERN: &str = r#"^(\*|(W/)?"[!#-+\--~]*"( *, *(W/)?"[!#-+\--~]*")*)$"#;

fn is_opaque(text: &&str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
}

fn parse(headers: &HeaderMap, name: HeaderName) -> Result<Option<Wanted>> {
    let mut versions = Vec::new();
    let mut is_given = false;
    for value in headers.get_all(&name) {
        let malformed = || Error::malformed(format!("{name} is not a list of entity tags such as \"3\"."));
        let text = value.to_str().map_err(|_| malformed())?.trim();
        if text == "*" {
            return Ok(Some(Wanted::Any));
        }
        for part in text.split(',').map(str::trim) {
            let quoted = part.strip_prefix("W/").unwrap_or(part);
            let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(is_opaque).ok_or_else(malformed)?;
            is_given = true;
            // A tag that we never issue names no version of ours, which is a mismatch and not a fault. Weak tags never match strongly,
            // but proxies that compress weaken ours, and the version is the same.
            versions.extend(inner.parse::<i64>());
        }
    }
    Ok(is_given.then_some(Wanted::Versions(versions)))
}

impl FromRequest for IfMatch {
    type Error = Error;
    type Future = Ready<Result<Self>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.headers(), IF_MATCH).and_then(|wanted| wanted.map(Self).ok_or(Error::PreconditionRequired)))
    }
}
impl FromRequest for OptionalIfMatch {
    type Error = Error;
    type Future = Ready<Result<Self>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.headers(), IF_MATCH).map(Self))
    }
}
impl FromRequest for IfNoneMatch {
    type Error = Error;
    type Future = Ready<Result<Self>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.headers(), IF_NONE_MATCH).map(Self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn wanted(text: &'static str) -> Result<Option<Wanted>> {
        let mut headers = HeaderMap::new();
        headers.insert(IF_MATCH, HeaderValue::from_static(text));
        parse(&headers, IF_MATCH)
    }

    #[test]
    fn lists_stars_and_weak_tags_are_read_and_strangers_match_nothing() {
        assert_eq!(wanted("*").unwrap(), Some(Wanted::Any));
        assert_eq!(wanted("\"3\", W/\"4\"").unwrap(), Some(Wanted::Versions(vec![3, 4])));
        assert!(wanted("\"abc\"").unwrap().unwrap().check(1).is_err());
        for spoiled in ["3", "", "\"3", "\"a\"b\"", "\"a b\"", "\"1\",", "*, \"1\""] {
            assert!(wanted(spoiled).is_err(), "{spoiled}");
        }
        assert_eq!(parse(&HeaderMap::new(), IF_MATCH).unwrap(), None);
    }
}
