//! Prices in words: the kind of cost, where the text says one thing.

use super::{fold, pattern};
use crate::services::model::CostKind;

/// The kind of cost that the whole text names. "None" and "N/A" name none: they may mean that there is no fee, or no answer.
pub fn kind(text: &str) -> Option<CostKind> {
    let folded = fold(text);
    let folded = folded.trim().trim_end_matches(['.', '!']);
    pattern!(
        FREE,
        r"^(free( of charge)?( (service|services|information|resources|admission|program|programs|referral))?|(there is )?no (cost|charge|fees?)|gratuit(e|s|es)?|sans frais|aucuns? frais)$"
    );
    pattern!(SLIDING, r"^(sliding[ -](fee )?scale|echelle mobile)\b[^.;]*$");
    pattern!(INSURED, r"^(covered by|couvert par) (ohip|msp|the )?[a-z ]*$");
    pattern!(MEMBERSHIP, r"^membership (fees?|required)( (apply|applies|required))?$");
    pattern!(DONATION, r"^((by )?donations?( (welcome|appreciated|only))?|pay[ -]what[ -]you[ -]can|par don)$");
    [
        (&*FREE, CostKind::Free),
        (&*SLIDING, CostKind::SlidingScale),
        (&*INSURED, CostKind::Insured),
        (&*MEMBERSHIP, CostKind::Membership),
        (&*DONATION, CostKind::Donation),
    ]
    .into_iter()
    .find_map(|(pattern, kind)| pattern.is_match(folded).then_some(kind))
}

/// The words of a description that say plainly that the service is free: "Free legal clinics…", "… is offered at no cost". None where
/// it speaks of fees as well, or only some of it is free.
pub fn free_in_description(text: &str) -> Option<String> {
    let folded = fold(text);
    pattern!(
        MONEY,
        r"\$|\b(fees?|low[ -]cost|reduced|discount\w*|sliding|membership|donations?|minimal|affordable|paid|pay|some|free or)\b|\bfree (admission|parking|and low|store|market)\b"
    );
    pattern!(
        PLAIN,
        r"^(a |an )?free(, | )|\b(free of charge|at no cost|no cost to)\b|^(services|programs|it|all services|support) (is|are) ([a-z, ]*, |[a-z ]* and )?free\b"
    );
    pattern!(FREE_FROM, r"^free (from|of)\b");
    if MONEY.is_match(&folded) {
        return None;
    }
    let is_plain = |sentence: &&str| {
        let folded = fold(sentence);
        PLAIN.is_match(&folded) && !FREE_FROM.is_match(&folded)
    };
    text.split(['.', ';', '\n']).map(str::trim).find(is_plain).and_then(super::plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_statements_are_read() {
        assert_eq!(kind("Free."), Some(CostKind::Free));
        assert_eq!(kind("Gratuit"), Some(CostKind::Free));
        assert_eq!(kind("Covered by OHIP."), Some(CostKind::Insured));
        assert_eq!(kind("Sliding scale (some programs free)."), Some(CostKind::SlidingScale));
        assert_eq!(kind("Membership fees apply."), Some(CostKind::Membership));
        for text in [
            "None",
            "N/A",
            "Free (if eligible)",
            "Mostly free (MCSS funded).",
            "Covered by OHIP. Uninsured fees apply.",
            "Varies",
            "Shelter is free. Housing is rent-geared-to-income.",
        ] {
            assert_eq!(kind(text), None, "{text}");
        }
    }

    #[test]
    fn a_description_says_that_it_is_free_where_nothing_in_it_speaks_of_money() {
        for text in [
            "Free, confidential 24/7 phone support for youth.",
            "Free legal clinics for families. Call ahead.",
            "A free program of strength and balance.",
            "Rides for seniors at no cost. Book a week ahead.",
            "Referral across BC. Services are confidential, multilingual, free and available 24/7.",
        ] {
            assert!(free_in_description(text).is_some(), "{text}");
        }
        for text in [
            "Free and low-cost meals",
            "Free counselling (minimal fees elsewhere).",
            "A safe place, free from discrimination.",
            "Freedom house. Toll-free line.",
            "Gallery with free admission every Thursday.",
            "Free store providing clothing",
            "Some free groups.",
            "Free meetings. $5 for the book.",
        ] {
            assert_eq!(free_in_description(text), None, "{text}");
        }
        assert_eq!(free_in_description("Free tax help. Bring slips.").as_deref(), Some("Free tax help"));
    }
}
