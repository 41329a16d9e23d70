\set ECHO none
-- Sounds made from nothing, so that no test needs a file.

-- The lowest bytes of a number, least significant first.
CREATE FUNCTION pg_temp.le(value bigint, bytes integer) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(substring(int8send(value) FROM 8 - i FOR 1), ''::bytea ORDER BY i)
    FROM generate_series(0, bytes - 1) i
$$;

CREATE FUNCTION pg_temp.wav_header(tag integer, channels integer, rate bigint, bits integer, data_bytes bigint)
RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT 'RIFF'::bytea || pg_temp.le(36 + data_bytes, 4) || 'WAVEfmt '::bytea || pg_temp.le(16, 4)
        || pg_temp.le(tag, 2) || pg_temp.le(channels, 2) || pg_temp.le(rate, 4)
        || pg_temp.le(rate * channels * bits / 8, 4) || pg_temp.le(channels * bits / 8, 2)
        || pg_temp.le(bits, 2) || 'data'::bytea || pg_temp.le(data_bytes, 4)
$$;

-- A 16-bit WAV of interleaved samples in -32768 .. 32767.
CREATE FUNCTION pg_temp.wav(samples integer[], channels integer, rate integer) RETURNS bytea
LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.wav_header(1, channels, rate, 16, 2 * cardinality(samples))
        || string_agg(substring(int2send(s::smallint) FROM 2 FOR 1) || substring(int2send(s::smallint) FROM 1 FOR 1),
                      ''::bytea ORDER BY n)
    FROM unnest(samples) WITH ORDINALITY u(s, n)
$$;

-- A sine of the given frequency and peak, in all channels.
CREATE FUNCTION pg_temp.sine(hz double precision, peak integer, frames integer, channels integer, rate integer)
RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_temp.wav(array_agg(round(peak * sin(2 * pi() * hz * n / rate))::integer ORDER BY n, c), channels, rate)
    FROM generate_series(0, frames - 1) n, generate_series(1, channels) c
$$;

-- Runs a statement that must fail; answers how, without ids that differ by run.
CREATE FUNCTION pg_temp.failure(statement text, OUT code text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    message := 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END
$$;
\set ECHO all
