//! Credentials that sources are read with.
//!
//! The operator sets them in a file, a source names one. They are read when they are needed, so that a new one counts at once, and stand
//! neither in the database nor in an answer. One is a header, or a client that gets access tokens. Since any client of any organization may
//! write a source, a credential is sent only to the origin that it is for, and only for the organization that it is for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use url::{Origin, Url, form_urlencoded};

use crate::kind::OrganizationId;

/// Why there is no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The file is not set.
    #[error("the operator has set no credentials")]
    NoFile,
    /// The file cannot be read.
    #[error("the file of credentials cannot be read")]
    Unreadable(String),
    /// It has none of this name for this organization and this address.
    #[error("there is no credential of this name for this organization and this address")]
    Unknown,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    origin: String,
    organization: OrganizationId,
    header: Option<String>,
    value: Option<String>,
    token_url: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    scope: Option<String>,
}

/// What is sent to one origin alone.
#[derive(Debug, Clone)]
pub struct Credential {
    origin: Origin,
    /// What it is.
    pub means: Means,
}

/// How a partner knows who asks.
#[derive(Debug, Clone)]
pub enum Means {
    /// By a header that is always the same.
    Header {
        /// Its name.
        name: HeaderName,
        /// Its value, which is never printed.
        value: HeaderValue,
    },
    /// By an access token, which the client credentials get (RFC 6749 §4.4).
    Token {
        /// Where.
        url: Url,
        /// The client's id and secret as Basic authentication, never printed.
        client: HeaderValue,
        /// What the token is asked to be good for.
        scope: Option<String>,
    },
}

impl Credential {
    /// Whether it may be sent to this address.
    pub fn is_for(&self, url: &Url) -> bool {
        self.origin == url.origin()
    }
}

/// The file of credentials.
#[derive(Debug, Clone)]
pub struct Credentials(Option<PathBuf>);

impl Credentials {
    /// Those of this file.
    pub fn new(path: Option<PathBuf>) -> Self {
        Self(path)
    }

    /// The credential of this name.
    ///
    /// # Errors
    /// Where there is none that may be sent to `url` for this organization.
    pub fn find(&self, name: &str, owner: OrganizationId, url: &Url) -> Result<Credential, CredentialError> {
        let path = self.0.as_deref().ok_or(CredentialError::NoFile)?;
        let found = read(path).map_err(CredentialError::Unreadable)?.remove(name).ok_or(CredentialError::Unknown)?;
        let (organization, credential) = found;
        if organization == owner && credential.is_for(url) { Ok(credential) } else { Err(CredentialError::Unknown) }
    }

    /// What is wrong with the file, where something is.
    pub fn mistake(&self) -> Option<String> {
        let path = self.0.as_deref()?;
        read(path).err().map(|fault| format!("{}: {fault}", path.display()))
    }
}

/// The file's content. What is said of its faults quotes none of it.
fn read(path: &Path) -> Result<BTreeMap<String, (OrganizationId, Credential)>, String> {
    let text = std::fs::read_to_string(path).map_err(|fault| fault.to_string())?;
    let entries: BTreeMap<String, Entry> = toml::from_str(&text).map_err(|fault| fault.message().to_owned())?;
    let made = entries.into_iter().map(|(name, entry)| {
        let unfit = |what: &str| format!("{name}: {what}");
        let sensitive = |text: String| {
            let mut value = HeaderValue::try_from(text).map_err(|_| unfit("value cannot stand in a header"))?;
            value.set_sensitive(true);
            Ok::<_, String>(value)
        };
        let means = match (entry.value, entry.token_url, entry.client_id, entry.client_secret) {
            (Some(value), None, None, None) if entry.scope.is_none() => {
                let header = entry.header.unwrap_or_else(|| "Authorization".into());
                let name = HeaderName::try_from(header).map_err(|_| unfit("header is no name of a header"))?;
                Means::Header { name, value: sensitive(value)? }
            }
            (None, Some(url), Some(id), Some(secret)) if entry.header.is_none() => {
                let url = Url::parse(&url).ok().filter(|url| url.origin().is_tuple()).ok_or_else(|| unfit("token_url is no address"))?;
                // Both are encoded as in a form before they become Basic (RFC 6749 §2.3.1).
                let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let client = format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(&id), encoded(&secret))));
                Means::Token { url, client: sensitive(client)?, scope: entry.scope }
            }
            _ => return Err(unfit("needs value, or else token_url, client_id and client_secret")),
        };
        let origin = Url::parse(&entry.origin).ok().map(|url| url.origin()).filter(Origin::is_tuple);
        let origin = origin.ok_or_else(|| unfit("origin is no address such as https://directory.example.ca"))?;
        Ok((name, (entry.organization, Credential { origin, means })))
    });
    made.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::types::Id;

    #[test]
    fn a_credential_goes_to_its_origin_for_its_organization_and_nowhere_else() {
        let (ours, others) = (Id::generate(), Id::generate());
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!("[partner]\norigin = \"https://a.example\"\norganization = \"{ours}\"\nvalue = \"Bearer hush\"\n");
        std::fs::write(file.path(), text).unwrap();
        let credentials = Credentials::new(Some(file.path().to_owned()));
        let url = |text: &str| Url::parse(text).unwrap();
        let found = credentials.find("partner", ours, &url("https://a.example/hsds")).unwrap();
        assert!(matches!(&found.means, Means::Header { name, value } if name == "authorization" && value == "Bearer hush"));
        assert!(!format!("{found:?}").contains("hush"));
        for (name, owner, address) in [
            ("partner", others, "https://a.example/hsds"),
            ("partner", ours, "https://b.example/hsds"),
            ("partner", ours, "http://a.example/hsds"),
            ("partner", ours, "https://a.example:8443/hsds"),
            ("other", ours, "https://a.example/hsds"),
        ] {
            assert_eq!(credentials.find(name, owner, &url(address)).unwrap_err(), CredentialError::Unknown, "{name} {address}");
        }
        assert!(credentials.mistake().is_none());
        std::fs::write(file.path(), "[partner]\nvalue = \"hush\"\n").unwrap();
        assert!(!credentials.mistake().unwrap().contains("hush"));
        assert_eq!(Credentials::new(None).find("partner", ours, &url("https://a.example")).unwrap_err(), CredentialError::NoFile);
    }
}
