# Bytes of an index that somebody else wrote: an error, or an answer, but never
# the end of a server process.
#
# SPOTAI_ANN_DAMAGES rounds, 70 unless told otherwise.
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

my $rounds = $ENV{SPOTAI_ANN_DAMAGES} || 70;
my $node = preloading_node('ann_damage', "spotai.workers = 0\nspotai.audit_seal_interval = 0\nautovacuum = off\nstatement_timeout = 20s\n");
my @names = qw(by_l2 by_cosine);
my ($file_of, $original) = ({}, {});

install_spotai($node);
$node->safe_psql('postgres', q(
	ALTER DATABASE postgres SET search_path = public, spotai;
	ALTER DATABASE postgres SET enable_seqscan = off;
	SET search_path = public, spotai;
	CREATE TABLE t (id integer, v embedding(24));
	INSERT INTO t SELECT n, (SELECT array_agg(sin(n * i * 0.731)::real) FROM generate_series(1, 24) i)::embedding FROM generate_series(1, 3000) n;
	CREATE INDEX by_l2 ON t USING spotai_ann (v embedding_l2_ops) WITH (lists = 12);
	CREATE INDEX by_cosine ON t USING spotai_ann (v embedding_cosine_ops) WITH (lists = 12, rerank = 'index', bits = 2);
	DELETE FROM t WHERE id % 2 = 0));
$node->stop;
for my $name (@names)
{
	$node->start;
	$file_of->{$name} = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('$name')");
	$node->stop;
	$original->{$name} = slurp_file($file_of->{$name});
}

sub write_file
{
	my ($name, $bytes) = @_;

	open my $out, '>:raw', $file_of->{$name} or die $!;
	print $out $bytes;
	close $out or die $!;
	return;
}

# What is behind the first 24 bytes of a block, PostgreSQL's own header, or the header's places, or the block's end.
sub damage
{
	my ($bytes, $kind) = @_;
	my $blocks = length($bytes) / 8192;
	my $block = $kind == 0 ? 0 : int rand $blocks;
	my ($from, $to) = @{ ([ 24, 512 ], [ 24, 8191 ], [ 8168, 8191 ], [ 12, 17 ])[$kind] };

	for (1 .. 1 + int rand 6)
	{
		substr $bytes, $block * 8192 + $from + int(rand($to - $from + 1)), 1, chr int rand 256;
	}
	return $bytes;
}

my $query = "(SELECT array_agg(cos(i)::real) FROM generate_series(1, 24) i)::embedding";
my @statements = (
	"SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> $query LIMIT 5000) s",
	"SELECT count(*) FROM (SELECT id FROM t ORDER BY v <=> $query LIMIT 20) s",
	"SELECT * FROM index_stats('by_l2')", "SELECT * FROM index_stats('by_cosine')",
	"SELECT ok FROM index_check('by_l2', 0)", "SELECT ok FROM index_check('by_cosine', 0)",
	"INSERT INTO t SELECT n, $query FROM generate_series(1, 20) n", "VACUUM t", "REINDEX TABLE t", "SELECT ok FROM index_check('by_l2', 0)");
my ($errors, %states) = (0);

srand 3;
for my $round (1 .. $rounds)
{
	write_file($_, damage($original->{$_}, $round % 4)) for @names;
	$node->start;
	for my $number (0 .. $#statements)
	{
		my $statement = $statements[$number];
		my ($rc, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$statement;");

		$errors++ if $err =~ /ERROR/;
		$states{$1}++ while $err =~ /ERROR:\s+(\w{5}):/g;
		last if $rc == 2 && !ok(0, "round $round: $statement: $err");
		# what REINDEX has made is sound, whatever was there before
		is($out, 't', "round $round: a new index is sound") if $number == $#statements;
	}
	# what REINDEX has made has another file
	for my $name (@names)
	{
		$file_of->{$name} = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('$name')");
	}
	$node->stop;
	$original->{$_} = slurp_file($file_of->{$_}) for @names;
}
cmp_ok($errors, '>', $rounds / 2, 'much of the damage is noticed');
note(join ', ', map { "$_: $states{$_}" } sort keys %states);
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|server process .* was terminated/, 'no process came to its end');
done_testing();
