-- Those that wait for something are found among all that were ever sent: by what for, and by the day on which it is due.
CREATE INDEX referrals_organization_id_business_status_idx ON referrals (organization_id, business_status, id)
    WHERE business_status IS NOT NULL;
CREATE INDEX referrals_performer_id_business_status_idx ON referrals (performer_id, business_status, id) WHERE business_status IS NOT NULL;
CREATE INDEX referrals_organization_id_due_on_idx ON referrals (organization_id, due_on) WHERE due_on IS NOT NULL;
