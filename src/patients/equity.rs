//! What a person says of their own identity and circumstances: never assumed, always free to decline.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::{Validate, ValidationError};

use crate::http::schema::rule;
use crate::text_enum;

text_enum! {
    /// What came of asking.
    pub enum AnswerStatus {
        /// The person answered.
        Answered = "answered",
        /// The person was asked and chose not to say.
        Declined = "declined",
        /// The person was asked and does not know, or the answer was lost.
        Unknown = "unknown",
    }
}

text_enum! {
    /// What the person agreed that these answers may be used for, beyond their own care.
    pub enum EquityUse {
        /// To suggest services that fit.
        Matching = "matching",
        /// To be counted in reports that name nobody.
        Reports = "reports",
    }
}

/// A self-reported answer. An absent one was never asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "answers_have_content"))]
pub struct EquityAnswer {
    /// What came of asking.
    pub status: AnswerStatus,
    /// The answer in codes, of the list that the field names or of one's own; only with `answered`.
    #[serde(default)]
    #[schema(max_items = 20, example = json!(["woman"]))]
    #[validate(custom(function = "codes_are_codes"))]
    pub codes: Vec<String>,
    /// The answer in the person's own words; only with `answered`.
    #[serde(default)]
    #[schema(max_length = 500, example = "Woman")]
    pub text: Option<String>,
}

/// Answers that describe the person. They are shown with the consent category `demographics` only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Equity {
    /// What the person agreed that the answers may be used for beyond their own care; none: nothing else.
    #[schema(max_items = 5, example = json!(["matching"]))]
    pub permitted_uses: Vec<EquityUse>,
    /// Gender identity: `woman`, `man`, `non_binary`, `two_spirit`, `questioning`, `another`.
    #[validate(nested)]
    pub gender_identity: Option<EquityAnswer>,
    /// Whether the person is transgender: `yes`, `no`.
    #[validate(nested)]
    pub transgender: Option<EquityAnswer>,
    /// Pronouns: `she`, `he`, `they`, `elle`, `il`, `iel`, or in words.
    #[validate(nested)]
    pub pronouns: Option<EquityAnswer>,
    /// Sexual orientation: `heterosexual`, `lesbian`, `gay`, `bisexual`, `asexual`, `queer`, `two_spirit`, `another`.
    #[validate(nested)]
    pub sexual_orientation: Option<EquityAnswer>,
    /// Race or ethnicity, in the categories of the CIHI race-based data standard (2022): `black`, `east_asian`, `indigenous`,
    /// `latin_american`, `middle_eastern`, `south_asian`, `southeast_asian`, `white`, `another`.
    #[validate(nested)]
    pub ethnicity: Option<EquityAnswer>,
    /// Indigenous identity, in the categories of the CIHI standard (2022): `first_nations`, `metis`, `inuit`, `no`. The nation or
    /// community in words.
    #[validate(nested)]
    pub indigenous_identity: Option<EquityAnswer>,
    /// Whether the person was born in Canada: `yes`, `no`.
    #[validate(nested)]
    pub born_in_canada: Option<EquityAnswer>,
    /// Settlement: `newcomer`, `refugee`, `refugee_claimant`, `temporary_resident`, `permanent_resident`, `citizen`.
    #[validate(nested)]
    pub immigration: Option<EquityAnswer>,
    /// Disability: `none`, `physical`, `sensory`, `cognitive`, `developmental`, `mental_health`, `chronic_pain`, `another`.
    #[validate(nested)]
    pub disability: Option<EquityAnswer>,
    /// Religion or spirituality, in words or codes of one's own.
    #[validate(nested)]
    pub religion: Option<EquityAnswer>,
    /// Household: `alone`, `partner`, `children`, `parents`, `relatives`, `others`.
    #[validate(nested)]
    pub household: Option<EquityAnswer>,
    /// Income of the household: `below_15k`, `15k_30k`, `30k_60k`, `60k_90k`, `above_90k` dollars a year.
    #[validate(nested)]
    pub income: Option<EquityAnswer>,
}

impl Equity {
    /// True where the person agreed to this use.
    pub fn permits(&self, use_: EquityUse) -> bool {
        self.permitted_uses.contains(&use_)
    }

    /// The answers of one person of whom two records have some: this one's stand, and those that it lacks are taken over. They may be used
    /// for what the person agreed to in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let nothing = Self::default();
        if *self == nothing || *other == nothing {
            return if *self == nothing { other.clone() } else { self.clone() };
        }
        let either = |one: &Option<EquityAnswer>, two: &Option<EquityAnswer>| one.clone().or_else(|| two.clone());
        Self {
            permitted_uses: self.permitted_uses.iter().copied().filter(|use_| other.permits(*use_)).collect(),
            gender_identity: either(&self.gender_identity, &other.gender_identity),
            transgender: either(&self.transgender, &other.transgender),
            pronouns: either(&self.pronouns, &other.pronouns),
            sexual_orientation: either(&self.sexual_orientation, &other.sexual_orientation),
            ethnicity: either(&self.ethnicity, &other.ethnicity),
            indigenous_identity: either(&self.indigenous_identity, &other.indigenous_identity),
            born_in_canada: either(&self.born_in_canada, &other.born_in_canada),
            immigration: either(&self.immigration, &other.immigration),
            disability: either(&self.disability, &other.disability),
            religion: either(&self.religion, &other.religion),
            household: either(&self.household, &other.household),
            income: either(&self.income, &other.income),
        }
    }
}

fn answers_have_content(answer: &EquityAnswer) -> Result<(), ValidationError> {
    let has_content = !answer.codes.is_empty() || answer.text.is_some();
    match (answer.status, has_content) {
        (AnswerStatus::Answered, false) => Err(rule("", "required", "an answer has codes or text")),
        (AnswerStatus::Declined | AnswerStatus::Unknown, true) => Err(rule("", "not_allowed", "only an answer has codes or text")),
        _ => Ok(()),
    }
}

fn codes_are_codes(codes: &[String]) -> Result<(), ValidationError> {
    let is_code = |code: &String| {
        (1..=60).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    if codes.iter().all(is_code) { Ok(()) } else { Err(rule("", "format", "codes are of lower-case letters, digits and underscores")) }
}
