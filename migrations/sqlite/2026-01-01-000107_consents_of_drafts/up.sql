-- A draft is changed, and moved by merges: when the consent was written that it brings is known by itself, where that was after the draft.
ALTER TABLE referrals ADD COLUMN consent_at TEXT;
