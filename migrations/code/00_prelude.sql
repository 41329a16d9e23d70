-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION spotai" to load this file. \quit

-- Schema spotai (made by the control file) also holds the user's tables, so it
-- is not a member of the extension and outlives it.
COMMENT ON SCHEMA spotai IS 'spotai: functions of the extension and the tables of the music library';
CREATE SCHEMA _spotai;
COMMENT ON SCHEMA _spotai IS 'helpers of the extension spotai; not for use from outside';
