DROP TABLE responsiveness_state;
DROP TABLE responsiveness;
