-- PostgreSQL keeps its statistics current by itself.
SELECT 1;
