-- identity: who a session is, and how it proves it
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set sounds :root '/sql/include/sounds.sql'
\set tokens :root '/sql/include/tokens.sql'
\set totp :root '/sql/include/totp.sql'
\set end :root '/sql/include/end.sql'
\i :begin
\i :sounds
\i :tokens
\pset format unaligned
\pset fieldsep ' | '
\set SHOW_CONTEXT never
SET bytea_output = hex;

CREATE ROLE regress_spotai_app;
CREATE ROLE regress_spotai_boss;
CREATE ROLE regress_spotai_plain;
GRANT spotai_user TO regress_spotai_app;
GRANT spotai_admin TO regress_spotai_boss;

CREATE TEMP TABLE names (id uuid, name text);
CREATE TEMP TABLE tenants (id uuid, name text);
INSERT INTO tenants VALUES ('00000000-0000-0000-0000-000000000001', 'default');
GRANT SELECT ON names, tenants TO PUBLIC;
-- What a session is, in one row.
CREATE FUNCTION pg_temp.me(OUT tenant text, OUT principal text, OUT may_read boolean) LANGUAGE sql AS $$
    SELECT t.name, p, spotai.has_permission('stems:read')
    FROM (SELECT spotai.current_tenant() AS id, (SELECT n.name FROM pg_temp.names n WHERE n.id = spotai.current_principal()) AS p) s
    LEFT JOIN pg_temp.tenants t ON t.id = s.id
$$;
-- Whether logging in with a token is refused, and how; its text is in no error.
CREATE FUNCTION pg_temp.refused(token text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    f record;
BEGIN
    SELECT * INTO f FROM pg_temp.failure(format('SELECT spotai.login(%L)', token)) f;
    IF length(token) > 10 AND position(substr(token, length(token) / 2, 10) IN concat_ws(' ', f.message, f.detail, f.hint)) > 0 THEN
        RETURN 'the error has the token in it';
    END IF;
    RETURN concat_ws(' | ', f.code, f.message, f.detail);
END
$$;

-- without a credential: the operator acts for the default tenant, others for none
SELECT * FROM pg_temp.me();
SET ROLE regress_spotai_boss;
SELECT * FROM pg_temp.me();
SET ROLE regress_spotai_app;
SELECT * FROM pg_temp.me();
SELECT count(*) AS tenants FROM spotai.tenant;
SELECT code, message, hint FROM pg_temp.failure($$ SELECT spotai.submit('noop') $$);
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.jwks() $$);
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.rate_limit('x', 1, '1 s') $$);
SELECT code, message FROM unnest(ARRAY['create_tenant(''x'')', 'deactivate_tenant(gen_random_uuid())']) call,
       LATERAL pg_temp.failure('SELECT * FROM spotai.' || call);
RESET ROLE;
-- code of others that the operator happens to run is theirs
CREATE FUNCTION pg_temp.theirs() RETURNS uuid LANGUAGE sql SECURITY DEFINER AS 'SELECT spotai.current_tenant()';
ALTER FUNCTION pg_temp.theirs() OWNER TO regress_spotai_app;
CREATE FUNCTION pg_temp.told(n integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE NOTICE 'the tenant of an index expression: %', spotai.current_tenant();
    RETURN n;
END
$$;
CREATE TEMP TABLE watched AS SELECT 1 AS n;
CREATE INDEX ON watched (pg_temp.told(n));
ALTER TABLE watched OWNER TO regress_spotai_app;
SELECT spotai.current_tenant() IS NOT NULL AS operator, pg_temp.theirs() AS theirs, spotai.current_tenant() IS NOT NULL AS operator_again;
ANALYZE watched;

-- without a key: nothing is signed or sealed
SELECT tenant AS acme, administrator AS root_of_acme FROM spotai.create_tenant('acme') \gset
INSERT INTO tenants VALUES (:'acme', 'acme');
INSERT INTO names VALUES (:'root_of_acme', 'root');
SELECT f.* FROM unnest(ARRAY['issue_token', 'totp_enroll']) name,
       LATERAL pg_temp.failure(format('SELECT spotai.%s(%L)', name, :'root_of_acme')) f;
SELECT code, message FROM pg_temp.failure('SELECT spotai.rotate_signing_key()');
ALTER SYSTEM SET spotai.key_command = 'echo 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
SELECT pg_reload_conf() AS reloaded, pg_sleep(0.5) IS NOT NULL AS slept;

-- tenants, principals, roles
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.create_tenant('acme') $$);
SELECT code, message FROM unnest(ARRAY['', repeat('x', 256)]) name, LATERAL pg_temp.failure(format('SELECT spotai.create_tenant(%L)', name));
SELECT spotai.issue_token(:'root_of_acme') AS root_token \gset
SELECT spotai.login(:'root_token') = :'root_of_acme' AS logged_in;
SELECT * FROM pg_temp.me();
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.create_tenant('mine') $$);
SELECT spotai.create_principal('ann') AS ann, spotai.create_principal('bob') AS bob, spotai.create_principal('robot', 'service') AS robot,
       spotai.create_principal('zoe', 'person', 'https://id.example.org/', 'ann') AS zoe \gset
INSERT INTO names VALUES (:'ann', 'ann'), (:'zoe', 'zoe'), (:'bob', 'bob'), (:'robot', 'robot');
SELECT code, message FROM unnest(ARRAY['''ann''', '''''', 'NULL', 'repeat(''é'', 128)', '''x'', ''ghost''', '''x'', ''person'', ''i''',
    '''x'', ''person'', NULL, ''s''', '''x'', ''person'', ''https://id.example.org/'', ''ann''', '''x'', ''person'', '''', ''s''']) args,
    LATERAL pg_temp.failure(format('SELECT spotai.create_principal(%s)', args));
SELECT spotai.create_role('listener', ARRAY['stems:read']) IS NOT NULL AS listener,
       spotai.create_role('helper', ARRAY['identity:write', 'stems:*', 'stems:*']) IS NOT NULL AS helper,
       spotai.create_role('idle', '{}') IS NOT NULL AS idle, spotai.create_role('submitter', '{job:submit}') IS NOT NULL AS submitter;
SELECT code, message FROM unnest(ARRAY['''listener'', ''{}''', ''''', ''{}''', '''Upper'', ''{}''', 'repeat(''r'', 64), ''{}''',
    '''x'', ''{stems}''', '''x'', ''{NULL}''', '''x'', ''{*:*}''', '''x'', ''{stems:}''', '''x'', ''{a:b:c}''', '''x'', ''{{a:b},{c:d}}''',
    '''x'', array_fill(''a:b''::text, ARRAY[101])']) args,
    LATERAL pg_temp.failure(format('SELECT spotai.create_role(%s)', args));
SELECT spotai.grant_role(:'ann', 'listener'), spotai.grant_role(:'ann', 'listener'), spotai.grant_role(:'bob', 'helper'), spotai.grant_role(:'ann', 'submitter');
SELECT code, message FROM pg_temp.failure(format($$ SELECT spotai.grant_role(%L, 'nothing') $$, :'ann'));
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.grant_role('11111111-1111-1111-1111-111111111111', 'idle') $$);
SELECT spotai.logout();
SELECT * FROM pg_temp.me();

-- a token opens its tenant to an ordinary role, and is a row of what happened
SELECT spotai.issue_token(:'ann') AS ann_token, spotai.issue_token(:'bob', '1 hour') AS bob_token \gset
SET ROLE regress_spotai_app;
SELECT spotai.login(:'ann_token') = :'ann' AS logged_in;
SELECT * FROM pg_temp.me();
SELECT p, spotai.has_permission(p) FROM unnest(ARRAY['stems:read', 'stems:write', 'stems:*', '*', '', 'stems', ':', NULL]) p;
SELECT name FROM spotai.tenant;
SELECT spotai.submit('noop') IS NOT NULL AS submitted;
SELECT tenant_id = spotai.current_tenant() AS mine FROM spotai.job;
-- what is kept about identity is not read, nor written
SELECT r, code FROM unnest(ARRAY['principal', 'role', 'permission', 'role_member', 'api_key', 'signing_key', 'trusted_issuer', 'totp',
    'recovery_code', 'refresh_token', 'login_attempt', 'rate_limit_bucket', 'data_key', 'secret']) r,
    LATERAL pg_temp.failure(format('SELECT FROM spotai.%I', r));
SELECT code, message FROM unnest(ARRAY[format('issue_token(%L)', :'bob'), 'rotate_signing_key()', 'trust_issuer(''a'', ''b'', ''{}'')',
    'distrust_issuer(''a'', ''b'')', 'create_principal(''x'')', format('deactivate_principal(%L)', :'bob'), 'create_role(''x'', ''{}'')',
    format('grant_role(%L, ''helper'')', :'ann'), format('revoke_role(%L, ''helper'')', :'bob'), format('totp_enroll(%L)', :'bob'),
    format('totp_recovery_codes(%L)', :'bob'), format('totp_verify(%L, ''000000'')', :'bob'), format('revoke_tokens(%L)', :'bob'),
    format('issue_refresh_token(%L)', :'bob'), format('create_api_key(''x'', ''{}'', ''1 day'', %L)', :'bob'),
    'create_api_key(''x'', ''{stems:write}'', ''1 day'')']) call, LATERAL pg_temp.failure('SELECT spotai.' || call);
-- with identity:write one gives no more than one has
SELECT spotai.login(:'bob_token') = :'bob' AS logged_in;
SELECT spotai.create_role('mixer', ARRAY['stems:write']) IS NOT NULL AS created;
SELECT spotai.revoke_role(:'ann', 'listener') AS first, spotai.revoke_role(:'ann', 'listener') AS again;
SELECT spotai.grant_role(:'ann', 'listener'), spotai.grant_role(:'ann', 'helper');
SELECT spotai.revoke_role(:'ann', 'helper') AS revoked;
SELECT code, message FROM unnest(ARRAY['create_role(''x'', ''{audit:read}'')', 'create_role(''x'', ''{*}'')',
    format('grant_role(%L, ''administrator'')', :'bob'), format('issue_token(%L)', :'root_of_acme')]) call,
    LATERAL pg_temp.failure('SELECT spotai.' || call);
SELECT spotai.logout();
SELECT * FROM pg_temp.me();
RESET ROLE;
SELECT kind, accepted, reason, (SELECT n.name FROM names n WHERE n.id = principal_id) AS who, client
FROM spotai.login_attempt ORDER BY occurred_at;

-- SET LOCAL: as long as the transaction, back with the savepoint
SET ROLE regress_spotai_app;
BEGIN;
SELECT set_config('spotai.token', :'ann_token', true) <> '' AS set;
SELECT * FROM pg_temp.me();
SAVEPOINT s;
SELECT set_config('spotai.token', :'bob_token', true) <> '' AS set;
SELECT * FROM pg_temp.me();
ROLLBACK TO s;
SELECT * FROM pg_temp.me();
SET LOCAL spotai.token = '';
SELECT * FROM pg_temp.me();
COMMIT;
SELECT * FROM pg_temp.me();
-- a login that is rolled back did not happen
BEGIN;
SELECT spotai.login(:'ann_token') = :'ann' AS logged_in;
ROLLBACK;
SELECT * FROM pg_temp.me();
-- DISCARD ALL and RESET log out; the value is not shown
SELECT spotai.login(:'ann_token') = :'ann' AS logged_in;
SHOW spotai.token;
RESET spotai.token;
SELECT * FROM pg_temp.me();
-- a bad one is nobody, also in a role that needs none
SET ROLE regress_spotai_boss;
SELECT * FROM pg_temp.me();
SET spotai.token = '';
SELECT * FROM pg_temp.me();
SET spotai.token = 'x';
SELECT * FROM pg_temp.me();
SELECT count(*) AS tenants FROM spotai.tenant;
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.submit('noop') $$);
SELECT code, message FROM pg_temp.failure($$ INSERT INTO spotai.job (kind) VALUES ('noop') $$);
RESET spotai.token;
RESET ROLE;
-- a function of the extension's owner is asked by the session, not by its owner; SET ROLE counts
CREATE FUNCTION public.regress_spotai_definer() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT spotai.current_tenant()::text $$;
SET ROLE regress_spotai_app;
SELECT public.regress_spotai_definer();
SELECT spotai.login(:'ann_token') = :'ann' AS logged_in;
SELECT public.regress_spotai_definer() = :'acme' AS mine;
SELECT spotai.logout();
RESET ROLE;
DROP FUNCTION public.regress_spotai_definer();

-- tokens: how long, for whom
SELECT code, message FROM unnest(ARRAY['0', '-1 s', '31 days 1 s', '292000 years', '-infinity']) ttl,
       LATERAL pg_temp.failure(format('SELECT spotai.issue_token(%L, interval %L)', :'ann', ttl)) WHERE ttl <> '-infinity' ;
SELECT code, message FROM unnest(ARRAY['NULL', quote_literal(:'ann') || ', NULL', quote_literal(:'acme')]) args,
       LATERAL pg_temp.failure(format('SELECT spotai.issue_token(%s)', args)) WHERE args <> quote_literal(:'acme');
SELECT code, message = format('principal "%s" does not exist', :'acme') AS says_so
FROM pg_temp.failure(format('SELECT spotai.issue_token(%L)', :'acme'));
SELECT spotai.issue_token(:'ann', '1 hour', 'https://app.example/') AS for_app, spotai.issue_token(:'ann', '31 days') AS long_token \gset
SELECT pg_temp.refused(:'for_app');
SET spotai.token_audience = 'https://app.example/';
SELECT spotai.login(:'for_app') = :'ann' AS logged_in;
SELECT pg_temp.refused(:'ann_token');
SELECT spotai.logout();
SELECT spotai.issue_token(:'ann') AS with_default \gset
RESET spotai.token_audience;
SELECT pg_temp.refused(:'with_default');
-- what is in them: verified as any other program would
SELECT spotai.login(:'root_token') IS NOT NULL AS logged_in;
SELECT c->>'iss' = 'urn:spotai:tenant:' || :'acme' AS iss, c->>'sub' = :'ann' AS sub, c->'aud' AS aud,
       (c->>'exp')::bigint - (c->>'iat')::bigint AS seconds, c->>'jti' ~ '^[0-9a-f-]{36}$' AS jti,
       ARRAY(SELECT jsonb_object_keys(c)) AS claims
FROM spotai.verify_jwt(:'long_token', spotai.jwks()) c;
SELECT k - 'x' - 'kid' AS key, length(k->>'x') AS x, length(k->>'kid') AS kid FROM jsonb_array_elements(spotai.jwks()->'keys') k;
SELECT spotai.verify_jwt(:'for_app', spotai.jwks(), 'https://app.example/')->>'aud' AS aud;

-- rotation: the old key's tokens are accepted for the overlap
SELECT spotai.rotate_signing_key('1 hour') AS second \gset
SELECT jsonb_array_length(spotai.jwks()->'keys') AS keys, spotai.jwks()->'keys'->0->>'kid' = :'second' AS newest_first;
SELECT spotai.logout();
SELECT spotai.login(:'long_token') = :'ann' AS logged_in;
SELECT spotai.logout();
SELECT spotai.issue_token(:'root_of_acme') AS root_token, spotai.issue_token(:'ann') AS ann_token \gset
SELECT spotai.login(:'root_token') IS NOT NULL AS logged_in;
SELECT spotai.verify_jwt(:'ann_token', spotai.jwks()) IS NOT NULL AS verified;
SELECT code, message FROM unnest(ARRAY['-1 s', '32 days']) t, LATERAL pg_temp.failure(format('SELECT spotai.rotate_signing_key(%L)', t));
-- without overlap: at once, the earlier one's too; whoever rotates signs himself out
SELECT spotai.rotate_signing_key('0') IS NOT NULL AS rotated;
SELECT * FROM pg_temp.me();
SELECT spotai.logout();
SELECT pg_temp.refused(:'long_token'), pg_temp.refused(:'ann_token');
SELECT count(*) AS keys, count(*) FILTER (WHERE retired_at IS NULL) AS active FROM spotai.signing_key WHERE tenant_id = :'acme';
SELECT spotai.issue_token(:'root_of_acme', '1 hour') AS root_token, spotai.issue_token(:'ann', '1 hour') AS ann_token,
       spotai.issue_token(:'bob', '1 hour') AS bob_token \gset
-- a tenant's key makes tokens of no other: its row under another tenant opens nothing
BEGIN;
UPDATE spotai.signing_key SET tenant_id = '00000000-0000-0000-0000-000000000001' WHERE retired_at IS NULL AND tenant_id = :'acme';
SELECT pg_temp.refused(:'ann_token');
ROLLBACK;

-- signing out everywhere
SET ROLE regress_spotai_app;
SELECT spotai.login(:'ann_token') = :'ann' AS logged_in;
SELECT spotai.revoke_tokens(:'ann');
SELECT * FROM pg_temp.me();
SELECT spotai.logout();
SELECT pg_temp.refused(:'ann_token');
RESET ROLE;
-- iat has whole seconds
SELECT pg_sleep(1.1) IS NOT NULL AS slept;
SELECT spotai.issue_token(:'ann', '1 hour') AS ann_token \gset
SELECT spotai.login(:'ann_token') = :'ann' AS logged_in;
SELECT spotai.revoke_tokens('11111111-1111-1111-1111-111111111111') AS known;
\echo :LAST_ERROR_SQLSTATE
SELECT spotai.logout();

-- other issuers
SELECT spotai.login(:'root_token') IS NOT NULL AS logged_in;
SELECT pg_temp.refused(:'t_good');
SELECT spotai.trust_issuer('https://id.example.org/', 'music', :'their_keys') IS NOT NULL AS trusted;
SELECT code, message, detail FROM unnest(ARRAY['{}', '[]', '"x"', '{"keys": []}', '{"keys": 1}', '{"kty": "oct", "k": "c2VjcmV0"}',
    '{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "short"}]}',
    '{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}']) keys,
    LATERAL pg_temp.failure(format('SELECT spotai.trust_issuer(''i'', ''a'', %L)', keys));
SELECT code, message FROM unnest(ARRAY[''''', ''a''', '''i'', ''''', 'repeat(''i'', 1024), ''a''', '''i'', repeat(''a'', 1024)',
    '''urn:spotai:tenant:x'', ''a''']) args, LATERAL pg_temp.failure(format('SELECT spotai.trust_issuer(%s, %L)', args, :'their_keys'));
SELECT spotai.logout();
SELECT spotai.login(:'t_good') = :'zoe' AS zoe;
SELECT * FROM pg_temp.me();
SELECT spotai.logout();
SELECT name, pg_temp.refused(token) FROM (VALUES
    (1, 'another subject', :'t_bob'), (2, 'no subject', :'t_no_subject'), (3, 'another audience', :'t_other_audience'),
    (4, 'no audience', :'t_no_audience'), (5, 'another issuer', :'t_other_issuer'), (6, 'as one of ours', :'t_as_ours'),
    (7, 'expired', :'t_expired'), (8, 'not yet valid', :'t_early'), (9, 'without expiry', :'t_no_expiry'),
    (10, 'expiry is a text', :'t_expiry_text'), (11, 'forged', :'t_forged'), (12, 'changed', :'t_changed'),
    (13, 'none', :'t_none'), (14, 'none, signed', :'t_none_signed'), (15, 'HMAC with the public key', :'t_confused'),
    (16, 'HMAC with its bytes', :'t_confused_raw'), (17, 'another key', :'t_other_kid'), (18, 'critical', :'t_critical'),
    (19, 'a member twice', :'t_twice'), (20, 'no object', :'t_no_object'), (21, 'no JSON', :'t_no_json'),
    (22, 'four segments', :'t_four'), (23, 'two segments', :'t_two'), (24, 'padded', :'t_padded'), (25, 'a blank', :'t_blank'),
    (26, 'not signed', :'t_unsigned'), (27, 'empty', ''), (28, 'a word', 'token'), (29, 'dots', '..'), (30, 'many dots', '....'),
    (31, '1 MiB', repeat('A', 1048576)), (32, '1 MiB of dots', repeat('.', 1048576)), (33, '1 MiB in segments', repeat('QUFB', 90000) || '.' || repeat('QUFB', 90000) || '.' || repeat('QUFB', 82000)),
    (34, 'an API key', 'spk_' || repeat('A', 43)), (35, 'a refresh token', 'spr_' || repeat('A', 43)),
    (36, 'not UTF-8 inside', 'eyJhbGciOiJFZERTQSJ9.' || translate(encode('\x7b22697373223a22c328227d'::bytea, 'base64'), '+/=', '-_') || '.AAAA'),
    (37, 'nothing in JSON', 'e30.e30.AAAA')
) v (n, name, token) ORDER BY n;
-- bytes that are no text never get there
\set VERBOSITY sqlstate
SELECT spotai.login(E'\xc3\x28');
SELECT spotai.login(convert_from('\xff', 'UTF8'));
\set VERBOSITY default
SELECT spotai.login(NULL) IS NULL AS null;
-- any of the bad ones, set: nobody
SET ROLE regress_spotai_boss;
SELECT set_config('spotai.token', :'t_forged', false) <> '' AS set;
SELECT * FROM pg_temp.me();
SELECT set_config('spotai.token', :'t_expired', false) <> '' AS set;
SELECT * FROM pg_temp.me();
SELECT set_config('spotai.token', repeat('A', 1048576), false) <> '' AS set;
SELECT * FROM pg_temp.me();
RESET spotai.token;
RESET ROLE;
-- another tenant cannot trust the same issuer for the same audience, but for its own
SELECT code, message, hint FROM pg_temp.failure(format($$ SELECT spotai.trust_issuer('https://id.example.org/', 'music', %L) $$, :'their_keys'));
SELECT spotai.trust_issuer('https://id.example.org/', 'tapes', :'their_keys') IS NOT NULL AS trusted;
SELECT pg_temp.refused(:'t_two_audiences');
SELECT spotai.distrust_issuer('https://id.example.org/', 'tapes') AS first, spotai.distrust_issuer('https://id.example.org/', 'tapes') AS again,
       spotai.distrust_issuer('https://id.example.org/', 'music') AS of_another;
SELECT spotai.login(:'t_two_audiences') = :'zoe' AS zoe;
SELECT spotai.logout();
-- who signed out is not let in by an older token, and a token without iat is older than that
SELECT spotai.login(:'t_old') = :'zoe' AS zoe;
SELECT spotai.revoke_tokens(:'zoe') AS revoked;
SELECT spotai.logout();
SELECT pg_temp.refused(:'t_old');
SELECT pg_temp.refused(:'t_good');

-- keys: shown once, hash kept
SELECT spotai.login(:'bob_token') IS NOT NULL AS logged_in;
SELECT code, message FROM unnest(ARRAY['NULL, ''{}'', ''1 day''', '''x'', NULL, ''1 day''', '''x'', ''{}'', NULL', ''''', ''{}'', ''1 day''',
    'repeat(''x'', 256), ''{}'', ''1 day''', '''x'', ''{}'', ''0''', '''x'', ''{}'', ''3661 days''', '''x'', ''{stems}'', ''1 day''', '''x'', ''{{a:b}}'', ''1 day''',
    '''x'', ''{*}'', ''1 day''', '''x'', ''{NULL}'', ''1 day''']) args, LATERAL pg_temp.failure(format('SELECT spotai.create_api_key(%s)', args));
SELECT spotai.create_api_key('of bob', ARRAY['stems:read'], '1 day') AS bob_key,
       spotai.create_api_key('of the robot', ARRAY['stems:read', 'stems:write'], '1 day', :'robot') AS robot_key,
       spotai.create_api_key('of ann', ARRAY['stems:*'], '1 day', :'ann') AS ann_key,
       spotai.create_api_key('from afar', ARRAY['stems:read'], '1 day', networks => '{10.0.0.0/8,::1/128}') AS far_key \gset
SELECT spotai.logout();
SELECT length(:'bob_key') AS length, :'bob_key' ~ '^spk_[A-Za-z0-9_-]{43}$' AS form;
SELECT name, prefix = left(:'bob_key', 10) AS prefix, hash = sha256(:'bob_key'::bytea) AS hashed, last_used_at FROM spotai.api_key WHERE name = 'of bob';
SET ROLE regress_spotai_app;
SELECT spotai.login_api_key(:'bob_key') = :'bob' AS bob;
SELECT p, spotai.has_permission(p) FROM unnest(ARRAY['stems:read', 'stems:write', 'identity:write']) p;
-- a key makes no key that may do more
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.create_api_key('x', '{stems:write}', '1 day') $$);
SELECT spotai.create_api_key('less', '{}', '1 day') ~ '^spk_' AS made;
SELECT spotai.login_api_key(:'robot_key') = :'robot' AS robot;
SELECT p, spotai.has_permission(p) FROM unnest(ARRAY['stems:read', 'stems:write', 'identity:write']) p;
-- with a token it has what its roles say, and no more
RESET ROLE;
SELECT spotai.logout();
SELECT spotai.issue_token(:'robot') AS robot_token \gset
SET ROLE regress_spotai_app;
SELECT spotai.login(:'robot_token') = :'robot' AS robot;
SELECT p, spotai.has_permission(p) FROM unnest(ARRAY['stems:read', 'stems:write']) p;
-- of a person, what its roles say as well
SELECT spotai.login_api_key(:'ann_key') = :'ann' AS ann;
SELECT p, spotai.has_permission(p) FROM unnest(ARRAY['stems:read', 'stems:write']) p;
SELECT spotai.logout();
SELECT set_config('spotai.token', :'bob_key', false) <> '' AS set;
SELECT * FROM pg_temp.me();
SELECT spotai.logout();
SELECT code, message FROM pg_temp.failure(format('SELECT spotai.login_api_key(%L)', :'far_key'));
SELECT f.code, f.message FROM unnest(ARRAY['', 'spk_', 'x', :'bob_token', 'spk_' || repeat('A', 43), :'bob_key' || 'A', left(:'bob_key', 46), repeat('spk_', 262144),
    upper(:'bob_key'), ' ' || :'bob_key']) k, LATERAL pg_temp.failure(format('SELECT spotai.login_api_key(%L)', k)) f;
SELECT code, message FROM pg_temp.failure(format('SELECT spotai.login(%L)', :'bob_key'));
RESET ROLE;
SELECT name, last_used_at > now() - interval '1 minute' AS used FROM spotai.api_key ORDER BY name;
UPDATE spotai.api_key SET expires_at = now() - interval '1 s' WHERE name = 'of ann';
SELECT code, message FROM pg_temp.failure(format('SELECT spotai.login_api_key(%L)', :'ann_key'));
SELECT id AS bob_id FROM spotai.api_key WHERE name = 'of bob' \gset
SELECT spotai.revoke_api_key(:'bob_id') AS of_another_tenant;
SELECT spotai.login_api_key(:'robot_key') IS NOT NULL AS logged_in;
SELECT spotai.revoke_api_key(:'bob_id') AS of_another;
SELECT spotai.login_api_key(:'bob_key') IS NOT NULL AS logged_in;
SELECT spotai.revoke_api_key(:'bob_id') AS own;
SELECT * FROM pg_temp.me();
SELECT code, message FROM pg_temp.failure(format('SELECT spotai.login_api_key(%L)', :'bob_key'));
SELECT spotai.logout();
SELECT spotai.revoke_api_key(gen_random_uuid()) AS unknown;
-- the operator's own programs
SELECT spotai.create_api_key('backup', '{*}', '90 days') AS backup_key \gset
SELECT spotai.login_api_key(:'backup_key') IS NOT NULL AS logged_in;
SELECT spotai.has_permission('anything:at_all'), spotai.current_tenant();
SELECT spotai.logout();

-- one-time passwords
SELECT spotai.totp_enroll(:'ann') AS uri \gset
SELECT regexp_replace(:'uri', 'secret=[A-Z2-7]{32}&', 'secret=...&') AS uri;
-- RFC 6238 in SQL: a twin that shares nothing with ours
\i :totp
-- RFC 6238, appendix B: 12345678901234567890 at 59 s and at 1111111109 s (six of its eight digits)
SELECT pg_temp.totp('secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', 0, to_timestamp(59)) AS at_59,
       pg_temp.totp('secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', 0, to_timestamp(1111111109)) AS at_1111111109;
-- stay clear of the border between two steps
SELECT pg_sleep(CASE WHEN extract(epoch FROM clock_timestamp())::numeric % 30 > 24 THEN 7 ELSE 0 END) IS NOT NULL AS waited;
SELECT confirmed_at FROM spotai.totp;
SELECT spotai.totp_verify(:'ann', pg_temp.totp(:'uri')) AS now, spotai.totp_verify(:'ann', pg_temp.totp(:'uri')) AS replayed,
       spotai.totp_verify(:'ann', pg_temp.totp(:'uri', -1)) AS older, spotai.totp_verify(:'ann', pg_temp.totp(:'uri', 1)) AS next,
       spotai.totp_verify(:'ann', pg_temp.totp(:'uri')) AS replayed_again;
SELECT confirmed_at IS NOT NULL AS confirmed, failures FROM spotai.totp;
-- what is no code, and principals that are none
UPDATE spotai.totp SET failures = 0, locked_until = '-infinity';
SELECT c, spotai.totp_verify(:'ann', c) FROM unnest(ARRAY['', '12345', 'abcdef', '１２３４５６']) c;
SELECT spotai.totp_verify('11111111-1111-1111-1111-111111111111', '000000') AS nobody, spotai.totp_verify(:'bob', '000000') AS not_enrolled;
SELECT spotai.totp_verify(:'ann', repeat('1', 1048576)) AS long;
-- five wrong ones lock, and each further one locks for longer; the right one does not count then
SELECT failures, round(extract(epoch FROM locked_until - clock_timestamp()) / 10) * 10 AS seconds FROM spotai.totp;
UPDATE spotai.totp SET last_step = -1;
SELECT spotai.totp_verify(:'ann', pg_temp.totp(:'uri')) AS locked;
SELECT failures FROM spotai.totp;
UPDATE spotai.totp SET locked_until = '-infinity';
SELECT spotai.totp_verify(:'ann', 'wrong') AS wrong;
SELECT failures, round(extract(epoch FROM locked_until - clock_timestamp()) / 10) * 10 AS seconds FROM spotai.totp;
UPDATE spotai.totp SET locked_until = '-infinity', failures = 1000;
SELECT spotai.totp_verify(:'ann', 'wrong') AS wrong;
SELECT failures, round(extract(epoch FROM locked_until - clock_timestamp()) / 10) * 10 AS seconds FROM spotai.totp;
UPDATE spotai.totp SET locked_until = '-infinity';
SELECT spotai.totp_verify(:'ann', pg_temp.totp(:'uri')) AS right;
SELECT failures, locked_until FROM spotai.totp;
-- recovery codes: once each; new ones void the old
SELECT spotai.totp_recovery_codes(:'ann', 2) AS codes \gset
SELECT cardinality(:'codes'::text[]) AS codes, (:'codes'::text[])[1] ~ '^([A-Z2-7]{4}-){5}[A-Z2-7]{4}$' AS form;
SELECT spotai.totp_verify(:'ann', lower(replace((:'codes'::text[])[1], '-', ' '))) AS first, spotai.totp_verify(:'ann', (:'codes'::text[])[1]) AS again;
SELECT cardinality(spotai.totp_recovery_codes(:'ann')) AS ten;
SELECT spotai.totp_verify(:'ann', (:'codes'::text[])[2]) AS void;
SELECT code, message FROM unnest(ARRAY[0, -1, 101]) n, LATERAL pg_temp.failure(format('SELECT spotai.totp_recovery_codes(%L, %s)', :'ann', n));
SELECT code, message, hint FROM pg_temp.failure(format('SELECT spotai.totp_recovery_codes(%L)', :'bob'));
-- oneself, once; anew only with identity:write
SELECT spotai.totp_enroll(:'ann') <> :'uri' AS anew;
SELECT confirmed_at, failures FROM spotai.totp;
SELECT count(*) AS recovery_codes FROM spotai.recovery_code;
SELECT spotai.login(:'ann_token') IS NOT NULL AS logged_in;
SELECT spotai.totp_enroll(:'ann') AS uri \gset
SELECT pg_sleep(CASE WHEN extract(epoch FROM clock_timestamp())::numeric % 30 > 24 THEN 7 ELSE 0 END) IS NOT NULL AS waited;
SELECT spotai.totp_verify(:'ann', pg_temp.totp(:'uri')) AS right;
SELECT code, message, hint FROM pg_temp.failure(format('SELECT spotai.totp_enroll(%L)', :'ann'));
SELECT spotai.logout();
-- the secret is sealed, and belongs to its row
SELECT octet_length(secret) - 20 AS more FROM spotai.totp;
UPDATE spotai.totp SET version = version + 1;
SELECT spotai.totp_verify(:'ann', '000000');
SELECT kind, accepted, reason, count(*) > 0 AS some FROM spotai.login_attempt GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- refresh tokens: exchanged once; the second time ends the family
SELECT spotai.issue_refresh_token(:'ann', '1 day') AS one, spotai.issue_refresh_token(:'ann', '1 day') AS other \gset
SELECT code, message FROM unnest(ARRAY['0', '367 days']) t, LATERAL pg_temp.failure(format('SELECT spotai.issue_refresh_token(%L, %L)', :'ann', t));
SELECT length(:'one') AS length, position(:'one' IN (SELECT string_agg(r::text, '') FROM spotai.refresh_token r)) AS at;
SET ROLE regress_spotai_app;
SELECT access_token AS access, refresh_token AS two FROM spotai.refresh(:'one') \gset
SELECT spotai.login(:'access') = :'ann' AS logged_in;
SELECT spotai.logout();
SELECT access_token IS NOT NULL AS access, refresh_token AS three FROM spotai.refresh(:'two') \gset
SELECT * FROM spotai.refresh(:'two');
SELECT * FROM spotai.refresh(:'three');
SELECT access_token IS NOT NULL AS another_family, refresh_token AS other FROM spotai.refresh(:'other') \gset
SELECT :'another_family' AS another_family;
SELECT count(*) FROM unnest(ARRAY['', 'spr_', 'x', :'access', 'spr_' || repeat('A', 43), repeat('spr_', 262144)]) t, LATERAL spotai.refresh(t) r WHERE r.access_token IS NOT NULL;
RESET ROLE;
UPDATE spotai.refresh_token SET expires_at = now() - interval '1 s' WHERE used_at IS NULL AND revoked_at IS NULL;
SELECT * FROM spotai.refresh(:'other');
SELECT spotai.issue_refresh_token(:'ann', '5 minutes') AS short \gset
SELECT access_token AS access, refresh_token AS short FROM spotai.refresh(:'short') \gset
-- an access token does not outlive its family
SELECT spotai.login(:'root_token') IS NOT NULL AS logged_in;
SELECT (c->>'exp')::bigint - (c->>'iat')::bigint <= 300 AS at_most_five_minutes FROM spotai.verify_jwt(:'access', spotai.jwks()) c;
SELECT spotai.revoke_tokens(:'ann') AS revoked;
SELECT spotai.logout();
SELECT * FROM spotai.refresh(:'short');
-- what could be rolled back is not answered
BEGIN;
SELECT * FROM spotai.refresh(:'short');
ROLLBACK;
SELECT code, message FROM pg_temp.failure(format('SELECT spotai.totp_verify(%L, ''000000'')', :'ann'));
SELECT reason, count(*) FROM spotai.login_attempt WHERE kind = 'refresh_token' GROUP BY 1 ORDER BY 1;

-- a window that slides
SELECT spotai.login(:'bob_token') IS NOT NULL AS logged_in;
SELECT n, spotai.rate_limit('three in a second', 3, '1 second') FROM generate_series(1, 5) n;
SELECT pg_sleep(1.1) IS NOT NULL AS slept;
SELECT n, spotai.rate_limit('three in a second', 3, '1 second') FROM generate_series(1, 4) n;
-- a call counts from when it was: no burst across the border of a window
UPDATE spotai.rate_limit_bucket SET calls = ARRAY[clock_timestamp() - interval '50 s', clock_timestamp() - interval '10 s', clock_timestamp() - interval '5 s'];
SELECT spotai.rate_limit('three in a second', 3, '1 minute') AS full, spotai.rate_limit('three in a second', 3, '40 s') AS two_of_three;
SELECT spotai.rate_limit('another', 0, '1 s') AS none, spotai.rate_limit('another', 1, '1 s') AS one;
SELECT code, message FROM unnest(ARRAY['''x'', -1, ''1 s''', '''x'', 10001, ''1 s''', '''x'', 1, ''0''', '''x'', 1, ''-1 s''', 'repeat(''x'', 1024), 1, ''1 s''']) args,
       LATERAL pg_temp.failure(format('SELECT spotai.rate_limit(%s)', args));
BEGIN;
SELECT spotai.rate_limit('undone', 1, '1 hour');
ROLLBACK;
SELECT spotai.rate_limit('undone', 1, '1 hour') AS first, spotai.rate_limit('undone', 1, '1 hour') AS second;
SELECT spotai.logout();
SELECT spotai.rate_limit('undone', 1, '1 hour') AS of_another_tenant;

-- whoever is gone is nobody
SELECT spotai.deactivate_principal(:'bob') AS of_another_tenant;
SELECT spotai.login(:'root_token') IS NOT NULL AS logged_in;
SELECT spotai.deactivate_principal(:'bob') AS first, spotai.deactivate_principal(:'bob') AS again;
SELECT spotai.logout();
SELECT pg_temp.refused(:'bob_token');
SELECT code, message = format('principal "%s" does not exist', :'bob') AS says_so FROM pg_temp.failure(format('SELECT spotai.issue_token(%L)', :'bob'));
SELECT spotai.login_api_key(:'robot_key') IS NOT NULL AS logged_in;
SELECT spotai.logout();
SELECT spotai.deactivate_tenant(:'acme') AS first, spotai.deactivate_tenant(:'acme') AS again;
SELECT pg_temp.refused(:'root_token');
SELECT code, message FROM pg_temp.failure(format('SELECT spotai.login_api_key(%L)', :'robot_key'));
-- also the default tenant: then the operator is nobody
SELECT spotai.deactivate_tenant('00000000-0000-0000-0000-000000000001');
SELECT * FROM pg_temp.me();
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.create_tenant('late') $$);
UPDATE spotai.tenant SET deleted_at = NULL;
SELECT * FROM pg_temp.me();

-- any token with any key: RFC 7515, A.1 (it expired in 2011)
\set hs_key '{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}'
\set hs_token 'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
SELECT spotai.verify_jwt(:'hs_token', :'hs_key', leeway => '100 years');
SELECT spotai.verify_jwt(:'hs_token', :'hs_key', issuer => 'joe', leeway => '100 years') IS NOT NULL AS joe;
SELECT spotai.verify_jwt(:'t_good', :'their_keys', 'music', 'https://id.example.org/');
SELECT name, f.code, f.message, f.detail FROM (VALUES
    (1, 'expired', :'hs_token', :'hs_key', ''), (2, 'another issuer', :'hs_token', :'hs_key', ', issuer => ''jim'', leeway => ''100 years'''),
    (3, 'an audience', :'hs_token', :'hs_key', ', ''a'', leeway => ''100 years'''),
    (4, 'no audience', :'t_good', :'their_keys', ''), (5, 'key of another type', :'hs_token', :'their_keys', ''),
    (6, 'HMAC with a public key', :'t_confused', :'their_keys', ', ''music'''),
    (7, 'a public key for HMAC', :'t_confused', :'hs_key', ', ''music'''),
    (8, 'none', :'t_none', :'hs_key', ', ''music'''), (9, 'a leeway below 0', :'hs_token', :'hs_key', ', leeway => ''-1 s'''),
    (10, 'a private key', :'t_good', '{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}', ''),
    (11, 'no key', :'t_good', '{}', ''), (12, 'a list', :'t_good', '[]', ''), (13, 'a weak key', :'hs_token', '{"kty": "oct", "k": "c2VjcmV0"}', ''),
    (14, '1 MiB', repeat('A', 1048576), :'hs_key', ''), (15, 'a member twice', :'t_twice', :'their_keys', ', ''music'''),
    (16, 'expiry is a text', :'t_expiry_text', :'their_keys', ', ''music''')
) v (n, name, token, key, more), LATERAL pg_temp.failure(format('SELECT spotai.verify_jwt(%L, %L%s)', token, key, more)) f ORDER BY n;
SELECT code, message FROM unnest(ARRAY['NULL, ''{}''', '''x'', NULL', '''x'', ''{}'', leeway => NULL']) args,
       LATERAL pg_temp.failure(format('SELECT spotai.verify_jwt(%s)', args));
-- many rows, one key; and a key for each
SELECT count(spotai.verify_jwt(:'t_good', :'their_keys', 'music')) FROM generate_series(1, 200);
SELECT count(spotai.verify_jwt(:'t_good', jsonb_build_object('keys', (:'their_keys'::jsonb)->'keys', 'n', n), 'music')) FROM generate_series(1, 200) n;

-- policies ask once a query, and an index scan stays one
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        -- as 15 and 16 write it, and as 17 does
        RETURN NEXT regexp_replace(regexp_replace(line, ' \(returns \$\d\)', ''), '\(InitPlan \d\)\.col1|\$\d', 'tenant', 'g');
    END LOOP;
END
$$;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET ROLE regress_spotai_app;
SELECT pg_temp.plan($$ SELECT title FROM spotai.track WHERE id = '11111111-1111-1111-1111-111111111111' $$);
SELECT pg_temp.plan($$ UPDATE spotai.track SET title = 'x' WHERE id = '11111111-1111-1111-1111-111111111111' $$);
RESET ROLE;
RESET enable_seqscan;
RESET enable_bitmapscan;

ALTER SYSTEM RESET spotai.key_command;
SELECT pg_reload_conf() AS reloaded, pg_sleep(0.5) IS NOT NULL AS slept;
DROP OWNED BY regress_spotai_app, regress_spotai_boss, regress_spotai_plain;
DROP ROLE regress_spotai_app, regress_spotai_boss, regress_spotai_plain;
\i :end
