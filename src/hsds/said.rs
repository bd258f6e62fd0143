//! What a source says of a record and no field of ours holds: kept with the record, and given back in its place.
//!
//! It has the shape of the record in the standard. A row of which Kith has made something is what is left of it, and says by `of` of which of
//! our rows it is the rest; any other row is whole. [`give_back`] puts each thing where the standard has a column or a list for it that
//! Kith does not read, and all else into `kith.source_fields` of its object; whole rows among those that Kith reads are marked
//! (`kith.is_kept`), so that no other Kith reads them. [`rest`] undoes it: what is left of an object besides what we would write of it. Where
//! one name is said twice, as that of an id that is none and that of the one made for it, the former is kept in `kith.source_fields`.
//!
//! What people here have changed or taken out counts: the rest of a row that is no longer ours stays in the record, and is given back to
//! nobody.

use std::collections::{HashMap, VecDeque};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::ids;
use super::tables::{self, Table};

/// The members of an object.
pub type Fields = Map<String, Value>;

/// By this the rest of a row says which of our rows it belongs to; see [`name`]. Null where none was made of it in the first place.
pub const OF: &str = "of";
/// By this the rest of a row says what Kith had made of columns of which it says otherwise itself, null where nothing; see [`Table::makes`].
/// One without it was kept before there was such a thing, and nobody is known to have changed what was made.
const READ_AS: &str = "read_as";
/// Where in the profile of an object that is kept which has no place.
const ELSEWHERE: &str = "source_fields";
/// That a row is its source's alone.
const IS_KEPT: &str = "is_kept";

/// What an object is, and how its members are put back.
#[derive(Debug, Clone, Copy)]
struct Way {
    /// Whether rows have the ids that their source gave them.
    has_ids: bool,
    /// Whether it is a row of a list, and not a record.
    is_row: bool,
    /// Whether nothing of it was read.
    is_kept: bool,
    /// Whether it has just been read, so that nobody here can have changed it.
    is_fresh: bool,
}

/// What names a row of ours among its like: the same whenever it is written, and with other words where it becomes another.
pub fn name(table: &str, row: &Fields) -> String {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let at = |path: &str| {
        let mut steps = path.split('/');
        let first = steps.next().and_then(|step| row.get(step));
        let found = steps.try_fold(first?, |value, step| match value {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            other => other.get(step),
        });
        Some(text(found?)).filter(|text| !text.is_empty())
    };
    let first = |paths: &[&str]| paths.iter().find_map(|path| at(path)).unwrap_or_default();
    let all = |paths: &[&str]| paths.iter().map(|path| at(path).unwrap_or_default()).collect::<Vec<_>>().join("|");
    match table {
        "phone" => first(&["number"]),
        "contact" => first(&["name", "email", "title"]),
        "language" => first(&["code"]),
        "service_area" => first(&["name"]),
        "cost_option" => all(&["option", "amount", "currency"]),
        "required_document" => first(&["document"]),
        "accessibility" => first(&["description"]),
        "organization_identifier" => first(&["identifier"]),
        "service_capacity" => first(&["kith/key"]),
        "attribute" => all(&["taxonomy_term/taxonomy", "taxonomy_term/code"]),
        "schedule" => all(SCHEDULE),
        "service_at_location" => match first(&["location/name", "location/addresses/0/address_1"]) {
            unnamed if unnamed.is_empty() => all(&["location/latitude", "location/longitude"]),
            named => named,
        },
        _ => String::new(),
    }
}

const SCHEDULE: &[&str] = &[
    "freq",
    "interval",
    "byday",
    "bymonthday",
    "byweekno",
    "byyearday",
    "kith/rrule",
    "dtstart",
    "count",
    "opens_at",
    "closes_at",
    "valid_from",
    "valid_to",
];

/// Gives back with a record what its source says of it besides, but for what people here have taken out. `has_ids`: rows have the ids that
/// their source gave them.
pub fn give_back<'a>(table: &str, record: &mut Fields, said: impl IntoIterator<Item = (&'a String, &'a Value)>, has_ids: bool) {
    fill(table, record, said.into_iter().collect(), Way { has_ids, is_row: false, is_kept: false, is_fresh: false });
}

/// The same with a record that has just been read: all that its source says stands in its place, and what is left of a row of which
/// nothing was made is of none.
pub fn give_back_fresh<'a>(table: &str, record: &mut Fields, said: impl IntoIterator<Item = (&'a String, &'a Value)>) {
    fill(table, record, said.into_iter().collect(), Way { has_ids: true, is_row: false, is_kept: false, is_fresh: true });
}

fn fill(table: &str, record: &mut Fields, mut said: Vec<(&String, &Value)>, way: Way) {
    let Some(table) = tables::of(table) else { return };
    // The ids of parts are made of that of the whole.
    said.sort_by(|one, other| (one.0 != "id", one.0).cmp(&(other.0 != "id", other.0)));
    let profile = record.shift_remove("kith");
    let is_ours = table.makes_any() && !way.is_kept && !way.is_fresh;
    let read_as = said.iter().copied().find(|(member, _)| is_ours && member.as_str() == READ_AS).and_then(|(_, value)| value.as_object());
    let mut elsewhere = Fields::new();
    for (member, value) in said {
        if read_as.is_some() && member.as_str() == READ_AS {
            continue;
        }
        if member == "kith" {
            stay_elsewhere(&mut elsewhere, value);
            continue;
        }
        let stands = record.get(member);
        // Where somebody here says it otherwise than it was read, that stands.
        let made = read_as.filter(|_| table.makes(member)).and_then(|made| made.get(member));
        let is_changed = made.is_some_and(|made| stands.unwrap_or(&Value::Null) != made) && stands != Some(value);
        let left = if is_changed { Some(value.clone()) } else { place(table, record, member, value, way) };
        if let Some(left) = left {
            elsewhere.insert(member.clone(), left);
        }
    }
    let mut profile = profile.unwrap_or_default();
    if !elsewhere.is_empty() {
        let mut elsewhere = Value::Object(elsewhere);
        elsewhere.sort_all_objects();
        let mut members = if let Value::Object(members) = profile { members } else { Fields::new() };
        members.insert(ELSEWHERE.into(), elsewhere);
        profile = Value::Object(members);
    }
    if !profile.is_null() {
        record.insert("kith".into(), profile);
    }
}

/// Keeps what a source says in a profile: what stood elsewhere when it was given back before stands there again, and no deeper.
fn stay_elsewhere(elsewhere: &mut Fields, said: &Value) {
    let mut profile = said.clone();
    let kept = match profile.as_object_mut() {
        Some(members) if members.get(ELSEWHERE).is_some_and(Value::is_object) => members.shift_remove(ELSEWHERE),
        _ => None,
    };
    let is_all = kept.is_some() && profile.as_object().is_some_and(Map::is_empty);
    if let Some(Value::Object(kept)) = kept {
        for (member, value) in kept {
            elsewhere.entry(member).or_insert(value);
        }
    }
    if !is_all {
        elsewhere.insert("kith".into(), profile);
    }
}

/// Puts a member in its place; gives back what has none.
fn place(table: &Table, record: &mut Fields, member: &str, value: &Value, way: Way) -> Option<Value> {
    if member == "id" && way.is_row {
        let id = uuid(Some(value));
        if let Some(id) = id.filter(|_| way.has_ids) {
            rename(record, id);
        }
        return id.is_none().then(|| value.clone());
    }
    if member == "id" || !table.has(member) {
        return Some(value.clone());
    }
    // What a row hangs on is where it stands, also of an organization that has become a service.
    if matches!(member, "link_entity" | "resource_type")
        && record.contains_key(member)
        && value.as_str().is_some_and(|name| tables::of(name).is_some())
    {
        return None;
    }
    if let Some(child) = tables::list(member) {
        let Value::Array(rows) = value else { return Some(value.clone()) };
        let left = place_rows(table, record, member, child, rows, way);
        return (!left.is_empty()).then_some(Value::Array(left));
    }
    if let Some(child) = tables::single(member) {
        let Value::Object(said) = value else { return Some(value.clone()) };
        let known = record.get_mut(member).and_then(Value::as_object_mut);
        if let Some(known) = known {
            fill(child, known, said.iter().collect(), Way { is_row: true, ..way });
            return None;
        }
        let Some(whole) = whole(child, said, ids::part(id_of(record), child, 0), way) else { return Some(value.clone()) };
        record.insert(member.into(), Value::Object(whole));
        return None;
    }
    let is_read = table.read.contains(&member) && !way.is_kept;
    match record.get(member) {
        Some(known) if known == value => None,
        _ if is_read || !table.fits(member, value) => Some(value.clone()),
        _ => {
            record.insert(member.into(), value.clone());
            None
        }
    }
}

/// Gives an object its id, and its parts those that are made of it: whoever shares the object has the same ones.
fn rename(record: &mut Fields, id: Uuid) {
    let before = id_of(record);
    record.insert("id".into(), id.to_string().into());
    for (member, value) in record.iter_mut() {
        let (child, rows) = match (tables::list(member), tables::single(member), value) {
            (Some(child), _, Value::Array(rows)) => (child, rows.as_mut_slice()),
            (_, Some(child), one) => (child, std::slice::from_mut(one)),
            _ => continue,
        };
        for (number, part) in rows.iter_mut().enumerate() {
            if let Some(part) = part.as_object_mut().filter(|part| id_of(part) == ids::part(before, child, number)) {
                rename(part, ids::part(id, child, number));
            }
        }
    }
}

/// Puts rows in their places; gives back those that have none.
fn place_rows(table: &Table, record: &mut Fields, member: &str, child: &str, said: &[Value], way: Way) -> Vec<Value> {
    let of = id_of(record);
    let mut rows = record.get_mut(member).and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
    let mut open = if said.iter().any(|row| row.get(OF).is_some()) { by_name(child, &rows) } else { HashMap::new() };
    let mut left = Vec::new();
    for row in in_order(said) {
        let Value::Object(fields) = &row else {
            left.push(row);
            continue;
        };
        let Some(wanted) = fields.get(OF) else {
            let made = whole(child, &of_record(table, child, fields), ids::part(of, child, rows.len()), way);
            match made {
                Some(mut made) => {
                    if !way.is_kept && tables::READ.contains(&(table.name, member)) {
                        mark(&mut made);
                    }
                    rows.push(Value::Object(made));
                }
                None => left.push(row),
            }
            continue;
        };
        let place = wanted.as_str().and_then(|name| open.get_mut(name)).and_then(VecDeque::pop_front);
        let written = match place {
            Some(place) => rows.get_mut(place).and_then(Value::as_object_mut),
            None => None,
        };
        match written {
            Some(written) => {
                if child == "service_at_location" {
                    sink(written, fields);
                }
                fill(child, written, fields.iter().filter(|(member, _)| *member != OF).collect(), Way { is_row: true, ..way });
            }
            None => left.extend(unplaced(fields, way)),
        }
    }
    if !rows.is_empty() {
        record.insert(member.into(), Value::Array(rows));
    }
    left
}

/// Where rows stand, by their names; of several of one name the first is the next.
fn by_name(child: &str, rows: &[Value]) -> HashMap<String, VecDeque<usize>> {
    let mut places: HashMap<String, VecDeque<usize>> = HashMap::new();
    for (place, row) in rows.iter().enumerate().filter_map(|(place, row)| Some((place, row.as_object()?))) {
        places.entry(name(child, row)).or_default().push_back(place);
    }
    places
}

/// What is told of the rest of a row of ours that is not there. Of one that was there once nothing is: people here have changed it or taken
/// it out, and its very name may be what they do not want to be known.
fn unplaced(rest: &Fields, way: Way) -> Option<Value> {
    let mut rest = rest.clone();
    if way.is_fresh && !way.is_kept {
        rest.insert(OF.into(), Value::Null);
    }
    let was_there = !way.is_kept && rest.get(OF).is_some_and(Value::is_string);
    (!was_there).then_some(Value::Object(rest))
}

/// A row that hangs on a record, with the name of the record's table where such a row says one.
fn of_record(table: &Table, child: &str, said: &Fields) -> Fields {
    let column = match child {
        "attribute" => Some("link_entity"),
        "metadata" => Some("resource_type"),
        _ => None,
    };
    let mut said = said.clone();
    // An organization may have become a service, with what is said of it.
    let is_open = |column: &str| said.get(column).and_then(Value::as_str).is_none_or(|name| tables::of(name).is_some());
    if let Some(column) = column.filter(|column| is_open(column)) {
        said.insert(column.into(), table.name.into());
    }
    said
}

/// A row of its own; none where it lacks what every such row has.
fn whole(child: &str, said: &Fields, id: Uuid, way: Way) -> Option<Fields> {
    let mut row = Fields::from_iter([("id".to_owned(), Value::from(id.to_string()))]);
    fill(child, &mut row, said.iter().collect(), Way { is_row: true, is_kept: true, ..way });
    let table = tables::of(child)?;
    for column in table.required {
        if !row.contains_key(*column) {
            row.insert((*column).to_owned(), table.unsaid(column)?);
        }
    }
    Some(row)
}

/// A row as its source says it, in the form of the standard; none where it lacks what every such row has.
pub fn whole_row(table: &str, said: &Fields) -> Option<Fields> {
    let way = Way { has_ids: true, is_row: true, is_kept: true, is_fresh: false };
    whole(table, said, Uuid::nil(), way).filter(|row| id_of(row) != Uuid::nil())
}

fn mark(row: &mut Fields) {
    let mut profile = if let Some(Value::Object(profile)) = row.shift_remove("kith") { profile } else { Fields::new() };
    profile.insert(IS_KEPT.into(), true.into());
    row.insert("kith".into(), Value::Object(profile));
}

/// What a source says at the location is written there, and not at the service there, where we have it.
fn sink(site: &mut Fields, said: &Fields) {
    for (member, child) in [("phones", "phone"), ("schedules", "schedule")] {
        let below = said.get("location").and_then(|location| location.get(member)).and_then(Value::as_array);
        let wanted: Vec<&str> = below.into_iter().flatten().filter_map(|row| row.get(OF)?.as_str()).collect();
        let Some(Value::Array(rows)) = site.get_mut(member).filter(|_| !wanted.is_empty()) else { continue };
        let is_below = |row: &Value| row.as_object().is_some_and(|row| wanted.contains(&name(child, row).as_str()));
        let (below, here): (Vec<Value>, Vec<Value>) = std::mem::take(rows).into_iter().partition(is_below);
        let has_none = here.is_empty();
        *rows = here;
        if has_none {
            site.shift_remove(member);
        }
        if let Some(Value::Object(location)) = site.get_mut("location").filter(|_| !below.is_empty()) {
            let profile = location.shift_remove("kith");
            location.insert(member.to_owned(), Value::Array(below));
            location.extend(profile.map(|profile| ("kith".to_owned(), profile)));
        }
    }
}

/// What is left of an object besides what we write of it, where it is ours or has been given back by us.
pub fn rest(table: &str, said: &Fields, written: &Fields) -> Fields {
    let Some(table) = tables::of(table) else { return said.clone() };
    let mut rest = unfolded(table, said);
    // What stands elsewhere stands there for something else is said here, be it nothing.
    let mut read_as: Fields =
        rest.iter().filter(|(member, _)| table.makes(member)).map(|(member, value)| (member.clone(), value.clone())).collect();
    for (member, value) in said.iter().filter(|(member, _)| *member != "id" && *member != "kith") {
        if let Some(left) = rest_of(table, said, member, value, written) {
            if table.makes(member) {
                read_as.insert(member.clone(), written.get(member).cloned().unwrap_or_default());
            }
            add(&mut rest, member, left);
        }
    }
    if !read_as.is_empty() {
        rest.insert(READ_AS.into(), Value::Object(read_as));
    }
    settled(rest)
}

fn rest_of(table: &Table, said: &Fields, member: &str, value: &Value, written: &Fields) -> Option<Value> {
    if matches!(member, "service" | "services" | "organization" | "modified_date") {
        return None;
    }
    if !table.has(member) {
        return (!tables::KEYS.contains(&member)).then(|| value.clone());
    }
    if let (Some(child), Value::Array(rows)) = (tables::list(member), value) {
        let ours = written.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let left = rest_of_rows(table.name, child, id_of(said), rows, ours);
        return (!left.is_empty()).then_some(Value::Array(left));
    }
    if let (Some(child), Value::Object(said_of_it)) = (tables::single(member), value) {
        let left = match written.get(member).and_then(Value::as_object) {
            Some(ours) => with_id(said_of_it, ours, rest(child, said_of_it, ours)),
            None => stripped(child, said_of_it, ids::part(id_of(said), child, 0)),
        };
        return (!left.is_empty()).then_some(Value::Object(left));
    }
    match written.get(member) {
        Some(ours) if ours == value || table.read.contains(&member) => None,
        _ => (value.as_str() != Some("")).then(|| value.clone()),
    }
}

fn rest_of_rows(parent: &str, child: &str, of: Uuid, said: &[Value], written: &[Value]) -> Vec<Value> {
    let mut open = by_name(child, written);
    let mut left = Vec::new();
    for (number, row) in said.iter().enumerate() {
        let Value::Object(fields) = row else {
            left.push(row.clone());
            continue;
        };
        let of_ours = name(child, fields);
        let place = if is_kept(fields) { None } else { open.get_mut(&of_ours).and_then(VecDeque::pop_front) };
        match place.and_then(|place| written.get(place)?.as_object().cloned()) {
            Some(mut ours) => {
                if child == "service_at_location" {
                    sink_as(&mut ours, fields);
                }
                let mut more = with_id(fields, &ours, rest(child, fields, &ours));
                // That it stands at the location is all that the location adds.
                let is_below = parent == "location" && matches!(child, "phone" | "schedule");
                if !more.is_empty() || is_below {
                    more.insert(OF.into(), of_ours.into());
                    left.push(Value::Object(more));
                }
            }
            None => left.push(Value::Object(stripped(child, fields, ids::part(of, child, number)))),
        }
    }
    left
}

/// Writes at the location what stands there in another's object.
fn sink_as(ours: &mut Fields, theirs: &Fields) {
    let rows = |member: &str, child: &str| {
        let below = theirs.get("location").and_then(|location| location.get(member)).and_then(Value::as_array);
        let below = below.into_iter().flatten().filter_map(Value::as_object).filter(|row| !is_kept(row));
        let named = below.map(|row| Value::Object(Fields::from_iter([(OF.to_owned(), name(child, row).into())])));
        (member.to_owned(), Value::Array(named.collect()))
    };
    let location = Fields::from_iter([rows("phones", "phone"), rows("schedules", "schedule")]);
    sink(ours, &Fields::from_iter([("location".to_owned(), Value::Object(location))]));
}

/// With the id that a row has, where it is another than we would give it.
fn with_id(said: &Fields, written: &Fields, mut rest: Fields) -> Fields {
    if let Some(id) = uuid(said.get("id")).filter(|id| Some(*id) != uuid(written.get("id"))) {
        rest.insert("id".into(), id.to_string().into());
    }
    rest
}

/// A row of its own as its source says it, without what was added to it when it was given back. `id`: the one that it got where it has none.
fn stripped(table: &str, said: &Fields, id: Uuid) -> Fields {
    let Some(table) = tables::of(table) else { return said.clone() };
    let own = uuid(said.get("id")).unwrap_or(id);
    let (mut row, mut hidden) = (unfolded(table, said), Fields::new());
    for (member, value) in said.iter().filter(|(member, _)| *member != "kith") {
        let left = match (member.as_str(), value) {
            ("id", value) if uuid(Some(value)) == Some(id) => continue,
            (_, Value::String(text)) if text.is_empty() => continue,
            (member, _) if tables::KEYS.contains(&member) && !table.has(member) => continue,
            (member, Value::Array(rows)) if tables::list(member).is_some() => {
                let child = tables::list(member).unwrap_or_default();
                let part = |(number, row): (usize, &Value)| match row {
                    Value::Object(fields) => Value::Object(stripped(child, fields, ids::part(own, child, number))),
                    other => other.clone(),
                };
                Value::Array(rows.iter().enumerate().map(part).collect())
            }
            (member, Value::Object(fields)) if tables::single(member).is_some() => {
                let child = tables::single(member).unwrap_or_default();
                Value::Object(stripped(child, fields, ids::part(own, child, 0)))
            }
            (_, value) => value.clone(),
        };
        if let Some(other) = add(&mut row, member, left).filter(|other| Some(other) != row.get(member)) {
            hidden.insert(member.clone(), other);
        }
    }
    if !hidden.is_empty() {
        hide(&mut row, hidden);
    }
    settled(row)
}

/// Keeps elsewhere what stood there under a name that another member has: the id that a source gave, where the row has one of ours.
fn hide(row: &mut Fields, hidden: Fields) {
    let mut profile = if let Some(Value::Object(profile)) = row.shift_remove("kith") { profile } else { Fields::new() };
    if let Some(Value::Object(kept)) = profile.get_mut(ELSEWHERE) {
        kept.extend(hidden);
    } else {
        profile.insert(ELSEWHERE.into(), Value::Object(hidden));
    }
    row.insert("kith".into(), Value::Object(profile));
}

/// What stands in an object's profile besides what the profile has.
fn unfolded(table: &Table, said: &Fields) -> Fields {
    let Some(Value::Object(profile)) = said.get("kith") else { return Fields::new() };
    let mut found = profile.get(ELSEWHERE).and_then(Value::as_object).cloned().unwrap_or_default();
    let unknown = |(member, _): &(&String, &Value)| !matches!(member.as_str(), ELSEWHERE | IS_KEPT) && !table.has_in_profile(member);
    let unknown: Fields = profile.iter().filter(unknown).map(|(member, value)| (member.clone(), value.clone())).collect();
    if !unknown.is_empty() {
        found.insert("kith".into(), Value::Object(unknown));
    }
    found
}

/// Adds a member, and gives back what it replaces; to rows that are there, more of them.
fn add(fields: &mut Fields, member: &str, value: Value) -> Option<Value> {
    match (fields.get_mut(member), value) {
        (Some(Value::Array(known)), Value::Array(more)) => {
            known.extend(more);
            None
        }
        (_, value) => fields.insert(member.to_owned(), value),
    }
}

/// With its rows in order: however a thing was said, it is kept alike.
fn settled(mut fields: Fields) -> Fields {
    for (member, value) in &mut fields {
        if let Some(rows) = value.as_array_mut().filter(|_| tables::list(member).is_some()) {
            *rows = in_order(rows);
        }
    }
    fields.sort_keys();
    fields
}

/// Rows in an order that does not depend on how they were said: those that belong to ours by what they belong to, then the others.
fn in_order(rows: &[Value]) -> Vec<Value> {
    let mut rows: Vec<Value> = rows.to_vec();
    rows.iter_mut().for_each(Value::sort_all_objects);
    rows.sort_by_cached_key(|row| match row.get(OF).and_then(Value::as_str) {
        Some(of) => (false, of.to_owned()),
        None => (true, row.to_string()),
    });
    rows
}

/// Whether a row is its source's alone.
pub fn is_kept(row: &Fields) -> bool {
    row.get("kith").and_then(|profile| profile.get(IS_KEPT)).and_then(Value::as_bool) == Some(true)
}

fn uuid(value: Option<&Value>) -> Option<Uuid> {
    Uuid::try_parse(value?.as_str()?).ok()
}

fn id_of(record: &Fields) -> Uuid {
    uuid(record.get("id")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
