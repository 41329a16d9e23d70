/*
 * tests/host.h
 *	  The plainest host for the core: malloc, and nobody who asks it to stop.
 *
 * For benchmarks, fuzz harnesses and twins; unit tests have a host that fails on
 * purpose (tests/unit/check.h).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef HOST_H
#define HOST_H

#include <stdlib.h>

#include "core/sp_base.h"

static void *
host_alloc(void *host, size_t size)
{
	(void) host;
	return malloc(size);
}

static void
host_release(void *host, void *p)
{
	(void) host;
	free(p);
}

static const SpEnv env = {host_alloc, host_release, NULL, NULL};

#endif /* HOST_H */
