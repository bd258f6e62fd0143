//! Who calls, and what they may do: clients, their secrets, signing keys, access tokens, scopes and limits.
//!
//! A client logs in at `POST /oauth/token` and gets a token; a handler's guard ([`Allowed`]) turns the token into a [`Principal`].

pub mod authority;
pub mod handlers;
mod hashing;
pub mod key_ring;
pub mod keys;
pub mod limits;
pub mod links;
pub mod model;
pub mod principal;
pub mod repository;
pub mod scopes;
pub mod secrets;
pub mod sight;
pub mod tokens;

#[cfg(test)]
mod tests;

pub use self::authority::Authority;
pub use self::principal::{Allowed, DirectoryReader, Principal};
pub use self::scopes::{Scope, Scopes, scope};
use crate::http::routes::Routes;

/// The routes.
pub fn configure(routes: &mut Routes<'_>) {
    routes.service(handlers::create_token).service(handlers::get_jwks);
}
