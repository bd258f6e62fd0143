//! The provinces and territories of Canada: how people write them, which lie beside each other, and what their clocks show.

use chrono_tz::{America, Tz};

use crate::text::fold;
use crate::types::Address;

/// A province or territory of Canada.
#[derive(Debug, PartialEq, Eq)]
pub struct Province {
    /// Its ISO 3166-2 code without the country.
    pub code: &'static str,
    /// What people write, in English and in French, whole or cut short, without accents and with letters only.
    names: &'static [&'static str],
    /// Those that it borders on or has a ferry to.
    pub neighbours: &'static [&'static str],
    /// Its time zones, the one that most people live by first.
    pub zones: &'static [Tz],
}

impl Province {
    /// The time zone of somebody there: the one that is usual for them, where it is one of the province; else that of most people.
    pub fn zone(&self, usual: Option<Tz>) -> Option<Tz> {
        usual.filter(|zone| self.zones.contains(zone)).or(self.zones.first().copied())
    }
}

/// All thirteen.
const PROVINCES: &[Province] = &[
    Province { code: "AB", names: &["alberta", "alta"], neighbours: &["BC", "SK", "NT"], zones: &[America::Edmonton] },
    Province {
        code: "BC",
        names: &["britishcolumbia", "colombiebritannique", "cb"],
        neighbours: &["AB", "YT", "NT"],
        zones: &[America::Vancouver, America::Edmonton, America::Creston, America::Dawson_Creek, America::Fort_Nelson],
    },
    Province { code: "MB", names: &["manitoba", "man"], neighbours: &["SK", "ON", "NU"], zones: &[America::Winnipeg] },
    Province {
        code: "NB",
        names: &["newbrunswick", "nouveaubrunswick"],
        neighbours: &["QC", "NS", "PE"],
        zones: &[America::Moncton, America::Halifax],
    },
    Province {
        code: "NL",
        names: &["newfoundlandandlabrador", "newfoundlandlabrador", "newfoundland", "nfld", "terreneuveetlabrador", "terreneuve", "tnl"],
        neighbours: &["QC", "NS"],
        zones: &[America::St_Johns, America::Goose_Bay],
    },
    Province {
        code: "NS",
        names: &["novascotia", "nouvelleecosse"],
        neighbours: &["NB", "PE", "NL", "QC"],
        zones: &[America::Halifax, America::Glace_Bay],
    },
    Province {
        code: "NT",
        names: &["northwestterritories", "nwt", "territoiresdunordouest", "tno"],
        neighbours: &["YT", "NU", "BC", "AB", "SK"],
        zones: &[America::Yellowknife, America::Inuvik],
    },
    Province {
        code: "NU",
        names: &["nunavut"],
        neighbours: &["NT", "MB"],
        zones: &[America::Iqaluit, America::Rankin_Inlet, America::Cambridge_Bay],
    },
    Province {
        code: "ON",
        names: &["ontario", "ont"],
        neighbours: &["MB", "QC"],
        zones: &[America::Toronto, America::Winnipeg, America::Thunder_Bay, America::Rainy_River, America::Atikokan],
    },
    Province {
        code: "PE",
        names: &["princeedwardisland", "pei", "ileduprinceedouard", "ipe"],
        neighbours: &["NB", "NS", "QC"],
        zones: &[America::Halifax],
    },
    Province {
        code: "QC",
        names: &["quebec", "que", "pq"],
        neighbours: &["ON", "NB", "NL", "NS", "PE"],
        zones: &[America::Toronto, America::Montreal, America::Halifax, America::BlancSablon],
    },
    Province {
        code: "SK",
        names: &["saskatchewan", "sask"],
        neighbours: &["AB", "MB", "NT"],
        zones: &[America::Regina, America::Swift_Current, America::Edmonton],
    },
    Province {
        code: "YT",
        names: &["yukon", "yukonterritory", "territoireduyukon"],
        neighbours: &["BC", "NT"],
        zones: &[America::Whitehorse, America::Dawson],
    },
];

/// The province that is meant: by its code, with the country or without, or by a name in whatever case, with or without accents and
/// points.
pub fn named(text: &str) -> Option<&'static Province> {
    let folded = fold(text);
    if folded.contains(|letter: char| !letter.is_alphanumeric() && !" .-'&".contains(letter)) {
        return None;
    }
    let letters: String = folded.chars().filter(|letter| letter.is_alphanumeric()).collect();
    let code = letters.strip_prefix("ca").unwrap_or(&letters);
    PROVINCES.iter().find(|province| province.code.eq_ignore_ascii_case(code) || province.names.contains(&letters.as_str()))
}

/// The province of an address that is in Canada.
pub fn of(address: &Address) -> Option<&'static Province> {
    address.region.as_deref().filter(|_| is_canada(address.country.as_deref())).and_then(named)
}

/// Whether the country is Canada, as it is where none is told.
pub fn is_canada(country: Option<&str>) -> bool {
    country.is_none_or(|country| country.eq_ignore_ascii_case("CA"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_province_is_known_by_all_that_people_write() {
        for (text, code) in [
            ("BC", "BC"),
            ("ca-bc", "BC"),
            ("B.C.", "BC"),
            ("C.-B.", "BC"),
            (" British  Columbia ", "BC"),
            ("Québec", "QC"),
            ("Î.-P.-É.", "PE"),
            ("Île-du-Prince-Édouard", "PE"),
            ("Territoires du Nord-Ouest", "NT"),
            ("Newfoundland & Labrador", "NL"),
        ] {
            assert_eq!(named(text).map(|province| province.code), Some(code), "{text}");
        }
        for text in ["", "CA", "Canada", "WA", "BC Interior", "Ontario?", "Okanagan"] {
            assert_eq!(named(text), None, "{text}");
        }
    }

    #[test]
    fn neighbours_are_neighbours_of_each_other() {
        for province in PROVINCES {
            for beside in province.neighbours {
                assert!(named(beside).unwrap().neighbours.contains(&province.code), "{} and {beside}", province.code);
            }
        }
    }
}
