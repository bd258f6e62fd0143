//! `kith demo`: a server with an invented town in it.
//!
//! The town is data, in the folder `demo/`: its organizations, its directory, its people, and what happened to them over the last
//! months, as calls of the API. [`build`] plays these calls through the API itself, in this process, by a clock that is set back to when
//! each happened: what the demo shows has passed every check that a client's call passes, and its dates are always recent.

mod cast;
mod directory;
mod story;

use actix_web::body::to_bytes;
use actix_web::dev::Service as _;
use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use actix_web::test::{TestRequest, init_service};
use chrono::Duration;

use self::cast::Cast;
pub use self::cast::Credentials;
use self::story::{Memory, Step};
use crate::app::{self, State};
use crate::db::types::Instant;
use crate::error::Error;
use crate::import::read::ReadError;

const ORGANIZATIONS: &str = include_str!("../../demo/organizations.json");
const DIRECTORY: &str = include_str!("../../demo/directory.json");
const PEOPLE: &str = include_str!("../../demo/people.json");
const STORY: &str = include_str!("../../demo/story.json");

/// How long before now the town comes into being.
const LENGTH: Duration = Duration::days(120);

/// Why the town could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The application failed.
    #[error(transparent)]
    Application(#[from] Error),
    /// The data in `demo/` are not what this code expects.
    #[error("the data of the demo cannot be read")]
    Data(#[from] serde_json::Error),
    /// The directory cannot be read.
    #[error("the directory of the demo cannot be read")]
    Directory(#[from] ReadError),
    /// The story uses a name before anything has it.
    #[error("nothing in the story is called {0}")]
    Unnamed(String),
    /// A call did not succeed.
    #[error("{call}, called by {by}, was answered with {answer}")]
    Refused {
        /// Method and path.
        call: String,
        /// Who called.
        by: String,
        /// The answer.
        answer: String,
    },
}

/// The moment at which the story begins, where it is told at `now`: the clock of the state that [`build`] is given starts there.
pub fn beginning(now: Instant) -> Instant {
    now.plus(-LENGTH)
}

/// Fills a database, which has to be empty, as of this moment, and says how to log in. The state's clock is moved on from one call to
/// the next.
pub async fn build(state: &State, now: Instant) -> Result<Vec<Credentials>, BuildError> {
    let mut memory = Memory::new(now);
    let cast = cast::enter(state, &mut memory, ORGANIZATIONS).await?;
    directory::import(state, &cast, &mut memory, DIRECTORY, now).await?;
    play(state, &cast, &mut memory, story::read(PEOPLE, STORY)?, now).await?;
    Ok(cast.into_credentials())
}

/// Makes the calls, each at its moment, and remembers the answers.
async fn play(state: &State, cast: &Cast, memory: &mut Memory, steps: Vec<Step>, now: Instant) -> Result<(), BuildError> {
    // The way to call an actix application without a socket is named `test`; nothing here is one.
    let app = init_service(app::build(state.clone())).await;
    for step in steps {
        state.clock.set(step.moment(now));
        let caller = cast.client_of(&step.by)?;
        let token = state.authority.issue(&state.db, &state.clock, caller.client_id, caller.organization_id, caller.scopes).await?;
        let (method, path) = step.call.split_once(' ').unwrap_or(("GET", &step.call));
        let mut request = TestRequest::default()
            .method(Method::from_bytes(method.as_bytes()).map_err(Error::internal)?)
            .uri(&memory.fill_text(path)?)
            .insert_header((AUTHORIZATION, format!("Bearer {token}")));
        if let Some(person) = &step.on_behalf_of {
            request = request.insert_header(("Kith-On-Behalf-Of", person.as_str()));
        }
        if !step.body.is_null() {
            request = request.set_json(memory.fill(&step.body)?);
        }
        let failed = |error: &dyn std::fmt::Display| Error::internal(error.to_string());
        let response = app.call(request.to_request()).await.map_err(|error| failed(&error))?;
        let is_success = response.status().is_success();
        let answer = to_bytes(response.into_body()).await.map_err(|_| failed(&"the answer cannot be read"))?;
        if !is_success {
            return Err(BuildError::Refused { call: step.call, by: step.by, answer: String::from_utf8_lossy(&answer).into_owned() });
        }
        if let Some(name) = step.named {
            memory.keep(name, serde_json::from_slice(&answer)?);
        }
    }
    Ok(())
}
