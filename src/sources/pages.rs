//! What a partner's HSDS API is asked, and what its answers hold.

use serde_json::Value;
use url::Url;

use crate::db::types::Instant;
use crate::import::hsds::service::keys_of_id;

/// Records of a page of services that are pulled, and of organizations.
const PER_PAGE: &str = "100";

/// A list that is longer does not end.
pub const MOST_PAGES: i32 = 100_000;

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListPage {
    /// Its records.
    pub records: Vec<Value>,
    /// Whether none follows.
    pub is_last: bool,
    /// Its number, where it says one.
    pub number: Option<i64>,
}

/// What is known of a list from the pages of it that were read.
#[derive(Debug, Default)]
pub struct Before {
    /// The ids of the last one.
    ids: Vec<Option<String>>,
    /// The number that the first bears, as they say it: 1, or 0 where a partner counts from there and is asked for page 1 all the same.
    first: Option<i64>,
}

/// The numbers that the first page of a list may bear.
const FIRST: [i64; 2] = [0, 1];

impl ListPage {
    /// Whether it may be page `number`: it says no other number, as the partner counts, and its ids are not those of the page `before`,
    /// in whose place they are put. A partner that does not know `page` sends the first again and again.
    pub fn follows(&self, number: i32, before: &mut Before) -> bool {
        let ids: Vec<Option<String>> = self.records.iter().map(id).collect();
        let first = self.number.map(|said| said.saturating_sub(i64::from(number) - 1));
        let is_first = |first: i64| before.first.map_or_else(|| FIRST.contains(&first), |known| first == known);
        // The first is what is sent to whoever asks for none, whatever number it says; and nothing follows an empty one.
        let is_other = number > 1 && !ids.is_empty() && first.is_some_and(|first| !is_first(first));
        let is_same = ids.iter().any(Option::is_some) && ids == before.ids;
        before.first = before.first.or(first.filter(|first| FIRST.contains(first)));
        before.ids = ids;
        !is_other && !is_same
    }
}

/// The URL of a page of what was changed at a moment or later, everything nested.
pub fn changed(base: &Url, page: i32, since: Option<Instant>) -> Url {
    let mut url = listed(base, "services", None);
    url.query_pairs_mut().append_pair("full", "true").append_pair("per_page", PER_PAGE).append_pair("page", &page.to_string());
    if let Some(since) = since {
        url.query_pairs_mut().append_pair("modified_after", &since.to_text());
    }
    url
}

/// The URL of a page of all ids.
pub fn ids(base: &Url, page: i32) -> Url {
    let mut url = listed(base, "services", None);
    url.query_pairs_mut().append_pair("minimal", "true");
    if page > 1 {
        url.query_pairs_mut().append_pair("page", &page.to_string());
    }
    url
}

/// The URL of a service.
pub fn one(base: &Url, id: &str) -> Url {
    listed(base, "services", Some(id))
}

/// The URL of a page of organizations, their own fields alone.
pub fn organizations(base: &Url, page: i32) -> Url {
    let mut url = listed(base, "organizations", None);
    url.query_pairs_mut().append_pair("per_page", PER_PAGE).append_pair("page", &page.to_string());
    url
}

/// The URL of an organization.
pub fn organization(base: &Url, id: &str) -> Url {
    listed(base, "organizations", Some(id))
}

/// The query of the base stays: some partners want a key there.
fn listed(base: &Url, list: &str, id: Option<&str>) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().push(list).extend(id);
    }
    url
}

/// Reads the answer to a question for page `number`: a page of the standard, as all versions have it, or a bare list.
pub fn read(value: Value, number: i32) -> Option<ListPage> {
    let mut members = match value {
        Value::Array(records) => return Some(ListPage { records, is_last: true, number: None }),
        Value::Object(members) => members,
        _ => return None,
    };
    let records = ["contents", "items"].iter().find_map(|name| members.remove(*name));
    let Some(Value::Array(records)) = records else { return None };
    let says_last = ["last_page", "last"].iter().find_map(|name| members.get(*name)?.as_bool());
    let total = members.get("total_pages").and_then(Value::as_i64).filter(|total| *total > 0);
    let is_behind_all = total.map(|total| i64::from(number) >= total);
    // A list that says nothing of pages is one.
    let is_last = says_last.or(is_behind_all).unwrap_or(true) || is_behind_all == Some(true);
    let said = members.get("page_number").and_then(Value::as_i64);
    Some(ListPage { is_last: is_last || records.is_empty(), records, number: said })
}

/// Whether the records of a list have everything nested. A partner before 3.1 lists their own fields alone: they are to be read one by one.
pub fn are_whole(records: &[Value]) -> bool {
    let is_whole = |record: &Value| {
        let mut members = record.as_object().into_iter().flatten();
        members.any(|(name, value)| (value.is_array() || value.is_object()) && !matches!(name.as_str(), "organization" | "program"))
    };
    records.iter().any(is_whole)
}

/// The longest id that is asked for by itself, in bytes: all of those that are not known are in memory together.
const LONGEST_ID: usize = 1_000;

/// The id of a listed record, as its partner says it.
pub fn id(record: &Value) -> Option<String> {
    match record.get("id")? {
        Value::String(id) if !id.trim().is_empty() => Some(id.trim().to_owned()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// Whether the record with this id can be asked for by itself. One with a longer id is read in a list that has it whole, or not at all.
pub fn can_be_asked_for(id: &str) -> bool {
    id.len() <= LONGEST_ID
}

/// The keys under which an import may know the record with this id.
pub fn keys(id: &str) -> Vec<String> {
    keys_of_id(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_keep_what_the_base_has() {
        let base = Url::parse("https://a.example/api/hsds/?key=7").unwrap();
        assert_eq!(ids(&base, 1).as_str(), "https://a.example/api/hsds/services?key=7&minimal=true");
        assert_eq!(ids(&base, 3).as_str(), "https://a.example/api/hsds/services?key=7&minimal=true&page=3");
        assert_eq!(one(&base, "a/b c").as_str(), "https://a.example/api/hsds/services/a%2Fb%20c?key=7");
        assert_eq!(organizations(&base, 2).as_str(), "https://a.example/api/hsds/organizations?key=7&per_page=100&page=2");
        assert_eq!(organization(&base, "o1").as_str(), "https://a.example/api/hsds/organizations/o1?key=7");
        let base = Url::parse("https://a.example").unwrap();
        let since = "2026-03-01T10:00:00Z".parse().ok();
        let asked = changed(&base, 2, since);
        assert_eq!(
            asked.as_str(),
            "https://a.example/services?full=true&per_page=100&page=2&modified_after=2026-03-01T10%3A00%3A00.000000Z"
        );
    }

    #[test]
    fn an_id_is_a_text_or_a_number_and_a_long_one_is_not_asked_for() {
        let known = |value: Value| id(&json!({ "id": value }));
        assert_eq!((known(json!(" a ")), known(json!(7))), (Some("a".into()), Some("7".into())));
        assert!([json!(" "), json!(null), json!([])].into_iter().all(|value| known(value).is_none()));
        for (length, is_asked_for) in [(1_000, true), (1_001, false)] {
            let long = "a".repeat(length);
            assert_eq!(known(json!(long)).as_ref(), Some(&long));
            assert_eq!(can_be_asked_for(&long), is_asked_for);
        }
    }

    #[test]
    fn a_list_ends_where_it_says_so_or_says_nothing() {
        let is_last = |value: Value, number| read(value, number).unwrap().is_last;
        let some = json!([{ "id": "1" }]);
        assert!(!is_last(json!({ "contents": some, "last_page": false, "total_pages": 2 }), 1));
        assert!(is_last(json!({ "contents": some, "last_page": false, "total_pages": 2 }), 2), "there is no third of two");
        assert!(!is_last(json!({ "contents": some, "last_page": false, "total_pages": 0 }), 1), "which says nothing");
        assert!(is_last(json!({ "contents": some, "last_page": true }), 1));
        assert!(is_last(json!({ "contents": some, "total_pages": 2 }), 2) && !is_last(json!({ "contents": some, "total_pages": 2 }), 1));
        assert!(is_last(json!({ "contents": some }), 1) && is_last(some.clone(), 1));
        assert!(is_last(json!({ "contents": [], "last_page": false }), 5), "nothing follows nothing");
        assert_eq!(read(json!({ "error": "no" }), 1), None);
        assert_eq!(read(json!("no"), 1), None);
    }

    #[test]
    fn a_page_that_is_another_than_was_asked_for_is_known() {
        let page = |ids: &[&str], said: Value| {
            let contents: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
            read(json!({ "contents": contents, "page_number": said, "last_page": false }), 1).unwrap()
        };
        let mut before = Before::default();
        assert!(page(&["a", "b"], json!(7)).follows(1, &mut before), "the first is what is sent");
        assert!(page(&["c", "d"], json!(2)).follows(2, &mut before));
        assert!(!page(&["e", "f"], json!(1)).follows(3, &mut before), "it says another number");
        assert!(page(&[], json!(1)).follows(3, &mut before), "an empty one ends the list");
        assert!(page(&["g"], json!(null)).follows(3, &mut before));
        assert!(!page(&["g"], json!(null)).follows(4, &mut before), "the same once more");
        assert!(!page(&["g"], json!(5)).follows(5, &mut before), "whatever number it says");
        let nameless = || read(json!({ "contents": [{ "name": "x" }] }), 1).unwrap();
        assert!(nameless().follows(1, &mut before) && nameless().follows(2, &mut before), "without ids nobody knows");
    }

    #[test]
    fn pages_are_numbered_from_one_or_from_zero_as_the_first_that_is_read_shows() {
        let page = |id: &str, said: i64| read(json!({ "contents": [{ "id": id }], "page_number": said, "last_page": false }), 1).unwrap();
        // Which pages, by the number asked for and the number said, follow each other.
        let follow = |pages: &[(i32, i64)]| {
            let mut before = Before::default();
            pages.iter().map(|(number, said)| page(&number.to_string(), *said).follows(*number, &mut before)).collect::<Vec<bool>>()
        };
        assert_eq!(follow(&[(1, 0), (2, 1), (3, 2), (4, 4)]), [true, true, true, false]);
        assert_eq!(follow(&[(1, 1), (2, 2), (3, 2)]), [true, true, false]);
        assert_eq!(follow(&[(5, 4), (6, 5), (7, 7)]), [true, true, false], "where another process has read the first");
        assert_eq!(follow(&[(5, 1)]), [false]);
    }

    #[test]
    fn an_import_knows_a_record_by_its_id_as_plain_text_as_a_service_or_an_organization() {
        assert_eq!(keys(" a&amp;b "), ["a&b", "organization:a&b"]);
        assert!(keys("<br>").is_empty());
        assert!(keys(&"x".repeat(300)).iter().all(|key| key.chars().count() == 200));
    }

    #[test]
    fn a_flat_list_is_told_from_a_whole_one() {
        assert!(!are_whole(&[json!({ "id": "1", "name": "a", "organization": { "id": "2" } })]));
        assert!(are_whole(&[json!({ "id": "1", "name": "a" }), json!({ "id": "2", "phones": [] })]));
    }
}
