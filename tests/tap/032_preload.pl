# The library with and without preloading: settings, one thread in the
# postmaster, names that are reserved.
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

sub threads
{
	my ($pid) = @_;

	return (slurp_file("/proc/$pid/status") =~ /^Threads:\s+(\d+)/m)[0];
}

my $node = preloading_node('preload');
my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');
my $sounds = slurp_file("$FindBin::RealBin/../../sql/include/sounds.sql");

is(threads($postmaster), 1, 'the postmaster has one thread');
unlike(slurp_file($node->logfile), qr/WARNING|ERROR|FATAL/, 'the server starts without a complaint');
install_spotai($node);
$node->safe_psql('postgres', "$sounds SELECT count(*) FROM spotai.separate(spotai.ingest(pg_temp.sine(440, 9000, 16000, 2, 8000)))");
is(threads($postmaster), 1, 'nor does work start one');

# a setting that does not exist is refused, in a session as in the file
my ($rc, $out, $err) = $node->psql('postgres', 'SET spotai.no_such_thing = 1');
like($err, qr/invalid configuration parameter name "spotai.no_such_thing"/, 'the prefix is reserved');
is($node->safe_psql('postgres', "SELECT count(*) > 5 FROM pg_settings WHERE name LIKE 'spotai.%'"), 't', 'settings are visible');

# limits are not the user's to lift
$node->safe_psql('postgres', 'CREATE ROLE listener');
($rc, $out, $err) = $node->psql('postgres', 'SET ROLE listener; SET spotai.audio_max_bytes = 1e15');
like($err, qr/permission denied to set parameter "spotai.audio_max_bytes"/, 'limits belong to the superuser');
$node->stop;

# without preloading everything but background workers works
my $plain = plain_node('plain');
install_spotai($plain);
$plain->safe_psql('postgres', "SELECT spotai.submit('noop')");
$plain->safe_psql('postgres', 'CALL spotai.run_jobs()');
is($plain->safe_psql('postgres', 'SELECT state FROM spotai.job'), 'succeeded', 'jobs run in a session');
is($plain->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'spotai%'"), '0', 'no workers');

# removing it leaves the library of sounds, and nothing else
$plain->safe_psql('postgres', 'SET client_min_messages = warning; DROP EXTENSION spotai CASCADE');
is($plain->safe_psql('postgres', q(SELECT count(*) FROM pg_proc WHERE prosrc LIKE 'spotai%' OR probin LIKE '%spotai%')), '0', 'no function stays');
is($plain->safe_psql('postgres', q(SELECT count(*) FROM pg_namespace WHERE nspname = '_spotai')), '0', 'nor the helpers');
$plain->safe_psql('postgres', 'DROP SCHEMA spotai CASCADE');
$plain->stop;

done_testing();
