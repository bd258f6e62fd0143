-- A transaction that wrote something else first has its number before it waits for what another holds. What it then writes would stand in
-- the feed before what it has waited for: the third version before the second, a step of a referral before the one that led to it. Each
-- change therefore stands behind all that its transaction sees. Readers miss nothing by it: they stop below the oldest transaction that is
-- open, which is this one or an older.
CREATE FUNCTION order_change() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    NEW.transaction_id := greatest(NEW.transaction_id, (SELECT max(transaction_id) FROM changes));
    RETURN NEW;
END
$$;
CREATE TRIGGER changes_order BEFORE INSERT ON changes FOR EACH ROW EXECUTE FUNCTION order_change();
