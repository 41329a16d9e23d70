/*
 * src/core/stems/sdr.c
 *	  Plain signal-to-distortion ratio: see sdr.h for the formula.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/stems/sdr.h"

#include <math.h>

#include "core/sp_simd.h"

/* Samples between two polls: well under a millisecond of work. */
#define CHUNK 65536
/* Partial sums a lane: breaks the chain of additions, so that the compiler can vectorise. */
#define LANES 8

SP_CLONES static void
add_energies(SpSdr *sdr, const float *ref, const float *est, size_t n)
{
	double signal[LANES] = {0}, error[LANES] = {0};
	size_t whole = n - n % LANES;

	for (size_t i = 0; i < whole; i += LANES)
		for (size_t k = 0; k < LANES; k++)
		{
			double r = ref[i + k], d = r - est[i + k];

			signal[k] += r * r;
			error[k] += d * d;
		}
	for (size_t i = whole; i < n; i++)
	{
		double r = ref[i], d = r - est[i];

		signal[0] += r * r;
		error[0] += d * d;
	}
	for (size_t k = 0; k < LANES; k++)
	{
		sdr->signal += signal[k];
		sdr->error += error[k];
	}
}

SpStatus
sp_sdr_push(const SpEnv *env, SpSdr *sdr, const float *ref, const float *est, size_t n)
{
	while (n > 0)
	{
		size_t len = n < CHUNK ? n : CHUNK;

		if (sp_should_stop(env))
			return SP_ERR_CANCELED;
		add_energies(sdr, ref, est, len);
		ref += len;
		est += len;
		n -= len;
	}
	return SP_OK;
}

SpStatus
sp_sdr_result(const SpSdr *sdr, double *sdr_db)
{
	/* Squares of floats cannot overflow a double: only a sample that is not finite can. */
	if (!isfinite(sdr->signal) || !isfinite(sdr->error))
		return SP_ERR_BAD_DATA;
	if (sdr->error == 0.0)
		*sdr_db = INFINITY;
	else if (sdr->signal == 0.0)
		*sdr_db = -INFINITY;
	else
		*sdr_db = 10.0 * log10(sdr->signal / sdr->error);
	return SP_OK;
}
