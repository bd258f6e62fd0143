//! What is said beside a score: why a service was left out, what to look out for, and what a link worker should check.

use chrono::NaiveDate;

use super::finding::{Finding, distance, feature_name};
use super::person::MustHave;
use super::report::{Remark, UnmetReason};
use super::words::{Sentence, domain_name, group_names};
use crate::languages;
use crate::services::model::{Accessibility, ServiceStatus};

/// Free text of a record that is shown as it stands, no more than this many characters of it.
const QUOTED: usize = 300;

fn quoted(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

fn remark(code: &str, en: impl Into<String>, fr: impl Into<String>) -> Remark {
    Remark { code: code.into(), sentence: Sentence::new(en, fr) }
}

/// What a finding says, as a remark.
fn said(code: &str, finding: Finding<'_>) -> Remark {
    Remark { code: code.into(), sentence: finding.sentence() }
}

/// An age limit as it is said after "for people aged".
fn ages(min: Option<i32>, max: Option<i32>) -> (String, String) {
    match (min, max) {
        (Some(min), Some(max)) => (format!("{min} to {max}"), format!("de {min} à {max} ans")),
        (Some(min), None) => (format!("{min} and over"), format!("de {min} ans et plus")),
        (None, Some(max)) => (format!("{max} and under"), format!("de {max} ans et moins")),
        (None, None) => ("any age".into(), "de tout âge".into()),
    }
}

const fn must_have_name(must_have: MustHave) -> (&'static str, &'static str) {
    match must_have {
        MustHave::Language => ("in the person’s language", "dans la langue de la personne"),
        MustHave::Mode => ("in the way the person wishes", "de la façon souhaitée"),
        MustHave::Budget => ("within the budget", "dans les limites du budget"),
        MustHave::Hours => ("in the person’s free time", "dans le temps libre de la personne"),
        MustHave::Transit => ("near a bus stop", "près d’un arrêt d’autobus"),
        MustHave::Accessibility => ("accessible for the person", "de façon accessible pour la personne"),
        MustHave::Diet => ("for the person’s diet", "selon l’alimentation de la personne"),
        MustHave::Childcare => ("with children", "avec des enfants"),
    }
}

/// Why a service is left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Exclusion<'a> {
    NotRunning(ServiceStatus),
    TakesNoReferrals,
    CapacityClosed,
    RefusedByPerson,
    RefusedByProvider,
    AlreadyInUse,
    AlreadyReferred,
    Age(Option<i32>, Option<i32>),
    Gender(&'a [String]),
    Population(&'a [String]),
    Coverage(&'a [String]),
    OutOfArea,
    TooFar { metres: f64, max_km: f64 },
    ProvincesAway,
    MustHave(MustHave),
    JointSessions,
    InferredForSafety,
}

impl Exclusion<'_> {
    /// The reason as gap reports count it.
    pub(super) const fn unmet_reason(&self) -> UnmetReason {
        match self {
            Self::NotRunning(_) | Self::TakesNoReferrals => UnmetReason::Closed,
            Self::CapacityClosed => UnmetReason::AllFull,
            Self::RefusedByPerson | Self::RefusedByProvider | Self::AlreadyInUse | Self::AlreadyReferred => UnmetReason::Refused,
            Self::Age(..) | Self::Gender(_) | Self::Population(_) => UnmetReason::NotEligible,
            Self::Coverage(_) => UnmetReason::NoCoverage,
            Self::OutOfArea => UnmetReason::OutOfArea,
            Self::TooFar { .. } | Self::ProvincesAway => UnmetReason::TooFar,
            Self::MustHave(must_have) => match must_have {
                MustHave::Language => UnmetReason::WrongLanguage,
                MustHave::Mode => UnmetReason::Mode,
                MustHave::Budget => UnmetReason::Cost,
                MustHave::Hours => UnmetReason::Hours,
                MustHave::Transit => UnmetReason::Transport,
                MustHave::Accessibility | MustHave::Childcare => UnmetReason::Accessibility,
                MustHave::Diet => UnmetReason::Culture,
            },
            Self::JointSessions | Self::InferredForSafety => UnmetReason::Unsafe,
        }
    }

    pub(super) fn remark(&self) -> Remark {
        match *self {
            Self::NotRunning(ServiceStatus::Defunct) => remark("not_running", "It has ended.", "Ce service a pris fin."),
            Self::NotRunning(ServiceStatus::TemporarilyClosed) => {
                remark("not_running", "It is closed for a while.", "Ce service est fermé pour un temps.")
            }
            Self::NotRunning(_) => remark("not_running", "It does not run at present.", "Ce service n’est pas offert pour le moment."),
            Self::TakesNoReferrals => remark("takes_no_referrals", "It takes no referrals.", "Ce service n’accepte pas de demandes."),
            Self::CapacityClosed => {
                remark("takes_nobody", "It takes nobody at present.", "Ce service n’accueille personne pour le moment.")
            }
            Self::RefusedByPerson => remark("refused_by_person", "The person does not want it.", "La personne n’en veut pas."),
            Self::RefusedByProvider => {
                remark("refused_by_provider", "The provider does not take this person.", "Le prestataire n’accueille pas cette personne.")
            }
            Self::AlreadyInUse => remark("already_in_use", "The person already goes there.", "La personne y va déjà."),
            Self::AlreadyReferred => {
                remark("already_referred", "The person has been referred there already.", "La personne y a déjà été dirigée.")
            }
            Self::Age(min, max) => {
                let (en, fr) = ages(min, max);
                remark("age", format!("It is for people aged {en}."), format!("Ce service s’adresse aux personnes {fr}."))
            }
            Self::Gender(only) => {
                let Sentence { en, fr } = group_names(only);
                remark("gender", format!("It is only for: {en}."), format!("Ce service est réservé à : {fr}."))
            }
            Self::Population(only) => {
                let Sentence { en, fr } = group_names(only);
                remark("population", format!("It is only for: {en}."), format!("Ce service est réservé à : {fr}."))
            }
            Self::Coverage(any) => {
                let Sentence { en, fr } = group_names(any);
                remark("coverage", format!("It asks for coverage: {en}."), format!("Ce service exige une couverture : {fr}."))
            }
            Self::OutOfArea => remark(
                "out_of_area",
                "It does not take people from where the person lives.",
                "Ce service n’accueille pas les gens de ce secteur.",
            ),
            Self::TooFar { metres, max_km } => {
                let (en, fr) = distance(metres);
                let (en_max, fr_max) = distance(max_km * 1_000.0);
                remark(
                    "too_far",
                    format!("It is {en} away, beyond {en_max}."),
                    format!("Ce service se trouve à {fr}, au-delà de {fr_max}."),
                )
            }
            Self::ProvincesAway => remark(
                "too_far",
                "It is given only in a province far from the person’s.",
                "Ce service n’est offert que dans une province éloignée de celle de la personne.",
            ),
            Self::MustHave(must_have) => {
                let (en, fr) = must_have_name(must_have);
                Remark {
                    code: format!("must_have_{must_have}"),
                    sentence: Sentence::new(format!("It cannot be had {en}."), format!("Ce service ne s’obtient pas {fr}.")),
                }
            }
            Self::JointSessions => remark(
                "unsafe_joint_sessions",
                "Sessions with a partner or the family are not safe where there is violence.",
                "Les rencontres en couple ou en famille ne sont pas sûres quand il y a violence.",
            ),
            Self::InferredForSafety => remark(
                "unsafe_inference",
                "That it helps people at risk was only inferred, and is not safe to rely on.",
                "Son aide aux personnes à risque n’est que déduite; on ne peut s’y fier.",
            ),
        }
    }
}

/// What to look out for in a service that is suggested all the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Warning<'a> {
    Full,
    Waitlist(Option<i32>),
    ByInterpreter(&'a str),
    OtherLanguage,
    OverBudget(i64, &'a str),
    NoCommonHours,
    Stale(NaiveDate),
    ReviewOverdue(NaiveDate),
    Alert(&'a str),
}

impl Warning<'_> {
    pub(super) fn remark(&self) -> Remark {
        match *self {
            Self::Full => said("full", Finding::Full),
            Self::Waitlist(days) => said("waitlist", Finding::Waitlist(days)),
            Self::ByInterpreter(tag) => {
                let (en, fr) = languages::name(tag);
                remark(
                    "by_interpreter",
                    format!("{en} takes an interpreter: ask when booking."),
                    format!("En {fr} avec interprète : le demander d’avance."),
                )
            }
            Self::OtherLanguage => said("other_language", Finding::OtherLanguage),
            Self::OverBudget(minor, currency) => said("over_budget", Finding::OverBudget(minor, currency)),
            Self::NoCommonHours => said("no_common_hours", Finding::ClosedWhenFree),
            Self::Stale(on) => {
                remark("stale", format!("The record was last checked on {on}."), format!("La fiche n’a pas été vérifiée depuis le {on}."))
            }
            Self::ReviewOverdue(on) => {
                remark("review_overdue", format!("The record was due for review on {on}."), format!("La fiche devait être revue le {on}."))
            }
            Self::Alert(text) => remark("alert", quoted(text), quoted(text)),
        }
    }
}

/// What nobody has written down in a form that can be compared, and a link worker should ask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Check<'a> {
    Age(Option<i32>, Option<i32>),
    Gender(&'a [String]),
    Population(&'a [String]),
    Coverage(&'a [String]),
    AreaInWords(&'a str),
    Area,
    /// The rule in words: in English and in French, where it is written in both; else twice the same.
    EligibilityInWords {
        en: &'a str,
        fr: &'a str,
    },
    Exclusions(&'a str),
    ProfessionalReferral,
    IncomeTested,
    Documents(&'a [String]),
    MustHave(MustHave),
    Feature(Accessibility),
    InferredNeed {
        domain: &'a str,
        evidence: Option<&'a str>,
    },
    OldCapacity(NaiveDate),
    MentionsJointSessions,
    HomeVisitSafety,
    SafeContact,
}

impl Check<'_> {
    pub(super) fn remark(&self) -> Remark {
        match *self {
            Self::Age(min, max) => {
                let (en, fr) = ages(min, max);
                remark("age", format!("For people aged {en}: check the age."), format!("Pour les personnes {fr} : vérifier l’âge."))
            }
            Self::Gender(only) => {
                let Sentence { en, fr } = group_names(only);
                remark(
                    "gender",
                    format!("Only for {en}: ask whether the person is welcome."),
                    format!("Réservé à : {fr}; demander si la personne y est la bienvenue."),
                )
            }
            Self::Population(only) => {
                let Sentence { en, fr } = group_names(only);
                remark(
                    "population",
                    format!("Only for {en}: check that this is so."),
                    format!("Réservé à : {fr}; vérifier que c’est le cas."),
                )
            }
            Self::Coverage(any) => {
                let Sentence { en, fr } = group_names(any);
                remark(
                    "coverage",
                    format!("Asks for coverage ({en}): check that the person holds it."),
                    format!("Exige une couverture ({fr}) : vérifier que la personne l’a."),
                )
            }
            Self::AreaInWords(words) => {
                let words = quoted(words);
                remark(
                    "area",
                    format!("Takes people from “{words}”: check that the person lives there."),
                    format!("Accueille les gens de « {words} » : vérifier que la personne y habite."),
                )
            }
            Self::Area => remark(
                "area",
                "Takes people from some areas only: check that the person lives in one.",
                "Accueille les gens de certains secteurs seulement : vérifier que la personne y habite.",
            ),
            Self::EligibilityInWords { en, fr } => {
                let (en, fr) = (quoted(en), quoted(fr));
                remark(
                    "eligibility_text",
                    format!("Its own words on who can use it: “{en}”"),
                    format!("Ses propres mots sur l’admissibilité : « {fr} »"),
                )
            }
            Self::Exclusions(text) => {
                let text = quoted(text);
                remark(
                    "exclusions",
                    format!("Its own words on who is not taken: “{text}”"),
                    format!("Ses propres mots sur les exclusions : « {text} »"),
                )
            }
            Self::ProfessionalReferral => {
                remark("professional_referral", "A professional must refer.", "La demande doit venir d’un professionnel.")
            }
            Self::IncomeTested => {
                remark("income_tested", "Income is tested: ask for the limit.", "Le revenu est vérifié : demander le plafond.")
            }
            Self::Documents(documents) => {
                let documents = documents.iter().take(5).map(|document| quoted(document)).collect::<Vec<_>>().join("; ");
                remark("documents", format!("To bring: {documents}."), format!("À apporter : {documents}."))
            }
            Self::MustHave(must_have) => {
                let (en, fr) = must_have_name(must_have);
                Remark {
                    code: format!("must_have_{must_have}"),
                    sentence: Sentence::new(format!("Ask whether it can be had {en}."), format!("Demander s’il s’obtient {fr}.")),
                }
            }
            Self::Feature(feature) => {
                let (en, fr) = feature_name(feature);
                Remark {
                    code: format!("accessibility_{feature}"),
                    sentence: Sentence::new(format!("Ask whether it has {en}."), format!("Demander s’il offre {fr}.")),
                }
            }
            Self::InferredNeed { domain, evidence } => {
                let name = domain_name(domain);
                let from = evidence.map(|evidence| format!(" ({})", quoted(evidence))).unwrap_or_default();
                remark(
                    "inferred_need",
                    format!("That it answers “{}” was inferred{from}: check.", name.en),
                    format!("Qu’il réponde à « {} » est une déduction{from} : vérifier.", name.fr),
                )
            }
            Self::OldCapacity(on) => remark(
                "old_capacity",
                format!("Its room was last reported on {on}: ask."),
                format!("Ses places datent du {on} : demander."),
            ),
            Self::MentionsJointSessions => remark(
                "joint_sessions",
                "It also holds sessions with couples or families: make sure that the person is seen alone.",
                "On y tient aussi des rencontres en couple ou en famille : s’assurer que la personne y soit vue seule.",
            ),
            Self::HomeVisitSafety => remark(
                "home_visit_safety",
                "It comes to the home: ask the person whether that is safe.",
                "Il se rend à domicile : demander à la personne si c’est sûr.",
            ),
            Self::SafeContact => remark(
                "safe_contact",
                "The person may be contacted only as agreed with them: pass the rule on.",
                "On ne communique avec la personne que de la façon convenue : transmettre la consigne.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_says_what_the_finding_says() {
        let said = |warning: Warning<'_>| (warning.remark().code, warning.remark().sentence);
        let sentence = |en: &str, fr: &str| Sentence::new(en, fr);
        assert_eq!(
            said(Warning::Waitlist(Some(1))),
            ("waitlist".into(), sentence("It has a waiting list of about 1 day.", "Ce service a une liste d’attente d’environ 1 jour."))
        );
        assert_eq!(said(Warning::Full), ("full".into(), sentence("It is full.", "Ce service n’a plus de place.")));
        let dear =
            sentence("It costs about 500 JPY a month, over the budget.", "Ce service coûte environ 500 JPY par mois, au-delà du budget.");
        assert_eq!(said(Warning::OverBudget(500, "JPY")), ("over_budget".into(), dear));
        let closed = sentence("It is not open when the person is free.", "Ce service n’ouvre pas quand la personne est libre.");
        assert_eq!(said(Warning::NoCommonHours), ("no_common_hours".into(), closed));
        let other = sentence("It is not given in the person’s language.", "Ce service ne se donne pas dans la langue de la personne.");
        assert_eq!(said(Warning::OtherLanguage), ("other_language".into(), other));
    }
}
