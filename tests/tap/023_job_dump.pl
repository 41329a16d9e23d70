# Dump and restore carry the queue; a restored server goes on with it.
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
use Time::HiRes qw(sleep);

my $old = preloading_node('old', "spotai.workers = 1\n");
install_spotai($old);
my $long = spotai_id($old, q('noop', '{"seconds": 30}'));
poll_value($old, "SELECT state FROM spotai.job WHERE id = '$long'", 'running');
my $waiting = spotai_id($old, q('noop', '{"seconds": 0.1}', idempotency_key => 'key'));
my $later = spotai_id($old, q('noop', run_at => now() + interval '1 year'));
$old->safe_psql('postgres', q(SELECT spotai.schedule('daily', '@daily', 'noop')));
my $dump = $old->backup_dir . '/dump.sql';
mkdir $old->backup_dir;
command_ok([ 'pg_dump', '-f', $dump, '-d', $old->connstr('postgres') ], 'pg_dump with a job running');
my $facts = q(SELECT string_agg(format('%s %s %s %s', id, kind, args, submitted_by), E'\n' ORDER BY id) FROM spotai.job);
my $before = $old->safe_psql('postgres', $facts);
$old->stop;

my $new = preloading_node('new', "spotai.workers = 1\n");
$new->safe_psql('postgres', 'CREATE DATABASE music');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $new->connstr('music') ], 'restore');
is($new->safe_psql('music', $facts), $before, 'all jobs are there');
is($new->safe_psql('music', 'SELECT name, cron FROM spotai.schedule'), 'daily|@daily', 'and the schedules');
is($new->safe_psql('music', q(SELECT count(*) FROM pg_policies WHERE tablename IN ('job', 'schedule'))), '14', 'and the policies');
$new->safe_psql('music', "UPDATE spotai.job SET args = '{\"seconds\": 0.2}' WHERE id = '$long'");
$new->safe_psql('postgres', "ALTER SYSTEM SET spotai.database = 'music'");
$new->reload;
is($new->safe_psql('music', "SELECT spotai.wait('$waiting')"), 'succeeded', 'a waiting job is run');
is($new->safe_psql('music', "SELECT spotai.wait('$long')"), 'succeeded', 'and the one that was running, for its worker is not here');
is($new->safe_psql('music', "SELECT attempt, fence FROM spotai.job WHERE id = '$long'"), '2|2', 'as another attempt');
is($new->safe_psql('music', "SELECT state FROM spotai.job WHERE id = '$later'"), 'queued', 'what is not due waits on');
is($new->safe_psql('music', q(SELECT spotai.submit('noop', '{"seconds": 0.1}', idempotency_key => 'key'))), $waiting, 'keys are known');
$new->safe_psql('music', 'CALL spotai.migrate()');
$new->stop;
done_testing();
