# Models for tests: the tiny ones of the repository, and one of the released
# size with seeded weights where PyTorch is at hand to make it.
#
# SPDX-License-Identifier: PostgreSQL
package SpotaiModels;

use strict;
use warnings;

use Exporter 'import';
use FindBin;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(tiny_model full_model);

# The path of a file that the server's user can read.
sub tiny_model
{
	my ($file) = @_;

	return "$FindBin::RealBin/../fixtures/models/$file";
}

# A checkpoint folder of Spleeter's 2-stem network with seeded weights, or undef.
sub full_model
{
	my $python = '/usr/bin/python3';
	my $dir = PostgreSQL::Test::Utils::tempdir;
	my $log = "$dir/log";

	return undef unless -x $python && system("$python -c 'import torch' 2> /dev/null") == 0;
	local $ENV{OMP_NUM_THREADS} = 1;
	die 'could not make weights: ' . slurp_file($log)
		if system("cd '$FindBin::RealBin/../..' && $python -B tests/golden/make_neural.py weights --stems 2 --size full --format tf --out '$dir' > '$log' 2>&1") != 0;
	return "$dir/full-2stems";
}

1;
