# Erasure on a running server: what the files, the log that is written
# afterwards and a dump hold of the erased; proofs; several sessions at once;
# odd strings.
#
# SPOTAI_PRIVACY_SUBJECTS persons are erased, 50 by default.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use File::Find;
use FindBin;
use JSON::PP;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SpotaiNode;
use Test::More;
use Time::HiRes qw(time);

my $subjects = $ENV{SPOTAI_PRIVACY_SUBJECTS} // 50;
# What is stored of the erased has the first in it, of the others the second.
my ($gone, $kept) = ('Zq7Gone', 'Zq7Kept');
my $temp = PostgreSQL::Test::Utils::tempdir;
my $page = 8192;

open(my $key, '>', "$temp/key") or die "$temp/key: $!";
chmod 0600, "$temp/key";
print $key '00112233445566778899aabbccddeeff' x 2, "\n";
close $key;
my $node = PostgreSQL::Test::Cluster->new('privacy');
$node->init(extra => ['--wal-segsize=1']);
# Nobody but the test vacuums; each page is logged whole when it is first changed.
$node->append_conf('postgresql.conf', "
shared_preload_libraries = 'spotai'
spotai.workers = 0
spotai.audit_seal_interval = 0
spotai.key_file = '$temp/key'
autovacuum = off
full_page_writes = on
wal_compression = off
wal_keep_size = 1GB
log_statement = none
");
$node->start;
install_spotai($node);

sub one { return $node->safe_psql('postgres', $_[0]); }

# Files of the cluster that have a string in them, but those of the log of changes and of the server.
sub files_with
{
	my ($needle) = @_;
	my @found;

	$node->safe_psql('postgres', 'CHECKPOINT');
	find({ no_chdir => 1, wanted => sub {
		return if !-f $_ || m{/(pg_wal|log)/};
		my $content = eval { slurp_file($_) } // return;
		push @found, $_ if index($content, $needle) >= 0;
	} }, $node->data_dir);
	return @found;
}

# Names of the segments from one position to another, which begins a segment.
sub segments
{
	my ($from, $to) = @_;

	return split /\n/, one("SELECT pg_walfile_name('$from'::pg_lsn + n * 1048576 + 1)
		FROM generate_series(0, (('$to'::pg_lsn - '$from'::pg_lsn) / 1048576)::integer - 1) n");
}

# How often they hold a string; across the headers of their pages, too.
sub wal_with
{
	my ($needle, @segments) = @_;
	my $found = 0;

	for my $segment (@segments)
	{
		my $content = slurp_file($node->data_dir . "/pg_wal/$segment");
		my $records = join '', map { substr $content, $_ * $page + ($_ == 0 ? 40 : 24), $page - ($_ == 0 ? 40 : 24) } 0 .. length($content) / $page - 1;

		$found++ while $records =~ /$needle/g;
	}
	return $found;
}

# Goes on in another segment; the position at which it begins.
sub next_segment
{
	one("SELECT pg_switch_wal()");
	return one("SELECT '0/0'::pg_lsn + floor((pg_current_wal_insert_lsn() - '0/0'::pg_lsn) / 1048576) * 1048576");
}

sub dump_of
{
	my $out = "$temp/dump.sql";

	unlink $out;
	$node->command_ok([ 'pg_dump', '-f', $out, $node->connstr('postgres') ], 'a dump');
	return slurp_file($out);
}

# --- persons, with data in every kind of place
my $from_first = next_segment();
one("
	CREATE SCHEMA shop;
	CREATE TABLE shop.play (tenant_id uuid NOT NULL, listener uuid NOT NULL, song text, letter text);
	ALTER TABLE shop.play ALTER COLUMN letter SET STORAGE EXTERNAL;
	CREATE INDEX ON shop.play (song);
	CREATE TABLE shop.customer (tenant_id uuid NOT NULL, id uuid PRIMARY KEY, email text NOT NULL UNIQUE, city text, region text, kind integer);
	CREATE STATISTICS shop.pairs (mcv) ON region, kind FROM shop.customer;
	SELECT spotai.register_personal_data('shop.play', 'listener');
	SELECT spotai.register_personal_data('shop.customer', 'id', 'anonymise', '{email,city,region}');
	SELECT spotai.audit_enable('shop.customer', subject_column => 'id');
	SELECT spotai.create_role('listener', '{stems:read}');
	CREATE TABLE public.person AS
		SELECT n, n <= $subjects AS erased, spotai.create_principal(CASE WHEN n <= $subjects THEN '$gone' ELSE '$kept' END || n) AS id,
		       CASE WHEN n <= $subjects THEN '$gone' ELSE '$kept' END || n AS mark
		FROM generate_series(1, $subjects + 20) n;
	SELECT spotai.grant_role(id, 'listener'), spotai.create_api_key(mark, '{stems:read}', '1 day', id),
	       spotai.consent_give(id, 'recommend', '1', jsonb_build_object('signed', mark)),
	       spotai.audit('note', 'a thing', jsonb_build_object('note', mark), id), spotai.issue_refresh_token(id),
	       spotai.hold_release(spotai.hold_place(id, mark)), spotai.totp_verify(id, '000000')
	FROM public.person;
	INSERT INTO shop.play SELECT spotai.current_tenant(), id, mark || ' song', repeat(mark || ' ', 1000) FROM public.person;
	INSERT INTO shop.customer SELECT spotai.current_tenant(), id, mark || '\@example.org', mark || 'ville',
		regexp_replace(mark, '[0-9]*\$', 'shire'), 1 FROM public.person;
	UPDATE shop.customer SET city = city || ' upon Tyne';
	INSERT INTO shop.play SELECT p.* FROM shop.play p, generate_series(1, 2);
	ALTER TABLE public.person DROP COLUMN mark;
	VACUUM FULL public.person;
	SELECT spotai.audit_seal();
	ANALYZE;
	CREATE TABLE public.proof AS
		SELECT l.leaf, l.position, c.tree_size, spotai.audit_inclusion_proof(e.id, c.tree_size) AS proof, c.root
		FROM spotai.audit_entry e JOIN spotai.audit_leaf l ON l.entry_id = e.id, (SELECT * FROM spotai.audit_checkpoint ORDER BY tree_size DESC LIMIT 1) c;
	CREATE TABLE public.old_checkpoint AS SELECT * FROM spotai.audit_checkpoint ORDER BY tree_size DESC LIMIT 1");
my @sealed = map { pack 'H*', $_ } split /\n/, one("SELECT encode(k.sealed, 'hex') FROM spotai.subject_key k JOIN public.person p ON p.id = k.subject_id
	WHERE p.erased ORDER BY p.n LIMIT 20");
is(scalar @sealed, 20, 'keys of persons');
my $n = one('SELECT count(*) FROM public.proof');
cmp_ok($n, '>', 5 * $subjects, 'entries of the log are proven');
cmp_ok(scalar files_with($gone), '>', 10, 'the mark is in the files');
cmp_ok(scalar files_with($sealed[0]), '>', 0, 'a key is in the files');
cmp_ok(() = dump_of() =~ /$gone/g, '>=', 7 * $subjects, 'the mark is in a dump');
cmp_ok(wal_with($gone, segments($from_first, next_segment())), '>', 0, 'the mark is in the log of changes');

# --- erased
my $start = time;
is(one("SELECT count(*), sum((spotai.subject_erase(id) ->> 'audit_keys')::integer) FROM public.person WHERE erased"), "$subjects|$subjects", 'all are erased');
my $took = time - $start;
cmp_ok(scalar files_with($gone), '>', 0, 'until the tables are written anew, it is in the files');
one('VACUUM (ANALYZE)');
note scalar(files_with($gone)) . ' files have it even after a plain VACUUM';
my $from_cleanup = next_segment();
$start = time;
my ($rc, $out, $err) = $node->psql('postgres', 'SELECT spotai.erase_cleanup() \gexec');
is("$rc$err", '0', 'the cleanup runs');
my $cleaned = time - $start;
my @files = files_with($gone);
is(scalar @files, 0, 'then it is in no file') or diag join "\n", @files, map { one("SELECT pg_filenode_relation(0, $_)") } map { m{/(\d+)[^/]*$} } @files;
is(scalar(grep { files_with($_) } @sealed), 0, 'nor are the keys');
cmp_ok(scalar files_with($kept), '>', 5, 'what is of others is');
my $dump = dump_of();
is(() = $dump =~ /$gone/g, 0, 'it is in no dump');
cmp_ok(() = $dump =~ /$kept/g, '>=', 7 * 20, 'what is of others is');
undef $dump;

# --- what is written to the log of changes from then on, with every page of every table in it
my $from = next_segment();
one('CHECKPOINT');
one("
	UPDATE shop.play SET song = song || '!';
	UPDATE shop.customer SET city = city || '!';
	UPDATE spotai.principal SET updated_at = now();
	UPDATE spotai.api_key SET last_used_at = now();
	UPDATE spotai.role_member SET created_at = now();
	UPDATE spotai.refresh_token SET expires_at = expires_at;
	UPDATE spotai.login_attempt SET reason = reason;
	UPDATE spotai.legal_hold SET reason = reason;
	UPDATE spotai.consent_event SET purpose = purpose;
	SELECT spotai.audit('note', 'afterwards', '{}', id) FROM public.person;
	SELECT spotai.audit_seal()");
one('VACUUM (ANALYZE)');
one('CHECKPOINT');
one('DELETE FROM shop.play WHERE song IS NULL; VACUUM FULL');
my $to = next_segment();
my @written = segments($from, $to);
cmp_ok(scalar @written, '>', 2, scalar(@written) . ' segments are written');
is(wal_with($gone, @written), 0, 'it is not in them');
cmp_ok(wal_with($kept, @written), '>', 20, 'what is of others is');
# the pages that the cleanup changes, statistics above all, are logged as they were
note sprintf 'what the cleanup itself wrote has it %d times', wal_with($gone, segments($from_cleanup, $from));

# --- proofs
is(one('SELECT count(*) FROM public.proof WHERE spotai.audit_verify_inclusion(leaf, position, tree_size, proof, root)'), $n, 'every old proof verifies');
is(one("SELECT count(*) FROM public.proof p JOIN spotai.audit_leaf l USING (position) JOIN spotai.audit_entry e ON e.id = l.entry_id
	WHERE spotai.audit_inclusion_proof(e.id, p.tree_size) = p.proof AND l.leaf = p.leaf"), $n, 'and is what the log answers now');
is(one("SELECT spotai.audit_verify_consistency(o.tree_size, c.tree_size, spotai.audit_consistency_proof(o.tree_size, c.tree_size), o.root, c.root)
	FROM public.old_checkpoint o, (SELECT * FROM spotai.audit_checkpoint ORDER BY tree_size DESC LIMIT 1) c"), 't', 'the log continues the old one');
is(one('SELECT ok FROM spotai.audit_verify()'), 't', 'the log is whole');
is(one("SELECT count(*) FILTER (WHERE p.erased AND spotai.audit_detail(e.id) IS NOT NULL), count(*) FILTER (WHERE NOT p.erased AND spotai.audit_detail(e.id) IS NULL),
		count(*) FILTER (WHERE p.erased) >= $subjects
	FROM spotai.audit_entry e JOIN public.person p ON p.id = e.subject_id
	WHERE e.occurred_at < (SELECT sealed_at FROM public.old_checkpoint)"), '0|0|t', 'details of the erased are unreadable, of the others not');
note sprintf '%d subjects: erased in %.2f s (%.1f ms each), cleaned up in %.2f s, %d proofs, %d segments of 1 MiB', $subjects, $took, 1000 * $took / $subjects, $cleaned, $n,
	scalar @written;

# --- several at once
one("CREATE TABLE public.crowd AS SELECT n, gen_random_uuid() AS id FROM generate_series(0, 4) n;
	INSERT INTO shop.play SELECT spotai.current_tenant(), c.id, 'x', 'y' FROM public.crowd c, generate_series(1, 20);
	SELECT spotai.retention_set('spotai.login_attempt', '0')");
open(my $script, '>', "$temp/crowd.sql") or die;
print $script '\set a random(0, 4)
\set b random(0, 4)
\set what random(1, 10)
DO $$ BEGIN END $$;
', map({ "\\if :what $_->[0]\n$_->[1]\n\\endif\n" }
	[ '<= 3', "SELECT count(spotai.subject_erase(id)) FROM public.crowd WHERE n = :a AND NOT EXISTS (SELECT FROM spotai.legal_hold h WHERE h.subject_id = crowd.id AND h.released_at IS NULL);" ],
	[ '= 4', "SELECT spotai.consent_give(id, 'p', 'v') FROM public.crowd WHERE n = :a;" ],
	[ '= 5', "INSERT INTO shop.play SELECT spotai.current_tenant(), id, 'x', 'y' FROM public.crowd WHERE n = :b;" ],
	[ '= 6', "SELECT spotai.retention_run(3);" ],
	[ '= 7', "SELECT spotai.hold_release(spotai.hold_place(id, 'r')) FROM public.crowd WHERE n = :b;" ],
	[ '= 8', "SELECT spotai.consent_withdraw(id, 'p') FROM public.crowd WHERE n = :b;" ],
	[ '= 9', "SELECT spotai.audit('x', 'y', '{}', id) FROM public.crowd WHERE n = :a;" ],
	[ '= 10', "SELECT * FROM spotai.purge();" ]);
close $script;
$node->command_ok([ 'pgbench', '-n', '-c', '6', '-j', '2', '-t', '60', '-f', "$temp/crowd.sql", $node->connstr('postgres') ], 'six sessions at once');
is(one("SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'"), '0', 'and nobody waits in a circle');
one("SELECT spotai.subject_erase(id) FROM public.crowd");
is(one("SELECT count(*) FROM shop.play WHERE listener IN (SELECT id FROM public.crowd)"), '0', 'nothing is left of them');
is(one("SELECT count(*) FROM spotai.subject_key k JOIN public.crowd c ON c.id = k.subject_id"), '0', 'nor a key');
is(one("SELECT count(*) FROM (SELECT event, lag(event) OVER (PARTITION BY subject_id, purpose ORDER BY occurred_at) AS before FROM spotai.consent_event) x
	WHERE event = 'withdrawn' AND before IS DISTINCT FROM 'given'"), '0', 'what is withdrawn was given before');

# a hold waits for an erasure under way, and stops those that come after
my $eraser = $node->background_psql('postgres', on_error_stop => 0);
my $holder = $node->background_psql('postgres', on_error_stop => 0);
my $person = one('SELECT id FROM public.crowd WHERE n = 0');
$eraser->query_safe("BEGIN; SELECT spotai.subject_erase('$person')") if $eraser->can('query_safe');
SKIP:
{
	skip 'this version of the test framework has no such sessions', 2 unless $eraser->can('query_safe');
	$holder->query_until(qr/start/, "\\echo start\nSELECT spotai.hold_place('$person', 'r');\n");
	ok(poll_value($node, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory'", '1', 10), 'a hold waits for an erasure');
	$eraser->query_safe('COMMIT');
	ok(poll_value($node, "SELECT count(*) FROM spotai.legal_hold WHERE subject_id = '$person' AND released_at IS NULL", '1', 10), 'and is placed when it is done');
}
eval { $_->quit } for $eraser, $holder;

# --- odd strings in every text
SKIP:
{
	my $shared = $ENV{SPOTAI_SHARED} || "$FindBin::RealBin/../../../shared";
	my $blns = "$shared/vectors/blns/blns.json";
	unless (-e $blns) { note '# SKIP no shared vectors'; skip 'no shared vectors', 13; }
	my @strings = grep { length } @{ JSON::PP->new->utf8->decode(slurp_file($blns)) };
	my $values = join ', ', map { my $s = $_; utf8::encode($s); "('" . unpack('H*', $s) . "')" } @strings;
	one("CREATE TABLE public.blns AS SELECT row_number() OVER () AS n, gen_random_uuid() AS id, convert_from(decode(hex, 'hex'), 'UTF8') AS s FROM (VALUES $values) v (hex)");
	my $short = one('SELECT count(*) FROM public.blns WHERE octet_length(s) <= 255');
	one("
		CREATE FUNCTION public.try(statement text, VARIADIC args text[]) RETURNS text LANGUAGE plpgsql AS
		\$\$ DECLARE r text; BEGIN EXECUTE statement INTO r USING args[1], args[2]; RETURN 'ok'; EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE; END \$\$");
	is(one("SELECT string_agg(DISTINCT public.try('SELECT spotai.consent_give(\$1::uuid, \$2, \$2, to_jsonb(\$2))', id::text, s), ' ')
		FROM public.blns WHERE octet_length(s) <= 255"), 'ok', 'purposes, versions, evidence');
	is(one("SELECT count(*) FROM public.blns b JOIN spotai.consent_event e ON e.subject_id = b.id
		WHERE e.purpose = b.s AND e.text_version = b.s AND e.evidence = to_jsonb(b.s) AND spotai.has_consent(b.id, b.s)"), $short, 'come back as they were');
	is(one("SELECT string_agg(DISTINCT public.try('SELECT spotai.hold_release(spotai.hold_place(\$1::uuid, \$2))', id::text, s), ' ') FROM public.blns"), 'ok', 'reasons of holds');
	is(one("SELECT count(*) FROM public.blns b JOIN spotai.legal_hold h ON h.subject_id = b.id WHERE h.reason = b.s"), scalar(@strings), 'come back as they were');
	is(one("SELECT string_agg(DISTINCT r, ' ' ORDER BY r) FROM (
			SELECT public.try('SELECT spotai.retention_drop(\$2)', '', s) AS r FROM public.blns UNION ALL
			SELECT public.try('SELECT spotai.unregister_personal_data(\$2)', '', s) FROM public.blns UNION ALL
			SELECT public.try('SELECT spotai.has_consent(\$1::uuid, \$2)', id::text, s) FROM public.blns UNION ALL
			SELECT public.try('SELECT spotai.consent_withdraw(\$1::uuid, \$2)', id::text, s) FROM public.blns WHERE octet_length(s) <= 255) x
		"), 'ok', 'names of tables, purposes: answered');
	is(one("SELECT string_agg(DISTINCT r, ' ') FROM (
			SELECT public.try('SELECT spotai.register_personal_data(''shop.play'', \$2::name)', '', s) AS r FROM public.blns UNION ALL
			SELECT public.try('SELECT spotai.register_personal_data(''shop.play'', ''listener'', ''anonymise'', ARRAY[\$2::name])', '', s) FROM public.blns UNION ALL
			SELECT public.try('SELECT spotai.register_personal_data(''shop.play'', ''listener'', exported => ARRAY[\$2::name])', '', s) FROM public.blns UNION ALL
			SELECT public.try('SELECT spotai.register_personal_data(''shop.play'', ''listener'', tenant_column => \$2::name)', '', s) FROM public.blns UNION ALL
			SELECT public.try('SELECT spotai.register_personal_data(''shop.play'', ''listener'', \$2)', '', s) FROM public.blns UNION ALL
			SELECT public.try('SELECT spotai.retention_set(''shop.play'', ''1 day'', \$2::name)', '', s) FROM public.blns) x
		WHERE r NOT IN ('42703', '22023')"), '', 'names of columns: there are none');
	# a table whose names look like code
	my $odd = q(shop."'; DROP""");
	one("CREATE TABLE $odd (\"tenant \$1\" uuid, \"\$2; --\" uuid, \"%I %s\" text, \"at'\" timestamptz);
		SELECT spotai.register_personal_data(\$q\$$odd\$q\$, '\$2; --', 'anonymise', ARRAY['%I %s']::name[], tenant_column => 'tenant \$1');
		SELECT spotai.retention_set(\$q\$$odd\$q\$, '0', 'at''');
		INSERT INTO $odd SELECT spotai.current_tenant(), id, s, NULL FROM public.blns");
	is(one("SELECT count(*) FROM public.blns b, spotai.subject_export(b.id) x, jsonb_each(x -> 'tables') t WHERE t.key LIKE '%DROP%' AND t.value -> 0 ->> '%I %s' = b.s"),
		scalar(@strings), 'names that look like code: exports');
	is(one("SELECT count(*) FROM public.blns b, spotai.subject_export(b.id) x WHERE x -> 'tables' -> 'spotai.consent_event.subject_id' @> jsonb_build_array(jsonb_build_object('purpose', b.s))"),
		$short, 'exports');
	is(one("SELECT count(*) FROM public.blns b, spotai.subject_erase(b.id) e WHERE (e ->> 'rows')::integer > 0"), scalar(@strings), 'erasures');
	is(one("SELECT count(*), count(\"%I %s\") FROM $odd"), scalar(@strings) . '|0', 'of such tables, too');
	one("UPDATE $odd SET \"at'\" = now() - interval '1 s'");
	cmp_ok(one('SELECT spotai.retention_run()'), '>=', scalar @strings, 'retention');
	is(one("SELECT count(*) FROM $odd"), '0', 'of such tables, too');
	my ($status, undef, $said) = $node->psql('postgres', 'SELECT spotai.erase_cleanup() \gexec');
	is("$status$said", '0', 'and the cleanup');
}

$node->stop;
done_testing();
