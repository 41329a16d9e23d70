# Without spotai in shared_preload_libraries: pg_cron drives spotai.run_jobs().
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

my ($out, $err) = run_command([ 'pg_config', '--pkglibdir' ]);
plan skip_all => 'pg_cron is not installed' unless -e "$out/pg_cron.so";

# pg_cron connects as a client, or starts background workers of its own; both
# at once, because pg_cron 1.4 counts in minutes
my (%node, %job);
for my $as_worker ('off', 'on')
{
	my $node = $node{$as_worker} = PostgreSQL::Test::Cluster->new("cron_$as_worker");
	$node->init;
	$node->append_conf('postgresql.conf', join "\n",
		"shared_preload_libraries = 'pg_cron'",
		"cron.use_background_workers = $as_worker",
		"cron.host = '" . $node->host . "'",
		'max_worker_processes = 20',
		'');
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_cron');
	install_spotai($node);
	my $job = $job{$as_worker} = spotai_id($node, q('noop', '{"seconds": 0.2}'));
	$node->safe_psql('postgres', q(SELECT count(spotai.submit('noop')) FROM generate_series(1, 300)));
	is($node->safe_psql('postgres', "SELECT spotai.wait('$job', '1 s')"), 'queued', 'without workers a job waits');
	$node->safe_psql('postgres', q(SELECT cron.schedule('spotai', '* * * * *', 'CALL spotai.run_jobs(1000)')));
}
for my $as_worker ('off', 'on')
{
	my $node = $node{$as_worker};
	is($node->safe_psql('postgres', "SELECT spotai.wait('$job{$as_worker}', '130 s')"), 'succeeded',
		"pg_cron runs it (background workers: $as_worker)");
	ok(poll_value($node, q(SELECT count(*) FROM spotai.job WHERE state <> 'succeeded'), '0'), 'and all the others');
	ok(poll_value($node, q(SELECT DISTINCT status FROM cron.job_run_details), 'succeeded'), 'pg_cron saw no error');
	$node->stop;
}
done_testing();
