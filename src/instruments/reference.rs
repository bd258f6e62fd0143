//! Instrument files in the camelCase form that FHIR-minded tools exchange, turned into ours.
//!
//! Nothing is judged here: what is missing or wrong shows when the result is checked like any other instrument. Points of a score
//! whose conditions are sentences cannot be computed, so such a file is refused, with the fault at the sentence.

use serde_json::{Map, Value, json};

/// Whether the document has the camelCase form.
pub fn is_reference_form(document: &Value) -> bool {
    document.get("id").is_some() && document.get("code").is_none()
}

/// The same instrument in our form.
pub fn convert(document: &Value) -> Value {
    let scoring = document.get("scoring").unwrap_or(&Value::Null);
    let mut instrument = fields(
        document,
        &[
            ("id", "code"),
            ("version", "edition"),
            ("title", "title"),
            ("languages", "languages"),
            ("recall", "recall"),
            ("intro", "intro"),
            ("stem", "stem"),
            ("respondent", "respondent"),
            ("setting", "setting"),
            ("accuracy", "accuracy"),
            ("outcomeUse", "outcome_use"),
            ("sources", "sources"),
        ],
    );
    let licence = document.get("licence").unwrap_or(&Value::Null);
    let licence_fields = [("summary", "summary"), ("attribution", "attribution"), ("source", "source"), ("loincNotice", "loinc_notice")];
    instrument.insert("licence".into(), fields(licence, &licence_fields).into());
    if let Some(panel) = document.get("loincPanel").filter(|panel| panel.is_object()) {
        let mut coding = fields(panel, &[("code", "code"), ("display", "display")]);
        coding.insert("system".into(), json!("http://loinc.org"));
        instrument.insert("panel".into(), coding.into());
    }
    let items: Value = list(document, "items").iter().map(|source| item(source, scoring)).collect();
    instrument.insert("scores".into(), scores(scoring, list(document, "items")));
    instrument.insert("items".into(), items);
    instrument.insert("need_rules".into(), list(document, "needRules").iter().map(need_rule).collect());
    instrument.insert("safety_rules".into(), list(document, "safetyRules").iter().map(safety_rule).collect());
    let remarks = ["rule", "incomplete", "proxy", "unitTrap"].iter().filter_map(|key| scoring.get(key));
    instrument.insert("notes".into(), list(document, "notes").iter().chain(remarks).cloned().collect());
    instrument.into()
}

/// The named fields under their new names. Null is as good as absent.
fn fields(source: &Value, names: &[(&str, &str)]) -> Map<String, Value> {
    let present =
        names.iter().filter_map(|(from, to)| Some(((*to).to_owned(), source.get(from).filter(|value| !value.is_null())?.clone())));
    present.collect()
}

fn list<'a>(source: &'a Value, key: &str) -> &'a [Value] {
    source.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(source: &'a Value, key: &str) -> &'a str {
    source.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn item(source: &Value, scoring: &Value) -> Value {
    let mut item = fields(
        source,
        &[
            ("linkId", "link_id"),
            ("type", "kind"),
            ("display", "text"),
            ("text", "text"),
            ("textWithheld", "text_withheld"),
            ("topic", "topic"),
            ("stem", "stem"),
            ("loinc", "loinc"),
            ("unit", "unit"),
            ("min", "minimum"),
            ("max", "maximum"),
            ("minLabel", "minimum_label"),
            ("maxLabel", "maximum_label"),
            ("needDomains", "need_domains"),
            ("origin", "origin"),
            ("evidence", "evidence"),
        ],
    );
    let option_fields = [
        ("code", "code"),
        ("system", "system"),
        ("text", "text"),
        ("score", "score"),
        ("positive", "is_positive"),
        ("exclusive", "is_exclusive"),
        ("alsoAccept", "also_accept"),
    ];
    let options = list(source, "options").iter().map(|option| Value::from(fields(option, &option_fields)));
    item.insert("options".into(), options.collect());
    item.insert("is_optional".into(), (source.get("required") == Some(&json!(false))).into());
    if text(source, "type") == "derived" {
        item.insert("score".into(), score_code(scoring, source).into());
    }
    item.into()
}

/// A derived item shows the score that derives its LOINC code: one of several sums, or else the instrument's only score.
fn score_code(scoring: &Value, derived: &Value) -> String {
    let sum = list(scoring, "sums").iter().position(|sum| sum.get("loinc").is_some() && sum.get("loinc") == derived.get("loinc"));
    sum.map_or_else(|| "total".into(), sum_code)
}

fn sum_code(index: usize) -> String {
    format!("sum-{}", index + 1)
}

fn scores(scoring: &Value, items: &[Value]) -> Value {
    let asked = || items.iter().filter(|item| text(item, "type") != "derived");
    match text(scoring, "method") {
        "sum" => json!([sum("total".into(), "Total", scoring)]),
        "per-domain" => list(scoring, "sums").iter().enumerate().map(|(index, source)| sum(sum_code(index), "Sum", source)).collect(),
        "any-positive-answer" | "single-item" => {
            let is_positive = |option: &Value| option.get("positive") == Some(&json!(true));
            let named = asked().filter(|item| list(item, "options").iter().any(is_positive)).filter_map(|item| item.get("linkId"));
            let items: Vec<_> = named.collect();
            let codes = scoring.get("derives").map(|derives| fields(derives, &[("positive", "positive"), ("negative", "negative")]));
            json!([{ "code": "total", "title": "Result", "method": "any_positive", "items": items,
                "result_codes": codes.filter(|codes| !codes.is_empty()) }])
        }
        "per-item" => asked()
            .map(|item| {
                json!({ "code": item.get("linkId"), "title": item.get("text"), "method": "sum", "items": [item.get("linkId")],
                    "minimum": item.get("min"), "maximum": item.get("max"), "bands": bands(item),
                    "better": if item.get("reverse") == Some(&json!(true)) { "lower" } else { "higher" } })
            })
            .collect(),
        "points" => {
            let range = |index: usize| scoring.pointer(&format!("/range/{index}"));
            json!([{ "code": "total", "title": "Total", "method": "points", "points": list(scoring, "points"),
                "minimum": range(0), "maximum": range(1) }])
        }
        _ => json!([]),
    }
}

fn sum(code: String, title: &str, source: &Value) -> Value {
    let range = |index: usize| source.pointer(&format!("/range/{index}"));
    json!({ "code": code, "title": title, "method": "sum", "items": list(source, "items"), "minimum": range(0), "maximum": range(1),
        "bands": bands(source), "positive_from": source.get("cutoff") })
}

fn bands(source: &Value) -> Value {
    let names = [("min", "minimum"), ("max", "maximum"), ("label", "label")];
    list(source, "bands").iter().map(|band| Value::from(fields(band, &names))).collect()
}

fn need_rule(source: &Value) -> Value {
    let names = [
        ("id", "id"),
        ("raises", "raises"),
        ("label", "label"),
        ("flag", "flag"),
        ("sensitive", "is_sensitive"),
        ("followWith", "follow_with"),
        ("basis", "basis"),
        ("note", "note"),
    ];
    let mut rule = fields(source, &names);
    let mut when = fields(source, &[("items", "items"), ("answers", "answers"), ("threshold", "threshold")]);
    let test = match text(source, "type") {
        "anyAnswer" => "any_answer",
        "sumGte" => "sum_gte",
        "sumLte" => "sum_lte",
        "productLt" => "product_lt",
        other => other,
    };
    when.insert("test".into(), test.into());
    rule.insert("when".into(), when.into());
    rule.into()
}

fn safety_rule(source: &Value) -> Value {
    let mut rule = fields(source, &[("id", "id"), ("flag", "flag"), ("action", "action")]);
    rule.insert("when".into(), json!({ "test": "sum_gte", "items": [source.get("item")], "threshold": source.get("threshold") }));
    rule.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruments::check::faults;
    use crate::instruments::definition::InstrumentInput;
    use crate::instruments::shipped;

    /// A file in the camelCase form, as another system would export it.
    fn phq2() -> Value {
        let options = json!([
            { "code": "LA6568-5", "system": "http://loinc.org", "text": "Not at all", "score": 0 },
            { "code": "LA6569-3", "system": "http://loinc.org", "text": "Several days", "score": 1 },
            { "code": "LA6570-1", "system": "http://loinc.org", "text": "More than half the days", "score": 2 },
            { "code": "LA6571-9", "system": "http://loinc.org", "text": "Nearly every day", "score": 3 },
        ]);
        json!({
            "id": "phq-2", "title": "PHQ-2", "version": "2003", "languages": ["en"],
            "licence": { "summary": "Free.", "attribution": "Its authors.", "source": "The form.", "loincNotice": "Has LOINC codes." },
            "loincPanel": { "code": "55757-9", "display": "PHQ-2" },
            "items": [
                { "linkId": "/44250-9", "text": "Little interest", "loinc": "44250-9", "type": "choice", "options": options, "needDomains": [] },
                { "linkId": "/44255-8", "text": "Feeling down", "loinc": "44255-8", "type": "choice", "options": options },
                { "linkId": "/55758-7", "text": null, "loinc": "55758-7", "type": "derived", "display": "PHQ-2 total", "range": [0, 6] },
            ],
            "scoring": { "method": "sum", "items": ["/44250-9", "/44255-8"], "range": [0, 6], "cutoff": 3,
                "bands": [{ "min": 0, "max": 2, "label": "negative" }, { "min": 3, "max": 6, "label": "positive" }],
                "derives": { "loinc": "55758-7" }, "incomplete": "Both answers are needed." },
            "needRules": [{ "id": "phq2-positive", "type": "sumGte", "items": ["/44250-9", "/44255-8"], "threshold": 3, "raises": [],
                "flag": "depression-screen-positive", "followWith": "phq-9" }],
            "sources": ["The form."], "notes": [],
        })
    }

    #[test]
    fn a_camel_case_file_scores_like_the_shipped_instrument() {
        assert!(is_reference_form(&phq2()));
        let converted: InstrumentInput = serde_json::from_value(convert(&phq2())).unwrap();
        assert_eq!(faults(&converted), []);
        let shipped = shipped::find("phq-2").unwrap();
        assert_eq!(converted.need_rules, shipped.need_rules);
        assert_eq!(converted.scores[0].bands, shipped.scores[0].bands);
        assert_eq!(converted.items[2].score.as_deref(), Some("total"));
        assert_eq!(converted.items[2].text.as_deref(), Some("PHQ-2 total"));
    }

    #[test]
    fn our_own_form_is_told_apart() {
        assert!(!is_reference_form(&serde_json::to_value(shipped::find("phq-2")).unwrap()));
    }
}
