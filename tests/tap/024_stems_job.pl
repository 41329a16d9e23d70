# Separation and export as jobs: the same bits as the function, progress,
# cancel, a killed worker, a stopped server, privileges.
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

my $node = preloading_node('stems', "spotai.workers = 1\n");
install_spotai($node);

sub one { return $node->safe_psql('postgres', $_[0]); }

my $dir = PostgreSQL::Test::Utils::tempdir;
chmod 0755, $dir;
write_song("$dir/short.wav", 4);
write_song("$dir/long.wav", 600);
my $short = one("SELECT spotai.ingest_file('$dir/short.wav', 'short')");
my $long = one("SELECT spotai.ingest_file('$dir/long.wav', 'long')");

sub separate { return one("SELECT spotai.submit('separate', '{\"track_id\": \"$_[0]\", \"stems\": 4}')"); }

# waits until the job is somewhere in the middle
sub halfway
{
	my ($job) = @_;
	return poll_value($node, "SELECT state = 'running' AND progress BETWEEN 0.05 AND 0.95 FROM spotai.job WHERE id = '$job'", 't');
}

# --- the same as the function
my $hashes = "SELECT string_agg(stem || encode(sha256, 'hex'), ' ' ORDER BY stem) FROM spotai.audio WHERE track_id = '$short'";
my $job = separate($short);
is(one("SELECT spotai.wait('$job')"), 'succeeded', 'a separation as a job');
is(one("SELECT result ->> 'model', (SELECT string_agg(k, ',' ORDER BY k) FROM jsonb_object_keys(result -> 'stems') k) FROM spotai.job WHERE id = '$job'"),
	'spotai-base|bass,drums,other,vocals', 'its result names model and stems');
is(one("SELECT count(*) FROM spotai.job j, jsonb_each_text(j.result -> 'stems') r JOIN spotai.audio a ON a.id = r.value::uuid AND a.stem = r.key WHERE j.id = '$job'"),
	'4', 'and their audio');
my $by_job = one($hashes);
one("SELECT count(*) FROM spotai.separate('$short', 4)");
is(one($hashes), $by_job, 'function and job make the same bytes');

# --- the song of the repository against its true stems: what docs/benchmarks.md
# measures, less half a dB
my %expected = (vocals => 6.3, drums => 3.3, bass => 2.7, other => 1.6);
my $songs = "$FindBin::RealBin/../../demo/song";
my $demo = one("SELECT spotai.ingest_file('$songs/mixture.flac', 'demo')");
$job = separate($demo);
is(one("SELECT spotai.wait('$job')"), 'succeeded', 'the demo song');
for my $stem (sort keys %expected)
{
	my $truth = one("SELECT spotai.ingest_file('$songs/$stem.flac', 'truth')");
	my $sdr = one("SELECT spotai.sdr(t.audio_id, a.id) FROM spotai.track t, spotai.audio a
		WHERE t.id = '$truth' AND a.track_id = '$demo' AND a.stem = '$stem'");
	cmp_ok($sdr, '>', $expected{$stem}, "SDR of $stem");
}

# --- cancel
$job = separate($long);
ok(halfway($job), 'progress is visible');
my $start = time;
is(one("SELECT spotai.cancel('$job')"), 't', 'it is canceled');
is(one("SELECT spotai.wait('$job')"), 'canceled', 'and stops');
my $ms = int(1000 * (time - $start));
diag("canceled after $ms ms, two psql starts included");
cmp_ok($ms, '<', 1000, 'soon');
is(one("SELECT count(*) FROM spotai.audio WHERE track_id = '$long'"), '0', 'nothing of it is stored');
my ($worker) = worker_pids($node);
slurp_file("/proc/$worker/status") =~ /^RssAnon:\s+(\d+)/m or die 'no RssAnon';
cmp_ok($1, '<', 100 * 1024, "the worker's memory is back");

# --- a worker that is killed: the server restarts, the job is taken over
$job = separate($long);
ok(halfway($job), 'another separation');
kill 'KILL', worker_pids($node);
ok($node->poll_query_until('postgres', "SELECT state = 'succeeded' FROM spotai.job WHERE id = '$job'"),
	'a killed worker loses nothing');
is(one("SELECT attempt FROM spotai.job WHERE id = '$job'"), '2', 'it took two attempts');
is(one("SELECT count(*), count(DISTINCT a.frames) FROM spotai.audio a WHERE track_id = '$long'"), '4|1', 'one set of stems');

# --- a server that is stopped
$job = separate($long);
ok(halfway($job), 'a third one');
$start = time;
$node->stop('fast');
cmp_ok(time - $start, '<', 10, 'a separation does not hold up a shutdown');
$node->start;
ok($node->poll_query_until('postgres', "SELECT state = 'succeeded' FROM spotai.job WHERE id = '$job'"), 'it goes on after the start');
is(one("SELECT attempt FROM spotai.job WHERE id = '$job'"), '1', 'a polite stop is no failed attempt');

# --- export
my $song = one("SELECT audio_id FROM spotai.track WHERE id = '$short'");
sub export { return one("$_[1]SELECT spotai.submit('export', '{\"audio_id\": \"$song\", \"path\": \"$_[0]\"}')"); }
my $out = $node->basedir . '/short.flac';
$job = export($out, '');
is(one("SELECT spotai.wait('$job')"), 'succeeded', 'an export');
is(substr(slurp_file($out), 0, 4), 'fLaC', 'the file is there');
$job = export($out, '');
is(one("SELECT spotai.wait('$job')"), 'failed', 'not a second time');
is(one("SELECT error_code FROM spotai.job WHERE id = '$job'"), '58P02', 'because it exists');

one(q(CREATE ROLE app; GRANT spotai_admin TO app));
$job = (split /\n/, export($node->basedir . '/app.flac', "SET ROLE app;\n"))[-1];
is(one("SELECT spotai.wait('$job')"), 'failed', 'a role that may not write files of the server');
is(one("SELECT error_code FROM spotai.job WHERE id = '$job'"), '42501', 'is told so');
ok(!-e $node->basedir . '/app.flac', 'and has written nothing');
$job = (split /\n/, one("SET ROLE app;\nSELECT spotai.submit('separate', '{\"track_id\": \"$short\", \"stems\": 2}')"))[-1];
is(one("SELECT spotai.wait('$job')"), 'succeeded', 'but it may separate');

$job = separate('11111111-1111-1111-1111-111111111111');
is(one("SELECT spotai.wait('$job')"), 'failed', 'a track that does not exist');
is(one("SELECT error_code FROM spotai.job WHERE id = '$job'"), '42704', 'is said so');

$node->stop;
done_testing();
