# What docs/guides/similarity.md shows as typed into psql, typed, and compared with what it shows as printed.
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

my $page = slurp_file("$FindBin::RealBin/../../docs/guides/similarity.md");
my @blocks = $page =~ /^```psql\n(.*?)^```$/gms;
cmp_ok(scalar @blocks, '>=', 4, 'the page has blocks');

my $node = plain_node('similarity_guide');
$node->safe_psql('postgres', 'CREATE DATABASE music');
install_spotai($node, 'music');

# The five songs of the page, and a sixth for its file.
my @songs = qw(Anthem Ballad Chorale Dirge Encore Fugue);
my $sounds = slurp_file("$FindBin::RealBin/../../sql/include/sounds.sql");
$node->safe_psql('music', "$sounds\n" . join "\n", map { "SELECT spotai.ingest(pg_temp.sine(440, 9000, 4000, 1, 8000), '$_');" } @songs);
my $fugue = $node->safe_psql('music', "SELECT id FROM spotai.track WHERE title = 'Fugue'");
my $temp = PostgreSQL::Test::Utils::tempdir;
append_to_file("$temp/embeddings.csv", qq($fugue,openl3,"{0) . ',1' x 511 . qq(}"\n));
chdir $temp or die "chdir: $!";

# Blanks at the end of a line, which the page does not have, and empty lines do not count.
sub plain { return join '', map { s/\s+$//r . "\n" } grep { /\S/ } split /\n/, $_[0]; }

# A statement begins at the prompt and goes on in lines that are indented as far, until it ends.
sub statements_and_output
{
	my ($typed, $printed, $open) = ('', '', 0);

	for (split /\n/, $_[0])
	{
		my $goes_on = $open && /^ {8}/;
		if (s/^music=> // || $goes_on)
		{
			$typed .= "$_\n";
			$open = !/;\s*$|^\\|\\gexec$/;
		}
		else { $printed .= "$_\n"; }
	}
	return ($typed, $printed);
}

for my $i (0 .. $#blocks)
{
	my ($typed, $printed) = statements_and_output($blocks[$i]);
	my ($out, $err);

	IPC::Run::run([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('music') ], '<', \$typed, '>', \$out, '2>', \$err);
	is($err, '', "block $i: no complaints");
	is(plain($out), plain($printed), "block $i: what it prints");
}

$node->stop;
done_testing();
