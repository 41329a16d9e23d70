# Every function that takes an id, found in the catalog, asked by one tenant for
# what belongs to another: the answer must be the one for an id that does not
# exist, in value, error and words.  Asked by its own tenant for the same ids,
# some must answer otherwise, or nothing would have been shown.
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

my $temp = PostgreSQL::Test::Utils::tempdir;
append_to_file("$temp/key", join('', map { sprintf '%02x', $_ * 7 } 1 .. 32) . "\n");
chmod 0600, "$temp/key";
my $node = plain_node('other_tenant', "spotai.key_file = '$temp/key'\n");
install_spotai($node);
$node->safe_psql('postgres', 'CREATE ROLE app LOGIN IN ROLE spotai_user; GRANT TEMPORARY ON DATABASE postgres TO app');

my (%admin, %token);
for my $name (qw(ours theirs))
{
	$admin{$name} = $node->safe_psql('postgres', "SELECT administrator FROM spotai.create_tenant('$name')");
	$token{$name} = $node->safe_psql('postgres', "SELECT spotai.issue_token('$admin{$name}')");
}

# In the name of a tenant, as the application's role.
sub as_tenant
{
	my ($name, $sql) = @_;

	return $node->safe_psql('postgres', "SET SESSION AUTHORIZATION app; SET spotai.token = '$token{$name}'; $sql");
}

# --- what they have ---------------------------------------------------------------

write_song("$temp/song.wav", 2);
my $bytes = unpack 'H*', slurp_file("$temp/song.wav");
my %id = map { split /=/ } split /\n/, as_tenant('theirs', "
SELECT 'track=' || spotai.ingest('\\x$bytes', 'song');
SELECT 'audio=' || audio_id FROM spotai.track;
SELECT 'job=' || spotai.submit('separate', '{\"track_id\": \"00000000-0000-0000-0000-00000000000a\"}', run_at => now() + '1 day');
SELECT 'entry=' || spotai.audit('signed', 'contract', '{\"with\": \"Ann\"}');
SELECT 'principal=' || spotai.create_principal('Ann');
SELECT 'hold=' || spotai.hold_place(id, 'a court') FROM (SELECT spotai.create_principal('Ben') AS id) p;
SELECT 'administrator=$admin{theirs}';
SELECT 'key=' || left(spotai.create_api_key('key', '{*}', '1 day'), 4);
");
delete $id{key};
$id{tenant} = $node->safe_psql('postgres', "SELECT id FROM spotai.tenant WHERE name = 'theirs'");
$id{api_key} = $node->safe_psql('postgres', "SELECT id FROM spotai.api_key");
as_tenant('theirs', "SELECT spotai.consent_give('$id{principal}', 'x', '1'); SELECT spotai.totp_enroll('$id{principal}')");
is(scalar(grep { /^[0-9a-f-]{36}$/ } values %id), 9, 'they have nine things');

# --- the functions ------------------------------------------------------------------

# An argument of each type; the id goes where a uuid is wanted.
my %argument = (
	uuid => "'%s'", 'uuid[]' => "ARRAY['%1\$s', '%1\$s']::uuid[]", text => "'x'", 'text[]' => "'{}'", jsonb => "'{}'", integer => 1,
	bigint => 1, smallint => 2, boolean => 'true', interval => "'0.1 seconds'", 'timestamp with time zone' => 'now()', bytea => "'\\x00'",
	'cidr[]' => 'NULL', name => "'x'", 'name[]' => 'NULL', regclass => "'spotai.track'", 'double precision' => 1, real => 1,
	'spotai.embedding' => "'[1]'");
my @functions = split /\n/, $node->safe_psql('postgres', "
SELECT p.proname || '|' || (SELECT string_agg(format_type(t, NULL), ';' ORDER BY o) FROM unnest(p.proargtypes) WITH ORDINALITY u (t, o))
FROM pg_proc p
WHERE p.pronamespace = 'spotai'::regnamespace AND p.prokind = 'f' AND has_function_privilege('app', p.oid, 'EXECUTE')
  AND p.proargtypes::oid[] && ARRAY['uuid', 'uuid[]']::regtype[]::oid[]
ORDER BY 1");
cmp_ok(scalar @functions, '>', 20, 'there are functions that take ids');

my @calls;
for my $function (@functions)
{
	my ($name, $types) = split /\|/, $function;
	my @types = split /;/, $types;
	my @unknown = grep { !exists $argument{$_} } @types;

	ok(!@unknown, "$name: arguments are known") or diag "give %argument a value for @unknown";
	push @calls, "spotai.$name(" . join(', ', map { $argument{$_} . ($_ eq 'uuid' ? '::uuid' : '') } @types) . ')' unless @unknown;
}

# What each call says for an id; each is rolled back, so none changes what the next one sees.
sub outcomes
{
	my ($tenant, $id) = @_;
	my $sql = "
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE
    said text;
BEGIN
    EXECUTE format('SELECT string_agg(x::text, '','') FROM %s x', call) INTO said;
    RAISE EXCEPTION USING ERRCODE = 'ZZ000', MESSAGE = coalesce(said, 'null');
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || replace(SQLERRM, E'\\n', ' ');
END \$\$;";
	$sql .= join '', map { "SELECT pg_temp.outcome(\$call\$" . sprintf($_, $id) . "\$call\$);\n" } @calls;
	my @lines = split /\n/, as_tenant($tenant, $sql);

	# ids, digests, times, random secrets
	s/$id/ID/g, s/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/NEW/g, s/[0-9a-f]{64}/DIGEST/g, s/\d{4}-\d\d-\d\d[T ][\d:.+]+/TIME/g,
		s/spk_\S{43}|spr_\S{43}|ey\S+|secret=\w+/SECRET/g
		for @lines;
	return @lines;
}

my $nothing = '77777777-7777-4777-8777-777777777777';
my @unknown = outcomes('ours', $nothing);
my @unknown_to_them = outcomes('theirs', $nothing);
is(scalar @unknown, scalar @calls, 'one outcome a call');
my $known = 0;
for my $kind (sort keys %id)
{
	my @said = outcomes('ours', $id{$kind});

	for my $i (0 .. $#calls)
	{
		is($said[$i], $unknown[$i], sprintf("%s: $calls[$i]", "their $kind"));
	}
	my @own = outcomes('theirs', $id{$kind});
	$known += grep { $own[$_] ne $unknown_to_them[$_] } 0 .. $#calls;
}
cmp_ok($known, '>=', 15, "their own ids are known to themselves ($known answers)");
$node->stop;
done_testing();
