//! Services, for the verbs that all resources share.

use super::api::Service;
use super::duplicates::sources;
use super::model::ServiceInput;
use super::row::ServiceRow;
use super::{phones, providers, repository, rules};
use crate::auth::Principal;
use crate::db::DbConn;
use crate::db::types::Json;
use crate::error::{Error, Result};
use crate::http::resource::{Head, Resource};
use crate::kind::{self, ServiceId};
use crate::organizations;
use crate::types::Identifier;
use crate::waitlists::queue;

/// Services, for the common verbs. The directory is no secret: every client may read all of it.
#[derive(Debug)]
pub struct Services;

impl Resource for Services {
    type Kind = kind::Service;
    type Input = ServiceInput;
    type Row = ServiceRow;
    type Shape = Service;

    const PATH: &'static str = "/v1/services";

    fn head(row: &ServiceRow) -> Head<kind::Service> {
        Head {
            id: row.id,
            owner: row.organization_id,
            version: row.version,
            is_deleted: row.deleted_at.is_some(),
            patient_id: None,
            referral_id: None,
        }
    }

    fn input(row: &ServiceRow) -> ServiceInput {
        row.content.0.clone()
    }

    fn shape(row: ServiceRow) -> Service {
        Service::of(row)
    }

    fn view(conn: &mut DbConn, caller: &Principal, shape: Service) -> Result<Service> {
        let provided_by = providers::name(conn, &shape.content)?;
        Ok(Service { provided_by, ..shape.at(caller.at) })
    }

    fn identifiers(input: &ServiceInput) -> &[Identifier] {
        &input.identifiers
    }

    fn find(conn: &mut DbConn, _: &Principal, id: ServiceId) -> Result<Option<ServiceRow>> {
        repository::find_standing(conn, id)
    }

    /// The provider may change its notices and nothing else; see [`prepare`](Self::prepare).
    fn permit(caller: &Principal, row: &ServiceRow) -> Result<()> {
        if row.organization_id == caller.organization_id || row.provider_id == Some(caller.organization_id) {
            Ok(())
        } else {
            Err(Error::Forbidden("Only the organization that keeps the record, or the provider, can change a service.".into()))
        }
    }

    fn prepare(conn: &mut DbConn, caller: &Principal, current: Option<&ServiceRow>, input: &mut ServiceInput) -> Result<()> {
        phones::complete(input);
        if let Some(row) = current.filter(|row| row.organization_id != caller.organization_id) {
            let with_alerts = ServiceInput { alerts: input.alerts.clone(), ..row.content.0.clone() };
            return if *input == with_alerts { Ok(()) } else { Err(keeper_only()) };
        }
        rules::ensure_few_values(current.map(|row| &row.content.0), input)?;
        let is_new = |provider: &_| current.is_none_or(|row| row.provider_id != Some(*provider));
        match input.provider_id.filter(is_new) {
            Some(provider) if !organizations::repository::exists(conn, provider)? => {
                Err(Error::invalid("/provider_id", "not_found", "is not an organization"))
            }
            _ => Ok(()),
        }
    }

    fn sync(conn: &mut DbConn, row: &ServiceRow, key: Option<&Identifier>, input: &mut ServiceInput) -> Result<()> {
        sources::sync(conn, row, key, input)
    }

    fn insert(conn: &mut DbConn, caller: &Principal, id: ServiceId, input: ServiceInput) -> Result<ServiceRow> {
        let row = ServiceRow::new(id, caller.organization_id, input, caller.at);
        repository::insert(conn, &row)?;
        Ok(row)
    }

    fn update(conn: &mut DbConn, caller: &Principal, row: &ServiceRow, input: ServiceInput) -> Result<Option<ServiceRow>> {
        let own = row.own_content.as_ref().map(|own| sources::edited(conn, row, own, &input)).transpose()?;
        let next = ServiceRow { own_content: own.map(Json), ..row.with_content(input, caller.at) };
        let row = queue::renewed(conn, caller.at, row, next)?;
        Ok(repository::update(conn, &row)?.then_some(row))
    }

    fn delete(conn: &mut DbConn, caller: &Principal, row: &ServiceRow) -> Result<Option<ServiceRow>> {
        if row.organization_id != caller.organization_id {
            return Err(keeper_only());
        }
        queue::ensure_nobody_waits(conn, row.id, None)?;
        let row = row.deleted(caller.at);
        Ok(repository::update(conn, &row)?.then_some(row))
    }
}

fn keeper_only() -> Error {
    Error::Forbidden("The provider of a service can change its capacity and its alerts; the rest belongs to who keeps the record.".into())
}
