//! The guard of the operations that a link opens.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};

use crate::auth::limits::{Allowance, CountedAs};
use crate::auth::links::{Link, Purpose};
use crate::auth::principal::{bearer_token, count, state};
use crate::auth::tokens::Refusal;
use crate::auth::{Principal, Scope};
use crate::clock::Clock;
use crate::db::DbConn;
use crate::db::types::{Id, Instant};
use crate::error::{Error, Result};
use crate::http::middleware::RequestId;
use crate::http::query;
use crate::http::resource;
use crate::links::{self, repository};
use crate::screenings::handlers::Screenings;
use crate::screenings::model::ScreeningRow;

/// Somebody who holds a link to a screening.
#[derive(Debug, Clone)]
pub struct LinkHolder {
    link: Link,
    request_id: Option<String>,
    at: Instant,
}

impl LinkHolder {
    /// When the link runs out.
    pub const fn expires_at(&self) -> Instant {
        self.link.expires_at
    }

    /// The same holder at this moment, at which a transaction begins.
    pub fn now(&self, clock: &Clock) -> Self {
        Self { at: clock.now(), ..self.clone() }
    }

    /// The screening, and the holder as the one who acts.
    pub fn open(&self, conn: &mut DbConn) -> Result<(Principal, ScreeningRow)> {
        let caller = self.acting(conn)?;
        let row = resource::get_row::<Screenings>(conn, &caller, Id::from_uuid(self.link.subject))?;
        Ok((caller, row))
    }

    /// The holder as the one who acts: for the client that made the link, as long as the link stands and that client may write screenings.
    fn acting(&self, conn: &mut DbConn) -> Result<Principal> {
        let link = repository::find(conn, Id::from_uuid(self.link.id))?;
        let link = link.filter(|link| link.purpose == Purpose::AnswerScreening && link.revoked_at.is_none() && link.link() == self.link);
        let link = link.ok_or(Error::Unauthenticated("the link was revoked"))?;
        if !link.is_vouched_for(conn, Scope::ScreeningsWrite)? {
            return Err(Refusal::ClientInactive.into());
        }
        Ok(Principal {
            client_id: link.client_id,
            organization_id: link.organization_id,
            scopes: [Scope::ScreeningsRead, Scope::ScreeningsWrite].into_iter().collect(),
            on_behalf_of: Some(links::name("screening", link.id)),
            request_id: self.request_id.clone(),
            at: self.at,
        })
    }
}

impl FromRequest for LinkHolder {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let app = state(&request)?;
            // Another token may have been counted; it is not the one that opens this.
            request.extensions_mut().remove::<Allowance>();
            let token = bearer_token(&request)?.ok_or(Error::NoToken("there is none"))?;
            let link = app.authority.open_link(&app.db, &app.clock, Purpose::AnswerScreening, token).await?;
            let holder = Self { link, request_id: RequestId::get(&request), at: app.clock.now() };
            let standing = holder.clone();
            app.db.read(move |conn| standing.acting(conn).map(|_| ())).await?;
            count(app, &request, CountedAs::Link(link.id))?;
            query::check(&request)?;
            Ok(holder)
        })
    }
}
