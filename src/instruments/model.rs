//! The row of an instrument.

use diesel::prelude::*;

use super::definition::InstrumentInput;
use crate::db::schema::instruments;
use crate::db::types::{Instant, Json};
use crate::kind::{InstrumentId, OrganizationId};

/// A row of the table `instruments`.
#[derive(Debug, Clone, Queryable, Insertable)]
#[diesel(table_name = instruments, treat_none_as_default_value = false)]
pub struct InstrumentRow {
    /// Its id.
    pub id: InstrumentId,
    /// Whose client loaded it; none for those that came with Kith or by the command line.
    pub organization_id: Option<OrganizationId>,
    /// See [`InstrumentInput::code`].
    pub code: String,
    /// See [`InstrumentInput::edition`].
    pub edition: String,
    /// The whole instrument.
    pub content: Json<InstrumentInput>,
    /// Version of the record, from 1.
    pub version: i64,
    /// When it was loaded.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
    /// When it was deleted.
    pub deleted_at: Option<Instant>,
}
