# A server of PostgreSQL's own test framework with spotai in it.
#
# Run as an ordinary user, with the server's programs in PATH, and PG_REGRESS
# and TESTDIR set as PGXS sets them.
#
# SPDX-License-Identifier: PostgreSQL
package SpotaiNode;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(preloading_node plain_node install_spotai worker_pids poll_value spotai_id prepare_kills
	kill_cycles lost_jobs write_song);

# A running server with the library preloaded; the extension is not created yet.
sub preloading_node
{
	my ($name, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = 'spotai'\nmax_worker_processes = 16\nrestart_after_crash = on\n" . ($conf // ''));
	$node->start;
	return $node;
}

# A running server without it.
sub plain_node
{
	my ($name, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', $conf // '');
	$node->start;
	return $node;
}

sub install_spotai
{
	my ($node, $database) = @_;

	$node->safe_psql($database // 'postgres', 'CREATE EXTENSION spotai; CALL spotai.migrate();');
}

# The pids of the background workers, in order.
sub worker_pids
{
	my ($node) = @_;

	return split /\n/, $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'spotai worker' ORDER BY pid");
}

# Run a query until it answers the expected text; false after `seconds`.
# Errors are passed over: the server may be restarting.
sub poll_value
{
	my ($node, $query, $expected, $seconds) = @_;
	my $deadline = time + ($seconds // 30);

	while (time < $deadline)
	{
		# a psql that cannot connect may be gone before it is given the query,
		# and then the framework dies of the broken pipe
		my ($rc, $out) = eval { $node->psql('postgres', $query) };
		return 1 if defined $rc && $rc == 0 && $out eq $expected;
		sleep 0.05;
	}
	return 0;
}

# The id of a job that is submitted now.
sub spotai_id
{
	my ($node, $arguments) = @_;

	return $node->safe_psql('postgres', "SELECT spotai.submit($arguments)");
}

# A trigger writes down each job that is marked as succeeded, in the same
# transaction: a second finish would leave a second line.
sub prepare_kills
{
	my ($node) = @_;

	$node->safe_psql('postgres', q(
		CREATE TABLE finished (id uuid, attempt integer);
		CREATE FUNCTION log_finish() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO public.finished VALUES (NEW.id, NEW.attempt); RETURN NULL; END $$;
		CREATE TRIGGER log_finish AFTER UPDATE ON spotai.job FOR EACH ROW
		WHEN (NEW.state = 'succeeded' AND OLD.state <> 'succeeded') EXECUTE FUNCTION log_finish();
		CREATE TABLE submitted (id uuid)));
	return;
}

# Submit light and longer jobs and kill one of the `workers` workers with
# SIGKILL in their midst, `cycles` times.  Answers how often all workers came
# back, and the longest time that took.
sub kill_cycles
{
	my ($node, $workers, $cycles) = @_;
	my ($survived, $longest) = (0, 0);

	srand(1);
	for (1 .. $cycles)
	{
		$node->safe_psql('postgres', q(
			INSERT INTO submitted SELECT spotai.submit('noop') FROM generate_series(1, 500);
			INSERT INTO submitted SELECT spotai.submit('noop', '{"seconds": 0.05}') FROM generate_series(1, 6)));
		sleep rand(0.12);
		my @pids = worker_pids($node);
		my $victim = $pids[ int rand @pids ];
		my $start = time;
		kill 'KILL', $victim;
		next unless poll_value($node,
			"SELECT count(*), bool_or(pid = $victim) FROM pg_stat_activity WHERE backend_type = 'spotai worker'",
			"$workers|f", 60);
		$survived++;
		my $took = time - $start;
		$longest = $took if $took > $longest;
	}
	return ($survived, $longest);
}

# After the queue has run empty: jobs that were submitted and did not finish,
# and finishes too many.
sub lost_jobs
{
	my ($node) = @_;

	poll_value($node, q(SELECT count(*) FROM spotai.job WHERE state <> 'succeeded'), '0', 120);
	return split /\|/, $node->safe_psql('postgres', q(
		SELECT (SELECT count(*) FROM submitted s WHERE NOT EXISTS (SELECT FROM finished f WHERE f.id = s.id)),
		       (SELECT count(*) - count(DISTINCT id) FROM finished)));
}

# A stereo WAV of 44.1 kHz: the same two seconds of chords and noise, over and over.
sub write_song
{
	my ($path, $seconds) = @_;
	my $seed = 1;
	my $bar = '';
	for my $n (0 .. 88199)
	{
		$seed = ($seed * 1103515245 + 12345) & 0x7fffffff;
		my $hit = ($n % 22050) < 2000 ? ($seed / 0x7fffffff - 0.5) * 12000 : 0;
		my $tone = 6000 * sin($n * 0.0157) + 3000 * sin($n * (0.047 + 1e-7 * ($n % 44100)));
		$bar .= pack('s<2', $tone + $hit, $tone - $hit);
	}
	my $data = $bar x ($seconds / 2);
	open my $fh, '>:raw', $path or die "$path: $!";
	print $fh pack('a4Va4a4VvvVVvva4V', 'RIFF', 36 + length $data, 'WAVE', 'fmt ', 16, 1, 2, 44100, 176400, 4, 16,
		'data', length $data), $data;
	close $fh;
	chmod 0644, $path;
	return;
}

1;
