use proptest::prelude::*;

use super::*;
use crate::instruments::shipped;

fn instrument(code: &str) -> &'static InstrumentInput {
    shipped::find(code).unwrap()
}

fn chosen(link_id: &str, code: &str) -> Answer {
    Answer { link_id: link_id.into(), codes: vec![code.into()], value: None, unit: None, absent_reason: None }
}

fn number(link_id: &str, value: f64) -> Answer {
    Answer { link_id: link_id.into(), codes: vec![], value: Some(value), unit: None, absent_reason: None }
}

fn declined(link_id: &str) -> Answer {
    Answer { link_id: link_id.into(), codes: vec![], value: None, unit: None, absent_reason: Some(AbsentReason::AskedDeclined) }
}

/// The four answers of PHQ and GAD, by points.
const FREQUENCY: [&str; 4] = ["LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"];

/// Answers to the items of an instrument's first score, by points.
fn frequencies(instrument: &InstrumentInput, points: &[usize]) -> Vec<Answer> {
    let items = &instrument.scores[0].items;
    assert_eq!(items.len(), points.len());
    items.iter().zip(points).map(|(item, points)| chosen(item, FREQUENCY[*points])).collect()
}

/// Scores the answers, which must be without fault.
fn findings(code: &str, answers: &[Answer]) -> Findings {
    assert_eq!(faults(instrument(code), answers), [], "{code}");
    score(instrument(code), answers)
}

fn total(findings: &Findings) -> (Option<f64>, Option<&str>, Option<bool>) {
    let score = &findings.scores[0];
    (score.value, score.band.as_deref(), score.is_positive)
}

fn needs(findings: &Findings) -> Vec<&str> {
    findings.needs.iter().map(|need| need.domain.as_str()).collect()
}

fn flags(findings: &Findings) -> Vec<&str> {
    findings.flags.iter().map(|flag| flag.flag.as_str()).collect()
}

fn fault_codes(code: &str, answers: &[Answer]) -> Vec<(String, String)> {
    faults(instrument(code), answers).into_iter().map(|fault| (fault.pointer, fault.code.into_owned())).collect()
}

mod phq_9 {
    use super::*;

    fn of(points: [usize; 9]) -> Findings {
        findings("phq-9", &frequencies(instrument("phq-9"), &points))
    }

    #[test]
    fn the_bands_begin_at_0_5_10_15_and_20() {
        assert_eq!(total(&of([0, 0, 0, 0, 0, 0, 0, 0, 0])), (Some(0.0), Some("none-minimal"), Some(false)));
        assert_eq!(total(&of([1, 1, 1, 1, 0, 0, 0, 0, 0])), (Some(4.0), Some("none-minimal"), Some(false)));
        assert_eq!(total(&of([1, 1, 1, 1, 1, 0, 0, 0, 0])), (Some(5.0), Some("mild"), Some(false)));
        assert_eq!(total(&of([3, 3, 3, 0, 0, 0, 0, 0, 0])), (Some(9.0), Some("mild"), Some(false)));
        assert_eq!(total(&of([3, 3, 3, 1, 0, 0, 0, 0, 0])), (Some(10.0), Some("moderate"), Some(true)));
        assert_eq!(total(&of([3, 3, 3, 3, 2, 0, 0, 0, 0])), (Some(14.0), Some("moderate"), Some(true)));
        assert_eq!(total(&of([3, 3, 3, 3, 3, 0, 0, 0, 0])), (Some(15.0), Some("moderately severe"), Some(true)));
        assert_eq!(total(&of([3, 3, 3, 3, 3, 3, 2, 0, 0])), (Some(20.0), Some("severe"), Some(true)));
        assert_eq!(total(&of([3, 3, 3, 3, 3, 3, 3, 3, 3])), (Some(27.0), Some("severe"), Some(true)));
    }

    #[test]
    fn a_positive_total_is_a_flag_for_a_clinician_and_no_social_need() {
        let findings = of([3, 3, 3, 1, 0, 0, 0, 0, 0]);
        assert_eq!(flags(&findings), ["depression-moderate-or-worse"]);
        assert!(findings.needs.is_empty());
    }

    #[test]
    fn item_9_above_zero_is_an_alert_at_any_total() {
        let findings = of([0, 0, 0, 0, 0, 0, 0, 0, 1]);
        let [alert] = findings.safety_alerts.as_slice() else { panic!("{findings:?}") };
        assert_eq!((alert.flag.as_str(), alert.answers[0].answer.as_str()), ("self-harm-thoughts", "Several days"));
        assert!(alert.action.contains("at once"));
        assert!(of([3, 3, 3, 3, 3, 3, 3, 3, 0]).safety_alerts.is_empty());
    }

    #[test]
    fn item_9_alerts_when_it_is_the_only_answer() {
        let findings = findings("phq-9", &[chosen("/44260-8", "LA6571-9")]);
        assert_eq!(findings.safety_alerts.len(), 1);
        assert_eq!(total(&findings), (None, None, None));
    }

    #[test]
    fn a_declined_item_leaves_the_total_open_unless_the_others_decide() {
        let mut low = frequencies(instrument("phq-9"), &[0, 1, 0, 0, 0, 0, 0, 0, 0]);
        low[0] = declined("/44250-9");
        let findings = findings("phq-9", &low);
        assert_eq!(total(&findings), (None, None, None));
        assert_eq!((findings.completeness.declined, findings.completeness.is_complete), (1, false));

        let mut high = frequencies(instrument("phq-9"), &[0, 3, 3, 3, 3, 0, 0, 0, 0]);
        high[0] = declined("/44250-9");
        let findings = super::findings("phq-9", &high);
        assert_eq!(total(&findings), (None, None, Some(true)), "12 of 27 is positive already, its band is not known");
        assert_eq!(flags(&findings), ["depression-moderate-or-worse"]);
    }

    #[test]
    fn the_difficulty_item_is_optional_and_not_in_the_total() {
        let mut answers = frequencies(instrument("phq-9"), &[1; 9]);
        answers.push(chosen("/69722-7", "LA6574-3"));
        let findings = findings("phq-9", &answers);
        assert_eq!(total(&findings), (Some(9.0), Some("mild"), Some(false)));
        assert_eq!(findings.completeness, Completeness { answered: 10, declined: 0, not_asked: 0, is_complete: true });
        assert!(of([1; 9]).completeness.is_complete);
    }

    #[test]
    fn a_total_that_the_sender_computed_must_agree() {
        let mut answers = frequencies(instrument("phq-9"), &[1; 9]);
        answers.push(number("/44261-6", 9.0));
        assert_eq!(fault_codes("phq-9", &answers), []);
        answers[9] = number("/44261-6", 8.0);
        assert_eq!(fault_codes("phq-9", &answers), [("/answers/9/value".into(), "derived_mismatch".into())]);
        answers.remove(0);
        answers[8] = number("/44261-6", 9.0);
        assert_eq!(fault_codes("phq-9", &answers), [("/answers/8/value".into(), "derived_mismatch".into())]);
    }
}

#[test]
fn phq_2_and_gad_2_are_positive_at_3() {
    for (code, flag) in [("phq-2", "depression-screen-positive"), ("gad-2", "anxiety-screen-positive")] {
        let below = findings(code, &frequencies(instrument(code), &[1, 1]));
        assert_eq!(total(&below), (Some(2.0), Some("negative"), Some(false)));
        assert!(below.flags.is_empty());
        let at = findings(code, &frequencies(instrument(code), &[1, 2]));
        assert_eq!(total(&at), (Some(3.0), Some("positive"), Some(true)));
        assert_eq!(flags(&at), [flag]);
        assert!(at.flags[0].follow_with.is_some() && at.needs.is_empty());
        let one_missing = findings(code, &[frequencies(instrument(code), &[3, 0]).remove(0)]);
        assert_eq!(total(&one_missing), (None, Some("positive"), Some(true)), "3 is reached by one answer alone");
    }
}

#[test]
fn gad_7_has_bands_at_5_10_and_15_and_takes_the_other_code_of_the_third_answer() {
    let of = |points: [usize; 7]| findings("gad-7", &frequencies(instrument("gad-7"), &points));
    assert_eq!(total(&of([1, 1, 1, 1, 0, 0, 0])), (Some(4.0), Some("minimal"), Some(false)));
    assert_eq!(total(&of([1, 1, 1, 1, 1, 0, 0])), (Some(5.0), Some("mild"), Some(false)));
    assert_eq!(total(&of([3, 3, 3, 1, 0, 0, 0])), (Some(10.0), Some("moderate"), Some(true)));
    assert_eq!(total(&of([3, 3, 3, 3, 3, 0, 0])), (Some(15.0), Some("severe"), Some(true)));
    let mut answers = frequencies(instrument("gad-7"), &[0; 7]);
    answers[1] = chosen("/68509-9", "LA18938-3");
    assert_eq!(total(&findings("gad-7", &answers)), (Some(2.0), Some("minimal"), Some(false)));
}

mod hunger_vital_sign {
    use super::*;

    const OFTEN: &str = "LA28397-0";
    const NEVER: &str = "LA28398-8";
    const REFUSED: &str = "LA15775-2";

    fn risk(first: Option<&str>, second: Option<&str>) -> (Option<bool>, Option<String>, bool) {
        let answers: Vec<_> =
            [("/88122-7", first), ("/88123-5", second)].into_iter().filter_map(|(item, code)| Some(chosen(item, code?))).collect();
        let findings = findings("hunger-vital-sign", &answers);
        let raised = needs(&findings) == ["food-insecurity"];
        let score = findings.scores[0].clone();
        (score.is_positive, score.result_code, raised)
    }

    #[test]
    fn one_positive_answer_is_enough() {
        let at_risk = (Some(true), Some("LA19952-3".to_owned()), true);
        assert_eq!(risk(Some(OFTEN), Some(NEVER)), at_risk);
        assert_eq!(risk(Some(NEVER), Some("LA6729-3")), at_risk);
        assert_eq!(risk(None, Some(OFTEN)), at_risk);
    }

    #[test]
    fn without_a_positive_answer_both_are_needed() {
        assert_eq!(risk(Some(NEVER), Some(NEVER)), (Some(false), Some("LA19983-8".to_owned()), false));
        assert_eq!(risk(Some(NEVER), None), (None, None, false));
        assert_eq!(risk(Some(NEVER), Some(REFUSED)), (None, None, false), "a refusal is not a no");
    }

    #[test]
    fn the_result_code_that_the_sender_derived_must_agree() {
        let mut answers = vec![chosen("/88122-7", OFTEN), chosen("/88123-5", NEVER), chosen("/88124-3", "LA19952-3")];
        assert_eq!(fault_codes("hunger-vital-sign", &answers), []);
        answers[2] = chosen("/88124-3", "LA19983-8");
        assert_eq!(fault_codes("hunger-vital-sign", &answers), [("/answers/2/codes/0".into(), "derived_mismatch".into())]);
    }
}

mod ahc {
    use super::*;

    const HITS: [&str; 4] = ["safety-hurt", "safety-insult", "safety-threaten", "safety-scream"];
    const FREQUENCY: [&str; 5] = ["LA6270-8", "LA10066-1", "LA10082-8", "LA16644-9", "LA6482-9"];

    fn safety(points: [usize; 4]) -> Findings {
        let answers: Vec<_> = HITS.iter().zip(points).map(|(item, points)| chosen(item, FREQUENCY[points - 1])).collect();
        findings("ahc-hrsn-core", &answers)
    }

    #[test]
    fn each_underlined_answer_raises_its_domain() {
        let raised = |item: &str, code: &str| {
            let findings = findings("ahc-hrsn-core", &[chosen(item, code)]);
            needs(&findings).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(raised("living-situation", "LA31993-1"), [""; 0]);
        assert_eq!(raised("living-situation", "LA31994-9"), ["housing-instability"]);
        assert_eq!(raised("living-situation", "LA31995-6"), ["homelessness"]);
        assert_eq!(raised("housing-problems", "LA28580-1"), ["inadequate-housing"]);
        assert_eq!(raised("housing-problems", "LA9-3"), [""; 0]);
        assert_eq!(raised("food-worry", "LA28397-0"), ["food-insecurity"]);
        assert_eq!(raised("food-last", "LA6729-3"), ["food-insecurity"]);
        assert_eq!(raised("transport", "LA33-6"), ["transportation-insecurity"]);
        assert_eq!(raised("utilities", "LA33-6"), ["utility-insecurity"]);
        assert_eq!(raised("utilities", "LA32002-0"), ["utility-insecurity"]);
    }

    #[test]
    fn two_answers_of_one_domain_raise_one_need() {
        let findings = findings("ahc-hrsn-core", &[chosen("food-worry", "LA28397-0"), chosen("food-last", "LA28397-0")]);
        assert_eq!(needs(&findings), ["food-insecurity"]);
        assert_eq!(findings.needs[0].items, ["food-worry", "food-last"]);
        assert_eq!(findings.positive_items, ["food-worry", "food-last"]);
    }

    #[test]
    fn none_of_the_above_stands_alone() {
        let both = Answer { codes: vec!["LA28580-1".into(), "LA9-3".into()], ..chosen("housing-problems", "") };
        assert_eq!(fault_codes("ahc-hrsn-core", &[both]), [("/answers/0/codes".into(), "exclusive".into())]);
        let two = Answer { codes: vec!["LA28580-1".into(), "LA31998-0".into()], ..chosen("housing-problems", "") };
        assert_eq!(fault_codes("ahc-hrsn-core", &[two]), []);
    }

    #[test]
    fn the_safety_sum_is_positive_from_11() {
        let below = safety([5, 3, 1, 1]);
        assert_eq!(total(&below), (Some(10.0), None, Some(false)));
        assert!(below.needs.is_empty() && below.safety_alerts.is_empty());
        let at = safety([5, 3, 2, 1]);
        assert_eq!(total(&at), (Some(11.0), None, Some(true)));
        assert_eq!(at.needs[0].label.as_deref(), Some("interpersonal-safety"));
        assert_eq!(at.safety_alerts[0].flag, "interpersonal-safety");
        assert_eq!(at.safety_alerts[0].answers[0].question.as_deref(), Some("physically hurt"), "the topic stands for the wording");
    }

    #[test]
    fn the_safety_sum_needs_all_four_unless_11_is_reached() {
        let of = |items: &[(&str, usize)]| {
            let answers: Vec<_> = items.iter().map(|(item, points)| chosen(item, FREQUENCY[points - 1])).collect();
            findings("ahc-hrsn-core", &answers)
        };
        let open = of(&[("safety-hurt", 5), ("safety-insult", 5)]);
        assert_eq!((total(&open), open.needs.len()), ((None, None, None), 0));
        let reached = of(&[("safety-hurt", 5), ("safety-insult", 5), ("safety-scream", 1)]);
        assert_eq!((total(&reached), reached.needs.len()), ((None, None, Some(true)), 1));
    }

    #[test]
    fn what_stands_on_sensitive_answers_can_be_withheld() {
        let mut answers: Vec<_> = HITS.iter().map(|item| chosen(item, FREQUENCY[4])).collect();
        answers.push(chosen("food-worry", "LA28397-0"));
        let findings = findings("ahc-hrsn-core", &answers).without_sensitive(instrument("ahc-hrsn-core"));
        assert_eq!(needs(&findings), ["food-insecurity"]);
        assert!(findings.scores.is_empty() && findings.safety_alerts.is_empty());
    }

    #[test]
    fn exercise_is_days_times_minutes() {
        let of = |answers: &[Answer]| flags(&findings("ahc-hrsn-supplemental", answers)) == ["physical-activity-low"];
        let (days, minutes) = ("exercise-days", "exercise-minutes");
        assert!(of(&[chosen(days, "LA6114-8"), chosen(minutes, "LA28858-1")]), "3 × 40 = 120");
        assert!(!of(&[chosen(days, "LA10137-0"), chosen(minutes, "LA28855-7")]), "5 × 30 = 150");
        assert!(!of(&[chosen(days, "LA6114-8")]), "the minutes are missing");
        assert!(of(&[chosen(days, "LA6111-4")]), "no day is no exercise, whatever the minutes");
    }

    #[test]
    fn supplemental_answers_raise_domains_and_flags() {
        let raised = |item: &str, code: &str| {
            let findings = findings("ahc-hrsn-supplemental", &[chosen(item, code)]);
            (needs(&findings).join(","), flags(&findings).join(","))
        };
        let need = |domain: &str| (domain.to_owned(), String::new());
        let flag = |flag: &str| (String::new(), flag.to_owned());
        assert_eq!(raised("financial-strain", "LA22683-9"), need("financial-insecurity"));
        assert_eq!(raised("work-help", "LA31982-4"), need("employment-status"));
        assert_eq!(raised("daily-help", "LA31978-2"), need("social-connection"));
        assert_eq!(raised("lonely", "LA10044-8"), need("social-connection"));
        assert_eq!(raised("lonely", "LA10082-8"), need(""));
        assert_eq!(raised("language-home", "LA33-6"), need("language-access"));
        assert_eq!(raised("education-help", "LA33-6"), need("sdoh-category-unspecified"));
        assert_eq!(raised("stress", "LA13902-4"), need("stress"));
        assert_eq!(raised("stress", "LA30122-8"), need(""));
        assert_eq!(raised("alcohol", "LA26460-8"), flag("substance-use"));
        assert_eq!(raised("disability-errands", "LA33-6"), flag("disability"));
        assert_eq!(raised("phq-down", "LA6571-9"), flag("depression-screen-positive"));
    }
}

#[test]
fn ons4_reads_each_answer_and_has_no_total() {
    let answers = [number("satisfied", 4.0), number("worthwhile", 5.0), number("happy", 9.0), number("anxious", 6.0)];
    let findings = findings("ons4", &answers);
    let bands: Vec<_> = findings.scores.iter().map(|score| (score.code.as_str(), score.band.as_deref().unwrap())).collect();
    assert_eq!(bands, [("satisfied", "low"), ("worthwhile", "medium"), ("happy", "very high"), ("anxious", "high")]);
    assert!(findings.needs.is_empty() && findings.flags.is_empty());
    for (value, band) in [(0.0, "very low"), (2.0, "low"), (4.0, "medium"), (10.0, "high")] {
        assert_eq!(score(instrument("ons4"), &[number("anxious", value)]).scores[3].band.as_deref(), Some(band));
    }
    assert_eq!(fault_codes("ons4", &[number("happy", 11.0)]), [("/answers/0/value".into(), "out_of_range".into())]);
    assert_eq!(fault_codes("ons4", &[number("happy", 7.5)]), [("/answers/0/value".into(), "not_whole".into())]);
    assert_eq!(fault_codes("ons4", &[chosen("happy", "7")]), [("/answers/0/codes".into(), "not_allowed".into())]);
}

#[test]
fn loneliness_and_ends_meet_are_single_questions() {
    let lonely = |code| findings("ons-loneliness-direct", &[chosen("lonely", code)]);
    assert_eq!(needs(&lonely("often-always")), ["social-connection"]);
    assert_eq!(lonely("some-of-the-time").scores[0].is_positive, Some(false));
    assert_eq!(needs(&findings("ends-meet", &[chosen("ends-meet", "yes")])), ["financial-insecurity"]);
    assert!(needs(&findings("ends-meet", &[declined("ends-meet")])).is_empty());
}

mod nhanes {
    use super::*;

    fn of(partner: &str, calls: f64, visits: f64, services: f64, club: &str) -> Findings {
        let answers = [
            chosen("/63503-7", partner),
            number("/76508-1", calls),
            number("/76509-9", visits),
            number("/76510-7", services),
            chosen("/76511-5", club),
        ];
        findings("nhanes-social-connection", &answers)
    }

    #[test]
    fn a_point_each_for_partner_contacts_services_and_clubs() {
        assert_eq!(total(&of("LA48-4", 2.0, 1.0, 5.0, "LA33-6")).0, Some(4.0));
        assert_eq!(total(&of("living-with-partner", 0.0, 0.0, 0.0, "LA32-8")).0, Some(1.0));
        assert_eq!(total(&of("widowed", 1.5, 1.5, 4.0, "LA32-8")).0, Some(1.0), "four services a year are not more than four");
        assert_eq!(total(&of("widowed", 1.0, 1.0, 0.0, "LA32-8")).0, Some(0.0));
    }

    #[test]
    fn one_point_or_none_raises_social_connection() {
        assert_eq!(needs(&of("widowed", 0.0, 0.0, 0.0, "LA33-6")), ["social-connection"]);
        assert!(needs(&of("LA48-4", 0.0, 0.0, 0.0, "LA33-6")).is_empty());
        let two_missing = findings("nhanes-social-connection", &[chosen("/63503-7", "widowed"), chosen("/76511-5", "LA32-8")]);
        assert_eq!((total(&two_missing).0, two_missing.needs.len()), (None, 0));
    }

    #[test]
    fn units_and_bounds_are_checked() {
        let in_weeks = Answer { unit: Some("/wk".into()), ..number("/76510-7", 1.0) };
        assert_eq!(fault_codes("nhanes-social-connection", &[in_weeks]), [("/answers/0/unit".into(), "wrong_unit".into())]);
        let in_years = Answer { unit: Some("/a".into()), ..number("/76510-7", 1.0) };
        assert_eq!(fault_codes("nhanes-social-connection", &[in_years]), []);
        let negative = number("/76508-1", -1.0);
        assert_eq!(fault_codes("nhanes-social-connection", &[negative]), [("/answers/0/value".into(), "out_of_range".into())]);
    }
}

#[test]
fn all_faults_of_the_answers_are_reported_at_once() {
    let answers = [
        chosen("/0-0", "LA6568-5"),
        chosen("/44250-9", "LA1-1"),
        Answer { codes: vec!["LA6568-5".into(), "LA6569-3".into()], ..chosen("/44255-8", "") },
        Answer { absent_reason: Some(AbsentReason::AskedDeclined), ..chosen("/44259-0", "LA6568-5") },
        Answer { codes: vec![], ..chosen("/44254-1", "") },
        chosen("/44259-0", "LA6568-5"),
    ];
    let expected = [
        ("/answers/0/link_id", "unknown_item"),
        ("/answers/1/codes/0", "unknown_option"),
        ("/answers/2/codes", "too_many"),
        ("/answers/3/absent_reason", "contradiction"),
        ("/answers/4", "required"),
        ("/answers/5/link_id", "duplicate"),
    ];
    assert_eq!(fault_codes("phq-9", &answers), expected.map(|(pointer, code)| (pointer.to_owned(), code.to_owned())));
}

/// Any answer to the item that has no fault, or none.
fn any_answer(item: &'static Item) -> BoxedStrategy<Option<Answer>> {
    let options: Vec<_> = item.options.iter().map(|option| option.code.clone()).collect();
    let value = match item.kind {
        ItemKind::Choice | ItemKind::Multi => {
            prop::sample::select(options).prop_map(move |code| Some(chosen(&item.link_id, &code))).boxed()
        }
        ItemKind::Scale | ItemKind::Quantity => {
            let (minimum, maximum) = (item.minimum.unwrap() as i64, item.maximum.unwrap() as i64);
            (minimum..=maximum.min(minimum + 20)).prop_map(move |value| Some(number(&item.link_id, value as f64))).boxed()
        }
        ItemKind::Derived => Just(None).boxed(),
    };
    prop_oneof![8 => value, 1 => Just(Some(declined(&item.link_id))), 1 => Just(None)].boxed()
}

fn any_screening() -> impl Strategy<Value = (&'static InstrumentInput, Vec<Answer>)> {
    prop::sample::select(shipped::instruments().iter().collect::<Vec<_>>()).prop_flat_map(|instrument: &'static InstrumentInput| {
        let answers: Vec<_> = instrument.items.iter().filter(|item| item.is_asked()).map(any_answer).collect();
        answers.prop_map(move |answers| (instrument, answers.into_iter().flatten().collect()))
    })
}

proptest! {
    #[test]
    fn scores_stay_within_their_range_and_bands_within_reason((instrument, answers) in any_screening()) {
        prop_assert_eq!(faults(instrument, &answers), []);
        for (result, rule) in score(instrument, &answers).scores.iter().zip(&instrument.scores) {
            if let Some(value) = result.value {
                prop_assert!(rule.minimum.is_none_or(|minimum| minimum <= value) && rule.maximum.is_none_or(|maximum| value <= maximum));
                prop_assert_eq!(result.band.is_some(), !rule.bands.is_empty());
            } else if let Some(band) = &result.band {
                prop_assert_eq!(band, &rule.bands.last().unwrap().label, "an incomplete score is banded only when the topmost is reached");
            }
        }
    }

    #[test]
    fn the_order_of_answers_does_not_matter((instrument, mut answers) in any_screening(), turn in 0_usize..50) {
        let before = score(instrument, &answers);
        let turn = turn % answers.len().max(1);
        answers.rotate_left(turn);
        prop_assert_eq!(before, score(instrument, &answers));
    }

    #[test]
    fn a_further_answer_never_takes_back_a_need_a_cut_off_or_an_alert((instrument, answers) in any_screening(), keep in 0_usize..20) {
        let part = score(instrument, answers.get(..keep.min(answers.len())).unwrap());
        let whole = score(instrument, &answers);
        let domains = |findings: &Findings| findings.needs.iter().map(|need| (need.domain.clone(), need.label.clone())).collect::<Vec<_>>();
        let all = domains(&whole);
        prop_assert!(domains(&part).iter().all(|domain| all.contains(domain)));
        prop_assert!(part.safety_alerts.iter().all(|alert| whole.safety_alerts.iter().any(|other| other.rule == alert.rule)));
        for (before, after) in part.scores.iter().zip(&whole.scores) {
            prop_assert!(before.is_positive.is_none() || before.is_positive == after.is_positive);
            prop_assert!(before.band.is_none() || before.band == after.band);
        }
    }
}
