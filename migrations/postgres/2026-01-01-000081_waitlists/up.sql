-- Who waits for room at a service, each with the referral that brought them. The room is the key of one that the service counts apart,
-- empty for its default one. Whoever has the lower rank is before whoever has waited longer.
CREATE TABLE waitlist_entries (
    id               UUID        NOT NULL PRIMARY KEY,
    organization_id  UUID        NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    service_id       UUID        NOT NULL REFERENCES services (id) ON DELETE RESTRICT,
    referral_id      UUID        NOT NULL REFERENCES referrals (id) ON DELETE CASCADE,
    room             TEXT        NOT NULL,
    priority         TEXT        NOT NULL CHECK (priority IN ('routine', 'urgent', 'asap')),
    priority_rank    INTEGER     NOT NULL,
    joined_at        TIMESTAMPTZ NOT NULL,
    status           TEXT        NOT NULL CHECK (status IN ('waiting', 'offered', 'accepted', 'declined', 'expired', 'left')),
    offer_expires_at TIMESTAMPTZ,
    content          JSONB       NOT NULL,
    version          BIGINT      NOT NULL CHECK (version >= 1),
    created_at       TIMESTAMPTZ NOT NULL,
    updated_at       TIMESTAMPTZ NOT NULL
);
CREATE INDEX waitlist_entries_organization_id_idx ON waitlist_entries (organization_id);
CREATE INDEX waitlist_entries_referral_id_idx ON waitlist_entries (referral_id);
CREATE INDEX waitlist_entries_service_id_idx ON waitlist_entries (service_id, priority_rank, joined_at, id);
CREATE INDEX waitlist_entries_queue_idx ON waitlist_entries (service_id, status, room, priority_rank, joined_at, id);
CREATE INDEX waitlist_entries_offer_expires_at_idx ON waitlist_entries (offer_expires_at) WHERE status = 'offered';
CREATE UNIQUE INDEX waitlist_entries_referral_id_key ON waitlist_entries (referral_id) WHERE status IN ('waiting', 'offered');
