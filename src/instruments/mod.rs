//! Screening instruments: questionnaires as data, with their licence, their scoring and what follows from the answers.
//!
//! An instrument is a [document](definition::InstrumentInput) with a code and an edition. [Checked](check) once when it is loaded, it
//! is read by the [scoring engine](crate::screenings::scoring) for every screening. Some come [with Kith](shipped); any other can be
//! loaded, also in the [camelCase form](reference) of other tools. One that a screening has used never changes again.

pub mod api;
pub mod check;
pub mod definition;
pub mod handlers;
pub mod loading;
pub mod model;
pub mod number;
pub mod reference;
pub mod repository;
pub mod shipped;

use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes
        .service(handlers::list_instruments)
        .service(handlers::create_instrument)
        .service(handlers::get_instrument)
        .service(handlers::update_instrument)
        .service(handlers::patch_instrument)
        .service(handlers::delete_instrument)
        .service(handlers::list_instrument_history);
}
