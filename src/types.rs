//! Data types that several resources share: identifiers, money, addresses, phones, languages, need domains.
//!
//! Bounds stand once, in the `#[schema(…)]` attributes: the published schema is what request bodies are checked against
//! (see `http::body`).

use std::fmt;

use chrono::{Datelike as _, NaiveDate, NaiveDateTime, NaiveTime};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text_enum;

/// A key under which another system knows the resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Identifier {
    /// Who issued the value: a URI or another stable name of the system.
    #[schema(min_length = 1, max_length = 200, example = "https://emr.example.ca/patients")]
    pub system: String,
    /// The key in that system.
    #[schema(min_length = 1, max_length = 200, example = "A-10442")]
    pub value: String,
}

/// An amount of money in the currency's minor unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// The amount in minor units: 1250 is 12.50 dollars.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64, example = 1250)]
    pub amount_minor: i64,
    /// ISO 4217 code.
    #[schema(pattern = "^[A-Z]{3}$", example = "CAD")]
    pub currency: String,
}

/// Currencies whose minor unit is no hundredth, by how many decimals they have (ISO 4217).
const DECIMALS: [(u32, &[&str]); 3] = [
    (0, &["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"]),
    (3, &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]),
    (4, &["CLF", "UYW"]),
];

impl Money {
    /// The largest amount, in minor units.
    pub const MOST: i64 = 1_000_000_000_000;

    /// So much of a currency: 12.5 is 1250 cents. More than can be counted is more than is valid.
    pub fn new(amount: f64, currency: String) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "what is out of range saturates, and is refused as any amount that is too large"
        )]
        let amount_minor = (amount * f64::from(minor_units(&currency))).round() as i64;
        Self { amount_minor, currency }
    }

    /// How much it is of its currency: 12.5 of 1250 cents.
    pub fn amount(&self) -> f64 {
        self.amount_minor as f64 / f64::from(minor_units(&self.currency))
    }
}

/// How many minor units make one of a currency.
fn minor_units(currency: &str) -> u32 {
    10_u32.pow(decimals(currency))
}

fn decimals(currency: &str) -> u32 {
    DECIMALS.iter().find(|(_, codes)| codes.contains(&currency)).map_or(2, |(decimals, _)| *decimals)
}

/// As it is said: `12.50 CAD`, `500 JPY`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, decimals) = (i64::from(minor_units(&self.currency)), decimals(&self.currency) as usize);
        let (whole, rest) = (self.amount_minor / unit, self.amount_minor % unit);
        match decimals {
            0 => write!(f, "{whole} {}", self.currency),
            _ => write!(f, "{whole}.{rest:0decimals$} {}", self.currency),
        }
    }
}

/// A point on the earth, WGS 84.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Degrees north.
    #[schema(minimum = -90, maximum = 90, example = 49.888)]
    pub latitude: f64,
    /// Degrees east.
    #[schema(minimum = -180, maximum = 180, example = -119.496)]
    pub longitude: f64,
}

/// A postal address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Address {
    /// Street and number, or how the place is known.
    #[schema(max_length = 300, example = "120 Mill Street")]
    pub line1: Option<String>,
    /// Unit, floor, care-of.
    #[schema(max_length = 300, example = "Unit 4")]
    pub line2: Option<String>,
    /// City, town or village.
    #[schema(max_length = 150, example = "Alder Falls")]
    pub city: Option<String>,
    /// ISO 3166-2 subdivision without the country, such as `BC`.
    #[schema(max_length = 100, example = "BC")]
    pub region: Option<String>,
    /// Postal code as written there.
    #[schema(max_length = 20, example = "V0X 1A0")]
    pub postal_code: Option<String>,
    /// ISO 3166-1 two-letter country.
    #[schema(pattern = "^[A-Z]{2}$", example = "CA")]
    pub country: Option<String>,
}

text_enum! {
    /// What a telephone line carries.
    pub enum PhoneKind {
        /// Voice calls.
        Voice = "voice",
        /// Text messages.
        Text = "text",
        /// A mobile, voice and text.
        Mobile = "mobile",
        /// Fax.
        Fax = "fax",
        /// TTY or text relay for people who are deaf or hard of hearing.
        Tty = "tty",
    }
}

/// A telephone number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Phone {
    /// E.164 where the original could be understood; set by the server from `original` when absent.
    #[serde(default)]
    #[schema(pattern = "^\\+[1-9][0-9]{1,14}$", example = "+12505550142")]
    pub number: Option<String>,
    /// The number as it was given.
    #[schema(min_length = 1, max_length = 100, example = "250-555-0142")]
    pub original: String,
    /// Extension.
    #[serde(default)]
    #[schema(max_length = 20, example = "204")]
    pub extension: Option<String>,
    /// What the line carries; voice where absent.
    #[serde(default)]
    pub kind: Option<PhoneKind>,
    /// What the number is for, or when it is answered.
    #[serde(default)]
    #[schema(max_length = 300, example = "Intake line, weekday mornings")]
    pub note: Option<String>,
}

// The schemas of entries of lists, whose bounds utoipa has no place for in a field: `#[schema(value_type = Vec<Term>)]`.

/// A code or a few words, such as an interest.
#[derive(Debug, Clone, ToSchema)]
#[schema(min_length = 1, max_length = 300, example = "gardening")]
pub struct Term(pub String);

/// A text of a sentence or a few.
#[derive(Debug, Clone, ToSchema)]
#[schema(min_length = 1, max_length = 1_000, example = "Proof of address")]
pub struct ShortText(pub String);

/// A language, as its BCP 47 tag.
#[derive(Debug, Clone, ToSchema)]
#[schema(pattern = "^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$", max_length = 35, example = "fr-CA")]
pub struct LanguageTag(pub String);

/// A BCP 47 language tag, kept as text: `en`, `fr-CA`, `pa`.
pub const LANGUAGE_PATTERN: &str = "^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*$";

/// A need domain: a Gravity code or a local `x-` code, as `GET /v1/need-domains` lists them.
#[derive(Debug, Clone, ToSchema)]
#[schema(max_length = 60, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "food-insecurity")]
pub struct DomainCode(pub String);

/// One need domain of the list that Kith ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Domain {
    /// The code: Gravity's (HL7 SDOH Clinical Care, `SDOHCC-CodeSystemTemporaryCodes`), or a local one that starts with `x-`.
    pub code: &'static str,
    /// English name.
    pub en: &'static str,
    /// French name.
    pub fr: &'static str,
    /// A basic need comes first in the order of work: food, a roof, safety.
    pub is_basic: bool,
    /// Needs with this code are shown only where consent names them.
    pub is_sensitive: bool,
}

const fn domain(code: &'static str, en: &'static str, fr: &'static str) -> Domain {
    Domain { code, en, fr, is_basic: false, is_sensitive: false }
}
const fn basic(code: &'static str, en: &'static str, fr: &'static str) -> Domain {
    Domain { code, en, fr, is_basic: true, is_sensitive: false }
}
const fn sensitive(code: &'static str, en: &'static str, fr: &'static str) -> Domain {
    Domain { code, en, fr, is_basic: false, is_sensitive: true }
}

/// The need domains. The Gravity codes are those of HL7 SDOH Clinical Care 3.0; the `x-` codes name wishes and goals that social
/// prescribing knows and Gravity lacks.
pub const DOMAINS: &[Domain] = &[
    basic("food-insecurity", "Food", "Alimentation"),
    basic("housing-instability", "Unstable housing", "Logement instable"),
    basic("homelessness", "Homelessness", "Itinérance"),
    basic("inadequate-housing", "Inadequate housing", "Logement inadéquat"),
    basic("transportation-insecurity", "Transportation", "Transport"),
    basic("financial-insecurity", "Money", "Finances"),
    basic("material-hardship", "Material goods", "Biens essentiels"),
    basic("utility-insecurity", "Heat, power and water", "Chauffage, électricité et eau"),
    domain("employment-status", "Work", "Emploi"),
    domain("educational-attainment", "Education", "Éducation"),
    domain("veteran-status", "Veterans", "Anciens combattants"),
    domain("stress", "Stress", "Stress"),
    domain("social-connection", "Social connection", "Liens sociaux"),
    Domain { code: "intimate-partner-violence", en: "Violence by a partner", fr: "Violence conjugale", is_basic: true, is_sensitive: true },
    Domain {
        code: "elder-abuse",
        en: "Abuse of an older person",
        fr: "Maltraitance envers une personne aînée",
        is_basic: true,
        is_sensitive: true,
    },
    domain("personal-health-literacy", "Understanding health information", "Littératie en santé"),
    domain("health-insurance-coverage-status", "Health coverage", "Couverture de santé"),
    domain("medical-cost-burden", "Cost of care", "Coût des soins"),
    domain("digital-literacy", "Digital skills", "Compétences numériques"),
    domain("digital-access", "Device and internet access", "Accès numérique"),
    domain("language-access", "Language", "Langue"),
    sensitive("incarceration-status", "Justice involvement", "Démêlés avec la justice"),
    domain("protective-factor", "Protective factor", "Facteur de protection"),
    domain("sdoh-category-unspecified", "Other social need", "Autre besoin social"),
    domain("x-mental-health", "Mental health support (non-acute)", "Soutien en santé mentale"),
    sensitive("x-substance-use", "Substance use support", "Consommation de substances"),
    sensitive("x-gambling", "Gambling", "Jeu"),
    domain("x-physical-activity", "Physical activity and falls prevention", "Activité physique"),
    domain("x-nature", "Nature and outdoors", "Nature et plein air"),
    domain("x-arts-culture", "Arts, heritage and culture", "Arts et culture"),
    domain("x-volunteering", "Volunteering and contribution", "Bénévolat"),
    domain("x-caregiver-support", "Caregiver support and respite", "Proches aidants et répit"),
    domain("x-parenting", "Parenting and early years", "Parentalité et petite enfance"),
    domain("x-bereavement", "Bereavement", "Deuil"),
    domain("x-chronic-disease", "Living with a long-term condition", "Maladie chronique"),
    domain("x-disability-support", "Disability support", "Soutien au handicap"),
    domain("x-home-support", "Help at home", "Aide à domicile"),
    domain("x-settlement", "Newcomer settlement", "Établissement des nouveaux arrivants"),
    domain("x-indigenous-culture", "Indigenous culture, language and healing", "Culture, langue et guérison autochtones"),
    domain("x-2slgbtqi", "2SLGBTQI+ community", "Communauté 2ELGBTQI+"),
    domain("x-legal", "Legal information and advice", "Information et conseils juridiques"),
    domain("x-oral-health", "Oral health", "Santé buccodentaire"),
    domain("x-identity-documents", "Identity documents", "Pièces d’identité"),
    Domain {
        code: "x-safety-crisis",
        en: "Immediate safety (not a referral: escalate)",
        fr: "Sécurité immédiate",
        is_basic: true,
        is_sensitive: true,
    },
];

/// The shipped domain with this code.
pub fn find_domain(code: &str) -> Option<&'static Domain> {
    DOMAINS.iter().find(|domain| domain.code == code)
}

text_enum! {
    /// How a service reaches a person, and how a person likes to be reached.
    pub enum DeliveryMode {
        /// Face to face at a place.
        InPerson = "in_person",
        /// By telephone.
        Phone = "phone",
        /// By video call.
        Video = "video",
        /// By text message or chat.
        TextChat = "text_chat",
        /// On a website, without a person on the other side.
        Online = "online",
        /// At the person's home.
        HomeVisit = "home_visit",
    }
}

text_enum! {
    /// A day of the week.
    pub enum Weekday {
        /// Monday.
        Monday = "monday",
        /// Tuesday.
        Tuesday = "tuesday",
        /// Wednesday.
        Wednesday = "wednesday",
        /// Thursday.
        Thursday = "thursday",
        /// Friday.
        Friday = "friday",
        /// Saturday.
        Saturday = "saturday",
        /// Sunday.
        Sunday = "sunday",
    }
}

/// A window of the week in local time, such as a person's free time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WeeklyWindow {
    /// The day of the week.
    pub day: Weekday,
    /// From, local time.
    #[serde(with = "wall_time")]
    #[schema(value_type = String, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", example = "09:00")]
    pub from: NaiveTime,
    /// Until, local time; later than `from`.
    #[serde(with = "wall_time")]
    #[schema(value_type = String, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", example = "12:30")]
    pub until: NaiveTime,
}

impl WeeklyWindow {
    /// Whether a moment, told in the same local time, lies in the window, of which the end is no part.
    pub fn contains(&self, moment: NaiveDateTime) -> bool {
        let day = Weekday::ALL.get(moment.weekday().num_days_from_monday() as usize);
        day == Some(&self.day) && (self.from..self.until).contains(&moment.time())
    }
}

/// A span of dates, both ends included; an open end has no date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DateSpan {
    /// First day.
    #[schema(example = "2026-01-01")]
    pub from: Option<NaiveDate>,
    /// Last day.
    #[schema(example = "2026-12-31")]
    pub until: Option<NaiveDate>,
}

impl DateSpan {
    /// Whether the day lies in the span.
    pub fn contains(&self, date: NaiveDate) -> bool {
        self.from.is_none_or(|from| from <= date) && self.until.is_none_or(|until| date <= until)
    }
}

/// `HH:MM`, the form of wall-clock times in JSON.
pub mod wall_time {
    use std::borrow::Cow;

    use chrono::NaiveTime;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes `HH:MM`.
    pub fn serialize<S: Serializer>(time: &NaiveTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&time.format("%H:%M"))
    }

    /// Reads `HH:MM`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveTime, D::Error> {
        read(&Cow::<str>::deserialize(deserializer)?)
    }

    fn read<E: Error>(text: &str) -> Result<NaiveTime, E> {
        NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| E::custom("not a time such as 09:30"))
    }

    /// The same for a time that may be unknown.
    pub mod option {
        use super::{Cow, Deserialize, Deserializer, NaiveTime, Serializer};

        /// Writes `HH:MM` or null.
        pub fn serialize<S: Serializer>(time: &Option<NaiveTime>, serializer: S) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => super::serialize(time, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// Reads `HH:MM` or null.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NaiveTime>, D::Error> {
            Option::<Cow<'de, str>>::deserialize(deserializer)?.map(|text| super::read(&text)).transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_counted_in_the_minor_unit_of_its_currency() {
        for (amount, currency, minor, said) in [
            (12.5, "CAD", 1_250, "12.50 CAD"),
            (0.29, "USD", 29, "0.29 USD"),
            (500.0, "JPY", 500, "500 JPY"),
            (1.5, "KWD", 1_500, "1.500 KWD"),
            (0.019, "TND", 19, "0.019 TND"),
            (2.0001, "CLF", 20_001, "2.0001 CLF"),
        ] {
            let money = Money::new(amount, currency.into());
            assert_eq!((money.amount_minor, money.amount(), money.to_string().as_str()), (minor, amount, said));
        }
        assert!(Money::new(1e30, "CAD".into()).amount_minor > Money::MOST);
    }
}
