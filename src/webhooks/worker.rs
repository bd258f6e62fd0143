//! From the queues to the receivers.
//!
//! A worker takes one endpoint for itself, for a time, sends what it can of its queue, a few requests at once, and lets it go. Since
//! nobody else sends to that endpoint meanwhile, what is about one subject arrives in its order; since each endpoint has a worker of
//! its own, a slow one keeps no other waiting, but where a process is at as many as it can be: then the next has to wait for the end of a
//! turn. A worker that dies is followed by another when its time is over, which sends once more what the first one could not say it had
//! sent.

use std::time::{Duration, Instant as Moment};

use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::client::Answer;
use super::model::{
    AttemptError, AttemptRow, DeliveryRow, EndpointRow, WebhookDeliveryId, WebhookDeliveryStatus, WebhookStatus, WebhookStatusReason,
};
use super::queue::{Fate, Next, Walk, Wanted};
use super::schedule::Schedule;
use super::{lifecycle, payload, queue, repository, signing};
use crate::app::App;
use crate::background::{Lease, Lost};
use crate::changes::places::{self, Work};
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::{Error, Result};
use crate::kind::WebhookEndpointId;

/// Requests to one endpoint at once.
const AT_ONCE: usize = 8;
/// A worker lets go of an endpoint that always has more after this long, so that others get their turn.
const LONGEST_TURN: Duration = Duration::from_secs(20);

/// The receiver wants no more.
const GONE: u16 = 410;

/// What a worker does next.
enum Turn {
    /// It sends these.
    Send { endpoint: Box<EndpointRow>, deliveries: Vec<DeliveryRow>, walk: Walk },
    /// It walks on along the queue.
    Walk(Walk),
}

/// A delivery and what came of trying it; `None` where it was not to be sent.
struct Tried {
    delivery: DeliveryRow,
    at: Instant,
    answer: Option<Answer>,
}

/// Sends what can be sent to an endpoint now. `go_on` is asked between requests whether the process is to go on.
pub(super) async fn serve(app: &App, worker: Id<()>, endpoint: WebhookEndpointId, go_on: impl Fn() -> bool) -> Result<()> {
    let (began, schedule) = (Moment::now(), schedule(app));
    let taken = Lease::take(&app.db, &app.clock, worker, endpoint, |conn, endpoint, now| next(conn, endpoint, None, now)).await?;
    let Some((lease, mut turn)) = taken else { return Ok(()) };
    loop {
        let (walk, tried) = match turn {
            Turn::Send { endpoint, deliveries, walk } => match lease.held(send(app, &endpoint, deliveries)).await {
                Ok(tried) => (walk, tried?),
                // Another sends the same again.
                Err(Lost) => return Ok(()),
            },
            Turn::Walk(walk) => (walk, Some(Vec::new())),
        };
        let Some(tried) = tried else { return lease.write(leave_alone).await.map(|_| ()) };
        let has_time = go_on() && began.elapsed() < LONGEST_TURN;
        let kept = lease.write(move |conn, endpoint, now| keep(conn, endpoint, (&tried, &walk), schedule, now, has_time));
        let Ok(Some(further)) = kept.await? else { return Ok(()) };
        turn = further;
    }
}

fn schedule(app: &App) -> Schedule {
    Schedule { first: app.config.webhook_retry }
}

/// What can be sent now, or is found by a walk that goes on; where nothing can, the endpoint is let go until something can.
fn next(conn: &mut DbConn, endpoint: EndpointRow, walk: Option<Walk>, now: Instant) -> Result<Option<Turn>> {
    // One that fails is asked with a single request whether it is back: in turns with the first that waits, and with the one that was
    // tried least, lest it is the first that is at fault.
    let wanted = match endpoint.failures {
        0 => Wanted::First(AT_ONCE),
        odd if odd % 2 == 1 => Wanted::First(1),
        _ => Wanted::LeastTried,
    };
    let walk = walk.filter(|walk| walk.is_along(&endpoint));
    let mut walk = walk.unwrap_or_else(|| Walk::new(wanted, &endpoint));
    match walk.go_on(conn, endpoint.id, now)? {
        Next::Now(deliveries) => Ok(Some(Turn::Send { endpoint: Box::new(endpoint), deliveries, walk })),
        Next::Further => Ok(Some(Turn::Walk(walk))),
        Next::Later(wake_at) => {
            let_go(conn, endpoint.id, &walk, wake_at, now)?;
            Ok(None)
        }
    }
}

/// Lets the endpoint go until then. Where much waits that could not be sent, it is left alone for a while, whatever is queued meanwhile:
/// all of that would be walked past once more.
fn let_go(conn: &mut DbConn, id: WebhookEndpointId, walk: &Walk, wake_at: Option<Instant>, now: Instant) -> Result<()> {
    match walk.rest() {
        Some(rest) => repository::rest(conn, id, now.plus(rest)),
        None => repository::release(conn, id, wake_at),
    }
}

/// Sends deliveries at once; `None` where the endpoint's client may no longer call, so that nothing is.
async fn send(app: &App, endpoint: &EndpointRow, deliveries: Vec<DeliveryRow>) -> Result<Option<Vec<Tried>>> {
    let now = app.clock.now();
    let (row, rows, base_url) = (endpoint.clone(), deliveries.clone(), app.config.base_url.clone());
    let bodies = app.db.read(move |conn| payload::bodies(conn, &row, &rows, base_url.as_deref(), now)).await?;
    let Some(bodies) = bodies else { return Ok(None) };
    let trying = deliveries.into_iter().zip(bodies).map(|(delivery, body)| async move {
        let answer = match body {
            Some(body) => Some(post(app, endpoint, delivery.id, body).await?),
            None => None,
        };
        Ok(Tried { delivery, at: now, answer })
    });
    join_all(trying).await.into_iter().collect::<Result<Vec<_>>>().map(Some)
}

/// Posts a signed body.
pub(super) async fn post(app: &App, endpoint: &EndpointRow, id: WebhookDeliveryId, body: String) -> Result<Answer> {
    let (now, id) = (app.clock.now(), id.to_string());
    let timestamp = now.utc().timestamp();
    let signature = signing::signatures(endpoint.live_secrets(now), &id, timestamp, &body)?;
    let mut headers = HeaderMap::new();
    for (name, value) in [("webhook-id", id), ("webhook-timestamp", timestamp.to_string()), ("webhook-signature", signature)] {
        headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value).map_err(Error::internal)?);
    }
    Ok(app.webhooks.post(&endpoint.content.url, &headers, body).await)
}

/// Notes what came of it, and takes what comes next.
fn keep(
    conn: &mut DbConn,
    endpoint: EndpointRow,
    (tried, walk): (&[Tried], &Walk),
    schedule: Schedule,
    now: Instant,
    has_time: bool,
) -> Result<Option<Turn>> {
    let id = endpoint.id;
    let answers = || tried.iter().filter_map(|one| one.answer.as_ref());
    let asked =
        answers().filter(|answer| !answer.is_success()).filter_map(|answer| answer.retry_after).max().map(|asked| schedule.asked(asked));
    note(conn, &endpoint, tried, asked, schedule, now)?;
    if endpoint.status != WebhookStatus::Active || endpoint.deleted_at.is_some() {
        repository::release(conn, id, None)?;
        return Ok(None);
    }
    if tried.iter().any(is_gone) {
        return give_up(conn, &endpoint, WebhookStatus::Disabled, WebhookStatusReason::Gone, now);
    }
    let has_failed = answers().next().is_some() && answers().all(|answer| !answer.is_success());
    if has_failed {
        let since = endpoint.failing_since.or_else(|| tried.iter().map(|one| one.at).min()).unwrap_or(now);
        if since.plus(chrono(schedule.patience())) <= now {
            return give_up(conn, &endpoint, WebhookStatus::Paused, WebhookStatusReason::Failing, now);
        }
        let failures = endpoint.failures.saturating_add(1);
        repository::set_failures(conn, id, failures, Some(since))?;
        let rest = schedule.rest(failures).max(asked.unwrap_or_default());
        repository::rest(conn, id, now.plus(chrono(rest)))?;
        return Ok(None);
    }
    let was_failing = endpoint.failures > 0;
    let endpoint = if was_failing && answers().next().is_some() {
        repository::set_failures(conn, id, 0, None)?;
        EndpointRow { failures: 0, failing_since: None, ..endpoint }
    } else {
        endpoint
    };
    match asked {
        // It took some and asked to be left alone with the rest.
        Some(rest) => {
            repository::rest(conn, id, now.plus(chrono(rest)))?;
            Ok(None)
        }
        None if has_time => {
            let goes_on = !was_failing && walk.is_long() || tried.is_empty();
            next(conn, endpoint, goes_on.then(|| walk.clone()), now)
        }
        None => {
            let_go(conn, id, walk, Some(now), now)?;
            Ok(None)
        }
    }
}

/// Pauses an endpoint whose client may no longer call. What waits for it waits on: whoever makes it active again may see it.
fn leave_alone(conn: &mut DbConn, endpoint: EndpointRow, now: Instant) -> Result<()> {
    if endpoint.status != WebhookStatus::Active || endpoint.deleted_at.is_some() {
        return repository::release(conn, endpoint.id, None);
    }
    if payload::standing(conn, &endpoint)?.is_some() {
        // It may call again, or another has written the endpoint meanwhile.
        return repository::release(conn, endpoint.id, Some(now));
    }
    give_up(conn, &endpoint, WebhookStatus::Paused, WebhookStatusReason::ClientDisabled, now).map(|_| ())
}

/// Pauses or disables the endpoint that a worker has, and lets it go.
fn give_up(
    conn: &mut DbConn,
    endpoint: &EndpointRow,
    status: WebhookStatus,
    reason: WebhookStatusReason,
    now: Instant,
) -> Result<Option<Turn>> {
    let looked_at = places::reached(conn, Work::Webhooks)?;
    lifecycle::suspend(conn, endpoint, status, reason, looked_at, now)?;
    repository::release(conn, endpoint.id, None)?;
    Ok(None)
}

/// Notes the attempts, and what becomes of each delivery.
fn note(
    conn: &mut DbConn,
    endpoint: &EndpointRow,
    tried: &[Tried],
    asked: Option<Duration>,
    schedule: Schedule,
    now: Instant,
) -> Result<()> {
    let attempts: Vec<AttemptRow> = tried.iter().filter_map(attempt).collect();
    if !attempts.is_empty() {
        queue::add_attempts(conn, &attempts)?;
    }
    for one in tried {
        // One that was neither tried nor sent again is due since it was made.
        if one.delivery.next_attempt_at != one.delivery.created_at {
            queue::forget_attempts(conn, one.delivery.id)?;
        }
        let attempt_count = one.delivery.attempt_count + i32::from(one.answer.is_some());
        let fate = match fate(one.answer.as_ref(), attempt_count, asked, schedule, now) {
            // Where nothing gets through, the endpoint is paused and the event waits; it is given up where others got through.
            Fate::Finished(WebhookDeliveryStatus::Failed) if !is_gone(one) && is_alone(conn, endpoint, &one.delivery, attempt_count)? => {
                Fate::Again(now.plus(chrono(schedule.rest(endpoint.failures.saturating_add(1)))))
            }
            fate => fate,
        };
        queue::settle(conn, &one.delivery, attempt_count, fate, now)?;
    }
    Ok(())
}

fn is_gone(one: &Tried) -> bool {
    one.answer.as_ref().is_some_and(|answer| answer.status_code == Some(GONE))
}

/// Whether nothing has got through to the endpoint since the first of these attempts to deliver something.
fn is_alone(conn: &mut DbConn, endpoint: &EndpointRow, delivery: &DeliveryRow, attempt_count: i32) -> Result<bool> {
    let Some(since) = endpoint.failing_since else { return Ok(false) };
    Ok(queue::first_try(conn, delivery.id, attempt_count)?.is_some_and(|first| since <= first))
}

fn attempt(one: &Tried) -> Option<AttemptRow> {
    let answer = one.answer.as_ref()?;
    Some(AttemptRow {
        id: Id::generate(),
        delivery_id: one.delivery.id,
        at: one.at,
        status_code: answer.status_code.map(i32::from),
        duration_ms: milliseconds(answer.duration),
        error: answer.error,
    })
}

/// What becomes of a delivery after an attempt.
fn fate(answer: Option<&Answer>, attempts: i32, asked: Option<Duration>, schedule: Schedule, now: Instant) -> Fate {
    match answer {
        None => Fate::Finished(WebhookDeliveryStatus::Withheld),
        Some(answer) if answer.is_success() => Fate::Finished(WebhookDeliveryStatus::Delivered),
        Some(Answer { status_code: Some(GONE), .. }) => Fate::Finished(WebhookDeliveryStatus::Failed),
        Some(answer) => match schedule.wait(attempts) {
            Some(wait) => {
                let asked = asked.filter(|_| answer.error == Some(AttemptError::Status)).unwrap_or_default();
                Fate::Again(now.plus(chrono(wait.max(asked))))
            }
            None => Fate::Finished(WebhookDeliveryStatus::Failed),
        },
    }
}

fn chrono(duration: Duration) -> chrono::Duration {
    chrono::Duration::from_std(duration).unwrap_or(chrono::Duration::days(3))
}

/// Whole milliseconds.
pub(super) fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
