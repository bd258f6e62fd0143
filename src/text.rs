//! Text as it is compared: without accents, case and stray spaces.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// The text folded for comparison: accents removed, lower case, ligatures spelled out, runs of spaces made one.
///
/// `"  Étienne  Lœuvre "` and `"etienne loeuvre"` fold to the same.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for letter in text.nfkd().filter(|letter| !is_combining_mark(*letter)).flat_map(char::to_lowercase) {
        match letter {
            'œ' => folded.push_str("oe"),
            'æ' => folded.push_str("ae"),
            'ß' => folded.push_str("ss"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' => folded.push('d'),
            '’' | 'ʼ' | '`' => folded.push('\''),
            '‐' | '‑' | '–' | '—' => folded.push('-'),
            letter if letter.is_whitespace() => {
                if !folded.is_empty() && !folded.ends_with(' ') {
                    folded.push(' ');
                }
            }
            letter => folded.push(letter),
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}

/// Letters and digits only of the folded text, words apart by one space.
///
/// `"  Café  d’Été, #2 "` becomes `"cafe d ete 2"`.
pub fn bare(text: &str) -> String {
    let folded = fold(text);
    folded.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accents_case_and_spaces_do_not_count() {
        assert_eq!(fold("  Étienne  Lœuvre "), "etienne loeuvre");
        assert_eq!(fold("O’Brien‑Ñáñez"), "o'brien-nanez");
        assert_eq!(fold(" \t"), "");
    }

    #[test]
    fn bare_text_has_letters_and_digits_only() {
        assert_eq!(bare("  Café  d’Été, #2 "), "cafe d ete 2");
        assert_eq!(bare("—"), "");
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,30}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}
