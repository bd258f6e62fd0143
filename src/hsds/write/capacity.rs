//! How much room services have.

use uuid::Uuid;

use crate::hsds::ids;
use crate::hsds::model::{CapacityExtra, ServiceCapacity, Unit};
use crate::services::model::{self, CapacityStatus};
use crate::services::row::ServiceRow;

/// Whether the standard can say it: it needs a number, and who takes nobody has none free.
pub fn is_counted(capacity: &model::Capacity) -> bool {
    capacity.available.is_some() || matches!(capacity.status, CapacityStatus::Waitlist | CapacityStatus::Full | CapacityStatus::Closed)
}

pub(super) fn of_capacity(key: Option<&str>, capacity: &model::Capacity, row: &ServiceRow, of: Uuid) -> Option<ServiceCapacity> {
    if !is_counted(capacity) {
        return None;
    }
    let unit = capacity.unit.clone().unwrap_or_else(|| "place".into());
    Some(ServiceCapacity {
        id: ids::part(of, &key.map_or_else(|| "service_capacity".to_owned(), |key| format!("service_capacity/{key}")), 0),
        unit: Some(Unit { id: ids::of_unit(&unit), name: Some(unit), ..Unit::default() }),
        available: Some(capacity.free().unwrap_or(0)),
        maximum: capacity.maximum,
        description: capacity.note.clone(),
        updated: Some(capacity.as_of.unwrap_or(row.updated_at).to_text()),
        kith: Some(CapacityExtra {
            status: Some(capacity.status),
            is_status_derived: is_read_to_follow(capacity).then_some(true),
            waitlist_length: capacity.waitlist_length,
            expected_wait_days: capacity.expected_wait_days,
            funded: capacity.funded,
            populations: capacity.populations.clone(),
            key: key.map(str::to_owned),
            is_available_implied: capacity.available.is_none().then_some(true),
            is_unit_implied: capacity.unit.is_none().then_some(true),
            ..CapacityExtra::default()
        }),
        ..ServiceCapacity::default()
    })
}

/// Whether the status follows from what is written of it, without what is not: who has an offer.
fn is_read_to_follow(capacity: &model::Capacity) -> bool {
    let read = model::Capacity { available: capacity.free(), is_waitlist_counted: None, ..capacity.clone() };
    capacity.is_status_derived == Some(true) && read.stated(false).status == capacity.status
}
