# The audit log on a running server: the sealer; exports and what spotai-verify
# says of them, honest and tampered with by a superuser; dump and restore; kill -9
# under load.
#
# SPOTAI_AUDIT_ENTRIES entries by 16 clients, 50,000 unless told otherwise, with
# SPOTAI_AUDIT_KILLS times kill -9, 5 unless told otherwise.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use FindBin;
use JSON::PP;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SpotaiNode;
use Test::More;
use Time::HiRes qw(sleep time);

my $entries = $ENV{SPOTAI_AUDIT_ENTRIES} || 50_000;
my $kills = $ENV{SPOTAI_AUDIT_KILLS} || 5;
my $temp = PostgreSQL::Test::Utils::tempdir;
my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
chomp(my $bindir = `$pg_config --bindir`);

sub write_file
{
	my ($name, $content, $mode) = @_;

	open(my $file, '>:raw', "$temp/$name") or die "$temp/$name: $!";
	print $file $content;
	close $file;
	chmod $mode, "$temp/$name" if defined $mode;
	return "$temp/$name";
}

my $key_file = write_file('keys', ('0123456789abcdef' x 4) . "\n", 0600);
my $node = preloading_node('audit', "spotai.workers = 1\nspotai.audit_origin = 'example.com/audit'\nautovacuum = off\n");
sub one { return $node->safe_psql('postgres', $_[0]); }
sub sealers { return one("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'spotai sealer'"); }
my $unsealed = 'SELECT entries FROM spotai.audit_unsealed';
my $size_now = 'SELECT coalesce(max(tree_size), 0) FROM spotai.audit_checkpoint';

# --- the sealer
install_spotai($node);
one(q(SELECT spotai.audit('first', 'entry')));
sleep 2.5;
is(sealers(), '1', 'a sealer is there without a key');
isnt(one($unsealed), '0', 'and can not seal');
my @said = slurp_file($node->logfile) =~ /(no key-encryption key is configured)/g;
is(scalar @said, 1, 'it says so once');
$node->append_conf('postgresql.conf', "spotai.key_file = '$key_file'");
$node->reload;
ok(poll_value($node, $unsealed, '0', 5), 'with a key it seals what has waited');
my @took;
for (1 .. 5)
{
	my $start = time;
	one(q(SELECT spotai.audit('soon', 'sealed')));
	ok(poll_value($node, $unsealed, '0', 10), 'an entry is sealed');
	push @took, time - $start;
}
# a busy machine may stop for a second now and then
my $median = (sort { $a <=> $b } @took)[2];
cmp_ok($median, '<', 1.5, 'within a second and what it takes to see that');
note(sprintf 'time until an entry was sealed, the median: %.2f s', $median);
is(one('SELECT count(*) FROM spotai.audit_key'), '1', 'one key');
is(one(q(SELECT ok FROM spotai.audit_verify())), 't', 'the log is whole');
is(one(q(SELECT count(*) >= 2 FROM pg_inherits WHERE inhparent = 'spotai.audit_entry'::regclass)), 't', 'partitions are made ahead');
$node->append_conf('postgresql.conf', 'spotai.audit_seal_interval = 0');
$node->reload;
ok(poll_value($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'spotai sealer'", '0', 10), 'the sealer can be switched off');
one(q(SELECT spotai.audit('by', 'hand')));
sleep 0.7;
is(one($unsealed), '1', 'then nothing is sealed');
is(one('SELECT spotai.audit_seal()'), '1', 'but by hand');
$node->append_conf('postgresql.conf', 'spotai.audit_seal_interval = 100ms');
$node->reload;
ok(poll_value($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'spotai sealer'", '1', 10), 'and on again');
one(q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'spotai sealer'));
one(q(SELECT spotai.audit('while', 'nobody seals')));
ok(poll_value($node, $unsealed, '0', 10), 'one that was terminated is started again');

# --- exports
# verify(what, status, pattern, file, argument...): a number of findings, too
our @key;
sub verify
{
	my ($what, $status, $pattern, $file, @arguments) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ "$bindir/spotai-verify", @key, @arguments, $file ], '<', '/dev/null', '>', \$out, '2>', \$err);
	is($? >> 8, $status, "$what: status $status");
	like("$out$err", $pattern, "$what: says so");
	return "$out$err";
}

# Runs statements, then exports the log, all in one transaction that is rolled back.
my $open = join '', map { "ALTER TABLE spotai.$_ DISABLE TRIGGER append_only; " }
	qw(audit_entry audit_pending audit_leaf audit_node audit_checkpoint);
sub export
{
	my ($name, $statements, $from) = @_;
	$from //= 0;
	my $file = "$temp/$name.jsonl";
	my $script = "BEGIN;\n\\o /dev/null\n" . ($statements ? "$open\n$statements;\n" : '') .
		"\\o $file\nSELECT spotai.audit_export($from, ($size_now));\n\\o\nROLLBACK;\n";
	my $err = '';

	IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', '-' ], '<', \$script, '>', '/dev/null', '2>', \$err)
		or die "$name: $err";
	return $file;
}
# as anybody would: by psql, into a file
sub checkpoint
{
	my ($name, $database) = @_;

	IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr($database // 'postgres'), '-c', 'SELECT spotai.audit_checkpoint()' ], '>', "$temp/$name") or die $name;
	return "$temp/$name";
}

$node->safe_psql('postgres', q(
	CREATE TABLE song (id integer PRIMARY KEY, title text, who uuid);
	SELECT spotai.audit_enable('song', subject_column => 'who');
	INSERT INTO song SELECT n, 'title ' || n, CASE WHEN n % 3 = 0 THEN '11111111-1111-1111-1111-111111111111'::uuid END FROM generate_series(1, 40) n;
	UPDATE song SET title = U&'\00e4\4e2d"\005c quoted' WHERE id % 5 = 0;
	DELETE FROM song WHERE id > 35));
poll_value($node, $unsealed, '0', 10);
my $early = checkpoint('early');
@key = ('--key', write_file('key', one('SELECT verifier FROM spotai.audit_key') . "\n"));
$key[1] = "\@$key[1]";
one(q(SELECT spotai.audit('after', 'n ' || n) FROM generate_series(1, 20) n));
poll_value($node, $unsealed, '0', 10);
my $late = checkpoint('late');
# what follows writes entries, of exports: let nothing be sealed meanwhile
$node->append_conf('postgresql.conf', 'spotai.audit_seal_interval = 0');
$node->reload;
poll_value($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'spotai sealer'", '0', 10);
my $size = one($size_now);
my $victim = one('SELECT entry_id FROM spotai.audit_leaf WHERE position = 7');
my @outside = ('-c', $early, '-c', $late);

verify('honest', 0, qr/^whole: log "example.com\/audit", $size entries from position 0 on.*none given/s, export('honest'));
verify('honest, checkpoints', 0, qr/2 fit, the last of size $size/, export('honest'), @outside);
verify('a part', 0, qr/entries from position 10 on/, export('part', undef, 10), '-f', 10, '-c', $late);

my $where = "WHERE id = '$victim'";
my @tamperings = (
	[ 'flip a byte of a detail', "UPDATE spotai.audit_entry SET detail = set_byte(detail, 20, get_byte(detail, 20) # 1) $where" ],
	[ 'another action', "UPDATE spotai.audit_entry SET action = 'row.delete' $where" ],
	[ 'another object', "UPDATE spotai.audit_entry SET object = object || ' ' $where" ],
	[ 'another time', "UPDATE spotai.audit_entry SET occurred_at = occurred_at + interval '1 microsecond' $where", qr/$victim/ ],
	[ 'another principal', "UPDATE spotai.audit_entry SET principal_id = id $where" ],
	[ 'another tenant', "UPDATE spotai.audit_entry SET tenant_id = id $where", qr/$victim/ ],
	[ 'delete the entry', "DELETE FROM spotai.audit_entry $where", qr/$victim/ ],
	[ 'delete entry and leaf', "DELETE FROM spotai.audit_entry $where; DELETE FROM spotai.audit_leaf WHERE entry_id = '$victim'", qr/position 7 is missing/ ],
	[ 'and close the gap', "DELETE FROM spotai.audit_entry $where; DELETE FROM spotai.audit_leaf WHERE entry_id = '$victim';
		UPDATE spotai.audit_leaf SET position = position + 1000000 WHERE position > 7; UPDATE spotai.audit_leaf SET position = position - 1000001 WHERE position > 1000000", qr/not whole/ ],
	[ 'reorder', 'UPDATE spotai.audit_leaf SET position = 1000000 WHERE position = 7; UPDATE spotai.audit_leaf SET position = 7 WHERE position = 8;
		UPDATE spotai.audit_leaf SET position = 8 WHERE position = 1000000', qr/do not lead|does not|root/ ],
	[ 'replay', "UPDATE spotai.audit_leaf l SET entry_tenant_id = o.entry_tenant_id, entry_id = o.entry_id, occurred_at = o.occurred_at, leaf = o.leaf
		FROM spotai.audit_leaf o WHERE l.position = 8 AND o.position = 7", qr/root/ ],
	[ 'change the leaf too', "UPDATE spotai.audit_leaf SET leaf = sha256(leaf) WHERE position = 7" ],
	[ 'swap the checkpoint for an older one', "UPDATE spotai.audit_checkpoint SET note = (SELECT note FROM spotai.audit_checkpoint ORDER BY tree_size LIMIT 1) WHERE tree_size = $size", qr/not whole/ ],
	[ 'flip a bit of the signature', "UPDATE spotai.audit_checkpoint SET note = overlay(note PLACING 'AAAA' FROM length(note) - 20) WHERE tree_size = $size", qr/signature|signed|trusted/ ],
);
for my $tampering (@tamperings)
{
	my ($name, $statements, $pattern) = @$tampering;
	my $file = export('tampered', $statements);
	verify($name, 1, $pattern // qr/$victim at position 7 /, $file, @outside);
	my $found = one("BEGIN; $open $statements; SELECT count(*) FILTER (WHERE NOT ok) > 0 FROM spotai.audit_verify()");
	like($found, qr/^t$/m, "$name: audit_verify() finds it");
}

# What whoever has the key can do: seal a history that is whole in itself; in a
# copy of the database, since what is sealed is exported once it is committed.
sub forged
{
	my ($name, $statements) = @_;
	my $file = "$temp/$name.jsonl";
	my $script = "\\o /dev/null\n$open\n$statements;\n\\o $file\nSELECT spotai.audit_export(0, ($size_now));\n";
	my $err = '';

	$node->safe_psql('template1', "CREATE DATABASE $name");
	IPC::Run::run([ 'pg_dump', '-f', "$temp/$name.sql", '-d', $node->connstr('postgres') ]) or die $name;
	IPC::Run::run([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$temp/$name.sql", '-d', $node->connstr($name) ], '>', '/dev/null') or die $name;
	$node->safe_psql($name, 'CALL spotai.migrate()');
	IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($name), '-f', '-' ], '<', \$script, '>', '/dev/null', '2>', \$err)
		or die "$name: $err";
	return $file;
}
my $again = 'DELETE FROM spotai.audit_leaf; DELETE FROM spotai.audit_node; DELETE FROM spotai.audit_checkpoint; DELETE FROM spotai.audit_pending;';
my $rest = "INSERT INTO spotai.audit_pending SELECT l.entry_tenant_id, l.entry_id, l.occurred_at, l.leaf FROM kept l";
my $keep = 'CREATE TEMP TABLE kept AS SELECT * FROM spotai.audit_leaf;';
my $cut = forged('cut', "$keep $again DELETE FROM kept WHERE position >= $size - 3; DELETE FROM spotai.audit_entry e WHERE NOT EXISTS (SELECT FROM kept WHERE entry_id = e.id); $rest; SELECT spotai.audit_seal()");
verify('the end cut off and signed', 0, qr/none given/, $cut);
verify('the end cut off, checkpoint', 1, qr/late (is of size $size: entries from position \d+ to \d+ are missing|does not)/, $cut, @outside);
my $rewritten = forged('rewritten', "$keep $again DELETE FROM kept WHERE entry_id = '$victim'; DELETE FROM spotai.audit_entry $where; $rest; SELECT spotai.audit_seal()");
verify('rewritten and signed', 0, qr/none given/, $rewritten);
verify('rewritten, checkpoint', 1, qr/early/, $rewritten, '-c', $early);
my $begun = forged('begun', "$keep $again DELETE FROM kept WHERE position < 5; DELETE FROM spotai.audit_entry e WHERE NOT EXISTS (SELECT FROM kept WHERE entry_id = e.id); $rest; SELECT spotai.audit_seal()");
verify('the begin cut off', 1, qr/early/, $begun, '-c', $early);

# --- another log: of another database of the same server, of the same name, with the same key-encryption key
$node->safe_psql('postgres', 'CREATE DATABASE other');
install_spotai($node, 'other');
$node->safe_psql('other', q(SELECT spotai.audit('n', 'n ' || n) FROM generate_series(1, 100) n; SELECT spotai.audit_seal()));
my $other = checkpoint('other', 'other');
my $other_export = write_file('other.jsonl', $node->safe_psql('other', 'SELECT spotai.audit_export(0, 100)') . "\n");
verify('another log', 1, qr/not whole/, $other_export, @outside);
verify('another checkpoint', 1, qr/other/, export('honest'), '-c', $other);
{
	local @key = ('--key', $node->safe_psql('other', 'SELECT verifier FROM spotai.audit_key'));
	verify('the other log with its key', 0, qr/^whole/, $other_export, '-c', $other);
	verify('the other key', 1, qr/None of the known keys has signed/, export('honest'));
}

# --- a person is forgotten: the export differs in nothing that is proven
my $before = slurp_file(export('before'));
is(one(q(SELECT _spotai.audit_forget('11111111-1111-1111-1111-111111111111'))), '1', 'a person is forgotten');
my $after = slurp_file(export('after'));
is($after, $before, 'the export is what it was');
verify('forgotten', 0, qr/2 fit/, "$temp/after.jsonl", @outside);
# nor do the bytes matter
verify('details destroyed', 0, qr/2 fit/, write_file('bare.jsonl', join '', map { s/"detail":"[^"]*"/"detail":null/; $_ } split /^/, $before), @outside);

# --- odd strings
SKIP:
{
	my $blns = ($ENV{SPOTAI_SHARED} || "$FindBin::RealBin/../../../shared") . '/vectors/blns/blns.json';
	unless (-e $blns) { note '# SKIP no shared vectors'; skip 'no shared vectors', 3; }
	my @strings = grep { length && !/\0/ } @{ JSON::PP->new->utf8->decode(slurp_file($blns)) };
	my $values = join ', ', map { utf8::encode(my $s = $_); "('" . unpack('H*', $s) . "')" } @strings;
	is(one("CREATE TABLE blns AS SELECT row_number() OVER () AS n, convert_from(decode(hex, 'hex'), 'UTF8') AS s FROM (VALUES $values) v (hex);
		SELECT count(spotai.audit(CASE WHEN octet_length(s) < 255 THEN s ELSE 'long' END, s, jsonb_build_object(s, s))) FROM blns"), scalar @strings, 'odd strings are written');
	is(one("SELECT count(*) FROM spotai.audit_log l JOIN blns b ON l.object = b.s AND l.detail #>> ARRAY['data', b.s] = b.s") >= @strings, 1, 'and are what they were');
	one('SELECT spotai.audit_seal()');
	verify('odd strings', 0, qr/2 fit/, export('odd'), @outside);
}

# --- dump and restore
one('SELECT spotai.audit_seal()');
one(q(SELECT spotai.audit('not', 'sealed')));
my $last = checkpoint('last');
push @outside, '-c', $last;
my $facts = q(SELECT md5(string_agg(format('%s %s %s %s', l.position, l.leaf, e.object, e.detail), ' ' ORDER BY l.position)) FROM spotai.audit_leaf l JOIN spotai.audit_entry e ON e.id = l.entry_id);
my $was = one($facts);
my $dump = "$temp/dump.sql";
command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ], 'restore');
$node->safe_psql('restored', 'CALL spotai.migrate()');
is($node->safe_psql('restored', $facts), $was, 'all of the log is there');
like($node->safe_psql('restored', 'SELECT ok, detail FROM spotai.audit_verify()'), qr/^t\|/, 'and whole');
is($node->safe_psql('restored', 'SELECT spotai.audit_seal() > 0'), 't', 'it goes on');
$node->safe_psql('restored', q(INSERT INTO song VALUES (1000, 'audited')));
is($node->safe_psql('restored', q(SELECT count(*) FROM spotai.audit_log WHERE object = 'public.song[1000]')), '1', 'tables are audited as before');
my $restored_size = $node->safe_psql('restored', $size_now);
verify('restored', 0, qr/3 fit/, write_file('restored.jsonl', $node->safe_psql('restored', "SELECT spotai.audit_export(0, $restored_size)") . "\n"), @outside);
my ($rc, $out, $err) = $node->psql('restored', 'DELETE FROM spotai.audit_entry');
like($err, qr/part of the audit log/, 'and guarded');

# --- 16 clients, and kill -9
$node->append_conf('postgresql.conf', "spotai.audit_seal_interval = 100ms\nmax_connections = 100\nshared_buffers = 64MB\nlog_statement = none\n");
$node->restart;
one(q(CREATE TABLE counted (id bigserial PRIMARY KEY, client integer, at timestamptz DEFAULT now()); SELECT spotai.audit_enable('counted')));
# until it is gone, and its children with it
sub kill_postmaster
{
	my $pid = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];

	$node->kill9;
	sleep 0.1 while kill 0, $pid;
	sleep 1;
	return;
}

my $insert = write_file('insert.sql', "INSERT INTO counted (client) VALUES (:client_id);\n", 0644);
my ($written, $acknowledged, $rounds) = (0, 0, 0);
my @kept = @outside;
srand(1);
while ($written < $entries && $rounds < $kills + 50)
{
	my $killing = $rounds < $kills;
	my $share = $killing ? int($entries / ($kills + 1)) + 1 : $entries - $written;
	my $each = int($share / 16) + 1;
	my ($bench_out, $bench_err) = ('', '');
	my $bench = IPC::Run::start([ 'pgbench', '-n', '-c', '16', '-j', '2', '-M', 'prepared', '-P', '1', '-t', $killing ? $each * 100 : $each, '-f', $insert, $node->connstr('postgres') ],
		'<', '/dev/null', '>', \$bench_out, '2>', \$bench_err);
	if ($killing)
	{
		# when enough have been written, at any moment
		my $goal = one('SELECT coalesce(max(id), 0) FROM counted') + $share;
		poll_value($node, "SELECT max(id) > $goal FROM counted", 't', 600);
		sleep rand(0.3);
		push @kept, '-c', checkpoint("round$rounds");
		my @victims = split /\n/, one($rounds % 2 ? q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'spotai sealer')
			: q(SELECT pid FROM pg_stat_activity WHERE query LIKE 'INSERT INTO counted%' LIMIT 1));
		if ($rounds == 2) { kill_postmaster(); }
		else { kill 'KILL', $victims[0]; }
	}
	eval { $bench->finish };
	$acknowledged += $1 if $bench_out =~ /number of transactions actually processed: (\d+)/;
	$node->start if $killing && $rounds == 2;
	poll_value($node, 'SELECT 1', '1', 60);
	$written = one('SELECT count(*) FROM counted');
	$rounds++;
}
poll_value($node, $unsealed, '0', 60);
is(one(q(SELECT count(*) FROM counted c WHERE NOT EXISTS (SELECT FROM spotai.audit_entry e WHERE e.object = format('public.counted[%s]', c.id)))), '0', "$written rows, $kills times kill -9: no entry is lost");
is(one(q(SELECT count(*) FROM spotai.audit_entry e WHERE e.object LIKE 'public.counted[%' AND NOT EXISTS (SELECT FROM counted c WHERE e.object = format('public.counted[%s]', c.id)))), '0', 'none was made up');
is(one(q(SELECT count(*) - count(DISTINCT object) FROM spotai.audit_entry WHERE object LIKE 'public.counted[%')), '0', 'none is there twice');
is(one('SELECT count(*) - count(DISTINCT entry_id) FROM spotai.audit_leaf'), '0', 'none has two positions');
cmp_ok($written, '>=', $entries, "there are $entries");
cmp_ok($written, '>=', $acknowledged, "the $acknowledged that were acknowledged among them");
my $began = time;
like(one('SELECT ok, detail FROM spotai.audit_verify()'), qr/^t\|/, 'no false alarm of audit_verify()');
note(sprintf 'audit_verify(): %.1f s', time - $began);
my $checkpoints = @kept / 2;
verify('after kill -9', 0, qr/$checkpoints fit/, export('killed'), @kept);
my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
like(slurp_file("/proc/$postmaster/status"), qr/^Threads:\s+1$/m, 'the postmaster still has one thread');

$node->stop;
done_testing();
