# What separation by models leaves in a backend: threads, memory, and what
# happens when there is no more of it; other instruction sets.
#
# SPOTAI_SONGS=100 separates that many songs in one session instead of 30.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use List::Util qw(min);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SpotaiModels;
use SpotaiNode;
use Test::More;
use Time::HiRes qw(time);

my $node = preloading_node('memory', "spotai.workers = 1\n");
install_spotai($node);

sub one { return $node->safe_psql('postgres', $_[0]); }

# Numbers of the session's own process, as lines of output.
my $threads = q{SELECT 'threads ' || (regexp_match(pg_read_file('/proc/self/status'), 'Threads:\s+(\d+)'))[1];};
my $memory = q{SELECT 'kB ' || (regexp_match(pg_read_file('/proc/self/status'), 'RssAnon:\s+(\d+)'))[1];};

sub numbers { my ($word, $out) = @_; return $out =~ /^$word (\d+)$/mg; }

my $dir = PostgreSQL::Test::Utils::tempdir;
write_song("$dir/short.wav", 2);
write_song("$dir/song.wav", 30);
write_song("$dir/long.wav", 600);
my ($short, $song, $long) = map { one("SELECT spotai.ingest_file('$dir/$_.wav', '$_')") } qw(short song long);
my $full = full_model();
note($full ? 'a network of the released size' : '# SKIP python3-torch is not here: a tiny network instead of a full one');
one("SELECT spotai.model_import('" . ($full // tiny_model('tiny-2stems.npz')) . "', 'big2')");
one("SELECT spotai.model_import('" . tiny_model('tiny-4stems.safetensors') . "', 'tiny4')");

# --- threads: none in the postmaster, those of the setting in a backend that has separated
my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
my $small = "SELECT count(*) FROM spotai.separate('$short', 4, 'tiny4');";
my @counts = numbers('threads', one("$threads $small $threads SET spotai.threads = 3; $small $threads SET spotai.threads = 1; $small $threads
	SET spotai.nn_keep_model = off; $small $threads SET spotai.threads = 5; $small $threads SET spotai.nn_keep_model = on; $small $threads"));
my $cpus = () = slurp_file('/proc/cpuinfo') =~ /^processor/mg;
is(join(' ', @counts), join(' ', 1, 1 + ($cpus < 4 ? $cpus : 4), 4, 2, 1, 1, 6), 'threads of a backend as it goes');
like(slurp_file("/proc/$postmaster/status"), qr/^Threads:\s+1$/m, 'the postmaster has one thread');
@counts = numbers('threads', one("SET spotai.threads = 2; $small $threads"));
is("@counts", '3', 'and another backend its own');

# an error in the middle leaves the network, or frees it
my (undef, $out) = $node->psql('postgres', "SET spotai.threads = 2; $small SET statement_timeout = 400;
	SELECT count(*) FROM spotai.separate('$long', 4, 'tiny4'); $threads SET spotai.nn_keep_model = off;
	SELECT count(*) FROM spotai.separate('$long', 4, 'tiny4'); $threads", on_error_stop => 0);
is(join(' ', numbers('threads', $out)), '3 1', 'after errors, too');

# --- memory: flat over many songs, and over their length
my $songs = $ENV{SPOTAI_SONGS} // 30;
my $separate = "SELECT count(*) FROM spotai.separate('$song', 2, 'big2');";
my @kb = numbers('kB', one($memory . "$separate $memory" x $songs));
# what a song has freed may still be malloc's to give back: the least of several songs has no such rest
my ($before, $after) = (min(@kb[ 3 .. $songs / 3 ]), min(@kb[ -$songs / 3 .. -1 ]));
diag("anonymous memory: $kb[0] kB before, $before kB after some songs, $after kB after $songs");
cmp_ok($after, '<', 1.02 * $before + 2048, "flat over $songs songs");
@kb = numbers('kB', one("SET spotai.threads = 2; $separate $memory SELECT count(*) FROM spotai.separate('$long', 2, 'big2'); $memory"));
diag("anonymous memory: $kb[0] kB after 30 s of music, $kb[1] kB after 10 min");
cmp_ok($kb[1], '<', 1.02 * $kb[0] + 2048, 'flat over length');
cmp_ok($kb[1], '<', 700 * 1024, 'below 700 MB');
# without keeping, and with models that take turns, it comes back
my $turns = "SELECT count(*) FROM spotai.separate('$short', 4, 'tiny4'); SELECT count(*) FROM spotai.separate('$short', 2, 'big2');";
@kb = numbers('kB', one("$turns $turns $memory" . $turns x 8 . $memory));
diag("anonymous memory: $kb[0] kB after 2 turns of two models, $kb[1] kB after 10");
cmp_ok($kb[1], '<', 1.05 * $kb[0] + 4096, 'flat over models that take turns');
@kb = numbers('kB', one("SET spotai.nn_keep_model = off; $memory $separate $memory" . $separate x 4 . $memory));
diag("anonymous memory: $kb[0] kB before, $kb[1] kB after a song that kept nothing, $kb[2] kB after 5");
cmp_ok($kb[2], '<', 1.05 * $kb[1] + 4096, 'flat when nothing is kept');
cmp_ok($kb[1], '<', $kb[0] + 48 * 1024, 'and most of it is given back');

# --- no memory: an error, wherever it happens, and the session goes on
my $none = 0;
for my $extra (1, 10, 25, 40, 60, 80, 100, 130, 160, 200, 240, 280, 320, 360, 400, 500, 2000)
{
	my $stored = one("SELECT count(*), coalesce(max(updated_at)::text, '') FROM spotai.audio WHERE kind = 'stem'");
	my (undef, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose
		SELECT pg_backend_pid() AS pid, count(*) FROM spotai.track \\gset
		\\setenv BACKEND :pid
		\\! prlimit --pid \$BACKEND --as=\$((\$(awk '/VmSize/ { print \$2 }' /proc/\$BACKEND/status) * 1024 + $extra * 1048576)):
		SELECT 'done ' || count(*) FROM spotai.separate('$song', 2, 'big2');
		SELECT 'alive';
		\\! prlimit --pid \$BACKEND --as=unlimited:
		SELECT 'again ' || count(*) FROM spotai.separate('$short', 2, 'big2');", on_error_stop => 0);
	my $failed = $err =~ /ERROR:  53200/;

	$none++ if $failed;
	ok($failed != ($out =~ /^done 2$/m), "with $extra MB more than a fresh backend has: " . ($failed ? 'no memory' : 'done')) or diag("$out\n$err");
	like($out, qr/^alive\nagain 2$/m, 'and the session goes on');
	isnt(one("SELECT count(*), coalesce(max(updated_at)::text, '') FROM spotai.audio WHERE kind = 'stem'"), $stored, 'with another song');
}
cmp_ok($none, '>=', 5, 'memory was short');
unlike(slurp_file($node->logfile), qr/terminated by signal|reinitializing|PANIC/, 'the server has not restarted');

# --- CPUs that can do less: slower, and nearly the same
sub stems { return one("SELECT string_agg(s.audio_id::text, ',' ORDER BY s.stem) FROM spotai.separate('$short', 2, '$_[0]') s"); }
one("SELECT spotai.model_import('" . ($full // tiny_model('tiny-2stems.npz')) . "', '$_')") for qw(AVX2 SSE41);
one('ALTER SYSTEM SET spotai.nn_precision = f32');
$node->reload;
my @reference = split /,/, stems('big2');
for my $isa (qw(AVX2 SSE41))
{
	local $ENV{ONEDNN_MAX_CPU_ISA} = $isa;
	one('ALTER SYSTEM RESET spotai.nn_precision');
	$node->restart;
	my @stems = split /,/, stems($isa);
	is(scalar @stems, 2, "a CPU with $isa");
	cmp_ok(one("SELECT spotai.sdr('$reference[$_]', '$stems[$_]')"), '>', 60, 'gives what the others do in f32') for 0, 1;
	my (undef, undef, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSET spotai.nn_precision = bf16; SELECT count(*) FROM spotai.separate('$short', 2, '$isa')");
	like($err, qr/0A000: unsupported model "$isa"/, 'bf16 is refused');
}

$node->stop;
done_testing();
