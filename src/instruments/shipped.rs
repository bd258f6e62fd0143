//! The instruments that come with Kith: those whose licence lets their wording be passed on. The files stand in `instruments/`.

use std::sync::LazyLock;

use super::definition::InstrumentInput;

const FILES: &[&str] = &[
    include_str!("../../instruments/ahc-hrsn-core.json"),
    include_str!("../../instruments/ahc-hrsn-supplemental.json"),
    include_str!("../../instruments/ends-meet.json"),
    include_str!("../../instruments/gad-2.json"),
    include_str!("../../instruments/gad-7.json"),
    include_str!("../../instruments/hunger-vital-sign.json"),
    include_str!("../../instruments/nhanes-social-connection.json"),
    include_str!("../../instruments/ons-loneliness-direct.json"),
    include_str!("../../instruments/ons4.json"),
    include_str!("../../instruments/phq-2.json"),
    include_str!("../../instruments/phq-9.json"),
];

/// The shipped instruments, by code.
pub fn instruments() -> &'static [InstrumentInput] {
    static INSTRUMENTS: LazyLock<Vec<InstrumentInput>> =
        LazyLock::new(|| FILES.iter().filter_map(|file| serde_json::from_str(file).ok()).collect());
    &INSTRUMENTS
}

/// The shipped instrument with this code.
#[cfg(test)]
pub fn find(code: &str) -> Option<&'static InstrumentInput> {
    instruments().iter().find(|instrument| instrument.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_an_instrument() {
        for file in FILES {
            serde_json::from_str::<InstrumentInput>(file).unwrap();
        }
        let codes: Vec<_> = instruments().iter().map(|instrument| instrument.code.as_str()).collect();
        assert!(codes.is_sorted() && codes.len() == FILES.len(), "{codes:?}");
    }

    #[test]
    fn every_instrument_states_its_licence_and_its_sources() {
        for instrument in instruments() {
            let loinc = serde_json::to_string(instrument).unwrap().contains("http://loinc.org\"");
            assert!(!instrument.sources.is_empty(), "{}", instrument.code);
            assert_eq!(loinc, instrument.licence.loinc_notice.is_some(), "{}", instrument.code);
        }
    }

    #[test]
    fn wording_that_is_not_free_is_not_carried() {
        let core = find("ahc-hrsn-core").unwrap();
        let withheld: Vec<_> = core.items.iter().filter(|item| item.text_withheld.is_some()).collect();
        assert_eq!(withheld.len(), 4);
        assert!(withheld.iter().all(|item| item.text.is_none() && item.is_sensitive));
    }
}
