//! Kith, the open back end of social prescribing.
//!
//! # A tour of the modules
//!
//! A request comes in at [`app`], where the whole route table stands on one page. [`auth`] says who calls and what they may see, [`http`]
//! checks what they sent and holds what the contract makes true of every operation, and a handler does its work in one closure over
//! [`db`], which is one connection type over SQLite and PostgreSQL. What is written there is written together with its entry in the
//! journal, [`changes`]. What goes wrong is an [`error`], which becomes a problem document.
//!
//! **Resources.** The loop from a person to an outcome: [`patients`] and their [`consents`], [`instruments`] and the [`screenings`] made
//! with them, the [`needs`] that these find, [`referrals`] and the [`waitlists`], [`slots`] and [`appointments`] on their way, and
//! [`follow_ups`]; around it [`organizations`], their [`practitioners`], and the directory of [`services`]. Each has the same files:
//! `model` with the rules, `api` with the shapes, `repository` with the queries, `handlers` with HTTP. [`kind`] lists the resources,
//! [`identifiers`] keeps the keys that other systems have for them, and [`links`] lets somebody who is no client do one thing with one of
//! them.
//!
//! **Views of all that.** [`matching`] ranks the directory for a person, without SQL or HTTP in it; [`timeline`] tells a patient's story
//! and [`responsiveness`] how referrals are answered, both from the journal; [`hsds`] shows the directory in the standard of its field.
//!
//! **In and out.** [`import`] makes services of the files of others and [`sources`] pulls them from partners; [`bulk`] imports and exports
//! many resources; [`webhooks`] posts the journal to others. [`outbound`] sends their requests, and [`background`] runs what goes on
//! beside the requests.
//!
//! **The program.** [`cli`] is the command, [`config`] its settings, [`demo`] its invented town, [`logging`] its log, [`clock`] its time,
//! and [`openapi`] makes the document that requests are checked against.
//!
//! **What many share.** [`types`], [`text`], [`languages`], [`postal_codes`], [`streets`] and [`files`].

pub mod app;
pub mod appointments;
pub mod auth;
pub mod background;
pub mod bulk;
pub mod changes;
pub mod cli;
pub mod clock;
pub mod config;
pub mod consents;
pub mod db;
pub mod demo;
pub mod error;
pub mod files;
pub mod follow_ups;
pub mod hsds;
pub mod http;
pub mod identifiers;
pub mod import;
pub mod instruments;
pub mod kind;
pub mod languages;
pub mod links;
pub mod logging;
pub mod matching;
pub mod needs;
pub mod openapi;
pub mod organizations;
pub mod outbound;
pub mod patients;
pub mod phones;
pub mod postal_codes;
pub mod practitioners;
pub mod provinces;
pub mod referrals;
pub mod responsiveness;
pub mod screenings;
pub mod services;
pub mod slots;
pub mod sources;
pub mod streets;
pub mod text;
pub mod timeline;
pub mod types;
pub mod waitlists;
pub mod webhooks;
