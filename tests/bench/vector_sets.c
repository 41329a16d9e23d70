/*
 * tests/bench/vector_sets.c
 *	  Makes sets of vectors, and finds what is nearest by looking at all of them.
 *
 *	vector_sets bytes D OUT < BYTES          rows of D bytes, 0 to 255, as they are
 *	vector_sets clustered N D STREAM OUT     see below
 *	vector_sets sphere N D STREAM OUT        uniform on the unit sphere
 *	vector_sets truth METRIC BASE QUERIES COUNT PARTS OUT
 *		the nearest of the rows of the parts 0 .. PARTS - 1 (vector_set.h) for the
 *		first COUNT queries
 *
 * The clustered set is a mixture of 2,000 Gaussians of one shape with centres from
 * a wider one of that shape.  Its coordinates matter less and less, as principal
 * components do: the deviation of the jth is 8 / (8 + j), so that some 20
 * dimensions carry the distances ((sum of variances)^2 / sum of their squares).
 * The Gaussians are as wide as the one that the centres are from, so that of the
 * ten nearest of a million every sixth belongs to another centre than the query.
 * Base and queries differ in STREAM alone.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <pthread.h>
#include <stdbool.h>

#include "core/sp_simd.h"
#include "vector_set.h"

#define CENTRES   2000
#define NOISE     1.0
#define SHORTLIST (4 * SET_K) /* of floats; the best of it in double */
#define QUERIES   16          /* that go over a block of the base together */
#define BLOCK     256
#define THREADS   2

/* --- making ------------------------------------------------------------- */

/* Two normal deviates out of one 64-bit number (Box and Muller 1958). */
static void
normals(uint64_t x, double out[2])
{
	double radius = sqrt(-2 * log(((double) (x >> 32) + 0.5) / 4294967296.0));
	double angle = 2 * M_PI * (double) (x & 0xffffffffu) / 4294967296.0;

	out[0] = radius * cos(angle);
	out[1] = radius * sin(angle);
}

/* Row `row` of stream `stream`: d deviates, d even. */
static void
normal_row(uint64_t stream, uint64_t row, double *out, size_t d)
{
	uint64_t seed = set_mix(set_mix(stream) ^ row);

	for (size_t i = 0; i < d; i += 2)
		normals(set_mix(seed + i), out + i);
}

static FILE *
create(const char *path, uint32_t n, uint32_t d)
{
	FILE *file = fopen(path, "wb");
	uint32_t head[2] = {n, d};

	if (file == NULL || fwrite(head, sizeof head, 1, file) != 1)
		set_die(path);
	return file;
}

static void
finish(FILE *file, const char *path)
{
	if (fclose(file) != 0)
		set_die(path);
}

static void
make_bytes(uint32_t d, const char *path)
{
	unsigned char *bytes = malloc(d);
	float *row = malloc(d * sizeof *row);
	FILE *file = create(path, 0, d);
	uint32_t head[2] = {0, d};

	while (fread(bytes, d, 1, stdin) == 1)
	{
		for (uint32_t i = 0; i < d; i++)
			row[i] = bytes[i];
		if (fwrite(row, sizeof *row, d, file) != d)
			set_die(path);
		head[0]++;
	}
	rewind(file);
	if (fwrite(head, sizeof head, 1, file) != 1)
		set_die(path);
	finish(file, path);
	free(bytes);
	free(row);
}

static void
make_normal(bool clustered, uint32_t n, uint32_t d, uint64_t stream, const char *path)
{
	double *noise = malloc(d * sizeof *noise), *centre = malloc(d * sizeof *centre);
	float *row = malloc(d * sizeof *row);
	FILE *file = create(path, n, d);

	for (uint32_t r = 0; r < n; r++)
	{
		double norm = 0;

		normal_row(stream, r, noise, d);
		normal_row(0, set_mix(stream * 0x100000000u + r) % CENTRES, centre, d);
		for (uint32_t i = 0; i < d; i++)
			norm += noise[i] * noise[i];
		for (uint32_t i = 0; i < d; i++)
			row[i] = (float) (clustered ? 8.0 / (8 + i) * (centre[i] + NOISE * noise[i])
			                            : noise[i] / sqrt(norm));
		if (fwrite(row, sizeof *row, d, file) != d)
			set_die(path);
	}
	finish(file, path);
	free(noise);
	free(centre);
	free(row);
}

/* --- truth -------------------------------------------------------------- */

typedef struct Search
{
	char metric;
	VectorSet base, queries;
	uint32_t count; /* of queries */
	int parts;
	double *out;    /* [count][SET_K] */
	uint32_t taken; /* of queries */
	pthread_mutex_t lock;
} Search;

/* The nearest so far of one query. */
typedef struct Found
{
	uint32_t rows[SHORTLIST];
	float keys[SHORTLIST];
	int n;
	int worst; /* where the largest key is, once n = SHORTLIST */
} Found;

/* What orders the rows as the distance does: from sums in 16 lanes of float. */
SP_CLONES static float
key_of(char metric, const float *restrict a, const float *restrict q, size_t d)
{
	float lanes[16] = {0}, norms[16] = {0}, sum = 0, norm = 0;
	size_t whole = d / 16 * 16;

	for (size_t i = 0; i < whole; i += 16)
	{
		for (size_t j = 0; j < 16; j++)
		{
			float difference = a[i + j] - q[i + j];

			lanes[j] += metric == 'l' ? difference * difference : -a[i + j] * q[i + j];
			norms[j] += a[i + j] * a[i + j];
		}
	}
	for (size_t j = 0; j < 16; j++)
	{
		sum += lanes[j];
		norm += norms[j];
	}
	for (size_t i = whole; i < d; i++)
	{
		sum += metric == 'l' ? (a[i] - q[i]) * (a[i] - q[i]) : -a[i] * q[i];
		norm += a[i] * a[i];
	}
	return metric == 'c' ? sum / sqrtf(norm) : sum;
}

static void
offer(Found *found, uint32_t row, float key)
{
	if (found->n < SHORTLIST)
		found->worst = found->n++;
	else if (key >= found->keys[found->worst])
		return;
	found->rows[found->worst] = row;
	found->keys[found->worst] = key;
	for (int i = 0; i < found->n; i++)
	{
		if (found->keys[i] > found->keys[found->worst])
			found->worst = i;
	}
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return x < y ? -1 : x > y;
}

static void
settle(const Search *s, const Found *found, uint32_t query)
{
	double distances[SHORTLIST];

	for (int i = 0; i < SHORTLIST; i++)
		distances[i] = i < found->n ? set_distance(s->metric, set_row(&s->base, found->rows[i]),
		                                           set_row(&s->queries, query), s->base.d)
		                            : INFINITY;
	qsort(distances, SHORTLIST, sizeof *distances, ascending);
	memcpy(s->out + (size_t) query * SET_K, distances, SET_K * sizeof *distances);
}

/* A few queries over the whole base. */
static void
search_some(const Search *s, uint32_t first, uint32_t n)
{
	static _Thread_local Found found[QUERIES];

	memset(found, 0, sizeof found);
	for (uint32_t block = 0; block < s->base.n; block += BLOCK)
	{
		uint32_t end = block + BLOCK < s->base.n ? block + BLOCK : s->base.n;

		for (uint32_t q = 0; q < n; q++)
		{
			for (uint32_t row = block; row < end; row++)
			{
				if (set_part(row) < s->parts)
					offer(&found[q], row,
					      key_of(s->metric, set_row(&s->base, row), set_row(&s->queries, first + q),
					             s->base.d));
			}
		}
	}
	for (uint32_t q = 0; q < n; q++)
		settle(s, &found[q], first + q);
}

static void *
searcher(void *arg)
{
	Search *s = arg;

	for (;;)
	{
		uint32_t first, n;

		pthread_mutex_lock(&s->lock);
		first = s->taken;
		n = s->count - first < QUERIES ? s->count - first : QUERIES;
		s->taken += n;
		pthread_mutex_unlock(&s->lock);
		if (n == 0)
			return NULL;
		search_some(s, first, n);
	}
}

static void
find_truth(char metric, const char *base, const char *queries, uint32_t count, int parts,
           const char *path)
{
	Search s = {.metric = metric,
	            .base = set_open(base),
	            .queries = set_open(queries),
	            .count = count,
	            .parts = parts,
	            .lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_t threads[THREADS];
	FILE *file = fopen(path, "wb");

	if (s.base.d != s.queries.d || s.queries.n < count)
	{
		fprintf(stderr, "%s and %s do not fit\n", base, queries);
		exit(1);
	}
	s.out = malloc((size_t) count * SET_K * sizeof *s.out);
	for (int i = 0; i < THREADS; i++)
	{
		if (pthread_create(&threads[i], NULL, searcher, &s) != 0)
			set_die("pthread_create");
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	if (file == NULL || fwrite(s.out, SET_K * sizeof *s.out, count, file) != count)
		set_die(path);
	finish(file, path);
	free(s.out);
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "bytes") == 0 && argc == 4)
		make_bytes((uint32_t) atoi(argv[2]), argv[3]);
	else if ((strcmp(what, "clustered") == 0 || strcmp(what, "sphere") == 0) && argc == 6)
		make_normal(what[0] == 'c', (uint32_t) atoi(argv[2]), (uint32_t) atoi(argv[3]),
		            (uint64_t) atoll(argv[4]), argv[5]);
	else if (strcmp(what, "truth") == 0 && argc == 8)
		find_truth(argv[2][0], argv[3], argv[4], (uint32_t) atoi(argv[5]), atoi(argv[6]), argv[7]);
	else
	{
		fprintf(stderr, "vector_sets bytes | clustered | sphere | truth ...\n");
		return 2;
	}
	return 0;
}
