# Identity on a running server: pooled sessions, several backends, jobs, parallel
# queries, what the log and the activity view hold, races, odd strings.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use FindBin;
use JSON::PP;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SpotaiNode;
use Test::More;
use Time::HiRes qw(sleep time);

my $preload = join ',', 'spotai', grep { -e config('pkglibdir') . "/$_.so" } qw(auto_explain pg_stat_statements);
my $node = PostgreSQL::Test::Cluster->new('identity');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "
shared_preload_libraries = '$preload'
max_worker_processes = 16
listen_addresses = '127.0.0.1'
spotai.workers = 1
spotai.key_command = 'echo 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'
log_statement = all
log_duration = on
log_min_duration_statement = 0
log_min_error_statement = debug5
log_min_messages = debug1
log_parameter_max_length_on_error = -1
auto_explain.log_min_duration = 0
auto_explain.log_verbose = on
auto_explain.log_nested_statements = on
");
$node->start;
install_spotai($node);

sub config { my ($what) = @_; chomp(my $dir = `"$ENV{PG_CONFIG}" --$what`); return $dir; }
sub one { return $node->safe_psql('postgres', $_[0]); }

# Which of the servers sessions are on.
my $server = $node;

# A session of the application: its lines, errors as "ERROR: SQLSTATE".
sub app
{
	my ($script, $role, $host) = @_;
	my ($out, $said) = ('', '');

	$script = "\\set QUIET on\n\\set VERBOSITY sqlstate\n\\pset format unaligned\n\\pset tuples_only on\n" . $script;
	IPC::Run::run([ 'psql', '-Xq', '-d', $server->connstr('postgres') . " user=" . ($role // 'app') . ($host ? " host=$host" : '') ], '<', \$script, '>', \$out, '2>&1')
		or $said = "psql failed\n";
	chomp $out;
	return $out . $said;
}

# The same from inside of such a session, in another backend.
sub elsewhere
{
	my ($statement, $user) = @_;
	my $connection = $node->connstr('postgres') . ($user ? " user=$user" : '');

	$statement =~ s/'/'\\''/g;
	return qq(\\! psql -XqAt -d "$connection" -c '$statement'\n);
}

my $who = q(SELECT coalesce((SELECT name FROM public.who WHERE id = spotai.current_tenant()), 'nobody'),
	coalesce((SELECT name FROM public.who WHERE id = spotai.current_principal()), '-');) . "\n";

one('CREATE ROLE app LOGIN; GRANT spotai_user TO app; CREATE ROLE boss LOGIN; GRANT spotai_admin TO boss;
	CREATE ROLE runner LOGIN; GRANT spotai_worker TO runner;
	CREATE TABLE public.who (id uuid, name text); GRANT SELECT ON public.who TO PUBLIC');
one(q(INSERT INTO who VALUES ('00000000-0000-0000-0000-000000000001', 'default')));
my %tenant;
for my $name (qw(acme bolt))
{
	my ($id, $root) = split /\|/, one("SELECT * FROM spotai.create_tenant('$name')");
	one("INSERT INTO who VALUES ('$id', '$name'), ('$root', 'root of $name')");
	my $token = one("SELECT spotai.issue_token('$root', '1 hour')");
	$tenant{$name} = { id => $id, root => $root, token => $token };
}
my ($a, $b) = map { $tenant{$_}{token} } qw(acme bolt);

# --- one backend, many customers: what a pooler does --------------------------------

is(app($who), 'nobody|-', 'an ordinary role is nobody');
is(app($who, 'boss'), 'default|-', 'a member of spotai_admin acts for the default tenant');
my $turns = '';
my @expected;
for my $i (1 .. 40)
{
	my ($name, $token) = $i % 3 == 0 ? ('nobody', 'x' . $a) : $i % 2 ? ('acme', $a) : ('bolt', $b);
	my $end = ('COMMIT', 'ROLLBACK', 'SELECT 1 / 0; COMMIT', 'SAVEPOINT s; SELECT 1 / 0; ROLLBACK TO s; COMMIT')[ $i % 4 ];
	$turns .= "BEGIN; SET LOCAL spotai.token = '$token';\n${who}${end};\n$who";
	push @expected, $name eq 'nobody' ? 'nobody|-' : "$name|root of $name";
	push @expected, 'ERROR:  22012' if $i % 4 >= 2;
	push @expected, 'nobody|-';
}
is(app($turns), join("\n", @expected), 'SET LOCAL lasts for its transaction, however that ends, and is nobody in between');
is(app("SELECT set_config('spotai.token', '$a', true) = 'withheld';\n$who"), "t\nnobody|-", 'outside a transaction block it is gone with its statement');
is(app("SET spotai.token = '$a';\n${who}DISCARD ALL;\n$who"), "acme|root of acme\nnobody|-", 'DISCARD ALL logs out');
is(app("SET spotai.token = '$a';\n${who}RESET ALL;\n$who"), "acme|root of acme\nnobody|-", 'RESET ALL, too');
is(app("BEGIN; SAVEPOINT one; SET LOCAL spotai.token = '$a';\n${who}SAVEPOINT two; SET LOCAL spotai.token = '$b';\n${who}ROLLBACK TO two;\n${who}ROLLBACK TO one;\n${who}COMMIT;"),
	"acme|root of acme\nbolt|root of bolt\nacme|root of acme\nnobody|-", 'savepoints take it back');
is(app("BEGIN; SELECT spotai.login('$a') IS NOT NULL;\n${who}ROLLBACK;\n$who"), "t\nacme|root of acme\nnobody|-", 'a login that is rolled back');
is(app("BEGIN; SELECT spotai.login('$a') IS NOT NULL; COMMIT;\n${who}SELECT spotai.logout();\n$who"), "t\nacme|root of acme\n\nnobody|-", 'a login that is committed, and logout');
is(app("BEGIN READ ONLY; SELECT spotai.login('$a') IS NOT NULL;\n${who}COMMIT;\n$who"), "t\nacme|root of acme\nacme|root of acme", 'a login that cannot be written down');
is(one("SELECT count(*) FROM spotai.login_attempt WHERE kind = 'token'"), '1', 'one login was committed and could be written down');
is(app("SELECT spotai.login('$a') IS NOT NULL;\nSET ROLE NONE;\n$who"), "t\nacme|root of acme", 'the role does not matter to who has logged in');
is(app("PREPARE t AS SELECT count(*) FROM spotai.tenant WHERE name = 'acme';\nEXECUTE t;\nSET spotai.token = '$a';\nEXECUTE t;\nSET spotai.token = '$b';\nEXECUTE t;\nRESET spotai.token;\nEXECUTE t;"),
	"0\n1\n0\n0", 'a prepared plan sees who asks now');

# --- who calls, and through what ------------------------------------------------------

one(q(CREATE FUNCTION public.definer() RETURNS uuid LANGUAGE sql SECURITY DEFINER AS 'SELECT spotai.current_tenant()';
	CREATE FUNCTION public.borrowed() RETURNS uuid LANGUAGE sql AS 'SELECT spotai.current_tenant()';
	CREATE VIEW public.tracks AS SELECT * FROM spotai.track; GRANT SELECT ON public.tracks TO app;
	CREATE FUNCTION public.count_all() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM spotai.track'));
one("ALTER FUNCTION public.borrowed() SET spotai.token = '$b'");
is(app("SELECT public.definer() IS NULL;\n"), 't', 'SECURITY DEFINER of a superuser makes nobody an operator');
is(app("SET spotai.token = '$a';\nSELECT public.definer() = '$tenant{acme}{id}', public.borrowed() = '$tenant{bolt}{id}', spotai.current_tenant() = '$tenant{acme}{id}';"), 't|t|t',
	'a function with a credential of its own has it for as long as it runs');
one('GRANT app TO boss');
is(app("${who}SET ROLE app;\n${who}RESET ROLE;\n$who", 'boss'), "default|-\nnobody|-\ndefault|-", 'SET ROLE to less is less');

# --- two backends: gone at once --------------------------------------------------------

my $root = $tenant{acme}{root};
my $ann = app("SET spotai.token = '$a';\nSELECT spotai.create_principal('ann');");
one("INSERT INTO who VALUES ('$ann', 'ann')");
my $ann_token = one("SELECT spotai.issue_token('$ann', '1 hour')");
my $ann_key = app("SET spotai.token = '$a';\nSELECT spotai.create_api_key('of ann', '{}', '1 day', '$ann');");
is(app("SELECT spotai.login('$ann_token') IS NOT NULL;\n$who"
		. elsewhere("BEGIN; SELECT set_config('spotai.token', '$a', true) = ''; SELECT spotai.deactivate_principal('$ann'); COMMIT", 'app') . $who
		. "SELECT count(*) FROM spotai.tenant;\n"), "t\nacme|ann\nf\nt\nnobody|-\n0", 'a principal that is deactivated is nobody in the next statement of another session');
is(app("SELECT spotai.login_api_key('$ann_key');"), 'ERROR:  28000', 'and its key opens nothing');
one("UPDATE spotai.principal SET deleted_at = NULL WHERE id = '$ann'");
is(app("BEGIN; SET LOCAL spotai.token = '$ann_token';\n$who"
		. elsewhere("UPDATE spotai.principal SET deleted_at = now() WHERE id = '$ann'") . "${who}COMMIT; BEGIN; SET LOCAL spotai.token = '$ann_token';\n${who}COMMIT;"),
	"acme|ann\nacme|ann\nnobody|-", 'a transaction that has begun ends as it began');
one("UPDATE spotai.principal SET deleted_at = NULL WHERE id = '$ann'");
is(app("SET spotai.token = '$ann_token';\n$who" . elsewhere("UPDATE spotai.tenant SET deleted_at = now() WHERE name = 'acme'") . $who
		. elsewhere("UPDATE spotai.tenant SET deleted_at = NULL WHERE name = 'acme'") . $who), "acme|ann\nnobody|-\nacme|ann", 'so is everybody of a tenant');
is(app("SELECT spotai.login_api_key('$ann_key') IS NOT NULL;\n$who" . elsewhere("UPDATE spotai.api_key SET expires_at = now() WHERE name = 'of ann'") . $who),
	"t\nacme|ann\nnobody|-", 'a key that has expired meanwhile');
my $short = one("SELECT spotai.issue_token('$ann', '2 seconds')");
is(app("SELECT spotai.login('$short') IS NOT NULL;\n${who}SELECT pg_sleep(2.2) IS NULL;\n$who"), "t\nacme|ann\nf\nnobody|-", 'a token that expires while its session lives');
is(app("SET spotai.token = '$a';\n$who" . elsewhere("BEGIN; SELECT set_config('spotai.token', '$a', true) = ''; SELECT spotai.rotate_signing_key('0') = ''; COMMIT", 'app') . $who),
	"acme|root of acme\nf\nf\nnobody|-", 'a key that was rotated without overlap');
$a = one("SELECT spotai.issue_token('$root', '1 hour')");
is(app($who . elsewhere('REVOKE spotai_admin FROM boss') . $who, 'boss'), "default|-\nnobody|-", 'a role that is no member any more');
one('GRANT spotai_admin TO boss');

# --- from where -----------------------------------------------------------------------

my ($near, $far) = split /\n/, one("SELECT spotai.create_api_key('near', '{}', '1 day', '$ann', '{127.0.0.0/8,::1/128}');
	SELECT spotai.create_api_key('far', '{}', '1 day', '$ann', '{10.0.0.0/8}')");
is(app("SELECT spotai.login_api_key('$near') IS NOT NULL;\n$who", undef, '127.0.0.1'), "t\nacme|ann", 'a key is accepted from its network');
is(app("SELECT spotai.login_api_key('$far');\n", undef, '127.0.0.1'), 'ERROR:  28000', 'from no other');
is(app("SET spotai.token = '$far';\n$who", undef, '127.0.0.1'), 'nobody|-', 'also as a setting');
is(app("SELECT spotai.login_api_key('$near');\n"), 'ERROR:  28000', 'nor from a Unix socket');
is(one("SELECT client FROM spotai.login_attempt WHERE client IS NOT NULL"), '127.0.0.1', 'the address is written down');

# --- parallel queries -------------------------------------------------------------------

one(q(CREATE TABLE spotai.lots (tenant_id uuid NOT NULL, n integer NOT NULL, PRIMARY KEY (tenant_id, n));
	CALL _spotai.secure_tables(); GRANT SELECT ON spotai.lots TO app));
one("INSERT INTO spotai.lots SELECT t, n FROM generate_series(1, 20000) n, unnest(ARRAY['$tenant{acme}{id}', '$tenant{bolt}{id}']::uuid[]) t; ANALYZE spotai.lots");
my $eager = "SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET enable_indexonlyscan = off; SET enable_indexscan = off; SET enable_bitmapscan = off;\n";
my $plan = app("${eager}SET spotai.token = '$a';\nEXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM spotai.lots;");
like($plan, qr/Workers Launched: [12]/, 'a query through a policy runs in parallel');
like($plan, qr/Parallel Seq Scan/, 'the table is scanned in parallel');
like($plan, qr/InitPlan/, 'and the policy is asked once, by the leader');
is(app("${eager}SET spotai.token = '$a';\nSELECT count(*), count(DISTINCT tenant_id) FROM spotai.lots;\nBEGIN; SET LOCAL spotai.token = '$b'; SELECT count(*) FROM spotai.lots; COMMIT;\nSET spotai.token = 'x$a';\nSELECT count(*) FROM spotai.lots;"),
	"20000|1\n20000\n0", 'and has the rows of the tenant, or none');
like(app("SET spotai.token = '$a';\nEXPLAIN (COSTS OFF) SELECT n FROM spotai.lots WHERE n = 7;"), qr/Index (Only )?Scan using lots_pkey/, 'an index scan through a policy stays an index scan');

# --- jobs act for the tenant of their submitter ----------------------------------------

write_song($node->basedir . '/song.wav', 2);
my $song = unpack 'H*', slurp_file($node->basedir . '/song.wav');
my ($track, $job) = split /\n/, app("SET spotai.token = '$a';
	SELECT spotai.ingest('\\x$song', 'theirs');
	SELECT spotai.submit('separate', jsonb_build_object('track_id', (SELECT id FROM spotai.track), 'stems', 2, 'model', 'classical'));");
ok(poll_value($node, "SELECT state FROM spotai.job WHERE id = '$job'", 'succeeded', 120), 'a job of a tenant is run by a worker')
	or diag(one("SELECT state, error FROM spotai.job WHERE id = '$job'"));
is(one("SELECT count(*), count(DISTINCT tenant_id), bool_and(tenant_id = '$tenant{acme}{id}') FROM spotai.audio WHERE kind = 'stem'"), '2|1|t', 'and its stems are the tenant\'s');
one("UPDATE spotai.tenant SET deleted_at = now() WHERE name = 'acme'");
$job = one("INSERT INTO spotai.job (tenant_id, kind, args, submitted_by) SELECT tenant_id, kind, args, submitted_by FROM spotai.job WHERE id = '$job' RETURNING id");
ok(poll_value($node, "SELECT state FROM spotai.job WHERE id = '$job'", 'failed', 60), 'a job of a tenant that is gone fails');
one("UPDATE spotai.tenant SET deleted_at = NULL WHERE name = 'acme'");
one('ALTER SYSTEM SET spotai.workers = 0');
$node->restart;
is(app("SET spotai.token = '$b';\nSELECT spotai.submit('noop', '{\"seconds\": 0.01}') IS NOT NULL;\nCALL spotai.run_jobs();\nSELECT state FROM spotai.job;\n$who", 'runner'),
	"t\nsucceeded\nbolt|root of bolt", 'a session runs its own jobs, and is who it was afterwards');
is(app("CALL spotai.run_jobs();\nSELECT count(*) FROM spotai.job;", 'runner'), '0', 'nobody runs nothing');

# --- the log and the activity view -----------------------------------------------------

my $key = one("SELECT spotai.create_api_key('for the log', '{*}', '1 day')");
my $uri = one("SELECT spotai.totp_enroll('$ann')");
my ($secret) = $uri =~ /secret=([A-Z2-7]+)/;
my $refresh = one("SELECT spotai.issue_refresh_token('$ann')");
my $hs = 'QUtleVRoYXRJc05vdFRvQmVTZWVuSW5BbnlMb2dPckFjdGl2aXR5';
my $code = '918273';
app("SELECT spotai.login('$a');
	SET spotai.token = '$a';
	BEGIN; SET LOCAL spotai.token TO '$a'; COMMIT;
	SELECT set_config('spotai.token', '$a', false);
	SELECT spotai.login_api_key('$key');
	SELECT spotai.login_api_key('x$key');
	SELECT spotai.login('${a}x');
	SELECT spotai.login('$a') FROM no_such_table;
	SELECT spotai.login('$a', 1);
	SELECT spotai.verify_jwt('$a', '{\"kty\": \"oct\", \"k\": \"$hs\"}');
	SELECT spotai.verify_jwt('$a', '{\"kty\": \"oct\", \"k\": \"$hs\"');
	SELECT spotai.refresh('$refresh');
	SELECT spotai.totp_verify('$ann', '$code');
	PREPARE p AS SELECT spotai.login(\$1);
	EXECUTE p('$a');
	EXECUTE p('x$a');
	DO \$\$ BEGIN PERFORM spotai.login('$a'); PERFORM 1 / 0; END \$\$;
	SET spotai.token = '$a' garbage;
	DISCARD ALL;");
# parameters of the extended protocol
my $bench = PostgreSQL::Test::Utils::tempdir . '/login.sql';
append_to_file($bench, "SELECT spotai.login_api_key(:key);\nSELECT spotai.login(:token);\nSELECT set_config('spotai.token', :token, true);\nSELECT spotai.verify_jwt(:token, '{}');\n");
for my $mode (qw(extended prepared))
{
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'pgbench', '-n', '-t', '2', '-M', $mode, '-f', $bench, '-D', "key=$key", '-D', "token=$a", $node->connstr('postgres') . ' user=app' ], '>', \$out, '2>', \$err);
	like($err, qr/invalid key/, "as parameters, $mode");
}
my $log = slurp_file($node->logfile);
my $last = substr $a, -40;
like($log, qr/a statement that hands a secret to spotai/, 'the log says that something was withheld');
unlike($log, qr/\Q$last\E/, 'no token is in the log');
unlike($log, qr/\Q$key\E/, 'no API key');
unlike($log, qr/\Q$refresh\E/, 'no refresh token');
unlike($log, qr/$hs/, 'no key that was passed to verify_jwt()');
unlike($log, qr/$code/, 'no code');
unlike($log, qr/$secret/, 'no secret of an authenticator');
like($log, qr/login refused: the token's signature is wrong|login refused: the token is malformed/, 'what failed is');
is(app("SET spotai.token = '$a';\n" . elsewhere("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%' || reverse('" . reverse($last) . "') || '%'")
		. "SELECT spotai.login('$a') IS NOT NULL;\n" . elsewhere("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%' || reverse('" . reverse($last) . "') || '%'")), "0\nt\n0",
	'nor does the activity view show one');

# --- races -----------------------------------------------------------------------------

# Runs a statement in eight sessions at once.
sub race
{
	my ($statement, $times, $setup) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir . '/race.sql';

	append_to_file($file, $statement);
	my $done = IPC::Run::run([ 'pgbench', '-n', '-c', '8', '-j', '2', '-t', $times, '-f', $file, $node->connstr('postgres') ], '>', \my $o, '2>', \my $e);
	diag(substr $e, -500) unless $done;
	return;
}
one('CREATE TABLE race (what text, won boolean)');
race("INSERT INTO race SELECT 'limit', spotai.rate_limit('race', 100, '1 hour');", 40);
is(one("SELECT count(*) FILTER (WHERE won), count(*) FROM race WHERE what = 'limit'"), '100|320', 'of 320 calls at once a limit of 100 lets 100 through');
SKIP:
{
	skip 'oathtool is not here', 3 if system('command -v oathtool > /dev/null 2>&1') != 0;
	sleep 1 while time % 30 > 20;
	one("UPDATE spotai.totp SET failures = 0, locked_until = '-infinity'");
	chomp(my $right = `oathtool --totp -b $secret`);
	race("INSERT INTO race SELECT 'totp', spotai.totp_verify('$ann', '$right');", 1);
	is(one("SELECT count(*) FILTER (WHERE won), count(*) FROM race WHERE what = 'totp'"), '1|8', 'of one code at once one is right');
	# the unit tests compare 10,000 codes; here: what is enrolled is what oathtool gets
	my $same = 0;
	for my $n (1 .. 20)
	{
		my $id = one("SELECT spotai.create_principal('coder $n')");
		my ($one) = one("SELECT spotai.totp_enroll('$id')") =~ /secret=([A-Z2-7]+)/;
		my @codes = split /\n/, `oathtool --totp -b $one -N "now - 30 seconds" -w 2`;
		$same++ if one("SELECT " . join(' AND ', map { "spotai.totp_verify('$id', '$_')" } @codes)) eq 't';
	}
	is($same, 20, 'oathtool knows the codes of what was enrolled, in the step before, this one and the next');
	my @wrong = grep { $_ ne $right } map { sprintf '%06d', $_ } 1 .. 6;
	is(one(join ' ', map { "SELECT spotai.totp_verify('$ann', '$_');" } @wrong), join("\n", ('f') x 6), 'wrong codes are wrong');
}
$refresh = one("SELECT spotai.issue_refresh_token('$ann')");
race("INSERT INTO race SELECT 'refresh', refresh_token IS NOT NULL FROM spotai.refresh('$refresh');", 1);
is(one("SELECT count(*) FILTER (WHERE won), count(*) FROM race WHERE what = 'refresh'"), '1|8', 'a refresh token that comes eight times at once is exchanged once');
is(one("SELECT count(*) FROM spotai.refresh_token WHERE family_id IN (SELECT family_id FROM spotai.refresh_token WHERE hash = sha256('$refresh')) AND revoked_at IS NULL"), '0',
	'and its family is revoked');
my ($new, $new_root) = split /\|/, one("SELECT * FROM spotai.create_tenant('new')");
one('CREATE TABLE issued (token text)');
race("INSERT INTO issued SELECT spotai.issue_token('$new_root');", 5);
is(one("SELECT count(*), count(*) FILTER (WHERE retired_at IS NULL) FROM spotai.signing_key WHERE tenant_id = '$new'"), '1|1', 'sessions that need the first key at once make one');
is(one("SELECT count(spotai.login(token)) FROM issued"), '40', 'and what they signed is good');

# --- a standby: who logs in there is who he is, and nothing is written down ----------------

$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->append_conf('postgresql.conf', "listen_addresses = ''\n");
$standby->start;
$server = $standby;
my $before = one('SELECT count(*) FROM spotai.login_attempt');
my $again = one("SELECT spotai.create_api_key('standby', '{}', '1 day', '$root')");
my $principal = one("SELECT spotai.issue_token('$ann', '1 hour')");
$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
is(app("SELECT spotai.login('$principal') IS NOT NULL;\n${who}SELECT spotai.login_api_key('$again') IS NOT NULL;\n${who}BEGIN; SET LOCAL spotai.token = '$b';\n${who}COMMIT;\nSELECT spotai.login('x$b');"),
	"t\nacme|ann\nt\nacme|root of acme\nbolt|root of bolt\nERROR:  28000", 'tokens and keys are good on a standby');
is(app("SET spotai.token = '$a';\nSELECT spotai.create_principal('late');"), 'ERROR:  25006', 'which cannot make principals');
one("UPDATE spotai.principal SET deleted_at = now() WHERE id = '$ann'");
$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
is(app("SELECT spotai.login('$principal');"), 'ERROR:  28000', 'and learns who is gone');
is(one('SELECT count(*) FROM spotai.login_attempt'), $before, 'its logins are not written down');
one("UPDATE spotai.principal SET deleted_at = NULL WHERE id = '$ann'");
$standby->stop;
$server = $node;

# --- odd strings in every text argument ------------------------------------------------

my $shared = $ENV{SPOTAI_SHARED} || "$FindBin::RealBin/../../../shared";
SKIP:
{
	my $file = "$shared/vectors/blns/blns.json";
	unless (-e $file) { note('# SKIP no shared vectors'); skip 'no shared vectors', 6; }
	my $strings = decode_json(slurp_file($file));
	my $values = join ',', map { my $s = $strings->[$_]; utf8::encode($s); $s =~ s/\0//g; '(' . $_ . ", convert_from('\\x" . unpack('H*', $s) . "', 'UTF8'))" } 0 .. $#$strings;
	one("CREATE TABLE blns (n integer, s text); INSERT INTO blns VALUES $values");
	my $their_key = '{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}';
	my $answers = one(qq(
		CREATE TABLE odd (what text, secret boolean, state text, leaks boolean);
		DO \$do\$
		DECLARE
			w record; b record; state text; message text; detail text; hint text;
		BEGIN
			FOR w IN SELECT * FROM (VALUES
				('SELECT spotai.login(\$1)', true), ('SELECT spotai.login_api_key(\$1)', true), ('SELECT spotai.verify_jwt(\$1, ''$their_key'')', true),
				('SELECT spotai.verify_jwt(''$a'', ''$their_key'', \$1)', false), ('SELECT spotai.verify_jwt(''$a'', ''$their_key'', issuer => \$1)', false),
				('SELECT spotai.issue_token(''$ann'', audience => \$1)', false), ('SELECT spotai.trust_issuer(\$1, ''a'', ''$their_key'')', false),
				('SELECT spotai.trust_issuer(''https://id.example.org/'', \$1, ''$their_key'')', false), ('SELECT spotai.distrust_issuer(\$1, \$1)', false),
				('SELECT spotai.create_api_key(\$1, ''{}'', ''1 day'', ''$ann'')', false), ('SELECT spotai.create_api_key(''x'', ARRAY[\$1], ''1 day'', ''$ann'')', false),
				('SELECT spotai.totp_enroll(spotai.create_principal(\$1))', false), ('SELECT spotai.create_principal(''x'', \$1)', false),
				('SELECT spotai.create_principal(''y'' || gen_random_uuid(), ''person'', ''i'', \$1)', false), ('SELECT spotai.create_principal(''z'' || gen_random_uuid(), ''person'', \$1, ''s'')', false),
				('SELECT spotai.create_role(\$1, ''{}'')', false), ('SELECT spotai.create_role(''x'', ARRAY[\$1])', false), ('SELECT spotai.grant_role(''$ann'', \$1)', false),
				('SELECT spotai.revoke_role(''$ann'', \$1)', false),
				('SELECT spotai.rate_limit(\$1, 1, ''1 s'')', false), ('SELECT spotai.has_permission(\$1)', false), ('SELECT spotai.create_tenant(\$1)', false),
				('SELECT set_config(''spotai.token'', \$1, true), spotai.current_tenant() IS NULL', true)) v (what, secret)
			LOOP
				FOR b IN SELECT s FROM public.blns LOOP
					state := '00000'; message := ''; detail := ''; hint := '';
					BEGIN
						EXECUTE w.what USING b.s;
						PERFORM set_config('spotai.token', NULL, true) WHERE false;
						RAISE EXCEPTION 'undo' USING ERRCODE = 'PT000';
					EXCEPTION WHEN SQLSTATE 'PT000' THEN NULL;
					WHEN OTHERS THEN
						GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
					END;
					INSERT INTO public.odd VALUES (w.what, w.secret, state, length(b.s) > 8 AND position(b.s IN concat_ws(' ', message, detail, hint)) > 0);
				END LOOP;
			END LOOP;
		END
		\$do\$;
		SELECT count(*) FROM odd));
	is($answers, 23 * @$strings, 'every odd string was given to every text argument');
	is(one("SELECT string_agg(DISTINCT state || ' ' || what, E'\\n') FROM odd WHERE state ~ '^(XX|58|53|57)'"), '', 'none is an internal error');
	is(one('SELECT count(*) FROM odd WHERE secret AND leaks'), '0', 'no error repeats what may be a credential');
	is(one("SELECT string_agg(DISTINCT state, ' ' ORDER BY state) FROM odd"), '00000 22023 28000 42704', 'what it says instead');
	is(one("SELECT count(*) FILTER (WHERE spotai.totp_verify('$ann', s)), count(*) FILTER (WHERE (spotai.refresh(s)).access_token IS NOT NULL) FROM blns"), '0|0', 'nor is any of them a code or a refresh token');
	is(one("SELECT count(*) FROM odd WHERE state = '00000' AND what ~ 'login|verify_jwt'"), '0', 'and none opens anything');
}

$node->stop;
done_testing();
