# Many who insert, change and delete rows with indexed embeddings, many who search,
# one who vacuums: nobody gets an error, sees a row twice or too few of them.
#
# SPOTAI_ANN_CLIENTS (20) of them for SPOTAI_ANN_SECONDS (10).
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use AnnTables;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SpotaiNode;
use Test::More;

my $clients = $ENV{SPOTAI_ANN_CLIENTS} || 20;
my $seconds = $ENV{SPOTAI_ANN_SECONDS} || 10;
my $node = preloading_node('ann_load', "spotai.workers = 0\nspotai.audit_seal_interval = 0\nautovacuum = off\nlog_statement = none\nmax_connections = " . ($clients + 20) . "\nshared_buffers = 8MB\nmax_wal_size = 4GB\n");
make_tables($node, 3000);

my ($out, $err, $vacuum_err) = ('', '', '');
my $vacuum = repeated($node, 'vacuum', "VACUUM t;\nSELECT pg_sleep(0.2);\n", $seconds * 10, \$vacuum_err);
my $bench = IPC::Run::start([ pgbench_command($node, '-c', $clients, '-j', 2, '-T', $seconds,
		workload(insert => 8, batch => 1, aborted => 2, own => 3, update => 6, relabel => 3, delete => 10, search => 12, cosine => 6, filter => 6)) ],
	'<', '/dev/null', '>', \$out, '2>', \$err);
ok($bench->finish, "$clients clients for $seconds s") or diag($err);
unlike($err, qr/ERROR|aborted/, 'without an error');
like($out, qr/number of failed transactions: 0 /, 'and without a failure');
note($1) if $out =~ /(number of transactions actually processed: \d+)/;
is($vacuum_err, '', 'nor has the vacuum one');
$vacuum->kill_kill;
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'vacuum'");
is(trouble($node), '', 'the indexes are sound');
$node->safe_psql('postgres', 'VACUUM t');
is(trouble($node), '', 'and after a vacuum');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|was terminated by signal/, 'nobody has crashed');

$node->stop;
done_testing();
