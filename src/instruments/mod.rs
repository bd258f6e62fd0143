//! Screening instruments: questionnaires as data, with their licence, their scoring and what follows from the answers.
//!
//! An instrument is a [document](definition::InstrumentInput) with a code and an edition. [Checked](check) once when it is loaded, it
//! is read by the [scoring engine](crate::screenings::scoring) for every screening. Some come [with Kith](shipped); any other can be
//! loaded, also in the [camelCase form](reference) of other tools. One that a screening has used never changes again.

pub mod check;
pub mod definition;
pub mod number;
pub mod reference;
pub mod shipped;
