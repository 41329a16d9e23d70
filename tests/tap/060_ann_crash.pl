# kill -9 while rows with indexed embeddings are inserted, updated, deleted and
# vacuumed and while indexes are built: behind each recovery the index is sound
# and every committed row is found.
#
# SPOTAI_ANN_KILLS cycles, 8 unless told otherwise.  Now and then it is the
# postmaster that is killed, and its children with it.
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
use Time::HiRes qw(sleep time);

my $kills = $ENV{SPOTAI_ANN_KILLS} || 8;
# few buffers and frequent checkpoints: pages reach the disk at any moment
my $node = preloading_node('ann_crash', "spotai.workers = 0\nspotai.audit_seal_interval = 0\nautovacuum = off\nshared_buffers = 8MB\n"
	  . "max_wal_size = 32MB\nmin_wal_size = 32MB\ncheckpoint_timeout = 30s\nmax_connections = 50\nlog_statement = none\n");
make_tables($node, 2000);
is(trouble($node), '', 'nothing is wrong before');

my @workload = workload(insert => 6, batch => 1, aborted => 1, update => 3, relabel => 1, delete => 4, search => 1, filter => 1);
my %kinds = (
	vacuum => "VACUUM t;\n",
	build => "CREATE INDEX new ON t USING spotai_ann (v embedding_ip_ops) WITH (rerank = 'index');\nDROP INDEX new;\n",
	reindex => "REINDEX INDEX CONCURRENTLY by_l2;\nREINDEX INDEX by_cosine;\n",
	checkpoint => "CHECKPOINT;\nSELECT pg_sleep(0.05);\n");
my @order = qw(vacuum build vacuum reindex checkpoint);

# Until it is gone, and its children with it.
sub kill_postmaster
{
	my $pid = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];

	$node->kill9;
	sleep 0.1 while kill 0, $pid;
	# who builds an index notices at its end that nobody is left
	for (1 .. 60)
	{
		sleep 1;
		return if $node->start(fail_ok => 1);
	}
	BAIL_OUT('the server does not start again');
}

# One of the processes that work, any of them or the one that maintains.
sub victim
{
	my ($maintenance) = @_;
	my $which = $maintenance ? "application_name = 'maintenance'" : "application_name = 'pgbench'";

	for (1 .. 50)
	{
		my ($rc, $pid) = $node->psql('postgres', "SELECT pid FROM pg_stat_activity WHERE $which AND state = 'active' ORDER BY random() LIMIT 1");
		return $pid if $rc == 0 && $pid;
		sleep 0.01;
	}
	return;
}

# A killed backend takes all others with it, and pgbench says goodbye.
sub has_ended
{
	my ($bench) = @_;

	for (1 .. 100)
	{
		$bench->pump_nb if $bench->pumpable;
		return 1 unless $bench->pumpable;
		sleep 0.1;
	}
	return 0;
}

# What a build that was killed has left, or one whose drop was.
sub drop_rest
{
	my $names = $node->safe_psql('postgres', 'SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid OR indexrelid = to_regclass($$new$$)');

	$node->safe_psql('postgres', "DROP INDEX $_") for split /\n/, $names;
	return;
}

sub cycle
{
	my ($number) = @_;
	my $kind = $order[ $number % @order ];
	my ($out, $err, $err2) = ('', '', '');
	my $bench = IPC::Run::start([ pgbench_command($node, '-c', 6, '-j', 2, '-T', 600, @workload) ], '<', '/dev/null', '>', \$out, '2>', \$err);
	my $maintenance = repeated($node, 'maintenance', $kinds{$kind}, 3000, \$err2);

	sleep 0.3 + rand 0.6;
	if ($number % 7 == 5) { kill_postmaster(); }
	else
	{
		my $pid = victim($number % 3 != 1);
		kill 'KILL', $pid if $pid;
		# none was found, or it was at its end anyhow: then all at once
		unless ($pid && has_ended($bench)) { $node->stop('immediate'); $node->start; }
	}
	eval { $bench->finish };
	eval { $maintenance->finish };
	BAIL_OUT("the server does not come back after cycle $number, $kind") unless poll_value($node, 'SELECT 1', '1', 120);
	# what the kill does not explain
	my @errors = grep { /ERROR|FATAL/ && !/terminating connection|recovery mode|starting up|shutting down|postmaster exited/ } split /\n/, "$err\n$err2";
	drop_rest();
	return join "\n", @errors, grep { $_ ne '' } trouble($node);
}

srand($ENV{SPOTAI_ANN_SEED} || 1);
my $sound = 0;
my $began = time;
for my $number (0 .. $kills - 1)
{
	my $found = cycle($number);

	if ($found eq '') { $sound++; }
	else { diag("cycle $number, $order[ $number % @order ]: $found"); }
	# so that a cycle's end stays short
	$node->safe_psql('postgres', 'DELETE FROM t WHERE id <= (SELECT max(id) - 8000 FROM t)');
}
is($sound, $kills, "after each of $kills times kill -9 the indexes are sound and every committed row is found");
note(sprintf '%.0f s, %s rows at the end', time - $began, $node->safe_psql('postgres', 'SELECT count(*) FROM t'));
is($node->safe_psql('postgres', 'SET enable_seqscan = off; SELECT count(*) FROM (SELECT id FROM u ORDER BY v <-> vec(1)) s'), '0', 'an unlogged table is empty');
is($node->safe_psql('postgres', 'SET enable_seqscan = off; INSERT INTO u SELECT n, vec(n) FROM generate_series(1, 50) n; SELECT count(*) FROM (SELECT id FROM u ORDER BY v <-> vec(1)) s'),
	'50', 'and its index works');
$node->safe_psql('postgres', 'VACUUM t; VACUUM t');
is(trouble($node), '', 'nor is anything wrong after a last vacuum');

$node->stop;
done_testing();
