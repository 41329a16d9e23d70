# Indexes of embeddings on a replica: it answers as the primary does, each page
# that it makes out of WAL is that of the primary (wal_consistency_checking), and
# once promoted it goes on.
#
# SPOTAI_ANN_SECONDS of work in each of two rounds, 3 unless told otherwise.
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

my $seconds = $ENV{SPOTAI_ANN_SECONDS} || 3;
my $primary = PostgreSQL::Test::Cluster->new('ann_primary');
$primary->init(allows_streaming => 1);
$primary->append_conf('postgresql.conf', "shared_preload_libraries = 'spotai'\nspotai.workers = 0\nspotai.audit_seal_interval = 0\nautovacuum = off\nlog_statement = none\n"
	  . "wal_consistency_checking = 'all'\nmax_standby_streaming_delay = -1\nmax_connections = 50\nshared_buffers = 32MB\nmax_wal_size = 4GB\n");
$primary->start;
# queries keep the replica from replaying, so it may be gigabytes behind
$primary->safe_psql('postgres', "SELECT pg_create_physical_replication_slot('replica')");
$primary->backup('base');
my $replica = PostgreSQL::Test::Cluster->new('ann_replica');
$replica->init_from_backup($primary, 'base', has_streaming => 1);
$replica->append_conf('postgresql.conf', "primary_slot_name = 'replica'\n");
$replica->start;

# Both say the same, of everything.
sub same
{
	my ($when) = @_;

	$primary->wait_for_catchup($replica, 'replay', $primary->lsn('insert'));
	my $answers = answers($primary);
	is(answers($replica), $answers, "$when: the same answers");
	like($answers, qr/^1000\|\w+\n1000\|\w+\n1000\|\w+$/, "$when: ten rows each");
	is(trouble($replica), '', "$when: the replica's indexes are sound");
	is(trouble($primary), '', "$when: the primary's indexes are sound");
	return;
}

# Work on the primary while the replica is searched; now and then it may catch up, or the disk would be full.
sub work
{
	my (%weights) = @_;

	for (my $left = $seconds; $left > 0; $left -= 60)
	{
		my ($out, $err, $time) = ('', '', $left < 60 ? $left : 60);
		my $searchers = IPC::Run::start([ pgbench_command($replica, '-c', 3, '-T', $time, workload(search => 1, cosine => 1, filter => 1)) ],
			'<', '/dev/null', '>', \$out, '2>', \$err);

		command_ok([ pgbench_command($primary, '-c', 6, '-j', 2, '-T', $time, workload(%weights)) ], 'clients of the primary');
		ok($searchers->finish, 'and of the replica') or diag($err);
		$primary->wait_for_catchup($replica, 'replay', $primary->lsn('insert'));
	}
	return;
}

make_tables($primary, 3000);
same('built');
work(insert => 5, batch => 1, aborted => 1, own => 1, update => 2, relabel => 1);
same('inserted');
$primary->safe_psql('postgres', 'DELETE FROM t WHERE id % 3 = 0');
$primary->safe_psql('postgres', 'VACUUM t');
same('vacuumed');
# into the pages that are free now, with a vacuum at the same time
my $vacuum_err = '';
my $vacuum = repeated($primary, 'vacuum', "VACUUM t;\nSELECT pg_sleep(0.1);\n", 10000, \$vacuum_err);
work(insert => 5, batch => 1, update => 3, delete => 5, own => 1);
$vacuum->kill_kill;
is($vacuum_err, '', 'nor has the vacuum an error');
same('filled again');
$primary->safe_psql('postgres', $_) for 'DELETE FROM t WHERE id > 1000 AND id % 50 <> 1', 'VACUUM t', 'VACUUM t', 'REINDEX INDEX by_l2', 'REINDEX INDEX CONCURRENTLY by_cosine',
	"CREATE INDEX CONCURRENTLY third ON t USING spotai_ann (v embedding_ip_ops) WITH (bits = 2)", 'DROP INDEX third', 'INSERT INTO t (market, v) SELECT n % 5, vec(n) FROM generate_series(50001, 52000) n';
same('reindexed');
is($replica->safe_psql('postgres', "SELECT pg_is_in_recovery()"), 't', 'the replica still follows');
unlike(slurp_file($replica->logfile), qr/inconsistent page|PANIC|TRAP/, 'no page of it is another than that of the primary');

$primary->stop;
$replica->promote;
command_ok([ pgbench_command($replica, '-c', 4, '-T', 2, workload(insert => 3, update => 1, delete => 1, search => 1, filter => 1, own => 1)) ], 'clients after its promotion');
$replica->safe_psql('postgres', 'VACUUM t');
is(trouble($replica), '', 'sound after its promotion');
is($replica->safe_psql('postgres', 'SET enable_seqscan = off; INSERT INTO u SELECT n, vec(n) FROM generate_series(1, 50) n; SELECT count(*) FROM (SELECT id FROM u ORDER BY v <-> vec(1)) s'),
	'50', 'an unlogged index works, too');
$replica->stop;
done_testing();
