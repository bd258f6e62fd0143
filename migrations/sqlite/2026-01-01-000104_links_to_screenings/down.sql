CREATE TABLE screening_links (
    id              TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    screening_id    TEXT NOT NULL REFERENCES screenings (id) ON DELETE CASCADE,
    client_id       TEXT NOT NULL REFERENCES clients (id) ON DELETE RESTRICT,
    on_behalf_of    TEXT,
    expires_at      TEXT NOT NULL,
    revoked_at      TEXT,
    version         INTEGER NOT NULL CHECK (version >= 1),
    created_at      TEXT NOT NULL
) STRICT;
INSERT INTO screening_links
    SELECT id, organization_id, subject_id, client_id, on_behalf_of, expires_at, revoked_at, version, created_at
    FROM links WHERE purpose = 'answer_screening';
CREATE INDEX screening_links_screening_id_idx ON screening_links (screening_id, id);
CREATE INDEX screening_links_organization_id_idx ON screening_links (organization_id);
CREATE INDEX screening_links_client_id_idx ON screening_links (client_id);

ALTER TABLE links RENAME TO links_after;
CREATE TABLE links (
    id              TEXT NOT NULL PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    purpose         TEXT NOT NULL CHECK (purpose IN ('answer_referral', 'read_service_calendar', 'read_practitioner_calendar')),
    subject_id      TEXT NOT NULL,
    client_id       TEXT NOT NULL REFERENCES clients (id) ON DELETE RESTRICT,
    on_behalf_of    TEXT,
    recipient       TEXT,
    expires_at      TEXT NOT NULL,
    revoked_at      TEXT,
    version         INTEGER NOT NULL CHECK (version >= 1),
    created_at      TEXT NOT NULL
) STRICT;
INSERT INTO links SELECT * FROM links_after WHERE purpose <> 'answer_screening';
DROP TABLE links_after;
CREATE INDEX links_subject_id_idx ON links (subject_id, purpose, id);
CREATE INDEX links_organization_id_idx ON links (organization_id);
CREATE INDEX links_client_id_idx ON links (client_id);
