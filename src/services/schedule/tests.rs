use chrono::NaiveTime;
use proptest::prelude::*;

use super::*;

fn time(text: &str) -> Option<NaiveTime> {
    Some(NaiveTime::parse_from_str(text, "%H:%M").unwrap())
}

fn schedule(rrule: &str, opens: &str, closes: &str, zone: &str) -> Schedule {
    Schedule {
        rrule: rrule.into(),
        starts_on: None,
        opens_at: time(opens),
        closes_at: time(closes),
        time_zone: zone.into(),
        valid: DateSpan::default(),
        kind: ScheduleKind::Open,
        note: None,
    }
}

fn closed(rrule: &str, zone: &str, from: &str, until: &str) -> Schedule {
    let valid = DateSpan { from: from.parse().ok(), until: until.parse().ok() };
    Schedule { opens_at: None, closes_at: None, kind: ScheduleKind::Closed, valid, ..schedule(rrule, "00:00", "00:00", zone) }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn openings(schedules: &[Schedule], from: &str, until: &str) -> Vec<(String, String)> {
    let text = |moment: DateTime<Utc>| moment.format("%dT%H:%M").to_string();
    Timetable::new(schedules).openings(at(from), at(until)).iter().map(|o| (text(o.from), text(o.until))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(from, until)| ((*from).into(), (*until).into())).collect()
}

#[test]
fn wall_clock_times_follow_daylight_saving() {
    // Vancouver goes from UTC-8 to UTC-7 on Sunday 2026-03-08.
    let mornings = [schedule("FREQ=DAILY", "09:00", "12:00", "America/Vancouver")];
    assert_eq!(
        openings(&mornings, "2026-03-07T00:00:00Z", "2026-03-10T00:00:00Z"),
        pairs(&[("07T17:00", "07T20:00"), ("08T16:00", "08T19:00"), ("09T16:00", "09T19:00")])
    );
    // St. John's, UTC-3:30 and UTC-2:30.
    let mornings = [schedule("FREQ=DAILY", "09:00", "12:00", "America/St_Johns")];
    assert_eq!(
        openings(&mornings, "2026-03-07T00:00:00Z", "2026-03-09T00:00:00Z"),
        pairs(&[("07T12:30", "07T15:30"), ("08T11:30", "08T14:30")])
    );
}

#[test]
fn an_opening_in_the_hour_that_is_skipped_starts_when_the_clock_has_jumped() {
    let night = [schedule("FREQ=DAILY", "02:30", "04:00", "America/Toronto")];
    assert_eq!(openings(&night, "2026-03-08T04:00:00Z", "2026-03-09T00:00:00Z"), pairs(&[("08T07:00", "08T08:00")]));
    let nothing_left = [schedule("FREQ=DAILY", "02:10", "02:50", "America/Toronto")];
    assert_eq!(openings(&nothing_left, "2026-03-08T04:00:00Z", "2026-03-09T00:00:00Z"), pairs(&[]));
}

#[test]
fn an_opening_across_the_hour_that_comes_twice_lasts_an_hour_longer() {
    // London goes back at 01:00 UTC on 2026-10-25: 01:00 to 02:00 is read twice.
    let night = [schedule("FREQ=WEEKLY;BYDAY=SA", "22:00", "03:00", "Europe/London")];
    assert_eq!(openings(&night, "2026-10-24T00:00:00Z", "2026-10-26T00:00:00Z"), pairs(&[("24T21:00", "25T03:00")]));
    let until_the_first_reading = [schedule("FREQ=WEEKLY;BYDAY=SA", "22:00", "01:30", "Europe/London")];
    assert_eq!(openings(&until_the_first_reading, "2026-10-24T00:00:00Z", "2026-10-26T00:00:00Z"), pairs(&[("24T21:00", "25T00:30")]));
}

#[test]
fn exceptions_cut_openings() {
    let zone = "America/Vancouver";
    let days = [schedule("FREQ=WEEKLY;BYDAY=MO,TU", "09:00", "17:00", zone), closed("FREQ=DAILY", zone, "2026-01-06", "2026-01-06")];
    assert_eq!(openings(&days, "2026-01-05T00:00:00Z", "2026-01-10T00:00:00Z"), pairs(&[("05T17:00", "06T01:00")]));
    let lunch = [
        schedule("FREQ=WEEKLY;BYDAY=MO", "09:00", "17:00", zone),
        Schedule { kind: ScheduleKind::Closed, ..schedule("FREQ=DAILY", "12:00", "13:00", zone) },
    ];
    assert_eq!(
        openings(&lunch, "2026-01-05T00:00:00Z", "2026-01-10T00:00:00Z"),
        pairs(&[("05T17:00", "05T20:00"), ("05T21:00", "06T01:00")])
    );
}

#[test]
fn a_day_without_times_is_the_whole_day() {
    let always = [Schedule { opens_at: None, closes_at: None, ..schedule("FREQ=DAILY", "00:00", "00:00", "America/Toronto") }];
    assert_eq!(openings(&always, "2026-03-07T00:00:00Z", "2026-03-10T00:00:00Z"), pairs(&[("07T00:00", "10T00:00")]));
    assert!(Timetable::new(&always).has_evenings() && Timetable::new(&always).has_weekends());
}

#[test]
fn schedules_are_in_force_between_their_dates() {
    let valid = DateSpan { from: "2026-06-01".parse().ok(), until: "2026-06-30".parse().ok() };
    let june = Timetable::new(&[Schedule { valid, ..schedule("FREQ=DAILY", "09:00", "17:00", "America/Toronto") }]);
    assert!(!june.is_open_at(at("2026-05-31T16:00:00Z")));
    assert!(june.is_open_at(at("2026-06-01T16:00:00Z")));
    assert!(june.is_open_at(at("2026-06-30T16:00:00Z")));
    assert!(!june.is_open_at(at("2026-07-01T16:00:00Z")));
}

#[test]
fn openings_in_the_evening_and_at_the_weekend_are_told() {
    let zone = "America/Vancouver";
    let office = Timetable::new(&[schedule("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "09:00", "17:00", zone)]);
    assert!(!office.has_evenings() && !office.has_weekends());
    let late = Timetable::new(&[schedule("FREQ=WEEKLY;BYDAY=FR", "20:00", "02:00", zone)]);
    assert!(late.has_evenings() && !late.has_weekends());
    let monthly = Timetable::new(&[schedule("FREQ=MONTHLY;BYDAY=1SA", "10:00", "12:00", zone)]);
    assert!(!monthly.has_evenings() && monthly.has_weekends());
    let daily_but_sundays = Timetable::new(&[
        schedule("FREQ=DAILY", "10:00", "16:00", zone),
        Schedule { valid: DateSpan::default(), ..closed("FREQ=WEEKLY;BYDAY=SA,SU", zone, "2026-01-01", "2026-12-31") },
    ]);
    assert!(!daily_but_sundays.has_weekends());
}

#[test]
fn openings_overlap_with_free_times_or_do_not() {
    let zone = "America/Vancouver";
    let window = |day, from, until| WeeklyWindow { day, from: time(from).unwrap(), until: time(until).unwrap() };
    let minutes = |schedules: &[Schedule], windows: &[WeeklyWindow], zone: Option<Tz>| {
        Timetable::new(schedules).weekly_overlap_minutes(windows, zone, at("2026-02-02T12:00:00Z"))
    };
    let office = [schedule("FREQ=WEEKLY;BYDAY=MO,WE", "09:00", "17:00", zone)];
    let free = [window(Weekday::Monday, "16:00", "20:00"), window(Weekday::Tuesday, "09:00", "12:00")];
    assert_eq!(minutes(&office, &free, None), 60);
    assert_eq!(minutes(&office, &free, Some(Tz::America__Toronto)), 240, "16:00 to 20:00 in Toronto is 13:00 to 17:00 in Vancouver");
    let twice = [office[0].clone(), office[0].clone()];
    assert_eq!(minutes(&twice, &free, None), 60, "the same hours given twice count once");
    let alternating =
        [Schedule { starts_on: "2026-01-05".parse().ok(), ..schedule("FREQ=WEEKLY;BYDAY=MO;INTERVAL=2", "09:00", "17:00", zone) }];
    assert_eq!(minutes(&alternating, &free, None), 30);
    let night = [schedule("FREQ=WEEKLY;BYDAY=SU", "22:00", "02:00", zone)];
    assert_eq!(minutes(&night, &[window(Weekday::Monday, "00:00", "01:00")], None), 60, "Sunday night runs into Monday");
    for (from, until, expected) in [("2026-02-09", "2026-02-10", 60), ("2026-02-01", "2026-02-28", 60), ("2026-01-31", "2026-03-31", 0)] {
        let closed = [office[0].clone(), closed("FREQ=DAILY", zone, from, until)];
        assert_eq!(minutes(&closed, &free, None), expected, "closed from {from} until {until}");
    }
}

#[test]
fn faults_name_their_member() {
    let faults = |schedule: &Schedule| check(schedule).0.into_iter().map(|fault| (fault.pointer, fault.code)).collect::<Vec<_>>();
    let good = schedule("FREQ=WEEKLY;BYDAY=MO", "09:00", "17:00", "America/Vancouver");
    assert!(faults(&good).is_empty());
    let bad = Schedule { rrule: "weekly".into(), time_zone: "Vancouver".into(), ..good.clone() };
    assert_eq!(faults(&bad), [("/time_zone".into(), "unknown_time_zone".into()), ("/rrule".into(), "invalid_rrule".into())]);
    let unanchored = Schedule { rrule: "FREQ=WEEKLY;BYDAY=MO;INTERVAL=2".into(), ..good.clone() };
    assert_eq!(faults(&unanchored), [("/starts_on".into(), "required".into())]);
}

#[test]
fn a_rule_that_many_places_have_is_read_once() {
    let last_workday = schedule("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "09:00", "17:00", "America/Vancouver");
    let mornings = Schedule { closes_at: time("12:00"), ..last_workday.clone() };
    let schedules = [last_workday.clone(), mornings, schedule("FREQ=DAILY", "09:00", "17:00", "America/Vancouver"), last_workday];
    let mut known = Known::default();
    assert_eq!(Timetable::of(&schedules, &mut known), Timetable::new(&schedules));
    assert_eq!(known.len(), 2);
}

#[test]
fn a_service_is_open_where_any_of_its_places_is() {
    let weekday = schedule("FREQ=WEEKLY;BYDAY=MO", "09:00", "17:00", "America/Vancouver");
    let mut service: ServiceInput = serde_json::from_value(serde_json::json!({"name": "Library", "places": [{}, {}]})).unwrap();
    service.schedules = vec![weekday.clone()];
    assert_eq!(Timetable::of_service(&service).len(), 1);
    let saturday = schedule("FREQ=WEEKLY;BYDAY=SA", "09:00", "17:00", "America/Vancouver");
    service.places[0].schedules = vec![saturday.clone()];
    assert_eq!(Timetable::of_service(&service).len(), 2);
    service.places[1].schedules = vec![saturday];
    assert_eq!(Timetable::of_service(&service), [Timetable::new(&service.places[0].schedules)], "the places' times win");
}

#[test]
fn a_closing_of_a_service_is_one_of_all_its_places_and_that_of_a_place_is_one_of_its_own() {
    let zone = "America/Vancouver";
    let (monday, saturday) =
        (schedule("FREQ=WEEKLY;BYDAY=MO", "09:00", "17:00", zone), schedule("FREQ=WEEKLY;BYDAY=SA", "09:00", "17:00", zone));
    let holiday = |day: &str| closed("FREQ=DAILY", zone, day, day);
    let mut service: ServiceInput = serde_json::from_value(serde_json::json!({"name": "Library", "places": [{}, {}, {}]})).unwrap();
    service.schedules = vec![monday, holiday("2026-01-05"), holiday("2026-01-10")];
    service.places[1].schedules = vec![saturday];
    service.places[2].schedules = vec![holiday("2026-01-12")];
    let days = |table: &Timetable| -> Vec<String> {
        let openings = table.openings(at("2026-01-04T12:00:00Z"), at("2026-01-20T12:00:00Z"));
        openings.iter().map(|opening| opening.from.format("%d").to_string()).collect()
    };
    let tables: Vec<Vec<String>> = Timetable::of_service(&service).iter().map(days).collect();
    assert_eq!(tables, [vec!["12", "19"], vec!["17"], vec!["19"]]);
}

fn zones() -> impl Strategy<Value = Tz> {
    prop::sample::select(vec![Tz::America__Vancouver, Tz::America__Toronto, Tz::America__St_Johns, Tz::Europe__London])
}

prop_compose! {
    fn schedules()(zone in zones(), opens in 0u32..24 * 4, closes in 0u32..24 * 4, days in prop::sample::subsequence(vec!["MO", "TU", "WE", "TH", "FR", "SA", "SU"], 1..7),
        kind in prop::sample::select(vec![ScheduleKind::Open, ScheduleKind::Open, ScheduleKind::Closed])) -> Schedule {
        let quarter = |n: u32| NaiveTime::from_hms_opt(n / 4, n % 4 * 15, 0);
        let rule = format!("FREQ=WEEKLY;BYDAY={}", days.join(","));
        Schedule { opens_at: quarter(opens), closes_at: quarter(closes), kind, ..schedule(&rule, "00:00", "00:00", zone.name()) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Over both changes of the clock in 2026 in all four zones.
    #[test]
    fn openings_hold_exactly_the_moments_at_which_it_is_open(
        table in prop::collection::vec(schedules(), 1..5),
        start in prop::sample::select(vec!["2026-03-06T00:00:00Z", "2026-03-27T00:00:00Z", "2026-10-23T00:00:00Z", "2026-10-30T00:00:00Z"]),
    ) {
        let table = Timetable::new(&table);
        let from = at(start);
        let until = from + chrono::Duration::days(4);
        let openings = table.openings(from, until);
        for pair in openings.windows(2) {
            prop_assert!(pair[0].until < pair[1].from);
        }
        let mut moment = from;
        while moment < until {
            let covered = openings.iter().any(|opening| opening.from <= moment && moment < opening.until);
            prop_assert_eq!(table.is_open_at(moment), covered, "{}", moment);
            moment += chrono::Duration::minutes(15);
        }
    }

    /// Away from changes of the clock, a service is open exactly when the clock on its wall reads a time between opening and closing.
    #[test]
    fn on_ordinary_days_the_wall_clock_decides(schedule in schedules(), minutes in 0i64..4 * 24 * 60) {
        prop_assume!(schedule.kind == ScheduleKind::Open);
        let moment = at("2026-07-06T00:00:00Z") + chrono::Duration::minutes(minutes);
        let zone: Tz = schedule.time_zone.parse().unwrap();
        let local = moment.with_timezone(&zone).naive_local();
        let (opens, closes) = (schedule.opens_at.unwrap(), schedule.closes_at.unwrap());
        let days = schedule.rrule.rsplit('=').next().unwrap();
        let falls_on = |date: NaiveDate| days.contains(&date.format("%a").to_string().to_uppercase()[..2]);
        let (today, yesterday) = (local.date(), local.date().pred_opt().unwrap());
        let expected = if opens < closes {
            falls_on(today) && opens <= local.time() && local.time() < closes
        } else {
            falls_on(today) && opens <= local.time() || falls_on(yesterday) && local.time() < closes
        };
        prop_assert_eq!(Timetable::new(&[schedule]).is_open_at(moment), expected);
    }

    /// Two moments that the clock reads the same, a day apart, differ only by what the calendar says.
    #[test]
    fn local_times_become_moments_in_order(zone in zones(), day in 0i64..730, minute in 0i64..1440, later in 1i64..1440) {
        let local = "2026-01-01T00:00:00".parse::<NaiveDateTime>().unwrap() + chrono::Duration::days(day) + chrono::Duration::minutes(minute);
        let (first, second) = (first_moment(zone, local), first_moment(zone, local + chrono::Duration::minutes(later)));
        prop_assert!(first <= second);
        let reading = first.with_timezone(&zone).naive_local();
        prop_assert!(reading >= local, "the clock reads {} at the moment for {}", reading, local);
        let before = (first - chrono::Duration::minutes(1)).with_timezone(&zone).naive_local();
        prop_assert!(before < local || before > reading, "an earlier moment already read {}", local);
    }
}
