//! Tests through the public contract, one module per subject, each on both databases.

#[cfg(test)]
#[macro_use]
mod harness;
#[cfg(test)]
mod client;
#[cfg(test)]
mod conformity;
#[cfg(test)]
mod receiver;
#[cfg(test)]
mod server;
#[cfg(test)]
mod socket;
#[cfg(test)]
mod tokens;

#[cfg(test)]
mod appointments;
#[cfg(test)]
mod auth;
#[cfg(test)]
mod bounds;
#[cfg(test)]
mod bulk;
#[cfg(test)]
mod capacity;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod clashes;
#[cfg(test)]
mod command_line;
#[cfg(test)]
mod consent_ends;
#[cfg(test)]
mod consents;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod copies;
#[cfg(test)]
mod database;
#[cfg(test)]
mod duplicates;
#[cfg(test)]
mod events;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod follow_ups;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod hsds;
#[cfg(test)]
mod http;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod instruments;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod matches;
#[cfg(test)]
mod merges;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod needs;
#[cfg(test)]
mod noted;
#[cfg(test)]
mod organizations;
#[cfg(test)]
mod passed_over;
#[cfg(test)]
mod patients;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod practitioners;
#[cfg(test)]
mod races;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod reaching;
#[cfg(test)]
mod referral_links;
#[cfg(test)]
mod referrals;
#[cfg(test)]
mod remembered;
#[cfg(test)]
mod replica;
#[cfg(test)]
mod responsiveness;
#[cfg(test)]
mod safety;
#[cfg(test)]
mod screening_links;
#[cfg(test)]
mod screenings;
#[cfg(test)]
mod services;
#[cfg(test)]
mod sight;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod statements;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod suggestions;
#[cfg(test)]
mod timeline;
#[cfg(test)]
mod types;
#[cfg(test)]
mod unmerge;
#[cfg(test)]
mod unmet_needs;
#[cfg(test)]
mod waitlists;
#[cfg(test)]
mod walk;
#[cfg(test)]
mod webhooks;
