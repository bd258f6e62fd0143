//! The feed as `text/event-stream`: server-sent events, as the HTML standard has them (§9.2).
//!
//! A stream ends by itself before a request may take no longer, when the token does, and when the server stops; whoever reads it connects
//! again and goes on from the last id. It reads on as fast as it is read.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::header::{self, Accept, Header as _};
use actix_web::web::Bytes;
use futures_util::stream;
use tokio::time::Instant;

use super::feed::{self, Item};
use super::filter::Filter;
use super::handlers::LOOK_AGAIN;
use super::place::FeedPlace;
use super::streams::Slot;
use crate::app::State;
use crate::auth::Principal;
use crate::error::{Chain, Error, Result};
use crate::http::page;

/// The media type.
pub const MEDIA_TYPE: &str = "text/event-stream";
/// After so long without a word a comment says that the stream lives.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Entries read at once.
const PIECE: usize = 50;
/// Whoever was cut off waits so long before it connects again.
const RETRY: Duration = Duration::from_secs(1);

/// Whether the caller would rather have events than a document.
pub fn is_wanted(request: &HttpRequest) -> bool {
    let Ok(accepted) = Accept::parse(request) else { return false };
    let quality = |name: &str| accepted.iter().filter(|item| item.item.essence_str() == name).map(|item| item.quality).max();
    quality(MEDIA_TYPE)
        .is_some_and(|wanted| wanted > header::Quality::ZERO && quality("application/json").is_none_or(|json| wanted >= json))
}

/// How long a stream lasts at most: it ends well before a request has taken too long.
pub fn life(request_timeout: Duration) -> Duration {
    request_timeout * 3 / 4
}

/// What a stream is of.
pub struct Tail {
    /// The application.
    pub app: State,
    /// Who reads.
    pub caller: Principal,
    /// The token, which is looked at again before each reading: it ends, its client may be disabled or lose scopes.
    pub token: String,
    /// What is asked for.
    pub filter: Filter,
    /// How far the reader has come.
    pub place: FeedPlace,
    /// Its place among the client's streams.
    pub slot: Slot,
}

/// The answer, whose body goes on.
pub fn respond(tail: Tail) -> HttpResponse {
    let now = Instant::now();
    let fingerprint = tail.filter.fingerprint();
    let ends = now + life(tail.app.config.request_timeout);
    let events = Events { fingerprint, ends, spoke: now, said: None, is_over: false, tail };
    let body = stream::unfold(events, |mut events| async move { events.next().await.map(|text| (text, events)) });
    HttpResponse::Ok()
        .content_type(MEDIA_TYPE)
        // Says that nothing is to be packed: a packer would hold events back until it has enough.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        // The same for proxies that gather answers.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(body)
}

struct Events {
    tail: Tail,
    fingerprint: u64,
    ends: Instant,
    /// When something was sent last.
    spoke: Instant,
    /// The last place that was sent; none before the beginning.
    said: Option<FeedPlace>,
    is_over: bool,
}

impl Events {
    /// What is sent next, once there is something; `None` at the end.
    async fn next(&mut self) -> Option<Result<Bytes>> {
        if self.is_over {
            return None;
        }
        let text = match self.said {
            // The headers leave with the first word. With it the reader knows where it stands, though nothing happens for long.
            None => Ok(format!("retry: {}\n{}", RETRY.as_millis(), self.comment("it begins"))),
            Some(_) => self.wait_for_more().await,
        };
        match text {
            Ok(text) => {
                self.spoke = Instant::now();
                self.said = Some(self.tail.place);
                Some(Ok(Bytes::from(text)))
            }
            Err(error) => {
                self.is_over = true;
                log::error!("a stream of changes has ended: {}", Chain(&error));
                Some(Err(error))
            }
        }
    }

    async fn wait_for_more(&mut self) -> Result<String> {
        loop {
            let is_refused = !self.is_still_allowed().await;
            if is_refused || Instant::now() >= self.ends || self.tail.app.stops_within(Duration::ZERO).await {
                self.is_over = true;
                return Ok(self.comment("it ends; connect again"));
            }
            let has_more = match self.read().await {
                Ok((items, has_more)) if items.is_empty() => has_more,
                Ok((items, _)) => return items.iter().map(|item| self.event(item)).collect(),
                // It is worth another try while the stream lasts: a reader is told of a refusal as of an end for ever.
                Err(Error::Busy | Error::Unavailable(_) | Error::TimedOut) => false,
                Err(error) => return Err(error),
            };
            if self.spoke.elapsed() >= HEARTBEAT {
                return Ok(self.comment("it lives"));
            }
            if !has_more {
                let time = LOOK_AGAIN.min(self.ends.saturating_duration_since(Instant::now()));
                self.tail.app.stops_within(time).await;
            }
        }
    }

    /// Whether the token is still good, and what its client may do by now.
    async fn is_still_allowed(&mut self) -> bool {
        let Tail { app, token, caller, .. } = &mut self.tail;
        match app.authority.authenticate(&app.db, &app.clock, token).await {
            Ok(known) => {
                caller.scopes = known.scopes;
                true
            }
            // Whether it is good cannot be told while the database is away.
            Err(Error::Unauthenticated(_)) => false,
            Err(_) => true,
        }
    }

    async fn read(&mut self) -> Result<(Vec<Item>, bool)> {
        let Tail { app, caller, filter, place, .. } = &self.tail;
        let (caller, clock, filter, place) = (caller.clone(), app.clock.clone(), filter.clone(), *place);
        let piece = app.db.read(move |conn| feed::read(conn, &caller, &clock, &filter, place, PIECE)).await?;
        self.tail.place = piece.next;
        Ok((piece.items, piece.has_more))
    }

    /// An entry as an event: `id` is the cursor behind it.
    fn event(&self, item: &Item) -> Result<String> {
        let id = page::encode_cursor(&item.after, self.fingerprint)?;
        let entry = &item.entry;
        let data = serde_json::to_string(entry).map_err(Error::internal)?;
        Ok(format!("id: {id}\nevent: {}.{}\ndata: {data}\n\n", entry.resource_type, entry.action))
    }

    /// A comment, and how far the reader has come: a block without data is no event, and its id is kept all the same.
    fn comment(&self, text: &str) -> String {
        match page::encode_cursor(&self.tail.place, self.fingerprint) {
            Ok(id) if self.said != Some(self.tail.place) => format!(": {text}\nid: {id}\n\n"),
            _ => format!(": {text}\n\n"),
        }
    }
}
