# Tables with indexes of embeddings, what clients do to them, and whether index
# and table still say the same.
#
# SPDX-License-Identifier: PostgreSQL
package AnnTables;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;
use SpotaiNode;
use Test::More;

our @EXPORT = qw(make_tables workload pgbench_command repeated trouble answers);

my @indexes = qw(by_l2 by_cosine);

# vec(n) is always the same; every tenth of them is far from the others.
sub make_tables
{
	my ($node, $rows) = @_;

	install_spotai($node);
	$node->safe_psql('postgres', qq(
		ALTER DATABASE postgres SET search_path = public, spotai;
		SET search_path = public, spotai;
		CREATE FUNCTION vec(n bigint) RETURNS embedding LANGUAGE sql IMMUTABLE AS \$\$
			SELECT array_agg((sin(n % 50 * 12.9898 * i) * CASE n % 10 WHEN 0 THEN 5 ELSE 1 END + sin(n * 0.78233 * i) / 2)::real ORDER BY i)::embedding
			FROM generate_series(1, 24) i \$\$;
		CREATE TABLE t (id bigserial PRIMARY KEY, market integer, v embedding(24));
		INSERT INTO t (market, v) SELECT n % 5, vec(n) FROM generate_series(1, $rows) n;
		CREATE INDEX by_l2 ON t USING spotai_ann (v embedding_l2_ops, market) WITH (lists = 40);
		CREATE INDEX by_cosine ON t USING spotai_ann (v embedding_cosine_ops) WITH (lists = 25, bits = 4, rerank = 'index');
		CREATE UNLOGGED TABLE u (id integer, v embedding(24));
		CREATE INDEX by_u ON u USING spotai_ann (v embedding_l2_ops);
		INSERT INTO u SELECT n, vec(n) FROM generate_series(1, 100) n));
	return;
}

# What a client of pgbench does, by name; those that look fail where they see what cannot be.
my $any = '(SELECT id FROM t WHERE id >= (SELECT (random() * max(id))::bigint FROM t) ORDER BY id LIMIT 1)';
my $n = "\\set n random(1, 1000000000)\n";
my %scripts = (
	insert => $n . "INSERT INTO t (market, v) VALUES (:n % 5, vec(:n));\n",
	batch => $n . "INSERT INTO t (market, v) SELECT i % 5, vec(i) FROM generate_series(:n, :n + 19) i;\n",
	aborted => $n . "BEGIN;\nINSERT INTO t (market, v) VALUES (:n % 5, vec(:n));\nROLLBACK;\n",
	update => $n . "UPDATE t SET v = vec(:n) WHERE id = $any;\n",
	relabel => $n . "UPDATE t SET market = :n % 5 WHERE id = $any;\n",
	delete => "DELETE FROM t WHERE id = $any;\n",
	# its own row is the nearest of its own transaction
	own => $n . "BEGIN;\nINSERT INTO t (market, v) VALUES (:n % 5, vec(:n)) RETURNING id AS mine \\gset\n"
	  . "SELECT 1 / count(*) FROM (SELECT id FROM t ORDER BY v <-> vec(:n) LIMIT 5) s WHERE id = :mine;\nCOMMIT;\n",
	# nothing twice, nothing too few
	search => $n . "SELECT 1 / (count(*) = 30 AND count(DISTINCT id) = 30)::integer FROM (SELECT id FROM t ORDER BY v <-> vec(:n) LIMIT 30) s;\n",
	cosine => $n . "SELECT 1 / (count(*) = 100 AND count(DISTINCT id) = 100)::integer FROM (SELECT id FROM t ORDER BY v <=> vec(:n) LIMIT 100) s;\n",
	filter => $n . "SELECT 1 / (count(*) = 10 AND bool_and(market = 3))::integer FROM (SELECT market FROM t WHERE market = 3 ORDER BY v <-> vec(:n) LIMIT 10) s;\n");

# The options of pgbench for scripts of these names and weights.
sub workload
{
	my (%weights) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir;
	my @options;

	for my $name (sort keys %weights)
	{
		PostgreSQL::Test::Utils::append_to_file("$dir/$name.sql", $scripts{$name});
		push @options, '-f', "$dir/$name.sql\@$weights{$name}";
	}
	return @options;
}

# Plans take the index wherever they can.
sub pgbench_command
{
	my ($node, @options) = @_;

	return ('env', 'PGAPPNAME=pgbench', 'PGOPTIONS=-c enable_seqscan=off -c enable_sort=off', 'pgbench', '-n', '-M', 'prepared', @options,
		$node->connstr('postgres'));
}

# A session of that name which says this so often; its errors go to $$err.
sub repeated
{
	my ($node, $name, $statements, $times, $err) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . "/$name.sql";

	PostgreSQL::Test::Utils::append_to_file($file, $statements x $times);
	return IPC::Run::start([ 'env', "PGAPPNAME=$name", 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-o', '/dev/null', '-f', $file ],
		'<', '/dev/null', '>', '/dev/null', '2>', $err);
}

# What is wrong with the indexes of t: '' when nothing is.
sub trouble
{
	my ($node) = @_;
	my @found;
	my $by_index = "SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off;";

	for my $index (@indexes)
	{
		my $operator = $index eq 'by_l2' ? '<->' : '<=>';
		my ($rc, $out, $err) = $node->psql('postgres', "SELECT * FROM spotai.index_check('$index', 0)");

		push @found, "index_check('$index'): $out $err" if $rc != 0 || $out =~ /\|f\b|^f\b/;
		# each row once, and all of them
		my $counts = $node->safe_psql('postgres', "$by_index
			SELECT count(*) - count(DISTINCT id), count(*) - (SELECT count(*) FROM t WHERE ctid IS NOT NULL)
			FROM (SELECT id FROM t ORDER BY v $operator vec(1) LIMIT 100000000) s");
		push @found, "$index: too many, and more than the table: $counts" if $counts ne '0|0';
		# where it belongs; of many a part, always another.  Some vectors are multiples of each other, nearly: among
		# more than five of these copies cannot tell which is the row itself: half precision turns each by 2^-11 at most
		my $same = $index eq 'by_l2' ? 0 : (2 * 2**-11)**2 / 2;
		my $lost = $node->safe_psql('postgres', "$by_index
			SELECT count(*) FROM (SELECT * FROM t ORDER BY CASE WHEN (SELECT count(*) FROM t) > 20000 THEN random() END LIMIT 20000) a
			WHERE (SELECT coalesce(bool_and(s.id <> a.id) AND max(s.distance) > $same, true) FROM (SELECT id, b.v $operator a.v AS distance FROM t b ORDER BY b.v $operator a.v LIMIT 5) s)");
		push @found, "$index: $lost rows are not nearest to themselves" if $lost ne '0';
	}
	return join "\n", @found;
}

# What 100 queries find: ids and distances, of all of them together.
sub answers
{
	my ($node) = @_;

	return $node->safe_psql('postgres', "SET enable_seqscan = off; SET enable_sort = off;
		SELECT count(*), md5(string_agg(format('%s %s %s', n, id, distance), ',' ORDER BY n, distance, id)) FROM generate_series(1, 100) n,
			LATERAL (SELECT id, v <-> vec(n * 7919) AS distance FROM t ORDER BY v <-> vec(n * 7919) LIMIT 10) s;
		SELECT count(*), md5(string_agg(format('%s %s %s', n, id, distance), ',' ORDER BY n, distance, id)) FROM generate_series(1, 100) n,
			LATERAL (SELECT id, v <=> vec(n * 7919) AS distance FROM t ORDER BY v <=> vec(n * 7919) LIMIT 10) s;
		SELECT count(*), md5(string_agg(format('%s %s %s', n, id, distance), ',' ORDER BY n, distance, id)) FROM generate_series(1, 100) n,
			LATERAL (SELECT id, v <-> vec(n * 7919) AS distance FROM t WHERE market = n % 5 ORDER BY v <-> vec(n * 7919) LIMIT 10) s");
}

1;
