//! Mapping files: how the records of a source become services, in TOML.
//!
//! # A mapping file
//!
//! ```toml
//! source  = "valley-directory"       # the name under which records are known; --source wins
//! format  = "records"                # "records": any CSV or JSON objects, told apart below; "hsds": Open Referral HSDS 3.x
//! licence = "CC-BY-4.0"              # kept with every record
//! key     = "id"                     # what identifies a record: a path, or a list of paths that are joined by "/"
//! each    = "data.items"             # where the records stand inside each top-level value; absent: it is the record
//! group   = "program"                # records with equal values are one service at many places; "=text" groups all of them
//! ignore  = ["verified"]             # fields that are not worth keeping
//!
//! [defaults]                         # what the source leaves unsaid
//! language = "en"                    # of the texts
//! time_zone = "America/Vancouver"    # of the hours; without one, hours stay text
//! country = "CA"                     # of telephones and addresses
//! region = "BC"
//! needs = ["employment-status"]      # what every service of the source is for
//!
//! [time_zones]                       # by region of the place, before the default
//! AB = "America/Edmonton"
//!
//! [service]                          # our field = where it comes from
//! name = "title"
//! description = ["description", "summary"]                # the first that is not empty
//! phones = [{ from = "phone" }, { from = "fax", kind = "fax" }]
//! address = "address"
//! point = { from = "coordinates", as = "lon_lat" }
//! hours = "opening_hours"
//! status = { from = "state", values = { "Permanently Closed" = "defunct" } }
//! languages = { from = "french", values = { Y = ["en", "fr"], N = [] } }
//! "eligibility.referral_route" = { value = "self_referral" }
//!
//! [place]                            # of a place; in a grouped source each record is a place
//! name = "branch"
//!
//! [provider]                         # the organization that gives the service
//! name = "agency"
//!
//! [translations.fr]                  # the texts in another language
//! name = "title_fr"
//!
//! [categories]                       # words that sort the records
//! from = "category"
//! needs = { food-banks = ["food-insecurity"] }            # what a category is for
//! populations = { seniors = ["senior"] }                  # whom a category is for: who, not what
//!
//! [scope]                            # how far a record reaches; where a scope lists areas, its address is an office, not a place
//! from = "scope"
//! areas = { ontario = ["CA-ON"], canada = ["CA"] }
//!
//! [[precision]]                      # what a point is worth
//! shared_by = 3                      # points of at least so many different addresses …
//! is = "approximate"                 # … are this: exact, approximate or area; without shared_by: every point
//!
//! [points]
//! within = [48.2, -139.1, 60.0, -114.0]                   # south, west, north, east: points outside are faults
//!
//! [keys]                             # HSDS only
//! trust = "unique"                   # "unique": ids that occur once; "always"; "never": keys are made of names and addresses
//! within = "^feed"                   # ids are unique within this field's value
//! ```
//!
//! # Paths and rules
//!
//! A **path** is `field.inner.0`; `^field` is a field of the value that encloses the record (see `each`). A **rule** is a path, a list of
//! rules of which the first with a value counts (for lists such as `phones`: all of them), or a table:
//!
//! | key | meaning |
//! |---|---|
//! | `from` | the path |
//! | `value` | a constant instead |
//! | `match` | a regular expression; its first group, or the whole match, goes on; no match is no value |
//! | `split` | a text at which a list is taken apart |
//! | `values` | what each value stands for; one that is not listed is reported and kept |
//! | `as` | how the value is written: `text` (the default), `integer`, `yes_no` (also Y/N, true/false, oui/non, 1/0), `date`, `lon_lat`, `lat_lon` |
//! | `kind` | of telephones: `voice`, `text`, `mobile`, `fax`, `tty` |
//!
//! # Targets
//!
//! Every field of a service (`[service]`) or a place (`[place]`) by its name in the API, with dots for inner fields. These are read with
//! care, since their sources hold words: `phones`, `email`, `url`; `hours` (text, becomes schedules where all of it is understood, else
//! `hours_text`); `weekly_hours` (an object of weekdays with `open` and `close`); `address` (one line; a text such as "Canada-wide" is no
//! place); `point`, or `latitude` and `longitude`; `fees`; `eligibility` (text, with ages where there is one reading); `documents`;
//! `languages`; `status`.
//!
//! What no rule names is kept in `source_fields`, and so is what a rule could not understand.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use crate::services::model::PointPrecision;
use crate::types::PhoneKind;

/// How to read a source.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The source's name.
    #[serde(default)]
    pub source: String,
    /// What the records are.
    #[serde(default)]
    pub format: Format,
    /// The licence of the records.
    #[serde(default)]
    pub licence: Option<String>,
    /// What identifies a record.
    #[serde(default)]
    pub key: Paths,
    /// Where the records stand inside a top-level value.
    #[serde(default)]
    pub each: Option<Path>,
    /// What makes records one service.
    #[serde(default)]
    pub group: Option<String>,
    /// Fields that are not kept.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// What the source leaves unsaid.
    #[serde(default)]
    pub defaults: Defaults,
    /// Time zones by region.
    #[serde(default)]
    pub time_zones: BTreeMap<String, String>,
    /// Fields of the service.
    #[serde(default)]
    pub service: BTreeMap<String, Rule>,
    /// Fields of the place.
    #[serde(default)]
    pub place: BTreeMap<String, Rule>,
    /// Fields of the provider: `name`, `key`, `description`, `url`, `email`.
    #[serde(default)]
    pub provider: BTreeMap<String, Rule>,
    /// Texts by language.
    #[serde(default)]
    pub translations: BTreeMap<String, BTreeMap<String, Rule>>,
    /// Words that sort the records.
    #[serde(default)]
    pub categories: Categories,
    /// How far a record reaches.
    #[serde(default)]
    pub scope: Option<Scope>,
    /// What points are worth.
    #[serde(default)]
    pub precision: Vec<Precision>,
    /// Where points can be.
    #[serde(default)]
    pub points: Points,
    /// What ids are worth.
    #[serde(default)]
    pub keys: Keys,
}

/// What the records of a source are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// HSDS 3.x.
    #[default]
    Hsds,
    /// Any objects.
    Records,
}

/// What a source leaves unsaid.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// BCP 47 tag of the texts.
    pub language: String,
    /// IANA zone of the hours.
    pub time_zone: Option<String>,
    /// ISO 3166-1 country of telephones and addresses.
    pub country: String,
    /// Province or state.
    pub region: Option<String>,
    /// Need domains of every service.
    pub needs: Vec<String>,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { language: "en".into(), time_zone: None, country: "CA".into(), region: None, needs: Vec::new() }
    }
}

/// A path into a record, as written: `a.b.0`, `^a`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub struct Path {
    /// The path as written.
    pub text: String,
    /// True where it starts in the enclosing value.
    pub is_outer: bool,
    steps: Vec<String>,
}

impl From<String> for Path {
    fn from(text: String) -> Self {
        let is_outer = text.starts_with('^');
        let steps = text.trim_start_matches('^').split('.').filter(|step| !step.is_empty()).map(str::to_owned).collect();
        Self { text, is_outer, steps }
    }
}

impl Path {
    /// The value at the path, also an empty one.
    pub fn at<'v>(&self, record: &'v Value, outer: &'v Value) -> Option<&'v Value> {
        let start = if self.is_outer { outer } else { record };
        self.steps.iter().try_fold(start, |value, step| match value {
            Value::Object(fields) => fields.get(step),
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// The value at the path; empty values count as none.
    pub fn find<'v>(&self, record: &'v Value, outer: &'v Value) -> Option<&'v Value> {
        let found = self.at(record, outer)?;
        let is_empty = match found {
            Value::Null => true,
            Value::String(text) => text.trim().is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        (!is_empty).then_some(found)
    }

    /// The first step: the record's own field that the path uses.
    pub fn field(&self) -> Option<&str> {
        if self.is_outer { None } else { self.steps.first().map(String::as_str) }
    }
}

/// One path or several.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(untagged)]
pub enum Paths {
    /// None.
    #[default]
    None,
    /// One.
    One(Path),
    /// Several.
    Many(Vec<Path>),
}

impl Paths {
    /// The paths.
    pub fn all(&self) -> &[Path] {
        match self {
            Self::None => &[],
            Self::One(path) => std::slice::from_ref(path),
            Self::Many(paths) => paths,
        }
    }
}

/// Where a field comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Rule {
    /// A path.
    Path(Path),
    /// The first of several, or all of them for lists.
    Any(Vec<Self>),
    /// A path with more to it.
    Table(Box<Table>),
}

impl Rule {
    /// The paths that the rule reads.
    pub fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Path(path) => vec![path],
            Self::Any(rules) => rules.iter().flat_map(Self::paths).collect(),
            Self::Table(table) => table.from.iter().collect(),
        }
    }
}

/// A rule with more to it than a path.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The path.
    #[serde(default)]
    pub from: Option<Path>,
    /// A constant.
    #[serde(default)]
    pub value: Option<Value>,
    /// What of the text goes on.
    #[serde(default, rename = "match", deserialize_with = "pattern")]
    pub pattern: Option<Regex>,
    /// Where a list is taken apart.
    #[serde(default)]
    pub split: Option<String>,
    /// What values stand for.
    #[serde(default)]
    pub values: BTreeMap<String, Value>,
    /// How the value is written.
    #[serde(default, rename = "as")]
    pub writing: Writing,
    /// The kind of telephones.
    #[serde(default)]
    pub kind: Option<PhoneKind>,
}

fn pattern<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Regex>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Regex::new(&text).map(Some).map_err(serde::de::Error::custom)
}

/// How a value is written in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Writing {
    /// As text, or as JSON has it.
    #[default]
    Text,
    /// A whole number.
    Integer,
    /// Yes or no.
    YesNo,
    /// A date, or an instant of which the date counts.
    Date,
    /// Longitude, comma, latitude.
    LonLat,
    /// Latitude, comma, longitude.
    LatLon,
}

/// Words that sort the records.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Categories {
    /// Where they stand.
    pub from: Paths,
    /// What a category is for.
    pub needs: BTreeMap<String, Vec<String>>,
    /// Whom a category is for.
    pub populations: BTreeMap<String, Vec<String>>,
}

/// How far a record reaches.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Where it stands.
    pub from: Path,
    /// ISO 3166 codes, or names, of the areas of a scope that is not local.
    #[serde(default)]
    pub areas: BTreeMap<String, Vec<String>>,
}

/// What points are worth.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Precision {
    /// How many different addresses share the point; every point where absent.
    #[serde(default)]
    pub shared_by: Option<u32>,
    /// The worth.
    pub is: PointPrecision,
}

/// Where points can be.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Points {
    /// South, west, north, east.
    pub within: Option<[f64; 4]>,
}

/// What ids are worth.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keys {
    /// Which ids are keys.
    pub trust: Trust,
    /// The field within whose value ids are unique.
    pub within: Option<Path>,
}

/// Which ids of a source are keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Those that occur once in the file, and all UUIDs.
    #[default]
    Unique,
    /// All of them.
    Always,
    /// None of them.
    Never,
}

/// Why a mapping cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// It is no TOML of this form.
    #[error("the mapping is not understood: {0}")]
    Form(#[from] Box<toml::de::Error>),
    /// It contradicts itself or names what does not exist.
    #[error("the mapping cannot be used: {0}")]
    Sense(String),
}

impl Mapping {
    /// HSDS records of a source of which nothing else is known.
    pub fn hsds(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            format: Format::Hsds,
            licence: None,
            key: Paths::None,
            each: None,
            group: None,
            ignore: Vec::new(),
            defaults: Defaults::default(),
            time_zones: BTreeMap::new(),
            service: BTreeMap::new(),
            place: BTreeMap::new(),
            provider: BTreeMap::new(),
            translations: BTreeMap::new(),
            categories: Categories::default(),
            scope: None,
            precision: Vec::new(),
            points: Points::default(),
            keys: Keys::default(),
        }
    }

    /// Reads a mapping file and says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let mapping: Self = toml::from_str(text).map_err(Box::new)?;
        mapping.check()?;
        Ok(mapping)
    }

    fn check(&self) -> Result<(), MappingError> {
        let sense = |fault: String| Err(MappingError::Sense(fault));
        if self.format == Format::Records && !self.service.contains_key("name") {
            return sense("[service] must say where the name comes from".into());
        }
        if self.format == Format::Records && self.key.all().is_empty() && self.group.is_none() {
            return sense("key must say what identifies a record".into());
        }
        for zone in self.time_zones.values().chain(&self.defaults.time_zone) {
            if zone.parse::<chrono_tz::Tz>().is_err() {
                return sense(format!("{zone} is no IANA time zone"));
            }
        }
        let mut needs = self.categories.needs.values().flatten().chain(&self.defaults.needs);
        if let Some(unknown) = needs.find(|code| crate::types::find_domain(code).is_none()) {
            return sense(format!("{unknown} is no need domain"));
        }
        for (table, rules, fields) in
            [("service", &self.service, super::records::service_targets()), ("place", &self.place, super::records::place_targets())]
        {
            if let Some(unknown) = rules.keys().find(|target| !fields.contains(target.as_str())) {
                return sense(format!("[{table}] names {unknown}, which is no field"));
            }
        }
        const PROVIDER: [&str; 5] = ["name", "key", "description", "url", "email"];
        if let Some(unknown) = self.provider.keys().find(|target| !PROVIDER.contains(&target.as_str())) {
            return sense(format!("[provider] names {unknown}, which is no field"));
        }
        const TRANSLATION: [&str; 6] = ["name", "description", "eligibility", "application_process", "cost", "hours"];
        if let Some(unknown) = self.translations.values().flat_map(BTreeMap::keys).find(|target| !TRANSLATION.contains(&target.as_str())) {
            return sense(format!("[translations] names {unknown}, which is no field"));
        }
        Ok(())
    }

    /// True where a rule reads the record's field, or the field is not to be kept.
    pub fn uses(&self, field: &str) -> bool {
        let rules = [&self.service, &self.place, &self.provider].into_iter().chain(self.translations.values());
        let mut paths = rules.flat_map(BTreeMap::values).flat_map(Rule::paths);
        self.ignore.iter().any(|ignored| ignored == field)
            || paths.any(|path| path.field() == Some(field))
            || [&self.key, &self.categories.from].into_iter().flat_map(Paths::all).any(|path| path.field() == Some(field))
            || self.scope.as_ref().is_some_and(|scope| scope.from.field() == Some(field))
    }

    /// The zone of hours at a place of this region.
    pub fn time_zone(&self, region: Option<&str>) -> Option<&str> {
        region.and_then(|region| self.time_zones.get(region)).or(self.defaults.time_zone.as_ref()).map(String::as_str)
    }
}
