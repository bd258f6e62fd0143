//! Points on the map, in cells of a twentieth of a degree: some 5.5 km from south to north.

use std::collections::HashMap;

use geo::{Distance, Haversine};
use roaring::RoaringBitmap;

use super::vocabulary::Slot;
use crate::types::Point;

const CELLS_A_DEGREE: f64 = 20.0;
/// A little under the metres of a degree on the smallest circle of the earth, so that boxes come out too large, never too small.
const METRES_A_DEGREE: f64 = 110_000.0;

/// Great-circle distance in metres.
pub fn distance_m(a: Point, b: Point) -> f64 {
    Haversine.distance(geo::Point::new(a.longitude, a.latitude), geo::Point::new(b.longitude, b.latitude))
}

/// A rectangle of the map. Where `west` is greater than `east` it crosses the 180th meridian.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Degrees east of its left side.
    pub west: f64,
    /// Degrees north of its lower side.
    pub south: f64,
    /// Degrees east of its right side.
    pub east: f64,
    /// Degrees north of its upper side.
    pub north: f64,
}

impl Bounds {
    /// The smallest rectangle that is sure to hold the circle.
    pub fn around(centre: Point, radius_m: f64) -> Self {
        let height = radius_m / METRES_A_DEGREE;
        let (south, north) = (centre.latitude - height, centre.latitude + height);
        let width = height / south.abs().max(north.abs()).to_radians().cos();
        if south <= -90.0 || north >= 90.0 || !(0.0..180.0).contains(&width) {
            return Self { west: -180.0, south: south.max(-90.0), east: 180.0, north: north.min(90.0) };
        }
        let wrap = |longitude: f64| {
            if longitude < -180.0 {
                longitude + 360.0
            } else if longitude > 180.0 {
                longitude - 360.0
            } else {
                longitude
            }
        };
        Self { west: wrap(centre.longitude - width), south, east: wrap(centre.longitude + width), north }
    }

    /// Whether the point lies in it, sides included.
    pub fn contains(&self, point: Point) -> bool {
        let between = (self.west..=self.east).contains(&point.longitude);
        let across = self.west > self.east && (point.longitude >= self.west || point.longitude <= self.east);
        (self.south..=self.north).contains(&point.latitude) && (between || across)
    }
}

type Cell = (i16, i16);

fn row(latitude: f64) -> i16 {
    (latitude * CELLS_A_DEGREE).floor() as i16
}

/// Which services have a point in which cell.
#[derive(Debug, Default)]
pub(in crate::services) struct Grid(HashMap<Cell, Vec<Slot>>);

impl Grid {
    pub(super) fn add(&mut self, point: Point, slot: Slot) {
        self.0.entry((row(point.latitude), row(point.longitude))).or_default().push(slot);
    }

    pub(super) fn remove(&mut self, point: Point, slot: Slot) {
        let cell = (row(point.latitude), row(point.longitude));
        if let Some(slots) = self.0.get_mut(&cell) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.0.remove(&cell);
            }
        }
    }

    /// The services with a point in one of the cells that the rectangle touches.
    pub(in crate::services) fn within(&self, bounds: &Bounds) -> RoaringBitmap {
        let rows = row(bounds.south)..=row(bounds.north);
        let (first, last) = (row(bounds.west), row(bounds.east));
        let columns = if bounds.west <= bounds.east { vec![first..=last] } else { vec![first..=row(180.0), row(-180.0)..=last] };
        let asked = rows.clone().count() * columns.iter().map(|columns| columns.clone().count()).sum::<usize>();
        let mut slots: Vec<Slot> = if asked > self.0.len() {
            let touched = |(row, column): &Cell| rows.contains(row) && columns.iter().any(|columns| columns.contains(column));
            self.0.iter().filter(|(cell, _)| touched(cell)).flat_map(|(_, slots)| slots).copied().collect()
        } else {
            let cells = rows.flat_map(|row| columns.iter().flat_map(move |columns| columns.clone().map(move |column| (row, column))));
            cells.filter_map(|cell| self.0.get(&cell)).flatten().copied().collect()
        };
        slots.sort_unstable();
        slots.dedup();
        // They rise, so that there is nothing to be refused.
        RoaringBitmap::from_sorted_iter(slots).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point() -> impl Strategy<Value = Point> {
        (-90.0..=90.0f64, -180.0..=180.0f64).prop_map(|(latitude, longitude)| Point { latitude, longitude })
    }

    #[test]
    fn distances_are_metres() {
        let (kelowna, vernon) = (Point { latitude: 49.888, longitude: -119.496 }, Point { latitude: 50.267, longitude: -119.272 });
        assert!((distance_m(kelowna, vernon) - 45_100.0).abs() < 500.0, "{}", distance_m(kelowna, vernon));
    }

    proptest! {
        #[test]
        fn a_box_around_a_circle_holds_it(centre in point(), other in point(), kilometres in 1.0..2_000.0f64) {
            let bounds = Bounds::around(centre, kilometres * 1_000.0);
            if distance_m(centre, other) <= kilometres * 1_000.0 {
                prop_assert!(bounds.contains(other), "{:?}", bounds);
            }
        }

        #[test]
        fn the_grid_finds_all_that_lies_in_a_box(points in prop::collection::vec(point(), 1..40), corner in point(), other in point()) {
            let mut grid = Grid::default();
            for (slot, point) in (0..).zip(&points) {
                grid.add(*point, slot);
            }
            let (south, north) = (corner.latitude.min(other.latitude), corner.latitude.max(other.latitude));
            let bounds = Bounds { west: corner.longitude, south, east: other.longitude, north };
            let found = grid.within(&bounds);
            for (slot, point) in (0..).zip(&points) {
                prop_assert!(!bounds.contains(*point) || found.contains(slot));
            }
        }
    }
}
