//! The tables, once for both databases. Written by hand; `tests/api/migrations.rs` holds it against both.
//!
//! Each stands with those of its subject, and all are named from here. The files are not called as tables are: the names would clash.
#![expect(missing_docs, reason = "the columns stand in the migrations, where the comments are")]

mod booking;
mod bulk;
mod care;
mod directory;
mod findings;
mod hooks;
mod journal;
mod partners;
mod people;
mod tenants;

pub use self::booking::*;
pub use self::bulk::*;
pub use self::care::*;
pub use self::directory::*;
pub use self::findings::*;
pub use self::hooks::*;
pub use self::journal::*;
pub use self::partners::*;
pub use self::people::*;
pub use self::tenants::*;

diesel::joinable!(clients -> organizations (organization_id));
diesel::joinable!(webhook_endpoints -> clients (client_id));
diesel::joinable!(webhook_deliveries -> webhook_endpoints (endpoint_id));
diesel::allow_tables_to_appear_in_same_query!(webhook_endpoints, webhook_deliveries, clients, organizations);
diesel::allow_tables_to_appear_in_same_query!(webhook_dues, referrals);
diesel::allow_tables_to_appear_in_same_query!(webhook_dues, follow_ups);
diesel::joinable!(contact_attempts -> follow_ups (follow_up_id));
diesel::allow_tables_to_appear_in_same_query!(consents, contact_attempts, follow_ups, patient_keys, patients, practitioners, referrals);
diesel::allow_tables_to_appear_in_same_query!(bulk_chunks, bulk_jobs);
diesel::allow_tables_to_appear_in_same_query!(foreseen_resources, bulk_jobs);
diesel::allow_tables_to_appear_in_same_query!(unmet_needs, consents);
diesel::allow_tables_to_appear_in_same_query!(unmet_needs, patients);
diesel::allow_tables_to_appear_in_same_query!(changes, referrals);
diesel::joinable!(appointments -> slots (slot_id));
diesel::allow_tables_to_appear_in_same_query!(appointments, slots);
diesel::allow_tables_to_appear_in_same_query!(appointments, consents);
diesel::allow_tables_to_appear_in_same_query!(appointments, patients);
diesel::allow_tables_to_appear_in_same_query!(appointments, referrals);
diesel::allow_tables_to_appear_in_same_query!(waitlist_entries, referrals);
diesel::allow_tables_to_appear_in_same_query!(waitlist_entries, consents);
diesel::allow_tables_to_appear_in_same_query!(waitlist_entries, patients);
diesel::allow_tables_to_appear_in_same_query!(imported_services, services);
diesel::allow_tables_to_appear_in_same_query!(held_places, appointments);
diesel::allow_tables_to_appear_in_same_query!(service_merge_rows, capacity_entries);
diesel::allow_tables_to_appear_in_same_query!(service_merge_rows, links);
diesel::allow_tables_to_appear_in_same_query!(service_merge_rows, referrals);
diesel::allow_tables_to_appear_in_same_query!(service_merge_rows, service_suggestions);
diesel::allow_tables_to_appear_in_same_query!(service_merge_rows, slots);
