# Pages are read where they were last time: right or not, what a search finds is the
# same as without an index.  There are few buffers, so pages leave their places all
# the time; tables are rewritten, emptied, dropped and made again under one session.
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

my $node = preloading_node('ann_places', "spotai.workers = 0\nspotai.audit_seal_interval = 0\nautovacuum = off\nshared_buffers = 2MB\n");
install_spotai($node);
$node->safe_psql('postgres', q(
	CREATE EXTENSION pg_buffercache;
	ALTER DATABASE postgres SET search_path = public, spotai;
	SET search_path = public, spotai;
	-- 300 dimensions are 1.2 kB a row, kept in one piece
	CREATE FUNCTION vec(n bigint) RETURNS embedding LANGUAGE sql IMMUTABLE AS $$
		SELECT array_agg((sin(n % 20 * 12.9898 * i) + sin(n * 0.78233 * i) / 2)::real ORDER BY i)::embedding FROM generate_series(1, 300) i $$;
	CREATE TABLE base AS SELECT n AS id, n % 7 AS part, vec(n)::embedding(300) AS v FROM generate_series(1, 2000) n;
	CREATE TABLE asked AS SELECT n, vec(n)::embedding(300) AS v FROM generate_series(901, 920) n;
	CREATE TABLE other (n integer, t text);
	ALTER TABLE other ALTER t SET STORAGE PLAIN;
	INSERT INTO other SELECT n, repeat(n::text, 1000) FROM generate_series(1, 2000) n;
	CREATE INDEX ON other (n)));

my $rows = 'SELECT * FROM base WHERE id <= 800';
my $indexes = 'CREATE INDEX ON a USING spotai_ann (v embedding_l2_ops) WITH (lists = 8); CREATE INDEX ON a USING spotai_ann (v embedding_cosine_ops) WITH (lists = 8, rerank = \'index\')';
# a scan of the whole table would keep to a few buffers
my $push_out = 'SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT sum(length(t)) FROM other WHERE n > 0; SELECT sum(length(t)) FROM other WHERE n > 0; RESET enable_bitmapscan';
my $session = $node->background_psql('postgres', on_error_stop => 1);
$session->query('SET spotai.vector_recall = 1');

# Of twenty queries the ids, or distances, by an index or by a sort.
sub answers
{
	my ($what, $operator, $where, $settings) = @_;

	return scalar $session->query("$settings; SELECT array_to_string(array_agg($what ORDER BY d), ' ') FROM asked q, "
		  . "LATERAL (SELECT id, v $operator q.v AS d FROM a $where ORDER BY v $operator q.v LIMIT 10) x GROUP BY n ORDER BY n");
}

# By distance from the table the very same rows, by copies in half precision as near ones.
sub differences
{
	my $different = 0;

	for my $where ('', 'WHERE part = 3')
	{
		my ($index, $sort) = ('SET enable_indexscan = on; SET enable_seqscan = off', 'SET enable_indexscan = off; SET enable_seqscan = on');
		my @ids = map { answers('id', '<->', $where, $_) } $index, $sort;
		my @far = map { [ split ' ', answers('d', '<=>', $where, $_) ] } $index, $sort;

		$different++ if $ids[0] ne $ids[1] || $ids[0] !~ /^(\d+( \d+){9}\n?){20}$/;
		$different++ if @{ $far[0] } != 200 || grep { abs($far[0][$_] - $far[1][$_]) > 2e-3 } 0 .. 199;
	}
	return $different;
}

sub steps
{
	my (@names) = @_;
	my %does = (
		'made' => "CREATE TABLE a AS $rows; $indexes",
		'asked again' => '',
		'pushed out of the buffers' => $push_out,
		'updated' => 'UPDATE a SET v = base.v FROM base WHERE a.id % 3 = 0 AND base.id = a.id + 1000',
		'vacuumed' => 'DELETE FROM a WHERE id % 5 = 0; VACUUM a',
		'rewritten' => 'VACUUM FULL a',
		'emptied and filled' => "TRUNCATE a; INSERT INTO a $rows",
		'of which nothing stays' => "BEGIN; TRUNCATE a; INSERT INTO a SELECT id, 3, v FROM base LIMIT 300; SELECT count(*) FROM (SELECT id FROM a ORDER BY v <-> vec(5) LIMIT 200) s; ROLLBACK",
		'made anew' => "DROP TABLE a; CREATE TABLE a AS $rows; $indexes",
		'temporary' => "DROP TABLE a; CREATE TEMP TABLE a AS $rows; $indexes",
		'permanent again' => "DROP TABLE a; CREATE UNLOGGED TABLE a AS $rows; $indexes");

	for my $name (@names)
	{
		die "no step '$name'" unless exists $does{$name};
		$session->query($does{$name}) if $does{$name};
		is(differences(), 0, "$name: found as sorted");
	}
	return;
}

steps('made', 'asked again', 'pushed out of the buffers', 'updated', 'asked again', 'vacuumed', 'pushed out of the buffers',
	'rewritten', 'emptied and filled', 'of which nothing stays', 'made anew', 'temporary', 'asked again', 'permanent again', 'asked again');

# what is read by its place is counted as any page, and stays where it is
my $buffers = q(SELECT count(*) FROM pg_buffercache WHERE relfilenode = pg_relation_filenode('a') AND usagecount >= );
$session->query($push_out);
cmp_ok($node->safe_psql('postgres', "$buffers 0"), '<', 5, 'pages are pushed out');
$session->query('SELECT count(*) FROM (SELECT id FROM a ORDER BY v <-> vec(7) LIMIT 10) s') for 1 .. 5;
my ($hits) = $session->query('EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id FROM a ORDER BY v <-> vec(7) LIMIT 10') =~ /Buffers: shared hit=(\d+)/;
cmp_ok($hits, '>', 10, 'pages are counted');
cmp_ok($node->safe_psql('postgres', "$buffers 2"), '>', 5, 'and count as used');

$session->quit;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|was terminated by signal/, 'nobody has crashed');
$node->stop;
done_testing();
