-- stems: a song taken apart, put together again, and judged

CREATE FUNCTION spotai.separate(track_id uuid, stems integer DEFAULT 4, model text DEFAULT NULL)
RETURNS TABLE (stem text, audio_id uuid, duration_s double precision, peak_db real, rms_db real, energy_share real, model text)
LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_separate';
COMMENT ON FUNCTION spotai.separate(uuid, integer, text) IS
'separates a track into 2 (vocals, accompaniment), 4 (vocals, drums, bass, other) or 5 (vocals, piano, drums, bass, other) stems and stores them; they are as long as the track and sum to it. Without a model it is the one of spotai.stems_model where that fits, else the best installed one for that number of stems, else classical; the last column says which. Separating again with the same model replaces the content and keeps the ids. Needs stems:write';

CREATE FUNCTION spotai.remix(track_id uuid, gains jsonb)
RETURNS uuid
LANGUAGE C VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_remix';
COMMENT ON FUNCTION spotai.remix(uuid, jsonb) IS
'mixes the newest stems of a track that have all named stems and returns the id of the new audio; gains are in dB per stem, null mutes, a stem that is not named stays as it is: {"vocals": null} is karaoke. Needs stems:write';

CREATE FUNCTION spotai.sdr(reference uuid, estimate uuid)
RETURNS double precision
LANGUAGE C VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_sdr';
COMMENT ON FUNCTION spotai.sdr(uuid, uuid) IS
'signal-to-distortion ratio in dB of one audio against its true version, over the whole length: 10 log10 of the energy of the truth over the energy of the difference; Infinity when they are equal';

CREATE FUNCTION spotai.bss_eval(reference_ids uuid[], estimate_ids uuid[])
RETURNS TABLE (source integer, sdr double precision, isr double precision, sir double precision, sar double precision)
LANGUAGE C VOLATILE STRICT
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_bss_eval';
COMMENT ON FUNCTION spotai.bss_eval(uuid[], uuid[]) IS
'BSS Eval v4: signal to distortion, source image to spatial distortion, source to interference and sources to artifacts ratios in dB of each estimate, with 512-tap distortion filters, the median over windows of 1 s';
