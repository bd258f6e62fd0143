//! The column types both databases share: [`Id`], [`Instant`] and [`Json`].
//!
//! PostgreSQL stores its native `uuid`, `timestamptz` and `jsonb`; SQLite stores text of a fixed width, so that text order is
//! creation order and time order there too. The rest of the program sees one Rust type for each.

mod instant;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sqlite::{Sqlite, SqliteValue};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

pub use self::instant::{Instant, NotAnInstant};
use super::MultiBackend;

/// The SQL types, for `table!` declarations.
pub mod sql_types {
    use diesel::query_builder::QueryId;
    use diesel::sql_types::SqlType;

    /// A UUID: `uuid` on PostgreSQL, lower-case hyphenated text on SQLite.
    ///
    /// The oids are PostgreSQL's own for `uuid`; naming the type instead costs a look-up on every new connection.
    #[derive(Debug, Clone, Copy, SqlType, QueryId)]
    #[diesel(sqlite_type(name = "Text"), postgres_type(oid = 2950, array_oid = 2951))]
    pub struct Id;

    /// A moment in time: `timestamptz` on PostgreSQL, RFC 3339 text with six decimals on SQLite.
    #[derive(Debug, Clone, Copy, SqlType, QueryId)]
    #[diesel(sqlite_type(name = "Text"), postgres_type(oid = 1184, array_oid = 1185))]
    pub struct Instant;

    /// A JSON document: `jsonb` on PostgreSQL, text on SQLite.
    #[derive(Debug, Clone, Copy, SqlType, QueryId)]
    #[diesel(sqlite_type(name = "Text"), postgres_type(oid = 3802, array_oid = 3807))]
    pub struct Document;
}

/// The id of a `K`: a UUIDv7, so ids in text order are in creation order.
///
/// `K` is a marker of [`crate::kind`] and keeps a patient's id from being taken for a referral's. Ids derived from a source's own
/// keys are UUIDv5.
#[derive(AsExpression, FromSqlRow)]
#[diesel(sql_type = sql_types::Id)]
pub struct Id<K: 'static>(Uuid, PhantomData<fn() -> K>);

impl<K> Id<K> {
    /// A new id, later in order than every earlier one of this process.
    pub fn generate() -> Self {
        Self::from_uuid(Uuid::now_v7())
    }

    /// The id with this value.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The bare value.
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// The same value as the id of another kind, for columns that may name several kinds.
    pub const fn cast<L>(self) -> Id<L> {
        Id::from_uuid(self.0)
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.as_hyphenated(), f)
    }
}

/// The text is not a UUID in lower-case hyphenated form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID in lower-case hyphenated form")]
pub struct NotAnId;

impl<K> FromStr for Id<K> {
    type Err = NotAnId;

    /// Takes the one form that is written, so that an id has one spelling in every log, URL and index.
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let uuid = Uuid::try_parse(text).map_err(|_| NotAnId)?;
        let mut buffer = Uuid::encode_buffer();
        if uuid.as_hyphenated().encode_lower(&mut buffer) == text { Ok(Self::from_uuid(uuid)) } else { Err(NotAnId) }
    }
}
impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut buffer = Uuid::encode_buffer();
        serializer.serialize_str(self.0.as_hyphenated().encode_lower(&mut buffer))
    }
}
impl<'de, K: 'static> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<K>(PhantomData<fn() -> K>);
        impl<K: 'static> serde::de::Visitor<'_> for Visitor<K> {
            type Value = Id<K>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a UUID in lower-case hyphenated form")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Id<K>, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor(PhantomData))
    }
}

/// Lower-case hyphenated, of any version: sources with UUIDs of their own keep them as identifiers, ours are v7 or v5.
const ID_PATTERN: &str = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";

impl<K> PartialSchema for Id<K> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
            .pattern(Some(ID_PATTERN))
            .description(Some("A UUID, lower-case and hyphenated. Ids made by Kith are UUIDv7: they sort by creation."))
            .examples(["01931f4e-6c1a-7b3e-9d55-0c2f8f4b7a10"])
            .into()
    }
}
impl<K> ToSchema for Id<K> {
    fn name() -> std::borrow::Cow<'static, str> {
        "Id".into()
    }
}

impl<K> ToSql<sql_types::Id, Sqlite> for Id<K> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned());
        Ok(IsNull::No)
    }
}
impl<K> ToSql<sql_types::Id, Pg> for Id<K> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        std::io::Write::write_all(out, self.0.as_bytes())?;
        Ok(IsNull::No)
    }
}
impl<K> ToSql<sql_types::Id, MultiBackend> for Id<K> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, MultiBackend>) -> serialize::Result {
        out.set_value((sql_types::Id, self));
        Ok(IsNull::No)
    }
}
impl<K> FromSql<sql_types::Id, Sqlite> for Id<K> {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Self::from_uuid(Uuid::try_parse(value.read_text())?))
    }
}
impl<K> FromSql<sql_types::Id, Pg> for Id<K> {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self::from_uuid(Uuid::from_slice(value.as_bytes())?))
    }
}
impl<K> FromSql<sql_types::Id, MultiBackend> for Id<K> {
    fn from_sql(value: <MultiBackend as diesel::backend::Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        value.from_sql::<Self, sql_types::Id>()
    }
}

/// A typed value kept as a JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, AsExpression, FromSqlRow)]
#[diesel(sql_type = sql_types::Document)]
pub struct Json<T: 'static>(pub T);

impl<T> std::ops::Deref for Json<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Serialize + fmt::Debug> ToSql<sql_types::Document, Sqlite> for Json<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(serde_json::to_string(&self.0)?);
        Ok(IsNull::No)
    }
}
impl<T: Serialize + fmt::Debug> ToSql<sql_types::Document, Pg> for Json<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        // The binary form of jsonb is a version byte followed by the text.
        std::io::Write::write_all(out, &[1])?;
        serde_json::to_writer(out, &self.0)?;
        Ok(IsNull::No)
    }
}
impl<T: Serialize + fmt::Debug + Send + Sync + 'static> ToSql<sql_types::Document, MultiBackend> for Json<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, MultiBackend>) -> serialize::Result {
        out.set_value((sql_types::Document, self));
        Ok(IsNull::No)
    }
}
impl<T: DeserializeOwned> FromSql<sql_types::Document, Sqlite> for Json<T> {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Self(serde_json::from_str(value.read_text())?))
    }
}
impl<T: DeserializeOwned> FromSql<sql_types::Document, Pg> for Json<T> {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match value.as_bytes() {
            [1, text @ ..] => Ok(Self(serde_json::from_slice(text)?)),
            _ => Err("unknown version of the jsonb wire form".into()),
        }
    }
}
impl<T: DeserializeOwned> FromSql<sql_types::Document, MultiBackend> for Json<T> {
    fn from_sql(value: <MultiBackend as diesel::backend::Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        value.from_sql::<Self, sql_types::Document>()
    }
}

/// Declares an enum stored and sent as text, from one list: the Rust enum, its JSON and schema forms, and its column form.
///
/// Each variant names its text: `Active = "active"`, a token and not a `literal`, which derives could not look into. `as_str`, `ALL`,
/// `Display` and `FromStr` come with it.
#[macro_export]
macro_rules! text_enum {
    ($(#[$meta:meta])* $visibility:vis enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:tt),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
            diesel::expression::AsExpression, diesel::deserialize::FromSqlRow)]
        #[diesel(sql_type = diesel::sql_types::Text)]
        $visibility enum $name {
            $($(#[$variant_meta])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The text in JSON and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl std::str::FromStr for $name {
            type Err = $crate::db::types::UnknownText;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::db::types::UnknownText { expected: stringify!($name) }),
                }
            }
        }
        impl<DB> diesel::serialize::ToSql<diesel::sql_types::Text, DB> for $name
        where
            DB: diesel::backend::Backend,
            str: diesel::serialize::ToSql<diesel::sql_types::Text, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut diesel::serialize::Output<'b, '_, DB>) -> diesel::serialize::Result {
                <str as diesel::serialize::ToSql<diesel::sql_types::Text, DB>>::to_sql(self.as_str(), out)
            }
        }
        impl diesel::deserialize::FromSql<diesel::sql_types::Text, diesel::sqlite::Sqlite> for $name {
            fn from_sql(mut value: diesel::sqlite::SqliteValue<'_, '_, '_>) -> diesel::deserialize::Result<Self> {
                Ok(value.read_text().parse::<Self>()?)
            }
        }
        impl diesel::deserialize::FromSql<diesel::sql_types::Text, diesel::pg::Pg> for $name {
            fn from_sql(value: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
                Ok(std::str::from_utf8(value.as_bytes())?.parse::<Self>()?)
            }
        }
        impl diesel::deserialize::FromSql<diesel::sql_types::Text, $crate::db::MultiBackend> for $name {
            fn from_sql(value: <$crate::db::MultiBackend as diesel::backend::Backend>::RawValue<'_>) -> diesel::deserialize::Result<Self> {
                value.from_sql::<Self, diesel::sql_types::Text>()
            }
        }
    };
}

/// A text that is none of an enum's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a value of {expected}")]
pub struct UnknownText {
    /// The enum.
    pub expected: &'static str,
}

#[cfg(test)]
mod tests {
    use utoipa::PartialSchema;

    #[test]
    fn the_schema_of_a_text_enum_lists_its_texts() {
        let schema = serde_json::to_value(crate::types::DeliveryMode::schema()).unwrap();
        let texts: Vec<&str> = crate::types::DeliveryMode::ALL.iter().map(|mode| mode.as_str()).collect();
        assert_eq!(schema["enum"], serde_json::json!(texts));
    }
}
