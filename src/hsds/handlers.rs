//! HTTP of the face: lists by page number, single records, and the same lists asked by POST.

use std::fs::File;
use std::io::{self, Read as _};

use actix_web::body::SizedStream;
use actix_web::http::header::ContentDisposition;
use actix_web::web::{self, Bytes, Path};
use actix_web::{HttpRequest, HttpResponse, get, post};
use futures_util::stream::{self, Stream};

use super::api::{HsdsOrganizationList, HsdsServiceAtLocationList, HsdsServiceList, HsdsTaxonomyList, HsdsTaxonomyTermList, Root};
use super::catalogue::Filter;
use super::model::{Organization, Service, ServiceAtLocation, Taxonomy, TaxonomyTerm, VERSION};
use super::package::{self, Package, PackageError};
use super::pages::{Entry, Extent, Shelves, batches, everything, packed, render};
use super::query::{
    Asked, Format, OrganizationQuery, OrganizationsQuery, PER_PAGE, Part, ServiceAtLocationsQuery, ServicesQuery, TaxonomiesQuery,
    TaxonomyTermsQuery,
};
use super::scroll::{Form, Scroll};
use crate::app::State;
use crate::auth::DirectoryReader;
use crate::db::DbConn;
use crate::db::types::Id;
use crate::error::{Error, Fault, Result};
use crate::http::query::{self, Query};
use crate::kind::ServiceId;
use crate::postal_codes;

/// Packages that are made at once, at most: each reads the whole directory into a file.
pub const MOST_PACKAGES: usize = 2;

/// Describe the HSDS API
///
/// The version of the standard, our profile of it, and this document.
#[utoipa::path(tag = "hsds", responses((status = 200, description = "What it is.", body = Root)), security((), ("oauth2" = ["services:read"])))]
#[get("/hsds/")]
pub async fn get_hsds(app: State, _: DirectoryReader, request: HttpRequest) -> HttpResponse {
    let base = base(&app, &request);
    HttpResponse::Ok().json(Root {
        version: VERSION.into(),
        profile: format!("{base}/hsds/profile"),
        openapi_url: format!("{base}/openapi.json"),
        description:
            "The directory of community services of this Kith, with its profile for waitlists, delivery modes, eligibility rules, \
                      verification, languages and provenance."
                .into(),
    })
}

/// The address under which callers know this server.
pub(super) fn base(app: &State, request: &HttpRequest) -> String {
    match &app.config.base_url {
        Some(base) => base.trim_end_matches('/').to_owned(),
        None => {
            let connection = request.connection_info();
            format!("{}://{}", connection.scheme(), connection.host())
        }
    }
}

/// List services in HSDS
///
/// In the order of their ids, or the best first where words are looked for. Services that have ended, were merged or deleted stay, as `inactive`
/// or `defunct`; of one that was deleted only its name and organization are left.
#[utoipa::path(tag = "hsds", params(ServicesQuery), responses((status = 200, description = "A page; with `format=ndjson` all, an object in each line.", content((HsdsServiceList = "application/json"), (Service = "application/x-ndjson")))), security((), ("oauth2" = ["services:read"])))]
#[get("/hsds/services")]
pub async fn list_hsds_services(app: State, reader: DirectoryReader, query: Query<ServicesQuery>) -> Result<HttpResponse> {
    services(app, &reader, query.0).await
}

/// List services in HSDS by POST
///
/// The same as by GET; it changes nothing. The conditions may stand in the query string, as the standard has it, or in the body, so that
/// the words that are looked for do not end up in logs; where they stand in both, the body counts.
#[utoipa::path(tag = "hsds", params(ServicesQuery), request_body(content((ServicesQuery = "application/json"), (ServicesQuery = "application/x-www-form-urlencoded"))), responses((status = 200, description = "A page; with `format=ndjson` all, an object in each line.", content((HsdsServiceList = "application/json"), (Service = "application/x-ndjson")))), security((), ("oauth2" = ["services:read"])))]
#[post("/hsds/services")]
pub async fn query_hsds_services(app: State, reader: DirectoryReader, query: Asked<ServicesQuery>) -> Result<HttpResponse> {
    services(app, &reader, query.0).await
}

/// Read a service in HSDS
///
/// With everything nested. The id that the service has under `/v1` works as well.
#[utoipa::path(tag = "hsds", params(("id" = ServiceId, Path, description = "Its id.")), responses((status = 200, description = "All that is known of it.", body = Service)), security((), ("oauth2" = ["services:read"])))]
#[get("/hsds/services/{id}")]
pub async fn get_hsds_service(app: State, reader: DirectoryReader, id: Path<Id<()>>) -> Result<HttpResponse> {
    let extent = Extent { is_full: true, ..Extent::of(&reader) };
    let id = id.uuid();
    single(app, extent, move |shelf| shelf.service(id).map(Entry::Service)).await
}

/// List services at locations in HSDS
///
/// One for each place of a service; a service that is reached without a place, by telephone or online, has a virtual one.
#[utoipa::path(tag = "hsds", params(ServiceAtLocationsQuery), responses((status = 200, description = "A page; with `format=ndjson` all, an object in each line.", content((HsdsServiceAtLocationList = "application/json"), (ServiceAtLocation = "application/x-ndjson")))), security((), ("oauth2" = ["services:read"])))]
#[get("/hsds/service_at_locations")]
pub async fn list_hsds_service_at_locations(
    app: State,
    reader: DirectoryReader,
    query: Query<ServiceAtLocationsQuery>,
) -> Result<HttpResponse> {
    service_at_locations(app, &reader, query.0).await
}

/// List services at locations in HSDS by POST
///
/// The same as by GET; it changes nothing. The conditions may stand in the query string, as the standard has it, or in the body, so that
/// the words that are looked for do not end up in logs; where they stand in both, the body counts.
#[utoipa::path(tag = "hsds", params(ServiceAtLocationsQuery), request_body(content((ServiceAtLocationsQuery = "application/json"), (ServiceAtLocationsQuery = "application/x-www-form-urlencoded"))), responses((status = 200, description = "A page; with `format=ndjson` all, an object in each line.", content((HsdsServiceAtLocationList = "application/json"), (ServiceAtLocation = "application/x-ndjson")))), security((), ("oauth2" = ["services:read"])))]
#[post("/hsds/service_at_locations")]
pub async fn query_hsds_service_at_locations(
    app: State,
    reader: DirectoryReader,
    query: Asked<ServiceAtLocationsQuery>,
) -> Result<HttpResponse> {
    service_at_locations(app, &reader, query.0).await
}

/// Read a service at a location in HSDS
///
/// With the service and the location, everything nested.
#[utoipa::path(tag = "hsds", params(("id" = ServiceId, Path, description = "Its id.")), responses((status = 200, description = "All that is known of it.", body = ServiceAtLocation)), security((), ("oauth2" = ["services:read"])))]
#[get("/hsds/service_at_locations/{id}")]
pub async fn get_hsds_service_at_location(app: State, reader: DirectoryReader, id: Path<Id<()>>) -> Result<HttpResponse> {
    let extent = Extent { is_full: true, ..Extent::of(&reader) };
    let id = id.uuid();
    single(app, extent, move |shelf| shelf.site(id).map(|(service, number)| Entry::Site(service, number))).await
}

/// List organizations in HSDS
///
/// Those that give services, and those that a source lists though they give none, in the order of their ids.
#[utoipa::path(tag = "hsds", params(OrganizationsQuery), responses((status = 200, description = "A page; with `format=ndjson` all, an object in each line.", content((HsdsOrganizationList = "application/json"), (Organization = "application/x-ndjson")))), security((), ("oauth2" = ["services:read"])))]
#[get("/hsds/organizations")]
pub async fn list_hsds_organizations(app: State, reader: DirectoryReader, query: Query<OrganizationsQuery>) -> Result<HttpResponse> {
    organization_list(app, &reader, query.0).await
}

/// List organizations in HSDS by POST
///
/// The same as by GET; it changes nothing. The conditions may stand in the query string, as the standard has it, or in the body, so that
/// the words that are looked for do not end up in logs; where they stand in both, the body counts.
#[utoipa::path(tag = "hsds", params(OrganizationsQuery), request_body(content((OrganizationsQuery = "application/json"), (OrganizationsQuery = "application/x-www-form-urlencoded"))), responses((status = 200, description = "A page; with `format=ndjson` all, an object in each line.", content((HsdsOrganizationList = "application/json"), (Organization = "application/x-ndjson")))), security((), ("oauth2" = ["services:read"])))]
#[post("/hsds/organizations")]
pub async fn query_hsds_organizations(app: State, reader: DirectoryReader, query: Asked<OrganizationsQuery>) -> Result<HttpResponse> {
    organization_list(app, &reader, query.0).await
}

/// Read an organization in HSDS
///
/// With its services.
#[utoipa::path(tag = "hsds", params(("id" = ServiceId, Path, description = "Its id."), OrganizationQuery), responses((status = 200, description = "All that is known of it.", body = Organization)), security((), ("oauth2" = ["services:read"])))]
#[get("/hsds/organizations/{id}")]
pub async fn get_hsds_organization(
    app: State,
    reader: DirectoryReader,
    id: Path<Id<()>>,
    query: Query<OrganizationQuery>,
) -> Result<HttpResponse> {
    let extent = Extent { is_full: true, has_full_services: query.0.full_service == Some(true), ..Extent::of(&reader) };
    let id = id.uuid();
    single(app, extent, move |shelf| shelf.provider(id).map(Entry::Provider)).await
}

/// List taxonomies in HSDS
///
/// Those of which some service carries a term, and those that came with an imported package, in the order of their ids.
#[utoipa::path(tag = "hsds", params(TaxonomiesQuery), responses((status = 200, description = "A page; with `format=ndjson` all, an object in each line.", content((HsdsTaxonomyList = "application/json"), (Taxonomy = "application/x-ndjson")))), security((), ("oauth2" = ["services:read"])))]
#[get("/hsds/taxonomies")]
pub async fn list_hsds_taxonomies(app: State, reader: DirectoryReader, query: Query<TaxonomiesQuery>) -> Result<HttpResponse> {
    taxonomies(app, &reader, query.0).await
}

/// List taxonomies in HSDS by POST
///
/// The same as by GET; it changes nothing. The conditions may stand in the query string, as the standard has it, or in the body, so that
/// the words that are looked for do not end up in logs; where they stand in both, the body counts.
#[utoipa::path(tag = "hsds", params(TaxonomiesQuery), request_body(content((TaxonomiesQuery = "application/json"), (TaxonomiesQuery = "application/x-www-form-urlencoded"))), responses((status = 200, description = "A page; with `format=ndjson` all, an object in each line.", content((HsdsTaxonomyList = "application/json"), (Taxonomy = "application/x-ndjson")))), security((), ("oauth2" = ["services:read"])))]
#[post("/hsds/taxonomies")]
pub async fn query_hsds_taxonomies(app: State, reader: DirectoryReader, query: Asked<TaxonomiesQuery>) -> Result<HttpResponse> {
    taxonomies(app, &reader, query.0).await
}

/// Read a taxonomy in HSDS
///
/// One of which some service carries a term, or that came with an imported package.
#[utoipa::path(tag = "hsds", params(("id" = ServiceId, Path, description = "Its id.")), responses((status = 200, description = "All that is known of it.", body = Taxonomy)), security((), ("oauth2" = ["services:read"])))]
#[get("/hsds/taxonomies/{id}")]
pub async fn get_hsds_taxonomy(app: State, reader: DirectoryReader, id: Path<Id<()>>) -> Result<HttpResponse> {
    let extent = Extent { is_full: true, ..Extent::of(&reader) };
    let id = id.uuid();
    single(app, extent, move |shelf| shelf.taxonomy(id).map(|_| Entry::Taxonomy(id))).await
}

/// List terms of taxonomies in HSDS
///
/// Those that some service carries, and those that came with an imported package, in the order of their ids.
#[utoipa::path(tag = "hsds", params(TaxonomyTermsQuery), responses((status = 200, description = "A page; with `format=ndjson` all, an object in each line.", content((HsdsTaxonomyTermList = "application/json"), (TaxonomyTerm = "application/x-ndjson")))), security((), ("oauth2" = ["services:read"])))]
#[get("/hsds/taxonomy_terms")]
pub async fn list_hsds_taxonomy_terms(app: State, reader: DirectoryReader, query: Query<TaxonomyTermsQuery>) -> Result<HttpResponse> {
    taxonomy_terms(app, &reader, query.0).await
}

/// List terms of taxonomies in HSDS by POST
///
/// The same as by GET; it changes nothing. The conditions may stand in the query string, as the standard has it, or in the body, so that
/// the words that are looked for do not end up in logs; where they stand in both, the body counts.
#[utoipa::path(tag = "hsds", params(TaxonomyTermsQuery), request_body(content((TaxonomyTermsQuery = "application/json"), (TaxonomyTermsQuery = "application/x-www-form-urlencoded"))), responses((status = 200, description = "A page; with `format=ndjson` all, an object in each line.", content((HsdsTaxonomyTermList = "application/json"), (TaxonomyTerm = "application/x-ndjson")))), security((), ("oauth2" = ["services:read"])))]
#[post("/hsds/taxonomy_terms")]
pub async fn query_hsds_taxonomy_terms(app: State, reader: DirectoryReader, query: Asked<TaxonomyTermsQuery>) -> Result<HttpResponse> {
    taxonomy_terms(app, &reader, query.0).await
}

/// Read a term of a taxonomy in HSDS
///
/// One that some service carries, or that came with an imported package.
#[utoipa::path(tag = "hsds", params(("id" = ServiceId, Path, description = "Its id.")), responses((status = 200, description = "All that is known of it.", body = TaxonomyTerm)), security((), ("oauth2" = ["services:read"])))]
#[get("/hsds/taxonomy_terms/{id}")]
pub async fn get_hsds_taxonomy_term(app: State, reader: DirectoryReader, id: Path<Id<()>>) -> Result<HttpResponse> {
    let extent = Extent { is_full: true, ..Extent::of(&reader) };
    let id = id.uuid();
    single(app, extent, move |shelf| shelf.term(id).map(|_| Entry::Term(id))).await
}

/// Download the directory as an HSDS tabular package
///
/// A zip file with `datapackage.json` and a CSV file for each table; columns named `kith` hold what the standard has no field for, as JSON.
/// Organizations without services, terms that nobody carries and what an imported package said besides are in it. What records share, such
/// as an organization or a term, is there once, a term as it is listed; a record that says it otherwise says so in its own row, in
/// the column `kith` under `otherwise`.
/// `POST /v1/imports/services` takes it, with the ids that records have here. Two are made at once; whoever asks meanwhile is answered 503
/// with `Retry-After`.
#[utoipa::path(tag = "hsds", responses((status = 200, description = "The package.", content((String = "application/zip", example = json!("PK"))))), security((), ("oauth2" = ["services:read"])))]
#[get("/hsds/package")]
pub async fn get_hsds_package(app: State, reader: DirectoryReader) -> Result<HttpResponse> {
    let _turn = app.packages.try_acquire().map_err(|_| Error::Busy)?;
    let extent = Extent { is_full: true, ..Extent::of(&reader) };
    let shared = app.clone();
    let entries = app.read_directory(move |conn| everything(shelves(&shared), conn)).await?;
    let begin = |conn: &mut DbConn| {
        let mut package = Package::zipped().map_err(Error::internal)?;
        for (table, row) in packed(conn)? {
            package.add(table, &row).map_err(Error::internal)?;
        }
        Ok(package)
    };
    let mut package = app.db.read(begin).await?;
    for (table, entries) in batches(&entries) {
        let (shared, entries) = (app.clone(), entries.to_vec());
        package = app
            .db
            .read(move |conn| {
                let mut left = entries.as_slice();
                while !left.is_empty() {
                    let (read, records) = render(shelves(&shared), conn, left, extent)?;
                    for record in records {
                        package.add(table, &record).map_err(Error::internal)?;
                    }
                    left = left.get(read..).unwrap_or_default();
                }
                Ok(package)
            })
            .await?;
    }
    let finish = move || {
        let file = package.finish()?.ok_or_else(|| io::Error::other("a zip file was to be made"))?;
        let size = file.metadata()?.len();
        Ok::<_, PackageError>((file, size))
    };
    // All that can fail has been done before the first byte is sent.
    let (file, size) = web::block(finish).await.map_err(Error::internal)?.map_err(Error::internal)?;
    let name = ContentDisposition::attachment("hsds.zip");
    Ok(HttpResponse::Ok().content_type(package::MEDIA_TYPE).insert_header(name).body(SizedStream::new(size, read_on(file))))
}

/// What is left of a file, some of it at a time.
fn read_on(file: File) -> impl Stream<Item = Result<Bytes>> {
    const PIECE: u64 = 64 << 10;
    stream::try_unfold(file, |file| async move {
        let read = move || {
            let mut bytes = Vec::new();
            (&file).take(PIECE).read_to_end(&mut bytes).map(|_| (Bytes::from(bytes), file))
        };
        let (bytes, file) = web::block(read).await.map_err(Error::internal)?.map_err(Error::internal)?;
        Ok((!bytes.is_empty()).then_some((bytes, file)))
    })
}

/// Where the application keeps the directory.
pub(super) fn shelves(app: &State) -> Shelves<'_> {
    Shelves { directory: &app.directory, catalogue: &app.hsds }
}

async fn services(app: State, reader: &DirectoryReader, query: ServicesQuery) -> Result<HttpResponse> {
    let is_minimal = query.minimal == Some(true);
    let extent = Extent { is_minimal, is_full: query.full == Some(true), ..Extent::of(reader) };
    // A sweep wants one page.
    let part = Part { per_page: query.per_page.or(is_minimal.then_some(u32::MAX)), ..query.part() };
    let filter = Filter {
        term: query.taxonomy_term_id.map(Id::uuid),
        taxonomy: query.taxonomy_id.map(Id::uuid),
        organization: query.organization_id.map(Id::uuid),
        modified_after: query.modified_after,
        ..Filter::default()
    };
    let select = move |app: &State| {
        let found = app.directory.matching(query.search.as_deref().unwrap_or_default());
        Ok(app.hsds.read().services(&filter, found).into_iter().map(Entry::Service).collect())
    };
    list(app, extent, part, select).await
}

async fn service_at_locations(app: State, reader: &DirectoryReader, query: ServiceAtLocationsQuery) -> Result<HttpResponse> {
    if query.proximity.is_some() && query.postcode.is_none() {
        return Err(query::refusal(vec![Fault::new("proximity", "needs_postcode", "needs `postcode`")]));
    }
    let extent = Extent { is_full: query.full == Some(true), ..Extent::of(reader) };
    let part = query.part();
    let filter = Filter {
        term: query.taxonomy_term_id.map(Id::uuid),
        taxonomy: query.taxonomy_id.map(Id::uuid),
        organization: query.organization_id.map(Id::uuid),
        modified_after: query.modified_after,
        postcode: query.postcode.as_deref().map(postal_codes::compact),
        radius_m: query.proximity.as_deref().and_then(|metres| metres.parse().ok()),
    };
    let select = move |app: &State| {
        let found = app.directory.matching(query.search.as_deref().unwrap_or_default());
        let shelf = app.hsds.read();
        let middle = filter.postcode.as_deref().filter(|_| filter.radius_m.is_some()).map(|code| shelf.middle(code));
        if middle == Some(None) {
            let message = "is not the postal code of any place of the directory, nor of its neighbourhood";
            return Err(query::refusal(vec![Fault::new("postcode", "unknown_postcode", message)]));
        }
        let sites = shelf.at_locations(&filter, found, middle.flatten());
        Ok(sites.into_iter().map(|(service, number)| Entry::Site(service, number)).collect())
    };
    list(app, extent, part, select).await
}

async fn organization_list(app: State, reader: &DirectoryReader, query: OrganizationsQuery) -> Result<HttpResponse> {
    let has_full_services = query.full_service == Some(true);
    let extent = Extent { is_full: query.full == Some(true) || has_full_services, has_full_services, ..Extent::of(reader) };
    let part = query.part();
    let filter = Filter { term: query.taxonomy_term_id.map(Id::uuid), taxonomy: query.taxonomy_id.map(Id::uuid), ..Filter::default() };
    let select = move |app: &State| {
        let words = query.search.as_deref().unwrap_or_default();
        Ok(app.hsds.read().providers(&filter, words).into_iter().map(Entry::Provider).collect())
    };
    list(app, extent, part, select).await
}

async fn taxonomies(app: State, reader: &DirectoryReader, query: TaxonomiesQuery) -> Result<HttpResponse> {
    let part = query.part();
    let select = move |app: &State| {
        let words = query.search.as_deref().unwrap_or_default();
        Ok(app.hsds.read().taxonomies(words).into_iter().map(Entry::Taxonomy).collect())
    };
    list(app, Extent::of(reader), part, select).await
}

async fn taxonomy_terms(app: State, reader: &DirectoryReader, query: TaxonomyTermsQuery) -> Result<HttpResponse> {
    let part = query.part();
    let select = move |app: &State| {
        let words = query.search.as_deref().unwrap_or_default();
        let (taxonomy, parent) = (query.taxonomy_id.map(Id::uuid), query.parent_id.map(Id::uuid));
        let terms = app.hsds.read().terms(words, taxonomy, parent, query.top_only == Some(true));
        Ok(terms.into_iter().map(Entry::Term).collect())
    };
    list(app, Extent::of(reader), part, select).await
}

/// Answers with a page, or with everything.
async fn list(
    app: State,
    extent: Extent,
    part: Part,
    select: impl FnOnce(&State) -> Result<Vec<Entry>> + Send + 'static,
) -> Result<HttpResponse> {
    let number = part.page.unwrap_or(1).max(1) as usize;
    let size = part.per_page.unwrap_or(PER_PAGE).max(1) as usize;
    let is_paged = part.format != Some(Format::Ndjson);
    let shared = app.clone();
    let (scroll, first) = app
        .read_directory(move |conn| {
            let shelves = shelves(&shared);
            shelves.refresh(conn)?;
            let mut entries = select(&shared)?;
            let mut form = Form::Lines;
            if is_paged {
                form = Form::Page { total: entries.len(), number, size };
                entries = entries.into_iter().skip((number - 1).saturating_mul(size)).take(size).collect();
            }
            let mut scroll = Scroll::new(shelves, entries, extent, form);
            let first = scroll.write_on(shelves, conn)?;
            Ok((scroll, first))
        })
        .await?;
    Ok(scroll.respond(app, first))
}

/// Answers with one record.
async fn single(
    app: State,
    extent: Extent,
    find: impl FnOnce(&super::catalogue::Shelf) -> Option<Entry> + Send + 'static,
) -> Result<HttpResponse> {
    let shared = app.clone();
    let (scroll, first) = app
        .read_directory(move |conn| {
            let shelves = shelves(&shared);
            shelves.refresh(conn)?;
            let entry = find(&shared.hsds.read()).ok_or(Error::NotFound)?;
            let mut scroll = Scroll::new(shelves, vec![entry], extent, Form::Single);
            let first = scroll.write_on(shelves, conn)?;
            if scroll.written() > 0 { Ok((scroll, first)) } else { Err(Error::NotFound) }
        })
        .await?;
    Ok(scroll.respond(app, first))
}
