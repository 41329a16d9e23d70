/*
 * src/core/model/reading.c
 *	  One tensor, from its file into the caller's buffer.
 *
 * Bytes come in pieces that fit the cache, so that checksum and conversion
 * cost one trip through memory.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/model/weights_internal.h"

/* Position of the next element when the first dimension runs fastest. */
typedef struct Scatter
{
	const SpTensorInfo *info;
	int64_t index[SP_TENSOR_MAX_RANK];
	int64_t stride[SP_TENSOR_MAX_RANK]; /* in the row-major output */
	int64_t at;
} Scatter;

static void
start_scatter(Scatter *s, const SpTensorInfo *info)
{
	int64_t stride = 1;

	s->info = info;
	s->at = 0;
	for (int i = info->rank - 1; i >= 0; i--)
	{
		s->index[i] = 0;
		s->stride[i] = stride;
		stride *= info->shape[i];
	}
}

static void
scatter(Scatter *s, float *out, const float *in, size_t n)
{
	for (size_t k = 0; k < n; k++)
	{
		out[s->at] = in[k];
		for (int i = 0; i < s->info->rank; i++)
		{
			s->at += s->stride[i];
			if (++s->index[i] < s->info->shape[i])
				break;
			s->at -= s->stride[i] * s->info->shape[i];
			s->index[i] = 0;
		}
	}
}

/* Convert the first n elements of the piece to where they belong. */
static bool
place_piece(SpWeights *w, const SpWeightsEntry *entry, Scatter *s, float *out, size_t n)
{
	size_t size = sp_dtype_size(entry->info.dtype);
	float some[1024];
	bool finite = true;

	if (!entry->place.column_major)
		return sp_tensor_to_f32(out, w->piece, entry->info.dtype, n);
	for (size_t done = 0; done < n;)
	{
		size_t m = n - done < 1024 ? n - done : 1024;

		finite &= sp_tensor_to_f32(some, w->piece + done * size, entry->info.dtype, m);
		scatter(s, out, some, m);
		done += m;
	}
	return finite;
}

static SpStatus
load_piece(SpWeights *w, const SpTensorPlace *place, int64_t done, size_t n, SpFault *fault)
{
	SpSpool *spool = w->stores[place->store];
	size_t got = 0;

	if (sp_should_stop(w->env))
		return SP_ERR_CANCELED;
	if (sp_spool_read(spool, place->offset + done, w->piece, n, &got) != SP_OK)
		return sp_spool_fault(spool, fault);
	if (got != n)
		return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED, "The data ends early.");
	return SP_OK;
}

SpStatus
sp_weights_read(void *self, size_t i, float *out, SpFault *fault)
{
	SpWeights *w = self;
	const SpWeightsEntry *entry = &w->entries[i];
	const SpTensorPlace *place = &entry->place;
	size_t size = sp_dtype_size(entry->info.dtype);
	Scatter s;
	uint32_t crc = 0;
	bool finite = true;

	start_scatter(&s, &entry->info);
	for (int64_t done = 0; done < place->bytes;)
	{
		int64_t left = place->bytes - done;
		/* A multiple of every size of number. */
		size_t n = left < SP_WEIGHTS_PIECE ? (size_t) left : SP_WEIGHTS_PIECE;
		SpStatus st = load_piece(w, place, done, n, fault);

		if (st != SP_OK)
			return st;
		if (place->has_crc)
			crc = sp_crc32c_extend(w->crc, crc, w->piece, n);
		finite &= place_piece(w, entry, &s, place->column_major ? out : out + done / (int64_t) size,
		                      n / size);
		done += (int64_t) n;
	}
	/* A damaged file may well hold infinities: its checksum says more. */
	if (place->has_crc && sp_crc32c_mask(crc) != place->crc)
		return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
		                "Tensor \"%.80s\" fails its checksum.", entry->info.name);
	if (!finite)
		return sp_fault(fault, SP_ERR_BAD_DATA,
		                "The training run diverged, or the file was converted badly.",
		                "Tensor \"%.80s\" holds a number that is not finite.", entry->info.name);
	return SP_OK;
}
