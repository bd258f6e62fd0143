//! Credentials that sources are read with.
//!
//! The operator sets them in a file, a source names one. They are read when they are needed, so that a new one counts at once, and stand
//! neither in the database nor in an answer. Since any client of any organization may write a source, a credential is sent only to the
//! origin that it is for, and only for the organization that it is for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use url::{Origin, Url};

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
    #[serde(default = "authorization")]
    header: String,
    value: String,
}

fn authorization() -> String {
    "Authorization".into()
}

/// A header that is sent to one origin alone.
#[derive(Debug, Clone)]
pub struct Credential {
    origin: Origin,
    /// Its name.
    pub name: HeaderName,
    /// Its value, which is never printed.
    pub value: HeaderValue,
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
        let header = HeaderName::try_from(entry.header).map_err(|_| unfit("header is no name of a header"))?;
        let mut value = HeaderValue::try_from(entry.value).map_err(|_| unfit("value cannot stand in a header"))?;
        value.set_sensitive(true);
        let origin = Url::parse(&entry.origin).ok().map(|url| url.origin()).filter(Origin::is_tuple);
        let origin = origin.ok_or_else(|| unfit("origin is no address such as https://directory.example.ca"))?;
        Ok((name, (entry.organization, Credential { origin, name: header, value })))
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
        assert_eq!((found.name.as_str(), found.value.to_str().unwrap()), ("authorization", "Bearer hush"));
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
