# Secrets and their keys on a running server: what the log, the activity view,
# a dump and the files hold; the key file; the key command; another key under
# load; odd names and values.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use File::Basename;
use FindBin;
use JSON::PP;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SpotaiNode;
use Test::More;
use Time::HiRes qw(sleep time);

# Every value below contains it, so one search finds them all.
my $plain = 'Kl4rt3xt';
# for statements that name none of the functions
my $like = "'%Kl4rt' || '3xt%'";
# as the server shows constants of a plan
my $bytes = join '\s+', unpack 'C*', $plain;
my @keys = map { sprintf '%064x', $_ + 17 * 2**40 } 1 .. 8;
my $temp = PostgreSQL::Test::Utils::tempdir;
my $key_file = "$temp/keys";

# As an administrator would: a new file in the place of the old one.
sub write_keys
{
	my ($content, $mode) = @_;

	unlink "$key_file.new";
	open(my $file, '>', "$key_file.new") or die "$key_file.new: $!";
	chmod $mode // 0600, "$key_file.new";
	print $file $content;
	close $file;
	rename "$key_file.new", $key_file or die "$key_file: $!";
}

write_keys("$keys[0]\n");
my $preload = join ',', 'spotai', grep { -e config('pkglibdir') . "/$_.so" } qw(auto_explain pg_stat_statements);
my $node = PostgreSQL::Test::Cluster->new('secrets');
$node->init;
$node->append_conf('postgresql.conf', "
shared_preload_libraries = '$preload'
spotai.workers = 0
spotai.audit_seal_interval = 0
spotai.key_file = '$key_file'
logging_collector = on
log_destination = 'stderr,csvlog,jsonlog'
log_statement = all
log_duration = on
log_min_duration_statement = 0
log_min_error_statement = debug5
log_min_messages = debug2
log_parameter_max_length_on_error = -1
debug_print_parse = on
debug_print_rewritten = on
debug_print_plan = on
auto_explain.log_min_duration = 0
auto_explain.log_verbose = on
auto_explain.log_analyze = on
auto_explain.log_nested_statements = on
pg_stat_statements.track = all
");
$node->start;
install_spotai($node);

sub config { my ($what) = @_; chomp(my $dir = `"$ENV{PG_CONFIG}" --$what`); return $dir; }
sub one { return $node->safe_psql('postgres', $_[0]); }

# What is in the log files, all formats.
sub logged { return join '', map { slurp_file($_) } glob($node->data_dir . '/log/*'); }

# What of the log holds a value.
sub leaked { return join "\n", logged() =~ /^(.*$plain.*)$/mg, logged() =~ /($bytes)/g; }

# What a session says on standard error.
sub said { my ($out, $err) = ('', ''); $node->psql('postgres', $_[0], stderr => \$err); return $err; }

# pgbench's -D sends text as a parameter of the extended protocol.
sub with_parameters
{
	my ($query, $mode, %parameters) = @_;
	my $script = "$temp/script.sql";

	open(my $file, '>', $script) or die "$script: $!";
	print $file "$query\n";
	close $file;
	my $ok = IPC::Run::run([ 'pgbench', '-n', '-M', $mode, '-t', '1', '-f', $script, (map { ('-D', "$_=$parameters{$_}") } sort keys %parameters),
			$node->connstr('postgres') ], '>', \my $out, '2>', \my $err);
	return $ok ? '' : $err;
}

# --- statements about secrets stay out of the log, whoever writes it
is(one("SELECT spotai.secret_put('literal', '$plain-1')"), '1', 'a literal');
one("SELECT spotai.secret_rotate('literal', '$plain-2'); SELECT spotai.SECRET_PUT('second', '$plain-3')");
for my $mode (qw(extended prepared))
{
	is(with_parameters('SELECT spotai.secret_put(:n::text, :v::text);', $mode, n => "parameter-$mode", v => "$plain-$mode"), '', "a parameter, $mode");
	is(one("SELECT spotai.secret_get('parameter-$mode')"), "$plain-$mode", 'is what was stored');
	like(with_parameters('SELECT spotai.secret_put(:n::text, :v::text);', $mode, n => "parameter-$mode", v => "$plain-$mode"),
		qr/there is a secret of that name already/, "an error with a parameter, $mode");
	like(with_parameters('SELECT spotai.secret_put(:n::text, :v::integer::text);', $mode, n => 'n', v => "$plain-$mode"),
		qr/invalid input syntax for type integer/, "an error before the call, $mode");
}
like(said("SELECT spotai.secret_put('literal', '$plain-4')"), qr/there is a secret of that name already/, 'an error in the call');
like(said("SELECT spotai.secret_put('x', '$plain-5'"), qr/syntax error/, 'an error of syntax');
like(said("SELECT spotai.secret_put('x', '$plain-6'::integer::text)"), qr/invalid input syntax/, 'an error that repeats the value');
like(said("SELECT spotai.secret_put('$plain-7', NULL)"), qr/must not be null/, 'arguments exchanged');
like(said("SELECT spotai.secret_put('x', repeat('$plain-8', 200000))"), qr/more than 1048576 bytes/, 'an error of size');
like(said("DO \$\$ BEGIN PERFORM spotai.secret_put('literal', '$plain-9'); END \$\$"), qr/already/, 'in an anonymous block');
one("PREPARE p AS SELECT spotai.secret_put(\$1, \$2); EXECUTE p('prepared', '$plain-10')");
like(said("PREPARE p AS SELECT spotai.secret_put(\$1, \$2)" . "; EXECUTE p('x', '$plain-14'::integer::text)"), qr/invalid input syntax/, 'an error in EXECUTE');
$node->psql('postgres', "PREPARE \"P q\" AS SELECT spotai.secret_put(\$1, \$2);\n EXECUTE \"P q\"('x', '$plain-15'::integer::text);\nEXECUTE  \"P q\" ('literal', '$plain-16');");
one("BEGIN; DECLARE c CURSOR FOR SELECT spotai.secret_put('cursor', '$plain-11'); FETCH c; CLOSE c; COMMIT");
one("CREATE TEMP TABLE t AS SELECT spotai.secret_put('into', '$plain-12')");
one("EXPLAIN (ANALYZE, VERBOSE) SELECT spotai.secret_put('explained', '$plain-13')");
one("SELECT spotai.secret_get(name) FROM spotai.secrets()");
one("SELECT 'another statement'");
my $log = logged();
is(leaked(), '', 'no value is in a log');
like($log, qr/withheld: a message about a statement that hands a secret to spotai/, 'it says that something was withheld');
like($log, qr/SQLSTATE 22P02, ERROR/, 'and which error');
like($log, qr/there is a secret of that name already/, 'errors of the functions are logged in their words');
unlike($log, qr/$keys[0]/, 'no key is in a log');
like($log, qr/SELECT 'another statement'/, 'other statements are logged');
SKIP:
{
	skip 'auto_explain is not here', 1 unless $preload =~ /auto_explain/;
	like($log, qr/Query Text: SELECT 'another statement'/, 'auto_explain was at work');
}

# --- other sessions
my $running = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-d', $node->connstr('postgres'), '-c', "SELECT spotai.secret_put('seen', '$plain-20'), pg_sleep(3)" ],
	'>', \my $out, '2>', \my $err);
my $activity = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
ok(poll_value($node, "SELECT query $activity AND state = 'active'", 'spotai.secret_put(), statement withheld'), 'pg_stat_activity withholds the statement');
$running->finish;
my ($in, $seen) = ('', '');
my $idle = IPC::Run::start([ 'psql', '-X', '-A', '-t', '-q', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$seen, '2>', \$err);
$in = "SELECT spotai.secret_rotate('seen', '$plain-21');\n";
$idle->pump until $seen =~ /2/;
ok(poll_value($node, "SELECT query $activity AND state = 'idle'", 'spotai.secret_rotate(), statement withheld'), 'and so when the session is idle');

# The key is in the memory of that session no more; of this process, it is found.
sub in_memory
{
	my ($pid, $what) = @_;
	open(my $memory, '<:raw', "/proc/$pid/mem") or return undef;
	for my $line (split /\n/, slurp_file("/proc/$pid/maps"))
	{
		my ($from, $to) = $line =~ /^([0-9a-f]+)-([0-9a-f]+) rw/ or next;
		no warnings 'portable';
		my $length = hex($to) - hex($from);
		# shared buffers are large and zero, and no place for it
		next if $length > 256 * 2**20 || !sysseek($memory, hex $from, 0);
		sysread($memory, my $bytes, $length) or next;
		return 1 if index($bytes, $what) >= 0;
	}
	return 0;
}
my $pid = one("SELECT pid $activity");
my $raw = pack 'H*', $keys[0];
SKIP:
{
	my $found = in_memory($pid, $raw);
	skip 'this system does not show the memory of another process', 2 unless defined $found;
	is($found, 0, 'an idle session keeps no key');
	$seen = '';
	$in = "BEGIN; SELECT length(spotai.secret_get('seen'));\n";
	$idle->pump until $seen =~ /\d/;
	is(in_memory($pid, $raw), 1, 'a transaction that needed it does');
}
$in .= "\\q\n";
$idle->finish;
SKIP:
{
	skip 'pg_stat_statements is not here', 2 unless $preload =~ /pg_stat_statements/;
	one('CREATE EXTENSION pg_stat_statements');
	is(one("SELECT count(*) > 0 FROM pg_stat_statements WHERE query ILIKE '%secret_put%'"), 't', 'pg_stat_statements knows the statements');
	# utility statements are kept whole; PREPARE, DO and the like are the client's choice
	unlike(one("SELECT query FROM pg_stat_statements WHERE query ILIKE 'SELECT%secret%'"), qr/$plain/, 'without the values');
	one('DROP EXTENSION pg_stat_statements');
}

# --- a dump, and the files
my $dump = "$temp/dump";
for my $format (qw(plain custom))
{
	$node->command_ok([ 'pg_dump', '-F', $format, '-Z', '0', '-f', "$dump.$format", '-d', $node->connstr('postgres') ], "pg_dump, $format");
	unlike(slurp_file("$dump.$format"), qr/$plain/, 'without a value');
	like(slurp_file("$dump.$format"), qr/parameter-extended/, 'with the names');
}
one('CHECKPOINT');
for my $part (qw(base global pg_wal pg_xact pg_logical))
{
	my $files = `grep -rlac "$plain" "@{[ $node->data_dir ]}/$part"`;
	is($files, '', "no file of $part holds a value");
}
one('CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), "$dump.custom" ], 'pg_restore');
is($node->safe_psql('restored', "SELECT spotai.secret_get('parameter-extended')"), "$plain-extended", 'with the key, a restored dump opens');
is($node->safe_psql('restored', "SELECT string_agg(name || version, ',' ORDER BY name) = '"
	. one("SELECT string_agg(name || version, ',' ORDER BY name) FROM spotai.secrets()") . "' FROM spotai.secrets()"), 't', 'all of it');
write_keys("$keys[1]\n");
like((said_by('restored', "SELECT spotai.secret_get('parameter-extended')")), qr/is not the one that is needed/, 'with another key it does not');
sub said_by { my ($database, $query) = @_; $node->psql($database, $query, stderr => \my $err); return $err; }
$node->safe_psql('postgres', 'DROP DATABASE restored');

# --- the key file: looked at whenever it is needed
my $get = "SELECT spotai.secret_get('literal')";
my $needs = qr/the configured key-encryption key is not the one that is needed\nDETAIL:  Needed is the key with the id [0-9a-f]{32}; configured: [0-9a-f]{32}\.\n/;
like(said($get), $needs, 'a wrong key is named as wrong');
like(said("SELECT spotai.secret_put('another', 'x')"), $needs, 'and nothing is written under it');
for my $case (
	[ 'empty', '', 0600, qr/there is no key in what spotai\.key_file says/ ],
	[ 'remarks', "# none\n\n", 0600, qr/there is no key in/ ],
	[ 'a passphrase', "correct horse battery staple\n", 0600, qr/line 1 of what spotai\.key_file says is no key/ ],
	[ 'half a key', substr($keys[0], 0, 32) . "\n", 0600, qr/line 1 of/ ],
	[ 'a second line that is none', "$keys[0]\nx\n", 0600, qr/line 2 of/ ],
	[ 'zeros', '0' x 64 . "\n", 0600, qr/All bytes of the key are the same/ ],
	[ 'raw bytes', pack('H*', $keys[0]), 0600, qr/line 1 of/ ],
	[ 'NUL', "$keys[0]\0\n", 0600, qr/line 1 of/ ],
	[ 'large', "# remark\n" x 1000, 0600, qr/the key file is too large/ ],
	[ 'too many keys', join('', map { sprintf "%064x\n", $_ } 1 .. 17), 0600, qr/more than 16 key-encryption keys/ ],
	[ 'readable by the group', "$keys[0]\n", 0640, qr/the key file can be read by others/ ],
	[ 'readable by all', "$keys[0]\n", 0604, qr/the key file can be read by others/ ],
	[ 'writable by all', "$keys[0]\n", 0602, qr/the key file can be read by others/ ])
{
	my ($what, $content, $mode, $pattern) = @$case;
	write_keys($content, $mode);
	my $answer = said($get);
	like($answer, $pattern, "key file: $what");
	unlike($answer, qr/$keys[0]|correct horse|\Q$key_file\E/, 'without what is in it, or where it is');
}
write_keys("# the current one\r\n$keys[0]\r\n\r\n", 0400);
is(one($get), "$plain-2", 'remarks, empty lines, line ends of Windows');
unlink $key_file;
like(said($get), qr/could not find the key file: No such file/, 'key file: none');
mkdir $key_file;
like(said($get), qr/the key file is not a regular file/, 'key file: a folder');
rmdir $key_file;
system_or_bail('mkfifo', '-m', '600', $key_file);
my $before = time;
like(said($get), qr/the key file is not a regular file/, 'key file: a pipe');
cmp_ok(time - $before, '<', 5, 'without waiting');
unlink $key_file;
write_keys("$keys[0]\n");

# Settings arrive with a reload.
sub configure
{
	my (%settings) = @_;
	for my $name (sort keys %settings)
	{
		my $value = $settings{$name} =~ s/'/''/gr;
		$node->safe_psql('postgres', "ALTER SYSTEM SET spotai.$name = '$value'");
	}
	$node->reload;
	for my $name (sort keys %settings)
	{
		my $value = $settings{$name} =~ s/'/''/gr;
		poll_value($node, "SELECT setting = '$value' FROM pg_settings WHERE name = 'spotai.$name'", 't') or die "spotai.$name did not arrive";
	}
}
my $data = $node->data_dir;
system_or_bail('cp', '-p', $key_file, "$data/inside");
symlink "$data/inside", "$temp/link";
for my $path ("$data/inside", "$data/base/../inside", "$temp/link")
{
	configure(key_file => $path);
	like(said($get), qr/the key file is in the data directory/, 'key file: ' . basename($path));
}
configure(key_file => 'inside');
like(said($get), qr/the key file has no absolute path/, 'key file: a relative path');
unlink "$data/inside";
configure(key_file => '');
like(said($get), qr/no key-encryption key is configured\nHINT:  Set spotai\.key_file/, 'none configured');

# --- the key command
configure(key_command => "cat $key_file");
is(one($get), "$plain-2", 'key command');
configure(key_file => $key_file);
like(said($get), qr/spotai\.key_file and spotai\.key_command are both set/, 'not both');
configure(key_file => '');
for my $case (
	[ 'false', qr/spotai\.key_command failed\nDETAIL:  child process exited with exit code 1\./ ],
	[ 'cat ' . $key_file . '; exit 7', qr/exit code 7/ ],
	[ 'kill -9 $$', qr/terminated by signal 9/ ],
	[ '/does/not/exist', qr/exit(ed with exit code|)[^\n]*127|command not found/ ],
	[ 'true', qr/there is no key in what spotai\.key_command says/ ],
	[ 'yes', qr/spotai\.key_command prints too much/ ],
	[ 'echo hello', qr/line 1 of what spotai\.key_command says is no key/ ])
{
	my ($command, $pattern) = @$case;
	configure(key_command => $command);
	like(said($get), $pattern, "key command: " . basename($command));
}
# unusual numbers, to find it among the processes
for my $case ([ "sleep 97531", 'waits for ever' ], [ "cat $key_file; exec 1>&-; sleep 97531", 'does not end' ])
{
	configure(key_command => $case->[0]);
	$before = time;
	like(said("SET statement_timeout = '500ms'; $get"), qr/canceling statement due to statement timeout/, "a key command that $case->[1] is canceled");
	cmp_ok(time - $before, '<', 10, 'soon');
	is(`pgrep -f '^sleep 97531' | wc -l` + 0, 0, 'and ended');
}
# what it printed is kept for a while, by a session
my $counting = "echo x >> $temp/calls; cat $key_file";
sub calls { my $n = -e "$temp/calls" ? (-s "$temp/calls") / 2 : 0; unlink "$temp/calls"; return $n; }
configure(key_command => $counting);
one("$get; $get; $get;");
is(calls(), 1, 'a session asks once');
configure(key_command_ttl => 0);
$node->safe_psql('postgres', "$get; BEGIN; $get; $get; COMMIT;");
is(calls(), 2, 'or once a transaction');
configure(key_command => '', key_command_ttl => 60, key_file => $key_file);

# --- another key, while others read and write
one("SELECT spotai.secret_put('bench-' || i, '$plain') FROM generate_series(0, 9) i");
open(my $script, '>', "$temp/load.sql") or die $!;
print $script "\\set i random(0, 9)\n\\set j random(0, 9)\n"
	. "SELECT 1 / (spotai.secret_get('bench-' || :i) LIKE $like)::integer;\n"
	. "SELECT spotai.secret_rotate('bench-' || :j, '$plain' || :i);\n"
	. "SELECT 1 / (spotai.secret_get('bench-' || :j) LIKE $like)::integer;\n";
close $script;
configure_quiet();
sub configure_quiet
{
	$node->append_conf('postgresql.conf', "log_statement = none\nlog_min_messages = warning\nlog_min_duration_statement = -1\nlog_duration = off\ndebug_print_parse = off\n"
		. "debug_print_rewritten = off\ndebug_print_plan = off\nauto_explain.log_min_duration = -1\n");
	$node->reload;
}
my $load = IPC::Run::start([ 'pgbench', '-n', '-c', '4', '-T', '8', '-f', "$temp/load.sql", $node->connstr('postgres') ], '>', \my $result, '2>', \my $trouble);
my $rekeyed = 0;
for my $round (1 .. 7)
{
	# data keys are made all the time
	one("UPDATE spotai.data_key SET created_at = now() - interval '100 days'") if $round % 2;
	write_keys("$keys[$round]\n$keys[$round - 1]\n");
	while ((my $n = one('SELECT spotai.rekey()')) > 0) { $rekeyed += $n; }
	sleep 0.5;
	while ((my $n = one('SELECT spotai.rekey()')) > 0) { $rekeyed += $n; }
	write_keys("$keys[$round]\n");
}
$load->finish;
is($trouble =~ s/^pgbench \(.*\n//mr, '', 'nobody notices that keys are changed');
like($result, qr/number of failed transactions: 0 /, 'no transaction fails');
cmp_ok($rekeyed, '>=', 7, "data keys were sealed anew ($rekeyed)");
is(one('SELECT bool_and(current) FROM spotai.data_keys()'), 't', 'all with the last key');
is(one("SELECT count(*) FROM spotai.secrets() s WHERE spotai.secret_get(s.name) LIKE $like"), one('SELECT count(*) FROM spotai.secrets()'), 'every secret opens');
diag($result =~ /(number of transactions actually processed: \d+)/);

# --- crash: what was acknowledged is there
one("SELECT spotai.secret_put('acknowledged', '$plain')");
$node->stop('immediate');
$node->start;
is(one("SELECT spotai.secret_get('acknowledged')"), $plain, 'after a crash');

# --- odd names and values
my $shared = $ENV{SPOTAI_SHARED} || "$FindBin::RealBin/../../../shared";
SKIP:
{
	my $blns = "$shared/vectors/blns/blns.json";
	unless (-e $blns) { note '# SKIP no shared vectors'; skip 'no shared vectors', 3; }
	my @strings = grep { length } @{ JSON::PP->new->utf8->decode(slurp_file($blns)) };
	my $values = join ',', map { my $s = $_; utf8::encode($s); "('" . unpack('H*', $s) . "')" } @strings;
	my $sql = "CREATE TEMP TABLE blns AS SELECT row_number() OVER () AS n, convert_from(decode(hex, 'hex'), 'UTF8') AS s FROM (VALUES $values) v (hex);";
	is(one("$sql SELECT count(*) FILTER (WHERE spotai.secret_put('blns-' || n, s) = 1) FROM blns"), scalar @strings, 'strings as values');
	is(one("$sql SELECT count(*) FROM blns WHERE spotai.secret_get('blns-' || n) IS DISTINCT FROM s"), '0', 'come back as they were');
	is(one("$sql
		CREATE FUNCTION pg_temp.put(n text, v text) RETURNS text LANGUAGE plpgsql AS \$\$
		BEGIN
			PERFORM spotai.secret_put(n, v);
			RETURN CASE WHEN spotai.secret_get(n) = v THEN 'ok' ELSE 'differs' END;
		EXCEPTION WHEN OTHERS THEN
			RETURN SQLSTATE;
		END \$\$;
		SELECT count(*) FROM (SELECT DISTINCT s FROM blns) d, pg_temp.put(s, 'v') r
		WHERE r <> CASE WHEN octet_length(s) > 255 OR s ~ '[\\x01-\\x1f\\x7f]' THEN '22023' ELSE 'ok' END"),
		'0', 'strings as names: stored, or refused as too long or with control characters');
}
is(leaked(), '', 'no value is in a log, to the end');
$node->stop;
done_testing();
