# Upgraded equals fresh: every version that was ever released, brought up to
# date by ALTER EXTENSION UPDATE and migrate(), has the catalog of a new
# installation.  Before the first release the only older version is one that
# this test makes, by leaving out the newest room; it also shows that the
# comparison notices a delta that forgot something.
#
# SPDX-License-Identifier: PostgreSQL
use strict;
use warnings;

use File::Basename;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PrivateServer;
use Test::More;

my $root = "$FindBin::RealBin/../..";
my ($node, $extensions) = private_server('upgrade');
my ($control) = slurp_file("$extensions/spotai.control") =~ /default_version = '([^']+)'/;
my $facts = slurp_file("$root/sql/include/facts.sql");
my $databases = 0;

# Every fact of an installation made by these commands, as a sorted list.
sub facts_after
{
	my ($commands, $tables) = @_;
	my $database = 'd' . ++$databases;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	my $out = $node->safe_psql($database, "SET client_min_messages = warning;\n$commands\n$facts\n"
		  . "SELECT replace(fact, E'\\n', ' ') FROM pg_temp.code_facts()"
		  . ($tables ? ' UNION ALL SELECT fact FROM pg_temp.table_facts()' : '') . ';');
	$node->safe_psql('postgres', "DROP DATABASE $database");
	return sort split /\n/, $out;
}

# What one list has and the other has not, each line with its sign.
sub difference
{
	my ($fresh, $upgraded) = @_;
	my %seen;

	$seen{$_}++ for @$fresh;
	$seen{$_}-- for @$upgraded;
	return map { ($seen{$_} > 0 ? '- ' : '+ ') . $_ } grep { $seen{$_} } sort keys %seen;
}

# SQL text as statements; a semicolon ends one only at the end of a line and
# outside of dollar quotes.
sub statements
{
	my @found = ('');
	my $quote;

	for my $line (split /^/, $_[0])
	{
		next if $found[-1] eq '' && $line =~ /^\s*(--|\\|$)/;
		$found[-1] .= $line;
		while ($line =~ /(\$\w*\$)/g)
		{
			if (!defined $quote) { $quote = $1; }
			elsif ($quote eq $1) { undef $quote; }
		}
		push @found, '' if !defined $quote && $line =~ /;\s*$/;
	}
	return grep { $_ ne '' } @found;
}

# The install script without the newest room: its module and its table steps.
sub older_script
{
	my $tree = PostgreSQL::Test::Utils::tempdir;
	my @steps = sort glob "$root/migrations/schema/*.sql";
	my ($room) = basename($steps[-1]) =~ /^\d+_(\w+)\.sql$/;

	system_or_bail('cp', '-a', "$root/migrations", "$root/scripts", $tree);
	unlink $_ for glob "$tree/migrations/code/*_$room.sql $tree/migrations/schema/*_$room.sql";
	note("the older version lacks the room $room");
	my ($script, $errors) = run_command(["$tree/scripts/assemble_sql.sh"]);
	die $errors if $errors;
	return "$script\n";
}

# What a careful author writes by hand: the new statements, OR REPLACE where
# something of that name was there before, and the privileges once more.
sub delta
{
	my ($old, $new) = @_;
	my %before = map { $_ => 1 } statements($old);
	my @added = grep { !$before{$_} } statements($new);

	s/^CREATE (FUNCTION|PROCEDURE)/CREATE OR REPLACE $1/ for @added;
	return join('', @added) . slurp_file("$root/migrations/code/99_privileges.sql");
}

sub write_file
{
	my ($path, $text) = @_;

	open(my $file, '>', $path) or die "could not write $path: $!";
	print $file $text;
	close($file) or die "could not write $path: $!";
}

my @fresh_code = facts_after('CREATE EXTENSION spotai;', 0);
my @fresh = facts_after('CREATE EXTENSION spotai; CALL spotai.migrate();', 1);
cmp_ok(scalar @fresh_code, '>', 60, 'a fresh installation has facts to compare');
cmp_ok(scalar @fresh, '>', @fresh_code + 60, 'its tables too');
is_deeply([ difference(\@fresh, [ facts_after('CREATE EXTENSION spotai; CALL spotai.migrate();', 1) ]) ],
	[], 'two fresh installations are equal');

# --- released versions
my @released = map { /spotai--([\d.]+)\.sql$/ } glob "$root/migrations/frozen/spotai--*.sql";
note('no version has been released yet') unless @released;
for my $version (@released)
{
	is_deeply(
		[ difference(\@fresh, [ facts_after(
			"CREATE EXTENSION spotai VERSION '$version'; CALL spotai.migrate();"
			  . 'ALTER EXTENSION spotai UPDATE; CALL spotai.migrate();', 1) ]) ],
		[], "$version, upgraded, equals $control");
}

# --- a version that never was
my $new = slurp_file("$extensions/spotai--$control.sql");
my $old = older_script();
my $delta = delta($old, $new);
my $update = "CREATE EXTENSION spotai VERSION '0.0.1'; CALL spotai.migrate();"
  . "INSERT INTO spotai.tenant (id, name) VALUES ('00000000-0000-0000-0000-00000000000a', 'kept');"
  . 'ALTER EXTENSION spotai UPDATE; CALL spotai.migrate();'
  . "DO \$\$ BEGIN ASSERT (SELECT count(*) = 1 FROM spotai.tenant WHERE name = 'kept'); END \$\$;";

write_file("$extensions/spotai--0.0.1.sql", $old);
write_file("$extensions/spotai--0.0.1--$control.sql", $delta);
my @older = facts_after("CREATE EXTENSION spotai VERSION '0.0.1'; CALL spotai.migrate();", 1);
cmp_ok(scalar @older, '<', @fresh - 10, 'the older version is really less');
is_deeply([ difference(\@fresh, [ facts_after($update, 1) ]) ], [], 'upgraded with its tables, it equals the new one');

$node->safe_psql('postgres', 'CREATE DATABASE stale');
$node->safe_psql('stale', "CREATE EXTENSION spotai VERSION '0.0.1'; CALL spotai.migrate(); ALTER EXTENSION spotai UPDATE;");
my ($rc, $out, $err) = $node->psql('stale', "SELECT spotai.ingest('x')");
like($err, qr/older than the extension.*CALL spotai\.migrate\(\)/s, 'updated without migrate(), functions say what to do');

# --- deltas that forgot something are noticed
my %careless = (
	'a comment' => sub { $_[0] =~ s/^COMMENT ON FUNCTION spotai.*?';\n//ms },
	'a function' => sub { $_[0] =~ s/^CREATE OR REPLACE FUNCTION spotai\.(\w+)(.*?;\n)COMMENT.*?;\n//ms },
	'privileges' => sub { $_[0] =~ s/^REVOKE ALL ON ALL ROUTINES.*?\n//ms },
	'a property' => sub { $_[0] =~ s/\bVOLATILE\b/STABLE/ },
	'a table step' => sub { $_[0] =~ s/^COMMENT ON TABLE .*?\n//m },
	'something superfluous' => sub { $_[0] .= "CREATE FUNCTION spotai.left_over() RETURNS integer LANGUAGE sql AS 'SELECT 1';" });
for my $what (sort keys %careless)
{
	my $drifted = $delta;
	die "nothing to spoil for: $what" unless $careless{$what}->($drifted);
	write_file("$extensions/spotai--0.0.1--$control.sql", $drifted);
	my @found = difference(\@fresh, [ facts_after($update, 1) ]);
	cmp_ok(scalar @found, '>', 0, "noticed: $what");
	note($found[0]);
}

$node->stop;
done_testing();
