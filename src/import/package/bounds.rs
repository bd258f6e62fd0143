//! How much of a package is unfolded at once: a row that many records share is in memory with each of them.

use std::cell::Cell;

use serde_json::Value;

use super::{LOOSE, MOST_PARTS, Package, Row};
use crate::http::json::length;
use crate::import::hsds::shapes::LARGEST;

/// How often a row is read, at most, on the average of the rows that a package may have; in a small one oftener.
const MOST_TIMES: usize = 20;
const FEW_READ: usize = 10_000_000;
/// So many rows that are passed over without being read cost as much as one that is read.
const PASSED_A_ROW: usize = 16;

/// How many more rows are read to unfold the records of a package, for what many share is unfolded with each.
#[derive(Debug, Default)]
pub(super) struct Budget {
    records: Cell<usize>,
    /// Rows that belong to no record have as much for themselves: they share little.
    loose: Cell<usize>,
}

impl Budget {
    /// That of a package that may have so many rows.
    pub(super) fn of(most_rows: usize) -> Self {
        let most = most_rows.saturating_mul(MOST_TIMES).max(FEW_READ);
        Self { records: Cell::new(most), loose: Cell::new(most) }
    }
}

impl Package {
    /// A row with all that hangs on it, or why it is not taken.
    pub(super) fn unfolded(&self, table: &str, fields: Row, own: &mut Unfolded) -> Result<Value, String> {
        let is_loose = LOOSE.iter().any(|(loose, _)| *loose == table);
        let left = if is_loose { &self.budget.loose } else { &self.budget.records };
        if left.get() == 0 {
            return Err("what records of the package share would be unfolded too often".to_owned());
        }
        let value = Value::Object(self.nested(table, fields, 0, own));
        left.set(left.get().saturating_sub(own.cost()));
        own.fault().map_or(Ok(value), Err)
    }
}

/// Rows with all that hangs on them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Unfolded {
    rows: usize,
    bytes: usize,
    /// How many that hang on them were read and not taken, and how many others were looked at.
    left: usize,
    looks: usize,
}

impl Unfolded {
    /// Adds a row.
    pub(super) fn add(&mut self, row: &Row) {
        self.rows += 1;
        // A column's name is in memory with each of its cells, too.
        self.bytes += row.iter().map(|(name, cell)| name.len() + cell.as_str().map_or_else(|| length(cell), str::len)).sum::<usize>();
    }

    /// Notes that a row is looked at, and whether it was read and is not taken.
    pub(super) fn look(&mut self, is_left: bool) {
        self.left += usize::from(is_left);
        self.looks += usize::from(!is_left);
    }

    /// How many rows it cost to read.
    const fn cost(self) -> usize {
        self.rows + self.left + self.looks / PASSED_A_ROW
    }

    /// Adds a record.
    pub(super) fn join(&mut self, record: Self) {
        self.rows += record.rows;
        self.bytes += record.bytes;
    }

    /// Whether records that are read together are so large that none is to follow.
    pub(super) const fn is_full(self) -> bool {
        self.rows >= MOST_PARTS || self.bytes >= LARGEST
    }

    /// Whether it is more than one record may be.
    pub(super) const fn is_too_much(self) -> bool {
        self.rows > MOST_PARTS || self.bytes > LARGEST
    }

    /// Why a record of this size is not taken, where it is not.
    pub(super) fn fault(self) -> Option<String> {
        match self {
            Self { rows, .. } if rows > MOST_PARTS => Some(format!("more than {MOST_PARTS} rows hang on it")),
            Self { bytes, .. } if bytes > LARGEST => Some(format!("with all that hangs on it, it would be more than {LARGEST} bytes")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MOST_ROWS, Package};
    use super::*;
    use crate::import::read::{Of, Raw};

    fn package(files: &[(&str, &str)]) -> Package {
        let mut package = Package::new(MOST_ROWS);
        for (name, text) in files {
            package.read_table(name, text.as_bytes()).unwrap();
        }
        package
    }

    /// Everything, so many records at a time.
    fn all(package: &mut Package, most: usize) -> Vec<Vec<Raw>> {
        std::iter::from_fn(|| Some(package.next_records(most)).filter(|records| !records.is_empty())).collect()
    }

    #[test]
    fn rows_that_hang_on_each_other_without_end_are_refused_with_what_they_hang_on() {
        let attributes = format!("id,link_id\n{}Y1,Y\n", "X,X\n".repeat(30));
        let mut package = package(&[("services.csv", "id,name,status\nX,A,active\nY,B,active\n"), ("attributes.csv", attributes.as_str())]);
        // They are handed over one by one: together they are too much.
        let records = package.next_records(2);
        assert_eq!(records.len(), 1);
        assert_eq!((&records[0].value, records[0].id.as_deref()), (&Err("more than 100000 rows hang on it".into()), Some("X")));
        let records = package.next_records(2);
        assert_eq!(records[0].value.as_ref().unwrap()["attributes"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn an_organization_is_not_unfolded_with_its_services_beyond_measure() {
        // Names of columns are in memory with every cell.
        let name = "x".repeat(LARGEST / 4);
        let organizations = format!("id,a{name},b{name},c{name},d{name}\nO,1\nP,1,1,1,1\n");
        let services = "id,organization_id,name\n1,O,A\n2,O,A\n3,O,A\n4,O,A\n5,O,A\n6,P,A\n7,,A\n";
        let mut package = package(&[("organizations.csv", organizations.as_str()), ("services.csv", services)]);
        let mut counts = Vec::new();
        let mut faults = Vec::new();
        for records in all(&mut package, 500) {
            counts.push(records.len());
            faults.extend(records.into_iter().filter_map(|record| record.value.err()));
        }
        assert_eq!(counts, [2, 4, 2, 1], "what is handed over together is not much more than one record may be");
        assert_eq!(faults, vec![format!("with all that hangs on it, it would be more than {LARGEST} bytes"); 2]);
    }

    #[test]
    fn what_many_records_share_is_not_unfolded_with_each_without_end() {
        let phones: String = (0..100).map(|number| format!("p{number},O,250-555-{number:04}\n")).collect();
        let services: String = (0..100).map(|number| format!("s{number},O,A\n")).collect();
        let (phones, services) = (format!("id,organization_id,number\n{phones}"), format!("id,organization_id,name\n{services}"));
        let files = [("organizations.csv", "id,name\nO,B\n"), ("phones.csv", phones.as_str()), ("services.csv", services.as_str())];
        let mut package = package(&files);
        package.budget.records.set(1_000);
        let records = all(&mut package, 500).concat();
        let taken = records.iter().filter(|record| record.value.is_ok()).count();
        assert!(records.len() == 101 && (2..15).contains(&taken), "{taken} of {}", records.len());
        let refused = records.last().unwrap();
        assert_eq!((refused.id.as_deref(), refused.value.is_err()), (Some("s99"), true));
    }

    #[test]
    fn what_services_do_not_take_of_their_organization_costs_them_little() {
        let pets: String = (0..100).map(|number| format!("p{number},O,Rex\n")).collect();
        let services: String = (0..100).map(|number| format!("s{number},O,A\n")).collect();
        let (pets, services) = (format!("id,organization_id,name\n{pets}"), format!("id,organization_id,name\n{services}"));
        let mut package =
            package(&[("organizations.csv", "id,name\nO,B\n"), ("pets.csv", pets.as_str()), ("services.csv", services.as_str())]);
        package.budget.records.set(1_000);
        let records = all(&mut package, 500).concat();
        assert!(records.len() == 101 && records.iter().all(|record| record.value.is_ok()), "{records:?}");
    }

    #[test]
    fn a_row_that_is_read_and_not_taken_costs_what_one_does() {
        // They say that they hang on others than the organization, which is found where they are read.
        let phones: String = (0..100).map(|number| format!("p{number},O,contact,250-555-{number:04}\n")).collect();
        let services: String = (0..100).map(|number| format!("s{number},O,A\n")).collect();
        let (phones, services) = (format!("id,link_id,link_entity,number\n{phones}"), format!("id,organization_id,name\n{services}"));
        let files = [("organizations.csv", "id,name\nO,B\n"), ("phones.csv", phones.as_str()), ("services.csv", services.as_str())];
        let mut package = package(&files);
        package.budget.records.set(1_000);
        let records = all(&mut package, 500).concat();
        let taken = records.iter().filter(|record| record.of == Of::Service && record.value.is_ok()).count();
        assert!((1..15).contains(&taken), "{taken}");
    }

    #[test]
    fn rows_that_belong_to_no_record_are_taken_also_where_records_are_refused() {
        let mut package = package(&[("services.csv", "id,name\nA,Lunch\n"), ("taxonomy_terms.csv", "id,name\nt,Food\n")]);
        package.budget.records.set(0);
        let taken: Vec<bool> = all(&mut package, 500).concat().iter().map(|record| record.value.is_ok()).collect();
        assert_eq!(taken, [false, true]);
    }

    #[test]
    fn rows_that_belong_to_no_record_come_once_each_however_many_are_read_at_a_time() {
        let terms: String = (1..=7).map(|number| format!("t{number},\"Term\n{number}\"\r\n")).collect();
        let terms = format!("id,name\r\n{terms}");
        let of = |most| all(&mut package(&[("taxonomy_terms.csv", terms.as_str()), ("units.csv", "id,name\nu,Bed\n")]), most).concat();
        let together = of(100);
        assert_eq!(together.len(), 8);
        for most in 1..=8 {
            assert_eq!(of(most), together, "{most} at a time");
        }
    }

    #[test]
    fn nuls_in_names_of_tables_and_columns_are_left_out() {
        let files = [("services.csv", "i\0d,name\nX,Pan\0try\n"), ("pe\0ts.csv", "id,service_id,name\n1,X,Rex\n")];
        let record = all(&mut package(&files), 500)[0][0].value.clone().unwrap();
        assert_eq!(record, serde_json::json!({ "id": "X", "name": "Pantry", "pets": [{ "id": "1", "name": "Rex" }] }));
    }
}
