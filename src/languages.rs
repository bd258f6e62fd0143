//! Languages: how they are called, in both official languages and by those who list them, and which tags name the same one.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::text::fold;
use crate::types::LANGUAGE_PATTERN;

/// A language that is often asked for in Canada.
struct Language {
    /// The code under which it is kept: the shortest that BCP 47 has.
    code: &'static str,
    en: &'static str,
    fr: &'static str,
    /// Other codes for it.
    codes: &'static [&'static str],
    /// Other names, folded.
    names: &'static [&'static str],
}

const fn language(
    code: &'static str,
    en: &'static str,
    fr: &'static str,
    codes: &'static [&'static str],
    names: &'static [&'static str],
) -> Language {
    Language { code, en, fr, codes, names }
}

/// Other codes are those of ISO 639-2 and 639-3, those of single languages which the Unicode CLDR reads as the larger one (`arb` as `ar`),
/// and two that stand for sign languages in common speech and, as codes, for no language spoken in Canada (`asl`, `lsq`).
const LANGUAGES: &[Language] = &[
    language("am", "Amharic", "amharique", &["amh"], &[]),
    language("ar", "Arabic", "arabe", &["ara", "arb"], &[]),
    language("ase", "American Sign Language", "ASL", &["asl"], &["sign language", "langue des signes americaine"]),
    language("bla", "Blackfoot", "pied-noir", &[], &["siksika"]),
    language("bn", "Bengali", "bengali", &["ben"], &["bangla"]),
    language("bo", "Tibetan", "tibétain", &["bod", "tib"], &[]),
    language("cmn", "Mandarin", "mandarin", &[], &[]),
    language("cr", "Cree", "cri", &["cre"], &[]),
    language("cs", "Czech", "tchèque", &["ces", "cze"], &[]),
    language("de", "German", "allemand", &["deu", "ger"], &[]),
    language("el", "Greek", "grec", &["ell", "gre"], &[]),
    language("en", "English", "anglais", &["eng"], &[]),
    language("es", "Spanish", "espagnol", &["spa"], &["espanol"]),
    language("fa", "Persian", "persan", &["fas", "per", "pes"], &["farsi"]),
    language("fcs", "Quebec Sign Language", "LSQ", &["lsq"], &["langue des signes quebecoise"]),
    language("fil", "Filipino", "filipino", &[], &[]),
    language("fr", "French", "français", &["fra", "fre"], &[]),
    language("gu", "Gujarati", "gujarati", &["guj"], &[]),
    language("he", "Hebrew", "hébreu", &["heb"], &[]),
    language("hi", "Hindi", "hindi", &["hin"], &[]),
    language("hr", "Croatian", "croate", &["hrv"], &[]),
    language("ht", "Haitian Creole", "créole haïtien", &["hat"], &["kreyol"]),
    language("hu", "Hungarian", "hongrois", &["hun"], &[]),
    language("hy", "Armenian", "arménien", &["hye", "arm"], &[]),
    language("it", "Italian", "italien", &["ita"], &[]),
    language("iu", "Inuktitut", "inuktitut", &["iku", "ike"], &[]),
    language("ja", "Japanese", "japonais", &["jpn"], &[]),
    language("km", "Khmer", "khmer", &["khm"], &["cambodian"]),
    language("ko", "Korean", "coréen", &["kor"], &[]),
    language("ku", "Kurdish", "kurde", &["kur", "kmr"], &[]),
    language("lo", "Lao", "laotien", &["lao"], &["laotian"]),
    language("mic", "Mi'kmaq", "micmac", &[], &["mikmaq", "mi'kmaw"]),
    language("moh", "Mohawk", "mohawk", &[], &["kanien'keha"]),
    language("ne", "Nepali", "népalais", &["nep", "npi"], &[]),
    language("nl", "Dutch", "néerlandais", &["nld", "dut"], &[]),
    language("oj", "Ojibwe", "ojibwé", &["oji", "ojg"], &["ojibway", "anishinaabemowin"]),
    language("oka", "Okanagan", "okanagan", &[], &["syilx", "nsyilxcen"]),
    language("pa", "Punjabi", "pendjabi", &["pan"], &["panjabi"]),
    language("pl", "Polish", "polonais", &["pol"], &[]),
    language("prs", "Dari", "dari", &[], &[]),
    language("ps", "Pashto", "pachto", &["pus", "pbu"], &[]),
    language("pt", "Portuguese", "portugais", &["por"], &[]),
    language("ro", "Romanian", "roumain", &["ron", "rum"], &[]),
    language("ru", "Russian", "russe", &["rus"], &[]),
    language("so", "Somali", "somali", &["som"], &[]),
    language("sr", "Serbian", "serbe", &["srp"], &[]),
    language("sw", "Swahili", "swahili", &["swa", "swh"], &[]),
    language("ta", "Tamil", "tamoul", &["tam"], &[]),
    language("te", "Telugu", "télougou", &["tel"], &[]),
    language("th", "Thai", "thaï", &["tha"], &[]),
    language("ti", "Tigrinya", "tigrigna", &["tir"], &[]),
    language("tl", "Tagalog", "tagalog", &["tgl"], &[]),
    language("tr", "Turkish", "turc", &["tur"], &[]),
    language("uk", "Ukrainian", "ukrainien", &["ukr"], &[]),
    language("ur", "Urdu", "ourdou", &["urd"], &[]),
    language("vi", "Vietnamese", "vietnamien", &["vie"], &[]),
    language("yue", "Cantonese", "cantonais", &[], &[]),
    language("zh", "Chinese", "chinois", &["zho", "chi"], &[]),
];

/// Codes of ISO 639 that name no language, and words that stand in its place and are codes too, of languages of a few thousand people:
/// somebody who needs theirs is not to be told of every service that speaks "all".
const NONE: [&str; 9] = ["mis", "mul", "und", "zxx", "all", "any", "oth", "tba", "tbd"];
/// The longest tag that is kept.
const LONGEST: usize = 35;

/// The primary subtag as it is written: `pa` of `pa-Guru`.
pub fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}

/// The one code for the language of a tag, without script, region or variant: `en` of `en-CA` and of `eng`.
pub fn code(tag: &str) -> Cow<'_, str> {
    let primary = primary(tag);
    // Of two letters there is one code only.
    let has_others = primary.len() == 3;
    let is_other = |known: &&Language| has_others && known.codes.iter().any(|code| code.eq_ignore_ascii_case(primary));
    match LANGUAGES.iter().find(is_other) {
        Some(known) => Cow::Borrowed(known.code),
        None if primary.bytes().any(|letter| letter.is_ascii_uppercase()) => Cow::Owned(primary.to_ascii_lowercase()),
        None => Cow::Borrowed(primary),
    }
}

/// Whether two tags name the same language, in whatever region.
pub fn same(a: &str, b: &str) -> bool {
    let (a, b) = (primary(a), primary(b));
    a.eq_ignore_ascii_case(b) || (a.len().max(b.len()) == 3 && code(a) == code(b))
}

/// Whether a tag names French, of whatever region.
pub fn is_french(tag: &str) -> bool {
    same(tag, "fr")
}

/// The names of a language in English and French; the tag itself where we have none.
pub fn name(tag: &str) -> (&str, &str) {
    let code = code(tag);
    LANGUAGES.iter().find(|known| known.code == code).map_or((tag, tag), |known| (known.en, known.fr))
}

/// Whether a text has the form of a tag; see [`LANGUAGE_PATTERN`].
fn is_tag(text: &str) -> bool {
    static TAG: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(LANGUAGE_PATTERN).ok());
    TAG.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// The tag of a language whose name or tag directories give: `pa` of "Punjabi", `fr-CA` of itself. None where it is not known here.
pub fn read(text: &str) -> Option<String> {
    let (text, folded) = (text.trim(), fold(text));
    let tag = if text.contains('-') { text } else { folded.as_str() };
    let is_so_called = |known: &&Language| fold(known.en) == folded || fold(known.fr) == folded || known.names.contains(&folded.as_str());
    normal(tag).filter(|tag| is_known(tag)).or_else(|| LANGUAGES.iter().find(is_so_called).map(|known| known.code.to_owned()))
}

/// The tag of a code of ISO 639 or a whole tag, of any language that there is: `nso`, and `fr-CA` of `FR_CA`. None where it has not the
/// form of one, or says that there is no language to name.
fn read_code(text: &str) -> Option<String> {
    let text = text.trim().replace('_', "-");
    let primary = primary(&text).to_ascii_lowercase();
    let rest = text.get(primary.len()..)?;
    normal(&format!("{primary}{rest}")).filter(|_| !NONE.contains(&primary.as_str()))
}

/// The tag of a language that is given by a code, a name or both. A name that is known here is surer than a code that is not.
pub fn read_both(code: Option<&str>, name: Option<&str>) -> Option<String> {
    match code.and_then(read_code) {
        Some(tag) if is_known(&tag) => Some(tag),
        other => code.into_iter().chain(name).find_map(read).or(other),
    }
}

fn is_known(tag: &str) -> bool {
    LANGUAGES.iter().any(|known| known.code == primary(tag))
}

/// A tag with the one code for its language.
fn normal(tag: &str) -> Option<String> {
    (tag.len() <= LONGEST && is_tag(tag)).then(|| format!("{}{}", code(tag), tag.get(primary(tag).len()..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_language_is_read_by_its_codes_and_names() {
        let mut seen = HashSet::new();
        for Language { code: tag, en, fr, codes, names } in LANGUAGES {
            for text in codes.iter().chain([tag]) {
                assert_eq!((&*code(text), read(text).as_deref()), (*tag, Some(*tag)), "{text}");
                assert_eq!((read_code(&text.to_uppercase()).as_deref(), name(text)), (Some(*tag), (*en, *fr)), "{text}");
                assert!(seen.insert(*text), "{text} stands twice");
            }
            for text in names.iter().chain([en, fr]) {
                assert_eq!(read(text).as_deref(), Some(*tag), "{text}");
            }
            for name in *names {
                assert_eq!(fold(name), *name);
            }
        }
    }

    #[test]
    fn a_language_has_its_name_in_every_region() {
        assert_eq!(name("pa-Guru"), ("Punjabi", "pendjabi"));
        assert_eq!(name("fr-CA").1, "français");
        assert_eq!(name("xx"), ("xx", "xx"));
    }

    #[test]
    fn a_language_is_the_same_in_every_region_and_by_every_code() {
        assert!(same("fr-CA", "FR") && same("asl", "ase") && same("pan", "pa-Guru") && same("xyz", "xyz-CA"));
        assert!(!same("fr", "frr") && !same("ase", "fcs") && !same("cmn", "yue"));
        assert!(is_french("fr-CA") && is_french("fra") && !is_french("frr"));
    }

    #[test]
    fn words_are_read_with_care_and_codes_as_they_stand() {
        assert_eq!([" Français ", "fr-CA", "EN"].map(|text| read(text).unwrap()), ["fr", "fr-CA", "en"]);
        assert!(["no", "nso", "EN-FR", "Language 375", "375", ""].iter().all(|text| read(text).is_none()));
        assert_eq!(["nso", "FR_ca", " pan ", "ASL"].map(|text| read_code(text).unwrap()), ["nso", "fr-ca", "pa", "ase"]);
        assert!(["und", "ZXX", "ALL", "tbd", "Punjabi", "375", "é-x", ""].iter().all(|text| read_code(text).is_none()));
    }

    #[test]
    fn a_code_stands_before_a_name_as_far_as_it_is_known() {
        let both = |code, name| read_both(Some(code), Some(name));
        assert_eq!(both("ase", "American Sign Language").as_deref(), Some("ase"));
        assert_eq!(both("fr_CA", "English").as_deref(), Some("fr-CA"));
        assert_eq!(both("pnb", "Punjabi").as_deref(), Some("pa"));
        assert_eq!(both("nso", "Northern Sotho").as_deref(), Some("nso"));
        assert_eq!(both("Punjabi", "Klingon").as_deref(), Some("pa"));
        assert_eq!((both("und", "Klingon"), both("ALL", "All languages"), read_both(None, None)), (None, None, None));
    }

    /// The macro that writes the published schema takes no constant.
    #[test]
    fn every_published_tag_has_the_form_of_a_tag() {
        let document = serde_json::to_string(&crate::openapi::document()).unwrap();
        let patterns: Vec<&str> = document.split("\"pattern\":\"").skip(1).filter(|rest| rest.starts_with("^[a-z]{2,3}(")).collect();
        assert!(patterns.len() > 5 && patterns.iter().all(|rest| rest.starts_with(&format!("{LANGUAGE_PATTERN}\""))));
    }
}
