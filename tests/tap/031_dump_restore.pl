# pg_dump carries the whole library into a new database, where it works at
# once; and a library survives the loss of the extension.
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

my $node = plain_node('dump');
my $sounds = slurp_file("$FindBin::RealBin/../../sql/include/sounds.sql");
my $facts = slurp_file("$FindBin::RealBin/../../sql/include/facts.sql");
my $weights = "$FindBin::RealBin/../fixtures/models/tiny-4stems.safetensors";
my $dump = PostgreSQL::Test::Utils::tempdir . '/library';

sub one { my ($database, $query) = @_; return $node->safe_psql($database, $query); }

# Rows of every table, by content.
sub content
{
	my ($database) = @_;
	my @tables = split /\n/, one($database, q(
		SELECT c.oid::regclass::text FROM pg_class c
		WHERE c.relnamespace = 'spotai'::regnamespace AND c.relkind = 'r' ORDER BY 1));

	return map { "$_ " . one($database, "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM $_ t") } @tables;
}

sub table_facts { return one($_[0], "$facts SELECT fact FROM pg_temp.table_facts() ORDER BY fact COLLATE \"C\""); }

# --- a library with everything in it
$node->safe_psql('postgres', 'CREATE DATABASE old');
install_spotai($node, 'old');
$node->safe_psql('old', "$sounds
	SELECT spotai.ingest(pg_temp.sine(440, 9000, 16000, 2, 8000), 'A', 'tuning fork');
	SELECT count(*) FROM spotai.separate((SELECT id FROM spotai.track), 4);
	SELECT spotai.remix((SELECT id FROM spotai.track), '{\"vocals\": null}');
	SELECT spotai.model_import('$weights', 'tiny');
	SELECT spotai.submit('noop', idempotency_key => 'kept');
	SELECT spotai.schedule('nightly', '0 3 * * *', 'noop', '{}');
	CREATE ROLE listener;
	GRANT SELECT ON spotai.track TO listener;
	CREATE INDEX my_titles ON spotai.track (lower(title));");
$node->safe_psql('old', 'CALL spotai.run_jobs();');
$node->safe_psql('old', "SELECT spotai.submit('noop')");
my @before = content('old');
my $tables = table_facts('old');
my $model = one('old', "SELECT md5(spotai.model_content('tiny'))");
cmp_ok(scalar @before, '>=', 6, 'there are tables with rows');
is(one('old', "SELECT string_agg(state, ',' ORDER BY created_at) FROM spotai.job"), 'succeeded,queued', 'a job is done, one waits');

# --- into a new database
for my $format (qw(custom plain))
{
	$node->command_ok([ 'pg_dump', "--format=$format", "--file=$dump.$format", '-d', $node->connstr('old') ], "pg_dump, $format");
	$node->safe_psql('postgres', "CREATE DATABASE new_$format");
}
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('new_custom'), "$dump.custom" ], 'pg_restore');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.plain", '-d', $node->connstr('new_plain') ], 'psql');
for my $new (qw(new_custom new_plain))
{
	is_deeply([ content($new) ], \@before, "$new: every row is there");
	is(table_facts($new), $tables, "$new: tables, policies, defaults, the user's own index and grant too");
	$node->safe_psql($new, 'CALL spotai.migrate()');
	is(table_facts($new), $tables, "$new: migrate() finds nothing to do");
	is(one($new, q(SELECT count(*) FROM spotai.audio WHERE octet_length(spotai.audio_content(id, 'wav')) > 16000)),
		'6', "$new: song, stems and remix can be played");
	is(one($new, "SELECT md5(spotai.model_content('tiny'))"), $model, "$new: the model is whole");
	is(one($new, "SELECT spotai.submit('noop', idempotency_key => 'kept') = id FROM spotai.job WHERE idempotency_key = 'kept'"),
		't', "$new: idempotency keys are remembered");
	$node->safe_psql($new, 'CALL spotai.run_jobs()');
	is(one($new, "SELECT count(*) FROM spotai.job WHERE state = 'succeeded'"), '2', "$new: the waiting job is run");
}

# --- the extension goes and comes back
$node->safe_psql('old', 'SET client_min_messages = warning; DROP EXTENSION spotai CASCADE;');
is_deeply([ content('old') ], \@before, 'DROP EXTENSION CASCADE takes no row');
is(one('old', "SET ROLE listener; SELECT has_schema_privilege('spotai', 'USAGE')"), 'f', 'and opens nothing');
install_spotai($node, 'old');
is_deeply([ content('old') ], \@before, 'CREATE EXTENSION and migrate() find it again');
is(table_facts('old'), $tables, 'with policies and defaults');
is(one('old', q(SELECT count(*) FROM spotai.audio WHERE octet_length(spotai.audio_content(id, 'wav')) > 16000)), '6', 'playable');

$node->stop;
done_testing();
