# Tokens that are bound to the certificate of their client: good with it, on
# any connection, and nobody's without.
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

plan skip_all => 'the program openssl is not here' if system('command -v openssl > /dev/null 2>&1') != 0;

my $dir = PostgreSQL::Test::Utils::tempdir;
sub openssl
{
	my @args = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'openssl', @args ], '>', \$out, '2>', \$err) or die "openssl @args: $err";
	return $out;
}

# An authority, a server, and two clients.
openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', "$dir/ca.key", '-out', "$dir/ca.crt", '-days', '2', '-subj', '/CN=authority');
for my $name (qw(server ann mallory))
{
	openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', "$dir/$name.key", '-out', "$dir/$name.csr", '-subj', "/CN=$name");
	openssl('x509', '-req', '-in', "$dir/$name.csr", '-CA', "$dir/ca.crt", '-CAkey', "$dir/ca.key", '-CAcreateserial', '-out', "$dir/$name.crt", '-days', '2');
	chmod 0600, "$dir/$name.key";
}

my $node = PostgreSQL::Test::Cluster->new('certificates');
$node->init;
$node->append_conf('postgresql.conf', "
shared_preload_libraries = 'spotai'
listen_addresses = '127.0.0.1'
ssl = on
ssl_ca_file = '$dir/ca.crt'
ssl_cert_file = '$dir/server.crt'
ssl_key_file = '$dir/server.key'
spotai.workers = 0
spotai.key_command = 'echo 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'
");
$node->start;
install_spotai($node);
$node->safe_psql('postgres', 'CREATE ROLE app LOGIN; GRANT spotai_user TO app');

sub one { return $node->safe_psql('postgres', $_[0]); }
my %shown = (
	ann => "host=127.0.0.1 sslmode=require sslcert=$dir/ann.crt sslkey=$dir/ann.key",
	mallory => "host=127.0.0.1 sslmode=require sslcert=$dir/mallory.crt sslkey=$dir/mallory.key",
	none => 'host=127.0.0.1 sslmode=require sslcert=/nonexistent sslkey=/nonexistent',
	plain => 'host=127.0.0.1 sslmode=disable',
	socket => '');
# As the application with one of these; errors as "ERROR: SQLSTATE".
sub app
{
	my ($with, $script) = @_;
	my $out = '';

	$script = "\\set VERBOSITY sqlstate\n$script";
	IPC::Run::run([ 'psql', '-XqAt', '-d', $node->connstr('postgres') . " user=app $shown{$with}" ], '<', \$script, '>', \$out, '2>&1');
	chomp $out;
	return $out;
}

my ($tenant, $admin) = split /\|/, one("SELECT tenant, administrator FROM spotai.create_tenant('acme')");
my $me = "SELECT spotai.current_principal() = '$admin';";

# --- the thumbprint is what anybody else makes of the certificate
openssl('x509', '-in', "$dir/ann.crt", '-outform', 'DER', '-out', "$dir/ann.der");
my $thumbprint = openssl('dgst', '-sha256', '-binary', "$dir/ann.der");
$thumbprint = one("SELECT translate(encode('\\x" . unpack('H*', $thumbprint) . "', 'base64'), '+/=', '-_')");
is(app('ann', 'SELECT spotai.client_certificate()'), $thumbprint, 'the thumbprint is that of RFC 8705');
is(app($_, 'SELECT spotai.client_certificate() IS NULL'), 't', "no certificate: $_") for qw(none plain socket);

# --- a session that is bound
my ($session, $access, $refresh) = split /\|/, one("SELECT * FROM spotai.begin_session('$admin', '{pwd}', certificate => '$thumbprint')");
is(app('ann', "SELECT spotai.login('$access') = '$admin'"), 't', 'its token is good with the certificate');
is(app('ann', "BEGIN; SET LOCAL spotai.token = '$access'; $me COMMIT"), 't', 'also as a setting');
for my $with (qw(mallory none plain socket))
{
	is(app($with, "SELECT spotai.login('$access')"), 'ERROR:  28000', "not for $with");
	is(app($with, "SET spotai.token = '$access'; SELECT spotai.current_principal() IS NULL"), 't', "nor as a setting for $with");
	is(app($with, "SELECT access_token IS NULL FROM spotai.refresh('$refresh')"), 't', "its refresh token is not exchanged for $with");
}
my $next = app('ann', "SELECT access_token, refresh_token FROM spotai.refresh('$refresh')");
like($next, qr/^eyJ.*\|spr_/, 'which ends no session: its owner exchanges it');
my ($access_two, $refresh_two) = split /\|/, $next;
is(app('mallory', "SELECT access_token IS NULL FROM spotai.refresh('$refresh')"), 't', 'the old one is of no use to others');
is(app('ann', "SET spotai.token = '$access_two'; $me"), 't', 'and does not end the session when they try');
is(app('mallory', "SELECT spotai.login('$access_two')"), 'ERROR:  28000', 'what came of it is bound, too');
is(app('ann', "SELECT access_token IS NULL FROM spotai.refresh('$refresh')"), 't', 'its owner using it twice');
is(app('ann', "SELECT spotai.login('$access_two')"), 'ERROR:  28000', 'ends the session');

# --- all tokens must be
my $free = one("SELECT spotai.issue_token('$admin')");
one('ALTER SYSTEM SET spotai.token_binding = on');
$node->reload;
one('SELECT pg_sleep(0.5)');
($session, $access, $refresh) = split /\|/, one("SELECT * FROM spotai.begin_session('$admin', '{pwd}', certificate => '$thumbprint')");
is(app('ann', "SELECT spotai.login('$access') = '$admin'"), 't', 'spotai.token_binding = on: a bound token is good');
is(app('ann', "SELECT spotai.login('$free')"), 'ERROR:  28000', 'another is not');
is($node->psql('postgres', "SELECT spotai.issue_token('$admin')"), 3, 'nor is it made');

$node->stop;
done_testing();
