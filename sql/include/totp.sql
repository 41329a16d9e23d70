\set ECHO none
-- What an authenticator shows (RFC 6238), written down a second time.
CREATE FUNCTION pg_temp.hmac_sha1(key bytea, message bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    w bigint[]; h bigint[]; a bigint; b bigint; c bigint; d bigint; e bigint; f bigint; k bigint; t bigint;
    data bytea; inner_hash bytea; pad bytea; byte_no integer;
BEGIN
    FOR pass IN 1..2 LOOP
        pad := decode(repeat(CASE pass WHEN 1 THEN '36' ELSE '5c' END, 64), 'hex');
        FOR i IN 0..octet_length(key) - 1 LOOP
            pad := set_byte(pad, i, get_byte(pad, i) # get_byte(key, i));
        END LOOP;
        data := pad || CASE pass WHEN 1 THEN message ELSE inner_hash END;
        byte_no := octet_length(data);
        data := data || '\x80' || decode(repeat('00', (119 - byte_no % 64) % 64), 'hex') || int8send(byte_no * 8);
        h := ARRAY[1732584193, 4023233417, 2562383102, 271733878, 3285377520];
        FOR block IN 0..octet_length(data) / 64 - 1 LOOP
            FOR i IN 0..79 LOOP
                IF i < 16 THEN
                    w[i] := ('x' || encode(substring(data FROM block * 64 + i * 4 + 1 FOR 4), 'hex'))::bit(32)::bigint;
                ELSE
                    t := w[i - 3] # w[i - 8] # w[i - 14] # w[i - 16];
                    w[i] := ((t << 1) | (t >> 31)) & 4294967295;
                END IF;
            END LOOP;
            a := h[1]; b := h[2]; c := h[3]; d := h[4]; e := h[5];
            FOR i IN 0..79 LOOP
                IF i < 20 THEN f := (b & c) | ((~b & 4294967295) & d); k := 1518500249;
                ELSIF i < 40 THEN f := b # c # d; k := 1859775393;
                ELSIF i < 60 THEN f := (b & c) | (b & d) | (c & d); k := 2400959708;
                ELSE f := b # c # d; k := 3395469782;
                END IF;
                t := ((((a << 5) | (a >> 27)) & 4294967295) + f + e + k + w[i]) & 4294967295;
                e := d; d := c; c := ((b << 30) | (b >> 2)) & 4294967295; b := a; a := t;
            END LOOP;
            h := ARRAY[(h[1] + a) & 4294967295, (h[2] + b) & 4294967295, (h[3] + c) & 4294967295, (h[4] + d) & 4294967295, (h[5] + e) & 4294967295];
        END LOOP;
        inner_hash := ''::bytea;
        FOR i IN 1..5 LOOP
            inner_hash := inner_hash || substring(int8send(h[i]) FROM 5);
        END LOOP;
    END LOOP;
    RETURN inner_hash;
END
$$;
CREATE FUNCTION pg_temp.totp(uri text, ahead integer DEFAULT 0, at timestamptz DEFAULT clock_timestamp()) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    letter text; bits text := ''; secret bytea := ''; hash bytea; at_byte integer;
BEGIN
    FOREACH letter IN ARRAY regexp_split_to_array(substring(uri FROM 'secret=([A-Z2-7]+)'), '') LOOP
        bits := bits || (position(letter IN 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567') - 1)::bit(5)::text;
    END LOOP;
    FOR i IN 0..length(bits) / 8 - 1 LOOP
        secret := secret || set_byte('\x00', 0, substring(bits FROM i * 8 + 1 FOR 8)::bit(8)::integer);
    END LOOP;
    hash := pg_temp.hmac_sha1(secret, int8send(floor(extract(epoch FROM at) / 30)::bigint + ahead));
    at_byte := get_byte(hash, 19) & 15;
    RETURN lpad(((('x' || encode(substring(hash FROM at_byte + 1 FOR 4), 'hex'))::bit(32)::bigint & 2147483647) % 1000000)::text, 6, '0');
END
$$;
\set ECHO all
