-- What strangers asked for is not known any more.
SELECT 1;
