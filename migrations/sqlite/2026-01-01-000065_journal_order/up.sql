-- Writers do not overlap: the order of their entries is that of their transactions.
SELECT 1;
