DROP TABLE referral_messages;
DROP TABLE referral_transitions;
DROP TABLE referrals;
