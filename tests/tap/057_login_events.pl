# What is written down about logins: accepted ones with their transaction,
# refused ones, and refused permissions, although an error takes their
# transaction back, too many at once; and where all that came from.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SpotaiNode;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('login_events');
$node->init;
$node->append_conf('postgresql.conf', "
shared_preload_libraries = 'spotai'
listen_addresses = '127.0.0.1'
spotai.workers = 1
spotai.key_command = 'echo 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'
");
$node->start;
install_spotai($node);
$node->safe_psql('postgres', 'CREATE ROLE app LOGIN; GRANT spotai_user TO app');

sub one { return $node->safe_psql('postgres', $_[0]); }
# As the application, over TCP; errors are expected.
sub app { $node->psql('postgres', $_[0], on_error_stop => 0, connstr => $node->connstr('postgres') . ' host=127.0.0.1 user=app'); }
sub eventually { my ($query, $expected, $name) = @_; ok($node->poll_query_until('postgres', $query, $expected), $name); }

my ($tenant, $admin) = split /\|/, one("SELECT tenant, administrator FROM spotai.create_tenant('acme')");
my $token = one("SELECT spotai.issue_token('$admin')");
my $refused = q(SELECT count(*) FROM spotai.login_attempt WHERE NOT accepted);
my $logged = q(SELECT count(*) FROM spotai.audit_log WHERE action = 'login.refused');

# --- accepted: with the transaction, under the tenant's name
app("SELECT spotai.login('$token')");
app("BEGIN; SELECT spotai.login('$token'); ROLLBACK");
is(one("SELECT string_agg(object || ' ' || (tenant_id = '$tenant') || ' ' || (principal_id = '$admin'), ',') FROM spotai.audit_log WHERE action = 'login.accepted'"),
	'token true true', 'a login is an event of its tenant and principal, a rolled back one is none');

# --- refused: an error, and an entry all the same
app("SELECT spotai.login('$token" . "x')");
app("SELECT spotai.login_api_key('spk_" . 'A' x 43 . "')");
eventually($refused, '2', 'refused logins are written down after their error');
is(one("SELECT string_agg(kind || ' ' || (reason <> '') || ' ' || host(client) || ' ' || (occurred_at > now() - interval '5 minutes'), ',' ORDER BY kind) FROM spotai.login_attempt WHERE NOT accepted"),
	'api_key true 127.0.0.1 true,token true 127.0.0.1 true', 'what was presented, why not, from where, when');
is(one("$logged AND object IN ('token', 'api_key') AND tenant_id = '00000000-0000-0000-0000-000000000000'"), '2', 'and are events of nobody');
is(one("SELECT count(*) FROM spotai.audit_log WHERE detail::text LIKE '%spk_%' OR detail::text LIKE '%eyJ%'"), '0', 'which hold nothing of what was presented');

# --- faster than anybody writes: counted
one('DELETE FROM spotai.login_attempt');
app("SELECT spotai.login('x');\n" x 300);
eventually("SELECT (SELECT count(*) FROM spotai.login_attempt WHERE NOT accepted) + (SELECT coalesce(sum((detail->'event'->>'count')::integer), 0) FROM spotai.audit_log WHERE action = 'login.refused' AND object = 'more')",
	'300', '300 refusals in a row: each is written down or counted');

# --- where from: events by TCP say it, others have nothing to say, unless nobody wants it
is(one("SELECT string_agg(DISTINCT detail->>'client', ',') FROM spotai.audit_log WHERE action = 'login.accepted'"), '127.0.0.1', 'an event says which address it came from');
is(one("SELECT bool_and(detail->'event'->>'client' = '127.0.0.1' AND detail->'event'->>'role' = 'app') FROM spotai.audit_log WHERE action = 'login.refused' AND object = 'token'"), 't',
	'so does what a worker writes down, and who it was');
is(one("SELECT count(*) FROM spotai.audit_log WHERE action = 'tenant.create' AND detail ? 'client'"), '0', 'a Unix socket has no address');
app("SET spotai.token = '$token'; SELECT spotai.audit('their own', 'thing', '{}')");
is(one("SELECT detail->>'client' FROM spotai.audit_log WHERE action = 'their own'"), '127.0.0.1', 'of an application\'s own events, too');
one("ALTER SYSTEM SET spotai.audit_client = off");
$node->reload;
one('SELECT pg_sleep(0.5)');
app("SET spotai.token = '$token'; SELECT spotai.audit('unsaid', 'thing', '{}'); SELECT spotai.login('unsaid')");
eventually("SELECT count(*) FROM spotai.audit_log WHERE action = 'login.refused' AND NOT detail->'event' ? 'client' AND object = 'token'", '1', 'spotai.audit_client = off: not of a refusal');
is(one("SELECT detail ? 'client' FROM spotai.audit_log WHERE action = 'unsaid'"), 'f', 'nor of an event');
one("ALTER SYSTEM RESET spotai.audit_client");
$node->reload;
one('SELECT pg_sleep(0.5)');

# --- refused permissions: ours and PostgreSQL's, also when the error was caught
my ($ann) = one("BEGIN; SET LOCAL spotai.token = '$token'; SELECT spotai.create_principal('ann'); COMMIT") =~ /([0-9a-f-]{36})/;
my $ann_token = one("SELECT spotai.issue_token('$ann')");
my $of = "FROM spotai.audit_log WHERE action = 'permission.refused'";
app("SET spotai.token = '$ann_token'; SELECT spotai.create_principal('x')");
eventually("SELECT count(*) $of AND object = 'identity:write' AND tenant_id = '$tenant' AND principal_id = '$ann' AND detail->'event' = '{\"reason\": \"not permitted\", \"role\": \"app\", \"client\": \"127.0.0.1\"}'", '1',
	'a permission that was refused: which, to whom, from where');
app("SET spotai.token = '$ann_token'; DO \$\$ BEGIN PERFORM spotai.create_role('x', '{}'); EXCEPTION WHEN OTHERS THEN NULL; END \$\$");
eventually("SELECT count(*) $of AND object = 'identity:write'", '2', 'also when the error was caught');
app("SELECT spotai.jwks()");
eventually("SELECT string_agg(object, ',') $of AND tenant_id = '00000000-0000-0000-0000-000000000000'", 'tenant', 'of nobody: that there is no tenant');
app("SET spotai.token = '$ann_token'; SELECT spotai.current_tenant(); SELECT FROM spotai.signing_key; SELECT spotai.rekey(); INSERT INTO spotai.track (tenant_id, title, audio_id) VALUES (gen_random_uuid(), 'x', gen_random_uuid())");
eventually("SELECT count(*) $of AND object = 'postgresql'", '3', 'what PostgreSQL refuses');
is(one("SELECT string_agg(detail->'event'->>'reason', '; ' ORDER BY id) $of AND object = 'postgresql'"),
	'permission denied for table signing_key; permission denied for function rekey; new row violates row-level security policy for table "track"', 'with what it was');
app("SET spotai.token = '$ann_token'; SELECT spotai.create_principal('x');\n" . "SELECT spotai.create_principal('x');\n" x 200);
eventually("SELECT count(*) FILTER (WHERE object = 'identity:write') + coalesce(sum((detail->'event'->>'count')::integer), 0) $of", '203', 'too many at once are counted');

# --- of another database, which no worker looks after, nothing is kept and nothing is lost
one('CREATE DATABASE other');
$node->safe_psql('other', 'CREATE TABLE t ()');
$node->psql('other', "SELECT FROM t;\n" x 100, on_error_stop => 0, connstr => $node->connstr('other') . ' user=app');
my $counted = one("SELECT count(*) $of AND object = 'more'");
app("SET spotai.token = '$ann_token'; SELECT spotai.issue_token('$ann')");
eventually("SELECT count(*) $of AND object = 'identity:issue'", '1', 'a refusal after a hundred of another database is written down');
is(one("SELECT count(*) $of AND object = 'more'"), $counted, 'and those are not counted');

# --- a kind that nobody wants
one("ALTER SYSTEM SET spotai.audit_skip = 'login'");
$node->reload;
one('SELECT pg_sleep(0.5)');
my $before = one(q(SELECT count(*) FROM spotai.audit_log WHERE action LIKE 'login.%'));
app("SELECT spotai.login('$token'); SELECT spotai.login('x')");
one('SELECT pg_sleep(2)');
is(one(q(SELECT count(*) FROM spotai.audit_log WHERE action LIKE 'login.%')), $before, 'spotai.audit_skip = login: no entries');

$node->stop;
done_testing();
