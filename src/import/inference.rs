//! Need domains of services whose source names none: from categories, taxonomy terms, names and descriptions.
//!
//! What is inferred says so, and from what. Words of people ("seniors", "youth") say who a service is for, not what it does, and are not
//! looked for. Violence by a partner and abuse of older people are only found where the words say exactly that: a shelter, a safe place or
//! a victim service may be something else, and somebody's safety may hang on the difference.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use super::mapping::Mapping;
use super::text::fold;
use crate::services::model::{Basis, DomainStrength, ServiceDomain, ServiceInput};

/// The words, ours, English and French; domain and alternatives of a pattern over folded text.
const TERMS: &str = include_str!("data/need-terms.csv");

/// How many domains are inferred from a description alone.
const MAX_FROM_TEXT: usize = 4;

struct Lexicon {
    domains: Vec<(&'static str, Regex)>,
    any: RegexSet,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let rows = TERMS.lines().skip(1).filter_map(|row| row.split_once(','));
    let patterns: Vec<(&str, String)> = rows.map(|(domain, terms)| (domain, format!(r"\b(?:{terms})(?:s|e|es)?\b"))).collect();
    let any = RegexSet::new(patterns.iter().map(|(_, pattern)| pattern)).unwrap_or_else(|_| RegexSet::empty());
    Lexicon { domains: patterns.into_iter().map(|(domain, pattern)| (domain, super::text::compile(&pattern))).collect(), any }
});

/// The domains that the words of a text name, with the words.
fn named(text: &str) -> Vec<(&'static str, String)> {
    let folded = fold(text);
    let lexicon = &*LEXICON;
    let found = lexicon.any.matches(&folded);
    found
        .iter()
        .filter_map(|at| lexicon.domains.get(at))
        .filter_map(|(domain, pattern)| Some((*domain, pattern.find(&folded)?.as_str().to_owned())))
        .collect()
}

/// The need domains of a service, each marked as inferred with what it was inferred from.
///
/// In order: what the mapping says of the source and of its categories; taxonomy terms and the name (direct); the description (partial,
/// at most four).
pub fn domains(service: &ServiceInput, categories: &[String], mapping: &Mapping) -> Vec<ServiceDomain> {
    let mut domains: Vec<ServiceDomain> = Vec::new();
    let mut add = |code: &str, strength, evidence: String| {
        let is_new = domains.iter().all(|known| known.code != code);
        if is_new {
            let evidence = Some(evidence.chars().take(300).collect());
            domains.push(ServiceDomain { code: code.to_owned(), strength, basis: Basis::Inferred, evidence });
        }
        is_new
    };
    for code in &mapping.defaults.needs {
        add(code, DomainStrength::Direct, format!("source: {}", mapping.source));
    }
    for category in categories {
        match mapping.categories.needs.get(category) {
            Some(codes) => codes.iter().for_each(|code| {
                add(code, DomainStrength::Direct, format!("category: {category}"));
            }),
            None if mapping.categories.populations.contains_key(category) => {}
            None => named(category).into_iter().for_each(|(code, _)| {
                add(code, DomainStrength::Direct, format!("category: {category}"));
            }),
        }
    }
    let categories: HashSet<&str> = categories.iter().map(String::as_str).collect();
    for term in &service.taxonomy_terms {
        let label = term.label.as_deref().unwrap_or(&term.code);
        if !categories.contains(term.code.as_str()) {
            for (code, _) in named(label) {
                add(code, DomainStrength::Direct, format!("term: {label}"));
            }
        }
    }
    let names = std::iter::once(&service.name)
        .chain(service.alternate_names.iter())
        .chain(service.translations.iter().filter_map(|t| t.name.as_ref()));
    for (code, words) in names.flat_map(|name| named(name)) {
        add(code, DomainStrength::Direct, format!("name: {words}"));
    }
    let texts = service.description.iter().chain(service.translations.iter().filter_map(|t| t.description.as_ref()));
    let mut from_text = 0;
    for (code, words) in texts.flat_map(|text| named(text)) {
        if from_text < MAX_FROM_TEXT && add(code, DomainStrength::Partial, format!("description: {words}")) {
            from_text += 1;
        }
    }
    domains
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::find_domain;

    fn of(name: &str, description: &str) -> Vec<String> {
        let service: ServiceInput = serde_json::from_value(serde_json::json!({"name": name, "description": description})).unwrap();
        domains(&service, &[], &Mapping::hsds("test")).into_iter().map(|d| format!("{}:{}", d.code, d.strength)).collect()
    }

    #[test]
    fn every_row_names_a_domain_and_compiles() {
        assert!(LEXICON.domains.len() >= 35 && LEXICON.any.len() == LEXICON.domains.len());
        for (domain, _) in &LEXICON.domains {
            assert!(find_domain(domain).is_some(), "{domain}");
        }
    }

    #[test]
    fn words_name_needs() {
        assert_eq!(of("Alder Falls Food Bank", ""), ["food-insecurity:direct"]);
        assert_eq!(of("Mill Street Hall", "Free tax clinic for low incomes."), ["financial-insecurity:partial"]);
        assert_eq!(of("Banque alimentaire", ""), ["food-insecurity:direct"]);
        assert!(of("Centre de santé", "Soutien en santé mentale pour les jeunes").contains(&"x-mental-health:partial".into()));
    }

    #[test]
    fn who_is_not_what_and_safety_is_never_guessed() {
        assert!(of("Seniors 55+", "For youth, women and older adults").is_empty());
        for text in ["Safe place for women", "Victim services", "Emergency shelter", "Violence prevention", "Abuse"] {
            let found = of(text, text);
            assert!(!found.iter().any(|d| d.starts_with("intimate") || d.starts_with("elder")), "{text}: {found:?}");
        }
        assert!(of("Haven", "For women fleeing domestic violence").iter().any(|d| d == "intimate-partner-violence:partial"));
    }
}
