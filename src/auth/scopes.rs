//! What a token permits: scopes, sets of them, and the marker types that guards name.

use std::fmt;
use std::str::FromStr;

use diesel::deserialize::{FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{IsNull, Output, ToSql};
use diesel::sql_types::Text;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::db::MultiBackend;
use crate::text_enum;

/// What a guard demands, as a type: `Allowed<scope::PatientsRead>`.
pub trait RequiredScope: 'static {
    /// The scopes, of which a caller must have one.
    const SCOPES: &'static [Scope];
}

/// Declares the scopes and their markers together, so that neither can lack what the other has.
macro_rules! scopes {
    ($(#[doc = $doc:literal] $name:ident = $text:literal,)+) => {
        text_enum! {
            /// A permission that a token carries. Each stands for itself alone: writing does not include reading, and `admin`
            /// includes none of the others.
            pub enum Scope {
                $(#[doc = $doc] $name = $text,)+
            }
        }

        impl Scope {
            /// What the scope permits, in a sentence.
            pub fn description(self) -> &'static str {
                match self { $(Self::$name => $doc.trim_ascii_start(),)+ }
            }
        }

        /// The markers, one for each [`Scope`](super::Scope).
        pub mod scope {
            use super::{RequiredScope, Scope};
            $(
                #[doc = $doc]
                #[derive(Debug, Clone, Copy)]
                pub enum $name {}
                impl RequiredScope for $name {
                    const SCOPES: &'static [Scope] = &[Scope::$name];
                }
            )+
        }
    };
}

scopes! {
    /// Read patients, their consents and their needs.
    PatientsRead = "patients:read",
    /// Create and change patients, their consents and their needs.
    PatientsWrite = "patients:write",
    /// Read screenings.
    ScreeningsRead = "screenings:read",
    /// Create, complete and correct screenings.
    ScreeningsWrite = "screenings:write",
    /// Read the directory and match against it.
    ServicesRead = "services:read",
    /// Create and change the organization's services and their capacity.
    ServicesWrite = "services:write",
    /// Read referrals that the organization sent, received or may see.
    ReferralsRead = "referrals:read",
    /// Send referrals and move them on.
    ReferralsWrite = "referrals:write",
    /// Read follow-ups.
    FollowUpsRead = "follow_ups:read",
    /// Plan follow-ups, record attempts and results.
    FollowUpsWrite = "follow_ups:write",
    /// Read appointments.
    AppointmentsRead = "appointments:read",
    /// Hold, book, move and cancel appointments, and say whether the person came.
    AppointmentsWrite = "appointments:write",
    /// Read organizations and practitioners.
    OrganizationsRead = "organizations:read",
    /// Change the organization and its practitioners.
    OrganizationsWrite = "organizations:write",
    /// Read webhook endpoints and what was sent to them.
    WebhooksRead = "webhooks:read",
    /// Have events sent to addresses of the organization's own.
    WebhooksWrite = "webhooks:write",
    /// Read reports.
    ReportsRead = "reports:read",
    /// Load and change screening instruments.
    Admin = "admin",
}

/// A set of scopes, written as OAuth writes it: separated by single spaces, here always in the order of [`Scope::ALL`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct Scopes(u32);

impl Scopes {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Every scope there is.
    pub fn all() -> Self {
        Scope::ALL.iter().copied().collect()
    }

    /// Every scope but [`Scope::Admin`].
    pub fn all_but_admin() -> Self {
        Scope::ALL.iter().copied().filter(|scope| *scope != Scope::Admin).collect()
    }

    /// Whether the scope is in the set.
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u32) != 0
    }

    /// Whether every scope of this set is in the other.
    pub const fn is_subset(self, other: Self) -> bool {
        self.0 & other.0 == self.0
    }

    /// What both sets have.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.contains(*scope))
    }

    /// The scopes of a text that this version knows; the others grant nothing.
    pub fn known(text: &str) -> Self {
        text.split_ascii_whitespace().filter_map(|name| name.parse::<Scope>().ok()).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | 1 << scope as u32))
    }
}
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}
impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Scope::as_str)).finish()
    }
}

/// A name that is no scope's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no scope {0:?}")]
pub struct UnknownScope(pub String);

impl FromStr for Scopes {
    type Err = UnknownScope;

    /// Reads scopes separated by spaces; repetition is harmless.
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        text.split_ascii_whitespace().map(|name| name.parse::<Scope>().map_err(|_| UnknownScope(name.to_owned()))).collect()
    }
}
impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::known(&std::borrow::Cow::<str>::deserialize(deserializer)?))
    }
}

impl ToSql<Text, diesel::sqlite::Sqlite> for Scopes {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, diesel::sqlite::Sqlite>) -> diesel::serialize::Result {
        out.set_value(self.to_string());
        Ok(IsNull::No)
    }
}
impl ToSql<Text, diesel::pg::Pg> for Scopes {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, diesel::pg::Pg>) -> diesel::serialize::Result {
        std::io::Write::write_all(out, self.to_string().as_bytes())?;
        Ok(IsNull::No)
    }
}
impl ToSql<Text, MultiBackend> for Scopes {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, MultiBackend>) -> diesel::serialize::Result {
        out.set_value((Text, self));
        Ok(IsNull::No)
    }
}
impl<DB> FromSql<Text, DB> for Scopes
where
    DB: diesel::backend::Backend,
    String: FromSql<Text, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        Ok(Self::known(&<String as FromSql<Text, DB>>::from_sql(value)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_written_in_one_order_whatever_order_they_are_read_in() {
        let scopes: Scopes = "referrals:read  patients:write patients:write".parse().unwrap();
        assert_eq!(scopes.to_string(), "patients:write referrals:read");
        assert!(scopes.contains(Scope::PatientsWrite) && !scopes.contains(Scope::PatientsRead));
    }

    #[test]
    fn an_unknown_scope_is_refused_when_asked_for_and_grants_nothing_when_stored() {
        assert_eq!("patients:read everything".parse::<Scopes>(), Err(UnknownScope("everything".into())));
        assert_eq!(Scopes::known("everything patients:read"), Scopes::from_iter([Scope::PatientsRead]));
    }

    #[test]
    fn admin_includes_no_other_scope() {
        let admin = Scopes::from_iter([Scope::Admin]);
        assert_eq!(admin.iter().collect::<Vec<_>>(), [Scope::Admin]);
        assert!(admin.is_subset(Scopes::all()) && !Scopes::all().is_subset(admin));
    }
}
