# The statements of docs/guides/training.md, followed from the page.  "mine" is
# spotai-base by another name here; the song is the demo's.
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

my $root = "$FindBin::RealBin/../..";
my $page = slurp_file("$root/docs/guides/training.md");
my @blocks = $page =~ /^```sql\n(.*?)^```$/gms;
is(scalar @blocks, 5, 'the page has five blocks of statements');

# where the page's paths are
my $temp = PostgreSQL::Test::Utils::tempdir;
chmod 0755, $temp;
my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
chomp(my $share = `$pg_config --sharedir`);
rename_model("$share/extension/spotai-base.safetensors", "$temp/$_.safetensors") for qw(mine mine2);
system('cp', "$root/demo/song/$_.flac", "$temp/$_.wav") == 0 or die 'no song'
  for qw(mixture vocals drums bass other);
for (@blocks)
{
	s{/held_out/song/}{$temp/}g;
	s{/models/}{$temp/}g;
}

# As train.export writes it with --name mine --version 1; see the format of safetensors.
sub rename_model
{
	my ($from, $to) = @_;
	my $file = slurp_file($from);
	my $size = unpack 'Q<', $file;
	my $header = substr $file, 8, $size;

	$header =~ s/"spotai.name": ?"[^"]*"/"spotai.name":"mine"/ or die 'no name';
	$header =~ s/"spotai.version": ?"[^"]*"/"spotai.version":"1"/ or die 'no version';
	open my $out, '>:raw', $to or die $to;
	print $out pack('Q<', length $header), $header, substr $file, 8 + $size;
	close $out;
}

my $node = PostgreSQL::Test::Cluster->new('training_guide');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE music');
install_spotai($node, 'music');

# One session, as somebody would have who follows the page; what each block printed.
my ($import, $compare, $bss_eval, $default, $versions) = do
{
	my $script = join "\n", map { "$_\n\\echo ====\n" } @blocks[0 .. 3],
	  $blocks[4] =~ s/^(ALTER DATABASE music RESET)/SELECT version, active FROM spotai.models() WHERE name = 'mine';\n$1/mr;
	split /====\n/, $node->safe_psql('music', $script);
};

like($import, qr/^[0-9a-f-]{36}$/m, 'the model is imported');
my %db = $compare =~ /^([\w-]+)\|(\S+)$/gm;
is($db{mine}, $db{'spotai-base'}, 'the same weights separate alike');
cmp_ok($db{mine}, '>', $db{classical}, 'and better than classical on the demo song');
my @rows = grep { /\|/ } split /\n/, $bss_eval;
is(scalar @rows, 4, 'BSS Eval of four stems');
cmp_ok((split /\|/, $_)[1], '>', -5, 'each with its own truth') for @rows;
like($versions, qr/^1\|t$/m, 'the first version is active again');
unlike($versions, qr/^2\|/m, 'the second one is gone');
is($node->safe_psql('music', 'SELECT count(*) FROM pg_db_role_setting'), 0, 'no model by name is left in the settings');

$node->stop;
done_testing();
