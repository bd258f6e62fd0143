//! What a criterion found, as a code and as a phrase with the service as its subject, in both official languages.
//!
//! A finding borrows and copies; its words are made only for the results that are shown.

use chrono::NaiveDate;

use super::report::UnmetReason;
use super::words::{Sentence, domain_name, group_name, in_days, mode_name, spoken};
use crate::languages;
use crate::services::model::{Accessibility, Basis, DomainStrength, PracticeCode};
use crate::types::{DeliveryMode, Money};

/// What a criterion found in a service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Finding<'a> {
    NeedAnswered { domain: &'a str, strength: DomainStrength, basis: Basis, covered: u32, wanted: usize },
    NeedNotAnswered,
    WordsFit,
    WordsDiffer,
    WordsUnknown,
    MadeFor(&'a str),
    Eligible,
    EligibilityUnconfirmed,
    EligibilityUnknown,
    Distance(f64),
    SameTown,
    OtherTown,
    WithoutTravel(DeliveryMode),
    TransportGiven,
    PlaceUnknown,
    Spoken(&'a str),
    Interpreted(&'a str),
    OtherLanguage,
    LanguagesUnknown,
    Free,
    Donation,
    SlidingScale,
    Insured,
    WithinBudget(i64, &'a str),
    OverBudget(i64, &'a str),
    Price(i64, &'a str),
    CostUnknown,
    OpenWhenFree,
    ClosedWhenFree,
    HoursUnknown,
    GivenBy(DeliveryMode),
    OtherMode,
    ModesUnknown,
    AllAccessible,
    Accessible(Accessibility),
    Childcare,
    AccessNotNeeded,
    AccessUnknown,
    Culture(&'a str),
    OtherCulture,
    Diet(&'a str),
    Practice(PracticeCode),
    Company(&'a str),
    CultureUnknown,
    Interest(&'a str),
    OtherInterests,
    InterestsUnknown,
    Room,
    Waitlist(Option<i32>),
    Full,
    RoomUnknown,
    Verified(NaiveDate),
    VerifiedLongAgo(NaiveDate),
    NeverVerified,
    AnsweredOthers { percent: i32, hours: i64 },
    NoTrackRecord,
}

impl Finding<'_> {
    /// The stable code.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::NeedAnswered { strength: DomainStrength::Direct, basis: Basis::Stated, .. } => "need_direct",
            Self::NeedAnswered { strength: DomainStrength::Direct, .. } => "need_direct_inferred",
            Self::NeedAnswered { basis: Basis::Stated, .. } => "need_partial",
            Self::NeedAnswered { .. } => "need_partial_inferred",
            Self::NeedNotAnswered => "need_not_answered",
            Self::WordsFit => "words_fit",
            Self::WordsDiffer => "words_differ",
            Self::WordsUnknown => "words_unknown",
            Self::MadeFor(_) => "made_for_them",
            Self::Eligible => "eligible",
            Self::EligibilityUnconfirmed => "eligibility_unconfirmed",
            Self::EligibilityUnknown => "eligibility_unknown",
            Self::Distance(_) => "distance",
            Self::SameTown => "same_town",
            Self::OtherTown => "other_town",
            Self::WithoutTravel(_) => "without_travel",
            Self::TransportGiven => "transport_given",
            Self::PlaceUnknown => "place_unknown",
            Self::Spoken(_) => "language_spoken",
            Self::Interpreted(_) => "language_by_interpreter",
            Self::OtherLanguage => "language_other",
            Self::LanguagesUnknown => "language_unknown",
            Self::Free => "cost_free",
            Self::Donation => "cost_donation",
            Self::SlidingScale => "cost_sliding_scale",
            Self::Insured => "cost_insured",
            Self::WithinBudget(..) => "cost_within_budget",
            Self::OverBudget(..) => "cost_over_budget",
            Self::Price(..) => "cost_price",
            Self::CostUnknown => "cost_unknown",
            Self::OpenWhenFree => "hours_fit",
            Self::ClosedWhenFree => "hours_differ",
            Self::HoursUnknown => "hours_unknown",
            Self::GivenBy(_) => "mode_fits",
            Self::OtherMode => "mode_other",
            Self::ModesUnknown => "mode_unknown",
            Self::AllAccessible => "accessible",
            Self::Accessible(_) => "accessible_in_part",
            Self::Childcare => "childcare",
            Self::AccessNotNeeded => "accessible_remotely",
            Self::AccessUnknown => "accessibility_unknown",
            Self::Culture(_) => "culture_fits",
            Self::OtherCulture => "culture_other",
            Self::Diet(_) => "diet_fits",
            Self::Practice(_) => "practice_fits",
            Self::Company(_) => "company_fits",
            Self::CultureUnknown => "culture_unknown",
            Self::Interest(_) => "interest_shared",
            Self::OtherInterests => "interests_other",
            Self::InterestsUnknown => "interests_unknown",
            Self::Room => "has_room",
            Self::Waitlist(_) => "waitlist",
            Self::Full => "full",
            Self::RoomUnknown => "room_unknown",
            Self::Verified(_) => "verified",
            Self::VerifiedLongAgo(_) => "verified_long_ago",
            Self::NeverVerified => "never_verified",
            Self::AnsweredOthers { .. } => "earlier_referrals",
            Self::NoTrackRecord => "no_earlier_referrals",
        }
    }

    /// Where this alone makes the service unsuitable for now: the reason, as gap reports count it.
    pub(super) const fn unmet_reason(&self) -> Option<UnmetReason> {
        match self {
            Self::Full => Some(UnmetReason::AllFull),
            Self::OtherLanguage => Some(UnmetReason::WrongLanguage),
            Self::OverBudget(..) => Some(UnmetReason::Cost),
            Self::ClosedWhenFree => Some(UnmetReason::Hours),
            Self::OtherMode => Some(UnmetReason::Mode),
            _ => None,
        }
    }

    /// The phrase: "is free", "ne coûte rien".
    pub(super) fn phrase(&self) -> Sentence {
        let fixed = |en: &str, fr: &str| Sentence::new(en, fr);
        match *self {
            Self::NeedAnswered { domain, strength, basis, covered, wanted } => need_phrase(domain, strength, basis, covered, wanted),
            Self::NeedNotAnswered => fixed("is not known to answer the needs", "ne répond à aucun des besoins connus"),
            Self::WordsFit => fixed("fits the person’s own words", "correspond aux mots de la personne"),
            Self::WordsDiffer => fixed("shares few of the person’s own words", "a peu des mots de la personne"),
            Self::WordsUnknown => fixed("was not compared with the person’s own words", "n’a pas été comparé aux mots de la personne"),
            Self::MadeFor(group) => {
                let Sentence { en, fr } = group_name(group);
                Sentence::new(format!("is made for people like them ({en})"), format!("s’adresse à des gens comme eux ({fr})"))
            }
            Self::Eligible => fixed("takes people like them", "accueille des gens comme eux"),
            Self::EligibilityUnconfirmed => fixed("may be only for others", "est peut-être réservé à d’autres"),
            Self::EligibilityUnknown => fixed("does not say whom it is for", "ne dit pas à qui il s’adresse"),
            Self::Distance(metres) => {
                let (en, fr) = distance(metres);
                Sentence::new(format!("is {en} away"), format!("se trouve à {fr}"))
            }
            Self::SameTown => fixed("is in the same town", "se trouve dans la même ville"),
            Self::OtherTown => fixed("is in another town", "se trouve dans une autre ville"),
            Self::WithoutTravel(DeliveryMode::HomeVisit) => fixed("comes to the home", "se rend à domicile"),
            Self::WithoutTravel(mode) => {
                let (en, fr) = mode_name(mode);
                Sentence::new(format!("needs no travel ({en})"), format!("se passe de déplacement ({fr})"))
            }
            Self::TransportGiven => fixed("gives or pays transport", "offre ou paie le transport"),
            Self::PlaceUnknown => fixed("does not say how far it is", "ne dit pas à quelle distance il se trouve"),
            Self::Spoken(tag) => {
                let (en, fr) = languages::name(tag);
                Sentence::new(format!("is given in {en}"), format!("se donne en {fr}"))
            }
            Self::Interpreted(tag) => {
                let (en, fr) = languages::name(tag);
                Sentence::new(format!("can be had in {en} with an interpreter"), format!("se donne en {fr} avec interprète"))
            }
            Self::OtherLanguage => fixed("is not given in the person’s language", "ne se donne pas dans la langue de la personne"),
            Self::LanguagesUnknown => fixed("does not say its languages", "ne dit pas ses langues"),
            Self::Free => fixed("is free", "ne coûte rien"),
            Self::Donation => fixed("asks for a gift only", "ne demande qu’un don"),
            Self::SlidingScale => fixed("charges by income", "demande un prix selon le revenu"),
            Self::Insured => fixed("is paid by insurance", "relève de l’assurance"),
            Self::WithinBudget(minor, currency) => {
                let (en, fr) = price(minor, currency);
                Sentence::new(
                    format!("costs about {en} a month, within the budget"),
                    format!("coûte environ {fr} par mois, dans le budget"),
                )
            }
            Self::OverBudget(minor, currency) => {
                let (en, fr) = price(minor, currency);
                Sentence::new(
                    format!("costs about {en} a month, over the budget"),
                    format!("coûte environ {fr} par mois, au-delà du budget"),
                )
            }
            Self::Price(minor, currency) => {
                let (en, fr) = price(minor, currency);
                Sentence::new(format!("costs about {en} a month"), format!("coûte environ {fr} par mois"))
            }
            Self::CostUnknown => fixed("does not say what it costs", "ne dit pas son prix"),
            Self::OpenWhenFree => fixed("is open when the person is free", "ouvre quand la personne est libre"),
            Self::ClosedWhenFree => fixed("is not open when the person is free", "n’ouvre pas quand la personne est libre"),
            Self::HoursUnknown => fixed("does not say its hours", "ne dit pas ses heures"),
            Self::GivenBy(mode) => {
                let (en, fr) = mode_name(mode);
                Sentence::new(format!("is given {en}"), format!("se donne {fr}"))
            }
            Self::OtherMode => fixed("is given in another way than wished", "se donne autrement que souhaité"),
            Self::ModesUnknown => fixed("does not say how it is given", "ne dit pas comment il se donne"),
            Self::AllAccessible => fixed("has what the person needs to take part", "offre ce qu’il faut à la personne pour participer"),
            Self::Accessible(feature) => {
                let (en, fr) = feature_name(feature);
                Sentence::new(format!("has {en}"), format!("offre {fr}"))
            }
            Self::Childcare => fixed("welcomes or minds children", "accueille ou garde les enfants"),
            Self::AccessNotNeeded => fixed("can be used without going there", "s’utilise sans s’y rendre"),
            Self::AccessUnknown => fixed("does not say what is accessible", "ne dit pas ce qui est accessible"),
            Self::Culture(culture) => {
                let Sentence { en, fr } = group_name(culture);
                Sentence::new(format!("centres their culture ({en})"), format!("met leur culture au centre ({fr})"))
            }
            Self::OtherCulture => fixed("centres another culture", "met une autre culture au centre"),
            Self::Diet(diet) => {
                let Sentence { en, fr } = group_name(diet);
                Sentence::new(format!("caters for their diet ({en})"), format!("respecte leur alimentation ({fr})"))
            }
            Self::Practice(practice) => {
                let (en, fr) = practice_name(practice);
                Sentence::new(en, fr)
            }
            Self::Company(group) => {
                let Sentence { en, fr } = group_name(group);
                Sentence::new(format!("brings together people as they wish ({en})"), format!("réunit les gens souhaités ({fr})"))
            }
            Self::CultureUnknown => fixed("does not say for which culture or diet", "ne dit pas pour quelle culture ou alimentation"),
            Self::Interest(activity) => Sentence::new(
                format!("offers what they like ({})", spoken(activity)),
                format!("propose ce qu’ils aiment ({})", spoken(activity)),
            ),
            Self::OtherInterests => fixed("offers other activities", "propose d’autres activités"),
            Self::InterestsUnknown => fixed("does not say its activities", "ne dit pas ses activités"),
            Self::Room => fixed("has room now", "a de la place"),
            Self::Waitlist(Some(days)) => {
                let (en, fr) = in_days(days.into());
                Sentence::new(format!("has a waiting list of about {en}"), format!("a une liste d’attente d’environ {fr}"))
            }
            Self::Waitlist(None) => fixed("has a waiting list", "a une liste d’attente"),
            Self::Full => fixed("is full", "n’a plus de place"),
            Self::RoomUnknown => fixed("does not say whether it has room", "ne dit pas s’il a de la place"),
            Self::Verified(on) => Sentence::new(format!("was checked on {on}"), format!("a fait l’objet d’une vérification le {on}")),
            Self::VerifiedLongAgo(on) => Sentence::new(format!("was last checked on {on}"), format!("n’a pas été vérifié depuis le {on}")),
            Self::NeverVerified => fixed("does not say when it was checked", "ne dit pas quand il a été vérifié"),
            Self::AnsweredOthers { percent, hours } => {
                let (en, fr) = in_days(hours / 24 + i64::from(hours % 24 > 0));
                Sentence::new(
                    format!("takes about {percent}% of the people referred to it and mostly answers within {en}"),
                    format!("accepte environ {percent} % des personnes qui lui sont adressées et répond le plus souvent en {fr}"),
                )
            }
            Self::NoTrackRecord => fixed("has few earlier referrals", "compte peu de demandes antérieures"),
        }
    }

    /// The phrase as a sentence of its own.
    pub(super) fn sentence(&self) -> Sentence {
        let phrase = self.phrase();
        Sentence::new(format!("It {}.", phrase.en), format!("Ce service {}.", phrase.fr))
    }
}

fn need_phrase(domain: &str, strength: DomainStrength, basis: Basis, covered: u32, wanted: usize) -> Sentence {
    let name = domain_name(domain);
    if covered > 1 {
        return Sentence::new(
            format!("answers {covered} of {wanted} needs, “{}” first", name.en),
            format!("répond à {covered} besoins sur {wanted}, d’abord « {} »", name.fr),
        );
    }
    let (en, fr) = match (strength, basis) {
        (DomainStrength::Direct, Basis::Stated) => ("answers the need", "répond au besoin"),
        (DomainStrength::Direct, Basis::Inferred) => ("seems to answer the need", "semble répondre au besoin"),
        (DomainStrength::Partial, Basis::Stated) => ("helps with the need", "aide pour le besoin"),
        (DomainStrength::Partial, Basis::Inferred) => ("may help with the need", "peut aider pour le besoin"),
    };
    Sentence::new(format!("{en} “{}”", name.en), format!("{fr} « {} »", name.fr))
}

/// A distance as it is said: `850 m`, `1.2 km`, `34 km`.
pub(super) fn distance(metres: f64) -> (String, String) {
    let km = metres / 1_000.0;
    let en = if metres < 950.0 {
        format!("{:.0} m", (metres / 10.0).round() * 10.0)
    } else if km < 9.95 {
        format!("{km:.1} km")
    } else {
        format!("{km:.0} km")
    };
    let fr = en.replace('.', ",");
    (en, fr)
}

/// An amount as it is said: `12.50 CAD`.
fn price(minor: i64, currency: &str) -> (String, String) {
    let en = Money { amount_minor: minor, currency: currency.to_owned() }.to_string();
    let fr = en.replacen('.', ",", 1);
    (en, fr)
}

/// A feature as it is said after "has" and "offre".
pub(super) const fn feature_name(feature: Accessibility) -> (&'static str, &'static str) {
    match feature {
        Accessibility::Wheelchair => ("step-free access", "un accès sans marche"),
        Accessibility::AccessibleWashroom => ("an accessible washroom", "des toilettes accessibles"),
        Accessibility::AccessibleParking => ("accessible parking", "un stationnement accessible"),
        Accessibility::Elevator => ("an elevator", "un ascenseur"),
        Accessibility::HearingLoop => ("a hearing loop", "une boucle auditive"),
        Accessibility::SignLanguage => ("sign language", "la langue des signes"),
        Accessibility::LargePrint => ("braille or large print", "le braille ou les gros caractères"),
        Accessibility::LowSensory => ("a quiet setting", "un cadre calme"),
        Accessibility::CognitiveSupport => ("help with memory and understanding", "une aide à la mémoire et à la compréhension"),
        Accessibility::ServiceAnimals => ("a welcome for service animals", "l’accueil des animaux d’assistance"),
        Accessibility::ScentFree => ("a scent-free setting", "un cadre sans parfum"),
    }
}

/// A practice as a phrase.
const fn practice_name(practice: PracticeCode) -> (&'static str, &'static str) {
    match practice {
        PracticeCode::CulturallySafe => ("practises cultural safety", "pratique la sécurité culturelle"),
        PracticeCode::IndigenousLed => ("is led by Indigenous people", "relève d’une direction autochtone"),
        PracticeCode::TwoSlgbtqiInclusive => ("includes 2SLGBTQI+ people", "inclut les personnes 2ELGBTQI+"),
        PracticeCode::TraumaInformed => ("is trauma-informed", "tient compte des traumatismes"),
        PracticeCode::AntiRacist => ("is anti-racist", "lutte contre le racisme"),
        PracticeCode::DementiaFriendly => ("is dementia-friendly", "s’adapte aux troubles cognitifs"),
        PracticeCode::HarmReduction => ("works by harm reduction", "pratique la réduction des méfaits"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_prices_are_said_as_people_say_them() {
        assert_eq!(distance(847.0).0, "850 m");
        assert_eq!(distance(1_234.0), ("1.2 km".into(), "1,2 km".into()));
        assert_eq!(distance(34_400.0).0, "34 km");
        assert_eq!(price(1_250, "CAD"), ("12.50 CAD".into(), "12,50 CAD".into()));
        assert_eq!(price(500, "JPY"), ("500 JPY".into(), "500 JPY".into()));
        assert_eq!(price(12_050, "TND"), ("12.050 TND".into(), "12,050 TND".into()));
    }

    #[test]
    fn one_day_is_not_said_as_several() {
        let wait = |days| Finding::Waitlist(Some(days)).phrase();
        assert_eq!(wait(1), Sentence::new("has a waiting list of about 1 day", "a une liste d’attente d’environ 1 jour"));
        assert_eq!(wait(2), Sentence::new("has a waiting list of about 2 days", "a une liste d’attente d’environ 2 jours"));
        assert_eq!(wait(0), Sentence::new("has a waiting list of about 0 days", "a une liste d’attente d’environ 0 jour"));
        let answered = |hours| Finding::AnsweredOthers { percent: 80, hours }.phrase();
        assert!(answered(20).en.ends_with("within 1 day") && answered(20).fr.ends_with("en 1 jour"));
        assert!(answered(25).en.ends_with("within 2 days") && answered(25).fr.ends_with("en 2 jours"));
    }

    #[test]
    fn a_finding_is_a_sentence_in_both_languages() {
        let finding = Finding::NeedAnswered {
            domain: "food-insecurity",
            strength: DomainStrength::Direct,
            basis: Basis::Stated,
            covered: 1,
            wanted: 1,
        };
        assert_eq!(finding.code(), "need_direct");
        assert_eq!(finding.sentence(), Sentence::new("It answers the need “Food”.", "Ce service répond au besoin « Alimentation »."));
    }
}
