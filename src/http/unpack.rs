//! Packed bodies, unpacked a little at a time.
//!
//! A few kilobytes can unpack to gigabytes. The framework's own decoder unpacks all that has arrived before anyone can count it; here
//! a small piece goes in at once, and whoever reads stops at their limit.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_ENCODING;
use actix_web::web::Bytes;
use flate2::write::MultiGzDecoder;
use futures_util::{Stream, StreamExt};

use crate::error::{Error, Result};

/// Bytes that are unpacked at once: to a thousand times as many at most.
const PIECE: usize = 1024;

/// The bytes of a body, unpacked.
pub struct Unpacked {
    payload: Payload,
    /// Absent where the body is not packed, or was read to its end.
    decoder: Option<MultiGzDecoder<Vec<u8>>>,
    /// What has arrived and is still packed.
    arrived: Bytes,
}

impl Unpacked {
    /// The body of a request, of which `Content-Encoding` says how it is packed: not, or with gzip.
    pub fn of(request: &HttpRequest, payload: Payload) -> Result<Self> {
        let mut codings = request.headers().get_all(CONTENT_ENCODING);
        let coding = codings.next().map_or(Some("identity"), |value| value.to_str().ok());
        let decoder = match coding.map(str::trim) {
            _ if codings.next().is_some() => return Err(Error::UnsupportedCoding),
            Some(name) if name.eq_ignore_ascii_case("identity") => None,
            Some(name) if name.eq_ignore_ascii_case("gzip") => Some(MultiGzDecoder::new(Vec::new())),
            _ => return Err(Error::UnsupportedCoding),
        };
        Ok(Self { payload, decoder, arrived: Bytes::new() })
    }
}

impl Stream for Unpacked {
    type Item = std::result::Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let spoiled = |_: io::Error| PayloadError::EncodingCorrupted;
        loop {
            if let (Some(decoder), false) = (&mut this.decoder, this.arrived.is_empty()) {
                let piece = this.arrived.split_to(PIECE.min(this.arrived.len()));
                if let Err(error) = decoder.write_all(&piece) {
                    return Poll::Ready(Some(Err(spoiled(error))));
                }
                let unpacked = std::mem::take(decoder.get_mut());
                if unpacked.is_empty() {
                    continue;
                }
                return Poll::Ready(Some(Ok(unpacked.into())));
            }
            match (ready!(this.payload.poll_next_unpin(context)), &this.decoder) {
                (Some(Ok(bytes)), Some(_)) => this.arrived = bytes,
                (None, Some(_)) => {
                    let rest = this.decoder.take().map(MultiGzDecoder::finish);
                    return match rest {
                        Some(Ok(rest)) if !rest.is_empty() => Poll::Ready(Some(Ok(rest.into()))),
                        Some(Err(error)) => Poll::Ready(Some(Err(spoiled(error)))),
                        _ => Poll::Ready(None),
                    };
                }
                (other, _) => return Poll::Ready(other),
            }
        }
    }
}
