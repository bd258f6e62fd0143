//! What an import did, record by record and in all.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::Notice;
use super::load::Written;
use crate::kind::ServiceId;
use crate::text_enum;

text_enum! {
    /// What became of a record. `noted` is of none: what is said of an organization, whose `key` it is, was not done or not understood; or
    /// rows of a package were left out; or nothing was retired, or forgotten.
    pub enum Verdict {
        /// It is a new service.
        Created = "created",
        /// It has changed a service.
        Updated = "updated",
        /// It says what it said the last time.
        Unchanged = "unchanged",
        /// It could not be taken; see its notices.
        Refused = "refused",
        /// It is no longer in its source; its service is inactive now.
        Retired = "retired",
        /// It is no record: something is to be told of an organization, or of the file; see its notices.
        Noted = "noted",
    }
}

/// What became of one record.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Line {
    /// Where in the file it stands: the line, or the place in the order of records; null for records that are no longer there.
    #[schema(example = 12)]
    pub position: Option<u64>,
    /// Its key in the source.
    #[schema(example = "svc-014")]
    pub key: Option<String>,
    /// What became of the record.
    pub verdict: Verdict,
    /// The service that the record became or changed.
    pub service_id: Option<ServiceId>,
    /// Why it was refused; or what of it was left out, mended or not understood.
    pub notices: Vec<Notice>,
}

impl Line {
    /// Whether counting the record does not say all of it.
    pub fn needs_a_word(&self) -> bool {
        !self.notices.is_empty() || self.verdict == Verdict::Retired
    }

    /// Whether no more is said than that it has fields of its own.
    fn is_of_its_own_fields(&self) -> bool {
        self.verdict != Verdict::Retired && self.notices.iter().all(|notice| notice.code == "field_not_known")
    }
}

/// What an import did.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Report {
    /// The source.
    #[schema(example = "alder-valley-211")]
    pub source: String,
    /// True where nothing was written: it says what would be.
    pub dry_run: bool,
    /// New services.
    #[schema(example = 12)]
    pub created: u64,
    /// Services that have changed.
    #[schema(example = 3)]
    pub updated: u64,
    /// Services that have not.
    #[schema(example = 305)]
    pub unchanged: u64,
    /// Records that could not be taken.
    #[schema(example = 1)]
    pub refused: u64,
    /// Services that are no longer in the source and are inactive now.
    #[schema(example = 0)]
    pub retired: u64,
    /// Organizations that were not known.
    #[schema(example = 7)]
    pub organizations_created: u64,
    /// How often each notice occurred among the records that were taken, and of organizations.
    pub notices: BTreeMap<&'static str, u64>,
    /// The records of which something must be said, in order, the first thousand.
    pub lines: Vec<Line>,
    /// How many more such records there are.
    #[schema(example = 0)]
    pub lines_left_out: u64,
}

/// How many lines a report keeps, and how many of records that have fields of their own and nothing else to tell: where all have them, they
/// leave room for those that were refused.
const MOST_LINES: usize = 1_000;
const MOST_OF_OWN_FIELDS: usize = 500;

impl Report {
    /// An empty report.
    pub fn new(source: &str, dry_run: bool) -> Self {
        Self { source: source.to_owned(), dry_run, ..Self::default() }
    }

    /// All records that were read.
    pub fn records(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.refused
    }

    /// Counts what was written.
    pub fn add_written(&mut self, written: Written) {
        self.organizations_created += written.organizations_created;
        written.lines.into_iter().for_each(|line| self.add(line));
    }

    /// Counts a record, and keeps its line where there is something to say and room.
    pub fn add(&mut self, line: Line) {
        let count = match line.verdict {
            Verdict::Created => Some(&mut self.created),
            Verdict::Updated => Some(&mut self.updated),
            Verdict::Unchanged => Some(&mut self.unchanged),
            Verdict::Refused => Some(&mut self.refused),
            Verdict::Retired => Some(&mut self.retired),
            Verdict::Noted => None,
        };
        if let Some(count) = count {
            *count += 1;
        }
        if line.verdict != Verdict::Refused {
            for notice in &line.notices {
                *self.notices.entry(notice.code).or_default() += 1;
            }
        }
        if !line.needs_a_word() {
            return;
        }
        let room = if line.is_of_its_own_fields() { MOST_OF_OWN_FIELDS } else { MOST_LINES };
        if self.lines.len() < room {
            self.lines.push(line);
        } else {
            self.lines_left_out += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_word_is_only_counted() {
        let line = |verdict, notices: Vec<Notice>| Line { position: Some(1), key: None, verdict, service_id: None, notices };
        let mut report = Report::new("x", false);
        report.add(line(Verdict::Created, Vec::new()));
        report.add(line(Verdict::Updated, vec![Notice::new("closed", "hours", "closed")]));
        report.add(line(Verdict::Refused, vec![Notice::new("name_missing", "name", "no name")]));
        for _ in 0..MOST_LINES {
            report.add(line(Verdict::Retired, Vec::new()));
        }
        assert_eq!((report.records(), report.created, report.lines.len(), report.lines_left_out), (3, 1, 1_000, 2));
        assert_eq!(report.notices, BTreeMap::from([("closed", 1)]));
    }
}
