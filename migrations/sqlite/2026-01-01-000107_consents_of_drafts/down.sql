ALTER TABLE referrals DROP COLUMN consent_at;
