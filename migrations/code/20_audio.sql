-- audio: bytes in, bytes out

CREATE FUNCTION spotai.ingest(content bytea, title text DEFAULT NULL, artist text DEFAULT NULL, provenance text DEFAULT 'own')
RETURNS uuid
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_ingest';
COMMENT ON FUNCTION spotai.ingest(bytea, text, text, text) IS
'stores a song and returns the id of its track; WAV, FLAC, Ogg/Vorbis, Opus, MP3, AIFF and CAF are told by content; the bytes are kept as they are, once a tenant. Needs track:write';

CREATE FUNCTION spotai.ingest_file(path text, title text DEFAULT NULL, artist text DEFAULT NULL, provenance text DEFAULT 'own')
RETURNS uuid
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_ingest_file';
COMMENT ON FUNCTION spotai.ingest_file(text, text, text, text) IS
'as spotai.ingest, from a file on the server; needs the role pg_read_server_files. Needs track:write';

CREATE FUNCTION spotai.ingest_large_object(lo oid, title text DEFAULT NULL, artist text DEFAULT NULL, provenance text DEFAULT 'own')
RETURNS uuid
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_ingest_large_object';
COMMENT ON FUNCTION spotai.ingest_large_object(oid, text, text, text) IS
'as spotai.ingest, from a large object, for songs too long for one value; the large object is left as it is and needs SELECT on it. Needs track:write';

CREATE FUNCTION spotai.audio_content(audio_id uuid, format text DEFAULT 'flac')
RETURNS bytea
LANGUAGE C VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_audio_content';
COMMENT ON FUNCTION spotai.audio_content(uuid, text) IS
'the audio as a file of the format flac, wav, ogg, opus or mp3; the stored bytes themselves where they are of that format already';

CREATE FUNCTION spotai.export_audio(audio_id uuid, path text, overwrite boolean DEFAULT false)
RETURNS void
LANGUAGE C VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_export_audio';
COMMENT ON FUNCTION spotai.export_audio(uuid, text, boolean) IS
'writes the audio to a file on the server, in the format of the path''s ending (flac, wav, ogg, opus, mp3); the file appears whole or not at all, and replaces another only with overwrite => true; needs the role pg_write_server_files';

CREATE FUNCTION spotai.waveform_svg(audio_id uuid, width integer DEFAULT 1200, height integer DEFAULT 200)
RETURNS text
LANGUAGE C VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_waveform_svg';
COMMENT ON FUNCTION spotai.waveform_svg(uuid, integer, integer) IS
'picture of the audio as an SVG document, width by height pixels: peak envelope, root mean square and a time axis';
