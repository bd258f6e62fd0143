//! Fills a fresh database with the invented region, many rows at a time: what a clinic, a link-worker program, their agencies and a
//! directory would have written over years.

use std::time::Instant as Timer;

use chrono::{Days, NaiveDate};
use diesel::{ExpressionMethods, RunQueryDsl, insert_into};
use kith::auth::model::NewClient;
use kith::auth::secrets::ClientSecret;
use kith::auth::{Scopes, repository as clients};
use kith::changes::{self, Action, Actor, Change};
use kith::clock::Clock;
use kith::consents::api::Consent;
use kith::consents::model::{ConsentInput, ConsentRow};
use kith::db::lists::list;
use kith::db::schema;
use kith::db::types::{Id, Instant, Json};
use kith::db::{Db, DbConn, DbSettings};
use kith::each;
use kith::error::Result;
use kith::follow_ups::api::FollowUp;
use kith::follow_ups::model::{Conclusion, FollowUpInput, FollowUpRow, FollowUpStatus, Purpose};
use kith::http::json::MOST_OF_LINE;
use kith::import::importer::Importer;
use kith::import::load::Load;
use kith::import::mapping::Mapping;
use kith::import::read;
use kith::kind::{ClientId, OrganizationId, PatientId, ReferralId, ResourceType};
use kith::needs::api::Need;
use kith::needs::model::{NeedInput, NeedRow};
use kith::organizations::model::{OrganizationInput, OrganizationKind};
use kith::organizations::tenants;
use kith::patients::api::Patient;
use kith::patients::duplicates::Traits;
use kith::patients::keys;
use kith::patients::model::{PatientInput, PatientRow};
use kith::referrals::api::{Referral, ReferralTransition};
use kith::referrals::lifecycle::ReferralStatus as Status;
use kith::referrals::model::{ReferralInput, ReferralKind, ReferralRow, StatusReason, TransitionContent, TransitionRow};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Outcome;
use super::invented::{self, Dice};

/// Patients whose rows are written in one transaction.
const CHUNK: usize = 1_000;
/// Rows of one statement: with the widest table still below the number of values that SQLite and PostgreSQL take.
const ROWS: usize = 500;
/// Clinics beside the one that is measured, which manages every second patient.
const OTHER_CLINICS: usize = 50;
/// Agencies that give the services.
const AGENCIES: usize = 40;
/// How many ids of each kind the jobs choose from.
const SAMPLE: usize = 20_000;

/// How much there is of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// People.
    pub patients: usize,
    /// Services of the directory.
    pub services: usize,
    /// Referrals.
    pub referrals: usize,
}

/// What a client logs in with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Login {
    /// Its organization.
    pub organization_id: OrganizationId,
    /// Its id.
    pub client_id: ClientId,
    /// Its secret.
    pub secret: String,
}

/// A database that has been filled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Filled {
    /// With how much.
    pub sizes: Sizes,
    /// In how many seconds.
    pub seconds: f64,
    /// The clinic that is measured.
    pub clinic: Login,
    /// The program that all patients have let in.
    pub program: Login,
    /// The keeper of the directory.
    pub directory: Login,
    /// Some of the clinic's patients.
    pub patients: Vec<PatientId>,
    /// Some referrals to the program on which it is at work.
    pub referrals: Vec<ReferralId>,
}

/// Fills the database at this address, which must be empty.
pub fn fill(url: &str, sizes: Sizes) -> Outcome<Filled> {
    let db = Db::open(&DbSettings::new(url))?;
    let started = Timer::now();
    let now = Clock::default().now();
    if db.read_blocking(|conn| Ok(changes::latest(conn)? != changes::Position::default()))? {
        return Err("the database is not empty; the benchmark fills a fresh one".into());
    }
    let clinic = tenant(&db, now, "Alder Falls Family Clinic", OrganizationKind::Clinic)?;
    let program = tenant(&db, now, "Link Workers of the Valley", OrganizationKind::Program)?;
    let directory = tenant(&db, now, "Valley Directory", OrganizationKind::Directory)?;
    let organizations = |count: usize, name: &'static str, kind| -> Result<Vec<OrganizationId>> {
        let create = |number| {
            db.write_blocking(move |conn| {
                tenants::create(conn, &Actor::operator(now), OrganizationInput::named(format!("{name} {number}"), kind))
            })
        };
        (0..count).map(create).collect()
    };
    let clinics = organizations(OTHER_CLINICS, "Clinic", OrganizationKind::Clinic)?;
    let agencies = organizations(AGENCIES, "Agency", OrganizationKind::Agency)?;
    services(&db, now, &directory, &agencies, sizes.services)?;
    let region = Region { clinic: clinic.clone(), program: program.organization_id, clinics, now, sizes };
    let mut filled = Filled { sizes, seconds: 0.0, clinic, program, directory, patients: Vec::new(), referrals: Vec::new() };
    for first in (0..sizes.patients).step_by(CHUNK) {
        let region = region.clone();
        let (patients, referrals) = db.write_blocking(move |conn| region.people(conn, first..(first + CHUNK).min(sizes.patients)))?;
        filled.patients.extend(patients.into_iter().take(SAMPLE.saturating_sub(filled.patients.len())));
        filled.referrals.extend(referrals.into_iter().take(SAMPLE.saturating_sub(filled.referrals.len())));
    }
    db.shutdown();
    Ok(Filled { seconds: started.elapsed().as_secs_f64(), ..filled })
}

fn tenant(db: &Db, now: Instant, name: &'static str, kind: OrganizationKind) -> Outcome<Login> {
    let secret = ClientSecret::generate()?;
    let hash = secret.hash()?;
    let (organization_id, client_id) = db.write_blocking(move |conn| {
        let organization = tenants::create(conn, &Actor::operator(now), OrganizationInput::named(name, kind))?;
        let client = NewClient::new(organization, "benchmark".into(), Scopes::all_but_admin(), hash.clone(), now);
        clients::insert_client(conn, &client)?;
        Ok((organization, client.id))
    })?;
    Ok(Login { organization_id, client_id, secret: secret.expose().to_owned() })
}

/// Imports the services, on the way that every import takes.
fn services(db: &Db, now: Instant, directory: &Login, agencies: &[OrganizationId], count: usize) -> Outcome<()> {
    const SOURCE: &str = "benchmark";
    let mut importer = Importer::new(Mapping::hsds(SOURCE));
    let mut load = db.read_blocking(|conn| Load::open(conn, directory.organization_id, SOURCE))?;
    let actor = Actor { organization_id: Some(directory.organization_id), client_id: Some(directory.client_id), ..Actor::operator(now) };
    let mut refused = None;
    let mut write = |batch: kith::import::load::Batch| {
        let actor = actor.clone();
        db.write_blocking(move |conn| batch.write(conn, &actor)).map(|_| ())
    };
    for number in 0..count {
        let provider = agencies.get(number % agencies.len().max(1)).copied();
        let bytes = serde_json::to_vec(&invented::service(number, SOURCE, provider))?;
        let mut batches = Vec::new();
        if let Some(raw) = read::line(&bytes, number as u64 + 1, MOST_OF_LINE) {
            importer.take(raw, &mut |outcome| batches.extend(load.take(outcome, &mut |line| refused = Some(line))));
        }
        batches.into_iter().try_for_each(&mut write)?;
    }
    load.rest().into_iter().try_for_each(&mut write)?;
    match refused {
        Some(line) => Err(format!("an invented service was refused: {line:?}").into()),
        None => Ok(()),
    }
}

#[derive(Clone)]
struct Region {
    clinic: Login,
    program: OrganizationId,
    clinics: Vec<OrganizationId>,
    now: Instant,
    sizes: Sizes,
}

/// The rows of one transaction.
#[derive(Default)]
struct Rows {
    patients: Vec<PatientRow>,
    keys: Vec<(i64, PatientId)>,
    needs: Vec<NeedRow>,
    consents: Vec<ConsentRow>,
    referrals: Vec<ReferralRow>,
    transitions: Vec<TransitionRow>,
    follow_ups: Vec<FollowUpRow>,
}

impl Region {
    /// Writes people and all that is about them; some of the clinic's, and the referrals on which the program is at work.
    fn people(&self, conn: &mut DbConn, numbers: std::ops::Range<usize>) -> Result<(Vec<PatientId>, Vec<ReferralId>)> {
        let mut rows = Rows::default();
        for number in numbers {
            self.person(number, &mut rows)?;
        }
        let own = rows.patients.iter().filter(|row| row.organization_id == self.clinic.organization_id).map(|row| row.id).collect();
        let at_work = rows.referrals.iter().filter(|row| row.status == Status::InProgress).map(|row| row.id).collect();
        self.write(conn, rows)?;
        Ok((own, at_work))
    }

    fn person(&self, number: usize, rows: &mut Rows) -> Result<()> {
        let now = self.now;
        let owner = match self.clinics.get(number / 2 % self.clinics.len().max(1)) {
            Some(other) if number % 2 == 1 => *other,
            _ => self.clinic.organization_id,
        };
        let mut input: PatientInput = read(invented::person(number))?;
        input.normalise();
        let id = PatientId::generate();
        rows.keys.extend(keys::filed(owner, &Traits::from(&input)).into_iter().map(|key| (key, id)));
        rows.patients.push(PatientRow::new(id, owner, input, now));
        for domain in invented::needs(number) {
            let input: NeedInput = read(json!({ "patient_id": id, "domain": domain, "source": "conversation", "wants_help": true }))?;
            rows.needs.push(NeedRow {
                id: Id::generate(),
                organization_id: owner,
                patient_id: id,
                screening_id: None,
                domain: input.domain.clone(),
                status: input.status,
                is_sensitive: input.is_sensitive(),
                content: Json(input),
                version: 1,
                created_at: now,
                updated_at: now,
                deleted_at: None,
            });
        }
        let mut input: ConsentInput = read(json!({ "patient_id": id, "grantee_id": self.program, "purposes": ["care_coordination"],
            "categories": ["summary", "contact", "needs", "referrals", "follow_ups"], "form": "verbal" }))?;
        input.normalise();
        rows.consents.push(ConsentRow {
            id: Id::generate(),
            organization_id: owner,
            patient_id: id,
            grantee_id: self.program,
            recorder_id: owner,
            purposes: list(&input.purposes),
            categories: list(&input.categories),
            valid_from: now,
            valid_until: None,
            withdrawn_at: None,
            withdrawal_reason: None,
            content: Json(input),
            version: 1,
            created_at: now,
            updated_at: now,
            deleted_at: None,
        });
        let Sizes { patients, referrals, .. } = self.sizes;
        for referral in referrals * number / patients..referrals * (number + 1) / patients {
            self.referral(referral, owner, id, rows)?;
        }
        Ok(())
    }

    fn referral(&self, number: usize, requester: OrganizationId, patient_id: PatientId, rows: &mut Rows) -> Result<()> {
        let now = self.now;
        let path: &[Status] = match Dice::of("referral", number).roll(100) {
            0..30 => &[Status::Draft, Status::Requested],
            30..35 => &[Status::Draft, Status::Requested, Status::Received],
            35..50 => &[Status::Draft, Status::Requested, Status::Accepted],
            50..70 => &[Status::Draft, Status::Requested, Status::Accepted, Status::InProgress],
            70..90 => &[Status::Draft, Status::Requested, Status::Accepted, Status::InProgress, Status::Completed],
            _ => &[Status::Draft, Status::Requested, Status::Cancelled],
        };
        let status = path.last().copied().unwrap_or(Status::Draft);
        let input: ReferralInput =
            read(json!({ "patient_id": patient_id, "kind": "navigation", "performer_organization_id": self.program,
            "source_type": "family_physician", "reason": "Would like company, and help with the forms." }))?;
        let is_due = matches!(status, Status::Requested | Status::Received | Status::Accepted);
        let id = ReferralId::generate();
        rows.referrals.push(ReferralRow {
            id,
            organization_id: requester,
            patient_id,
            performer_id: Some(self.program),
            service_id: None,
            parent_id: None,
            kind: ReferralKind::Navigation,
            status,
            business_status: None,
            status_reason: Json(StatusReason::default()),
            outcome: None,
            priority: input.priority,
            requester_practitioner_id: None,
            performer_practitioner_id: None,
            due_on: is_due.then(|| self.day(number)),
            requested_at: Some(now),
            status_at: now,
            content: Json(input),
            version: path.len() as i64,
            created_at: now,
            updated_at: now,
            deleted_at: None,
            manager_id: requester,
            consent_at: None,
        });
        let before = std::iter::once(None).chain(path.iter().copied().map(Some));
        rows.transitions.extend(path.iter().zip(before).map(|(to, from)| TransitionRow {
            id: Id::generate(),
            organization_id: requester,
            referral_id: id,
            from_status: from,
            to_status: *to,
            content: Json(TransitionContent::default()),
            client_id: Some(self.clinic.client_id),
            on_behalf_of: None,
            created_at: now,
        }));
        if matches!(status, Status::Accepted | Status::InProgress) {
            let input: FollowUpInput =
                read(json!({ "patient_id": patient_id, "referral_id": id, "purpose": "check_in", "due_on": self.day(number) }))?;
            rows.follow_ups.push(FollowUpRow {
                id: Id::generate(),
                organization_id: self.program,
                patient_id,
                referral_id: Some(id),
                practitioner_id: None,
                purpose: Purpose::CheckIn,
                status: FollowUpStatus::Open,
                due_on: input.due_on,
                closed_at: None,
                conclusion: Json(Conclusion::default()),
                content: Json(input),
                version: 1,
                created_at: now,
                updated_at: now,
                deleted_at: None,
                manager_id: requester,
                awaited_id: None,
            });
        }
        Ok(())
    }

    /// A day within two months around today.
    fn day(&self, number: usize) -> NaiveDate {
        let today = self.now.utc().date_naive();
        let first = today.checked_sub_days(Days::new(30)).unwrap_or(today);
        first.checked_add_days(Days::new(Dice::of("day", number).roll(60) as u64)).unwrap_or(today)
    }

    fn write(&self, conn: &mut DbConn, rows: Rows) -> Result<()> {
        macro_rules! insert {
            ($table:ident, $rows:expr) => {
                for rows in $rows.chunks(ROWS) {
                    each!(conn, |conn| insert_into(schema::$table::table).values(rows).execute(conn))?;
                }
            };
        }
        insert!(patients, rows.patients);
        for keys in rows.keys.chunks(ROWS) {
            use schema::patient_keys::{key, patient_id, table};
            let keys: Vec<_> = keys.iter().map(|(hash, id)| (key.eq(hash), patient_id.eq(id))).collect();
            each!(conn, |conn| insert_into(table).values(&keys).execute(conn))?;
        }
        insert!(needs, rows.needs);
        insert!(consents, rows.consents);
        insert!(referrals, rows.referrals);
        insert!(referral_transitions, rows.transitions);
        insert!(follow_ups, rows.follow_ups);

        let patient_of: std::collections::HashMap<ReferralId, PatientId> =
            rows.referrals.iter().map(|row| (row.id, row.patient_id)).collect();
        let about = |id: Uuid, owner, patient: PatientId, referral: Option<ReferralId>| (id, owner, Some(patient), referral);
        let patients =
            rows.patients.into_iter().map(|row| (about(row.id.uuid(), row.organization_id, row.id, None), 1, Patient::whole(row)));
        self.record(conn, ResourceType::Patient, patients)?;
        let needs = rows.needs.into_iter().map(|row| (about(row.id.uuid(), row.organization_id, row.patient_id, None), 1, Need::from(row)));
        self.record(conn, ResourceType::Need, needs)?;
        let consents =
            rows.consents.into_iter().map(|row| (about(row.id.uuid(), row.organization_id, row.patient_id, None), 1, Consent::from(row)));
        self.record(conn, ResourceType::Consent, consents)?;
        let referrals = rows
            .referrals
            .into_iter()
            .map(|row| (about(row.id.uuid(), row.organization_id, row.patient_id, Some(row.id)), row.version, Referral::from(row)));
        self.record(conn, ResourceType::Referral, referrals)?;
        let transitions = rows.transitions.into_iter().filter_map(|row| {
            let patient = *patient_of.get(&row.referral_id)?;
            Some((about(row.id.uuid(), row.organization_id, patient, Some(row.referral_id)), 1, ReferralTransition::from(row)))
        });
        self.record(conn, ResourceType::ReferralTransition, transitions)?;
        let follow_ups = rows
            .follow_ups
            .into_iter()
            .map(|row| (about(row.id.uuid(), row.organization_id, row.patient_id, row.referral_id), 1, FollowUp::from(row)));
        self.record(conn, ResourceType::FollowUp, follow_ups)
    }

    fn record<T: Serialize>(
        &self,
        conn: &mut DbConn,
        resource_type: ResourceType,
        shapes: impl Iterator<Item = ((Uuid, OrganizationId, Option<PatientId>, Option<ReferralId>), i64, T)>,
    ) -> Result<()> {
        let shapes: Vec<_> = shapes.collect();
        let changes: Vec<Change<'_, T>> = shapes
            .iter()
            .map(|((resource_id, owner, patient_id, referral_id), version, body)| Change {
                resource_type,
                resource_id: *resource_id,
                owner_id: Some(*owner),
                version: *version,
                action: Action::Created,
                patient_id: *patient_id,
                referral_id: *referral_id,
                body,
            })
            .collect();
        let Login { organization_id, client_id, .. } = self.clinic;
        let actor = Actor { organization_id: Some(organization_id), client_id: Some(client_id), ..Actor::operator(self.now) };
        changes::record_all(conn, &actor, &changes)
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(kith::error::Error::internal)
}
