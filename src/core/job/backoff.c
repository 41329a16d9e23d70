/*
 * src/core/job/backoff.c
 *	  Exponential backoff with full jitter.
 *
 * Drawing from the whole interval, not from its upper part, spreads jobs that
 * failed together (a remote service went away) most evenly when they return,
 * at the least total work: M. Brooker, "Exponential Backoff And Jitter", AWS
 * Architecture Blog, 2015.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/job/backoff.h"

int64_t
sp_backoff_ms(int attempt, int64_t base_ms, int64_t cap_ms, double random)
{
	int64_t span = base_ms > 0 ? base_ms : 0;

	for (int i = 1; i < attempt && span < cap_ms; i++)
		span = span > INT64_MAX / 2 ? INT64_MAX : span * 2;
	if (span > cap_ms)
		span = cap_ms > 0 ? cap_ms : 0;
	return (int64_t) ((double) span * random);
}
