//! The middles of postal codes, as far as the places of the directory tell them.

use std::collections::HashMap;

use crate::types::Point;

/// A place of a service.
#[derive(Debug)]
pub(super) struct Site {
    /// Its point, where distances can be taken from it.
    pub(super) point: Option<Point>,
    /// Its postal code, compact.
    pub(super) postcode: Option<Box<str>>,
}

/// The points of each code, summed up.
#[derive(Debug, Default)]
pub(super) struct Postcodes(HashMap<Box<str>, Sum>);

#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    points: u32,
    /// In units of a ten-millionth of a degree, so that what is taken away leaves nothing behind.
    latitude: i64,
    longitude: i64,
}

const UNITS: f64 = 1e7;

/// The code itself and the area it lies in: the first three letters of six (Canada), else the first five of nine digits (United States).
fn codes(code: &str) -> impl Iterator<Item = &str> {
    let area = match code.len() {
        6 => code.get(..3),
        9 => code.get(..5),
        _ => None,
    };
    std::iter::once(code).chain(area)
}

impl Postcodes {
    pub(super) fn add(&mut self, site: &Site) {
        self.count(site, 1);
    }

    pub(super) fn remove(&mut self, site: &Site) {
        self.count(site, -1);
    }

    #[expect(clippy::cast_possible_truncation, reason = "degrees in ten-millionths fit")]
    fn count(&mut self, site: &Site, by: i32) {
        let (Some(point), Some(postcode)) = (site.point, site.postcode.as_deref()) else { return };
        for code in codes(postcode).filter(|code| !code.is_empty()) {
            let sum = self.0.entry(code.into()).or_default();
            sum.points = sum.points.saturating_add_signed(by);
            sum.latitude += (point.latitude * UNITS).round() as i64 * i64::from(by);
            sum.longitude += (point.longitude * UNITS).round() as i64 * i64::from(by);
            if sum.points == 0 {
                self.0.remove(code);
            }
        }
    }

    /// The middle of a code, else of the area it lies in.
    pub(super) fn middle(&self, code: &str) -> Option<Point> {
        let sum = codes(code).find_map(|code| self.0.get(code))?;
        let mean = |total: i64| total as f64 / f64::from(sum.points) / UNITS;
        Some(Point { latitude: mean(sum.latitude), longitude: mean(sum.longitude) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postal_codes::compact;

    #[test]
    fn a_code_lies_amid_its_places_or_amid_those_of_its_area() {
        let site = |code: &str, latitude| Site { point: Some(Point { latitude, longitude: -119.5 }), postcode: Some(compact(code).into()) };
        let mut codes = Postcodes::default();
        let all = [site("v1y 6n2", 49.0), site("V1Y6N2", 50.0), site("V1Y 1A1", 52.0)];
        all.iter().for_each(|site| codes.add(site));
        let latitude = |codes: &Postcodes, code: &str| codes.middle(&compact(code)).map(|point| (point.latitude * 1e6).round() / 1e6);
        assert_eq!(latitude(&codes, "V1Y 6N2"), Some(49.5));
        assert_eq!(latitude(&codes, "V1Y 9Z9"), Some(50.333_333));
        assert_eq!(latitude(&codes, "V1Y"), Some(50.333_333));
        assert_eq!(latitude(&codes, "K7L 1A1"), None);
        all.iter().for_each(|site| codes.remove(site));
        assert!(codes.0.is_empty());
    }
}
