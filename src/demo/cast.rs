//! Who takes part: the organizations of the town, and the clients that call for them.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::BuildError;
use super::story::Memory;
use crate::app::App;
use crate::auth::Scopes;
use crate::auth::model::NewClient;
use crate::auth::secrets::ClientSecret;
use crate::changes::Actor;
use crate::kind::{ClientId, OrganizationId};
use crate::organizations::tenants;

/// What a client of the demo logs in with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// What it plays: `clinic`, `link_worker_program`, `agency`, ….
    pub role: String,
    /// The name of its organization.
    pub organization: String,
    /// The organization that it calls for.
    pub organization_id: OrganizationId,
    /// Its id.
    pub client_id: ClientId,
    /// Its secret.
    pub client_secret: String,
    /// What it may do.
    pub scopes: Scopes,
}

/// An organization of the town.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    /// Its key in the story.
    key: String,
    /// Its id in the directory file, where it gives services.
    provider: Option<String>,
    /// The organization as the API has it, with names for ids.
    organization: Value,
    /// Its client, where it has one.
    client: Option<Access>,
}

/// What a client plays and may do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Access {
    role: String,
    name: String,
    scopes: Scopes,
}

/// Everybody who takes part.
#[derive(Debug, Default)]
pub struct Cast {
    /// The clients, by the keys of their organizations, in the order of the file.
    clients: Vec<(String, Credentials)>,
    /// The organizations that give services, by their ids in the directory file.
    pub providers: HashMap<String, OrganizationId>,
}

impl Cast {
    /// The client of the organization with this key.
    pub fn client_of(&self, key: &str) -> Result<&Credentials, BuildError> {
        let found = self.clients.iter().find(|(organization, _)| organization == key);
        found.map(|(_, client)| client).ok_or_else(|| BuildError::Unnamed(key.to_owned()))
    }

    /// How each client logs in.
    pub fn into_credentials(self) -> Vec<Credentials> {
        self.clients.into_iter().map(|(_, client)| client).collect()
    }
}

/// Creates the organizations, which the story then knows by their keys, and their clients.
pub async fn enter(app: &App, memory: &mut Memory, organizations: &str) -> Result<Cast, BuildError> {
    let mut cast = Cast::default();
    for Member { key, provider, organization, client } in serde_json::from_str::<Vec<Member>>(organizations)? {
        let actor = Actor::operator(app.clock.now());
        let content: crate::organizations::model::OrganizationInput = serde_json::from_value(memory.fill(&organization)?)?;
        let name = content.name.clone();
        let organization_id = app.db.write(move |conn| tenants::create(conn, &actor, content.clone())).await?;
        memory.keep_id(&key, organization_id);
        cast.providers.extend(provider.map(|provider| (provider, organization_id)));
        if let Some(access) = client {
            cast.clients.push((key, enrol(app, name, organization_id, access).await?));
        }
    }
    Ok(cast)
}

/// Gives an organization its client.
async fn enrol(app: &App, organization: String, organization_id: OrganizationId, access: Access) -> Result<Credentials, BuildError> {
    let Access { role, name, scopes } = access;
    let secret = ClientSecret::generate()?;
    let client = NewClient::new(organization_id, name, scopes, secret.hash()?, app.clock.now());
    let client_id = client.id;
    let actor = Actor::operator(client.created_at);
    app.db.write(move |conn| tenants::admit(conn, &actor, &client)).await?;
    Ok(Credentials { role, organization, organization_id, client_id, client_secret: secret.expose().to_owned(), scopes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Scope;

    #[test]
    fn every_client_of_the_town_may_have_events_sent_to_it() {
        let members: Vec<Member> = serde_json::from_str(crate::demo::ORGANIZATIONS).unwrap();
        let clients: Vec<Access> = members.into_iter().filter_map(|member| member.client).collect();
        assert!(clients.iter().filter(|client| client.role == "agency").count() > 1);
        for Access { name, scopes, .. } in clients {
            assert!([Scope::WebhooksRead, Scope::WebhooksWrite].into_iter().all(|scope| scopes.contains(scope)), "{name}");
        }
    }
}
