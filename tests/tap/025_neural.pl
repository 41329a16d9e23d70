# Separation by models on a real server: a folder as jobs, models that change or
# go while they are used, work that is canceled, ended or runs out of time.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SpotaiModels;
use SpotaiNode;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = preloading_node('neural', "spotai.workers = 1\n");
install_spotai($node);

sub one { return $node->safe_psql('postgres', $_[0]); }

my $songs = PostgreSQL::Test::Utils::tempdir;
chmod 0755, $songs;
write_song("$songs/$_->[0].wav", $_->[1]) for ['first', 2], ['second', 4], ['third', 14];
my $long = PostgreSQL::Test::Utils::tempdir . '/long.wav';
write_song($long, 900);
$long = one("SELECT spotai.ingest_file('$long', 'long')");

# --- a folder of songs as jobs
one("SELECT spotai.model_import('" . tiny_model('tiny-5stems.tar.gz') . "', 'tiny5')");
one("SELECT spotai.model_import('" . tiny_model('tiny-2stems.tar.gz') . "', 'tiny2')");
one("SELECT spotai.ingest_file('$songs/' || name, name) FROM pg_ls_dir('$songs') name ORDER BY name");
my @jobs = split /\n/, one(q(SELECT spotai.submit('separate', jsonb_build_object('track_id', id, 'stems', 5))
	FROM spotai.track WHERE title LIKE '%.wav' ORDER BY title));
is(scalar @jobs, 3, 'a job for each song of a folder');
is(one("SELECT spotai.wait('$_', '60 s')"), 'succeeded', 'done') for @jobs;
my $ids = join ', ', map { "'$_'" } @jobs;
is(one("SELECT DISTINCT result ->> 'model', (SELECT string_agg(k, ',' ORDER BY k) FROM jsonb_object_keys(result -> 'stems') k) FROM spotai.job WHERE id IN ($ids)"),
	'tiny5|bass,drums,other,piano,vocals', 'the results name the model and its stems');
is(one("SELECT string_agg(duration_s::text, ',' ORDER BY duration_s) FROM spotai.audio WHERE stem = 'piano' AND model = 'tiny5'"), '2,4,14', 'of the songs');
my $third = one("SELECT id FROM spotai.track WHERE title = 'third.wav'");

# --- the function makes the same bits, and another version of the model is noticed by the worker that has kept the first
sub digest { return one("SELECT string_agg(encode(sha256, 'hex'), ' ' ORDER BY stem) FROM spotai.audio WHERE track_id = '$third' AND model = 'tiny5'"); }
sub by_job
{
	my $job = one("SELECT spotai.submit('separate', '{\"track_id\": \"$third\", \"stems\": 5, \"model\": \"tiny5\"}')");

	is(one("SELECT spotai.wait('$job', '60 s')"), 'succeeded', 'another job');
	return digest();
}
my $first = digest();
is(one("SELECT count(*) FROM spotai.separate('$third', 5)"), 5, 'without a job');
is(digest(), $first, 'the same');
one("SELECT spotai.model_import('" . tiny_model('tiny-5stems.tar.gz') . q{', 'tiny5', version => '2', params => '{"frames": 256}')});
my $second = by_job();
isnt($second, $first, 'a version that was activated in another session is used by the next job');
one("SELECT spotai.model_activate('tiny5', '1')");
is(by_job(), $first, 'and so is the old one');

# --- sessions that can be looked at while they work
my $serial = 0;

sub session
{
	my ($sql) = @_;
	my %s = (out => '', err => '', name => 'test' . $serial++);
	my $file = PostgreSQL::Test::Utils::tempdir . '/sql';

	PostgreSQL::Test::Utils::append_to_file($file, $sql);
	$s{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres') . " application_name=$s{name}", '-f', $file ],
		'>', \$s{out}, '2>', \$s{err});
	return \%s;
}

sub result
{
	my ($s) = @_;

	$s->{run}->finish;
	return $s->{out} . $s->{err};
}

sub pid_of { return one("SELECT pid FROM pg_stat_activity WHERE application_name = '$_[0]->{name}'"); }
sub threads_of
{
	my ($pid) = @_;

	return -e "/proc/$pid/status" && slurp_file("/proc/$pid/status") =~ /^Threads:\s+(\d+)/m ? $1 : 0;
}

# until the session's threads are at work
sub working
{
	my ($s) = @_;
	my $deadline = time + 30;

	while (time < $deadline)
	{
		my $pid = pid_of($s);
		return $pid if $pid && threads_of($pid) > 1;
		sleep 0.02;
	}
	die "no session works: $s->{out} $s->{err}";
}

# --- which network the rest is about: of the released size where it can be had
my $full = full_model();
note($full ? 'a network of the released size' : '# SKIP python3-torch is not here: a tiny network instead of a full one');
one("SELECT spotai.model_import('" . ($full // tiny_model('tiny-2stems.npz')) . "', 'big2')");
my $separate_long = "SELECT count(*) FROM spotai.separate('$long', 2, 'big2');";
my $stored = "SELECT count(*) FROM spotai.audio WHERE track_id = '$long'";
my $chunks = one('SELECT count(*) FROM spotai.audio_chunk');

# --- cancel a job, in the middle; the worker keeps its model and goes on
my @ms;
for my $try (1 .. 3)
{
	my $job = one("SELECT spotai.submit('separate', '{\"track_id\": \"$long\", \"stems\": 2, \"model\": \"big2\"}')");
	ok(poll_value($node, "SELECT state = 'running' AND progress > 0 FROM spotai.job WHERE id = '$job'", 't'), 'a long job runs');
	my ($state, $ms) = split /\|/, (split /\n/, one("
		SELECT clock_timestamp() AS asked \\gset
		SELECT spotai.cancel('$job');
		SELECT spotai.wait('$job'), 1000 * extract(epoch FROM clock_timestamp() - :'asked')"))[-1];
	is($state, 'canceled', 'it is canceled');
	push @ms, $ms;
}
@ms = sort { $a <=> $b } @ms;
diag(sprintf 'canceled after %.0f, %.0f and %.0f ms', @ms);
cmp_ok($ms[0], '<', 250, 'soon');
is(one($stored), 0, 'nothing of it is stored');
is(by_job(), $first, 'the worker goes on');

# --- cancel a query: by the user and by the clock, and the session goes on
my $s = session("$separate_long\nSELECT 'alive'; SELECT count(*) FROM spotai.separate('$third', 2, 'big2');\n");
working($s);
sleep 0.5;
one("SELECT pg_cancel_backend(" . pid_of($s) . ")");
my $said = result($s);
like($said, qr/57014.*canceling statement due to user request/, 'a query is canceled');
like($said, qr/^alive\n2$/m, 'and the session separates again');
for my $limit (30, 100, 300, 900)
{
	$said = result(session("SET statement_timeout = $limit;\n$separate_long\nSET statement_timeout = 0;\nSELECT 'alive';\nSELECT count(*) FROM spotai.separate('$third', 2, 'big2');\n"));
	like($said, qr/57014.*canceling statement due to statement timeout/, "statement_timeout = $limit");
	like($said, qr/^alive\n2$/m, 'and the session separates again');
}

# --- end a session at any moment: threads are waited for, and nobody else notices
for my $delay (0, 0.05, 0.2, 0.5, 1)
{
	$s = session($separate_long);
	my $pid = working($s);
	sleep $delay;
	one("SELECT pg_terminate_backend($pid, 10000)");
	like(result($s), qr/57P01/, "a session is ended after $delay s");
	is(threads_of($pid), 0, 'and gone');
}
# one that is idle, with threads that wait; and one that leaves by itself
$s = session("SELECT count(*) FROM spotai.separate('$third', 2, 'big2');\nSELECT pg_sleep(60);\n");
my $idle = working($s);
ok(poll_value($node, "SELECT query LIKE '%pg_sleep%' FROM pg_stat_activity WHERE pid = $idle", 't'), 'a session is idle');
cmp_ok(threads_of($idle), '>', 1, 'with its threads');
one("SELECT pg_terminate_backend($idle, 10000)");
result($s);
is(threads_of($idle), 0, 'and can be ended');
is(one($stored), 0, 'nothing of all these is stored');
is(one("SELECT count(*) FROM spotai.audio_chunk c WHERE NOT EXISTS (SELECT FROM spotai.audio a WHERE a.id = c.audio_id)"), 0, 'nor chunks of nothing');
unlike(slurp_file($node->logfile), qr/terminated by signal|reinitializing|PANIC/, 'the server has not restarted');

# --- a model that goes while another session uses it
one("SELECT spotai.model_import('" . tiny_model('tiny-2stems.npz') . "', 'gone2')");
$s = session("SELECT count(*) FROM spotai.separate('$long', 2, 'gone2');\nSELECT count(*) FROM spotai.separate('$third', 2, 'gone2');\n");
working($s);
one("SELECT spotai.model_drop('gone2')");
$said = result($s);
like($said, qr/^2$/m, 'a model is dropped while another session separates: it ends well');
like($said, qr/42704.*model "gone2" does not exist/, 'and the next time there is none');
is(one($stored), 2, 'its stems stay');
# in the midst of loading
my %ends;
for my $try (1 .. 10)
{
	one("SELECT spotai.model_import('" . ($full // tiny_model('tiny-2stems.npz')) . "', 'gone2')");
	$s = session("SELECT count(*) FROM spotai.separate('$third', 2, 'gone2');\n");
	sleep 0.03 * $try;
	one("SELECT spotai.model_drop('gone2')");
	$said = result($s);
	like($said, qr/^2$|42704/m, 'a model is dropped at some moment');
	$ends{$said =~ /ERROR:  (\w+)/ ? $1 : 'none'}++;
}
note('errors: ', join ', ', map { "$_ $ends{$_} times" } sort keys %ends);

# --- a flipped bit is noticed by whoever loads the model next
one("UPDATE spotai.model_chunk SET data = set_byte(data, 5, get_byte(data, 5) # 4) WHERE model_id = (SELECT id FROM spotai.model WHERE name = 'big2') AND tensor = 20 AND seq = 0");
my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT * FROM spotai.separate('$third', 2, 'big2')");
like($err, qr/XX001: stored model "big2" is damaged.*The checksum of tensor "[a-z0-9_\/]+" does not match/s, 'a flipped bit is noticed');

$node->stop;
done_testing();
