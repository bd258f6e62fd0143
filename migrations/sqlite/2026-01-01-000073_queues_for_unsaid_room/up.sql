-- Those who stand on Kith's list of the default room, where nobody has said anything of it; else its capacity counts them.
ALTER TABLE services ADD COLUMN queue TEXT;
