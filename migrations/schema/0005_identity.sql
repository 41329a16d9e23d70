-- principals, roles, credentials and keys

CREATE TABLE spotai.principal (
    tenant_id uuid NOT NULL REFERENCES spotai.tenant (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    kind text NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'service')),
    name text NOT NULL CHECK (name <> '' AND octet_length(name) <= 255),
    issuer text CHECK (issuer <> ''),
    subject text CHECK (subject <> ''),
    tokens_after timestamptz NOT NULL DEFAULT '-infinity',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CHECK ((issuer IS NULL) = (subject IS NULL))
);
CREATE UNIQUE INDEX principal_name_key ON spotai.principal (tenant_id, name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX principal_subject_key ON spotai.principal (tenant_id, issuer, subject) WHERE issuer IS NOT NULL;
-- the operator issues tokens for principals of any tenant
CREATE INDEX principal_id_idx ON spotai.principal (id);
COMMENT ON INDEX spotai.principal_name_key IS 'names are unique among the principals that are alive';
COMMENT ON INDEX spotai.principal_subject_key IS 'who a token of a trusted issuer is about';
COMMENT ON INDEX spotai.principal_id_idx IS 'for the operator, who acts across tenants';
COMMENT ON TABLE spotai.principal IS 'people and services that credentials stand for';
COMMENT ON COLUMN spotai.principal.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.principal.id IS 'identifier; the subject of tokens that spotai issues';
COMMENT ON COLUMN spotai.principal.kind IS 'person or service';
COMMENT ON COLUMN spotai.principal.name IS 'name for people';
COMMENT ON COLUMN spotai.principal.issuer IS 'trusted issuer that knows the principal; null when only spotai does';
COMMENT ON COLUMN spotai.principal.subject IS 'what the issuer calls it: the claim sub of its tokens';
COMMENT ON COLUMN spotai.principal.tokens_after IS 'tokens that were issued before this time are not accepted any more';
COMMENT ON COLUMN spotai.principal.created_at IS 'when the row was made';
COMMENT ON COLUMN spotai.principal.updated_at IS 'when the row was last changed';
COMMENT ON COLUMN spotai.principal.deleted_at IS 'when the principal was deactivated: its credentials are nobody''s from then on; null while it is alive';

CREATE TABLE spotai.role (
    tenant_id uuid NOT NULL REFERENCES spotai.tenant (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);
COMMENT ON TABLE spotai.role IS 'roles of principals: names for sets of permissions; not PostgreSQL''s roles';
COMMENT ON COLUMN spotai.role.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.role.id IS 'identifier';
COMMENT ON COLUMN spotai.role.name IS 'name, unique in the tenant';
COMMENT ON COLUMN spotai.role.created_at IS 'when the row was made';
COMMENT ON COLUMN spotai.role.updated_at IS 'when the row was last changed';

CREATE TABLE spotai.permission (
    tenant_id uuid NOT NULL,
    role_id uuid NOT NULL,
    name text NOT NULL CHECK (name ~ '^([a-z][a-z0-9_]{0,62}:([a-z][a-z0-9_]{0,62}|\*)|\*)$'),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, role_id, name),
    FOREIGN KEY (tenant_id, role_id) REFERENCES spotai.role (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE spotai.permission IS 'what roles may do';
COMMENT ON COLUMN spotai.permission.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.permission.role_id IS 'role that has the permission';
COMMENT ON COLUMN spotai.permission.name IS 'room:verb such as stems:write, room:* for all of a room, * for everything';
COMMENT ON COLUMN spotai.permission.created_at IS 'when the row was made';

CREATE TABLE spotai.role_member (
    tenant_id uuid NOT NULL,
    role_id uuid NOT NULL,
    principal_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, principal_id, role_id),
    FOREIGN KEY (tenant_id, role_id) REFERENCES spotai.role (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, principal_id) REFERENCES spotai.principal (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX role_member_role_idx ON spotai.role_member (tenant_id, role_id);
COMMENT ON INDEX spotai.role_member_role_idx IS 'who has a role';
COMMENT ON TABLE spotai.role_member IS 'which principals have which roles';
COMMENT ON COLUMN spotai.role_member.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.role_member.role_id IS 'role';
COMMENT ON COLUMN spotai.role_member.principal_id IS 'principal that has it';
COMMENT ON COLUMN spotai.role_member.created_at IS 'when the role was given';

CREATE TABLE spotai.api_key (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    principal_id uuid NOT NULL,
    name text NOT NULL CHECK (name <> '' AND octet_length(name) <= 255),
    prefix text NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    scopes text[] NOT NULL,
    networks cidr[],
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, principal_id) REFERENCES spotai.principal (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX api_key_hash_idx ON spotai.api_key (hash);
CREATE INDEX api_key_principal_idx ON spotai.api_key (tenant_id, principal_id);
COMMENT ON INDEX spotai.api_key_hash_idx IS 'whose key is this? asked before the tenant is known';
COMMENT ON INDEX spotai.api_key_principal_idx IS 'the keys of a principal';
COMMENT ON TABLE spotai.api_key IS 'API keys, made by spotai.create_api_key(); the key itself is shown once and not kept';
COMMENT ON COLUMN spotai.api_key.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.api_key.id IS 'identifier';
COMMENT ON COLUMN spotai.api_key.principal_id IS 'principal that the key stands for';
COMMENT ON COLUMN spotai.api_key.name IS 'name for people';
COMMENT ON COLUMN spotai.api_key.prefix IS 'the first characters of the key, to recognise it by; they open nothing';
COMMENT ON COLUMN spotai.api_key.hash IS 'SHA-256 of the key, which has 256 random bits';
COMMENT ON COLUMN spotai.api_key.scopes IS 'permissions that sessions with the key have at most';
COMMENT ON COLUMN spotai.api_key.networks IS 'addresses that the key is accepted from; null: any, also a Unix socket';
COMMENT ON COLUMN spotai.api_key.expires_at IS 'when the key ends to be valid';
COMMENT ON COLUMN spotai.api_key.last_used_at IS 'when it was last used by spotai.login_api_key(), to the minute';
COMMENT ON COLUMN spotai.api_key.created_at IS 'when the row was made';
COMMENT ON COLUMN spotai.api_key.revoked_at IS 'when the key was revoked; null while it is valid';

CREATE TABLE spotai.signing_key (
    tenant_id uuid NOT NULL REFERENCES spotai.tenant (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    kid text NOT NULL CHECK (kid <> ''),
    algorithm text NOT NULL CHECK (algorithm IN ('EdDSA', 'ES256')),
    public_key jsonb NOT NULL CHECK (jsonb_typeof(public_key) = 'object'),
    private_key bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz,
    expires_at timestamptz CHECK ((expires_at IS NULL) = (retired_at IS NULL)),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, kid)
);
CREATE UNIQUE INDEX signing_key_active_key ON spotai.signing_key (tenant_id) WHERE retired_at IS NULL;
CREATE INDEX signing_key_kid_idx ON spotai.signing_key (kid);
COMMENT ON INDEX spotai.signing_key_active_key IS 'a tenant signs with one key at a time';
COMMENT ON INDEX spotai.signing_key_kid_idx IS 'which key is a token signed with? asked before the tenant is known';
COMMENT ON TABLE spotai.signing_key IS 'keys that spotai.issue_token() signs with, made at first use and by spotai.rotate_signing_key()';
COMMENT ON COLUMN spotai.signing_key.tenant_id IS 'owner; a key makes tokens of this tenant alone';
COMMENT ON COLUMN spotai.signing_key.id IS 'identifier';
COMMENT ON COLUMN spotai.signing_key.kid IS 'name of the key in tokens: its thumbprint (RFC 7638)';
COMMENT ON COLUMN spotai.signing_key.algorithm IS 'algorithm that the key is for, and no other';
COMMENT ON COLUMN spotai.signing_key.public_key IS 'the public half, a JSON Web Key';
COMMENT ON COLUMN spotai.signing_key.private_key IS 'the private half, sealed by the room secrets';
COMMENT ON COLUMN spotai.signing_key.created_at IS 'when the row was made';
COMMENT ON COLUMN spotai.signing_key.retired_at IS 'when a newer key began to sign; null for the one that signs';
COMMENT ON COLUMN spotai.signing_key.expires_at IS 'until when tokens of a retired key are accepted and its public half is published';

CREATE TABLE spotai.trusted_issuer (
    tenant_id uuid NOT NULL REFERENCES spotai.tenant (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    issuer text NOT NULL CHECK (issuer <> '' AND octet_length(issuer) <= 1023),
    audience text NOT NULL CHECK (audience <> '' AND octet_length(audience) <= 1023),
    jwks jsonb NOT NULL CHECK (jsonb_typeof(jwks) = 'object'),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, issuer, audience)
);
CREATE INDEX trusted_issuer_issuer_idx ON spotai.trusted_issuer (issuer);
COMMENT ON INDEX spotai.trusted_issuer_issuer_idx IS 'whose token is this? asked before the tenant is known';
COMMENT ON TABLE spotai.trusted_issuer IS 'others whose tokens are accepted, made by spotai.trust_issuer()';
COMMENT ON COLUMN spotai.trusted_issuer.tenant_id IS 'owner: the tenant that tokens of the issuer for the audience belong to';
COMMENT ON COLUMN spotai.trusted_issuer.id IS 'identifier';
COMMENT ON COLUMN spotai.trusted_issuer.issuer IS 'claim iss of its tokens';
COMMENT ON COLUMN spotai.trusted_issuer.audience IS 'claim aud that its tokens must name';
COMMENT ON COLUMN spotai.trusted_issuer.jwks IS 'its public keys, a JSON Web Key Set';
COMMENT ON COLUMN spotai.trusted_issuer.created_at IS 'when the row was made';
COMMENT ON COLUMN spotai.trusted_issuer.updated_at IS 'when the keys were last replaced';

CREATE TABLE spotai.totp (
    tenant_id uuid NOT NULL,
    principal_id uuid NOT NULL,
    secret bytea NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    last_step bigint NOT NULL DEFAULT -1,
    failures integer NOT NULL DEFAULT 0,
    locked_until timestamptz NOT NULL DEFAULT '-infinity',
    confirmed_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, principal_id),
    FOREIGN KEY (tenant_id, principal_id) REFERENCES spotai.principal (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE spotai.totp IS 'one-time passwords of principals, made by spotai.totp_enroll()';
COMMENT ON COLUMN spotai.totp.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.totp.principal_id IS 'principal whose second factor it is';
COMMENT ON COLUMN spotai.totp.secret IS 'the secret that is shared with the authenticator, sealed by the room secrets';
COMMENT ON COLUMN spotai.totp.version IS 'how often the principal was enrolled; sealed with the secret';
COMMENT ON COLUMN spotai.totp.last_step IS 'time step of the last code that was accepted; codes up to it are not accepted again';
COMMENT ON COLUMN spotai.totp.failures IS 'wrong codes since the last right one';
COMMENT ON COLUMN spotai.totp.locked_until IS 'no code is looked at before this time, because too many were wrong';
COMMENT ON COLUMN spotai.totp.confirmed_at IS 'when the first right code came; null: the authenticator has not proved yet that it has the secret';
COMMENT ON COLUMN spotai.totp.created_at IS 'when the row was made';
COMMENT ON COLUMN spotai.totp.updated_at IS 'when the row was last changed';

CREATE TABLE spotai.recovery_code (
    tenant_id uuid NOT NULL,
    principal_id uuid NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, principal_id, hash),
    FOREIGN KEY (tenant_id, principal_id) REFERENCES spotai.totp (tenant_id, principal_id) ON DELETE CASCADE
);
COMMENT ON TABLE spotai.recovery_code IS 'codes for who has lost the authenticator, made by spotai.totp_recovery_codes(); a row goes when its code is used';
COMMENT ON COLUMN spotai.recovery_code.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.recovery_code.principal_id IS 'principal whose code it is';
COMMENT ON COLUMN spotai.recovery_code.hash IS 'SHA-256 of the code, which has 120 random bits';
COMMENT ON COLUMN spotai.recovery_code.created_at IS 'when the row was made';

CREATE TABLE spotai.refresh_token (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    family_id uuid NOT NULL,
    principal_id uuid NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    revoked_at timestamptz,
    authenticated_at timestamptz,
    methods text[],
    scopes text[],
    label text CHECK (label <> '' AND octet_length(label) <= 255),
    certificate text,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, principal_id) REFERENCES spotai.principal (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX refresh_token_hash_idx ON spotai.refresh_token (hash);
CREATE INDEX refresh_token_family_idx ON spotai.refresh_token (tenant_id, family_id);
CREATE INDEX refresh_token_principal_idx ON spotai.refresh_token (tenant_id, principal_id);
CREATE INDEX refresh_token_revoked_idx ON spotai.refresh_token (tenant_id, family_id) WHERE revoked_at IS NOT NULL;
COMMENT ON INDEX spotai.refresh_token_revoked_idx IS 'has a session ended? asked for each of its access tokens';
COMMENT ON INDEX spotai.refresh_token_hash_idx IS 'whose token is this? asked before the tenant is known';
COMMENT ON INDEX spotai.refresh_token_family_idx IS 'all that came from one login, to revoke them';
COMMENT ON INDEX spotai.refresh_token_principal_idx IS 'the refresh tokens of a principal';
COMMENT ON TABLE spotai.refresh_token IS 'tokens that are exchanged for new ones once; using one twice revokes its family';
COMMENT ON COLUMN spotai.refresh_token.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.refresh_token.id IS 'identifier';
COMMENT ON COLUMN spotai.refresh_token.family_id IS 'the session: the tokens that came from one login, one after the other; the claim sid of access tokens';
COMMENT ON COLUMN spotai.refresh_token.principal_id IS 'principal that new tokens are for';
COMMENT ON COLUMN spotai.refresh_token.hash IS 'SHA-256 of the token, which has 256 random bits';
COMMENT ON COLUMN spotai.refresh_token.created_at IS 'when the row was made';
COMMENT ON COLUMN spotai.refresh_token.expires_at IS 'when the family ends; exchanging does not move it';
COMMENT ON COLUMN spotai.refresh_token.used_at IS 'when the token was exchanged; null while it is the newest of its family';
COMMENT ON COLUMN spotai.refresh_token.revoked_at IS 'when the family was revoked; null while it is valid';
COMMENT ON COLUMN spotai.refresh_token.authenticated_at IS 'when the principal logged in: the claim auth_time of access tokens; null when nobody said so';
COMMENT ON COLUMN spotai.refresh_token.methods IS 'how it logged in: the claim amr; null when nobody said so';
COMMENT ON COLUMN spotai.refresh_token.scopes IS 'permissions that access tokens have at most; null: no such limit';
COMMENT ON COLUMN spotai.refresh_token.certificate IS 'thumbprint of the certificate of the client that the session is bound to (RFC 8705); null: none';
COMMENT ON COLUMN spotai.refresh_token.label IS 'what the principal recognises the session by, such as its device';

CREATE TABLE spotai.login_attempt (
    tenant_id uuid NOT NULL REFERENCES spotai.tenant (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL CHECK (kind IN ('token', 'api_key', 'totp', 'recovery_code', 'refresh_token')),
    principal_id uuid,
    accepted boolean NOT NULL,
    reason text,
    client inet,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX login_attempt_time_idx ON spotai.login_attempt (tenant_id, occurred_at);
CREATE INDEX login_attempt_principal_idx ON spotai.login_attempt (tenant_id, principal_id, occurred_at);
COMMENT ON INDEX spotai.login_attempt_time_idx IS 'what happened lately';
COMMENT ON INDEX spotai.login_attempt_principal_idx IS 'what a principal did lately';
COMMENT ON TABLE spotai.login_attempt IS 'logins and refusals; a refusal that raises an error is in the server''s log instead';
COMMENT ON COLUMN spotai.login_attempt.tenant_id IS 'owner; the default tenant when nobody knows whose it was';
COMMENT ON COLUMN spotai.login_attempt.id IS 'identifier';
COMMENT ON COLUMN spotai.login_attempt.occurred_at IS 'when it was';
COMMENT ON COLUMN spotai.login_attempt.kind IS 'what was presented: token, api_key, totp, recovery_code or refresh_token';
COMMENT ON COLUMN spotai.login_attempt.principal_id IS 'who it was about; null when nobody knows';
COMMENT ON COLUMN spotai.login_attempt.accepted IS 'whether it was accepted';
COMMENT ON COLUMN spotai.login_attempt.reason IS 'why it was refused';
COMMENT ON COLUMN spotai.login_attempt.client IS 'address of the client; null for a Unix socket';

CREATE TABLE spotai.rate_limit_bucket (
    tenant_id uuid NOT NULL REFERENCES spotai.tenant (id),
    name text NOT NULL CHECK (octet_length(name) <= 1023),
    calls timestamptz[] NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name)
) WITH (fillfactor = 70);
COMMENT ON TABLE spotai.rate_limit_bucket IS 'the calls of spotai.rate_limit() that are in the window';
COMMENT ON COLUMN spotai.rate_limit_bucket.tenant_id IS 'owner';
COMMENT ON COLUMN spotai.rate_limit_bucket.name IS 'what is counted';
COMMENT ON COLUMN spotai.rate_limit_bucket.calls IS 'when the allowed calls of the last window were, oldest first';
COMMENT ON COLUMN spotai.rate_limit_bucket.expires_at IS 'when the row means nothing any more';
