# A copy of the server's programs and shared files that a test may change: the
# place for extension scripts of versions that do not exist.
#
# PostgreSQL finds its shared files relative to its own program, so a copy with
# the same folders works anywhere.  The libraries are linked, not copied.
#
# SPDX-License-Identifier: PostgreSQL
package PrivateServer;

use strict;
use warnings;

use Exporter 'import';
use File::Basename;
use File::Path qw(make_path);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(private_server);

sub config
{
	my ($what) = @_;
	my $value = `"$ENV{PG_CONFIG}" --$what`;

	chomp $value;
	die "pg_config --$what failed" unless $value;
	return $value;
}

# Returns a started node that runs from such a copy, and the folder of its
# extension scripts.
sub private_server
{
	my ($name, $conf) = @_;
	my $copy = PostgreSQL::Test::Utils::tempdir;

	for my $what (qw(bindir sharedir))
	{
		my $dir = config($what);
		make_path(dirname("$copy$dir"));
		system_or_bail('cp', '-aL', $dir, "$copy$dir");
	}
	my $libraries = config('pkglibdir');
	make_path(dirname("$copy$libraries"));
	symlink($libraries, "$copy$libraries") or die "could not link $libraries: $!"
		unless -e "$copy$libraries";

	my $node = PostgreSQL::Test::Cluster->new($name, install_path => dirname($copy . config('bindir')));
	$node->init;
	$node->append_conf('postgresql.conf', $conf // '');
	$node->start;
	return ($node, $copy . config('sharedir') . '/extension');
}

1;
