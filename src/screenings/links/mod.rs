//! Links to a draft: whoever holds one answers the questions without being a client, in one sitting or in several, alone or with help.

mod conversation;
pub mod handlers;
pub mod holder;

use chrono::Duration;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use super::api::Screening;
use super::findings::{Answer, Completeness};
use super::model::{CompletedBy, ScreeningStatus};
use crate::config::Config;
use crate::db::types::Instant;
use crate::instruments::api::Instrument;
use crate::kind::{ScreeningId, ScreeningLinkId};
use crate::languages;
use crate::links::LinkRow;
use crate::matching::Helpline;

/// How a link is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ScreeningLinkInput {
    /// For how many minutes it opens the draft: from five minutes to thirty days; three days unless told.
    #[serde(default = "ScreeningLinkInput::three_days")]
    #[schema(minimum = 5, maximum = 43_200, example = 1_440)]
    pub valid_minutes: u32,
}

impl ScreeningLinkInput {
    const fn three_days() -> u32 {
        3 * 24 * 60
    }

    /// For how long.
    pub fn lifetime(&self) -> Duration {
        Duration::minutes(self.valid_minutes.into())
    }
}

/// A link to a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScreeningLink {
    /// Its id.
    pub id: ScreeningLinkId,
    /// The draft that it opens.
    pub screening_id: ScreeningId,
    /// Version, from 1.
    #[schema(example = 1)]
    pub version: i64,
    /// When it runs out.
    pub expires_at: Instant,
    /// When it was revoked.
    pub revoked_at: Option<Instant>,
    /// When it was made.
    pub created_at: Instant,
}

impl From<&LinkRow> for ScreeningLink {
    fn from(row: &LinkRow) -> Self {
        Self {
            id: row.id.cast(),
            screening_id: row.subject_id.cast(),
            version: row.version,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            created_at: row.created_at,
        }
    }
}

/// A link that was just made.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NewScreeningLink {
    /// The link.
    #[serde(flatten)]
    pub link: ScreeningLink,
    /// What opens the draft, as `Authorization: Bearer TOKEN` of the operations under `/v1/screening-link`. It is shown this once. In the
    /// address of a page of your own it belongs after the `#`, where no log sees it.
    #[schema(example = "eyJ0eXAiOiJraXRoLWxpbmsrand0In0.eyJzdWIiOiIwMTkzMWY0ZSJ9.c2lnbmF0dXJl")]
    pub token: String,
}

/// Answers from whoever holds a link.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct LinkedAnswers {
    /// Each replaces the answer to the same item; the others stay.
    #[schema(max_items = 200)]
    pub answers: Vec<Answer>,
}

/// A screening as whoever answers it by a link sees it: the questions and the answers so far, and nothing of the person.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LinkedScreening {
    /// The version of the screening.
    #[schema(example = 2)]
    pub version: i64,
    /// How it stands: once it is no draft any more, nothing can be answered.
    pub status: ScreeningStatus,
    /// The questions.
    pub instrument: Instrument,
    /// BCP 47 tag of the language that the questions are to be put in.
    #[schema(example = "fr")]
    pub language: Option<String>,
    /// Who answers.
    pub completed_by: CompletedBy,
    /// The answers so far; none once it is no draft any more.
    pub answers: Vec<Answer>,
    /// How much has been answered.
    pub completeness: Completeness,
    /// What to show at once to somebody whose answers say that they may be in danger.
    pub help: Option<UrgentHelp>,
    /// When the link runs out.
    pub expires_at: Instant,
}

impl LinkedScreening {
    /// The screening without what it says of the person and what was found in it.
    pub fn new(screening: Screening, instrument: Instrument, expires_at: Instant, config: &Config) -> Self {
        let Screening { version, findings, content, .. } = screening;
        let is_urgent = !findings.safety_alerts.is_empty();
        let is_draft = content.status == ScreeningStatus::Draft;
        Self {
            version,
            status: content.status,
            help: is_urgent.then(|| UrgentHelp::new(content.language.as_deref(), config)),
            instrument,
            language: content.language,
            completed_by: content.completed_by,
            answers: if is_draft { content.answers } else { Vec::new() },
            completeness: findings.completeness,
            expires_at,
        }
    }
}

/// Whom somebody can turn to at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UrgentHelp {
    /// What to say to the person, in the language of the questions as far as Kith speaks it.
    #[schema(example = "You may be going through something very hard. You do not have to face it alone: call or text now.")]
    pub message: String,
    /// Whom to call, the most urgent first.
    pub lines: Vec<Helpline>,
}

impl UrgentHelp {
    fn new(language: Option<&str>, config: &Config) -> Self {
        let is_french = language.is_some_and(languages::is_french);
        let message = if is_french {
            "Vous traversez peut-être un moment très difficile. Vous n'êtes pas seul·e : appelez maintenant. En cas de danger immédiat, \
             composez le numéro d'urgence."
        } else {
            "You may be going through something very hard. You do not have to face it alone: call now. If you are in immediate danger, \
             call the emergency number."
        };
        Self { message: message.into(), lines: vec![config.crisis_line(), config.helpline()] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::expiry;

    #[test]
    fn a_link_runs_out_at_a_whole_second_after_its_minutes() {
        let now: Instant = "2026-01-01T00:00:00.900Z".parse().unwrap();
        let end = |minutes| expiry(now, ScreeningLinkInput { valid_minutes: minutes }.lifetime()).to_text();
        assert_eq!(end(5), "2026-01-01T00:05:00.000000Z");
        assert_eq!(end(ScreeningLinkInput::three_days()), "2026-01-04T00:00:00.000000Z");
    }

    #[test]
    fn urgent_help_speaks_the_language_of_the_questions() {
        let config = Config::from_flags::<_, &str>([]).unwrap();
        assert!(UrgentHelp::new(Some("fr-CA"), &config).message.starts_with("Vous"));
        let english = UrgentHelp::new(None, &config);
        assert!(english.message.starts_with("You"));
        assert_eq!(english.lines.iter().map(|line| line.phone.as_str()).collect::<Vec<_>>(), ["988", "211"]);
    }
}
