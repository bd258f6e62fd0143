//! Who calls, and what they may do: clients, their secrets, signing keys, access tokens, scopes and limits.
//!
//! A client logs in at `POST /oauth/token` and gets a token; a handler's guard turns the token into a principal.

pub mod authority;
pub mod key_ring;
pub mod keys;
pub mod limits;
pub mod model;
pub mod repository;
pub mod scopes;
pub mod secrets;
pub mod tokens;

#[cfg(test)]
mod tests;

pub use self::authority::Authority;
pub use self::scopes::{Scope, Scopes, scope};
