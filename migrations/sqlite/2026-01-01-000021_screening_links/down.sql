DROP TABLE screening_links;
