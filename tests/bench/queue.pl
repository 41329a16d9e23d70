# How fast the queue is, and what kill -9 does to it: a table on standard
# output.  Needs the environment of the TAP tests; SPOTAI_JOB_KILLS (10) is the
# number of kill -9 cycles, SPOTAI_JOB_COUNT (200000) that of no-op jobs.
#
# Every figure is taken with fsync and synchronous_commit on.  Jobs a second are
# medians of several runs, whose range stands beside them, because a busy disk or
# host can halve one; jobs that are run are all submitted before the clients
# start.  Pick-up is the time
# from submit() to the start of the handler, commit included, while the
# workers are idle.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

# the test framework sends standard output to its log
my $stdout;
BEGIN { open $stdout, '>&', \*STDOUT or die; }

use FindBin;
use lib "$FindBin::RealBin/../tap/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SpotaiNode;
use Test::More; # BAIL_OUT
use Time::HiRes qw(sleep time);

my $jobs = $ENV{SPOTAI_JOB_COUNT} || 200_000;
my $kills = $ENV{SPOTAI_JOB_KILLS} || 10;
my $runs = 5;
my $durable = "fsync = on\nsynchronous_commit = on\nfull_page_writes = on\nmax_wal_size = 4GB\n";
my @rows;

# Time of psql sessions that run at once, each the same SQL.
sub timed
{
	my ($node, $clients, $sql) = @_;
	my @command = ('psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', '-');
	my $start = time;
	my @handles = map { my $in = $sql; IPC::Run::start(\@command, '<', \$in, '>', '/dev/null') } 1 .. $clients;

	$_->finish or BAIL_OUT('a client failed') for @handles;
	return time - $start;
}

# A row from the jobs and seconds of several runs.
sub push_rates
{
	my ($what, $bar, @runs) = @_;
	my @rates = sort { $a <=> $b } map { $_->[0] / $_->[1] } @runs;

	push @rows, [ $what, sprintf('%.0f jobs/s (%.0f-%.0f)', $rates[ $#rates / 2 ], @rates[ 0, -1 ]), $bar ];
	return;
}

# So that neither falls into a run; before the jobs are submitted, because nobody
# vacuums between a submit and its run.
sub settle
{
	my ($node) = @_;

	$node->safe_psql('postgres', 'VACUUM ANALYZE spotai.job; CHECKPOINT');
	return;
}

sub submit_sql
{
	my ($count) = @_;
	return "SELECT count(spotai.submit('noop')) FROM generate_series(1, 1000);\n" x ($count / 1000);
}

sub measure_rates
{
	my ($node) = @_;
	my $count = $jobs / $runs;
	my (@submit, @batch, @hundred);

	for (1 .. $runs)
	{
		settle($node);
		push @submit, [ $count, timed($node, 1, submit_sql($count)) ];
		push @batch, [ $count, timed($node, 8, "CALL spotai.run_jobs($count);\n") ];
	}
	push_rates('submit, 1000 a statement, 1 client', '', @submit);
	push_rates('run_jobs, 8 clients, no-op jobs in batches, which skip the handler', '10000 jobs/s', @batch);
	check_all($node, $count * $runs);

	# the same among a million finished jobs, 100 a call
	$node->safe_psql('postgres', q(INSERT INTO spotai.job (kind, state, finished_at)
		SELECT 'noop', 'succeeded', now() FROM generate_series(1, 1000000)));
	$count = int($count / 2 / 800) * 800;
	for (1 .. $runs)
	{
		settle($node);
		$node->safe_psql('postgres', submit_sql($count + 999));
		push @hundred, [ $count, timed($node, 8, "CALL spotai.run_jobs(100);\n" x ($count / 800)) ];
		$node->safe_psql('postgres', 'CALL spotai.run_jobs(1000)');
	}
	push_rates('the same, run_jobs(100), a million finished jobs', '10000 jobs/s', @hundred);
	return;
}

# One submit a transaction, as programs do; in the audit log each is an event.
sub measure_submits
{
	my ($node) = @_;
	my @kinds = ([ 'on', '', '' ], [ 'off', '', ', synchronous_commit = off' ],
		[ 'off', 'job', ", synchronous_commit = off, spotai.audit_skip = 'job'" ]);
	my @measured = ([], [], []);
	my $script = PostgreSQL::Test::Utils::tempdir() . '/submit.sql';

	PostgreSQL::Test::Utils::append_to_file($script, "SELECT spotai.submit('noop');\n");
	for (1 .. $runs)
	{
		for my $i (0 .. $#kinds)
		{
			$node->safe_psql('postgres', 'TRUNCATE spotai.job; CHECKPOINT');
			local $ENV{PGOPTIONS} = "-c synchronous_commit=$kinds[$i][0] -c spotai.audit_skip=$kinds[$i][1]";
			my ($out, $err) = run_command([ 'pgbench', '-n', '-M', 'prepared', '-c', 4, '-j', 2, '-T', 4,
				'-f', $script, $node->connstr('postgres') ]);
			BAIL_OUT("pgbench failed: $err") unless $out =~ /^tps = ([0-9.]+)/m;
			push @{ $measured[$i] }, [ $1, 1 ];
		}
	}
	push_rates("submit, one a transaction, 4 clients$kinds[$_][2]", '', @{ $measured[$_] }) for 0 .. $#kinds;
	$node->safe_psql('postgres', 'TRUNCATE spotai.job');
	return;
}

sub check_all
{
	my ($node, $count) = @_;
	my $done = $node->safe_psql('postgres',
		q(SELECT count(*), min(attempt), max(attempt), max(fence) FROM spotai.job WHERE state = 'succeeded'));

	BAIL_OUT("not every job was run once: $done") unless $done eq "$count|1|1|1";
	return;
}

# Through handlers, so that no batch hides the work of one job.
sub measure_single
{
	my ($node) = @_;
	my $count = 4000;
	my @single;

	for (1 .. $runs)
	{
		settle($node);
		$node->safe_psql('postgres', qq(SELECT count(spotai.submit('noop', '{"seconds": 0}')) FROM generate_series(1, $count)));
		push @single, [ $count, timed($node, 8, "CALL spotai.run_jobs($count);\n") ];
	}
	push_rates('run_jobs, 8 clients, jobs with a handler', '', @single);
	return;
}

sub measure_pickup
{
	my ($node) = @_;

	$node->safe_psql('postgres', 'DELETE FROM spotai.job');
	$node->safe_psql('postgres',
		q(DO $$ BEGIN FOR i IN 1..1000 LOOP
			PERFORM spotai.submit('noop', run_at => clock_timestamp()); COMMIT;
			PERFORM pg_sleep(0.002 + 0.01 * random()); COMMIT; END LOOP; END $$));
	poll_value($node, q(SELECT count(*) FROM spotai.job WHERE state <> 'succeeded'), '0');
	my ($median, $p99, $worst) = split /\|/, $node->safe_psql('postgres', q(
		SELECT round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::numeric, 1),
		       round(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)::numeric, 1), round(max(ms)::numeric, 1)
		FROM (SELECT extract(epoch FROM started_at - run_at) * 1000 AS ms FROM spotai.job) s));
	push @rows, [ 'pick-up by an idle worker, median', "$median ms", '' ];
	push @rows, [ 'pick-up by an idle worker, 99th percentile', "$p99 ms", '50 ms' ];
	push @rows, [ 'pick-up by an idle worker, longest of 1000', "$worst ms", '' ];
	return;
}

sub measure_cancel
{
	my ($node) = @_;
	my @ms;

	for (1 .. 50)
	{
		my $job = spotai_id($node, q('noop', '{"seconds": 60}'));
		poll_value($node, "SELECT state FROM spotai.job WHERE id = '$job'", 'running');
		sleep rand(0.1);
		my $asked = (split /\n/, $node->safe_psql('postgres', "SELECT clock_timestamp(); SELECT spotai.cancel('$job')"))[0];
		$node->safe_psql('postgres', "SELECT spotai.wait('$job')");
		push @ms, $node->safe_psql('postgres', "SELECT round(extract(epoch FROM finished_at - '$asked') * 1000, 1) FROM spotai.job WHERE id = '$job'");
	}
	@ms = sort { $a <=> $b } @ms;
	push @rows, [ 'cancel of a running job, longest of 50', "$ms[-1] ms", '200 ms' ];
	return;
}

sub measure_kills
{
	my $node = preloading_node('kills', $durable . "spotai.workers = 3\nspotai.job_max_attempts = 1000\n");

	install_spotai($node);
	prepare_kills($node);
	my ($survived, $longest) = kill_cycles($node, 3, $kills);
	my ($lost, $doubled) = lost_jobs($node);
	push @rows, [ "kill -9 of a worker, $kills times: workers came back", $survived, $kills ];
	push @rows, [ 'longest time until they were back', sprintf('%.2f s', $longest), '' ];
	push @rows, [ 'jobs lost', $lost, 0 ], [ 'jobs finished twice', $doubled, 0 ];
	$node->stop;
	return;
}

my $node = preloading_node('queue', $durable . "spotai.workers = 0\nshared_buffers = 256MB\nmax_connections = 40\n");
install_spotai($node);
measure_rates($node);
measure_submits($node);
measure_single($node);
$node->safe_psql('postgres', 'ALTER SYSTEM SET spotai.workers = 2');
$node->reload;
poll_value($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'spotai worker'", '2');
measure_pickup($node);
measure_cancel($node);
$node->stop;
measure_kills();

print $stdout "| queue | measured | bar |\n|---|--:|--:|\n";
printf $stdout "| %s | %s | %s |\n", @$_ for @rows;
