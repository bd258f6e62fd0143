//! How much room a service has.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::db::types::Instant;
use crate::text_enum;
use crate::types::Term;

text_enum! {
    /// Whether a service takes people now.
    #[derive(Default)]
    pub enum CapacityStatus {
        /// There is room.
        Open = "open",
        /// People are put on a list.
        Waitlist = "waitlist",
        /// No room and no list.
        Full = "full",
        /// It takes nobody at present.
        Closed = "closed",
        /// Nobody has said.
        #[default]
        Unknown = "unknown",
    }
}

/// How much room a service has, as its provider last said; or how much of one kind, which it counts apart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Capacity {
    /// Whether it takes people now. Where that is not said and `available` is, it follows: `open` where a place is free, and where none is,
    /// `waitlist` while people wait (`waitlist_length`, `expected_wait_days`, a list that Kith keeps), else `full`. Where somebody takes the
    /// last place of an `open` room, which Kith had offered to them, it follows from then on.
    pub status: CapacityStatus,
    /// What is counted: `place`, `hamper`, `hour`, ….
    #[schema(max_length = 60, example = "place")]
    pub unit: Option<String>,
    /// Units free now, as said: less `held` they are free to whoever is referred next. None can be where the status is `full` or `closed`;
    /// where it is `waitlist`, they are for those who wait.
    #[schema(minimum = 0, maximum = 1_000_000, example = 3)]
    pub available: Option<i32>,
    /// Units in all.
    #[schema(minimum = 0, maximum = 1_000_000, example = 12)]
    pub maximum: Option<i32>,
    /// People waiting: as said, or else, where people stand on the list that Kith keeps, those on it who have no offer.
    #[schema(minimum = 0, maximum = 1_000_000, example = 5)]
    pub waitlist_length: Option<i32>,
    /// Days until one is taken.
    #[schema(minimum = 0, maximum = 10_000, example = 21)]
    pub expected_wait_days: Option<i32>,
    /// The moment it was true; the moment of the request where absent, or where it lies ahead by 24 hours at most. What is later is refused.
    pub as_of: Option<Instant>,
    /// A remark.
    #[schema(max_length = 1_000, example = "New group starts in May.")]
    pub note: Option<String>,
    /// Of the units in all, those that are paid for.
    #[schema(minimum = 0, maximum = 1_000_000, example = 10)]
    pub funded: Option<i32>,
    /// The populations that this room is kept for: `newcomer`, `caregiver`, …; none: for everybody.
    #[schema(value_type = Vec<Term>, max_items = 20, example = json!(["newcomer"]))]
    pub populations: Vec<String>,
    /// Of the units free, those that are kept for somebody on the list that Kith keeps; null where nobody is on it. Who was offered one
    /// keeps it until they answer or the offer runs out, also where it was said since that none is free. Kith counts them: what a caller
    /// says here is not taken.
    #[schema(minimum = 0, example = json!(null))]
    pub held: Option<i32>,
    /// True where `waitlist_length` is what Kith counts on its own list; false where people stand on it and the provider said the length.
    /// Where a caller says true, the length that comes with it is not taken.
    #[schema(example = json!(null))]
    pub is_waitlist_counted: Option<bool>,
    /// True where `status` follows from the free places and from who waits, and changes with them; null where it was said, or nothing
    /// follows. Whoever says true and sends back a status that they read has not said it. With the service's version (`If-Match`, `version`
    /// of a line) that is the status which the room shows, and another one is said. Without, the list may have moved since it was read: any
    /// status is taken for one that followed which may have done so, from these free places or those of the room, with people on the list or
    /// without; another one is said, as `closed` always is. Whoever leaves this out says every status but `unknown`.
    #[schema(example = json!(null))]
    pub is_status_derived: Option<bool>,
}

/// Those who stand on the list that Kith keeps for a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Queue {
    /// They have an offer: a place is kept for them.
    pub offered: i32,
    /// They wait.
    pub waiting: i32,
}

impl Capacity {
    /// For so many days what was said of room is believed. After that it counts half in search and in matching.
    pub const BELIEVED_DAYS: u64 = 60;

    /// The last day on which it is not stale; none where it is not said when it was true.
    pub fn fresh_until(&self) -> Option<NaiveDate> {
        self.as_of?.utc().date_naive().checked_add_days(chrono::Days::new(Self::BELIEVED_DAYS))
    }

    /// Whether it was said too long ago to be believed.
    pub fn is_stale(&self, today: NaiveDate) -> bool {
        self.fresh_until().is_some_and(|until| until < today)
    }

    /// Whether it has free places that the status which was said rules out.
    pub fn contradicts_itself(&self) -> bool {
        matches!(self.said().status, CapacityStatus::Full | CapacityStatus::Closed) && self.available.is_some_and(|free| free > 0)
    }

    /// What is wrong with one that contradicts itself, in words for whoever said it.
    pub fn contradiction(&self) -> String {
        format!("must be 0 or left out where `status` is `{}`", self.status)
    }

    /// What a caller says of a room that shows `shown`, with the status that follows where none is said, as [`stated`](Self::stated) has it.
    /// They may send back what they read, and a status that followed there is not theirs. Who `names_version` has read what is shown; who
    /// does not may have read it before people joined or left the list.
    #[must_use]
    pub fn stated_over(&self, shown: Option<&Self>, has_list: bool, names_version: bool) -> Self {
        let stated = self.stated(has_list);
        if self.is_status_derived != Some(true) || stated.status == self.status {
            return stated;
        }
        let followed = shown.filter(|shown| shown.is_status_derived == Some(true));
        let is_shown = followed.is_some_and(|shown| shown.status == self.status);
        if is_shown || (!names_version && self.may_have_followed(followed)) {
            return stated;
        }
        Self { is_status_derived: None, ..self.clone() }.stated(has_list)
    }

    /// Whether the status is one that may have followed when the room was read, which now shows `followed`.
    fn may_have_followed(&self, followed: Option<&Self>) -> bool {
        let follows = |room: &Self| [false, true].into_iter().any(|has_list| room.stated(has_list).status == self.status);
        // Where none is free any more, one was before it was taken.
        let is_left_open = self.status == CapacityStatus::Open && self.available == Some(0);
        is_left_open || follows(self) || followed.is_some_and(follows)
    }

    /// What the provider said, with the status that follows from the free places where none is said; `has_list` where people stand on the
    /// list that Kith keeps.
    #[must_use]
    pub fn stated(&self, has_list: bool) -> Self {
        let said = self.said();
        let is_waited_for = has_list || said.waitlist_length.is_some_and(|people| people > 0) || said.expected_wait_days.is_some();
        let status = match (said.status, said.available) {
            (CapacityStatus::Unknown, Some(1..)) => CapacityStatus::Open,
            (CapacityStatus::Unknown, Some(_)) if is_waited_for => CapacityStatus::Waitlist,
            (CapacityStatus::Unknown, Some(_)) => CapacityStatus::Full,
            _ => return said,
        };
        Self { status, is_status_derived: Some(true), ..said }
    }

    /// Without what Kith has counted of those who wait.
    #[must_use]
    pub fn uncounted(&self) -> Self {
        let waitlist_length = self.waitlist_length.filter(|_| self.is_waitlist_counted != Some(true));
        Self { waitlist_length, held: None, is_waitlist_counted: None, ..self.clone() }
    }

    /// The same without the status that follows: what the provider said.
    #[must_use]
    pub fn said(&self) -> Self {
        let status = if self.is_status_derived == Some(true) { CapacityStatus::Unknown } else { self.status };
        Self { status, is_status_derived: None, ..self.uncounted() }
    }

    /// Whether nobody has said anything, so that it tells at most who waits.
    pub fn is_unsaid(&self) -> bool {
        self.said() == Self::default()
    }

    /// With what Kith counts of those on its list, none where nobody stands on it, and the status that follows.
    #[must_use]
    pub fn counted(&self, queue: Option<Queue>) -> Self {
        let stated = self.stated(queue.is_some());
        let Some(queue) = queue else { return stated };
        let is_waitlist_counted = Some(stated.waitlist_length.is_none());
        Self { waitlist_length: stated.waitlist_length.or(Some(queue.waiting)), held: Some(queue.offered), is_waitlist_counted, ..stated }
    }

    /// The units that are free and kept for nobody; `None` where they are not counted.
    pub fn free(&self) -> Option<i32> {
        self.available.map(|available| available.saturating_sub(self.held.unwrap_or(0)).max(0))
    }

    /// Whether it takes people now who come anew. What was counted down to none, or is kept for others, has no room: they wait where
    /// Kith keeps a list, or else it is full.
    pub fn standing(&self) -> CapacityStatus {
        match self.status {
            CapacityStatus::Open if self.free() == Some(0) && self.held.is_some() => CapacityStatus::Waitlist,
            CapacityStatus::Open if self.free() == Some(0) => CapacityStatus::Full,
            status => status,
        }
    }

    /// Whether somebody of these populations may have it.
    pub fn is_for(&self, populations: &[String]) -> bool {
        self.populations.is_empty() || self.populations.iter().any(|population| populations.contains(population))
    }

    /// Of these rooms the one that takes somebody of these populations soonest.
    pub fn soonest<'a>(rooms: impl Iterator<Item = &'a Self>, populations: &[String]) -> Option<&'a Self> {
        rooms.filter(|room| room.is_for(populations)).min_by_key(|room| room.rank())
    }

    /// How soon it takes somebody: the lower, the sooner.
    pub fn rank(&self) -> u8 {
        match self.standing() {
            CapacityStatus::Open => 0,
            CapacityStatus::Waitlist => 1,
            CapacityStatus::Unknown => 2,
            CapacityStatus::Full => 3,
            CapacityStatus::Closed => 4,
        }
    }
}

/// A room that a service counts apart from its default one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NamedCapacity {
    /// Its name in paths, unique within the service.
    #[schema(example = "newcomers")]
    pub key: String,
    /// How much of it there is.
    pub capacity: Capacity,
}

impl NamedCapacity {
    /// Without what Kith has counted: what the provider said.
    #[must_use]
    pub fn said(&self) -> Self {
        Self { key: self.key.clone(), capacity: self.capacity.said() }
    }
}
