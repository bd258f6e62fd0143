//! Links: signed tokens for people who are no clients. Whoever holds one may do one thing with one resource until one moment.
//!
//! A link is a JWT like an access token, with the same keys and another type and audience, so that neither passes for the other. What it
//! names is a row: the row can be revoked, the token cannot.

use jsonwebtoken::{Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::keys::{KeySet, SigningKey};
use super::tokens::{ALGORITHM, LONGEST_TOKEN, Refusal, key_id};
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::text_enum;

/// The `typ` of links.
const TOKEN_TYPE: &str = "kith-link+jwt";

text_enum! {
    /// What a link is for: its audience.
    pub enum Purpose {
        /// To answer one screening.
        AnswerScreening = "answer_screening",
        /// To answer one referral for its performer.
        AnswerReferral = "answer_referral",
        /// To read the calendar of one service.
        ReadServiceCalendar = "read_service_calendar",
        /// To read the calendar of one practitioner.
        ReadPractitionerCalendar = "read_practitioner_calendar",
        /// To download the files of one export.
        DownloadExport = "download_export",
    }
}

impl Purpose {
    const fn audience(self) -> &'static str {
        match self {
            Self::AnswerScreening => "kith:answer-screening",
            Self::AnswerReferral => "kith:answer-referral",
            Self::ReadServiceCalendar => "kith:read-service-calendar",
            Self::ReadPractitionerCalendar => "kith:read-practitioner-calendar",
            Self::DownloadExport => "kith:download-export",
        }
    }
}

/// What a link says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The row that it stands for.
    pub id: Uuid,
    /// What it opens.
    pub subject: Uuid,
    /// Until when, in whole seconds.
    pub expires_at: Instant,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    jti: Uuid,
    exp: i64,
}

/// Makes and reads links of one issuer.
#[derive(Debug, Clone)]
pub struct Links {
    issuer: String,
}

impl Links {
    /// Links of this issuer.
    pub fn new(issuer: &str) -> Self {
        Self { issuer: issuer.to_owned() }
    }

    /// The link as a token.
    pub fn sign(&self, purpose: Purpose, link: &Link, key: &SigningKey) -> Result<String> {
        let header = Header { typ: Some(TOKEN_TYPE.into()), kid: Some(key.kid().to_owned()), ..Header::new(ALGORITHM) };
        let exp = link.expires_at.utc().timestamp();
        let claims = Claims { iss: self.issuer.clone(), aud: purpose.audience().to_owned(), sub: link.subject, jti: link.id, exp };
        jsonwebtoken::encode(&header, &claims, key.signer()).map_err(Error::internal)
    }

    /// The id of the key that a token says it is signed with; `None` where the header alone shows that it is no link of ours.
    pub fn key_id(token: &str) -> Option<String> {
        Some(token).filter(|token| token.len() <= LONGEST_TOKEN).and_then(|token| key_id(token, TOKEN_TYPE))
    }

    /// The link that one of these keys has signed for this purpose, whether or not it has run out.
    pub fn read(&self, purpose: Purpose, token: &str, keys: &KeySet) -> Result<Link, Refusal> {
        let key = Self::key_id(token).and_then(|kid| keys.find(&kid)).ok_or(Refusal::Invalid)?;
        let mut validation = Validation::new(ALGORITHM);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[purpose.audience()]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // The moment comes from the clock of the application.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, key.verifier(), &validation).map_err(|_| Refusal::Invalid)?.claims;
        let expires_at = Instant::from_timestamp(claims.exp).ok_or(Refusal::Invalid)?;
        Ok(Link { id: claims.jti, subject: claims.sub, expires_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::keys::generate_pem;

    #[test]
    fn a_link_is_read_for_its_purpose_and_by_its_issuer_alone() {
        let now: Instant = "2026-01-01T00:00:00Z".parse().unwrap();
        let keys = KeySet::new([generate_pem().unwrap()], now).unwrap();
        let link = Link { id: Uuid::now_v7(), subject: Uuid::now_v7(), expires_at: "2026-01-01T01:00:00Z".parse().unwrap() };
        let links = Links::new("kith");
        let token = links.sign(Purpose::AnswerScreening, &link, keys.current()).unwrap();
        assert_eq!(links.read(Purpose::AnswerScreening, &token, &keys), Ok(link));
        for other in Purpose::ALL.iter().filter(|purpose| **purpose != Purpose::AnswerScreening) {
            assert_eq!(links.read(*other, &token, &keys), Err(Refusal::Invalid), "{other}");
        }
        assert_eq!(Links::new("elsewhere").read(Purpose::AnswerScreening, &token, &keys), Err(Refusal::Invalid));
        let others = KeySet::new([generate_pem().unwrap()], now).unwrap();
        assert_eq!(links.read(Purpose::AnswerScreening, &token, &others), Err(Refusal::Invalid));
    }
}
