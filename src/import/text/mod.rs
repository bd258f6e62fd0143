//! What the words of a directory say: telephones, hours, addresses, ages, prices, languages.
//!
//! Each reader takes a whole text and answers only when it understood all of it that matters; the caller keeps the words either way.
//! A guess would send somebody to a closed door.

pub mod address;
pub mod cost;
pub mod eligibility;
pub mod hours;
pub mod languages;
pub mod phones;

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

pub use crate::text::fold;

/// Declares a pattern that is compiled once.
macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| $crate::import::text::compile($text));
    };
}
pub(crate) use pattern;

/// Compiles a pattern of this program.
#[expect(clippy::expect_used, reason = "the patterns are constants, and every one is compiled by a test")]
pub(crate) fn compile(text: &str) -> Regex {
    Regex::new(text).expect("a pattern of the program compiles")
}

static CITATION: LazyLock<Regex> = LazyLock::new(|| compile(r"\s*\[\d{1,3}\]"));
static TAG: LazyLock<Regex> = LazyLock::new(|| compile(r"(?s)</?[a-zA-Z][^<>]{0,300}>"));

/// Plain text: markup and control characters removed, outer white space cut; `None` where nothing is left.
pub fn plain(text: &str) -> Option<String> {
    let text = if text.contains('<') { TAG.replace_all(text, " ") } else { Cow::Borrowed(text) };
    let text = if text.contains('&') { Cow::Owned(unescape(&text)) } else { text };
    let kept = if text.contains(char::is_control) {
        Cow::Owned(text.replace("\r\n", "\n").chars().filter(|c| !c.is_control() || *c == '\n').collect::<String>())
    } else {
        text
    };
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

fn unescape(text: &str) -> String {
    [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

/// The text without citation marks such as `[51]`; `None` where it had none.
pub fn without_citations(text: &str) -> Option<String> {
    if !text.contains('[') {
        return None;
    }
    match CITATION.replace_all(text, "") {
        Cow::Borrowed(_) => None,
        Cow::Owned(text) => Some(text),
    }
}

/// Letters and digits of the folded text, joined by hyphens.
pub fn slug(text: &str) -> String {
    let folded = fold(text);
    let mut words = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut slug = words.next().unwrap_or_default().to_owned();
    for word in words {
        slug.push('-');
        slug.push_str(word);
    }
    slug
}

/// True for an address that mail could be sent to, as far as its form goes.
pub fn is_email(text: &str) -> bool {
    static EMAIL: LazyLock<Regex> = LazyLock::new(|| compile(r"^[^\s@<>,;]+@[^\s@<>,;.]+(\.[^\s@<>,;.]+)+$"));
    EMAIL.is_match(text)
}

/// True for a web address, with or without its scheme.
pub fn is_url(text: &str) -> bool {
    static URL: LazyLock<Regex> = LazyLock::new(|| compile(r"(?i)^(https?://)?[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)+([:/?#][^\s]*)?$"));
    URL.is_match(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_controls_and_citations_go() {
        assert_eq!(plain(" <p>Warm&nbsp;meals &amp; coats</p>\u{0} "), Some("Warm meals & coats".into()));
        assert_eq!(plain("a < b > c"), Some("a < b > c".into()));
        assert_eq!(plain(" \n"), None);
        assert_eq!(without_citations("Open daily.[51] Free [2]."), Some("Open daily. Free.".into()));
        assert_eq!(without_citations("Open [daily]"), None);
    }

    #[test]
    fn folding_and_slugs() {
        assert_eq!(fold("Été – l’École"), "ete - l'ecole");
        assert_eq!(slug("St. Mary’s  Food-Bank (Éast)"), "st-mary-s-food-bank-east");
    }

    #[test]
    fn forms_of_mail_and_web_addresses() {
        assert!(is_email("a@b.ca") && !is_email("Visit website") && !is_email("a@b") && !is_email("a@b.ca, c@d.ca"));
        assert!(is_url("https://x.ca/a?b#c") && is_url("www.x.ca") && !is_url("see our page") && !is_url("none"));
    }
}
