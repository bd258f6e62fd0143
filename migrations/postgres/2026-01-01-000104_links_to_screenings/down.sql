CREATE TABLE screening_links (
    id              UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    screening_id    UUID NOT NULL REFERENCES screenings (id) ON DELETE CASCADE,
    client_id       UUID NOT NULL REFERENCES clients (id) ON DELETE RESTRICT,
    on_behalf_of    TEXT,
    expires_at      TIMESTAMPTZ NOT NULL,
    revoked_at      TIMESTAMPTZ,
    version         BIGINT NOT NULL CHECK (version >= 1),
    created_at      TIMESTAMPTZ NOT NULL
);
INSERT INTO screening_links
    SELECT id, organization_id, subject_id, client_id, on_behalf_of, expires_at, revoked_at, version, created_at
    FROM links WHERE purpose = 'answer_screening';
CREATE INDEX screening_links_screening_id_idx ON screening_links (screening_id, id);
CREATE INDEX screening_links_organization_id_idx ON screening_links (organization_id);
CREATE INDEX screening_links_client_id_idx ON screening_links (client_id);

DELETE FROM links WHERE purpose = 'answer_screening';
ALTER TABLE links DROP CONSTRAINT links_purpose_check;
ALTER TABLE links ADD CONSTRAINT links_purpose_check CHECK (purpose IN ('answer_referral', 'read_service_calendar', 'read_practitioner_calendar'));
