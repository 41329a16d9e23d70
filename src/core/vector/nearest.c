/*
 * src/core/vector/nearest.c
 *	  The nearest centroid of many vectors: one matrix product.
 *
 * |x - c|^2 = |x|^2 - 2 <x, c> + |c|^2, of which the first term is the same for
 * all centroids.  Products come from oneDNN's sgemm, which this house has for its
 * networks; it picks its kernels by the machine, and starts no threads when a
 * library is loaded, as Debian's OpenBLAS does.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <math.h>
#include <pthread.h>
#include <signal.h>

#include <dnnl.h>

#include "core/nn/nn.h"
#include "core/vector/distance.h"
#include "core/vector/kmeans.h"
#include "core/vector/least.h"

/* Vectors of a task, and centroids of a product: its result stays in the second cache. */
#define ROWS    256
#define COLUMNS 512

struct SpNearest
{
	const SpEnv *env;
	const float *centroids;
	size_t count, dims;
	SpPool *pool;
	SpLeast least;
	float *norms;    /* [padded(count)], squared; INFINITY behind the last */
	size_t stride;   /* of products: padded(count), or COLUMNS when that is less */
	float *products; /* [threads][ROWS][stride] */
	/* of the batch that runs */
	const float *vectors;
	size_t n;
	uint32_t *nearest;
	float *distances;
};

/* What the inner loop wants: its lanes are full. */
static size_t
padded(size_t count)
{
	return (count + SP_LEAST_LANES - 1) / SP_LEAST_LANES * SP_LEAST_LANES;
}

static size_t
threads_of(SpPool *pool)
{
	return pool != NULL ? (size_t) sp_pool_threads(pool) : 1;
}

SpStatus
sp_nearest_new(const SpEnv *env, const float *centroids, size_t count, size_t dims, SpPool *pool,
               SpNearest **out)
{
	SpNearest *s = sp_calloc(env, 1, sizeof(*s));

	*out = NULL;
	if (s == NULL)
		return SP_ERR_NO_MEMORY;
	s->env = env;
	s->centroids = centroids;
	s->count = count;
	s->dims = dims;
	s->pool = pool;
	s->least = sp_least_fastest();
	s->norms = sp_alloc(env, padded(count), sizeof(float));
	s->stride = count < COLUMNS ? padded(count) : COLUMNS;
	/* zeros: what is behind a row's last product is read, and must be a number */
	s->products = sp_calloc(env, threads_of(pool) * ROWS * s->stride, sizeof(float));
	if (s->norms == NULL || s->products == NULL)
	{
		sp_nearest_free(s);
		return SP_ERR_NO_MEMORY;
	}
	for (size_t i = 0; i < count; i++)
		s->norms[i] = (float) sp_vector_norm_squared(centroids + i * dims, dims);
	for (size_t i = count; i < padded(count); i++)
		s->norms[i] = INFINITY;
	*out = s;
	return SP_OK;
}

void
sp_nearest_free(SpNearest *s)
{
	if (s == NULL)
		return;
	sp_free(s->env, s->norms);
	sp_free(s->env, s->products);
	sp_free(s->env, s);
}

/*
 * products[rows][stride] of rows from .. of the batch and a block of centroids.
 * oneDNN's kernel lets the stack pointer point into its heap, where a signal's frame
 * would destroy what lies below (its issue 4845): none may come.
 */
static bool
multiply(const SpNearest *s, size_t from, size_t rows, size_t first, size_t columns,
         float *products)
{
	dnnl_dim_t m = (dnnl_dim_t) rows, n = (dnnl_dim_t) columns, k = (dnnl_dim_t) s->dims;
	sigset_t all, before;
	dnnl_status_t status;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	status = dnnl_sgemm('N', 'T', m, n, k, 1.0f, s->vectors + from * s->dims, k,
	                    s->centroids + first * s->dims, k, 0.0f, products, (dnnl_dim_t) s->stride);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return status == dnnl_success;
}

/* Rows from .. to of the batch against a block of centroids. */
static bool
compare_block(const SpNearest *s, size_t from, size_t rows, size_t first, float *products,
              float *best)
{
	size_t columns = s->count - first < COLUMNS ? s->count - first : COLUMNS;

	if (!multiply(s, from, rows, first, columns, products))
		return false;
	for (size_t r = 0; r < rows; r++)
	{
		size_t at;
		float least = s->least(products + r * s->stride, s->norms + first, padded(columns), &at);

		if (first == 0 || least < best[r])
		{
			best[r] = least;
			s->nearest[from + r] = (uint32_t) (first + at);
		}
	}
	return true;
}

static SpStatus
find_rows(void *arg, int task, int worker, const SpStop *stop)
{
	const SpNearest *s = arg;
	size_t from = (size_t) task * ROWS, rows = s->n - from < ROWS ? s->n - from : ROWS;
	float *products = s->products + (size_t) worker * ROWS * s->stride;
	float best[ROWS];

	/* the caller's thread too, or the library starts threads of its own */
	sp_nn_enter_thread();
	for (size_t first = 0; first < s->count; first += COLUMNS)
	{
		if (sp_stop_asked(stop))
			return SP_ERR_CANCELED;
		if (!compare_block(s, from, rows, first, products, best))
			return SP_ERR_NO_MEMORY;
	}
	if (s->distances != NULL)
		for (size_t r = 0; r < rows; r++)
		{
			const float *x = s->vectors + (from + r) * s->dims;
			float square = (float) sp_vector_norm_squared(x, s->dims) + best[r];

			s->distances[from + r] = square > 0 ? square : 0;
		}
	return SP_OK;
}

SpStatus
sp_nearest_find(SpNearest *s, const float *vectors, size_t n, uint32_t *nearest, float *distances)
{
	int tasks = (int) ((n + ROWS - 1) / ROWS);
	SpStatus st = SP_OK;

	if (!sp_can_enter_library())
		return SP_ERR_NO_MEMORY;
	s->vectors = vectors;
	s->n = n;
	s->nearest = nearest;
	s->distances = distances;
	if (s->pool != NULL)
	{
		sp_pool_start(s->pool, find_rows, s, tasks);
		return sp_pool_wait(s->pool);
	}
	for (int i = 0; i < tasks && st == SP_OK; i++)
		st = sp_should_stop(s->env) ? SP_ERR_CANCELED : find_rows(s, i, 0, NULL);
	return st;
}
