//! The journal: every change of every resource, written in the transaction of the change itself.

pub mod model;
pub mod repository;

pub use self::model::{Action, Actor, Change, Entry, Position};
pub use self::repository::{after, history, latest, record};
