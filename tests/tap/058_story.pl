# The story of docs/security.md, followed from the page: its statements and
# commands, and what they say.  What differs from run to run is left out of the
# comparison: hashes, ids, times.
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

my $page = slurp_file("$FindBin::RealBin/../../docs/security.md");
my ($story) = $page =~ /<!-- story: begin -->(.*)<!-- story: end -->/s or die 'no story';
my @blocks = $story =~ /^```\n(.*?)^```$/gms;
my $temp = PostgreSQL::Test::Utils::tempdir;
my $pg_config = $ENV{PG_CONFIG} || 'pg_config';
chomp(my $bindir = `$pg_config --bindir`);

append_to_file("$temp/key", join('', map { sprintf '%02x', $_ * 7 } 1 .. 32) . "\n");
chmod 0600, "$temp/key";
my $node = PostgreSQL::Test::Cluster->new('story');
$node->init;
$node->append_conf('postgresql.conf', "
spotai.workers = 0
spotai.key_file = '$temp/key'
spotai.audit_origin = 'music.example/audit'
spotai.audit_seal_interval = 0
shared_preload_libraries = 'spotai'
");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE music');
install_spotai($node, 'music');

my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGDATABASE} = 'music';
$ENV{PATH} = "$bindir:$ENV{PATH}";

# What is the same in every run.
sub plain
{
	my ($line) = @_;

	$line =~ s/\b$superuser\b/postgres/g;
	$line =~ s/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/ID/g;
	$line =~ s/[A-Za-z0-9+\/]{40,}={0,2}/HASH/g;
	$line =~ s/\b0\.\d+/SECONDS/g;
	$line =~ s/\s+/ /g;
	$line =~ s/^ | $//g;
	# rules of tables are as long as what is below them
	return $line =~ /^[-+]+$/ ? '' : $line;
}

# The input of a block (lines after a prompt, to the end of the statement) and
# the lines that it shows.
sub parts
{
	my ($block, $prompt, $ends) = @_;
	my ($input, @shown) = ('');
	my $inside = 0;

	for my $line (split /\n/, $block)
	{
		if ($line =~ s/^\Q$prompt\E// || $inside)
		{
			$input .= "$line\n";
			$inside = $line !~ $ends;
		}
		else
		{
			push @shown, plain($line);
		}
	}
	return ($input, grep { $_ ne '' } @shown);
}

# Both streams of a command.
sub said
{
	my ($input, @command) = @_;
	my $out = '';

	IPC::Run::run(\@command, '<', \$input, '>', \$out, '2>&1', init => sub { chdir $temp or die });
	return $out;
}

my $shows = 0;
for my $number (1 .. @blocks)
{
	my $block = $blocks[ $number - 1 ];
	my ($input, @shown, $out);

	if ($block =~ /^music=# /)
	{
		($input, @shown) = parts($block, 'music=# ', qr/;\s*$|\\g\w+\s*$/);
		$out = said($input, 'psql', '-X');
	}
	else
	{
		($input, @shown) = parts($block, '$ ', qr/./);
		$out = said($input, 'bash');
	}
	my %lines = map { plain($_) => 1 } split /\n/, $out;
	my @missing = grep { !$lines{$_} } @shown;
	is_deeply(\@missing, [], "block $number says what the page says") or diag $out;
	# an error that the page does not show is one
	my @errors = grep { /^ERROR|not found|No such/ } keys %lines;
	my %expected = map { $_ => 1 } @shown;
	is_deeply([ grep { !$expected{$_} } @errors ], [], "block $number: no other errors");
	$shows += @shown;
}
cmp_ok(scalar @blocks, '>=', 7, 'there are blocks');
cmp_ok($shows, '>=', 30, 'there is something to compare');

# the point of it, whatever the page says
my $verify = said("spotai-verify --key \@log.key --checkpoint thursday --checkpoint friday log.jsonl; echo \$?\n", 'bash');
like($verify, qr/^not whole: friday does not fit.*position 4 or behind it\n1\n$/, 'a checkpoint that was kept elsewhere gives the superuser away');
$node->stop;
done_testing();
