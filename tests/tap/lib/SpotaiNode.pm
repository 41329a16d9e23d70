# A server of PostgreSQL's own test framework with spotai in it.
#
# Run as an ordinary user, with the server's programs in PATH, and PG_REGRESS
# and TESTDIR set as PGXS sets them.
#
# SPDX-License-Identifier: PostgreSQL
package SpotaiNode;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(preloading_node plain_node install_spotai worker_pids poll_value spotai_id);

# A running server with the library preloaded; the extension is not created yet.
sub preloading_node
{
	my ($name, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = 'spotai'\nmax_worker_processes = 16\nrestart_after_crash = on\n" . ($conf // ''));
	$node->start;
	return $node;
}

# A running server without it.
sub plain_node
{
	my ($name, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', $conf // '');
	$node->start;
	return $node;
}

sub install_spotai
{
	my ($node, $database) = @_;

	$node->safe_psql($database // 'postgres', 'CREATE EXTENSION spotai; CALL spotai.migrate();');
}

# The pids of the background workers, in order.
sub worker_pids
{
	my ($node) = @_;

	return split /\n/, $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'spotai worker' ORDER BY pid");
}

# Run a query until it answers the expected text; false after `seconds`.
# Errors are passed over: the server may be restarting.
sub poll_value
{
	my ($node, $query, $expected, $seconds) = @_;
	my $deadline = time + ($seconds // 30);

	while (time < $deadline)
	{
		my ($rc, $out) = $node->psql('postgres', $query);
		return 1 if $rc == 0 && $out eq $expected;
		sleep 0.05;
	}
	return 0;
}

# The id of a job that is submitted now.
sub spotai_id
{
	my ($node, $arguments) = @_;

	return $node->safe_psql('postgres', "SELECT spotai.submit($arguments)");
}

1;
