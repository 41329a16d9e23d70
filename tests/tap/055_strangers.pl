# Code of a role without a credential that runs in an administrator's session:
# in index expressions, materialised views and SECURITY DEFINER functions.  It
# must not become the operator there, neither by itself nor through functions of
# the extension that are SECURITY DEFINER.
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

my $node = plain_node('strangers', "spotai.key_command = 'echo 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'\n");
install_spotai($node);
my $ann = $node->safe_psql('postgres', "SELECT spotai.create_principal('Ann of the default tenant')");
$node->safe_psql('postgres', "SELECT spotai.secret_put('mail', 'correct horse'), spotai.consent_give('$ann', 'training', 'v1')");

# What a stranger can get hold of: a row of the tenant, a person's data and consent, a secret.
$node->safe_psql('postgres', "
CREATE ROLE stranger LOGIN IN ROLE spotai_user, spotai_secret_reader;
CREATE SCHEMA stranger AUTHORIZATION stranger;
SET SESSION AUTHORIZATION stranger;
CREATE TABLE stranger.loot (place text, found text);
CREATE FUNCTION stranger.person() RETURNS text LANGUAGE plpgsql AS \$\$
BEGIN
    RETURN spotai.subject_export('$ann') #>> '{tables,spotai.principal.id}';
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END \$\$;
CREATE FUNCTION stranger.secret() RETURNS text LANGUAGE plpgsql AS \$\$
BEGIN
    RETURN spotai.secret_get('mail');
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END \$\$;
CREATE FUNCTION stranger.take(place text) RETURNS void LANGUAGE sql AS \$\$
    INSERT INTO stranger.loot
    SELECT place, found FROM (VALUES (spotai.current_tenant()::text), ((SELECT name FROM spotai.tenant LIMIT 1)), (stranger.person()),
        (stranger.secret()), ((SELECT 'agreed' WHERE spotai.has_consent('$ann', 'training')))) f (found)
    WHERE found IS NOT NULL
    UNION ALL SELECT place, 'ran'
\$\$;
CREATE FUNCTION stranger.quiet(i integer, place text) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS \$\$
BEGIN
    PERFORM stranger.take(place || ' by ' || current_user);
    RETURN i;
END \$\$;

CREATE TABLE stranger.t (i integer);
INSERT INTO stranger.t SELECT generate_series(1, 3);
CREATE INDEX t_idx ON stranger.t (stranger.quiet(i, 'index'));
CREATE MATERIALIZED VIEW stranger.m AS SELECT stranger.quiet(i, 'view') FROM stranger.t;
TRUNCATE stranger.loot;
");

# loot(place): what was found there; whether the stranger's code ran at all.
sub is_empty
{
	my ($place, $statement) = @_;

	$node->safe_psql('postgres', "TRUNCATE stranger.loot; $statement");
	isnt($node->safe_psql('postgres', "SELECT count(*) FROM stranger.loot WHERE found = 'ran'"), '0', "$place: the code ran");
	is($node->safe_psql('postgres', "SELECT DISTINCT place, found FROM stranger.loot WHERE found <> 'ran' ORDER BY 1, 2"), '', "$place: found nothing");
}

is_empty('ANALYZE', 'ANALYZE stranger.t');
is_empty('REINDEX', 'REINDEX TABLE stranger.t');
is_empty('REFRESH MATERIALIZED VIEW', 'REFRESH MATERIALIZED VIEW stranger.m');
is_empty('CLUSTER', 'CLUSTER stranger.t USING t_idx');

# a definer's own look at the tenant
is($node->safe_psql('postgres', 'SET SESSION AUTHORIZATION stranger; CREATE FUNCTION stranger.who() RETURNS uuid LANGUAGE sql SECURITY DEFINER
	AS \'SELECT spotai.current_tenant()\'; RESET SESSION AUTHORIZATION; SELECT stranger.who()'), '', 'SECURITY DEFINER: nobody');

# the administrator himself is the operator, before and after
is($node->safe_psql('postgres', 'ANALYZE stranger.t; SELECT spotai.current_tenant()'), '00000000-0000-0000-0000-000000000001', 'the administrator is the operator');
$node->stop;
done_testing();
