-- identity: tenants, principals, tokens, keys, who a session is

-- The one place that knows whose rows a session may see.  No SET clause: policies
-- and defaults ask it for each query and row, and it needs no search_path.
CREATE FUNCTION spotai.current_tenant() RETURNS uuid
LANGUAGE C STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'spotai_current_tenant';
COMMENT ON FUNCTION spotai.current_tenant() IS
'tenant whose rows the session may see and write, proved by its credential; null for nobody. Every row-level security policy calls it';

CREATE FUNCTION spotai.current_principal() RETURNS uuid
LANGUAGE C STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'spotai_current_principal';
COMMENT ON FUNCTION spotai.current_principal() IS
'principal that the session''s credential stands for; null for nobody, for the operator, who needs none, and in a job';

CREATE FUNCTION spotai.has_permission(permission text) RETURNS boolean
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'spotai_has_permission';
COMMENT ON FUNCTION spotai.has_permission(text) IS
'whether the principal of the session has a permission such as stems:write, through its roles and within the scopes of its key. The operator has all of them, a job job:submit and what its kind needs, nobody none. What others grant or take away counts from the next statement on';

-- no SET clause, as spotai.current_tenant()
CREATE FUNCTION _spotai.permitted(permission text) RETURNS boolean
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'spotai_permitted';
COMMENT ON FUNCTION _spotai.permitted(text) IS
'for policies: true when the session has the permission, 42501 when it has not, and false for nobody, whom the policy on the tenant answers';

-- ---- credentials of a session

CREATE FUNCTION spotai.login(token text) RETURNS uuid
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_login';
COMMENT ON FUNCTION spotai.login(text) IS
'makes a signed token the session''s credential and answers its principal. It stays until spotai.logout(), DISCARD ALL, a rollback of this transaction, or the end of the token''s time; from then on the session is nobody. Pass the token as a parameter ($1). 28000 when it is refused. Poolers use SET LOCAL spotai.token';

CREATE FUNCTION spotai.login_api_key(key text) RETURNS uuid
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_login_api_key';
COMMENT ON FUNCTION spotai.login_api_key(text) IS
'makes an API key the session''s credential and answers its principal; as spotai.login(). 28000 when it is refused';

CREATE FUNCTION spotai.api_key_token(key text, ttl interval DEFAULT '15 minutes') RETURNS text
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_api_key_token';
COMMENT ON FUNCTION spotai.api_key_token(text, interval) IS
'exchanges an API key for a token that is good for the same, at most a day and no longer than the key is, from the key''s networks; needs no login. So the key itself need not be sent with each session: with spotai.key_sessions = off it must not be. 28000 when the key is refused';

CREATE FUNCTION spotai.logout() RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_logout';
COMMENT ON FUNCTION spotai.logout() IS
'forgets the session''s credential, as RESET spotai.token';

CREATE FUNCTION spotai.verify_jwt(
    token text, key jsonb, audience text DEFAULT NULL, issuer text DEFAULT NULL, leeway interval DEFAULT '0')
RETURNS jsonb
LANGUAGE C STABLE PARALLEL SAFE COST 1000
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_verify_jwt';
COMMENT ON FUNCTION spotai.verify_jwt(text, jsonb, text, text, interval) IS
'claims of a token whose signature, times, audience and issuer hold: HS, RS, PS, ES with 256, 384, 512, and EdDSA. key is a JSON Web Key or a set of them, and says which algorithms it is for. Without an audience the token must name none; without an issuer it may name any. 28000 when the token is refused, with what failed; 22023 for what is no key';

-- ---- issuing

CREATE FUNCTION spotai.issue_token(principal uuid, ttl interval DEFAULT '15 minutes', audience text DEFAULT NULL)
RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_issue_token';
COMMENT ON FUNCTION spotai.issue_token(uuid, interval, text) IS
'signs a token with which whoever has it is the principal for at most 31 days; needs identity:issue. The operator issues for principals of any tenant. audience null: spotai.token_audience. 42704 when there is no such principal, 42501 without the permission, 22023 for another time to live, 55000 without spotai.key_file or spotai.key_command';

CREATE FUNCTION spotai.jwks() RETURNS jsonb
LANGUAGE C STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_jwks';
COMMENT ON FUNCTION spotai.jwks() IS
'public keys that the tenant''s tokens can be verified with, a JSON Web Key Set (RFC 7517), for other programs; the newest first. 42501 for nobody';

CREATE FUNCTION spotai.rotate_signing_key(overlap interval DEFAULT '1 day') RETURNS text
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_rotate_signing_key';
COMMENT ON FUNCTION spotai.rotate_signing_key(interval) IS
'makes a new signing key for the tenant and answers its name; tokens of the old one are accepted for the overlap, at most 31 days. With 0 they are refused at once: for a key that was stolen. Needs identity:write';

CREATE FUNCTION spotai.trust_issuer(issuer text, audience text, jwks jsonb) RETURNS uuid
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_trust_issuer';
COMMENT ON FUNCTION spotai.trust_issuer(text, text, jsonb) IS
'accepts tokens that another issuer signed for the audience, as tokens of this tenant, from principals whose issuer and subject are known (spotai.create_principal()); replaces the keys where it is trusted already. Needs identity:write, and with spotai.tenants_trust = off a session of spotai_admin. 42710 when another tenant has the same issuer and audience, 22023 for what is no set of public keys';

CREATE FUNCTION spotai.distrust_issuer(issuer text, audience text) RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_distrust_issuer';
COMMENT ON FUNCTION spotai.distrust_issuer(text, text) IS
'ends spotai.trust_issuer(); false when it was not trusted. Needs identity:write';

CREATE FUNCTION spotai.create_api_key(
    name text, scopes text[], ttl interval, principal uuid DEFAULT NULL, networks cidr[] DEFAULT NULL)
RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_create_api_key';
COMMENT ON FUNCTION spotai.create_api_key(text, text[], interval, uuid, cidr[]) IS
'makes an API key and answers it, once: only its hash is kept. It stands for the principal of the session; for another one with identity:write; the operator''s, without a principal, for a new service of that name. scopes are permissions that the session has itself. networks: addresses that it is accepted from. 42501 for a scope that the session does not have, 42704 when there is no such principal, 22023 for what is no permission and for more than 3660 days';

CREATE FUNCTION spotai.revoke_api_key(key uuid) RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_revoke_api_key';
COMMENT ON FUNCTION spotai.revoke_api_key(uuid) IS
'ends an API key by the id of its row; one''s own, or any of the tenant with identity:write. False when there is none to end';

-- ---- tenants, principals, roles

CREATE FUNCTION spotai.create_tenant(name text, OUT tenant uuid, OUT administrator uuid)
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_create_tenant';
COMMENT ON FUNCTION spotai.create_tenant(text) IS
'makes a tenant, and in it a principal and a role "administrator" with every permission; log in with spotai.issue_token(administrator). For the operator alone: 42501. 23505 when the name is taken';

CREATE FUNCTION spotai.deactivate_tenant(tenant uuid) RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_deactivate_tenant';
COMMENT ON FUNCTION spotai.deactivate_tenant(uuid) IS
'marks a tenant as deleted: from the next transaction on its credentials are nobody''s. Of the default tenant it ends the operator''s access without a credential, too. For the operator alone: 42501; false when there is none to deactivate';

CREATE FUNCTION spotai.create_principal(
    name text, kind text DEFAULT 'person', issuer text DEFAULT NULL, subject text DEFAULT NULL)
RETURNS uuid
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_create_principal';
COMMENT ON FUNCTION spotai.create_principal(text, text, text, text) IS
'makes a person or a service in the tenant; issuer and subject are what tokens of a trusted issuer call it. Needs identity:write. 23505 when the name, or the subject, is taken, 22023 for names that are empty or longer than 255 bytes';

CREATE FUNCTION spotai.deactivate_principal(principal uuid) RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_deactivate_principal';
COMMENT ON FUNCTION spotai.deactivate_principal(uuid) IS
'marks a principal as deleted: from the next transaction on its credentials are nobody''s. Needs identity:write; false when there is none to deactivate';

CREATE FUNCTION spotai.revoke_tokens(principal uuid) RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_revoke_tokens';
COMMENT ON FUNCTION spotai.revoke_tokens(uuid) IS
'signs a principal out everywhere: tokens issued up to now and all its refresh tokens are refused; API keys stay. For oneself, or with identity:write; false when there is no such principal';

CREATE FUNCTION spotai.create_role(name text, permissions text[]) RETURNS uuid
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_create_role';
COMMENT ON FUNCTION spotai.create_role(text, text[]) IS
'makes a role of the tenant with permissions such as stems:write, stems:* or *. Needs identity:write, and each of the permissions: nobody gives away what he does not have (42501). 23505 when the name is taken, 22023 for what is no permission';

CREATE FUNCTION spotai.grant_role(principal uuid, role text) RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_grant_role';
COMMENT ON FUNCTION spotai.grant_role(uuid, text) IS
'gives a principal a role of the tenant. Needs identity:write, and each permission of the role: 42501. 42704 when there is no such role or principal';

CREATE FUNCTION spotai.revoke_role(principal uuid, role text) RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_revoke_role';
COMMENT ON FUNCTION spotai.revoke_role(uuid, text) IS
'takes a role away from a principal; false when it did not have it. Needs identity:write. 42704 when there is no such role';

-- ---- second factor, refresh tokens, limits

CREATE FUNCTION spotai.totp_enroll(principal uuid) RETURNS text
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_totp_enroll';
COMMENT ON FUNCTION spotai.totp_enroll(uuid) IS
'makes a secret for one-time passwords (RFC 6238) and answers it as an otpauth URI, once; show it as a QR code. The first right code confirms it. For oneself, or with identity:write, which is needed to replace one that is confirmed. 42704 when there is no such principal, 55000 when it is enrolled, and without spotai.key_file or spotai.key_command';

CREATE FUNCTION spotai.totp_recovery_codes(principal uuid, count integer DEFAULT 10) RETURNS text[]
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_totp_recovery_codes';
COMMENT ON FUNCTION spotai.totp_recovery_codes(uuid, integer) IS
'makes codes that are accepted once each instead of a one-time password, and answers them, once; codes made before are void. For oneself, or with identity:write. 55000 when the principal is not enrolled, 22023 for another number than 1 to 100';

CREATE FUNCTION spotai.totp_verify(principal uuid, code text) RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_totp_verify';
COMMENT ON FUNCTION spotai.totp_verify(uuid, text) IS
'whether the code is the principal''s one-time password now, one step earlier or later (spotai.totp_steps), or one of its recovery codes; each is accepted once. After 5 wrong codes in a row none is looked at for 30 seconds, and twice as long with each further one, up to an hour. 25001 in a transaction block, which could take that back. For oneself, or with identity:issue: 42501. False for principals that do not exist or are not enrolled';

CREATE FUNCTION spotai.issue_refresh_token(principal uuid, ttl interval DEFAULT '30 days') RETURNS text
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_issue_refresh_token';
COMMENT ON FUNCTION spotai.issue_refresh_token(uuid, interval) IS
'makes a token that spotai.refresh() exchanges, the first of a family that ends after ttl, at most 366 days; needs identity:issue. 42704 when there is no such principal';

CREATE FUNCTION spotai.refresh(token text, OUT access_token text, OUT refresh_token text)
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_refresh';
COMMENT ON FUNCTION spotai.refresh(text) IS
'exchanges a refresh token for an access token of 15 minutes and the next refresh token; needs no login. Nulls, not an error, when it is refused: a token that was exchanged before revokes its whole family, and an error would take that back. 25001 in a transaction block, for the same reason';

CREATE FUNCTION spotai.rate_limit(bucket text, max_calls integer, per interval) RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_rate_limit';
COMMENT ON FUNCTION spotai.rate_limit(text, integer, interval) IS
'whether this call is one of at most max_calls (10000) in any window of that length, counted for each bucket of the tenant; a call that is refused or rolled back does not count. Callers of one bucket wait for each other''s commit. 42501 for nobody, 22023 for other limits';

-- ---- sessions, and how good a login must be

CREATE FUNCTION spotai.begin_session(
    principal uuid, methods text[], ttl interval DEFAULT '30 days', scopes text[] DEFAULT NULL, label text DEFAULT NULL,
    certificate text DEFAULT NULL, OUT session uuid, OUT access_token text, OUT refresh_token text)
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_begin_session';
COMMENT ON FUNCTION spotai.begin_session(uuid, text[], interval, text[], text, text) IS
'for the service that logs people in: begins a session of a principal who has just proved who he is, by methods such as {pwd,otp,mfa} (RFC 8176). Answers an access token of 15 minutes that says when and how (auth_time, amr), names the session (sid) and ends with it, and a refresh token for spotai.refresh(). scopes: permissions that it has at most. label: what the principal recognises it by. certificate: thumbprint of the client''s certificate (spotai.client_certificate()), without which its tokens are good for nothing (RFC 8705). Needs identity:issue. 42704 when there is no such principal, 22023 for what is no method, no permission, or more than 366 days';

CREATE FUNCTION spotai.client_certificate() RETURNS text
LANGUAGE C STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_client_certificate';
COMMENT ON FUNCTION spotai.client_certificate() IS
'SHA-256 of the certificate that the client of this connection has shown, in base64url, as tokens name it (RFC 8705: x5t#S256); null without one';

CREATE FUNCTION spotai.step_up(code text, OUT session uuid, OUT access_token text, OUT refresh_token text)
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_step_up';
COMMENT ON FUNCTION spotai.step_up(text) IS
'proves the session''s principal again, by a one-time password or a recovery code: ends its session and begins another one, which has a second factor and a recent login, the same scopes and the same end. Nulls when the code is wrong, as spotai.totp_verify(). 55000 for API keys and the operator, 25001 in a transaction block';

CREATE FUNCTION spotai.sessions(
    principal uuid DEFAULT NULL,
    OUT session uuid, OUT of_principal uuid, OUT label text, OUT methods text[], OUT scopes text[], OUT authenticated_at timestamptz,
    OUT refreshed_at timestamptz, OUT expires_at timestamptz, OUT current boolean)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_sessions';
COMMENT ON FUNCTION spotai.sessions(uuid) IS
'sessions that can be refreshed: one''s own, with identity:write another''s; the operator''s, without a principal, all of the tenant. Access tokens of spotai.issue_token() and of other issuers belong to none';

CREATE FUNCTION spotai.end_session(session uuid) RETURNS boolean
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_end_session';
COMMENT ON FUNCTION spotai.end_session(uuid) IS
'ends a session: its refresh token, and from the next transaction on its access tokens. One''s own, or with identity:write or identity:issue; another than the current one needs a recent login (spotai.reauth_after). False when there is none to end';

CREATE FUNCTION spotai.api_keys(
    principal uuid DEFAULT NULL,
    OUT id uuid, OUT of_principal uuid, OUT name text, OUT prefix text, OUT scopes text[], OUT networks cidr[],
    OUT created_at timestamptz, OUT expires_at timestamptz, OUT last_used_at timestamptz)
RETURNS SETOF record
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_api_keys';
COMMENT ON FUNCTION spotai.api_keys(uuid) IS
'API keys that are valid, by their first characters and with the id for spotai.revoke_api_key(): one''s own, with identity:write another''s; the operator''s, without a principal, all of the tenant';

CREATE FUNCTION spotai.require_recent_login() RETURNS void
LANGUAGE C STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_require_recent_login';
COMMENT ON FUNCTION spotai.require_recent_login() IS
'for functions of one''s own that do something sensitive: 42501 for persons whose login is older than spotai.reauth_after or has no second factor where spotai.second_factor wants one, and for nobody';

CREATE FUNCTION spotai.identity_notices(
    since timestamptz, ahead interval DEFAULT '14 days',
    OUT occurred_at timestamptz, OUT principal uuid, OUT notice text, OUT about text)
RETURNS SETOF record
LANGUAGE C STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'spotai_identity_notices';
COMMENT ON FUNCTION spotai.identity_notices(timestamptz, interval) IS
'what principals should hear of, for a program that writes to them: login.refused, login.new_address, recovery_code.used, session.begun, signed_out, factor.enrolled, recovery_codes.made, key.created, key.revoked, and key.expiring, which is ahead of the end. With identity:read of the whole tenant, otherwise of oneself. Ask again with the newest occurred_at';

-- ---- PostgreSQL's roles

CREATE PROCEDURE _spotai.make_roles()
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['spotai_admin', 'spotai_user', 'spotai_auditor', 'spotai_worker', 'spotai_secret_reader'] LOOP
        IF to_regrole(wanted) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN
                    NULL; -- another database of this server made it meanwhile
                WHEN insufficient_privilege THEN
                    RAISE WARNING USING
                        MESSAGE = format('role %s does not exist, and %s may not make it', wanted, current_user),
                        HINT = format('As a superuser: CREATE ROLE %s NOLOGIN; then CALL spotai.migrate() again.', wanted);
            END;
        ELSIF (SELECT r.rolcanlogin FROM pg_roles r WHERE r.rolname = wanted) THEN
            RAISE WARNING USING
                MESSAGE = format('role %s was there before and can log in', wanted),
                HINT = format('Find out who made it; its rights are meant for its members: ALTER ROLE %s NOLOGIN;', wanted);
        END IF;
    END LOOP;
END
$$;
COMMENT ON PROCEDURE _spotai.make_roles() IS
'makes the roles spotai_admin, spotai_user, spotai_auditor, spotai_worker and spotai_secret_reader where they are absent';

-- What each role may do with the tables; row-level security says with which
-- rows.  Nobody but the owner has TRUNCATE, which knows no rows; nobody reads
-- what is sealed or hashed; what needs a permission of spotai has a function.
CREATE FUNCTION _spotai.table_grant(OUT grantee text, OUT relation text, OUT privileges text[])
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT g.grantee, t.relation, g.privileges::text[]
    FROM (VALUES
        ('music', 'spotai_admin', '{SELECT,INSERT,UPDATE,DELETE}'),
        ('music', 'spotai_user', '{SELECT,INSERT,UPDATE,DELETE}'),
        ('music', 'spotai_worker', '{SELECT,INSERT,UPDATE,DELETE}'),
        -- a session installs the model that comes with the extension when it needs it
        ('model', 'spotai_admin', '{SELECT,INSERT,UPDATE,DELETE}'),
        ('model', 'spotai_user', '{SELECT,INSERT,UPDATE}'),
        ('model', 'spotai_worker', '{SELECT,INSERT,UPDATE}'),
        ('tenant', 'spotai_admin', '{SELECT}'),
        ('tenant', 'spotai_user', '{SELECT}'),
        ('tenant', 'spotai_auditor', '{SELECT}'),
        ('tenant', 'spotai_worker', '{SELECT}'),
        ('identity', 'spotai_admin', '{SELECT}'),
        ('identity', 'spotai_auditor', '{SELECT}'),
        ('audit', 'spotai_admin', '{SELECT}'),
        ('audit', 'spotai_auditor', '{SELECT}')
    ) g (kind, grantee, privileges)
    JOIN (VALUES
        ('music', 'audio'), ('music', 'audio_chunk'), ('music', 'track'), ('music', 'job'), ('music', 'schedule'),
        ('music', 'embedding_space'), ('music', 'track_embedding'),
        ('model', 'model'), ('model', 'model_tensor'), ('model', 'model_chunk'),
        ('tenant', 'tenant'),
        ('identity', 'principal'), ('identity', 'role'), ('identity', 'permission'), ('identity', 'role_member'),
        ('identity', 'api_key'), ('identity', 'trusted_issuer'), ('identity', 'login_attempt'),
        ('audit', 'audit_entry'), ('audit', 'audit_pending'), ('audit', 'audit_leaf'), ('audit', 'audit_node'),
        ('audit', 'audit_checkpoint'), ('audit', 'audit_log'), ('audit', 'audit_unsealed'),
        ('audit', 'consent_event'), ('audit', 'legal_hold'), ('audit', 'retention_policy'), ('audit', 'personal_data')
    ) t (kind, relation) USING (kind)
$$;
COMMENT ON FUNCTION _spotai.table_grant() IS
'what migrate() grants on tables and views';

-- Which permission binds those who write to a table directly; functions ask by
-- themselves.  Each is asked for once a statement, and not for rows of other
-- tenants, which a scan may pass: whether there are some is nobody's business.
CREATE FUNCTION _spotai.table_permission(OUT relation text, OUT command text, OUT old_row text, OUT new_row text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.relation, c.command,
           CASE WHEN c.command <> 'INSERT' THEN format(n.own, n.old_row) END,
           CASE WHEN c.command IN ('INSERT', 'UPDATE') THEN format(n.own, coalesce(n.new_row, n.old_row)) END
    FROM (SELECT v.*, 'CASE WHEN tenant_id IS DISTINCT FROM (SELECT spotai.current_tenant()) THEN false ELSE %s END' AS own FROM (VALUES
        ('track', '{INSERT,UPDATE,DELETE}', '(SELECT _spotai.permitted(''track:write''))', NULL),
        -- what was ingested, or what was made of it
        ('audio', '{INSERT,UPDATE,DELETE}',
         'CASE kind WHEN ''original'' THEN (SELECT _spotai.permitted(''track:write'')) ELSE (SELECT _spotai.permitted(''stems:write'')) END', NULL),
        -- whose bytes they are matters only to those who may not write both
        ('audio_chunk', '{INSERT,UPDATE,DELETE}',
         'CASE WHEN (SELECT spotai.has_permission(''track:write'') AND spotai.has_permission(''stems:write'')) THEN true '
         'ELSE CASE (SELECT a.kind FROM spotai.audio a WHERE a.tenant_id = audio_chunk.tenant_id AND a.id = audio_chunk.audio_id) '
         'WHEN ''original'' THEN (SELECT _spotai.permitted(''track:write'')) '
         'WHEN ''stem'' THEN (SELECT _spotai.permitted(''stems:write'')) '
         'WHEN ''remix'' THEN (SELECT _spotai.permitted(''stems:write'')) '
         'ELSE (SELECT _spotai.permitted(''track:write'') AND _spotai.permitted(''stems:write'')) END END', NULL),
        ('model', '{INSERT,UPDATE,DELETE}', '(SELECT _spotai.permitted(''model:write''))', NULL),
        ('model_tensor', '{INSERT,UPDATE,DELETE}', '(SELECT _spotai.permitted(''model:write''))', NULL),
        ('model_chunk', '{INSERT,UPDATE,DELETE}', '(SELECT _spotai.permitted(''model:write''))', NULL),
        ('embedding_space', '{INSERT,UPDATE,DELETE}', '(SELECT _spotai.permitted(''vector:write''))', NULL),
        ('track_embedding', '{INSERT,UPDATE,DELETE}', '(SELECT _spotai.permitted(''vector:write''))', NULL),
        -- what a job will do is in the row as it will be
        ('job', '{INSERT,UPDATE,DELETE}', '(SELECT _spotai.permitted(''job:submit''))',
         '(SELECT _spotai.permitted(''job:submit'')) AND _spotai.job_permitted(kind)'),
        ('schedule', '{INSERT,UPDATE,DELETE}', '(SELECT _spotai.permitted(''job:submit''))',
         '(SELECT _spotai.permitted(''job:submit'')) AND _spotai.job_permitted(kind)'),
        ('audit_entry', '{SELECT}', '(SELECT _spotai.permitted(''audit:read''))', NULL)
    ) v (relation, commands, old_row, new_row)) n, unnest(n.commands::text[]) c (command)
$$;
COMMENT ON FUNCTION _spotai.table_permission() IS
'what migrate() makes policies of, besides those on the tenant: who may write a row as it was, and as it will be';

CREATE PROCEDURE _spotai.permit_table(secured regclass)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- of a partition, the table that it is one of
    of_table text := (SELECT c.relname FROM pg_class c
                      WHERE c.oid = coalesce((SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = secured), secured));
    wanted record;
    policy name;
    made_from text;
BEGIN
    FOR wanted IN SELECT p.command, p.old_row, p.new_row FROM _spotai.table_permission() p WHERE p.relation = of_table LOOP
        policy := 'permitted_' || lower(wanted.command);
        made_from := 'asks for permissions: ' || concat_ws('; then ', wanted.old_row, nullif(wanted.new_row, wanted.old_row));
        CONTINUE WHEN EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = secured AND p.polname = policy
                              AND obj_description(p.oid, 'pg_policy') = made_from);
        IF EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = secured AND p.polname = policy) THEN
            EXECUTE format('DROP POLICY %I ON %s', policy, secured);
        END IF;
        EXECUTE format('CREATE POLICY %I ON %s AS RESTRICTIVE FOR %s %s %s', policy, secured, wanted.command,
                       'USING (' || wanted.old_row || ')', 'WITH CHECK (' || wanted.new_row || ')');
        EXECUTE format('COMMENT ON POLICY %I ON %s IS %L', policy, secured, made_from);
    END LOOP;
END
$$;
COMMENT ON PROCEDURE _spotai.permit_table(regclass) IS
'policies of a table, or of a partition of it, by _spotai.table_permission(); safe to repeat';

CREATE PROCEDURE _spotai.migrated_identity()
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted record;
BEGIN
    -- only where the role has nothing yet: what an administrator made more or less of stays so
    FOR wanted IN
        SELECT g.grantee, c.oid::regclass AS relation, g.privileges
        FROM _spotai.table_grant() g JOIN pg_class c ON c.relnamespace = 'spotai'::regnamespace AND c.relname = g.relation
        WHERE to_regrole(g.grantee) IS NOT NULL
          AND NOT EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee = to_regrole(g.grantee))
    LOOP
        EXECUTE format('GRANT %s ON %s TO %I', array_to_string(wanted.privileges, ', '), wanted.relation, wanted.grantee);
    END LOOP;
END
$$;
COMMENT ON PROCEDURE _spotai.migrated_identity() IS
'what migrate() does for the roles once the tables are there: grants on them; safe to repeat';

-- a dump that is restored grants to them before anybody can call migrate()
CALL _spotai.make_roles();
