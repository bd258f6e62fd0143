//! How a person is reached, and what makes that safe.

use std::str::FromStr as _;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use crate::http::schema::rule;
use crate::text_enum;
use crate::types::{DateSpan, Term, WeeklyWindow};

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
    /// Fills in the E.164 form of a phone; `country` is where numbers without a country code are read.
    pub fn normalise(&mut self, country: &str) {
        self.number = match self.kind {
            ContactKind::Phone | ContactKind::Sms => e164(&self.value, country),
            ContactKind::Email | ContactKind::Post | ContactKind::InPerson => None,
        };
    }
}

/// A telephone number in E.164, where it is one; `country` is an ISO 3166-1 code.
pub fn e164(text: &str, country: &str) -> Option<String> {
    let is_international = text.trim_start().starts_with('+');
    let country = phonenumber::country::Id::from_str(country).ok().filter(|_| !is_international);
    let number = phonenumber::parse(country, text).ok().filter(phonenumber::PhoneNumber::is_valid)?;
    Some(number.format().mode(phonenumber::Mode::E164).to_string())
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
    fn numbers_are_understood_in_the_country_of_the_person() {
        assert_eq!(e164("(250) 861-5555", "CA").as_deref(), Some("+12508615555"));
        assert_eq!(e164("+33 1 42 68 53 00", "CA").as_deref(), Some("+33142685300"));
        assert_eq!(e164("ask at the desk", "CA"), None);
    }
}
