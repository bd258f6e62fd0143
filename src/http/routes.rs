//! The routes of a module: one list, from which they are served and described.

use actix_web::dev::HttpServiceFactory;
use actix_web::web::ServiceConfig;
use utoipa::openapi::OpenApi;
use utoipa_actix_web::OpenApiFactory;

/// What becomes of the routes that a module adds.
pub enum Routes<'a> {
    /// They are served.
    Served(&'a mut ServiceConfig),
    /// What the document says of them is collected.
    Described(&'a mut OpenApi),
}

impl Routes<'_> {
    /// Adds an operation.
    pub fn service<F: HttpServiceFactory + OpenApiFactory + 'static>(&mut self, operation: F) -> &mut Self {
        match self {
            Self::Served(config) => {
                config.service(operation);
            }
            Self::Described(document) => {
                document.paths.merge(operation.paths());
                // An operation names its schemas with all that these name, the same ones again and again. Those of all operations
                // together would take fifty megabytes.
                let mut schemas = Vec::new();
                operation.schemas(&mut schemas);
                document.components.get_or_insert_default().schemas.extend(schemas);
            }
        }
        self
    }

    /// Adds the routes of a part of the module.
    pub fn configure(&mut self, part: impl FnOnce(&mut Self)) -> &mut Self {
        part(self);
        self
    }
}
