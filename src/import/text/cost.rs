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
}
