/*
 * tests/unit/net_check.h
 *	  What the golden tests of the architectures share: room for floats, the
 *	  distance of answers, memory that ends while a network is loaded.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef NET_CHECK_H
#define NET_CHECK_H

#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "core/stems/architecture.h"

/* Zeros; the caller frees. */
static inline float *
make_floats(size_t n)
{
	float *x = calloc(n, sizeof(float));

	if (x == NULL)
		abort();
	return x;
}

/* 10 log10 of the energy of truth over that of the difference. */
static inline double
signal_to_error_db(const float *truth, const float *got, size_t n)
{
	double signal = 0.0, error = 0.0;

	for (size_t i = 0; i < n; i++)
	{
		double d = (double) got[i] - truth[i];

		signal += (double) truth[i] * truth[i];
		error += d * d;
	}
	return 10.0 * log10(signal / error);
}

/* Memory ends at each allocation in turn; the sanitizer sees what leaks.  spec is resolved. */
static inline void
check_no_memory(const SpArchitecture *arch, const SpTensorSource *source, const SpModelSpec *spec,
                SpPrecision precision)
{
	SpStatus st = SP_ERR_NO_MEMORY;
	long allocs;

	for (allocs = 0; allocs < 1000 && st != SP_OK; allocs++)
	{
		SpNn *nn = NULL;
		SpNet *net = NULL;

		check_allocs_left = allocs;
		st = sp_nn_new(&check_env, precision, 2, &nn);
		if (st == SP_OK)
			st = arch->load(nn, source, spec, &net, NULL);
		check_allocs_left = -1;
		CHECK(st == SP_OK || (st == SP_ERR_NO_MEMORY && net == NULL));
		arch->unload(net);
		sp_nn_free(nn);
	}
	CHECK(st == SP_OK && allocs > 50);
}

#endif /* NET_CHECK_H */
