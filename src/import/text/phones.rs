//! Telephone numbers as people write them: several in one field, with labels, extensions and words.

use super::pattern;
use crate::phones;
use crate::types::{Phone, PhoneKind};

/// What was read of a text of telephone numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Phones {
    /// The numbers, in the order of the text.
    pub phones: Vec<Phone>,
    /// Words that belong to no number.
    pub rest: Option<String>,
}

/// Reads the numbers of a text; a number without a country code belongs to `country` (ISO 3166-1).
pub fn read(text: &str, country: &str) -> Phones {
    pattern!(
        NUMBER,
        r"(?x)
          \+\d[\d\s().-]{6,18}\d
        | (?:\b1[-.\s]*)?\(?\b\d{3}\)?[-.\s]*\d{3}[-.\s]?\d{4}
        | \b310[-.\s]\d{4}\b
        | \b\d-\d-\d\b
        | \b\d{5,6}\b
        | \b\d{3}\b"
    );
    pattern!(EXTENSION, r"(?i)^[\s,;]*(?:extension|ext|poste|x)\.?\s*[:.]?\s*(\d[\d-]{0,15})");
    pattern!(LABEL, r"^\s*[(\[]([^()\[\]]{1,200})[)\]]");
    let mut found = Phones::default();
    let mut rest = String::new();
    let mut position = 0;
    while let Some(number) = NUMBER.find_at(text, position) {
        let before = text.get(position..number.start()).unwrap_or_default();
        let mut end = number.end();
        let mut next = |pattern: &regex::Regex| {
            let found = pattern.captures(text.get(end..)?)?;
            end += found.get(0)?.len();
            Some(found.get(1)?.as_str().trim().to_owned())
        };
        let extension = next(&EXTENSION);
        let label = next(&LABEL);
        let lead = before.trim_matches(|c: char| !c.is_alphanumeric() && c != '(' && c != ')').trim_end_matches(':').trim();
        let (note, stray) = match (lead, &label) {
            ("" | "or" | "and" | "ou" | "et", _) => (label.clone(), ""),
            // "Text: 253787" names the line; other words in front of a number do too, where they are few.
            (lead, None) if lead.len() <= 60 => (Some(lead.to_owned()), ""),
            (lead, _) => (label.clone(), lead),
        };
        if !stray.is_empty() {
            rest.push_str(stray);
            rest.push(' ');
        }
        found.phones.push(phone(number.as_str(), extension, note, country));
        position = end;
    }
    let tail = text.get(position..).unwrap_or_default();
    let tail = tail.trim_matches(|c: char| c.is_whitespace() || ",;/.-".contains(c));
    rest.push_str(tail);
    let rest = rest.trim();
    found.rest = rest.contains(char::is_alphanumeric).then(|| rest.to_owned());
    found
}

/// One number with what is known of it.
fn phone(original: &str, extension: Option<String>, note: Option<String>, country: &str) -> Phone {
    let kind = note.as_deref().and_then(kind);
    Phone { number: phones::e164(original, phones::country(country)), original: original.trim().to_owned(), extension, kind, note }
}

/// What a label says of the line.
pub fn kind(label: &str) -> Option<PhoneKind> {
    let label = super::fold(label);
    let has = |word: &str| label.split(|c: char| !c.is_alphanumeric()).any(|part| part == word);
    if has("fax") || has("telecopieur") {
        Some(PhoneKind::Fax)
    } else if has("tty") || has("ats") || has("tdd") || has("textphone") {
        Some(PhoneKind::Tty)
    } else if (has("text") || has("sms") || has("texto")) && !has("call") {
        Some(PhoneKind::Text)
    } else if has("cell") || has("mobile") || has("cellulaire") {
        Some(PhoneKind::Mobile)
    } else if has("voice") {
        Some(PhoneKind::Voice)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let read = read(text, "CA");
        let mut shown: Vec<String> = read
            .phones
            .iter()
            .map(|p| {
                let parts = [
                    p.number.clone().unwrap_or_else(|| format!("'{}'", p.original)),
                    p.extension.clone().map_or(String::new(), |e| format!("x{e}")),
                    p.kind.map_or(String::new(), |k| k.to_string()),
                    p.note.clone().unwrap_or_default(),
                ];
                parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
            })
            .collect();
        shown.extend(read.rest.map(|rest| format!("rest: {rest}")));
        shown
    }

    #[test]
    fn one_number() {
        assert_eq!(shown("250-763-7161"), ["+12507637161"]);
        assert_eq!(shown("1-888-353-2273"), ["+18883532273"]);
        assert_eq!(shown("(240) 547-9013"), ["+12405479013"]);
        assert_eq!(shown("(716)823-5137"), ["+17168235137"]);
        assert_eq!(shown("7185038424"), ["+17185038424"]);
        assert_eq!(shown("211"), ["'211'"]);
        assert_eq!(shown("310-6789 (no area code required)"), ["'310-6789' no area code required"]);
        assert_eq!(shown("123-456-7890"), ["'123-456-7890'"]);
    }

    #[test]
    fn extensions_and_labels() {
        assert_eq!(shown("250-763-8008 ext. 1"), ["+12507638008 x1"]);
        assert_eq!(shown("613-541-5010 ext. 271-5195"), ["+16135415010 x271-5195"]);
        assert_eq!(shown("413-863-9549x22"), ["+14138639549 x22"]);
        assert_eq!(shown("Text: 253787"), ["'253787' text Text"]);
        assert_eq!(shown("686868 (SMS)"), ["'686868' text SMS"]);
        assert_eq!(shown("Toll-Free: 1-866-286-6788"), ["+18662866788 Toll-Free"]);
        assert_eq!(shown("250-762-4999 (Kalano Club)"), ["+12507624999 Kalano Club"]);
    }

    #[test]
    fn several_numbers() {
        assert_eq!(
            shown("250-723-4050 (Adults/Elders), 250-723-2040 (Children/Youth)"),
            ["+12507234050 Adults/Elders", "+12507232040 Children/Youth"]
        );
        assert_eq!(shown("613-544-4229 (Kingston) / 1-866-616-6005 (Toll Free)"), ["+16135444229 Kingston", "+18666166005 Toll Free"]);
        assert_eq!(
            shown("1-866-863-0511 (Toll-Free); #SAFE (#7233) on mobile"),
            ["+18668630511 Toll-Free", "rest: #SAFE (#7233) on mobile"]
        );
    }

    #[test]
    fn words_are_not_numbers() {
        assert_eq!(shown("Visit website for contact information"), ["rest: Visit website for contact information"]);
        assert_eq!(shown(""), Vec::<String>::new());
    }
}
