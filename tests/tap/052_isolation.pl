# Nobody sees or changes another tenant's rows, nor changes those of the own one
# without permission: every table of the catalog, in every way, by every role,
# with every kind of credential.
#
# The tables come from the catalog, and each must have rows of two tenants: a new
# table fails here until fill() below makes some.  What a role may do at all
# comes from its privileges (sql/privileges.sql has those); what it must never do
# is said here, and what it must be able to do as well, so that a table that
# shows nothing to anybody fails too.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SpotaiModels;
use SpotaiNode;
use Test::More;

# Tables without tenant_id, and why nobody's rows are in them.
my %no_tenant = (
	schema_migration => 'steps of the table layer; no role may read it',
	audit_pending => 'ids and hashes of entries; admin and auditor, who may see the log of all tenants',
	audit_leaf => 'ids and hashes of entries; admin and auditor',
	audit_node => 'hashes of the tree; admin and auditor',
	audit_key => 'keys of the log; admin and auditor, the public halves alone',
	audit_checkpoint => 'signed sizes of the log; admin and auditor',
	audit_unsealed => 'a count; admin and auditor',
	personal_data => 'which tables and columns are about persons; the operator writes it, admin and auditor read it',
);

# The column that says whose a row is, where it is another.
my %tenant_column = (tenant => 'id');

# The owner runs the queue for all tenants, and makes tenants.
my %owner_sees_all = map { $_ => 1 } qw(job schedule tenant);

# Rows are changed by the role that submitted them alone.
my %of_submitter = map { $_ => 1 } qw(job schedule);

# What needs a permission; sql/permissions.sql says which, and that none is missing here.
my %asks_to_write = map { $_ => 1 } qw(audio audio_chunk track job schedule model model_tensor model_chunk embedding_space track_embedding);
sub asks_to_read { return $_[0] =~ /^audit_(entry|log)/; }

my $node = plain_node('isolation', "spotai.key_command = 'echo 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'\n");
install_spotai($node);

sub one { return $node->safe_psql('postgres', $_[0]); }

# --- two tenants with rows in every table -----------------------------------------

my $tiny = slurp_file("$FindBin::RealBin/../../sql/include/sounds.sql");
my $weights = tiny_model('tiny-4stems.safetensors');
my $params = '{"fft_size": 512, "hop": 128, "frames": 64, "bins": 64}';

# In the session of a tenant's administrator.
sub fill
{
	my ($key, $me, $name) = @_;

	return "$tiny
		SELECT spotai.login_api_key('$key');
		SELECT spotai.ingest(pg_temp.sine(440, 9000, 16000, 2, 8000), '$name');
		SELECT count(*) FROM spotai.separate((SELECT id FROM spotai.track WHERE title = '$name'), 2, 'classical');
		SELECT spotai.set_embedding((SELECT id FROM spotai.track WHERE title = '$name'), 'own', '[1,2]');
		SELECT spotai.model_import('$weights', 'tiny', params => '$params');
		SELECT spotai.submit('noop', run_at => now() + interval '1 year');
		SELECT spotai.schedule('nightly', '0 3 * * *', 'noop');
		SELECT spotai.totp_enroll('$me');
		SELECT spotai.totp_recovery_codes('$me', 1);
		SELECT spotai.issue_refresh_token('$me');
		SELECT spotai.trust_issuer('https://id.example.org/', '$name', '{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"x\": \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}');
		SELECT spotai.rate_limit('calls', 10, '1 hour');
		SELECT spotai.secret_put('mail', 'of $name');
		SELECT spotai.audit('test.filled', '$name', '{\"by\": \"$name\"}', '$me');
		SELECT spotai.consent_give('$me', 'newsletter', '1');
		SELECT spotai.hold_place('$me', 'a lawsuit');
		SELECT spotai.retention_set('spotai.login_attempt', '1 year');
		SELECT spotai.issue_token('$me');";
}

my %tenant;
for my $name (qw(own other))
{
	my ($id, $me) = split /\|/, one("SELECT * FROM spotai.create_tenant('$name')");
	my $key = one("SELECT spotai.create_api_key('first', '{*}', '1 day', '$me')");
	my $token = (split /\n/, one(fill($key, $me, $name)))[-1];
	$tenant{$name} = { id => $id, me => $me, token => $token };
}

# A token that was good: its key is there, its time is over.
$tenant{own}{expired} = one("SELECT spotai.issue_token('$tenant{own}{me}', '1 second')");
my ($head, $body, $signature) = split /\./, $tenant{own}{token};
my (undef, undef, $others) = split /\./, $tenant{other}{token};
my %credential = (
	good => $tenant{own}{token},
	none => undef,
	expired => $tenant{own}{expired},
	forged => "$head.$body.$others",
	empty => '',
	# of the own tenant, and with no permission: a person without a role, the administrator's key without a scope
	powerless => one("SELECT set_config('spotai.token', '$tenant{own}{token}', false) IS NOT NULL; SELECT spotai.issue_token(spotai.create_principal('powerless'))"),
	narrow => one("SELECT spotai.create_api_key('narrow', '{}', '1 day', '$tenant{own}{me}')"),
);
$credential{powerless} =~ s/^t\n//;

# --- roles: the four, one that is none of them, and an owner who is no superuser ---

one(q(
	CREATE ROLE r_admin; CREATE ROLE r_user; CREATE ROLE r_auditor; CREATE ROLE r_worker; CREATE ROLE r_plain; CREATE ROLE r_owner;
	GRANT spotai_admin TO r_admin; GRANT spotai_user TO r_user; GRANT spotai_auditor TO r_auditor; GRANT spotai_worker TO r_worker;
	GRANT ALL ON SCHEMA spotai, _spotai TO r_owner;
	GRANT EXECUTE ON ALL ROUTINES IN SCHEMA spotai, _spotai TO r_owner;
	DO $$ DECLARE r regclass; BEGIN
		FOR r IN SELECT oid FROM pg_class WHERE relnamespace IN ('spotai'::regnamespace, '_spotai'::regnamespace)
				 AND relkind IN ('r', 'p', 'v', 'm', 'f') LOOP
			EXECUTE format('ALTER TABLE %s OWNER TO r_owner', r);
		END LOOP;
	END $$));

my @relations = map { { name => $_->[0], kind => $_->[1], partition => $_->[2] eq 't', column => $tenant_column{ $_->[0] } // ($_->[3] || undef), guarded => $_->[4] eq 't' } }
	map { [ split /\|/, $_ ] } split /\n/, one(q(
	SELECT c.relname, c.relkind, c.relispartition, a.attname,
	       EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'append_only')
	FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
	WHERE c.relnamespace IN ('spotai'::regnamespace, '_spotai'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
	ORDER BY c.relname));
cmp_ok(scalar @relations, '>=', 25, 'there are tables');

# --- what the catalog must say ----------------------------------------------------

for my $r (@relations)
{
	next if defined $r->{column};
	ok(defined $no_tenant{ $r->{name} }, "$r->{name} has no tenant_id, and is on the list of tables that need none");
}
my %there = map { $_->{name} => 1 } @relations;
is(join(', ', grep { !$there{$_} } sort keys %no_tenant), '', 'and what is on the list is there');
is(one(q(SELECT string_agg(relname, ', ' ORDER BY relname) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
	WHERE relnamespace = 'spotai'::regnamespace AND relkind IN ('r', 'p') AND NOT relrowsecurity)), '', 'row-level security is on everywhere');
is(one(q(SELECT string_agg(relname, ', ' ORDER BY relname) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
	WHERE relnamespace = 'spotai'::regnamespace AND relkind IN ('r', 'p') AND NOT relforcerowsecurity)), 'job, schedule',
	'also for owners, but for the queue');
is(one(q(SELECT string_agg(c.relname, ', ') FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
	WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind IN ('r', 'p') AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid
	AND p.polpermissive AND p.polroles = '{0}' AND p.polcmd = '*'
	AND pg_get_expr(p.polqual, p.polrelid) = '(tenant_id = ( SELECT spotai.current_tenant() AS current_tenant))'
	AND pg_get_expr(p.polwithcheck, p.polrelid) = '(tenant_id = ( SELECT spotai.current_tenant() AS current_tenant))'))), '',
	'every policy asks once a query (an InitPlan)');
is(one(q(SELECT string_agg(p.polrelid::regclass || ' ' || p.polname, ', ') FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
	WHERE c.relnamespace = 'spotai'::regnamespace AND p.polpermissive AND p.polname <> 'tenant_isolation')), '', 'and no other one lets anybody in');
is(one(q(SELECT string_agg(c.relname, ', ') FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
	WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind IN ('r', 'p')
	AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum AND i.indpred IS NULL))), '', 'every table has an index that begins with tenant_id');
is(one(q(SELECT string_agg(relname, ', ') FROM pg_class WHERE relnamespace = 'spotai'::regnamespace AND relkind = 'v'
	AND NOT coalesce(reloptions::text LIKE '%security_invoker=true%', false))), '', 'views see what their reader may see');

# --- rows: as the superuser sees them, and copies to insert -------------------------

one(q(CREATE TABLE public.copy_of (relation text, tenant text, n bigint, row jsonb); GRANT SELECT ON public.copy_of TO PUBLIC));
for my $r (grep { defined $_->{column} } @relations)
{
	for my $t (qw(own other))
	{
		one("INSERT INTO public.copy_of SELECT '$r->{name}', '$t', count(*), (array_agg(to_jsonb(x)))[1] FROM spotai.$r->{name} x WHERE $r->{column} = '$tenant{$t}{id}'");
		$r->{rows}{$t} = one("SELECT n FROM public.copy_of WHERE relation = '$r->{name}' AND tenant = '$t'");
		# partitions of other months are empty, and are there for the rules below
		cmp_ok($r->{rows}{$t}, '>', 0, "$r->{name} has rows of the tenant \"$t\"") unless $r->{partition};
	}
}

# Tries everything on a table and takes it back: denied, rows, or another error.
one(q(
CREATE FUNCTION public.try(what text, given jsonb DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	BEGIN
		EXECUTE what USING given;
		GET DIAGNOSTICS n = ROW_COUNT;
		RAISE EXCEPTION 'undo' USING ERRCODE = 'PT000';
	EXCEPTION WHEN SQLSTATE 'PT000' THEN RETURN n;
	WHEN insufficient_privilege THEN RETURN 'denied';
	WHEN OTHERS THEN RETURN 'error ' || SQLSTATE;
	END;
END $$;
CREATE FUNCTION public.probe(relation text, tenant_column text, writable boolean, own uuid, other uuid)
RETURNS TABLE (what text, outcome text) LANGUAGE plpgsql AS $$
DECLARE
	t record; c record; columns text;
BEGIN
	SELECT string_agg(quote_ident(attname), ', ') INTO columns FROM pg_attribute
	WHERE attrelid = (SELECT oid FROM pg_class WHERE relname = relation AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'spotai'))
	  AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
	FOR t IN SELECT * FROM (VALUES ('own', own), ('other', other)) v (name, id) LOOP
		RETURN QUERY SELECT 'SELECT ' || t.name, public.try(format('SELECT FROM spotai.%I WHERE %I = %L', relation, tenant_column, t.id));
		CONTINUE WHEN NOT writable;
		FOR c IN SELECT x.row FROM public.copy_of x WHERE x.relation = probe.relation AND x.tenant = t.name LOOP
			RETURN QUERY SELECT 'INSERT ' || t.name, public.try(format(
				'INSERT INTO spotai.%1$I (%2$s) SELECT %2$s FROM jsonb_populate_record(NULL::spotai.%1$I, $1)', relation, columns), c.row);
		END LOOP;
		RETURN QUERY SELECT 'UPDATE ' || t.name, public.try(format('UPDATE spotai.%1$I SET %2$I = %2$I WHERE %2$I = %3$L', relation, tenant_column, t.id));
		RETURN QUERY SELECT 'DELETE ' || t.name, public.try(format('DELETE FROM spotai.%I WHERE %I = %L', relation, tenant_column, t.id));
	END LOOP;
	-- without naming a tenant, too
	RETURN QUERY SELECT 'SELECT all', public.try(format('SELECT FROM spotai.%I', relation));
	IF writable THEN
		RETURN QUERY SELECT 'UPDATE away', public.try(format('UPDATE spotai.%I SET %I = %L', relation, tenant_column, other));
		RETURN QUERY SELECT 'DELETE all', public.try(format('DELETE FROM spotai.%I', relation));
		RETURN QUERY SELECT 'TRUNCATE', public.try(format('TRUNCATE spotai.%I CASCADE', relation));
	END IF;
END $$));

# Privileges as the catalog has them; what one may do at all.
my %may;
for (split /\n/, one(q(SELECT r.rolname, c.relname, p FROM pg_class c, pg_roles r, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) p
	WHERE c.relnamespace IN ('spotai'::regnamespace, '_spotai'::regnamespace) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
	AND r.rolname ~ '^r_' AND (has_table_privilege(r.oid, c.oid, p) OR p = 'SELECT' AND has_any_column_privilege(r.oid, c.oid, p)))))
{
	my ($role, $relation, $privilege) = split /\|/;
	$may{$role}{$relation}{$privilege} = 1;
}

for my $role (qw(r_admin r_auditor))
{
	my ($rc, $out, $err) = $node->psql('postgres', "SET ROLE $role; SELECT sealed FROM spotai.audit_key");
	like($err, qr/permission denied/, "$role does not read the private halves of the log's keys");
}

# --- the matrix -------------------------------------------------------------------

sleep 2; # the expired one is expired
my ($checks, @holes) = (0);

sub hole { push @holes, join(' ', @_); return; }

# What is asked of one answer.
sub judge
{
	my ($role, $with, $r, $what, $outcome) = @_;
	my ($op, $target) = split / /, $what;
	my $name = $r->{name};
	my $weak = $with =~ /powerless|narrow/;
	my $good = $with eq 'good' || $weak;
	my $sees_all = $role eq 'r_owner' && $owner_sees_all{$name};
	my $may = $may{$role}{$name}{$op};
	my @said = ("$role, $with credential: $what on $name:", $outcome);

	$checks++;
	return hole(@said, 'should be denied') if !$may && $outcome ne 'denied';
	return if !$may || $sees_all;
	return hole(@said, 'the log is append-only') if $r->{guarded} && $op ne 'SELECT' && $outcome ne 'denied';
	return if $r->{guarded} && $op ne 'SELECT';
	# who may truncate owns the table
	return hole(@said, 'should be denied') if $op eq 'TRUNCATE' && $role ne 'r_owner';
	return if $op eq 'TRUNCATE';
	if ($weak && ($op eq 'SELECT' ? asks_to_read($name) : $asks_to_write{$name}))
	{
		# where no row of one's own is met, none is changed
		my $none = $op ne 'INSERT' && ($target eq 'other' || $op ne 'SELECT' && $of_submitter{$name} || $r->{partition} && !$r->{rows}{own});
		return hole(@said, 'should be denied for lack of a permission') if $outcome ne 'denied' && !($none && $outcome eq '0');
		return;
	}
	if ($op eq 'INSERT')
	{
		# past the policy is where other constraints speak
		my $passes = $good && $target eq 'own';
		return hole(@said, 'should be denied') if !$passes && $outcome ne 'denied';
		return hole(@said, 'should pass') if $passes && $outcome eq 'denied' && !$of_submitter{$name};
		return;
	}
	if ($target eq 'other' || !$good)
	{
		# without a credential, admin and owner have rows of the default tenant
		return if $with eq 'none' && $target =~ /all|away/ && $role =~ /admin|owner/;
		return hole(@said, 'should be no row') if $outcome ne '0' && $outcome ne 'denied';
		return;
	}
	return hole(@said, 'should be denied') if $target eq 'away' && $outcome ne 'denied' && !($of_submitter{$name} && $outcome eq '0');
	return if $target eq 'away' || $of_submitter{$name} && $op ne 'SELECT';
	# a foreign key may stop it, which is past the policy
	return hole(@said, "should be $r->{rows}{own}") if $outcome ne $r->{rows}{own} && $outcome !~ /^error 23/;
	return;
}

for my $role (qw(r_admin r_user r_auditor r_worker r_plain r_owner))
{
	for my $with (sort keys %credential)
	{
		my $script = "\\set QUIET on\n\\pset format unaligned\n\\pset tuples_only on\n\\set VERBOSITY sqlstate\nSET ROLE $role;\n";
		$script .= "SELECT '' FROM set_config('spotai.token', '$credential{$with}', false);\n" if defined $credential{$with};
		for my $r (@relations)
		{
			my $writable = $r->{kind} eq 'v' ? 'false' : 'true';
			if (defined $r->{column})
			{
				$script .= "SELECT '$r->{name}', * FROM public.probe('$r->{name}', '$r->{column}', $writable, '$tenant{own}{id}', '$tenant{other}{id}');\n";
				my $source = $r->{kind} eq 'v' ? "(SELECT $r->{column} FROM spotai.$r->{name})" : "spotai.$r->{name} ($r->{column})";
				$script .= "\\echo copy|$r->{name}\nCOPY $source TO STDOUT;\n\\echo end|:SQLSTATE\n";
				$script .= "COPY spotai.$r->{name} FROM STDIN;\n\\.\n\\echo from|$r->{name}|:SQLSTATE\n" if $r->{kind} ne 'v';
			}
			else
			{
				my $ways = $r->{kind} eq 'v' ? '' : ", 'DELETE FROM %s', 'TRUNCATE %s CASCADE', 'INSERT INTO %s DEFAULT VALUES'";
				$script .= "SELECT '$r->{name}|' || p || '|' || public.try(format(p, 'spotai.$r->{name}')) FROM unnest(ARRAY['SELECT FROM %s'$ways]) p;\n";
			}
		}
		my ($out, $err) = ('', '');
		IPC::Run::run([ 'psql', '-Xq', '-d', $node->connstr('postgres') ], '<', \$script, '>', \$out, '2>', \$err);
		my %relation = map { $_->{name} => $_ } @relations;
		my ($copying, %lines);
		my $answers = 0;
		for my $line (split /\n/, $out)
		{
			if ($line =~ /^copy\|(.*)/) { $copying = $1; %lines = (); next; }
			if ($line =~ /^end\|(.*)/)
			{
				my ($r, $state) = ($relation{$copying}, $1);
				$answers++;
				for my $t (qw(own other))
				{
					# of a partitioned table COPY has nothing: its partitions have it
					next if $t eq 'own' && $r->{kind} eq 'p';
					# psql takes no notice of an error that comes once the rows are on their way
					my $refused = $state eq '42501' || $state eq '00000' && !%lines && $err =~ /42501/;
					judge($role, $with, $r, "SELECT $t", $refused ? 'denied' : $state eq '00000' ? $lines{ $tenant{$t}{id} } // 0 : "error $state");
				}
				undef $copying;
				next;
			}
			if (defined $copying) { $lines{$line}++; next; }
			if ($line =~ /^from\|(.*)\|(.*)/)
			{
				$checks++;
				$answers++;
				# the server takes no COPY FROM past policies; an owner who is past them brings no row here
				hole("$role, $with credential: COPY FROM on $1: $2") unless $2 =~ /^(42501|0A000)$/ || $role eq 'r_owner' && $owner_sees_all{$1};
				next;
			}
			next if $line eq '';
			my ($name, $what, $outcome) = split /\|/, $line;
			$answers++;
			if (defined $relation{$name}{column}) { judge($role, $with, $relation{$name}, $what, $outcome); next; }
			$checks++;
			my ($op) = $what =~ /^(\w+)/;
			my $may = $may{$role}{$name}{$op};
			hole("$role, $with credential: $op on $name: $outcome") if !$may && $outcome ne 'denied' || $may && $op ne 'SELECT' && $role ne 'r_owner';
		}
		cmp_ok($answers, '>', 5 * @relations, "$role, $with credential: everything was tried") or diag(substr $err, 0, 2000);
	}
}
is(join("\n", @holes), '', "no hole in $checks checks of " . scalar(@relations) . ' tables and views');
cmp_ok($checks, '>', 5000, 'which were many');

# --- a test that cannot fail is none: each rule is broken once ------------------------

sub outcome
{
	my ($role, $what, $relation) = @_;
	my ($out, $err) = ('', '');
	my $script = "SET ROLE $role; SELECT '' FROM set_config('spotai.token', '$credential{good}', false);\nSELECT outcome FROM public.probe('$relation', 'tenant_id', true, '$tenant{own}{id}', '$tenant{other}{id}') WHERE what = '$what';";
	IPC::Run::run([ 'psql', '-XqAt', '-d', $node->connstr('postgres') ], '<', \$script, '>', \$out, '2>', \$err);
	return (split /\n/, $out)[-1];
}
is(outcome('r_user', 'SELECT other', 'track'), '0', 'a user sees no track of another tenant');
one('ALTER TABLE spotai.track DISABLE ROW LEVEL SECURITY');
cmp_ok(outcome('r_user', 'SELECT other', 'track'), '>', 0, 'without row-level security it would');
one('ALTER TABLE spotai.track ENABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY');
is(outcome('r_user', 'SELECT other', 'track'), '0', 'with it, not');
cmp_ok(outcome('r_owner', 'SELECT other', 'track'), '>', 0, 'but the owner would, were it not forced');
one('ALTER TABLE spotai.track FORCE ROW LEVEL SECURITY');
is(outcome('r_owner', 'SELECT other', 'track'), '0', 'forced, not');
one('CREATE POLICY hole ON spotai.track FOR INSERT WITH CHECK (true)');
is(outcome('r_user', 'INSERT other', 'track'), 'denied', 'a second policy on the tenant lets nothing in past the one on the permission');
one('DROP POLICY permitted_insert ON spotai.track');
isnt(outcome('r_user', 'INSERT other', 'track'), 'denied', 'a second policy would let rows in');
one('DROP POLICY hole ON spotai.track');
is(outcome('r_user', 'INSERT other', 'track'), 'denied', 'the one does not');
$credential{good} = $credential{powerless};
is(outcome('r_user', 'UPDATE own', 'track'), 'denied', 'whoever has no permission changes no track');
one('DROP POLICY permitted_update ON spotai.track');
cmp_ok(outcome('r_user', 'UPDATE own', 'track'), '>', 0, 'but for the policy that asks for it');

$node->stop;
done_testing();
