-- sessions: how somebody logged in, and what that is good for
\getenv root PG_ABS_SRCDIR
\set begin :root '/sql/include/begin.sql'
\set tokens :root '/sql/include/tokens.sql'
\set sounds :root '/sql/include/sounds.sql'
\set totp :root '/sql/include/totp.sql'
\set end :root '/sql/include/end.sql'
\i :begin
\i :sounds
\i :tokens
\i :totp
\pset format unaligned
\pset fieldsep ' | '
\set SHOW_CONTEXT never

CREATE ROLE regress_spotai_app;
GRANT spotai_user TO regress_spotai_app;
ALTER SYSTEM SET spotai.key_command = 'echo 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
SELECT pg_reload_conf() AS reloaded, pg_sleep(0.5) IS NOT NULL AS slept;
CREATE FUNCTION pg_temp.refused(token text) RETURNS text LANGUAGE sql AS $$
    SELECT f.code || ' | ' || f.message FROM pg_temp.failure(format('SELECT spotai.login(%L)', token)) f
$$;
-- What a token says, but for what is new in each.
CREATE FUNCTION pg_temp.claims(token text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT convert_from(decode(rpad(t, (length(t) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb - '{iss,sub,iat,exp,jti,sid,auth_time}'::text[]
    FROM translate(split_part(token, '.', 2), '-_', '+/') t
$$;
-- a code that was not used yet, of another step than the last one's
CREATE FUNCTION pg_temp.next_code(uri text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE spotai.totp SET last_step = -1, failures = 0, locked_until = '-infinity';
    RETURN pg_temp.totp(uri);
END
$$;

SELECT tenant AS acme, administrator AS root_of_acme FROM spotai.create_tenant('acme') \gset
SELECT spotai.issue_token(:'root_of_acme', '1 hour') AS root_token \gset
SELECT spotai.login(:'root_token') = :'root_of_acme' AS logged_in;
SELECT spotai.create_principal('ann', 'person', 'https://id.example.org/', 'ann') AS ann, spotai.create_principal('bob') AS bob,
       spotai.create_principal('login', 'service') AS service \gset
SELECT spotai.create_role('helper', ARRAY['identity:write', 'stems:read', 'stems:write']) IS NOT NULL AS helper,
       spotai.create_role('login', ARRAY['identity:issue']) IS NOT NULL AS login;
SELECT spotai.grant_role(:'ann', 'helper'), spotai.grant_role(:'service', 'login');
SELECT spotai.trust_issuer('https://id.example.org/', 'music', :'their_keys_and_rsa') IS NOT NULL AS trusted;
SELECT spotai.create_api_key('login', '{identity:issue}', '1 day', :'service') AS service_key, spotai.create_api_key('of ann', '{stems:read}', '1 day', :'ann') AS ann_key \gset
SELECT spotai.logout();
SELECT spotai.issue_token(:'bob', '1 hour') AS bob_token \gset

-- ---- a session: what its tokens say, and that they end with it
SET ROLE regress_spotai_app;
SELECT spotai.login_api_key(:'service_key') = :'service' AS logged_in;
SELECT session AS first, access_token AS access, refresh_token AS refresh FROM spotai.begin_session(:'ann', '{pwd}', '30 days', label => 'phone') \gset
SELECT session AS other, access_token AS other_access, refresh_token AS other_refresh
FROM spotai.begin_session(:'ann', '{pwd,otp}', '1 day', '{stems:read}', 'browser') \gset
SELECT code, message FROM unnest(ARRAY['NULL, ''{pwd}''', format('%L, NULL', :'ann'), format('%L, ''{}''', :'ann'), format('%L, ''{NULL}''', :'ann'),
    format('%L, ''{{a,b},{c,d}}''', :'ann'), format('%L, ARRAY[''"},{"'']', :'ann'), format('%L, ARRAY[repeat(''x'', 64)]', :'ann'),
    format('%L, array_fill(''x''::text, ARRAY[11])', :'ann'), format('%L, ''{pwd}'', ''367 days''', :'ann'),
    format('%L, ''{pwd}'', ''1 day'', ''{stems}''', :'ann'), format('%L, ''{pwd}'', ''1 day'', NULL, ''''', :'ann'),
    format('%L, ''{pwd}'', certificate => ''x''', :'ann'), format('%L, ''{pwd}'', certificate => repeat(''"'', 43)', :'ann')]) args,
    LATERAL pg_temp.failure(format('SELECT spotai.begin_session(%s)', args));
SELECT spotai.logout();
SELECT pg_temp.claims(:'access') AS first, pg_temp.claims(:'other_access') AS other;
RESET ROLE;
SELECT convert_from(decode(rpad(split_part(:'access', '.', 1), (length(split_part(:'access', '.', 1)) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb - 'kid' AS header;
SET ROLE regress_spotai_app;
SELECT spotai.login(:'access') = :'ann' AS logged_in;
SELECT label, methods, scopes, authenticated_at > now() - interval '1 minute' AS recent, expires_at - refreshed_at > interval '29 days' AS long, current FROM spotai.sessions();
SELECT spotai.has_permission('stems:read'), spotai.has_permission('stems:write');
SELECT spotai.login(:'other_access') = :'ann' AS logged_in;
SELECT label, current FROM spotai.sessions(:'ann');
SELECT spotai.has_permission('stems:read'), spotai.has_permission('stems:write'), spotai.has_permission('identity:write');
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.create_role('x', '{}') $$);
-- refreshed: the same session, scopes and methods
SELECT spotai.logout();
SELECT access_token AS other_access, refresh_token AS other_refresh FROM spotai.refresh(:'other_refresh') \gset
SELECT pg_temp.claims(:'other_access');
SELECT spotai.login(:'other_access') = :'ann' AS logged_in;
SELECT label, methods, scopes, current FROM spotai.sessions();
SELECT spotai.has_permission('stems:write');
-- whose they are
SELECT code, message FROM unnest(ARRAY['sessions', 'api_keys']) name, LATERAL pg_temp.failure(format('SELECT spotai.%s(%L)', name, :'bob'));
SELECT spotai.end_session(gen_random_uuid()) AS unknown;
SELECT spotai.login(:'bob_token') = :'bob' AS logged_in;
SELECT count(*) AS own FROM spotai.sessions();
SELECT spotai.end_session(:'first') AS of_another;
SELECT code, message FROM pg_temp.failure(format('SELECT spotai.sessions(%L)', :'ann'));
-- whoever begins sessions may end them
SELECT spotai.login_api_key(:'service_key') = :'service' AS logged_in;
SELECT session AS third FROM spotai.begin_session(:'ann', '{pwd}') \gset
SELECT spotai.end_session(:'third') AS ended;
-- ended: nobody, from the next statement on
SELECT spotai.login(:'access') = :'ann' AS logged_in;
SELECT spotai.end_session(:'other') AS ended, spotai.end_session(:'other') AS again;
SELECT pg_temp.refused(:'other_access');
SELECT * FROM spotai.refresh(:'other_refresh');
SELECT label FROM spotai.sessions();
SELECT spotai.end_session(:'first') AS itself;
SELECT spotai.current_principal();
SELECT code, message FROM unnest(ARRAY['sessions()', 'api_keys()', 'identity_notices(''-infinity'')', 'require_recent_login()',
    format('end_session(%L)', :'first'), 'step_up(''000000'')']) call, LATERAL pg_temp.failure('SELECT spotai.' || call);
SELECT spotai.logout();
RESET ROLE;
SELECT spotai.login(:'root_token') = :'root_of_acme' AS logged_in;
SELECT count(*) AS sessions FROM spotai.sessions(:'ann');
SELECT name, left(prefix, 4) AS prefix, scopes, networks, expires_at > now() AS valid, last_used_at FROM spotai.api_keys(:'ann');
SELECT count(*) AS own FROM spotai.api_keys();
-- one's own key is found, and ended
SET ROLE regress_spotai_app;
SELECT spotai.login_api_key(:'ann_key') = :'ann' AS logged_in;
SELECT id AS key_id, name FROM spotai.api_keys() \gset
SELECT spotai.revoke_api_key(:'key_id') AS revoked;
SELECT spotai.current_principal();
RESET ROLE;
SELECT spotai.logout();
SELECT count(*) AS of_the_default_tenant FROM spotai.api_keys();

-- ---- a key's token: good for what the key is, as long as it is
SET ROLE regress_spotai_app;
SELECT spotai.api_key_token(:'service_key') AS key_token \gset
SELECT pg_temp.claims(:'key_token') - 'api_key' AS more;
SELECT spotai.login(:'key_token') = :'service' AS logged_in;
SELECT spotai.has_permission('identity:issue'), spotai.has_permission('identity:write');
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.step_up('000000') $$);
SELECT spotai.logout();
SELECT code, message FROM unnest(ARRAY['', 'spk_', 'x', 'spk_' || repeat('A', 43), :'key_token']) k, LATERAL pg_temp.failure(format('SELECT spotai.api_key_token(%L)', k));
SELECT code, message FROM pg_temp.failure(format('SELECT spotai.api_key_token(%L, ''25 h'')', :'service_key'));
SELECT code, message FROM pg_temp.failure(format('SELECT spotai.api_key_token(%L)', :'ann_key'));
RESET ROLE;
-- the key itself is no credential any more
SET spotai.key_sessions = off;
SELECT code, message FROM pg_temp.failure(format('SELECT spotai.login_api_key(%L)', :'service_key'));
SET spotai.token = :'service_key';
SELECT spotai.current_principal();
RESET spotai.token;
SELECT spotai.login(:'key_token') = :'service' AS logged_in, pg_temp.refused(spotai.api_key_token(:'service_key')) IS NULL AS and_another;
RESET spotai.key_sessions;
SELECT spotai.logout();
UPDATE spotai.api_key SET networks = '{192.0.2.0/24}' WHERE name = 'login';
SELECT pg_temp.refused(:'key_token');
UPDATE spotai.api_key SET networks = NULL, scopes = '{}' WHERE name = 'login';
SELECT spotai.login(:'key_token') = :'service' AS logged_in;
SELECT spotai.has_permission('identity:issue');
SELECT spotai.logout();
UPDATE spotai.api_key SET scopes = '{identity:issue}', principal_id = :'bob' WHERE name = 'login';
SELECT pg_temp.refused(:'key_token');
UPDATE spotai.api_key SET revoked_at = now(), principal_id = :'service' WHERE name = 'login';
SELECT pg_temp.refused(:'key_token');
UPDATE spotai.api_key SET revoked_at = NULL WHERE name = 'login';

-- ---- tokens of other issuers
SELECT name, pg_temp.refused(token) FROM (VALUES ('access', :'t_access'), ('untyped', :'t_untyped'), ('logout', :'t_logout'), ('rsa', :'t_rsa')) v (name, token);
SELECT spotai.logout();
SELECT spotai.issue_token(:'ann') AS ours \gset
SET spotai.token_types = 'at+jwt';
SELECT name, pg_temp.refused(token) FROM (VALUES ('access', :'t_access'), ('untyped', :'t_untyped'), ('jwt', :'t_good'), ('ours', :'ours')) v (name, token);
RESET spotai.token_types;
SET spotai.rsa_min_bits = 3072;
SELECT name, pg_temp.refused(token) FROM (VALUES ('rsa', :'t_rsa'), ('ed25519', :'t_good')) v (name, token);
RESET spotai.rsa_min_bits;
SET spotai.token_algorithms = 'EdDSA, PS256';
SELECT name, pg_temp.refused(token) FROM (VALUES ('rsa', :'t_rsa'), ('ed25519', :'t_good')) v (name, token);
SELECT code, message, detail FROM unnest(ARRAY['none', 'RS256 HS1', 'eddsa']) a, LATERAL pg_temp.failure(format('SET spotai.token_algorithms = %L', a));
RESET spotai.token_algorithms;
-- ours have their type, whatever others may have
SELECT pg_temp.refused(translate(encode(convert_to(replace(convert_from(decode(rpad(h, (length(h) + 3) / 4 * 4, '='), 'base64'), 'UTF8'), 'at+jwt', 'JWT'), 'UTF8'), 'base64'), E'+/=\n', '-_')
                       || substr(:'ours', length(h) + 1)) FROM translate(split_part(:'ours', '.', 1), '-_', '+/') h;
-- whose an issuer is, for whom staff wants to say that
SET spotai.tenants_trust = off;
SET ROLE regress_spotai_app;
SELECT set_config('spotai.token', :'root_token', false) <> '' AS root;
SELECT code, message, hint FROM pg_temp.failure($$ SELECT spotai.trust_issuer('https://id.example.net/', 'a', '{}') $$);
RESET ROLE;
SELECT spotai.trust_issuer('https://id.example.org/', 'aud ' || n, :'their_keys_and_rsa') IS NOT NULL AS staff FROM generate_series(1, 70) n GROUP BY 1;
RESET spotai.token;
RESET spotai.tenants_trust;
-- however many others there are
SELECT spotai.login(:'t_good') = :'ann' AS logged_in;
SELECT spotai.logout();
SELECT pg_temp.refused(:'t_many_audiences');
-- scopes: what is named, and no more
CREATE FUNCTION pg_temp.may(token text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', CASE WHEN spotai.login(token) IS NOT NULL THEN 'in' END, CASE WHEN spotai.has_permission('stems:read') THEN 'read' END,
                     CASE WHEN spotai.has_permission('stems:write') THEN 'write' END)
$$;
SELECT name, pg_temp.may(token) FROM (VALUES (1, 'none', :'t_good'), (2, 'text', :'t_scope'), (3, 'list', :'t_scope_list'), (4, 'openid', :'t_scope_openid'),
    (5, 'number', :'t_scope_number'), (6, 'details', :'t_details')) v (n, name, token) ORDER BY n;
SET spotai.token_scopes = off;
SELECT name, pg_temp.may(token) FROM (VALUES (1, 'text', :'t_scope'), (2, 'details', :'t_details')) v (n, name, token) ORDER BY n;
RESET spotai.token_scopes;
SELECT spotai.logout();

-- ---- a second factor: for sensitive acts
SET spotai.second_factor = 'sensitive';
CREATE FUNCTION pg_temp.strong(token text) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN spotai.login(token) IS NULL THEN 'out' ELSE coalesce((SELECT f.message FROM pg_temp.failure('SELECT spotai.require_recent_login()') f), 'strong') END
$$;
SELECT name, pg_temp.strong(token) FROM (VALUES (1, 'silent', :'t_good'), (2, 'pwd', :'t_pwd'), (3, 'mfa', :'t_mfa'), (4, 'acr', :'t_acr'),
    (5, 'odd', :'t_odd_methods')) v (n, name, token) ORDER BY n;
SET spotai.factor_methods = 'phr';
SELECT name, pg_temp.strong(token) FROM (VALUES (1, 'mfa', :'t_mfa'), (2, 'acr', :'t_acr')) v (n, name, token) ORDER BY n;
RESET spotai.factor_methods;
SELECT spotai.login(:'t_pwd') = :'ann' AS logged_in;
SELECT split_part(call, '(', 1) AS function, f.code, f.message, f.hint FROM unnest(ARRAY['create_api_key(''x'', ''{}'', ''1 day'')', 'create_principal(''x'')', 'rotate_signing_key()',
    format('totp_recovery_codes(%L)', :'ann')]) call, LATERAL pg_temp.failure('SELECT spotai.' || call) f;
SET spotai.sensitive_permissions = 'stems:*';
SELECT spotai.create_principal('by ann') IS NOT NULL AS not_sensitive;
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.create_role('x', '{stems:read}') $$);
RESET spotai.sensitive_permissions;
-- whoever has none yet enrols without
SELECT spotai.totp_enroll(:'ann') AS uri \gset
SELECT pg_sleep(CASE WHEN extract(epoch FROM clock_timestamp())::numeric % 30 > 20 THEN 11 ELSE 0 END) IS NOT NULL AS waited;
SELECT spotai.totp_verify(:'ann', pg_temp.totp(:'uri')) AS confirmed;
-- a code makes a session of it, as strong as is wanted, that ends no later
SELECT * FROM spotai.step_up('000000');
SELECT pg_temp.next_code(:'uri') AS code \gset
SELECT session AS stepped, access_token AS access, refresh_token AS refresh FROM spotai.step_up(:'code') \gset
SELECT pg_temp.claims(:'access');
SELECT pg_temp.strong(:'access');
SELECT methods, current FROM spotai.sessions();
SELECT spotai.create_principal('by strong ann') IS NOT NULL AS created, cardinality(spotai.totp_recovery_codes(:'ann', 1)) AS codes;
-- of a session: a new one, and the old one's tokens end; scopes stay
SELECT spotai.logout();
SELECT session AS weak, access_token AS weak_access, refresh_token AS weak_refresh FROM spotai.begin_session(:'ann', '{pwd}', '1 day', '{stems:read}', 'tablet') \gset
SELECT spotai.login(:'weak_access') = :'ann' AS logged_in;
SELECT pg_temp.next_code(:'uri') AS code \gset
SELECT session <> :'weak' AS another, access_token AS access, refresh_token AS refresh FROM spotai.step_up(:'code') \gset
SELECT :'another' AS another, pg_temp.claims(:'access');
SELECT spotai.current_principal();
SELECT spotai.logout();
SELECT pg_temp.refused(:'weak_access');
SELECT * FROM spotai.refresh(:'weak_refresh');
SELECT spotai.login(:'access') = :'ann' AS logged_in;
SELECT label, methods, scopes, expires_at <= now() + interval '1 day' AS no_longer, current FROM spotai.sessions() WHERE current;
-- a code once; in a transaction block never
SELECT * FROM spotai.step_up(:'code');
BEGIN;
SELECT spotai.step_up('000000');
ROLLBACK;
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.step_up('000000') $$);
-- keys do not become more than they are; services have no second factor, nor has the operator
SELECT spotai.logout();
SELECT spotai.create_api_key('of ann', '{stems:read}', '1 day', :'ann') AS ann_key \gset
SELECT spotai.login_api_key(:'ann_key') = :'ann' AS logged_in;
SELECT code, message FROM unnest(ARRAY['step_up(''000000'')', 'require_recent_login()']) call, LATERAL pg_temp.failure('SELECT spotai.' || call);
SELECT spotai.login_api_key(:'service_key') = :'service' AS logged_in;
SELECT spotai.require_recent_login() IS NOT NULL AS service;
SELECT spotai.logout();
SELECT spotai.require_recent_login() IS NOT NULL AS operator;
-- always: nobody without
SET spotai.second_factor = 'always';
SELECT name, pg_temp.refused(token) FROM (VALUES (1, 'silent', :'t_good'), (2, 'pwd', :'t_pwd'), (3, 'mfa', :'t_mfa'), (4, 'session', :'access')) v (n, name, token) ORDER BY n;
SELECT code, message FROM pg_temp.failure(format('SELECT spotai.login_api_key(%L)', :'ann_key'));
SELECT spotai.login_api_key(:'service_key') = :'service' AS service;
SET spotai.token = :'t_pwd';
SELECT spotai.current_tenant();
RESET spotai.token;
RESET spotai.second_factor;

-- ---- tokens that are bound to a certificate are nobody's without it: tests/tap/059_certificates.pl has one
SELECT spotai.client_certificate();
SELECT access_token AS bound, refresh_token AS bound_refresh, session AS bound_session
FROM spotai.begin_session(:'ann', '{pwd}', certificate => repeat('A', 43)) \gset
SELECT pg_temp.claims(:'bound');
SELECT pg_temp.refused(:'bound');
SELECT * FROM spotai.refresh(:'bound_refresh');
SELECT name, pg_temp.refused(token) FROM (VALUES ('a certificate', :'t_bound'), ('a key', :'t_bound_jkt'), ('odd', :'t_bound_odd')) v (name, token);
SET spotai.token_binding = on;
SELECT code, message, hint FROM unnest(ARRAY['issue_token', 'issue_refresh_token']) name, LATERAL pg_temp.failure(format('SELECT spotai.%s(%L)', name, :'ann'));
SELECT code, message FROM pg_temp.failure(format('SELECT spotai.begin_session(%L, ''{pwd}'')', :'ann'));
SELECT pg_temp.refused(:'t_good');
RESET spotai.token_binding;

-- ---- a recent login
SET spotai.reauth_after = '1 h';
SELECT name, pg_temp.strong(token) FROM (VALUES (1, 'silent', :'t_good'), (2, 'old', :'t_mfa'), (3, 'odd', :'t_odd_methods'), (4, 'future', :'t_future'),
    (5, 'session', :'access')) v (n, name, token) ORDER BY n;
SELECT spotai.login(:'t_mfa') = :'ann' AS logged_in;
SELECT code, message FROM unnest(ARRAY['create_api_key(''x'', ''{}'', ''1 day'')', 'create_principal(''x'')', format('revoke_tokens(%L)', :'ann'),
    format('totp_enroll(%L)', :'ann'), format('end_session(%L)', :'first')]) call, LATERAL pg_temp.failure('SELECT spotai.' || call);
SELECT spotai.logout();
SELECT access_token AS fresh, session AS fresh_session FROM spotai.begin_session(:'ann', '{pwd}') \gset
SET spotai.reauth_after = '3 s';
SELECT spotai.login(:'fresh') = :'ann' AS logged_in;
SELECT spotai.create_principal('fresh') IS NOT NULL AS created;
SELECT pg_sleep(3.1) IS NOT NULL AS slept;
SELECT code, message FROM pg_temp.failure($$ SELECT spotai.create_principal('x') $$);
SELECT spotai.end_session(:'fresh_session') AS logging_out_needs_nothing;
SELECT spotai.logout();
RESET spotai.reauth_after;

-- ---- the window of one-time passwords
SET spotai.totp_steps = 0;
SELECT pg_temp.next_code(:'uri') IS NOT NULL AS reset;
SELECT pg_sleep(CASE WHEN extract(epoch FROM clock_timestamp())::numeric % 30 > 24 THEN 7 ELSE 0 END) IS NOT NULL AS waited;
SELECT spotai.totp_verify(:'ann', pg_temp.totp(:'uri', -1)) AS earlier, spotai.totp_verify(:'ann', pg_temp.totp(:'uri', 1)) AS later,
       spotai.totp_verify(:'ann', pg_temp.totp(:'uri')) AS now;
RESET spotai.totp_steps;
-- only those who may change the server's settings change these
SET ROLE regress_spotai_app;
SELECT s, code FROM unnest(ARRAY['second_factor', 'reauth_after', 'factor_methods', 'sensitive_permissions', 'token_types', 'token_algorithms',
    'token_scopes', 'rsa_min_bits', 'totp_steps', 'audit_client']) s, LATERAL pg_temp.failure(format('SET spotai.%s TO DEFAULT', s));
RESET ROLE;

-- ---- notices
SELECT spotai.login(:'root_token') = :'root_of_acme' AS logged_in;
SELECT spotai.create_api_key('ends soon', '{}', '3 days', :'bob') IS NOT NULL AS made;
SELECT spotai.logout();
INSERT INTO spotai.login_attempt (tenant_id, kind, principal_id, accepted, client, occurred_at)
VALUES (:'acme', 'token', :'bob', true, '192.0.2.1', now() - interval '2 days'), (:'acme', 'token', :'bob', true, '192.0.2.1', now() - interval '3 hours'),
       (:'acme', 'token', :'bob', true, '198.51.100.7', now() - interval '2 hours');
SELECT spotai.login(:'root_token') = :'root_of_acme' AS logged_in;
SELECT p, notice, about, count(*) > 0 AS some FROM (
    SELECT CASE principal WHEN :'ann' THEN 'ann' WHEN :'bob' THEN 'bob' ELSE 'another' END AS p, notice, CASE WHEN about ~ '^[0-9a-f-]{36}$' THEN 'a session' ELSE about END AS about
    FROM spotai.identity_notices(now() - interval '1 day')) n
WHERE p <> 'another' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT max(occurred_at) AS seen FROM spotai.identity_notices('-infinity') \gset
SELECT count(*) AS again FROM spotai.identity_notices(:'seen');
SELECT spotai.login(:'t_good') = :'ann' AS logged_in;
SELECT count(*) FILTER (WHERE principal <> :'ann') AS of_others, count(*) > 5 AS own FROM spotai.identity_notices('-infinity');
SELECT spotai.logout();
SELECT count(*) AS of_other_tenants FROM spotai.identity_notices('-infinity') WHERE principal IN (:'ann', :'bob');

ALTER SYSTEM RESET spotai.key_command;
SELECT pg_reload_conf() AS reloaded, pg_sleep(0.5) IS NOT NULL AS slept;
DROP OWNED BY regress_spotai_app;
DROP ROLE regress_spotai_app;
\i :end
