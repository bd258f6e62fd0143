//! Unmet needs counted so that nobody can be told from the numbers.
//!
//! A person counts once for a domain, however often the same was found of them. What too few people share is counted where more do: by
//! province, else by the domain alone, else not at all. Somebody whom no record names may be counted again each time: five of them may be
//! one, who is not to be told in a town, so they are counted by province at the finest. Numbers are in steps, so that the one before a
//! person and the one after do not tell of them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::api::{UnmetNeedCount, UnmetReasonCount};
use super::report::UnmetReason;
use crate::provinces;
use crate::types::find_domain;

/// Fewer people than this are not counted apart.
pub(super) const LEAST_PEOPLE: i64 = 5;
/// Counts are rounded down to steps of this.
pub(super) const STEP: i64 = 5;
/// The most counts that are answered, the commonest first.
const MOST_COUNTS: usize = 1_000;

/// Postal prefix, city and region.
pub(super) type AreaKey = (Option<String>, Option<String>, Option<String>);
/// How often a need was found unmet, by domain and area, and for what reason: first of people whom a record names, each of whom counts
/// once, then of all.
pub(super) type Counted = (String, AreaKey, UnmetReason, i64, i64);
type Reasons = BTreeMap<UnmetReason, i64>;
type Cells = BTreeMap<(String, AreaKey), Reasons>;

/// The counts that may be shown of these, the commonest first.
pub(super) fn shown(counted: impl IntoIterator<Item = Counted>) -> Vec<UnmetNeedCount> {
    let mut cells = Cells::new();
    for (domain, (prefix, city, region), reason, named, all) in counted {
        let region = region.map(|region| provinces::named(&region).map_or(region, |province| province.code.to_owned()));
        let is_sensitive = find_domain(&domain).is_some_and(|domain| domain.is_sensitive);
        let province = (None, None, region.clone());
        let area = if is_sensitive { province.clone() } else { (prefix, city, region) };
        for (area, count) in [(area, named), (province, all - named)] {
            *cells.entry((domain.clone(), area)).or_default().entry(reason).or_default() += count;
        }
    }
    for coarser in [|(_, _, region): AreaKey| (None, None, region), |_: AreaKey| (None, None, None)] {
        cells = rolled_up(cells, coarser);
    }
    let mut counts: Vec<UnmetNeedCount> = cells.into_iter().filter_map(count).collect();
    counts.sort_by_key(|one| Reverse(one.count));
    counts.truncate(MOST_COUNTS);
    counts
}

/// Those with too few people, put together by a coarser area.
fn rolled_up(cells: Cells, coarser: fn(AreaKey) -> AreaKey) -> Cells {
    let (mut rolled_up, few): (Cells, Cells) = cells.into_iter().partition(|(_, reasons)| total(reasons) >= LEAST_PEOPLE);
    for ((domain, area), reasons) in few {
        let into = rolled_up.entry((domain, coarser(area))).or_default();
        for (reason, count) in reasons {
            *into.entry(reason).or_default() += count;
        }
    }
    rolled_up
}

fn total(reasons: &Reasons) -> i64 {
    reasons.values().sum()
}

fn count(((domain, (postal_prefix, city, region)), reasons): ((String, AreaKey), Reasons)) -> Option<UnmetNeedCount> {
    let count = at_least(total(&reasons))?;
    let reasons = reasons.into_iter().filter_map(|(reason, count)| Some(UnmetReasonCount { reason, count: at_least(count)? }));
    let mut reasons: Vec<UnmetReasonCount> = reasons.collect();
    reasons.sort_by_key(|one| (Reverse(one.count), one.reason));
    Some(UnmetNeedCount { domain, postal_prefix, city, region, count, reasons })
}

/// How many there are at least; `None` where there are too few.
fn at_least(people: i64) -> Option<i64> {
    (people >= LEAST_PEOPLE).then(|| people / STEP * STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(domain: &str, area: [&str; 3], reason: UnmetReason, count: i64) -> Counted {
        let [prefix, city, region] = area.map(|part| (!part.is_empty()).then(|| part.to_owned()));
        (domain.into(), (prefix, city, region), reason, count, count)
    }

    /// Each as `domain prefix city region count`.
    fn told(counted: Vec<Counted>) -> Vec<String> {
        let part = |part: &Option<String>| part.clone().unwrap_or("-".into());
        let line = |one: &UnmetNeedCount| {
            let area = [&one.postal_prefix, &one.city, &one.region].map(part).join(" ");
            format!("{} {area} {}", one.domain, one.count)
        };
        shown(counted).iter().map(line).collect()
    }

    #[test]
    fn few_people_are_counted_where_there_are_more() {
        let (cost, hours) = (UnmetReason::Cost, UnmetReason::Hours);
        let of = |area, count| counted("x-nature", area, cost, count);
        assert_eq!(told(vec![of(["V0X", "Falls", "BC"], 9)]), ["x-nature V0X Falls BC 5"]);
        assert_eq!(told(vec![of(["V0X", "Falls", "BC"], 4)]), Vec::<String>::new());
        assert_eq!(
            told(vec![of(["V0X", "Falls", "BC"], 14), of(["V1Y", "Bay", "BC"], 4), of(["V2A", "Cedar", "British Columbia"], 1)]),
            ["x-nature V0X Falls BC 10", "x-nature - - BC 5"]
        );
        assert_eq!(told(vec![of(["V1Y", "Bay", "BC"], 4), of(["T1A", "Elk", "AB"], 3), of(["", "", ""], 4)]), ["x-nature - - - 10"]);
        let reasons = shown(vec![counted("x-nature", ["", "", "BC"], hours, 4), counted("x-nature", ["", "", "BC"], cost, 7)]);
        assert_eq!((reasons[0].count, &reasons[0].reasons), (10, &vec![UnmetReasonCount { reason: cost, count: 5 }]));
    }

    #[test]
    fn what_is_sensitive_is_not_counted_by_town() {
        let of = |area| counted("intimate-partner-violence", area, UnmetReason::NoService, 6);
        assert_eq!(told(vec![of(["V0X", "Falls", "BC"]), of(["V1Y", "Bay", "BC"])]), ["intimate-partner-violence - - BC 10"]);
    }

    #[test]
    fn whom_no_record_names_is_counted_by_province_at_the_finest() {
        let of = |named, all| {
            let (domain, area, reason, ..) = counted("x-nature", ["V0X", "Falls", "BC"], UnmetReason::Cost, 0);
            told(vec![(domain, area, reason, named, all)])
        };
        assert_eq!(of(0, 5), ["x-nature - - BC 5"]);
        assert_eq!(of(4, 8), ["x-nature - - BC 5"]);
        assert_eq!(of(6, 13), ["x-nature - - BC 5", "x-nature V0X Falls BC 5"]);
        assert_eq!(of(6, 9), ["x-nature V0X Falls BC 5"]);
    }

    #[test]
    fn an_answer_has_an_end() {
        let towns = (0..2_000).map(|number| counted("x-nature", ["", &format!("Town {number}"), ""], UnmetReason::Cost, 5));
        assert_eq!(shown(towns).len(), MOST_COUNTS);
    }
}
