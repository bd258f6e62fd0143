//! Who a service is for, in words: ages where there is one reading, and what stands under "Exclusion".

use super::{fold, pattern};

/// Ages in years, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ages {
    /// Youngest.
    pub min: Option<i32>,
    /// Oldest.
    pub max: Option<i32>,
}

/// The text split at its "Inclusion:" and "Exclusion:" labels: who is taken, and who is not.
pub fn parts(text: &str) -> (Option<String>, Option<String>) {
    pattern!(LABELS, r"(?is)^\s*inclusions?\s*:\s*(?P<in>.*?)\s*(?:\bexclusions?\s*:\s*(?P<out>.*?)\s*)?$");
    let Some(parts) = LABELS.captures(text) else { return (super::plain(text), None) };
    let part = |name| parts.name(name).and_then(|part: regex::Match<'_>| super::plain(part.as_str()));
    pattern!(NOBODY, r"^(none|aucune?)( stated)?\b[^a-z]*(\(|$)|^n/a$");
    let nobody = |text: &String| NOBODY.is_match(&fold(text));
    (part("in"), part("out").filter(|text| !nobody(text)))
}

/// The ages of a text, where it names exactly one range and nobody beside them, such as parents or exceptions.
pub fn ages(text: &str) -> Option<Ages> {
    let folded = fold(text);
    pattern!(
        OTHERS,
        r"\bparents?\b|\bcaregivers?\b|\bfamil(y|ies)\b|\bproches aidants?\b|\bexcept|\bsauf\b|\bor under\b|\bgrade|\bfor children\b.*\badult"
    );
    // "Some programs" matters where the age is said; "fees may apply for some" in the next sentence does not.
    pattern!(SOME, r"\bsome\b[^.;]*\d|\d[^.;]*\bsome\b");
    only(&folded).filter(|_| !OTHERS.is_match(&folded) && !SOME.is_match(&folded))
}

/// The ages of a description: only where the word "age" stands beside the one range of the text.
pub fn ages_of_description(text: &str) -> Option<Ages> {
    let folded = fold(text);
    pattern!(
        SAID,
        r"\b(ages?|aged|age de|ages de)\s+(of\s+)?\d|\b\d+\s+years?\s+(of age|old)|\bfor (youth|children|adults|seniors|individuals|people) (under|over) \d"
    );
    if SAID.is_match(&folded) { ages(&folded) } else { None }
}

fn only(folded: &str) -> Option<Ages> {
    pattern!(
        AGES,
        r"(?x)
          \b(?:ages?|aged|age\sde|ages\sde|youth|children|adults|seniors|enfants|jeunes)\s*\(?\s*(?P<from>\d{1,3})\s*(?:-|to|a|and)\s*(?P<until>\d{1,3})\b
        | \b(?P<from2>\d{1,3})\s*(?:-|to|a)\s*(?P<until2>\d{1,3})\s*(?:years|yrs|ans)\b
        | \b(?P<min>\d{1,3})\s*(?:\+|(?:years(?:\sof\sage|\sold)?\s*|yrs\s*|ans\s*)?(?:and|or|et)\s(?:over|older|up|plus)\b)
        | \b(?:over|au-dessus\sde)\s(?P<above>\d{1,3})\b
        | \bunder\s(?:the\sage\sof\s)?(?P<below>\d{1,3})\b"
    );
    let mut found = AGES.captures_iter(folded);
    let one = found.next()?;
    if found.next().is_some() {
        return None;
    }
    let number = |names: [&str; 2]| names.iter().find_map(|name| one.name(name)).and_then(|digits| digits.as_str().parse::<i32>().ok());
    let ages = Ages {
        min: number(["from", "from2"]).or_else(|| number(["min", "min"])).or_else(|| number(["above", "above"]).map(|age| age + 1)),
        max: number(["until", "until2"]).or_else(|| number(["below", "below"]).map(|age| age - 1)),
    };
    let is_sound = [ages.min, ages.max].iter().flatten().all(|age| (0..=110).contains(age))
        && ages.min.zip(ages.max).is_none_or(|(min, max)| min <= max);
    // "200+ languages" and "100+ programs" are no ages.
    let is_age = ages.max.is_some() || ages.min.is_some_and(|min| min <= 90);
    (is_sound && is_age).then_some(ages)
}

/// Documents of a list in words; nothing for "None required".
pub fn documents(text: &str) -> Vec<String> {
    pattern!(NONE, r"(?i)^\s*(none( required)?( for [a-z ]+)?|n/?a|aucun.*|not required)\.?\s*$");
    if NONE.is_match(text) {
        return Vec::new();
    }
    let is_sentence = text.contains(". ") || text.len() > 150;
    if is_sentence {
        return super::plain(text).into_iter().collect();
    }
    text.trim().trim_end_matches('.').split([',', ';']).filter_map(super::plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<(Option<i32>, Option<i32>)> {
        ages(text).map(|ages| (ages.min, ages.max))
    }

    #[test]
    fn one_range_is_read() {
        assert_eq!(of("Adults 55+ in the valley"), Some((Some(55), None)));
        assert_eq!(of("Ages 16-24"), Some((Some(16), Some(24))));
        assert_eq!(of("All youth (5-29) in Canada."), Some((Some(5), Some(29))));
        assert_eq!(of("Ontario residents aged 60+"), Some((Some(60), None)));
        assert_eq!(of("For individuals aged 19 or older."), Some((Some(19), None)));
        assert_eq!(of("18 years and older"), Some((Some(18), None)));
        assert_eq!(of("Jeunes de 12 à 24 ans"), Some((Some(12), Some(24))));
        assert_eq!(of("Youth under 18"), Some((None, Some(17))));
        assert_eq!(of("Adults 50+. Membership fees may apply for some programs."), Some((Some(50), None)));
    }

    #[test]
    fn more_or_less_than_one_range_is_not() {
        for text in [
            "Youth under 18 (or under 25 if homeless)",
            "Children 0-6 years and their parents/caregivers",
            "Adults",
            "200+ languages",
            "24/7",
            "Call 613-549-1232",
            "Ages 24-16",
            "Seniors 65+ and adults 19-64",
            "All ages; some programs 18+",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(ages_of_description("200 beds, 55+ staff"), None);
        assert_eq!(ages_of_description("Services available for youth under 19.").and_then(|ages| ages.max), Some(18));
        assert_eq!(ages_of_description("Last year over 22 people"), None);
        assert_eq!(ages_of_description("Wellness centre for ages 12-24. Peer support.").and_then(|a| a.max), Some(24));
    }

    #[test]
    fn who_is_taken_is_told_from_who_is_not() {
        assert_eq!(parts("Inclusion: Women. Exclusion: Men."), (Some("Women.".into()), Some("Men.".into())));
        assert_eq!(parts("Inclusion: All. Exclusion: None."), (Some("All.".into()), None));
        assert_eq!(parts("Inclusion: All. Exclusion: None (24/7 anonymous)."), (Some("All.".into()), None));
        assert_eq!(parts("Inclusion: All. Exclusion: None stated."), (Some("All.".into()), None));
        assert_eq!(parts("Anyone"), (Some("Anyone".into()), None));
        assert_eq!(documents("ID, proof of income."), ["ID", "proof of income"]);
        assert_eq!(documents("None required."), Vec::<String>::new());
    }
}
