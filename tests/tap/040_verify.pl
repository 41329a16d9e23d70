# The program spotai-verify as it is installed: what it says of a whole log and
# of damaged ones, and its exit statuses.  The logs are those of
# tests/golden/make_merkle.py.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

my $golden = "$FindBin::RealBin/../golden/merkle";
my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
chomp(my $bindir = `$pg_config --bindir`);
my $program = "$bindir/spotai-verify";
my $temp = PostgreSQL::Test::Utils::tempdir;

# verify(what, status, pattern, argument...): what it prints on standard output
# and standard error together matches the pattern.
sub verify
{
	my ($what, $status, $pattern, @arguments) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ $program, @arguments ], '<', '/dev/null', '>', \$out, '2>', \$err);
	is($? >> 8, $status, "$what: status $status");
	like("$out$err", $pattern, "$what: says so");
}

# A copy of the whole log, changed by a function of its lines.
sub changed
{
	my ($name, $change) = @_;
	my @lines = split /^/, slurp_file("$golden/whole.jsonl");

	$change->(\@lines);
	open(my $file, '>:raw', "$temp/$name") or die "$temp/$name: $!";
	print $file @lines;
	close $file;
	return "$temp/$name";
}

my @key = ('--key', "\@$golden/key.txt");
my @outside = map { ('--checkpoint', "$golden/checkpoint-$_.txt") } (16, 37);
chomp(my $key_text = slurp_file("$golden/key.txt"));

verify('help', 0, qr/^Usage:/m, '--help');
verify('version', 0, qr/^spotai-verify \d+\.\d+\.\d+$/m, '--version');
verify('no key', 2, qr/no --key was given/, "$golden/whole.jsonl");
verify('no export', 2, qr/one export is wanted/, @key);
verify('unknown option', 2, qr/--help/, '--nothing');
verify('no such file', 2, qr/No such file/, @key, "$temp/none");
verify('no such checkpoint', 2, qr/No such file/, @key, '--checkpoint', "$temp/none", "$golden/whole.jsonl");
verify('no key', 2, qr/no verifier key/, '--key', 'example.com', "$golden/whole.jsonl");
verify('a folder', 2, qr/directory/i, @key, $golden);
verify('no position', 2, qr/--from/, @key, '--from', '-1', "$golden/whole.jsonl");

verify('whole', 0, qr/^whole: log "example.com\/audit", 37 entries from position 0 on.*none given/s, @key, "$golden/whole.jsonl");
verify('whole, outside', 0, qr/2 fit, the last of size 37/, @key, @outside, "$golden/whole.jsonl");
verify('key as text', 0, qr/^whole/, '-k', $key_text, "$golden/whole.jsonl");
verify('part', 0, qr/17 entries from position 20 on/, @key, '-f', 20, '-c', "$golden/checkpoint-37.txt", "$golden/part.jsonl");
verify('part as whole', 1, qr/begins at position 20, not at 0/, @key, "$golden/part.jsonl");
verify('empty log', 0, qr/0 entries/, @key, "$golden/none.jsonl");

my ($out, $err);
IPC::Run::run([ $program, @key, '-' ], '<', "$golden/whole.jsonl", '>', \$out, '2>', \$err);
is($?, 0, 'standard input: status 0');
like($out, qr/^whole/, 'standard input: whole');

verify('entry', 1, qr/^not whole: entry [0-9a-f-]{36} at position 6 is not what was recorded/m,
	@key, @outside, changed('entry', sub { $_[0][7] =~ s/"time_us":1/"time_us":2/ or die }));
verify('detail', 1, qr/at position 3 has another detail/,
	@key, changed('detail', sub { $_[0][4] =~ s/"detail":"AA/"detail":"AB/ or die }));
verify('gap', 1, qr/line 10: position 8 is missing, 9 \(entry [0-9a-f-]{36}\) comes in its place/,
	@key, changed('gap', sub { splice(@{ $_[0] }, 9, 1) }));
verify('again', 1, qr/line 11: position 9 should follow, but 8 /,
	@key, changed('again', sub { splice(@{ $_[0] }, 9, 0, $_[0][9]) }));
verify('cut', 1, qr/its checkpoint is missing/, @key, changed('cut', sub { splice(@{ $_[0] }, 9) }));
verify('spelling', 1, qr/line 5: /, @key, changed('spelling', sub { $_[0][4] =~ s/,"id"/, "id"/ or die }));
verify('line without end', 1, qr/line 2: The line has more than 1048576 bytes/,
	@key, changed('long', sub { $_[0][1] = 'x' x 3_000_000 . "\n" }));
verify('empty', 1, qr/not whole/, @key, changed('empty', sub { @{ $_[0] } = () }));
verify('tail', 1, qr/checkpoint-37.txt is of size 37: entries from position 0 to 36 are missing/,
	@key, @outside, "$golden/none.jsonl");
verify('many', 1, qr/^not whole: 6 more findings like these$/m, @key,
	changed('many', sub { s/"tenant":"0/"tenant":"1/ for @{ $_[0] }[ 1 .. 26 ] }));
(my $other_key = $key_text) =~ s/^.*$/PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq\/LDE4izWy10TW/;
verify('other key', 1, qr/None of the known keys has signed the note/, '-k', $other_key, "$golden/whole.jsonl");
verify('checkpoint that is none', 1, qr/can not be trusted/, @key, '-c', "$golden/key.txt", "$golden/whole.jsonl");

done_testing();
