/*
 * tests/fuzz/weights_host.h
 *	  For the harnesses of weight files: read everything, and believe nothing.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef WEIGHTS_HOST_H
#define WEIGHTS_HOST_H

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/model/weights_internal.h"
#include "host.h"

/* Enough for any input; a harness is no place to fill a disk. */
static const SpWeightsLimits fuzz_limits = {4 << 20, 1000, "/tmp"};

/* What an open promises, and that each tensor reads or says why not. */
static inline bool
read_everything(const SpWeights *w)
{
	const SpTensorSource *source = sp_weights_tensors(w);
	bool all = true;

	assert(source->count > 0 && source->count <= fuzz_limits.max_tensors);
	assert(sp_weights_payload(w) != NULL && sp_weights_format(w) != NULL);
	for (size_t i = 0; i < source->count; i++)
	{
		const SpTensorInfo *info = &source->tensors[i];
		float *out = malloc((size_t) info->elements * sizeof(float));
		SpFault fault = {"", ""};
		SpStatus st;

		assert(info->elements > 0 && info->rank >= 0 && info->rank <= SP_TENSOR_MAX_RANK);
		assert(i == 0 || strcmp(source->tensors[i - 1].name, info->name) < 0);
		assert(sp_tensor_find(source, info->name) == (ptrdiff_t) i);
		st = source->read(source->self, i, out, &fault);
		assert(st == SP_OK || fault.detail[0] != '\0');
		for (int64_t k = 0; st == SP_OK && k < info->elements; k++)
			assert(isfinite(out[k]));
		all &= st == SP_OK;
		free(out);
	}
	return all;
}

#endif /* WEIGHTS_HOST_H */
