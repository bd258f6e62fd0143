-- Links to screenings are links like any other: subject_id is the screening.
ALTER TABLE links RENAME TO links_before;
CREATE TABLE links (
    id              TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    purpose         TEXT NOT NULL CHECK (purpose IN ('answer_screening', 'answer_referral', 'read_service_calendar', 'read_practitioner_calendar')),
    subject_id      TEXT NOT NULL,
    client_id       TEXT NOT NULL REFERENCES clients (id) ON DELETE RESTRICT,
    on_behalf_of    TEXT,
    recipient       TEXT,
    expires_at      TEXT NOT NULL,
    revoked_at      TEXT,
    version         INTEGER NOT NULL CHECK (version >= 1),
    created_at      TEXT NOT NULL
) STRICT;
INSERT INTO links SELECT * FROM links_before;
DROP TABLE links_before;
INSERT INTO links
    SELECT id, organization_id, 'answer_screening', screening_id, client_id, on_behalf_of, NULL, expires_at, revoked_at, version, created_at
    FROM screening_links;
DROP TABLE screening_links;
CREATE INDEX links_subject_id_idx ON links (subject_id, purpose, id);
CREATE INDEX links_organization_id_idx ON links (organization_id);
CREATE INDEX links_client_id_idx ON links (client_id);
