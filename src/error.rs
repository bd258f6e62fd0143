//! What can go wrong, in the words of the domain, and the RFC 9457 problem document it becomes.
//!
//! This is the only place that knows HTTP statuses of failures. Clients match `code`; `detail` is prose and may change.

mod codes;
mod problem;

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

pub use self::codes::{CONFLICTS, meanings};
pub use self::problem::Problem;
use crate::db::types::Instant;

/// The result of anything that can fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One fault of a request: where it is, what kind it is, and a sentence about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// JSON pointer (RFC 6901) into the body; for a query parameter or header, its name.
    #[schema(example = "/names/0/family")]
    pub pointer: String,
    /// Stable code of the fault.
    #[schema(example = "required")]
    pub code: Cow<'static, str>,
    /// What is wrong, for a human.
    #[schema(example = "is required")]
    pub message: String,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(pointer: impl Into<String>, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code: code.into(), message: message.into() }
    }
}

/// Everything a handler or a repository function can fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be parsed: broken JSON, a bad id, an unknown query parameter, a spoiled cursor.
    #[error("the request cannot be understood: {detail}")]
    Malformed {
        /// What is wrong, for a human.
        detail: String,
        /// The faults, where they can be told one by one.
        faults: Vec<Fault>,
    },
    /// Parsed, and wrong.
    #[error("the request is not valid")]
    Invalid(Vec<Fault>),
    /// Credentials that are not valid.
    #[error("no valid access token: {0}")]
    Unauthenticated(&'static str),
    /// No credentials, or none of the kind that is taken.
    #[error("no access token: {0}")]
    NoToken(&'static str),
    /// The token lacks a scope.
    #[error("the token lacks the scope {0}")]
    InsufficientScope(&'static str),
    /// The caller may see it but not do this.
    #[error("not permitted: {0}")]
    Forbidden(Cow<'static, str>),
    /// It does not exist, or the caller may not know that it does.
    #[error("not found")]
    NotFound,
    /// The path exists, not with this method.
    #[error("method not allowed")]
    MethodNotAllowed {
        /// The methods it has, as the `Allow` header lists them.
        allow: String,
    },
    /// It was deleted.
    #[error("it has been deleted")]
    Gone,
    /// It was merged into another.
    #[error("it was merged into {into}")]
    Merged {
        /// The path of the survivor.
        into: String,
    },
    /// It was merged into another, which was merged into this one since: the later merge is taken back first.
    #[error("it was merged into {into}, which was merged since")]
    MergedSince {
        /// The path of the other.
        into: String,
    },
    /// A unique key is taken.
    #[error("already exists")]
    Duplicate {
        /// The constraint, `table_column_key`.
        constraint: String,
    },
    /// A row that must exist does not, or one that is in use cannot go.
    #[error("refers to what does not exist or is in use")]
    Reference {
        /// The constraint, where the database names it.
        constraint: String,
    },
    /// The state machine has no such step.
    #[error("cannot go from {from} to {to}")]
    IllegalTransition {
        /// The present state.
        from: &'static str,
        /// The wished state.
        to: &'static str,
        /// The states that the caller can take it to, where they are to be told.
        leads_to: Vec<&'static str>,
    },
    /// It clashes with the present state of things.
    #[error("conflict: {detail}")]
    Conflict {
        /// Stable code.
        code: &'static str,
        /// What clashes, for a human.
        detail: String,
        /// What of the request clashes, where that can be told one by one.
        faults: Vec<Fault>,
    },
    /// Something newer is known of a room than what is said of it.
    #[error("something newer is known of the room, as of {known}")]
    CapacityOutdated {
        /// When that was true.
        known: Instant,
    },
    /// A source is being read already.
    #[error("run {run} of the source is under way")]
    RunUnfinished {
        /// The run.
        run: Uuid,
    },
    /// `If-Match` names another version.
    #[error("the version is another one")]
    VersionMismatch {
        /// The present version; `None` where there is nothing that could have one.
        current: Option<i64>,
    },
    /// `If-Match` is missing.
    #[error("If-Match is required")]
    PreconditionRequired,
    /// An idempotency key came again with another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// An idempotency key came again while its first request still runs.
    #[error("the first request with this idempotency key is still running")]
    IdempotencyKeyInUse,
    /// The body is larger than allowed.
    #[error("the body is too large")]
    TooLarge,
    /// The body is of a type that is not taken.
    #[error("the media type is not supported")]
    UnsupportedMediaType {
        /// The media types that are taken, the one that is meant first.
        expected: &'static [&'static str],
    },
    /// The body is packed in a way that is not taken.
    #[error("the content coding is not supported")]
    UnsupportedCoding,
    /// No byte of what is read is in the range that is asked for.
    #[error("the range cannot be satisfied")]
    RangeNotSatisfiable {
        /// How many bytes there are.
        length: u64,
    },
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// Too many requests.
    #[error("too many requests")]
    RateLimited {
        /// Seconds until the next one is taken.
        retry_after_seconds: u64,
    },
    /// The request took longer than it may.
    #[error("the request took too long")]
    TimedOut,
    /// The database is locked, its pool is empty or its queue full.
    #[error("busy")]
    Busy,
    /// The database cannot be reached, or cannot write: its server is down, its disk full, its file read-only.
    #[error("the database is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Our fault.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A code with its fixed status and title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorKind {
    /// Stable, snake_case.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// The code in words.
    pub title: &'static str,
}

const fn kind(code: &'static str, status: u16, title: &'static str) -> ErrorKind {
    ErrorKind { code, status, title }
}

impl Error {
    /// An internal error with this cause, which is logged and never shown.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }

    /// A database that is not available, for this cause, which is logged and never shown.
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }

    /// A request that cannot be understood.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::Malformed { detail: detail.into(), faults: Vec::new() }
    }

    /// One fault of an otherwise valid request.
    pub fn invalid(pointer: impl Into<String>, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(pointer, code, message)])
    }

    /// The same with its faults at other pointers: what was checked by itself is a part of what the caller sent.
    pub fn at_pointers(self, to: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Invalid(faults) => {
                Self::Invalid(faults.into_iter().map(|fault| Fault { pointer: to(&fault.pointer), ..fault }).collect())
            }
            other => other,
        }
    }

    /// A clash with the present state.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Conflict { code, detail: detail.into(), faults: Vec::new() }
    }

    /// Code, status and title.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed { .. } => kind("malformed_request", 400, "Malformed request"),
            Self::Invalid(_) => kind("invalid_request", 422, "Invalid request"),
            Self::Unauthenticated(_) | Self::NoToken(_) => kind("unauthenticated", 401, "Unauthenticated"),
            Self::InsufficientScope(_) => kind("insufficient_scope", 403, "Insufficient scope"),
            Self::Forbidden(_) => kind("forbidden", 403, "Forbidden"),
            Self::NotFound => kind("not_found", 404, "Not found"),
            Self::MethodNotAllowed { .. } => kind("method_not_allowed", 405, "Method not allowed"),
            Self::Gone => kind("gone", 410, "Gone"),
            Self::Merged { .. } => kind("merged", 410, "Merged into another"),
            Self::MergedSince { .. } => kind("merged_since", 409, "Conflict"),
            Self::Duplicate { .. } => kind("duplicate", 409, "Already exists"),
            Self::Reference { .. } => kind("reference_conflict", 409, "Reference conflict"),
            Self::IllegalTransition { .. } => kind("illegal_transition", 409, "Illegal transition"),
            Self::Conflict { code, .. } => kind(code, 409, "Conflict"),
            Self::CapacityOutdated { .. } => kind("capacity_outdated", 409, "Conflict"),
            Self::RunUnfinished { .. } => kind("run_unfinished", 409, "Conflict"),
            Self::VersionMismatch { .. } => kind("version_mismatch", 412, "Version mismatch"),
            Self::PreconditionRequired => kind("precondition_required", 428, "Precondition required"),
            Self::IdempotencyKeyReused => kind("idempotency_key_reused", 422, "Idempotency key reused"),
            Self::IdempotencyKeyInUse => kind("idempotency_key_in_use", 409, "Idempotency key in use"),
            Self::TooLarge => kind("body_too_large", 413, "Body too large"),
            Self::UnsupportedMediaType { .. } => kind("unsupported_media_type", 415, "Unsupported media type"),
            Self::UnsupportedCoding => kind("unsupported_content_coding", 415, "Unsupported content coding"),
            Self::RangeNotSatisfiable { .. } => kind("range_not_satisfiable", 416, "Range not satisfiable"),
            Self::TooSlow => kind("body_too_slow", 408, "Body too slow"),
            Self::RateLimited { .. } => kind("rate_limited", 429, "Too many requests"),
            Self::TimedOut => kind("timed_out", 503, "Timed out"),
            Self::Busy => kind("busy", 503, "Busy"),
            Self::Unavailable(_) => kind("unavailable", 503, "Unavailable"),
            Self::Internal(_) => kind("internal", 500, "Internal error"),
        }
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.kind().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::Internal(_) | Self::Unavailable(_) = self {
            log::error!("{}", Chain(self));
        }
        let mut response = HttpResponse::build(self.status_code());
        response.content_type(Problem::MEDIA_TYPE);
        match self {
            Self::Unauthenticated(_) => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"kith\", error=\"invalid_token\""));
            }
            // RFC 6750 §3.1: whoever sends no token is not told of a fault in it.
            Self::NoToken(_) => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"kith\""));
            }
            Self::InsufficientScope(scope) => {
                let challenge = format!("Bearer realm=\"kith\", error=\"insufficient_scope\", scope=\"{scope}\"");
                response.insert_header((header::WWW_AUTHENTICATE, challenge));
            }
            // RFC 9110 §15.5.16.
            Self::UnsupportedMediaType { expected } => {
                response.insert_header((header::ACCEPT, expected.join(", ")));
            }
            Self::UnsupportedCoding => {
                response.insert_header((header::ACCEPT_ENCODING, "gzip"));
            }
            Self::MethodNotAllowed { allow } => {
                response.insert_header((header::ALLOW, allow.as_str()));
            }
            // RFC 9110 §15.5.17.
            Self::RangeNotSatisfiable { length } => {
                response.insert_header((header::CONTENT_RANGE, format!("bytes */{length}")));
            }
            Self::VersionMismatch { current: Some(current) } => {
                response.insert_header((header::ETAG, format!("\"{current}\"")));
            }
            Self::RateLimited { retry_after_seconds } => {
                response.insert_header((header::RETRY_AFTER, HeaderValue::from(*retry_after_seconds)));
            }
            Self::Busy | Self::TimedOut | Self::IdempotencyKeyInUse => {
                response.insert_header((header::RETRY_AFTER, "1"));
            }
            Self::Unavailable(_) => {
                response.insert_header((header::RETRY_AFTER, "5"));
            }
            _ => {}
        }
        response.json(self.problem())
    }
}

/// Writes an error with all its sources, for the log and the command line: displayed by itself, an error says nothing of them.
///
/// A JSON document that does not fit its type is told by its place alone, for serde's own words quote what is in it, and that may be
/// about a person. Database errors leave out what stands in the row as well.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut next = Some(self.0);
        while let Some(error) = next {
            f.write_str(separator)?;
            match error.downcast_ref::<serde_json::Error>() {
                Some(fault) if fault.is_data() => {
                    write!(f, "a JSON value of another form than expected at line {} column {}", fault.line(), fault.column())?;
                }
                _ => write!(f, "{error}")?,
            }
            separator = ": ";
            next = error.source();
        }
        Ok(())
    }
}
