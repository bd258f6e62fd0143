-- Its tables are heaps already.
SELECT 1;
