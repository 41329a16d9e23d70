/*
 * src/core/job/backoff.h
 *	  How long to wait before a failed attempt is repeated.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_JOB_BACKOFF_H
#define SP_JOB_BACKOFF_H

#include "core/sp_base.h"

/*
 * Milliseconds before the next attempt, after `attempt` of them (1 or more)
 * have failed: uniform in [0, min(cap, base * 2^(attempt-1))].  random is
 * uniform in [0, 1).  Negative base or cap count as 0.
 */
int64_t sp_backoff_ms(int attempt, int64_t base_ms, int64_t cap_ms, double random);

#endif /* SP_JOB_BACKOFF_H */
