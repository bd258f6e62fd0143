//! How a person is reached, and what makes that safe.

use chrono::{NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use crate::http::schema::rule;
use crate::phones;
use crate::text_enum;
use crate::types::{Address, DateSpan, Term, WeeklyWindow};

text_enum! {
    /// A way to reach a person.
    pub enum ContactKind {
        /// A voice call.
        Phone = "phone",
        /// A text message.
        Sms = "sms",
        /// Electronic mail.
        Email = "email",
        /// A letter.
        Post = "post",
        /// At a place where the person can be met.
        InPerson = "in_person",
    }
}

text_enum! {
    /// Whose a contact point is.
    pub enum ContactOwner {
        /// The person's own.
        Own = "self",
        /// A relative's.
        Relative = "relative",
        /// A friend's or neighbour's.
        Friend = "friend",
        /// A caregiver's.
        Caregiver = "caregiver",
        /// An agency's, such as a shelter's front desk.
        Agency = "agency",
        /// Somebody else's.
        Other = "other",
    }
}

text_enum! {
    /// How well a contact point works.
    pub enum Reliability {
        /// The person is reached.
        Reliable = "reliable",
        /// Sometimes: minutes run out, the phone is shared.
        Sometimes = "sometimes",
        /// Hardly ever.
        Unreliable = "unreliable",
    }
}

text_enum! {
    /// Whether a contact point may be used.
    pub enum Usability {
        /// It may.
        Usable = "usable",
        /// Never: what makes contact safe rules it out.
        Forbidden = "forbidden",
        /// Its last day is over.
        Expired = "expired",
        /// Its first day is to come.
        NotYetValid = "not_yet_valid",
    }
}

/// A way to reach the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ContactPoint {
    /// The kind of contact point.
    pub kind: ContactKind,
    /// The number, address or place as it was given.
    #[schema(min_length = 1, max_length = 500, example = "250-555-0142")]
    pub value: String,
    /// For phones, E.164 where `value` could be understood; set by the server.
    #[serde(default)]
    #[schema(pattern = "^\\+[1-9][0-9]{1,14}$", example = "+12505550142")]
    pub number: Option<String>,
    /// Whose contact point it is: the person's own or somebody else's.
    #[serde(default)]
    pub owner: Option<ContactOwner>,
    /// The owner's name, where it is not the person's own.
    #[serde(default)]
    #[schema(max_length = 200, example = "Her daughter Anaïs")]
    pub owner_name: Option<String>,
    /// 1 is tried first.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 20, example = 1)]
    pub preference: Option<i32>,
    /// How well it works.
    #[serde(default)]
    pub reliability: Option<Reliability>,
    /// Whether text messages arrive. Unknown where absent.
    #[serde(default)]
    #[schema(example = true)]
    pub sms_capable: Option<bool>,
    /// When the person is best reached here, local time.
    #[serde(default)]
    #[schema(max_items = 50)]
    #[validate(custom(function = "windows_end_after_they_begin"))]
    pub best_times: Vec<WeeklyWindow>,
    /// The days on which it works.
    #[serde(default)]
    #[validate(custom(function = "span_is_ordered"))]
    pub valid: DateSpan,
    /// A remark.
    #[serde(default)]
    #[schema(max_length = 500, example = "Shared with her sister; ask for Marie.")]
    pub note: Option<String>,
    /// Whether it may be used today, by `valid` and by what makes contact safe; set by the server where somebody is read, written or found
    /// alone. Null in lists, exports, histories and the feed, which are read later.
    #[serde(default)]
    pub usability: Option<Usability>,
}

/// What makes contact safe for a person at risk from somebody near them. Every rule binds whoever contacts the person.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct SafeContact {
    /// True: leave no voicemail.
    #[schema(example = true)]
    pub no_voicemail: Option<bool>,
    /// True: send no text messages.
    #[schema(example = true)]
    pub no_text_messages: Option<bool>,
    /// True: send no letters.
    #[schema(example = true)]
    pub no_post: Option<bool>,
    /// True: do not say who is calling unless the person answers.
    #[schema(example = true)]
    pub no_caller_identity: Option<bool>,
    /// The word by which the person lets the caller know that it is safe to talk.
    #[schema(max_length = 100, example = "marigold")]
    pub code_word: Option<String>,
    /// Numbers and addresses that must never be used, as given.
    #[schema(value_type = Vec<Term>, max_items = 50, example = json!(["250-555-0199"]))]
    pub do_not_contact: Vec<String>,
    /// The only times at which contact is safe, local time; none: at any time.
    #[schema(max_items = 50)]
    #[validate(custom(function = "windows_end_after_they_begin"))]
    pub safe_times: Vec<WeeklyWindow>,
    /// What else makes contact safe.
    #[schema(max_length = 1_000, example = "Ring once, hang up, call again.")]
    pub note: Option<String>,
}

impl SafeContact {
    /// What makes contact safe for one person of whom two records say this: whatever either forbids stays forbidden, and nothing is safe
    /// that one of them does not know to be so. `None` where no time is safe by both: that cannot be said, since no times stand for any.
    /// Texts that are too long together are left so: whoever keeps them says that.
    pub fn and(&self, other: &Self) -> Option<Self> {
        let either = |one: Option<bool>, two: Option<bool>| one.max(two);
        let forbidden = other.do_not_contact.iter().filter(|entry| !self.do_not_contact.contains(entry));
        let safe_times = match (self.safe_times.is_empty(), other.safe_times.is_empty()) {
            (false, false) => shared_times(&self.safe_times, &other.safe_times),
            (true, _) => other.safe_times.clone(),
            (false, true) => self.safe_times.clone(),
        };
        if safe_times.is_empty() && !self.safe_times.is_empty() {
            return None;
        }
        Some(Self {
            no_voicemail: either(self.no_voicemail, other.no_voicemail),
            no_text_messages: either(self.no_text_messages, other.no_text_messages),
            no_post: either(self.no_post, other.no_post),
            no_caller_identity: either(self.no_caller_identity, other.no_caller_identity),
            code_word: both_words(self.code_word.as_deref(), other.code_word.as_deref()),
            do_not_contact: self.do_not_contact.iter().chain(forbidden).cloned().collect(),
            safe_times,
            note: joined(self.note.as_deref(), other.note.as_deref(), "\n"),
        })
    }

    /// Whether this point must never be used; `country` is where numbers without a country code are read.
    pub fn forbids(&self, point: &ContactPoint, country: &str) -> bool {
        self.do_not_contact.iter().any(|entry| point.is_written_as(entry, country))
    }

    /// The same of a number or address as somebody has written it.
    pub fn forbids_value(&self, value: &str, country: &str) -> bool {
        let number = phones::e164(value, phones::country(country));
        self.do_not_contact.iter().any(|entry| are_same(entry, value, number.as_deref(), country))
    }

    /// Whether no point of this kind may be used.
    fn rules_out(&self, kind: ContactKind) -> bool {
        match kind {
            ContactKind::Sms => self.no_text_messages == Some(true),
            ContactKind::Post => self.no_post == Some(true),
            ContactKind::Phone | ContactKind::Email | ContactKind::InPerson => false,
        }
    }

    /// Whether contact is safe at a moment, which is told as it is where the person lives.
    pub fn is_safe_at(&self, moment: NaiveDateTime) -> bool {
        self.safe_times.is_empty() || self.safe_times.iter().any(|window| window.contains(moment))
    }
}

/// Whether a text is this number or address, whose E.164 form is `number` where it has one.
fn are_same(text: &str, value: &str, number: Option<&str>, country: &str) -> bool {
    let is_written_so = text.trim().eq_ignore_ascii_case(value.trim());
    is_written_so || (number.is_some() && phones::e164(text, phones::country(country)).as_deref() == number)
}

/// Where numbers without a country code are read.
pub fn country(address: Option<&Address>) -> &str {
    address.and_then(|address| address.country.as_deref()).unwrap_or("CA")
}

/// Both texts, the one once where it is said in the other.
pub(super) fn joined(one: Option<&str>, other: Option<&str>, between: &str) -> Option<String> {
    match (one, other) {
        (Some(one), Some(other)) if one.contains(other) => Some(one.to_owned()),
        (Some(one), Some(other)) if other.contains(one) => Some(other.to_owned()),
        (Some(one), Some(other)) => Some(format!("{one}{between}{other}")),
        (one, other) => one.or(other).map(str::to_owned),
    }
}

/// Both code words, for nobody knows which one the person will say.
fn both_words(one: Option<&str>, other: Option<&str>) -> Option<String> {
    const BETWEEN: &str = " / ";
    let (one, other) = match (one, other) {
        (Some(one), Some(other)) => (one, other),
        (one, other) => return one.or(other).map(str::to_owned),
    };
    let mut words: Vec<&str> = one.split(BETWEEN).collect();
    for word in other.split(BETWEEN) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    Some(words.join(BETWEEN))
}

fn shared_times(one: &[WeeklyWindow], other: &[WeeklyWindow]) -> Vec<WeeklyWindow> {
    let mut shared = Vec::new();
    for window in one {
        for theirs in other.iter().filter(|theirs| theirs.day == window.day) {
            let both = WeeklyWindow { day: window.day, from: window.from.max(theirs.from), until: window.until.min(theirs.until) };
            if both.from < both.until && !shared.contains(&both) {
                shared.push(both);
            }
        }
    }
    shared
}

/// A person in the patient's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RelatedPerson {
    /// Name.
    #[schema(min_length = 1, max_length = 200, example = "Anaïs Tremblay")]
    pub name: String,
    /// Who they are to the patient.
    #[serde(default)]
    #[schema(max_length = 100, example = "daughter")]
    pub relationship: Option<String>,
    /// How they are reached.
    #[serde(default)]
    #[schema(max_items = 10)]
    #[validate(nested)]
    pub contact_points: Vec<ContactPoint>,
    /// Whether the patient lets them speak and decide on their behalf. Unknown where absent.
    #[serde(default)]
    #[schema(example = true)]
    pub may_act: Option<bool>,
    /// Whether they care for the patient. Unknown where absent.
    #[serde(default)]
    #[schema(example = true)]
    pub is_caregiver: Option<bool>,
    /// Whether the patient cares for them. Unknown where absent.
    #[serde(default)]
    #[schema(example = false)]
    pub is_cared_for: Option<bool>,
    /// A remark.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "Lives upstairs.")]
    pub note: Option<String>,
}

impl ContactPoint {
    /// Fills in the E.164 form of a phone; `country` is where numbers without a country code are read. Whether it may be used is said when it
    /// is read.
    pub fn normalise(&mut self, country: &str) {
        self.number = match self.kind {
            ContactKind::Phone | ContactKind::Sms => phones::e164(&self.value, phones::country(country)),
            ContactKind::Email | ContactKind::Post | ContactKind::InPerson => None,
        };
        self.usability = None;
    }

    /// Whether this is the number or address that somebody has written in one way or another.
    pub fn is_written_as(&self, written: &str, country: &str) -> bool {
        are_same(written, &self.value, self.number.as_deref(), country)
    }

    /// Whether it may be used on a day.
    pub fn usability_on(&self, day: NaiveDate, safe_contact: Option<&SafeContact>, country: &str) -> Usability {
        let is_ruled_out = |safe: &SafeContact| safe.rules_out(self.kind) || safe.forbids(self, country);
        if safe_contact.is_some_and(is_ruled_out) {
            Usability::Forbidden
        } else if self.valid.until.is_some_and(|last| last < day) {
            Usability::Expired
        } else if self.valid.from.is_some_and(|first| day < first) {
            Usability::NotYetValid
        } else {
            Usability::Usable
        }
    }
}

/// Each window ends after it begins.
pub(super) fn windows_end_after_they_begin(windows: &[WeeklyWindow]) -> Result<(), ValidationError> {
    match windows.iter().position(|window| window.until <= window.from) {
        Some(index) => Err(rule(&format!("/{index}/until"), "not_allowed", "must be later than from")),
        None => Ok(()),
    }
}

fn span_is_ordered(span: &DateSpan) -> Result<(), ValidationError> {
    if span.from.zip(span.until).is_some_and(|(from, until)| until < from) {
        return Err(rule("/until", "not_allowed", "must not be before from"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_safe_that_both_records_know_to_be_so() {
        let times = |windows: &[(&str, &str, &str)]| -> Vec<WeeklyWindow> {
            let window = |(day, from, until): &(&str, &str, &str)| serde_json::json!({ "day": day, "from": from, "until": until });
            windows.iter().map(|parts| serde_json::from_value(window(parts)).unwrap()).collect()
        };
        let one = times(&[("monday", "09:00", "12:00"), ("monday", "13:00", "17:00"), ("tuesday", "09:00", "12:00")]);
        let other = times(&[("monday", "11:00", "14:00"), ("tuesday", "12:00", "15:00")]);
        assert_eq!(shared_times(&one, &other), times(&[("monday", "11:00", "12:00"), ("monday", "13:00", "14:00")]));
    }

    #[test]
    fn a_way_to_reach_somebody_is_usable_on_its_days_unless_a_rule_of_theirs_is_against_it() {
        let safe: SafeContact =
            serde_json::from_value(serde_json::json!({ "no_text_messages": true, "do_not_contact": ["(250) 555-0199"] })).unwrap();
        let on = |day: &str, point: serde_json::Value| {
            let mut point: ContactPoint = serde_json::from_value(point).unwrap();
            point.normalise("CA");
            let day = day.parse().unwrap();
            (point.usability_on(day, Some(&safe), "CA"), point.usability_on(day, None, "CA"))
        };
        let (point, day) = (|kind: &str, value: &str| serde_json::json!({ "kind": kind, "value": value }), "2026-03-02");
        assert_eq!(on(day, point("phone", "250-555-0142")), (Usability::Usable, Usability::Usable));
        assert_eq!(on(day, point("phone", "+1 250 555 0199")), (Usability::Forbidden, Usability::Usable));
        assert_eq!(on(day, point("sms", "250-555-0142")), (Usability::Forbidden, Usability::Usable));
        let mut spring = point("phone", "250-555-0142");
        spring["valid"] = serde_json::json!({ "from": "2026-03-01", "until": "2026-05-31" });
        let days = ["2026-02-28", "2026-03-01", "2026-05-31", "2026-06-01"].map(|day| on(day, spring.clone()).0);
        assert_eq!(days, [Usability::NotYetValid, Usability::Usable, Usability::Usable, Usability::Expired]);
    }

    #[test]
    fn contact_is_safe_in_the_windows_that_are_named_and_always_where_none_is() {
        let windows = serde_json::json!({ "safe_times": [{ "day": "monday", "from": "09:00", "until": "12:00" }] });
        let safe: SafeContact = serde_json::from_value(windows).unwrap();
        let at = |moment: &str| moment.parse::<NaiveDateTime>().unwrap();
        assert!(safe.is_safe_at(at("2026-03-02T09:00:00")) && safe.is_safe_at(at("2026-03-02T11:59:59")));
        assert!(!safe.is_safe_at(at("2026-03-02T12:00:00")) && !safe.is_safe_at(at("2026-03-03T09:00:00")));
        assert!(SafeContact::default().is_safe_at(at("2026-03-03T03:00:00")));
    }
}
