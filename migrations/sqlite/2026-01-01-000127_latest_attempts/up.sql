-- Of each delivery the latest twenty attempts are kept: nothing tells of earlier ones.
DELETE FROM webhook_attempts WHERE id IN (
    SELECT counted.id FROM (SELECT id, row_number() OVER (PARTITION BY delivery_id ORDER BY id DESC) AS place FROM webhook_attempts) AS counted
    WHERE counted.place > 20
);
