\set ECHO none
SET client_min_messages = warning;
DROP EXTENSION spotai CASCADE;
DROP SCHEMA spotai CASCADE;
RESET client_min_messages;
\set ECHO all
