//! Postal codes: how they are compared and written, and what those of Canada say of where they are.

/// A code as it is compared: letters and digits alone, in capitals, `V1Y6N2`.
pub fn compact(code: &str) -> String {
    code.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// Whether a compact code begins as those of Canada do: a letter, a digit, a letter.
pub fn is_canadian_prefix(code: &str) -> bool {
    matches!(code.as_bytes(), [a, d, l, ..] if a.is_ascii_alphabetic() && d.is_ascii_digit() && l.is_ascii_alphabetic())
}

/// The province or territory of a compact Canadian code: Canada Post gives each letters of its own, but X, which two territories share.
pub fn province(code: &str) -> Option<&'static str> {
    Some(match code.chars().next()? {
        'A' => "NL",
        'B' => "NS",
        'C' => "PE",
        'E' => "NB",
        'G' | 'H' | 'J' => "QC",
        'K' | 'L' | 'M' | 'N' | 'P' => "ON",
        'R' => "MB",
        'S' => "SK",
        'T' => "AB",
        'V' => "BC",
        'X' if ["X0A", "X0B", "X0C"].iter().any(|prefix| code.starts_with(prefix)) => "NU",
        'X' => "NT",
        'Y' => "YT",
        _ => return None,
    })
}

/// The two halves of a Canadian code that is written as one word, in whatever case.
pub fn halves(code: &str) -> Option<(&str, &str)> {
    let is_code = |(place, byte): (usize, u8)| if place % 2 == 0 { byte.is_ascii_alphabetic() } else { byte.is_ascii_digit() };
    (code.len() == 6 && code.bytes().enumerate().all(is_code)).then(|| code.split_at_checked(3)).flatten()
}

/// A code as it is written: `V1Y 6N2` in Canada, others as they are.
pub fn written(code: &str, country: &str) -> String {
    let compact = compact(code);
    match halves(&compact) {
        Some((area, unit)) if country == "CA" => format!("{area} {unit}"),
        _ => code.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_compared_without_what_people_write_between() {
        for code in ["V1Y 6N2", "v1y6n2", " V1Y-6N2 "] {
            assert_eq!(compact(code), "V1Y6N2");
            assert_eq!(written(code, "CA"), "V1Y 6N2");
        }
        assert_eq!(written(" 98101-1234 ", "US"), "98101-1234");
        assert_eq!(written("v1y6n2", "US"), "v1y6n2");
    }

    #[test]
    fn a_canadian_code_names_its_province() {
        assert!(is_canadian_prefix("V1Y") && !is_canadian_prefix("V1") && !is_canadian_prefix("98101"));
        for (code, expected) in [("V1Y6N2", Some("BC")), ("X0A0H0", Some("NU")), ("X1A2N3", Some("NT")), ("98101", None), ("", None)] {
            assert_eq!(province(code), expected, "{code}");
        }
    }
}
