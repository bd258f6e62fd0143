-- Links to screenings are links like any other: subject_id is the screening.
ALTER TABLE links DROP CONSTRAINT links_purpose_check;
ALTER TABLE links ADD CONSTRAINT links_purpose_check CHECK (purpose IN ('answer_screening', 'answer_referral', 'read_service_calendar', 'read_practitioner_calendar'));
INSERT INTO links
    SELECT id, organization_id, 'answer_screening', screening_id, client_id, on_behalf_of, NULL, expires_at, revoked_at, version, created_at
    FROM screening_links;
DROP TABLE screening_links;
