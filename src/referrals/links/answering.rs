//! HTTP of the page that a link opens: it is read, and its forms are sent.
//!
//! Each form names the version of what it was written over. What somebody else did meanwhile is told, and nothing is done; what was done
//! already, by a form that was sent twice, is not done again. After each change the browser is sent back to the page, so that reloading
//! sends nothing.

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_LANGUAGE, LOCATION, RETRY_AFTER};
use actix_web::web::{Path, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError as _, get, post};
use serde::{Deserialize, Serialize};
use validator::Validate as _;

use super::holder::{self, Closed, Holder, Opened};
use super::page::{self, Mistake, Seen};
use super::texts::Language;
use crate::app::State;
use crate::auth::limits::CountedAs;
use crate::auth::principal::count;
use crate::auth::{Principal, Scope};
use crate::db::DbConn;
use crate::error::{Error, Result};
use crate::http::body;
use crate::http::middleware::RequestId;
use crate::http::resource::{self, Resource as _};
use crate::kind::OrganizationId;
use crate::links;
use crate::organizations;
use crate::organizations::model::OrganizationRow;
use crate::referrals::api::TransitionInput;
use crate::referrals::handlers::Referrals;
use crate::referrals::lifecycle::ReferralStatus;
use crate::referrals::model::{ReasonCode, StatusReason};
use crate::referrals::{repository, workflow};
use crate::services;
use crate::services::model::{Capacity, CapacityStatus};

const FORM: &[&str] = &["application/x-www-form-urlencoded"];

/// What was filled in, of whichever form; what a form does not have is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Form {
    /// The version that the form was written over.
    pub version: String,
    /// Who answers.
    pub name: String,
    /// A word to the requester.
    pub note: String,
    /// Why it is declined.
    pub reason: String,
    /// The same in words.
    pub text: String,
    /// How much room there is.
    pub status: String,
    /// Places free.
    pub places: String,
    /// The same as the page had filled it in.
    pub shown_places: String,
    /// Days of waiting.
    pub wait_days: String,
}

impl Form {
    /// Texts as they are kept: trimmed, their lines ended alike, without characters that are none.
    fn tidied(self) -> Self {
        let tidy = |text: String| {
            let text = text.replace("\r\n", "\n");
            text.chars().filter(|letter| !letter.is_control() || *letter == '\n').collect::<String>().trim().to_owned()
        };
        Self {
            version: tidy(self.version),
            name: tidy(self.name).replace('\n', " "),
            note: tidy(self.note),
            reason: tidy(self.reason),
            text: tidy(self.text),
            status: tidy(self.status),
            places: tidy(self.places),
            shown_places: tidy(self.shown_places),
            wait_days: tidy(self.wait_days),
        }
    }

    fn check_name(&self, field: &'static str, language: Language, mistakes: &mut Vec<Mistake>) {
        // What names a link is the journal's own word, of which nobody writes a part.
        if self.name.is_empty() || self.name.chars().count() > 100 || links::is_named_in(&self.name) {
            let message =
                language.pick("Please give your name, in at most 100 characters.", "Veuillez donner votre nom, en 100 caractères au plus.");
            mistakes.push(Mistake { field, message });
        }
    }

    /// The wish to accept.
    fn acceptance(&self, language: Language) -> Result<TransitionInput, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        self.check_name("accept-name", language, &mut mistakes);
        if self.note.chars().count() > 5_000 {
            let message = language.pick("The message is too long.", "Le message est trop long.");
            mistakes.push(Mistake { field: "accept-note", message });
        }
        let note = Some(self.note.clone()).filter(|note| !note.is_empty());
        if mistakes.is_empty() { Ok(TransitionInput { note, ..TransitionInput::to(ReferralStatus::Accepted) }) } else { Err(mistakes) }
    }

    /// The wish to decline.
    fn refusal(&self, language: Language) -> Result<TransitionInput, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        self.check_name("decline-name", language, &mut mistakes);
        let code = self.reason.parse::<ReasonCode>().ok().filter(|code| super::texts::DECLINE_REASONS.contains(code));
        if code.is_none() {
            let message = language.pick("Please choose a reason.", "Veuillez choisir une raison.");
            mistakes.push(Mistake { field: "decline-reason", message });
        }
        if code == Some(ReasonCode::Other) && self.text.is_empty() {
            let message = language.pick("Please say what the other reason is.", "Veuillez dire quelle est l’autre raison.");
            mistakes.push(Mistake { field: "decline-text", message });
        }
        if self.text.chars().count() > 2_000 {
            let message = language.pick("The text is too long.", "Le texte est trop long.");
            mistakes.push(Mistake { field: "decline-text", message });
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let reason = StatusReason { code, text: Some(self.text.clone()).filter(|text| !text.is_empty()) };
        Ok(TransitionInput { reason, ..TransitionInput::to(ReferralStatus::Rejected) })
    }

    /// How much room there is.
    fn capacity(&self, language: Language) -> Result<Capacity, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let status = self.status.parse::<CapacityStatus>().ok().filter(|status| *status != CapacityStatus::Unknown);
        if status.is_none() {
            let message = language.pick("Please say how much room there is.", "Veuillez dire s’il y a de la place.");
            mistakes.push(Mistake { field: "room-status", message });
        }
        let mut number = |text: &str, field, most: i32| {
            let number = text.parse::<i32>().ok().filter(|number| (0..=most).contains(number));
            if !text.is_empty() && number.is_none() {
                let message = language.pick("Please give a whole number, or nothing.", "Veuillez donner un nombre entier, ou rien.");
                mistakes.push(Mistake { field, message });
            }
            number
        };
        let (available, expected_wait_days) =
            (number(&self.places, "room-places", 1_000_000), number(&self.wait_days, "room-wait", 10_000));
        self.check_name("room-name", language, &mut mistakes);
        let mut room = Capacity { status: status.unwrap_or_default(), available, expected_wait_days, ..Capacity::default() };
        if room.contradicts_itself() {
            // A number that the page had filled in is nothing that somebody says now.
            if self.places != self.shown_places {
                let message = language.pick(
                    "You say that you take nobody, and that places are free. Please correct one of the two.",
                    "Vous dites ne prendre personne et avoir des places libres. Veuillez corriger l’un ou l’autre.",
                );
                mistakes.push(Mistake { field: "room-places", message });
            }
            room.available = None;
        }
        if mistakes.is_empty() { Ok(room) } else { Err(mistakes) }
    }
}

/// What became of a form.
enum Outcome {
    /// It was done, now or before: the page says so.
    Done,
    /// The page, with what is wrong with the form.
    Again(StatusCode, Box<Seen>, Vec<Mistake>),
    /// The person does not agree to it.
    Withheld(Option<Box<OrganizationRow>>),
    /// The link opens nothing.
    Closed(Closed, Option<Box<OrganizationRow>>),
}

/// A request for the page.
struct Visit {
    app: State,
    token: String,
    language: Language,
    holder: Holder,
}

impl Visit {
    /// Reads the link: whoever has none of ours is told so.
    async fn new(app: &State, token: &str, request: &HttpRequest) -> Result<Self> {
        let holder = Holder::of(app, token, RequestId::get(request)).await?;
        count(app, request, CountedAs::Link(holder.link().id))?;
        Ok(Self { app: app.clone(), token: token.to_owned(), language: language_of(request), holder })
    }

    /// Reads and tidies a form.
    async fn form(request: &HttpRequest, payload: Payload) -> Result<Form> {
        let bytes = body::read(request, &mut payload.into_inner(), FORM).await?;
        let form: Form = serde_html_form::from_bytes(&bytes).map_err(|_| Error::malformed("The form cannot be read."))?;
        Ok(form.tidied())
    }

    /// Runs what a form asks for in one transaction, and answers.
    async fn carry_out(
        self,
        form: Form,
        effect: impl Fn(&mut DbConn, &Holder, &Form, Opened, OrganizationId) -> Result<Outcome> + Send + 'static,
    ) -> Result<HttpResponse> {
        let (holder, clock, sent) = (self.holder.clone(), self.app.clock.clone(), form.clone());
        let outcome = self.app.db.write(move |conn| {
            let holder = holder.now(&clock);
            repository::lock(conn, holder.referral_id())?;
            let opened = holder.open(conn)?;
            match opened.performer {
                Ok(performer) => effect(conn, &holder, &sent, opened, performer),
                Err(why) => Ok(Outcome::Closed(why, opened.requester.map(Box::new))),
            }
        });
        self.answer(outcome.await?, &form)
    }

    fn answer(&self, outcome: Outcome, form: &Form) -> Result<HttpResponse> {
        match outcome {
            Outcome::Done => {
                let place = format!("/r/{}?lang={}", self.token, self.language);
                Ok(HttpResponse::SeeOther().insert_header((LOCATION, place)).finish())
            }
            Outcome::Again(status, seen, mistakes) => page::referral(status, &seen, &self.token, self.language, form, &mistakes),
            Outcome::Withheld(requester) => page::withheld(requester.as_deref(), &self.token, self.language),
            Outcome::Closed(why, requester) => page::closed(why, requester.as_deref(), &self.token, self.language),
        }
    }
}

/// What the query asks for, or else the browser.
fn language_of(request: &HttpRequest) -> Language {
    let asked = request.query_string().split('&').find_map(|part| part.strip_prefix("lang=")?.parse::<Language>().ok());
    let accepted = || request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).map(Language::accepted);
    asked.or_else(accepted).unwrap_or_default()
}

/// All that the page shows, as the performer sees it at this moment.
fn look(conn: &mut DbConn, holder: &Holder, opened: Opened, performer: OrganizationId) -> Result<Seen> {
    let caller = holder.acting(&opened.row, performer, None);
    let referral = Referrals::view(conn, &caller, Referrals::shape(opened.referral.clone()))?;
    let service = match opened.referral.service_id {
        Some(id) => services::repository::find(conn, id)?,
        None => None,
    };
    // Room is said by whoever gives the service: another one's, or one's own that another gives, is none of the performer's.
    let is_given = service.as_ref().is_some_and(|row| row.is_listed() && row.is_given_by(performer));
    // The performer lets others say for it what its own client may say. For one that has no system the holder says it: that is what the
    // link is for, whatever else its maker may do.
    let is_own = opened.row.organization_id == performer;
    let may_say_room = is_given && (!is_own || opened.row.is_vouched_for(conn, Scope::ServicesWrite)?);
    let performer = organizations::repository::find(conn, performer)?.ok_or(Error::NotFound)?;
    Ok(Seen { opened, performer, referral, service, may_say_room, at: caller.at })
}

/// The page once more, and why.
fn again(
    conn: &mut DbConn,
    holder: &Holder,
    opened: Opened,
    performer: OrganizationId,
    status: StatusCode,
    mistakes: Vec<Mistake>,
) -> Result<Outcome> {
    Ok(Outcome::Again(status, Box::new(look(conn, holder, opened, performer)?), mistakes))
}

fn changed(language: Language) -> Vec<Mistake> {
    let message = language.pick(
        "Somebody else changed this in the meantime. Nothing of what you sent was done. Please read how it stands now.",
        "Quelqu’un d’autre a modifié ceci entre-temps. Rien de ce que vous avez envoyé n’a été fait. Veuillez lire où en sont les choses.",
    );
    vec![Mistake { field: "", message }]
}

/// Answers a referral by the same steps as a system does.
fn decide(
    conn: &mut DbConn,
    holder: &Holder,
    form: &Form,
    opened: Opened,
    performer: OrganizationId,
    language: Language,
    (to, wish): (ReferralStatus, Result<TransitionInput, Vec<Mistake>>),
) -> Result<Outcome> {
    // A form that was sent twice, before all else: the first time moved the referral on.
    if wish.as_ref().is_ok_and(|input| input.status == opened.referral.status) && is_own(conn, &opened)? {
        return Ok(Outcome::Done);
    }
    let is_undecided = matches!(opened.referral.status, ReferralStatus::Requested | ReferralStatus::Received);
    if !is_undecided || form.version != opened.referral.version.to_string() {
        return again(conn, holder, opened, performer, StatusCode::CONFLICT, changed(language));
    }
    let caller: Principal = holder.acting(&opened.row, performer, Some(&form.name));
    if to.takes_on() && !workflow::performer_sees(conn, &opened.referral, caller.at)? {
        return Ok(Outcome::Withheld(opened.requester.map(Box::new)));
    }
    let input = match wish {
        Ok(input) => input,
        Err(mistakes) => return again(conn, holder, opened, performer, StatusCode::UNPROCESSABLE_ENTITY, mistakes),
    };
    input.validate().map_err(|error| Error::internal(error.to_string()))?;
    let row = resource::get_row::<Referrals>(conn, &caller, opened.referral.id)?;
    workflow::transition(conn, &caller, &row, &input)?;
    Ok(Outcome::Done)
}

/// Whether the referral stands where it does by this link: what was sent twice is done, and what somebody else did is told.
fn is_own(conn: &mut DbConn, opened: &Opened) -> Result<bool> {
    let transitions = repository::list_transitions(conn, opened.referral.id, None, 1_000)?;
    let reached = transitions.iter().rev().find(|row| row.to_status == opened.referral.status && row.from_status != Some(row.to_status));
    let by_link = holder::by_link(&opened.row);
    Ok(reached.and_then(|row| row.on_behalf_of.as_deref()).is_some_and(|who| who.ends_with(&by_link)))
}

/// What went wrong, as a page.
fn failed(error: &Error, language: Language) -> HttpResponse {
    // It is logged where the problem document is made.
    let problem = error.error_response();
    let unknown = (
        StatusCode::NOT_FOUND,
        language.pick("This link cannot be used", "Ce lien ne peut pas être utilisé"),
        language.pick(
            "It may not be complete. Please open it again from the message that it came with, or ask whoever sent it to you.",
            "Il est peut-être incomplet. Veuillez l’ouvrir de nouveau à partir du message reçu, ou vous adresser à l’organisme qui l’a envoyé.",
        ),
    );
    let later = (
        problem.status(),
        language.pick("Please try again in a moment", "Veuillez réessayer dans un instant"),
        language.pick("The server could not do this just now.", "Le serveur n’a pas pu le faire à l’instant."),
    );
    let (status, title, text) = match error {
        Error::Unauthenticated(_) | Error::NotFound | Error::Gone => unknown,
        Error::RateLimited { .. } | Error::Busy | Error::Unavailable(_) | Error::TimedOut | Error::Internal(_) => later,
        _ => (
            problem.status(),
            language.pick("This cannot be done", "Ceci ne peut pas être fait"),
            language.pick("Please go back and try again.", "Veuillez revenir en arrière et réessayer."),
        ),
    };
    let page = page::notice(status, title, text, None, None, language);
    let mut response = page.unwrap_or_else(|error| error.error_response());
    if let Some(seconds) = problem.headers().get(RETRY_AFTER) {
        response.headers_mut().insert(RETRY_AFTER, seconds.clone());
    }
    response
}

fn as_page(answer: Result<HttpResponse>, request: &HttpRequest) -> HttpResponse {
    answer.unwrap_or_else(|error| failed(&error, language_of(request)))
}

/// The page. Reading it changes nothing.
#[get("/r/{token}")]
pub async fn show_referral(app: State, token: Path<String>, request: HttpRequest) -> HttpResponse {
    let answer = async {
        let visit = Visit::new(&app, &token, &request).await?;
        let holder = visit.holder.clone();
        let outcome = visit.app.db.read(move |conn| {
            let opened = holder.open(conn)?;
            match opened.performer {
                Ok(performer) => again(conn, &holder, opened, performer, StatusCode::OK, Vec::new()),
                Err(why) => Ok(Outcome::Closed(why, opened.requester.map(Box::new))),
            }
        });
        visit.answer(outcome.await?, &Form::default())
    };
    as_page(answer.await, &request)
}

/// The referral is accepted.
#[post("/r/{token}/accept")]
pub async fn accept_referral(app: State, token: Path<String>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let answer = async {
        let visit = Visit::new(&app, &token, &request).await?;
        let (language, form) = (visit.language, Visit::form(&request, payload).await?);
        let effect = move |conn: &mut DbConn, holder: &Holder, form: &Form, opened, performer| {
            decide(conn, holder, form, opened, performer, language, (ReferralStatus::Accepted, form.acceptance(language)))
        };
        visit.carry_out(form, effect).await
    };
    as_page(answer.await, &request)
}

/// The referral is declined.
#[post("/r/{token}/decline")]
pub async fn decline_referral(app: State, token: Path<String>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let answer = async {
        let visit = Visit::new(&app, &token, &request).await?;
        let (language, form) = (visit.language, Visit::form(&request, payload).await?);
        let effect = move |conn: &mut DbConn, holder: &Holder, form: &Form, opened, performer| {
            decide(conn, holder, form, opened, performer, language, (ReferralStatus::Rejected, form.refusal(language)))
        };
        visit.carry_out(form, effect).await
    };
    as_page(answer.await, &request)
}

/// How much room the service has.
#[post("/r/{token}/capacity")]
pub async fn set_capacity(app: State, token: Path<String>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let answer = async {
        let visit = Visit::new(&app, &token, &request).await?;
        let (language, form) = (visit.language, Visit::form(&request, payload).await?);
        let effect = move |conn: &mut DbConn, holder: &Holder, form: &Form, opened: Opened, performer| {
            say_room(conn, holder, form, opened, performer, language)
        };
        visit.carry_out(form, effect).await
    };
    as_page(answer.await, &request)
}

fn say_room(
    conn: &mut DbConn,
    holder: &Holder,
    form: &Form,
    opened: Opened,
    performer: OrganizationId,
    language: Language,
) -> Result<Outcome> {
    let caller = holder.acting(&opened.row, performer, Some(&form.name));
    // What the form was written over is compared with what nobody else changes any more.
    opened.referral.service_id.map_or(Ok(()), |id| services::repository::lock(conn, id))?;
    let seen = look(conn, holder, opened, performer)?;
    let Some(service) = seen.service.as_ref().filter(|_| seen.may_say_room) else { return Err(Error::NotFound) };
    let capacity = match form.capacity(language) {
        Ok(capacity) => capacity,
        Err(mistakes) => return Ok(Outcome::Again(StatusCode::UNPROCESSABLE_ENTITY, Box::new(seen), mistakes)),
    };
    let last = service.capacity.as_ref().map(|last| last.said());
    // What the form does not ask for stays as it was said.
    let said = Capacity { as_of: None, ..last.clone().unwrap_or_default() };
    let capacity =
        Capacity { status: capacity.status, available: capacity.available, expected_wait_days: capacity.expected_wait_days, ..said };
    if form.version != service.version.to_string() {
        let is_said = last.is_some_and(|last| Capacity { as_of: None, ..last } == capacity);
        return Ok(if is_said { Outcome::Done } else { Outcome::Again(StatusCode::CONFLICT, Box::new(seen), changed(language)) });
    }
    let service = services::capacity::lock(conn, &caller, service.id)?;
    services::capacity::say(conn, &caller, &service, None, &capacity, "", false)?;
    Ok(Outcome::Done)
}
