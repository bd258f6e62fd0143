//! The page: what it shows of a referral, made into HTML.
//!
//! It needs nothing but itself: no script, no picture, no font, no other server; its one style sheet is allowed by its hash. What comes
//! from people is escaped by the template engine.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, VARY};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Duration};
use chrono_tz::Tz;
use minijinja::{Environment, context};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::answering::Form;
use super::holder::{Closed, Opened};
use super::texts::{self, Language, PageWords};
use super::zones;
use crate::db::types::Instant;
use crate::error::{Error, Result};
use crate::languages;
use crate::organizations::model::OrganizationRow;
use crate::patients::api::PatientSummary;
use crate::patients::contact::{ContactKind, ContactPoint, SafeContact, Usability};
use crate::patients::model::PatientName;
use crate::referrals::api::Referral;
use crate::referrals::lifecycle::ReferralStatus;
use crate::services::model::{Capacity, CapacityStatus};
use crate::services::row::ServiceRow;
use crate::types::{Address, WeeklyWindow};

const STYLE: &str = include_str!("pages/style.css");

static TEMPLATES: LazyLock<std::result::Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    templates.add_template("head.html", include_str!("pages/head.html"))?;
    templates.add_template("foot.html", include_str!("pages/foot.html"))?;
    templates.add_template("referral.html", include_str!("pages/referral.html"))?;
    templates.add_template("closed.html", include_str!("pages/closed.html"))?;
    Ok(templates)
});

/// Only the page's own style sheet, and forms to this server.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
});

/// A line of a list of facts, with where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    label: String,
    value: String,
    href: Option<String>,
    /// What is to be known before it is relied on.
    remarks: Vec<String>,
}

impl Fact {
    fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self { label: label.into(), value: value.into(), href: None, remarks: Vec::new() }
    }

    fn linked(self, scheme: &str, target: &str) -> Self {
        // A number or an address as people write it: what is no part of one leads nowhere.
        let target: String = target.chars().filter(|letter| letter.is_ascii_graphic()).collect();
        Self { href: Some(format!("{scheme}:{target}")), ..self }
    }

    /// The same with what is said of a way to reach the person: the remark, and when they are best reached.
    fn remarked(self, point: &ContactPoint, language: Language) -> Self {
        let times: Vec<String> = point.best_times.iter().map(|window| hours(window, language)).collect();
        let best = language.pick("Best reached:", "À joindre de préférence :");
        let times = (!times.is_empty()).then(|| format!("{best} {}", times.join(", ")));
        Self { remarks: point.note.clone().into_iter().chain(times).collect(), ..self }
    }
}

/// Whom to call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Caller {
    name: String,
    ways: Vec<Fact>,
}

impl Caller {
    fn of(organization: &OrganizationRow, language: Language) -> Self {
        let content = &organization.content;
        let phones = content.phones.iter().map(|phone| {
            let number = phone.number.as_deref().unwrap_or(&phone.original);
            Fact::new(texts::contact(ContactKind::Phone, language), phone.original.clone()).linked("tel", number)
        });
        let email =
            content.email.iter().map(|email| Fact::new(texts::contact(ContactKind::Email, language), email).linked("mailto", email));
        Self { name: name_in(organization, language), ways: phones.chain(email).collect() }
    }
}

/// The name of an organization in a language, or as it calls itself.
pub fn name_in(organization: &OrganizationRow, language: Language) -> String {
    let is_in = |tag: &str| languages::same(tag, language.as_str());
    let translated = organization.content.translations.iter().find(|texts| is_in(&texts.language)).and_then(|texts| texts.name.clone());
    translated.filter(|_| !is_in(&organization.content.language)).unwrap_or_else(|| organization.name.clone())
}

/// A choice of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Choice {
    value: &'static str,
    label: &'static str,
    is_chosen: bool,
}

/// The person, as far as the performer may see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Person {
    name: String,
    facts: Vec<Fact>,
    safety: Vec<String>,
}

/// What can be said of the service's room, and was said last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Room {
    service: String,
    version: i64,
    choices: Vec<Choice>,
    places: String,
    /// The number of places as it was filled in before anybody wrote another.
    shown_places: String,
    wait_days: String,
    last: Option<String>,
}

/// All that the page of a referral shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReferralPage {
    standing: &'static str,
    is_open: bool,
    version: i64,
    facts: Vec<Fact>,
    purpose: Option<String>,
    reason: Option<String>,
    /// Whether there is still something to do, so that the person is shown.
    is_at_work: bool,
    person: Option<Person>,
    /// Whether the person lets the holder see who they are: only then can it be accepted.
    is_agreed: bool,
    reasons: Vec<Choice>,
    room: Option<Room>,
    expires: String,
}

/// What a page is made of, as it was read at one moment.
#[derive(Debug)]
pub struct Seen {
    /// What the link opens.
    pub opened: Opened,
    /// The performer.
    pub performer: OrganizationRow,
    /// The referral as the performer sees it.
    pub referral: Referral,
    /// The service.
    pub service: Option<ServiceRow>,
    /// Whether the holder may say how much room it has.
    pub may_say_room: bool,
    /// When all this was so.
    pub at: Instant,
}

impl Seen {
    /// A moment as the clocks show it where the service is given.
    fn local(&self, moment: Instant) -> DateTime<Tz> {
        let service = self.service.as_ref().map(|row| &row.content.0);
        let requester = self.opened.requester.as_ref().map(|row| &row.content.0);
        moment.utc().with_timezone(&zones::zone(service, &self.performer.content, requester))
    }

    /// Until when the link opens the page: the day, and the time where that is less than two days away.
    fn ending(&self, language: Language) -> String {
        let end = self.opened.row.expires_at;
        let moment = self.local(end);
        if end >= self.at.plus(Duration::days(2)) { language.day(moment.date_naive()) } else { language.moment(&moment) }
    }
}

impl ReferralPage {
    /// The page in a language, with what was filled in.
    pub fn new(seen: &Seen, language: Language, form: &Form) -> Self {
        let (referral, words) = (&seen.referral, language.words());
        let content = &referral.content;
        let mut facts = Vec::new();
        if let Some(requester) = &seen.opened.requester {
            facts.push(Fact::new(words.from, name_in(requester, language)));
        }
        facts.push(Fact::new(words.to, name_in(&seen.performer, language)));
        facts.extend(seen.service.iter().map(|service| Fact::new(words.service, service.name_in(language.as_str()))));
        if let Some(sent) = referral.requested_at {
            facts.push(Fact::new(words.sent, language.day(seen.local(sent).date_naive())));
        }
        let is_open = matches!(referral.status, ReferralStatus::Requested | ReferralStatus::Received);
        if let Some(day) = content.decide_by.filter(|_| is_open) {
            facts.push(Fact::new(words.answer_by, language.day(day)));
        }
        facts.push(Fact::new(words.priority, texts::priority(content.priority, language)));
        let is_at_work = !referral.status.is_final();
        // What is written of somebody is not shown to whom they themselves are not.
        let is_agreed = referral.patient.is_some();
        let purpose = content.plain_language_purpose.iter().find(|text| languages::same(&text.language, language.as_str()));
        let reasons = texts::DECLINE_REASONS.iter().map(|code| Choice {
            value: code.as_str(),
            label: texts::reason(*code, language),
            is_chosen: form.reason == code.as_str(),
        });
        Self {
            standing: texts::standing(referral.status, language),
            is_open,
            version: referral.version,
            facts,
            purpose: purpose.map(|purpose| purpose.text.clone()).filter(|_| is_at_work && is_agreed),
            reason: content.reason.clone().filter(|_| is_at_work && is_agreed),
            is_at_work,
            is_agreed,
            person: referral.patient.as_ref().filter(|_| is_at_work).map(|patient| person(patient, language)),
            reasons: reasons.collect(),
            room: seen.service.as_ref().filter(|_| seen.may_say_room).map(|service| room(seen, service, language, form)),
            expires: seen.ending(language),
        }
    }
}

fn person(patient: &PatientSummary, language: Language) -> Person {
    let mut facts = Vec::new();
    match (patient.birth_date, patient.birth_year) {
        (Some(day), _) => facts.push(Fact::new(language.pick("Born", "Naissance"), language.day(day))),
        (None, Some(year)) => facts.push(Fact::new(language.pick("Born", "Naissance"), year.to_string())),
        (None, None) => {}
    }
    let spoken = patient.languages.iter().map(|spoken| {
        let (english, french) = languages::name(&spoken.language);
        if language == Language::French { french.to_owned() } else { english.to_owned() }
    });
    let spoken: Vec<String> = spoken.collect();
    if !spoken.is_empty() {
        facts.push(Fact::new(language.pick("Speaks", "Langues"), spoken.join(", ")));
    }
    if patient.interpreter_needed == Some(true) {
        facts.push(Fact::new(language.pick("Interpreter", "Interprète"), language.pick("needed", "nécessaire")));
    }
    // What must not or cannot be used is no way to reach the person.
    for point in patient.contact_points.iter().filter(|point| point.usability == Some(Usability::Usable)) {
        let value = match &point.owner_name {
            Some(owner) => format!("{} ({owner})", point.value),
            None => point.value.clone(),
        };
        let fact = Fact::new(texts::contact(point.kind, language), value).remarked(point, language);
        facts.push(match point.kind {
            ContactKind::Phone => fact.linked("tel", point.number.as_deref().unwrap_or(&point.value)),
            ContactKind::Sms => fact.linked("sms", point.number.as_deref().unwrap_or(&point.value)),
            ContactKind::Email => fact.linked("mailto", &point.value),
            ContactKind::Post | ContactKind::InPerson => fact,
        });
    }
    if let Some(address) = patient.address.as_ref().map(in_one_line).filter(|address| !address.is_empty()) {
        facts.push(Fact::new(language.pick("Lives at", "Adresse"), address));
    }
    let notes = patient.accommodations.iter().filter_map(|accommodation| accommodation.note.as_deref());
    facts.extend(notes.map(|note| Fact::new(language.pick("What helps", "Ce qui aide"), note)));
    let name = PatientName::called(&patient.names).map(PatientName::display).unwrap_or_default();
    Person { name, facts, safety: patient.safe_contact.as_ref().map(|safe| safety(safe, language)).unwrap_or_default() }
}

/// A time of the week.
fn hours(window: &WeeklyWindow, language: Language) -> String {
    let (from, until) = (window.from.format("%H:%M"), window.until.format("%H:%M"));
    format!("{} {from}–{until}", texts::weekday(window.day, language))
}

fn in_one_line(address: &Address) -> String {
    let parts = [&address.line1, &address.line2, &address.city, &address.region, &address.postal_code];
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// What makes contact safe: rules that protect somebody are said in full, or not at all.
fn safety(safe: &SafeContact, language: Language) -> Vec<String> {
    let rules = [
        (safe.no_voicemail, language.pick("Leave no voicemail.", "Ne laissez pas de message vocal.")),
        (safe.no_text_messages, language.pick("Send no text messages.", "N’envoyez pas de messages texte.")),
        (safe.no_post, language.pick("Send no letters.", "N’envoyez pas de lettres.")),
        (
            safe.no_caller_identity,
            language.pick(
                "Do not say who is calling unless the person answers.",
                "Ne dites pas qui appelle, sauf si c’est la personne qui répond.",
            ),
        ),
    ];
    let mut said: Vec<String> = rules.iter().filter(|(applies, _)| *applies == Some(true)).map(|(_, rule)| (*rule).to_owned()).collect();
    if let Some(word) = &safe.code_word {
        said.push(format!(
            "{} {word}",
            language.pick("The word that says that it is safe to talk:", "Le mot qui dit qu’on peut parler sans danger :")
        ));
    }
    for never in &safe.do_not_contact {
        said.push(format!("{} {never}", language.pick("Never use:", "N’utilisez jamais :")));
    }
    for window in &safe.safe_times {
        said.push(format!("{} {}", language.pick("Only at this time:", "Seulement à ce moment :"), hours(window, language)));
    }
    said.extend(safe.note.clone());
    said
}

fn room(seen: &Seen, service: &ServiceRow, language: Language, form: &Form) -> Room {
    let last = service.capacity.as_ref().map(|capacity| &capacity.0);
    let is_filled_in = !form.status.is_empty();
    let chosen = if is_filled_in { form.status.as_str() } else { last.map_or("", |last| last.status.as_str()) };
    let statuses = CapacityStatus::ALL.iter().filter(|status| **status != CapacityStatus::Unknown);
    let choices = statuses.map(|status| Choice {
        value: status.as_str(),
        label: texts::room(*status, language),
        is_chosen: status.as_str() == chosen,
    });
    let number = |filled: &str, last: Option<i32>| {
        if is_filled_in { filled.to_owned() } else { last.map(|number| number.to_string()).unwrap_or_default() }
    };
    let available = last.and_then(|last| last.available);
    Room {
        service: service.name_in(language.as_str()).to_owned(),
        version: service.version,
        choices: choices.collect(),
        places: number(&form.places, available),
        shown_places: number(&form.shown_places, available),
        wait_days: number(&form.wait_days, last.and_then(|last| last.expected_wait_days)),
        last: last.and_then(|last| last_said(seen, last, language)),
    }
}

fn last_said(seen: &Seen, capacity: &Capacity, language: Language) -> Option<String> {
    let day = language.day(seen.local(capacity.as_of?).date_naive());
    let said = texts::room(capacity.status, language);
    Some(match language {
        Language::English => format!("Last said on {day}: {said}."),
        Language::French => format!("Dernière information, le {day} : {said}."),
    })
}

/// What is said above a page: that something is wrong, or has happened meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The field of the form; none where it concerns the whole.
    pub field: &'static str,
    /// What is wrong.
    pub message: &'static str,
}

/// Where the page is, without the language.
fn place(token: &str) -> String {
    format!("/r/{token}")
}

/// The page of a referral.
pub fn referral(
    status: StatusCode,
    seen: &Seen,
    token: &str,
    language: Language,
    form: &Form,
    mistakes: &[Mistake],
) -> Result<HttpResponse> {
    let page = ReferralPage::new(seen, language, form);
    let requester = seen.opened.requester.as_ref().map(|requester| Caller::of(requester, language));
    let words: &PageWords = language.words();
    let title = if page.is_open { words.asked } else { words.referral };
    let context = context! { t => words, style => STYLE, place => place(token), page, form, mistakes, requester, title };
    render(status, language, "referral.html", context)
}

/// The page of a link that does not open anything, and whom to call.
pub fn closed(why: Closed, requester: Option<&OrganizationRow>, token: &str, language: Language) -> Result<HttpResponse> {
    let (title, text) = match why {
        Closed::Expired => (
            language.pick("This link has run out", "Ce lien est échu"),
            language.pick(
                "For the person’s privacy it opened for a while only. Please ask whoever sent it to you for another.",
                "Pour protéger la vie privée de la personne, il ne s’ouvrait que pour un temps. Veuillez en demander un autre à l’organisme qui \
                 vous l’a envoyé.",
            ),
        ),
        Closed::Revoked => (
            language.pick("This link is no longer valid", "Ce lien n’est plus valide"),
            language.pick(
                "Whoever sent it to you has taken it back. Please call them if you have a question.",
                "L’organisme qui vous l’a envoyé l’a retiré. Veuillez l’appeler si vous avez une question.",
            ),
        ),
        Closed::Connected => (
            language.pick("Please answer in your own system", "Veuillez répondre dans votre propre système"),
            language.pick(
                "Your organization now has a system that receives referrals. You find this one there.",
                "Votre organisme a maintenant un système qui reçoit les demandes. Vous y trouverez celle-ci.",
            ),
        ),
    };
    notice(StatusCode::GONE, title, text, requester, Some(token), language)
}

/// The page that says that a referral cannot be accepted, for the person does not agree, and whom to call.
pub fn withheld(requester: Option<&OrganizationRow>, token: &str, language: Language) -> Result<HttpResponse> {
    let title = language.pick("This referral cannot be accepted", "Cette demande ne peut pas être acceptée");
    notice(StatusCode::CONFLICT, title, language.words().person_withheld, requester, Some(token), language)
}

/// A page that only says something.
pub fn notice(
    status: StatusCode,
    title: &str,
    text: &str,
    requester: Option<&OrganizationRow>,
    token: Option<&str>,
    language: Language,
) -> Result<HttpResponse> {
    let requester = requester.map(|requester| Caller::of(requester, language));
    let words: &PageWords = language.words();
    render(status, language, "closed.html", context! { t => words, style => STYLE, place => token.map(place), title, text, requester })
}

fn render(status: StatusCode, language: Language, template: &str, context: minijinja::Value) -> Result<HttpResponse> {
    let templates = TEMPLATES.as_ref().map_err(|error| Error::internal(error.to_string()))?;
    let html = templates.get_template(template).and_then(|template| template.render(context)).map_err(Error::internal)?;
    let mut response = HttpResponse::build(status);
    response.content_type("text/html; charset=utf-8");
    response.insert_header((CONTENT_SECURITY_POLICY, POLICY.as_str()));
    response.insert_header((CONTENT_LANGUAGE, language.as_str()));
    response.insert_header((VARY, "Accept-Language"));
    response.insert_header(("x-robots-tag", "noindex, nofollow"));
    Ok(response.body(html))
}
