//! Versions in headers: `ETag`, `If-Match` and `If-None-Match` (RFC 9110 §8.8, §13.1).

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use actix_web::{FromRequest, HttpRequest};
use base16ct::HexDisplay;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// The entity tag of a version.
pub fn tag(version: i64) -> String {
    format!("\"{version}\"")
}

/// The entity tag of a version that is shown in more ways than one: it names the version, and is another where what is shown differs.
pub fn tag_of(version: i64, shown: &[u8]) -> String {
    let digest = Sha256::digest(shown);
    format!("\"{version}-{:x}\"", HexDisplay(digest.get(..8).unwrap_or_default()))
}

/// What an `If-Match` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Any,
    /// Tags without `W/` and quotes.
    Tags(Vec<String>),
}

impl Wanted {
    fn check(&self, current: i64) -> Result<()> {
        match self {
            Self::Any => Ok(()),
            Self::Tags(tags) if tags.iter().any(|tag| version(tag) == Some(current)) => Ok(()),
            Self::Tags(_) => Err(Error::VersionMismatch { current: Some(current) }),
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

    /// Whether the caller named versions: so they have read the one that passes the [check](Self::check).
    pub const fn names_version(&self) -> bool {
        matches!(self.0, Some(Wanted::Tags(_)))
    }

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

    /// True where the caller has what has this tag: see [`tag_of`].
    pub fn has_tag(&self, tag: &str) -> bool {
        self.0.as_ref().is_some_and(|wanted| match wanted {
            Wanted::Any => true,
            Wanted::Tags(tags) => opaque(tag).is_some_and(|tag| tags.iter().any(|known| known == tag)),
        })
    }
}

/// The tags in a header; `None` where there is no such header.
///
/// What is no tag of ours names no version, which is a mismatch and not a fault. Weak tags never match strongly, but proxies that
/// compress weaken ours, and the version is the same.
fn parse(headers: &HeaderMap, name: HeaderName) -> Option<Wanted> {
    let mut values = headers.get_all(&name).peekable();
    values.peek()?;
    let mut tags = Vec::new();
    for value in values.filter_map(|value| value.to_str().ok()) {
        if value.trim() == "*" {
            return Some(Wanted::Any);
        }
        tags.extend(value.split(',').filter_map(opaque).map(str::to_owned));
    }
    Some(Wanted::Tags(tags))
}

/// What stands between the quotes of a tag.
fn opaque(tag: &str) -> Option<&str> {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')
}

/// The version that a tag names, whatever follows it: see [`tag_of`].
fn version(opaque: &str) -> Option<i64> {
    opaque.split_once('-').map_or(opaque, |(version, _)| version).parse().ok()
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
        let names = |text, version| wanted(text).unwrap().check(version).is_ok();
        assert_eq!(wanted("*"), Some(Wanted::Any));
        assert!(names("\"3\", W/\"4\"", 3) && names("\"3\", W/\"4\"", 4) && !names("\"3\", W/\"4\"", 34));
        for stranger in ["\"abc\"", "3", "", "\"3", "null", "*, *", "\"-3\"", "\"3.5\""] {
            assert!(!names(stranger, 3), "{stranger}");
        }
        assert_eq!(parse(&HeaderMap::new(), IF_MATCH), None);
    }

    #[test]
    fn a_tag_of_what_is_shown_names_its_version_and_nothing_else_that_is_shown() {
        let (one, other) = (tag_of(3, b"one"), tag_of(3, b"other"));
        assert_eq!(version(opaque(&one).unwrap()), Some(3));
        let known = IfNoneMatch(Some(Wanted::Tags(vec![opaque(&one).unwrap().to_owned()])));
        assert!(known.has_tag(&one) && !known.has_tag(&other) && !known.has_tag(&tag(3)) && !known.has_tag(&tag_of(4, b"one")));
        assert!(IfNoneMatch(Some(Wanted::Any)).has_tag(&one) && !IfNoneMatch(None).has_tag(&one));
    }
}
