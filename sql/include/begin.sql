\set ECHO none
-- A fresh library for each file: begin.sql first, end.sql last.
SET client_min_messages = warning;
CREATE EXTENSION spotai;
CALL spotai.migrate();
RESET client_min_messages;
\set ECHO all
