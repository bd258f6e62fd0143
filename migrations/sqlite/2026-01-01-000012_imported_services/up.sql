-- What each source last said of its services, as a fingerprint: a record that says the same again changes nothing.
-- An empty fingerprint is that of a service that its source no longer lists.
CREATE TABLE imported_services (
    service_id      TEXT NOT NULL PRIMARY KEY REFERENCES services (id) ON DELETE CASCADE,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    source          TEXT NOT NULL,
    fingerprint     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX imported_services_organization_id_source_idx ON imported_services (organization_id, source);
