# kill -9 of workers while jobs run: none is lost, none is finished twice.
# SPOTAI_JOB_KILLS cycles, 5 unless told otherwise.
#
# Killing a background worker makes the postmaster restart every process of the
# server.
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
use Time::HiRes qw(sleep time);

my $kills = $ENV{SPOTAI_JOB_KILLS} || 5;
my $node = preloading_node('crash', "spotai.workers = 3\nspotai.job_max_attempts = 1000\n");
install_spotai($node);
prepare_kills($node);
my ($survived, $longest) = kill_cycles($node, 3, $kills);
is($survived, $kills, "the workers come back after each of $kills kills");
note(sprintf 'longest time until all workers were back: %.2f s', $longest);
my ($lost, $doubled) = lost_jobs($node);
is($node->safe_psql('postgres', q(SELECT count(*) FROM spotai.job WHERE state <> 'succeeded')), '0', 'every job succeeds');
is($lost, '0', 'none is lost');
is($doubled, '0', 'none is finished twice');
is($node->safe_psql('postgres', 'SELECT count(*) FROM finished'), 506 * $kills, 'none was made up');
note('attempts that a kill ended: ' . $node->safe_psql('postgres', 'SELECT coalesce(sum(attempt - 1), 0) FROM spotai.job'));
my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
like(slurp_file("/proc/$postmaster/status"), qr/^Threads:\s+1$/m, 'the postmaster still has one thread');

# a session that runs jobs and is killed by its own server's end, not preloaded
$node->safe_psql('postgres', 'ALTER SYSTEM SET spotai.workers = 0');
$node->reload;
poll_value($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'spotai worker'", '0');
my $job = spotai_id($node, q('noop', '{"seconds": 1}'));
my ($in, $out, $err) = ('', '', '');
my $runner = $node->background_psql('postgres', on_error_stop => 0);
$runner->query_until(qr/started/, "\\echo started\nCALL spotai.run_jobs();\n");
ok(poll_value($node, "SELECT state FROM spotai.job WHERE id = '$job'", 'running'), 'a session runs a job');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(worker_pid, 5000) FROM spotai.job WHERE id = '$job'");
is($node->safe_psql('postgres', "SELECT state FROM spotai.job WHERE id = '$job'"), 'running', 'it is terminated in the middle');
eval { $runner->quit };
$node->safe_psql('postgres', 'CALL spotai.run_jobs()');
is($node->safe_psql('postgres', "SELECT state, attempt FROM spotai.job WHERE id = '$job'"), 'succeeded|2', 'another takes the job over at once');

$node->stop;
done_testing();
