-- Times at which somebody can come, each with so many places. organization_id is the one that offers them.
CREATE TABLE slots (
    id              UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    service_id      UUID REFERENCES services (id) ON DELETE RESTRICT,
    practitioner_id UUID REFERENCES practitioners (id) ON DELETE RESTRICT,
    starts_at       TIMESTAMPTZ NOT NULL,
    ends_at         TIMESTAMPTZ NOT NULL,
    places          INTEGER NOT NULL CHECK (places >= 1),
    is_closed       BOOLEAN NOT NULL,
    content         JSONB NOT NULL,
    version         BIGINT NOT NULL CHECK (version >= 1),
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    deleted_at      TIMESTAMPTZ,
    CHECK (service_id IS NOT NULL OR practitioner_id IS NOT NULL),
    CHECK (ends_at > starts_at)
);
CREATE INDEX slots_organization_id_idx ON slots (organization_id);
CREATE INDEX slots_service_id_idx ON slots (service_id, starts_at, id);
CREATE INDEX slots_practitioner_id_idx ON slots (practitioner_id, starts_at, id);

-- A place in a slot that is kept for a patient. organization_id is the one that took it, provider_id the one that offers the slot; the
-- times, the service and the practitioner are the slot's. A place that is held and whose moment has come is free, also where nobody has
-- written that down yet.
CREATE TABLE appointments (
    id              UUID NOT NULL PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    provider_id     UUID NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
    patient_id      UUID NOT NULL REFERENCES patients (id) ON DELETE RESTRICT,
    referral_id     UUID REFERENCES referrals (id) ON DELETE RESTRICT,
    slot_id         UUID NOT NULL REFERENCES slots (id) ON DELETE RESTRICT,
    service_id      UUID REFERENCES services (id) ON DELETE RESTRICT,
    practitioner_id UUID REFERENCES practitioners (id) ON DELETE RESTRICT,
    status          TEXT NOT NULL CHECK (status IN ('held', 'booked', 'attended', 'no_show', 'cancelled', 'expired')),
    starts_at       TIMESTAMPTZ NOT NULL,
    ends_at         TIMESTAMPTZ NOT NULL,
    held_until      TIMESTAMPTZ,
    conclusion      JSONB NOT NULL,
    content         JSONB NOT NULL,
    version         BIGINT NOT NULL CHECK (version >= 1),
    created_at      TIMESTAMPTZ NOT NULL,
    updated_at      TIMESTAMPTZ NOT NULL,
    deleted_at      TIMESTAMPTZ,
    manager_id      UUID NOT NULL,
    CHECK ((status = 'held') = (held_until IS NOT NULL))
);
CREATE INDEX appointments_organization_id_idx ON appointments (organization_id, starts_at, id);
CREATE INDEX appointments_provider_id_idx ON appointments (provider_id, starts_at, id);
CREATE INDEX appointments_manager_id_idx ON appointments (manager_id, starts_at, id);
CREATE INDEX appointments_patient_id_idx ON appointments (patient_id, starts_at, id);
CREATE INDEX appointments_referral_id_idx ON appointments (referral_id, starts_at, id);
CREATE INDEX appointments_slot_id_idx ON appointments (slot_id, starts_at, id);
CREATE INDEX appointments_service_id_idx ON appointments (service_id, starts_at, id);
CREATE INDEX appointments_practitioner_id_idx ON appointments (practitioner_id, starts_at, id);
CREATE INDEX appointments_starts_at_idx ON appointments (starts_at, id);
CREATE INDEX appointments_held_until_idx ON appointments (held_until, id) WHERE held_until IS NOT NULL;
