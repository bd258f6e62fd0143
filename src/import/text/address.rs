//! Addresses in one line, and texts in an address field that are none: telephone services, whole provinces, hidden shelters.

use super::{fold, pattern};
use crate::postal_codes;
use crate::services::model::{AreaKind, ServiceArea};
use crate::types::{Address, DeliveryMode};

/// Where a text of an address field says the service is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Whereabouts {
    /// The address, where the text is one that a person can go to.
    pub address: Option<Address>,
    /// Areas it names instead of a place, or beside it.
    pub areas: Vec<ServiceArea>,
    /// Ways in which it says it reaches people.
    pub modes: Vec<DeliveryMode>,
    /// Words beside the address, such as "behind the library".
    pub remark: Option<String>,
    /// Why the text is no address; see the codes of [`super::super::Notice`].
    pub unlike: Option<&'static str>,
}

/// The provinces and territories of Canada: code, English name, French name.
const PROVINCES: &[(&str, &str, &str)] = &[
    ("AB", "alberta", "alberta"),
    ("BC", "british columbia", "colombie-britannique"),
    ("MB", "manitoba", "manitoba"),
    ("NB", "new brunswick", "nouveau-brunswick"),
    ("NL", "newfoundland and labrador", "terre-neuve-et-labrador"),
    ("NS", "nova scotia", "nouvelle-ecosse"),
    ("NT", "northwest territories", "territoires du nord-ouest"),
    ("NU", "nunavut", "nunavut"),
    ("ON", "ontario", "ontario"),
    ("PE", "prince edward island", "ile-du-prince-edouard"),
    ("QC", "quebec", "quebec"),
    ("SK", "saskatchewan", "saskatchewan"),
    ("YT", "yukon", "yukon"),
];

/// An area by its name alone: a country, a province, or words.
pub fn area(name: &str) -> ServiceArea {
    let folded = fold(name.trim());
    let of = |kind, value: &str| ServiceArea { kind, value: value.to_owned(), ring: Vec::new() };
    match folded.as_str() {
        "canada" | "ca" | "national" | "canada-wide" => of(AreaKind::Country, "CA"),
        "united states" | "usa" | "us" => of(AreaKind::Country, "US"),
        name_folded => match province(name_folded) {
            Some(code) => of(AreaKind::Region, &format!("CA-{code}")),
            None => of(AreaKind::Text, name.trim()),
        },
    }
}

fn province(folded: &str) -> Option<&'static str> {
    let name = folded.strip_prefix("ca-").unwrap_or(folded);
    PROVINCES.iter().find(|(code, en, fr)| name.eq_ignore_ascii_case(code) || name == *en || name == *fr).map(|(code, ..)| *code)
}

/// Reads the text of an address field. `region` and `country` are those of the source and fill what the text leaves out.
pub fn read(text: &str, region: Option<&str>, country: &str) -> Whereabouts {
    let folded = fold(text);
    pattern!(
        HIDDEN,
        r"\bconfidential|\bcontact for location|\bcall for (access|location)|\blocation (is )?(undisclosed|withheld)|\bconfidentiel"
    );
    pattern!(
        NOWHERE,
        r"(?x) \b(phone|telephone|text|online|virtual|virtuel|internet|web|chat|mobile|app|video) \b [\s/,&a-z]{0,40}? \b(service|services|resource|support|app|chat|based|download|outreach)\b
        | ^(online|virtual|remote|telephone|phone|en\sligne|a\sdistance)\b
        | -wide\b | \bavailable\s(anywhere|across|throughout|province) | \b(various|multiple|several|participating)\b | \bdivers(es)?\b
        | \bhome\sdelivery\b | \bin\syour\shome\b | ^call\b | ^services?\sprovided | ^moved\sto\b | \bserving\s(province|northern|all)"
    );
    pattern!(POST, r"\b(p\.?\s?o\.?\s?box|post office box|case postale|mailing (only|address)|pmb \d)\b");
    pattern!(OFFICE, r"\(\s*(head office|mailing only|siege social)\s*\)");

    let mut whereabouts = Whereabouts { areas: areas(&folded, text), modes: modes(&folded), ..Whereabouts::default() };
    let nowhere = NOWHERE.find(&folded);
    whereabouts.unlike = if HIDDEN.is_match(&folded) {
        Some("address_confidential")
    } else if POST.is_match(&folded) || OFFICE.is_match(&folded) {
        Some("address_postal")
    } else if nowhere.is_some_and(|found| !begins_with_street(&folded, found.start())) {
        Some("not_an_address")
    } else {
        None
    };
    match whereabouts.unlike {
        Some("not_an_address") => return whereabouts,
        // Where something is hidden, or gets its mail, says nothing of whom it takes.
        Some(unlike) => return Whereabouts { unlike: Some(unlike), ..Whereabouts::default() },
        None => {}
    }
    // Words about reach after a real address do not take the address away, nor do they say where the service goes.
    whereabouts.modes.clear();
    whereabouts.areas.clear();
    match postal(text, region, country) {
        Some((address, remark)) => {
            whereabouts.address = Some(address);
            whereabouts.remark = remark;
        }
        None => {
            whereabouts.unlike = Some("address_not_understood");
            // A house number and a street are worth showing even where town and province could not be told apart.
            if begins_with_street(&folded, usize::MAX) {
                whereabouts.address = Some(Address {
                    line1: super::plain(text),
                    region: region.map(str::to_owned),
                    country: Some(country.to_owned()),
                    ..Address::default()
                });
            }
        }
    }
    whereabouts
}

/// True where a house number and a street stand before the given position.
fn begins_with_street(folded: &str, position: usize) -> bool {
    pattern!(STREET, r"^#?\d+[a-z]?(-\d+)?\s+[a-z]");
    position > 8 && STREET.is_match(folded)
}

fn postal(text: &str, region: Option<&str>, country: &str) -> Option<(Address, Option<String>)> {
    pattern!(
        TAIL,
        r"(?x)^(?P<before>.+?) ,?\s+
          (?: (?P<region>AB|BC|MB|NB|NL|NS|NT|NU|ON|PE|QC|SK|YT
                | A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY])
              \.? (?: ,?\s+ (?P<code> [A-Za-z]\d[A-Za-z][\s-]?\d[A-Za-z]\d | \d{5}(?:-\d{4})? ) )?
            | (?P<alone> [A-Za-z]\d[A-Za-z][\s-]?\d[A-Za-z]\d ) )
          (?: ,?\s+ (?:Canada|USA|United\ States) )?
          (?P<after> \s*[(.;,] .* | \s* )$"
    );
    pattern!(REMARK, r"\s*\(([^()]*)\)");
    let parts = TAIL.captures(text.trim())?;
    let part = |name| parts.name(name).map(|part| part.as_str().trim()).filter(|part| !part.is_empty());
    let code = part("code").or_else(|| part("alone"));
    let written = part("region").or_else(|| postal_codes::province(&postal_codes::compact(code?)))?;
    let home = country_of(written, code, country);
    let before = REMARK.replace_all(part("before")?, "").into_owned();
    let mut remarks: Vec<&str> = REMARK.captures_iter(text).filter_map(|found| found.get(1)).map(|inner| inner.as_str().trim()).collect();
    let after = part("after").map(|after| REMARK.replace_all(after, "").trim_matches(|c: char| ".;, ".contains(c)).to_owned());
    remarks.extend(after.as_deref().filter(|after| !after.is_empty()));
    let remark = (!remarks.is_empty()).then(|| remarks.join("; "));
    let mut lines: Vec<&str> = before.split(',').map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.pop()?;
    pattern!(UNIT, r"(?i)^(unit|suite|apt|bureau|#)");
    let city = if UNIT.is_match(last) { lines.pop()? } else { last };
    lines.extend((city != last).then_some(last));
    let mut lines = lines.into_iter();
    let line1 = lines.next().map(str::to_owned);
    let line2: Vec<&str> = lines.collect();
    // "Kelowna & West Kelowna, BC" and "Okanagan, BC": towns, or a whole region, without a street.
    if line1.is_none() && (city.contains('&') || city.contains(" and ")) {
        return None;
    }
    let address = Address {
        line1,
        line2: (!line2.is_empty()).then(|| line2.join(", ")),
        city: Some(city.to_owned()),
        region: Some(written.to_owned()).or_else(|| region.map(str::to_owned)),
        postal_code: code.map(|code| postal_codes::written(code, &home)),
        country: Some(home),
    };
    Some((address, remark))
}

fn country_of(region: &str, code: Option<&str>, default: &str) -> String {
    let is_province = PROVINCES.iter().any(|(known, ..)| *known == region);
    match code.and_then(|code| code.chars().next()) {
        Some(first) if first.is_ascii_digit() => "US".into(),
        Some(_) => "CA".into(),
        None if is_province => "CA".into(),
        None if default == "CA" => "US".into(),
        None => default.to_owned(),
    }
}

fn areas(folded: &str, text: &str) -> Vec<ServiceArea> {
    pattern!(COUNTRY, r"\bcanada-wide\b|\bacross canada\b|\bnational\b|\bpartout au canada\b");
    pattern!(
        REGIONS,
        r"(?:- |\band |\bin |\bacross |\bthroughout )(ab|bc|mb|nb|nl|ns|on|pe|qc|sk|yt|yukon|ontario|quebec|alberta|manitoba|british columbia)(?:$|[.;,]| -| and\b)|\b(ab|bc|mb|nb|nl|ns|on|pe|qc|sk|yt|ontario|quebec|alberta|manitoba)-wide\b"
    );
    pattern!(WITHIN, r"(?i)\b(?:throughout|in|for|service -) ([A-Z][\w'’-]+(?:(?:,? (?:&|and) |, | )[A-Z][\w'’-]+)*(?: (?:region|area))?)");
    let mut areas = Vec::new();
    if COUNTRY.is_match(folded) {
        areas.push(area("canada"));
    }
    // Names follow one another through "and", which one match would swallow from the next.
    let mut position = 0;
    while let Some(name) = REGIONS.captures_at(folded, position).and_then(|found| found.get(1).or_else(|| found.get(2))) {
        let area = area(name.as_str());
        if area.kind == AreaKind::Region && !areas.contains(&area) {
            areas.push(area);
        }
        position = name.end();
    }
    if areas.is_empty()
        && let Some(words) = WITHIN.captures(text).and_then(|found| found.get(1))
        && words.as_str().starts_with(char::is_uppercase)
    {
        areas.push(ServiceArea { kind: AreaKind::Text, value: words.as_str().to_owned(), ring: Vec::new() });
    }
    areas
}

fn modes(folded: &str) -> Vec<DeliveryMode> {
    pattern!(PHONE, r"\b(tele)?phone\b|^call\b.*\bappointment");
    pattern!(TEXT, r"\btext\b|\bchat\b|\bsms\b|\bclavardage\b");
    pattern!(ONLINE, r"\bonline resource\b|\bmobile app\b|\bwebsite only\b");
    pattern!(HOME, r"\bin your home\b|\bhome (delivery|visits?)\b|\ba domicile\b");
    [
        (PHONE.is_match(folded), DeliveryMode::Phone),
        (TEXT.is_match(folded), DeliveryMode::TextChat),
        (ONLINE.is_match(folded), DeliveryMode::Online),
        (HOME.is_match(folded), DeliveryMode::HomeVisit),
    ]
    .into_iter()
    .filter_map(|(is_said, mode)| is_said.then_some(mode))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let read = read(text, Some("BC"), "CA");
        match read.address {
            Some(a) => {
                let parts = [a.line1, a.line2, a.city, a.region, a.postal_code, a.country, read.remark.map(|r| format!("({r})"))];
                parts.into_iter().flatten().collect::<Vec<_>>().join("|")
            }
            None => {
                let areas: Vec<String> = read.areas.iter().map(|a| format!("{}:{}", a.kind, a.value)).collect();
                let modes: Vec<&str> = read.modes.iter().map(|m| m.as_str()).collect();
                format!("{} {} {}", read.unlike.unwrap_or("?"), areas.join(","), modes.join(",")).trim().to_owned()
            }
        }
    }

    #[test]
    fn an_address_in_one_line_is_taken_apart() {
        assert_eq!(shown("2310 Enterprise Way, Kelowna, BC V1X 4H7"), "2310 Enterprise Way|Kelowna|BC|V1X 4H7|CA");
        assert_eq!(shown("263 Weller Ave, Unit 4, Kingston, ON K7K2V4"), "263 Weller Ave|Unit 4|Kingston|ON|K7K 2V4|CA");
        assert_eq!(shown("103 - 555 4th Street, Courtenay, BC  V9N 1H3"), "103 - 555 4th Street|Courtenay|BC|V9N 1H3|CA");
        assert_eq!(
            shown("705 Division St, Kingston, ON K7K 4C2 (Inside Police HQ)"),
            "705 Division St|Kingston|ON|K7K 4C2|CA|(Inside Police HQ)"
        );
        assert_eq!(
            shown("251 Leon Ave, Kelowna, BC V1Y 9T9. Mobile Outreach: Various locations (see hours)").split('|').next(),
            Some("251 Leon Ave")
        );
        assert_eq!(shown("Queensway Bus Loop, Kelowna, BC"), "Queensway Bus Loop|Kelowna|BC|CA");
        assert_eq!(shown("Kelowna, BC"), "Kelowna|BC|CA");
        assert_eq!(shown("11861 - 88th Avenue, Delta, Unit 310, V4C 3C6"), "11861 - 88th Avenue|Unit 310|Delta|BC|V4C 3C6|CA");
        assert_eq!(shown("157 Nipisa St, Iqaluit, X0A 0H0"), "157 Nipisa St|Iqaluit|NU|X0A 0H0|CA");
        assert_eq!(shown("12 Main St, Oregon, OH 43616"), "12 Main St|Oregon|OH|43616|US");
    }

    #[test]
    fn a_text_that_is_no_address_says_what_it_is_instead() {
        assert_eq!(shown("Phone service - Canada-wide"), "not_an_address country:CA phone");
        assert_eq!(shown("Phone service - BC and Yukon"), "not_an_address region:CA-BC,region:CA-YT phone");
        assert_eq!(shown("Phone/text service available anywhere"), "not_an_address  phone,text_chat");
        assert_eq!(shown("Various locations in Kelowna - call for nearest clinic"), "not_an_address text:Kelowna");
        assert_eq!(shown("Services provided in your home - call KCR to register"), "not_an_address  home_visit");
        assert_eq!(shown("Phone service - Interior BC"), "not_an_address text:Interior BC phone");
        assert_eq!(shown("Confidential, Kelowna, BC"), "address_confidential");
        assert_eq!(shown("P.O. Box 40569, Etobicoke, ON M9B 6K8 (Mailing only)").split(' ').next(), Some("address_postal"));
        assert_eq!(shown("548 Market Street, PMB 15337, San Francisco, CA 94104 (Head Office)").split(' ').next(), Some("address_postal"));
        assert_eq!(shown("Virtual Service (National)"), "not_an_address country:CA");
        assert_eq!(shown("Available across Canada"), "not_an_address country:CA");
        assert_eq!(shown("Kelowna & West Kelowna, BC"), "address_not_understood");
        assert_eq!(shown("Downtown Kelowna"), "address_not_understood");
        assert_eq!(
            shown("Multiple locations - Kalano Club: 2108 Vasile Road, Kelowna, BC V1Y 6H5").split(' ').next(),
            Some("not_an_address")
        );
    }

    #[test]
    fn an_area_is_known_by_its_name() {
        assert_eq!(area("British Columbia").value, "CA-BC");
        assert_eq!(area("Québec").value, "CA-QC");
        assert_eq!(area("Canada").kind, AreaKind::Country);
        assert_eq!(area("Alder Valley").kind, AreaKind::Text);
    }
}
