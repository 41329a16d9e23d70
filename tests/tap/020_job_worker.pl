# Background workers: waiting for tables, picking up, canceling, stopping,
# roles, schedules, pruning, restarts of a worker and of the server.
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

my $node = preloading_node('worker', "spotai.workers = 2\nspotai.job_poll_interval = '60s'\n");

sub one { return $node->safe_psql('postgres', $_[0]); }
sub slurp_log { return slurp_file($node->logfile); }

# --- before there is anything to work on
sleep 2;
is(scalar(worker_pids($node)), 1, 'one worker waits for the extension');
my @lines = (slurp_log() =~ /waiting for the extension/g);
is(scalar @lines, 1, 'it says so once');

my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
like(slurp_file("/proc/$postmaster/status"), qr/^Threads:\s+1$/m, 'the postmaster has one thread');

install_spotai($node);
ok(poll_value($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'spotai worker'", '2'),
	'all workers run after CREATE EXTENSION and migrate, without a restart');

# --- picking up: far below the poll interval, so the latch did it
my $job = spotai_id($node, q('noop'));
my $start = time;
is(one("SELECT spotai.wait('$job')"), 'succeeded', 'a job is run');
cmp_ok(time - $start, '<', 5, 'at once');
is(one("SELECT attempt, progress, error IS NULL, result IS NULL, worker_pid IS NOT NULL FROM spotai.job WHERE id = '$job'"),
	'1|1|t|t|t', 'its row tells how');

$job = spotai_id($node, q('noop', run_at => clock_timestamp() + interval '1 second'));
is(one("SELECT spotai.wait('$job', '20 s')"), 'succeeded', 'a job for later is run');
is(one("SELECT started_at >= run_at AND started_at < run_at + interval '1 second' FROM spotai.job WHERE id = '$job'"),
	't', 'when it is due, not when the queue is polled');

# two workers: the first two start together
my @order = split /\n/, one(q(
	SELECT spotai.submit('noop', '{"seconds": 0.2}', priority => p) FROM unnest(ARRAY[1, 3, 2]) p;
	SELECT pg_sleep(2);
	SELECT priority FROM (SELECT * FROM spotai.job ORDER BY created_at DESC LIMIT 3) s ORDER BY started_at));
is($order[-1], '1', 'more important jobs first');

# --- retry, failure, death
$job = spotai_id($node, q('noop', '{"error": "53000", "times": 1}'));
is(one("SELECT spotai.wait('$job')"), 'succeeded', 'a passing error is retried');
is(one("SELECT attempt, error FROM spotai.job WHERE id = '$job'"), '2|', 'its error is forgotten after success');
$job = spotai_id($node, q('noop', '{"error": "22023"}'));
is(one("SELECT spotai.wait('$job')"), 'failed', 'bad input is not retried');
is(one("SELECT attempt, error_code, error FROM spotai.job WHERE id = '$job'"), '1|22023|failed on request', 'error and SQLSTATE are kept');
$job = (split /\n/, one(q(SET spotai.job_max_attempts = 2; SELECT spotai.submit('noop', '{"error": "53000"}'))))[-1];
is(one("SELECT spotai.wait('$job')"), 'dead', 'attempts run out');
is(one("SELECT attempt, error_code FROM spotai.job WHERE id = '$job'"), '2|53000', 'after max_attempts');
one(q(INSERT INTO spotai.job (kind) VALUES ('unheard'); SELECT spotai.submit('noop')));
ok(poll_value($node, "SELECT state, error_code FROM spotai.job WHERE kind = 'unheard'", 'failed|42704'),
	'a kind that this version does not know fails');

# --- progress and cancel
$job = spotai_id($node, q('noop', '{"seconds": 60}'));
ok(poll_value($node, "SELECT progress > 0 AND message = 'doing nothing' FROM spotai.job WHERE id = '$job'", 't'),
	'progress is visible while a job runs');
one("SELECT spotai.cancel('$job')");
is(one("SELECT spotai.wait('$job')"), 'canceled', 'a running job is canceled');
# updated_at was last set by cancel() before the worker set it with finished_at
my @latency;
for (1 .. 5)
{
	$job = spotai_id($node, q('noop', '{"seconds": 60}'));
	poll_value($node, "SELECT state FROM spotai.job WHERE id = '$job'", 'running');
	my $asked = one("SELECT spotai.cancel('$job'); SELECT clock_timestamp()");
	$asked =~ s/^t\n//;
	one("SELECT spotai.wait('$job')");
	push @latency, one("SELECT extract(epoch FROM finished_at - '$asked') * 1000 FROM spotai.job WHERE id = '$job'");
}
my ($worst) = sort { $b <=> $a } @latency;
cmp_ok($worst, '<', 200, "it stops within 200 ms (longest of 5: $worst ms)");
$job = spotai_id($node, q('noop', run_at => now() + interval '1 hour'));
is(one("SELECT spotai.cancel('$job'); SELECT state FROM spotai.job WHERE id = '$job'"), "t\ncanceled", 'a queued job is canceled at once');
is(one("SELECT spotai.cancel('$job')"), 'f', 'and then no more');

# --- a worker that is asked to stop hands its job back
$job = spotai_id($node, q('noop', '{"seconds": 1.5}'));
poll_value($node, "SELECT state FROM spotai.job WHERE id = '$job'", 'running');
$start = time;
is(one("SELECT pg_terminate_backend(worker_pid, 5000) FROM spotai.job WHERE id = '$job'"), 't', 'a worker can be terminated');
cmp_ok(time - $start, '<', 0.5, 'promptly');
is(one("SELECT spotai.wait('$job')"), 'succeeded', 'its job is run by another');
is(one("SELECT attempt, fence FROM spotai.job WHERE id = '$job'"), '1|2', 'as the same attempt, with a new fence');
ok(poll_value($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'spotai worker'", '2'),
	'the launcher replaces the worker');

# --- a worker that does not move loses its job and cannot finish it
one("ALTER SYSTEM SET spotai.job_lease_s = 3");
one("ALTER SYSTEM SET spotai.job_poll_interval = '200ms'");
$node->reload;
one('CREATE TABLE finished (id uuid); CREATE FUNCTION log_finish() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN INSERT INTO public.finished VALUES (NEW.id); RETURN NULL; END $$;
	CREATE TRIGGER log_finish AFTER UPDATE ON spotai.job FOR EACH ROW
	WHEN (NEW.state = \'succeeded\' AND OLD.state <> \'succeeded\') EXECUTE FUNCTION log_finish()');
$job = spotai_id($node, q('noop', '{"seconds": 2}'));
poll_value($node, "SELECT state FROM spotai.job WHERE id = '$job'", 'running');
my $stale = one("SELECT worker_pid FROM spotai.job WHERE id = '$job'");
kill 'STOP', $stale;
ok(poll_value($node, "SELECT state FROM spotai.job WHERE id = '$job'", 'succeeded'), 'a job whose lease has passed is taken over');
kill 'CONT', $stale;
sleep 3;
is(one("SELECT count(*), max(j.fence), max(j.attempt) FROM finished JOIN spotai.job j USING (id) WHERE id = '$job'"),
	'1|2|2', 'and finished once');
is(one("SELECT count(*) FROM pg_stat_activity WHERE pid = $stale"), '1', 'the stale worker goes on with other work');

one('DROP FUNCTION log_finish CASCADE');

# --- roles
one(q(CREATE ROLE musician LOGIN; GRANT spotai_admin TO musician));
$job = (split /\n/, one(q(SET ROLE musician; SELECT spotai.submit('noop', '{"seconds": 0.1}'))))[-1];
is(one("SELECT spotai.wait('$job'); SELECT submitted_by FROM spotai.job WHERE id = '$job'"), "succeeded\nmusician", 'a job of an ordinary role');
my ($rc, $out, $err) = $node->psql('postgres', q(SET ROLE musician; INSERT INTO spotai.job (kind, submitted_by) VALUES ('noop', 'postgres')));
like($err, qr/violates row-level security policy/, 'nobody can submit as someone else');
my $user = $node->safe_psql('postgres', 'SELECT current_user');
($rc, $out, $err) = $node->psql('postgres', qq(SET ROLE musician; UPDATE spotai.job SET submitted_by = '$user' WHERE submitted_by = 'musician'));
like($err, qr/violates row-level security policy/, 'nor give a job away');
one(q(CREATE ROLE leaver; GRANT spotai_admin TO leaver));
$job = (split /\n/, one(q(SET ROLE leaver; SELECT spotai.submit('noop', '{"seconds": 0.1}', run_at => now() + interval '2 s'))))[-1];
one('DROP OWNED BY leaver; DROP ROLE leaver');
is(one("SELECT spotai.wait('$job'); SELECT error_code FROM spotai.job WHERE id = '$job'"), "failed\n42704", 'a job whose submitter is gone fails');
one('CREATE ROLE boss; ALTER TABLE spotai.job OWNER TO boss; GRANT USAGE ON SCHEMA spotai, _spotai TO boss;
	GRANT SELECT, UPDATE ON spotai.schedule TO boss; GRANT EXECUTE ON ALL ROUTINES IN SCHEMA spotai, _spotai TO boss;
	ALTER POLICY tenant_isolation ON spotai.job USING (true)');
$job = spotai_id($node, q('noop', '{"seconds": 0.1}'));
is(one("SELECT spotai.wait('$job'); SELECT error_code FROM spotai.job WHERE id = '$job'"), "failed\n42501",
	'the owner of the table cannot make a job run as a role that it could not be');
one("GRANT musician TO boss");
$job = (split /\n/, one(q(SET ROLE musician; SELECT spotai.submit('noop', '{"seconds": 0.1}'))))[-1];
is(one("SELECT spotai.wait('$job')"), 'succeeded', 'but as one that it could');
# nor does a trigger of the owner's, which fires at commit, find itself a superuser
one(q(CREATE TABLE who (role name, what text); GRANT INSERT ON who TO PUBLIC;
	CREATE FUNCTION climb() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO public.who VALUES (current_user, NEW.state);
		RESET ROLE;
		INSERT INTO public.who VALUES (current_user, 'climbed');
		RETURN NULL;
	EXCEPTION WHEN OTHERS THEN INSERT INTO public.who VALUES (current_user, SQLSTATE); RETURN NULL; END $$;
	CREATE CONSTRAINT TRIGGER climb AFTER UPDATE ON spotai.job DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION climb()));
$job = (split /\n/, one(q(SET ROLE musician; SELECT spotai.submit('noop', '{"seconds": 0.1}'))))[-1];
is(one("SELECT spotai.wait('$job'); SELECT DISTINCT role, what FROM who"), "succeeded\nboss|42501", 'the work on the queue is done as its owner');
one('DROP FUNCTION climb CASCADE');
one("ALTER TABLE spotai.job OWNER TO $user");

# --- schedules
# half an hour from its next time, so that none comes while we look
one(q(SELECT spotai.schedule('hourly', to_char((now() + interval '30 minutes') AT TIME ZONE 'UTC', 'MI') || ' * * * *', 'noop', '{"seconds": 0.01}')));
one(q(UPDATE spotai.schedule SET next_run_at = now() - interval '3 hours'; SELECT spotai.submit('noop')));
ok(poll_value($node, q(SELECT count(*) FROM spotai.job WHERE idempotency_key LIKE 'schedule %' AND state = 'succeeded'), '1'),
	'a due schedule submits a job');
sleep 1;
is(one(q(SELECT count(*) FROM spotai.job WHERE idempotency_key LIKE 'schedule %')), '1', 'one for all the times that were missed');
is(one(q(SELECT next_run_at > now() AND next_run_at <= now() + interval '1 hour' AND last_run_at < now() - interval '2 hours' FROM spotai.schedule)),
	't', 'and is set to its next time');
one(q(SELECT spotai.unschedule('hourly')));
one(q(INSERT INTO spotai.schedule (name, cron, kind, next_run_at) VALUES ('broken', 'now and then', 'noop', now())));
ok(poll_value($node, q(SELECT error IS NOT NULL AND next_run_at = 'infinity' FROM spotai.schedule WHERE name = 'broken'), 't'),
	'a schedule with a cron text that is none stops and says why');

# --- retention
one(q(INSERT INTO spotai.job (kind, state, finished_at) SELECT 'noop', 'succeeded', now() - interval '8 days' FROM generate_series(1, 2500)));
one("ALTER SYSTEM SET spotai.job_retention = '7d'");
my $kept = one(q(SELECT count(*) FROM spotai.job WHERE finished_at > now() - interval '1 day'));
$node->restart;
ok(poll_value($node, q(SELECT count(*) FROM spotai.job WHERE finished_at < now() - interval '1 day'), '0'), 'old finished jobs are pruned');
is(one('SELECT count(*) FROM spotai.job WHERE finished_at IS NOT NULL'), $kept, 'newer ones are kept');

# --- restart with jobs queued and running
one(q(SELECT spotai.submit('noop', '{"seconds": 0.5}') FROM generate_series(1, 6)));
sleep 0.2;
$node->restart;
ok(poll_value($node, q(SELECT count(*) FROM spotai.job WHERE state IN ('queued', 'running')), '0', 20), 'jobs survive a restart of the server');
is(one(q(SELECT count(*) FROM spotai.job WHERE state NOT IN ('succeeded', 'failed', 'dead', 'canceled'))), '0', 'and end');
one(q(SELECT spotai.submit('noop', '{"seconds": 2}') FROM generate_series(1, 2)));
sleep 0.3;
$start = time;
$node->stop('immediate');
$node->start;
ok(poll_value($node, q(SELECT count(*) FROM spotai.job WHERE state IN ('queued', 'running')), '0', 20), 'and a crash of it');
cmp_ok(time - $start, '<', 8, 'without waiting for a lease');

# --- settings at run time
one("ALTER SYSTEM SET spotai.workers = 4");
$node->reload;
ok(poll_value($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'spotai worker'", '4'), 'more workers');
one("ALTER SYSTEM SET spotai.workers = 1");
$node->reload;
ok(poll_value($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'spotai worker'", '1'), 'fewer workers');
one('CREATE DATABASE other');
one("ALTER SYSTEM SET spotai.database = 'other'");
$node->reload;
ok(poll_value($node, "SELECT datname FROM pg_stat_activity WHERE backend_type = 'spotai worker'", 'other'), 'another database');
install_spotai($node, 'other');
$job = $node->safe_psql('other', q(SELECT spotai.submit('noop')));
is($node->safe_psql('other', "SELECT spotai.wait('$job')"), 'succeeded', 'whose jobs are run');
$node->safe_psql('other', 'DROP EXTENSION spotai CASCADE; DROP SCHEMA spotai CASCADE');
sleep 1.5;
install_spotai($node, 'other');
$job = $node->safe_psql('other', q(SELECT spotai.submit('noop')));
is($node->safe_psql('other', "SELECT spotai.wait('$job')"), 'succeeded', 'also after everything was dropped and made again');

unlike(slurp_log(), qr/PANIC|TRAP|server process .* was terminated by signal|WARNING/, 'nothing strange in the log');
$node->stop;
done_testing();
