//! What the page says, in English and French.

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use chrono_tz::Tz;
use serde::Serialize;

use crate::languages;
use crate::patients::contact::ContactKind;
use crate::referrals::lifecycle::ReferralStatus;
use crate::referrals::model::{Priority, ReasonCode};
use crate::services::model::CapacityStatus;
use crate::text_enum;
use crate::types::Weekday;

text_enum! {
    /// A language of the page.
    #[derive(Default)]
    pub enum Language {
        /// English.
        #[default]
        English = "en",
        /// French.
        French = "fr",
    }
}

impl Language {
    /// The language that a browser prefers (RFC 9110 §12.5.4), as far as the page has it; English where it asks for others only.
    pub fn accepted(header: &str) -> Self {
        let ranked = header.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let tag = parts.next()?;
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |weight| weight.parse::<f32>().ok())?;
            let language: Self = languages::code(tag).parse().ok()?;
            (weight > 0.0).then_some((language, weight))
        });
        // The first of those that weigh the same is the one that was named first.
        ranked.fold((Self::English, 0.0), |best, next| if next.1 > best.1 { next } else { best }).0
    }

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::English => Self::French,
            Self::French => Self::English,
        }
    }

    /// What is said in it.
    pub const fn words(self) -> &'static PageWords {
        match self {
            Self::English => &ENGLISH,
            Self::French => &FRENCH,
        }
    }

    /// Of two texts the one in it.
    pub const fn pick(self, english: &'static str, french: &'static str) -> &'static str {
        match self {
            Self::English => english,
            Self::French => french,
        }
    }

    /// A day in words.
    pub fn day(self, day: NaiveDate) -> String {
        const ENGLISH: [&str; 12] =
            ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
        const FRENCH: [&str; 12] =
            ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"];
        let month = |names: [&'static str; 12]| names.get(day.month0() as usize).copied().unwrap_or_default();
        match self {
            Self::English => format!("{} {}, {}", month(ENGLISH), day.day(), day.year()),
            Self::French if day.day() == 1 => format!("1er {} {}", month(FRENCH), day.year()),
            Self::French => format!("{} {} {}", day.day(), month(FRENCH), day.year()),
        }
    }

    /// A moment in words, with the time zone.
    pub fn moment(self, moment: &DateTime<Tz>) -> String {
        let day = self.day(moment.date_naive());
        let zone = self.zone(&moment.format("%Z").to_string());
        match self {
            Self::English => {
                let (is_afternoon, hour) = moment.hour12();
                format!("{day}, {hour}:{:02} {} {zone}", moment.minute(), if is_afternoon { "p.m." } else { "a.m." })
            }
            Self::French => format!("{day} à {} h {:02} {zone}", moment.hour(), moment.minute()),
        }
    }

    /// The name of a time zone, by what the tz database calls it: letters, or an offset where it has none.
    fn zone(self, name: &str) -> String {
        const FRENCH: [(&str, &str); 12] = [
            ("NST", "HNT"),
            ("NDT", "HAT"),
            ("AST", "HNA"),
            ("ADT", "HAA"),
            ("EST", "HNE"),
            ("EDT", "HAE"),
            ("CST", "HNC"),
            ("CDT", "HAC"),
            ("MST", "HNR"),
            ("MDT", "HAR"),
            ("PST", "HNP"),
            ("PDT", "HAP"),
        ];
        let french = FRENCH.iter().find(|(english, _)| self == Self::French && *english == name).map(|(_, french)| *french);
        match french {
            Some(french) => french.to_owned(),
            None if name.starts_with(['+', '-']) => format!("UTC{name}"),
            None => name.to_owned(),
        }
    }
}

/// The fixed words of the page.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "each is what it says")]
pub struct PageWords {
    pub lang: &'static str,
    pub other_lang: &'static str,
    pub other_language: &'static str,
    pub referral: &'static str,
    pub asked: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    pub service: &'static str,
    pub sent: &'static str,
    pub answer_by: &'static str,
    pub priority: &'static str,
    pub why: &'static str,
    pub person: &'static str,
    pub person_withheld: &'static str,
    pub safe_contact: &'static str,
    pub accept: &'static str,
    pub accept_hint: &'static str,
    pub accept_button: &'static str,
    pub decline: &'static str,
    pub decline_hint: &'static str,
    pub decline_button: &'static str,
    pub your_name: &'static str,
    pub your_name_hint: &'static str,
    pub message: &'static str,
    pub optional: &'static str,
    pub reason: &'static str,
    pub in_words: &'static str,
    pub in_words_hint: &'static str,
    pub room: &'static str,
    pub room_hint: &'static str,
    pub room_now: &'static str,
    pub places: &'static str,
    pub wait_days: &'static str,
    pub save: &'static str,
    pub fix: &'static str,
    pub not_done: &'static str,
    pub questions: &'static str,
    pub keep_private: &'static str,
}

static ENGLISH: PageWords = PageWords {
    lang: "en",
    other_lang: "fr",
    other_language: "Français",
    referral: "Referral",
    asked: "Somebody asks for your help",
    from: "From",
    to: "To",
    service: "Service",
    sent: "Sent",
    answer_by: "Please answer by",
    priority: "Priority",
    why: "What is asked",
    person: "The person",
    person_withheld: "The person has not agreed, or no longer agrees, that you see their details. Please call whoever sent this to you.",
    safe_contact: "Before you contact this person",
    accept: "Accept",
    accept_hint: "You will contact the person. Whoever referred them is told at once.",
    accept_button: "Accept the referral",
    decline: "Decline",
    decline_hint: "Say why, so that something else can be found for the person.",
    decline_button: "Decline the referral",
    your_name: "Your name",
    your_name_hint: "It is kept with your answer.",
    message: "Message to whoever referred the person",
    optional: "optional",
    reason: "Reason",
    in_words: "In your own words",
    in_words_hint: "Needed where the reason is another one.",
    room: "How much room you have",
    room_hint: "Everybody who refers people sees this in the directory.",
    room_now: "Now",
    places: "Places free",
    wait_days: "Days of waiting, about",
    save: "Save",
    fix: "Please correct this",
    not_done: "It was not done",
    questions: "Questions?",
    keep_private: "This page is for you alone. Do not pass its address on. It opens until",
};

static FRENCH: PageWords = PageWords {
    lang: "fr",
    other_lang: "en",
    other_language: "English",
    referral: "Demande d’orientation",
    asked: "On vous demande votre aide",
    from: "De la part de",
    to: "À l’intention de",
    service: "Service",
    sent: "Envoyée le",
    answer_by: "Merci de répondre d’ici le",
    priority: "Priorité",
    why: "Ce qui est demandé",
    person: "La personne",
    person_withheld: "La personne n’a pas accepté, ou n’accepte plus, que vous voyiez ses renseignements. Veuillez appeler l’organisme qui vous \
                      a envoyé cette demande.",
    safe_contact: "Avant de communiquer avec cette personne",
    accept: "Accepter",
    accept_hint: "Vous communiquerez avec la personne. L’organisme qui l’oriente en est informé aussitôt.",
    accept_button: "Accepter la demande",
    decline: "Refuser",
    decline_hint: "Dites pourquoi, afin qu’on puisse trouver autre chose pour la personne.",
    decline_button: "Refuser la demande",
    your_name: "Votre nom",
    your_name_hint: "Il est conservé avec votre réponse.",
    message: "Message à l’organisme qui oriente la personne",
    optional: "facultatif",
    reason: "Raison",
    in_words: "Dans vos mots",
    in_words_hint: "Nécessaire si la raison est une autre.",
    room: "Vos places disponibles",
    room_hint: "Toutes les personnes qui orientent vers vous le voient dans le répertoire.",
    room_now: "En ce moment",
    places: "Places libres",
    wait_days: "Jours d’attente, environ",
    save: "Enregistrer",
    fix: "Veuillez corriger ceci",
    not_done: "Cela n’a pas été fait",
    questions: "Des questions?",
    keep_private: "Cette page n’est que pour vous. Ne transmettez pas son adresse. Elle s’ouvre jusqu’au",
};

/// Where a referral stands, in a sentence to the one who is asked.
pub fn standing(status: ReferralStatus, language: Language) -> &'static str {
    match status {
        ReferralStatus::Draft | ReferralStatus::Requested | ReferralStatus::Received => {
            language.pick("This referral waits for your answer.", "Cette demande attend votre réponse.")
        }
        ReferralStatus::Accepted => language.pick("This referral is accepted.", "Cette demande est acceptée."),
        ReferralStatus::InProgress => {
            language.pick("This referral is accepted and in progress.", "Cette demande est acceptée et en cours.")
        }
        ReferralStatus::OnHold => language.pick("This referral is on hold.", "Cette demande est en suspens."),
        ReferralStatus::Rejected => {
            language.pick("This referral is declined. Thank you for the answer.", "Cette demande est refusée. Merci de votre réponse.")
        }
        ReferralStatus::Completed => language.pick("This referral is completed.", "Cette demande est terminée."),
        ReferralStatus::Failed => language.pick("This referral could not be carried out.", "Cette demande n’a pas pu aboutir."),
        ReferralStatus::Cancelled => {
            language.pick("This referral was called off: there is nothing to do.", "Cette demande a été annulée : il n’y a rien à faire.")
        }
        ReferralStatus::EnteredInError => language.pick(
            "This referral was sent by mistake: there is nothing to do.",
            "Cette demande a été envoyée par erreur : il n’y a rien à faire.",
        ),
    }
}

/// The reasons for which an agency declines.
pub const DECLINE_REASONS: [ReasonCode; 9] = [
    ReasonCode::NoCapacity,
    ReasonCode::NotEligible,
    ReasonCode::OutOfScope,
    ReasonCode::OutOfArea,
    ReasonCode::LanguageUnavailable,
    ReasonCode::MissingInformation,
    ReasonCode::UnableToContact,
    ReasonCode::PersonDeclined,
    ReasonCode::Other,
];

/// A reason in words.
pub fn reason(code: ReasonCode, language: Language) -> &'static str {
    match code {
        ReasonCode::NoCapacity => language.pick("We have no room", "Nous n’avons pas de place"),
        ReasonCode::NotEligible => language.pick("The person is not eligible", "La personne n’est pas admissible"),
        ReasonCode::OutOfScope => language.pick("It is not what we do", "Ce n’est pas ce que nous faisons"),
        ReasonCode::OutOfArea => language.pick("The person lives outside our area", "La personne vit hors de notre territoire"),
        ReasonCode::LanguageUnavailable => {
            language.pick("Nobody here speaks the person’s language", "Personne ici ne parle la langue de la personne")
        }
        ReasonCode::MissingInformation => {
            language.pick("Something we need to know is missing", "Il manque un renseignement dont nous avons besoin")
        }
        ReasonCode::UnableToContact => language.pick("We could not reach the person", "Nous n’avons pas pu joindre la personne"),
        ReasonCode::PersonDeclined => language.pick("The person does not want it", "La personne ne le souhaite pas"),
        ReasonCode::DidNotUnderstandProgram => {
            language.pick("The person did not understand the program", "La personne n’a pas compris le programme")
        }
        ReasonCode::NoLongerNeeded => language.pick("It is no longer needed", "Ce n’est plus nécessaire"),
        ReasonCode::Moved => language.pick("The person has moved", "La personne a déménagé"),
        ReasonCode::Deceased => language.pick("The person has died", "La personne est décédée"),
        ReasonCode::Expired => language.pick("It came too late", "Le délai est passé"),
        ReasonCode::CancelledByRequester => language.pick("Called off by whoever asked", "Annulée par l’organisme demandeur"),
        ReasonCode::CancelledByPerformer => language.pick("Called off by whoever was asked", "Annulée par l’organisme sollicité"),
        ReasonCode::Other => language.pick("Another reason", "Une autre raison"),
    }
}

/// What can be said of room.
pub fn room(status: CapacityStatus, language: Language) -> &'static str {
    match status {
        CapacityStatus::Open => language.pick("We have room", "Nous avons de la place"),
        CapacityStatus::Waitlist => language.pick("There is a waiting list", "Il y a une liste d’attente"),
        CapacityStatus::Full => language.pick("We are full", "C’est complet"),
        CapacityStatus::Closed => language.pick("We take nobody at present", "Nous ne prenons personne en ce moment"),
        CapacityStatus::Unknown => language.pick("Not known", "Inconnu"),
    }
}

/// How soon.
pub fn priority(priority: Priority, language: Language) -> &'static str {
    match priority {
        Priority::Routine => language.pick("In its turn", "À son tour"),
        Priority::Urgent => language.pick("Urgent", "Urgente"),
        Priority::Asap => language.pick("As soon as possible", "Dès que possible"),
    }
}

/// What a way to reach somebody is.
pub fn contact(kind: ContactKind, language: Language) -> &'static str {
    match kind {
        ContactKind::Phone => language.pick("Telephone", "Téléphone"),
        ContactKind::Sms => language.pick("Text message", "Message texte"),
        ContactKind::Email => language.pick("E-mail", "Courriel"),
        ContactKind::Post => language.pick("Letter", "Lettre"),
        ContactKind::InPerson => language.pick("In person", "En personne"),
    }
}

/// A day of the week.
pub fn weekday(day: Weekday, language: Language) -> &'static str {
    match day {
        Weekday::Monday => language.pick("Monday", "lundi"),
        Weekday::Tuesday => language.pick("Tuesday", "mardi"),
        Weekday::Wednesday => language.pick("Wednesday", "mercredi"),
        Weekday::Thursday => language.pick("Thursday", "jeudi"),
        Weekday::Friday => language.pick("Friday", "vendredi"),
        Weekday::Saturday => language.pick("Saturday", "samedi"),
        Weekday::Sunday => language.pick("Sunday", "dimanche"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_answered_in_the_language_that_it_prefers() {
        let accepted = |header| Language::accepted(header).as_str();
        assert_eq!(accepted("fr-CA,fr;q=0.9,en;q=0.8"), "fr");
        assert_eq!(accepted("en;q=0.3, fr;q=0.7"), "fr");
        assert_eq!(accepted("pa, fr;q=0.2"), "fr");
        for english in ["", "pa", "en-CA", "en, fr", "fr;q=0, de", "fr;q=x", "*"] {
            assert_eq!(accepted(english), "en", "{english}");
        }
    }

    #[test]
    fn days_are_written_as_each_language_writes_them() {
        let day = |text: &str, language: Language| language.day(text.parse().unwrap());
        assert_eq!(day("2026-03-09", Language::English), "March 9, 2026");
        assert_eq!(day("2026-08-01", Language::French), "1er août 2026");
        assert_eq!(day("2026-12-31", Language::French), "31 décembre 2026");
    }

    #[test]
    fn a_moment_is_told_with_its_time_zone() {
        let at = |zone: &str, text: &str| text.parse::<DateTime<chrono::Utc>>().unwrap().with_timezone(&zone.parse::<Tz>().unwrap());
        let morning = at("America/Vancouver", "2026-03-02T18:05:00Z");
        assert_eq!(Language::English.moment(&morning), "March 2, 2026, 10:05 a.m. PST");
        assert_eq!(Language::French.moment(&morning), "2 mars 2026 à 10 h 05 HNP");
        let night = at("America/Sao_Paulo", "2026-03-02T02:30:00Z");
        assert_eq!(Language::English.moment(&night), "March 1, 2026, 11:30 p.m. UTC-03");
        assert_eq!(Language::French.moment(&at("UTC", "2026-03-02T00:00:00Z")), "2 mars 2026 à 0 h 00 UTC");
        assert_eq!(Language::English.moment(&at("UTC", "2026-03-02T12:00:00Z")), "March 2, 2026, 12:00 p.m. UTC");
    }
}
