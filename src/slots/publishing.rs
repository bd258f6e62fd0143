//! The slots of every opening of a timetable, published at once and as often as one likes.
//!
//! A rule of days and wall-clock times in a zone gives openings, as it does for the hours of a service
//! ([`schedule`](crate::services::schedule)), and each opening is cut into slots of so many minutes that pass. So the clocks of spring and
//! autumn need no rule of their own here: an opening from 01:00 to 04:00 has two hours on the night that skips one, and four on the
//! night that has one twice; no slot begins at a time that there is not, and each of two that read alike on the clock is a slot.

use actix_web::web::Path;
use actix_web::{HttpResponse, post};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationErrors};

use super::api::Slot;
use super::handlers::{Slots, offered_by, permit_publishing};
use super::model::{SlotInput, SlotRow};
use super::repository::{self, Diary};
use crate::app::{App, State};
use crate::auth::{Allowed, Principal, scope};
use crate::changes::{self, Action};
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::{Error, Result};
use crate::http::command::{Command, Reply};
use crate::http::resource::{self, Resource as _};
use crate::kind::{self, OrganizationId, PractitionerId, ServiceId, SlotId};
use crate::services;
use crate::services::model::Schedule;
use crate::services::rules::{Faults, numbered};
use crate::services::schedule::{self, Opening, Timetable};
use crate::types::DeliveryMode;

/// The longest stretch of days.
const MOST_DAYS: i64 = 366;
/// The most slots that are published at once.
const MOST_SLOTS: usize = 1_000;

/// For which openings slots are to be published, and what they are like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotPublication {
    /// The first day, in the time zone of the first schedule.
    #[schema(example = "2026-03-02")]
    pub from: NaiveDate,
    /// The last day; at most 366 days and 1,000 slots are published at once. An opening that goes on after its midnight is cut there.
    #[schema(example = "2026-03-31")]
    pub until: NaiveDate,
    /// How long each slot lasts, in minutes that pass. What is left of an opening after the last whole slot is none.
    #[schema(minimum = 5, maximum = 1_440, example = 30)]
    pub slot_minutes: u16,
    /// How many can come to each.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 1_000, example = 10)]
    pub places: i32,
    /// The openings: rules of days and wall-clock times, and times of closing that are taken away from them. The service's own where
    /// there are none here, if it opens at the same times at all of its places between these days.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub schedules: Vec<Schedule>,
    /// For slots of a service: the practitioner who is met.
    #[serde(default)]
    pub practitioner_id: Option<PractitionerId>,
    /// How people meet; left open where absent.
    #[serde(default)]
    pub mode: Option<DeliveryMode>,
    /// Where, in words. It stands in calendars, so it says nothing that others should not read over a shoulder.
    #[serde(default)]
    #[schema(max_length = 300, example = "Mill Street Hall, room 2")]
    pub location: Option<String>,
    /// What to know of the slots; the directory shows it to everybody.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "Please come ten minutes early.")]
    pub note: Option<String>,
}

const fn one() -> i32 {
    1
}

impl Validate for SlotPublication {
    fn validate(&self) -> Result<(), ValidationErrors> {
        let mut faults = Faults::default();
        match (self.until - self.from).num_days() {
            days if days < 0 => faults.add("/until", "out_of_range", "must not be before from"),
            days if days >= MOST_DAYS => faults.add("/until", "out_of_range", "must be within 366 days"),
            _ => {}
        }
        faults.check_schedules(numbered("/schedules".into(), &self.schedules));
        faults.end()
    }
}

/// What a publication did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct SlotsPublished {
    /// Slots that were not there before.
    #[schema(example = 24)]
    pub created: usize,
    /// Openings at whose moment there was one already, which is left as it is: changed, closed or booked.
    #[schema(example = 8)]
    pub already_there: usize,
    /// The ids of the new ones, in order of time.
    pub slot_ids: Vec<SlotId>,
}

/// Publish the slots of a service
///
/// One for every so many minutes of its openings between two days; those that lie in the past are left out. It may be repeated at any
/// time, with more days or another rule: where a slot of the service, with the same practitioner or with none, begins at the same moment,
/// it is left as it is. Wall-clock times follow daylight saving: what opens at a time that is skipped opens when the clock has jumped, and
/// an hour that comes twice has slots twice. The openings of one call have room for at most 1,000 slots, those that are past or there
/// already among them; where there is more, publish fewer days at once.
#[utoipa::path(tag = "slots", params(("id" = ServiceId, Path, description = "The service's id.")), request_body = SlotPublication, responses((status = 200, description = "Which slots are new, and how many were there already.", body = SlotsPublished)), security(("oauth2" = ["services:write"])))]
#[post("/v1/services/{id}/slots")]
pub async fn publish_service_slots(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    id: Path<Id<kind::Service>>,
    command: Command<SlotPublication>,
) -> Result<HttpResponse> {
    publish(&app, &caller, Diary::Service(*id), command).await
}

/// Publish the slots of a practitioner
///
/// As those of a service, at most 1,000 slots at once, for whatever the practitioner is met for. The openings are those of the request.
#[utoipa::path(tag = "slots", params(("id" = PractitionerId, Path, description = "The practitioner's id.")), request_body = SlotPublication, responses((status = 200, description = "Which slots are new, and how many were there already.", body = SlotsPublished)), security(("oauth2" = ["services:write"])))]
#[post("/v1/practitioners/{id}/slots")]
pub async fn publish_practitioner_slots(
    app: State,
    caller: Allowed<scope::ServicesWrite>,
    id: Path<Id<kind::Practitioner>>,
    command: Command<SlotPublication>,
) -> Result<HttpResponse> {
    publish(&app, &caller, Diary::Practitioner(*id), command).await
}

/// The times are found out beside the writer, as the timetable then is: some rules take long to be looked through.
async fn publish(app: &App, caller: &Principal, diary: Diary, command: Command<SlotPublication>) -> Result<HttpResponse> {
    if let Some(answer) = command.answered(app, caller).await? {
        return Ok(answer);
    }
    let (asking, input) = (caller.clone(), command.input.clone());
    let look = move |conn: &mut DbConn| {
        offer(conn, &asking, diary, &input)?;
        times(&timetable(conn, diary, &input)?, &input)
    };
    let times = app.db.read(look).await?;
    command.run(app, caller, move |conn, caller, input| Reply::ok(&publish_at(conn, caller, diary, input, &times)?)).await
}

/// Of what the slots are, and the organization that offers them, which must be the calling one.
fn offer(
    conn: &mut DbConn,
    caller: &Principal,
    diary: Diary,
    input: &SlotPublication,
) -> Result<(Option<ServiceId>, Option<PractitionerId>, OrganizationId)> {
    permit_publishing(conn, caller, diary)?;
    let (service, practitioner) = whose(diary, input)?;
    Ok((service, practitioner, offered_by(conn, service, practitioner)?))
}

fn publish_at(
    conn: &mut DbConn,
    caller: &Principal,
    diary: Diary,
    input: &SlotPublication,
    times: &[DateTime<Utc>],
) -> Result<SlotsPublished> {
    if let Diary::Service(id) = diary {
        services::repository::hold(conn, id)?;
    }
    let (service, practitioner, owner) = offer(conn, caller, diary, input)?;
    repository::lock_diary(conn, diary)?;
    let Some((first, last)) = times.first().zip(times.last()) else { return Ok(SlotsPublished::default()) };
    let span = (Instant::from_utc(*first), Instant::from_utc(*last).plus(Duration::microseconds(1)));
    let there = repository::beginnings(conn, diary, practitioner, span)?;
    let length = Duration::minutes(input.slot_minutes.into());
    let slot = |starts_at: Instant| SlotInput {
        service_id: service,
        practitioner_id: practitioner,
        starts_at,
        ends_at: starts_at.plus(length),
        places: input.places,
        mode: input.mode,
        location: input.location.clone(),
        note: input.note.clone(),
        is_closed: false,
        identifiers: Vec::new(),
    };
    let to_come: Vec<Instant> = times.iter().copied().map(Instant::from_utc).filter(|moment| *moment > caller.at).collect();
    let missing = to_come.iter().filter(|moment| !there.contains(moment));
    let rows: Vec<SlotRow> = missing.map(|moment| SlotRow::new(Id::generate(), owner, slot(*moment), caller.at)).collect();
    add(conn, caller, &rows)?;
    let slot_ids = rows.iter().map(|row| row.id).collect();
    Ok(SlotsPublished { created: rows.len(), already_there: to_come.len() - rows.len(), slot_ids })
}

fn whose(diary: Diary, input: &SlotPublication) -> Result<(Option<ServiceId>, Option<PractitionerId>)> {
    match diary {
        Diary::Service(id) => Ok((Some(id), input.practitioner_id)),
        Diary::Practitioner(id) if input.practitioner_id.is_none_or(|named| named == id) => Ok((None, Some(id))),
        Diary::Practitioner(_) => Err(Error::invalid("/practitioner_id", "not_allowed", "is not the practitioner of the path")),
    }
}

/// The timetable that is meant: that of the request, or the service's own.
fn timetable(conn: &mut DbConn, diary: Diary, input: &SlotPublication) -> Result<Timetable> {
    if !input.schedules.is_empty() {
        return Ok(Timetable::new(&input.schedules));
    }
    let own = match diary {
        Diary::Service(id) => services::repository::find(conn, id)?.map(|row| Timetable::of_service(&row.content)).unwrap_or_default(),
        Diary::Practitioner(_) => Vec::new(),
    };
    let required = |message: &str| Error::invalid("/schedules", "required", message);
    let mut own = own.into_iter();
    let Some(first) = own.next() else { return Err(required("is required: no opening times are known otherwise")) };
    // A holiday of one place makes a timetable of its own, which is the others' on every day but that.
    let is_same = own.as_slice().is_empty() || {
        let openings_of_first = openings(&first, input);
        own.all(|other| openings(&other, input) == openings_of_first)
    };
    if is_same { Ok(first) } else { Err(required("is required: the service has other opening times at each of its places")) }
}

/// What a timetable opens between the two days, which are those of its zone.
fn openings(timetable: &Timetable, input: &SlotPublication) -> Vec<Opening> {
    let (from, until) = schedule::span_of_days(timetable.zone().unwrap_or_default(), input.from, input.until);
    timetable.openings(from, until)
}

/// When the slots begin, in rising order.
fn times(timetable: &Timetable, input: &SlotPublication) -> Result<Vec<DateTime<Utc>>> {
    let length = Duration::minutes(input.slot_minutes.into());
    let mut times = Vec::new();
    for opening in openings(timetable, input) {
        let mut at = opening.from;
        while at + length <= opening.until {
            times.push(at);
            at += length;
        }
        if times.len() > MOST_SLOTS {
            return Err(Error::invalid("/until", "too_many", format!("gives more than {MOST_SLOTS} slots: publish fewer days at once")));
        }
    }
    Ok(times)
}

/// Adds the slots with their entries in the journal.
fn add(conn: &mut DbConn, caller: &Principal, rows: &[SlotRow]) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    repository::insert(conn, rows)?;
    let shapes: Vec<Slot> = rows.iter().cloned().map(Slots::shape).collect();
    let entry = |(row, slot)| resource::change_of::<Slots>(&Slots::head(row), Action::Created, slot);
    let entries: Vec<_> = rows.iter().zip(&shapes).map(entry).collect();
    changes::record_all(conn, &caller.actor(), &entries)
}

#[cfg(test)]
mod tests {
    use chrono::NaiveTime;
    use chrono_tz::Tz;

    use super::*;
    use crate::services::model::ScheduleKind;
    use crate::types::DateSpan;

    fn daily(opens: &str, closes: &str, zone: &str) -> Schedule {
        let time = |text| NaiveTime::parse_from_str(text, "%H:%M").ok();
        Schedule {
            rrule: "FREQ=DAILY".into(),
            starts_on: None,
            opens_at: time(opens),
            closes_at: time(closes),
            time_zone: zone.into(),
            valid: DateSpan::default(),
            kind: ScheduleKind::Open,
            note: None,
        }
    }

    /// Of a day, in half hours.
    fn publication(day: NaiveDate) -> SlotPublication {
        SlotPublication {
            from: day,
            until: day,
            slot_minutes: 30,
            places: 1,
            schedules: Vec::new(),
            practitioner_id: None,
            mode: None,
            location: None,
            note: None,
        }
    }

    /// What the clock on the wall reads when the slots of a day begin.
    fn on_the_wall(opens: &str, closes: &str, day: &str) -> Vec<String> {
        let zone: Tz = "America/Vancouver".parse().unwrap();
        let input = publication(day.parse().unwrap());
        let times = times(&Timetable::new(&[daily(opens, closes, zone.name())]), &input).unwrap();
        assert!(times.windows(2).all(|pair| pair[0] + Duration::minutes(30) <= pair[1]), "{times:?}");
        times.into_iter().map(|time| time.with_timezone(&zone).format("%H:%M %Z").to_string()).collect()
    }

    #[test]
    fn unusual_rules_are_counted_together() {
        let schedule = |number: i32| {
            let rule = format!("FREQ=YEARLY;BYMONTHDAY=13;BYDAY=FR;BYMONTH={}", number % 12 + 1);
            Schedule { rrule: rule, ..daily("09:00", "10:00", "America/Vancouver") }
        };
        let input =
            |rules: i32| SlotPublication { schedules: (0..rules).map(schedule).collect(), ..publication("2026-03-02".parse().unwrap()) };
        assert!(input(10).validate().is_ok());
        let refused = input(12).validate().unwrap_err();
        let faults = refused.field_errors();
        let codes: Vec<&str> = faults["__all__"].iter().map(|fault| fault.code.as_ref()).collect();
        assert_eq!(codes, ["too_many", "too_many"]);
    }

    #[test]
    fn mornings_stay_mornings_when_the_clocks_change() {
        for (day, zone) in [("2026-03-07", "PST"), ("2026-03-08", "PDT"), ("2026-10-31", "PDT"), ("2026-11-01", "PST")] {
            assert_eq!(on_the_wall("09:00", "10:00", day), [format!("09:00 {zone}"), format!("09:30 {zone}")]);
        }
    }

    #[test]
    fn no_slot_begins_at_a_time_that_is_skipped() {
        assert_eq!(on_the_wall("01:00", "04:00", "2026-03-08"), ["01:00 PST", "01:30 PST", "03:00 PDT", "03:30 PDT"]);
        assert_eq!(on_the_wall("02:00", "02:30", "2026-03-08"), [""; 0], "the opening is skipped altogether");
        assert_eq!(on_the_wall("02:30", "03:30", "2026-03-08"), ["03:00 PDT"], "it opens when the clock has jumped");
    }

    #[test]
    fn an_hour_that_comes_twice_has_slots_twice() {
        let expected = ["00:30 PDT", "01:00 PDT", "01:30 PDT", "01:00 PST", "01:30 PST", "02:00 PST"];
        assert_eq!(on_the_wall("00:30", "02:30", "2026-11-01"), expected);
    }
}
