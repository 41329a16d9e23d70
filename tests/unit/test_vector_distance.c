/*
 * tests/unit/test_vector_distance.c
 *	  Distances against sums in long double, for all lengths of a tail and for
 *	  numbers at the ends of a float's range, by each set of loops that this
 *	  machine has.
 */
#include "check.h"

#include <float.h>

#include "core/vector/distance.h"
#include "core/vector/distance_kernels.h"

#define MOST 200

typedef struct Truth
{
	long double l2, product, norm_a, norm_b;
} Truth;

static Truth
truth_of(const float *a, const float *b, size_t n)
{
	Truth t = {0, 0, 0, 0};

	for (size_t i = 0; i < n; i++)
	{
		t.l2 += ((long double) a[i] - b[i]) * ((long double) a[i] - b[i]);
		t.product += (long double) a[i] * b[i];
		t.norm_a += (long double) a[i] * a[i];
		t.norm_b += (long double) b[i] * b[i];
	}
	return t;
}

/* In parts of what rounding may cost: the sum of the sizes of all terms. */
static void
check_pair(const float *a, const float *b, size_t n)
{
	Truth t = truth_of(a, b, n);
	double size = (double) sqrtl(t.norm_a * t.norm_b);

	CHECK_NEAR(sp_vector_l2_squared(a, b, n), (double) t.l2, 1e-6 * (double) t.l2);
	CHECK_NEAR(sp_vector_inner_product(a, b, n), (double) t.product, 1e-6 * size);
	CHECK_NEAR(sp_vector_norm_squared(a, n), (double) t.norm_a, 1e-6 * (double) t.norm_a);
	if (size > 0)
		CHECK_NEAR(sp_vector_cosine(a, b, n), (double) t.product / size, 1e-6);
	else
		CHECK(isnan(sp_vector_cosine(a, b, n)));
}

/* A few more vectors than go together, of any length and any distance from each other. */
#define VECTORS 11

static void
check_many(const SpDistanceKernels *k, size_t n, size_t stride, size_t count, float scale)
{
	float query[MOST], *vectors = malloc(VECTORS * (MOST + 3) * sizeof(float));
	double l2[VECTORS + 1], product[VECTORS + 1], cosine[VECTORS + 1];

	for (size_t i = 0; i < n; i++)
		query[i] = scale * check_noise();
	for (size_t i = 0; i < count * stride; i++)
		vectors[i] = scale * check_noise();
	if (count > 2)
		memset(vectors + 2 * stride, 0, n * sizeof(float));
	l2[count] = product[count] = cosine[count] = 5;
	k->l2_squared_many(query, vectors, stride, count, n, l2);
	k->inner_product_many(query, vectors, stride, count, n, product);
	k->cosine_many(query, vectors, stride, count, n, cosine);
	CHECK(l2[count] == 5 && product[count] == 5 && cosine[count] == 5);
	for (size_t i = 0; i < count; i++)
	{
		const float *v = vectors + i * stride;
		Truth t = truth_of(query, v, n);
		double size = (double) sqrtl(t.norm_a * t.norm_b);

		CHECK_NEAR(l2[i], (double) t.l2, 1e-6 * (double) t.l2);
		CHECK_NEAR(product[i], (double) t.product, 1e-6 * size);
		CHECK_NEAR(k->l2_squared(query, v, n), (double) t.l2, 1e-6 * (double) t.l2);
		CHECK_NEAR(k->inner_product(query, v, n), (double) t.product, 1e-6 * size);
		if (size > 0)
		{
			CHECK_NEAR(cosine[i], (double) t.product / size, 1e-6);
			CHECK_NEAR(k->cosine(query, v, n), (double) t.product / size, 1e-6);
		}
		else
			CHECK(isnan(cosine[i]) && isnan(k->cosine(query, v, n)));
	}
	free(vectors);
}

static void
check_kernels(const SpDistanceKernels *k)
{
	const float scales[] = {1, 1e-25f, 1e18f, 1e30f};

	for (size_t n = 0; n <= 70; n++)
		check_many(k, n, n + n % 3, n % (VECTORS + 1), scales[n % 4]);
	for (size_t n = 71; n <= MOST; n += 3)
		check_many(k, n, n + n % 3, n % (VECTORS + 1), scales[n % 4]);
}

/* More of them than are summed before their roots are taken. */
static void
check_very_many(void)
{
	enum
	{
		COUNT = 203,
		N = 20
	};
	float query[N], *vectors = malloc(COUNT * N * sizeof(float));
	double out[COUNT];

	for (size_t i = 0; i < N; i++)
		query[i] = check_noise();
	for (size_t i = 0; i < COUNT * N; i++)
		vectors[i] = check_noise();
	sp_vector_cosine_many(query, vectors, N, COUNT, N, out);
	for (size_t i = 0; i < COUNT; i++)
		CHECK_NEAR(out[i], sp_vector_cosine(query, vectors + i * N, N), 1e-6);
	sp_vector_l2_squared_many(query, vectors, N, COUNT, N, out);
	for (size_t i = 0; i < COUNT; i++)
		CHECK_NEAR(out[i], sp_vector_l2_squared(query, vectors + i * N, N), 1e-5);
	sp_vector_inner_product_many(query, vectors, N, COUNT, N, out);
	for (size_t i = 0; i < COUNT; i++)
		CHECK_NEAR(out[i], sp_vector_inner_product(query, vectors + i * N, N), 1e-5);
	free(vectors);
}

/* Every length up to a few blocks, at every distance from an aligned address. */
static void
check_lengths(float scale)
{
	float a[MOST + 16], b[MOST + 16];

	for (size_t n = 0; n <= MOST; n++)
	{
		size_t off = n % 16, other = n % 7;

		for (size_t i = 0; i < MOST + 16; i++)
		{
			a[i] = scale * check_noise();
			b[i] = scale * check_noise();
		}
		check_pair(a + off, b + other, n);
	}
}

static void
check_ends(void)
{
	float big[3] = {FLT_MAX, -FLT_MAX, FLT_MAX}, small[3] = {1e-30f, 2e-30f, -3e-30f};
	float zeros[3] = {0, 0, 0}, one[3] = {1, 0, 0}, two[3] = {0, 1, 0},
		  tiny[3] = {FLT_TRUE_MIN, 0, 0};

	check_pair(big, big, 3);
	check_pair(big, one, 3);
	check_pair(small, small, 3);
	check_pair(small, big, 3);
	check_pair(tiny, tiny, 3);
	CHECK(sp_vector_l2_squared(big, big, 3) == 0);
	CHECK(sp_vector_cosine(big, big, 3) == 1);
	CHECK(sp_vector_inner_product(one, two, 3) == 0);
	CHECK(isnan(sp_vector_cosine(zeros, one, 3)) && isnan(sp_vector_cosine(zeros, zeros, 3)));
	CHECK(sp_vector_l2_squared(zeros, zeros, 0) == 0);
}

static void
check_normalize(void)
{
	float a[5] = {3, 0, -4, 0, 0}, huge[2] = {FLT_MAX, FLT_MAX}, zeros[4] = {0, 0, 0, 0}, out[5];

	sp_vector_normalize(a, out, 5);
	CHECK(out[0] == 0.6f && out[1] == 0 && out[2] == -0.8f && out[4] == 0);
	sp_vector_normalize(a, a, 5);
	CHECK(memcmp(a, out, sizeof(a)) == 0);
	sp_vector_normalize(huge, out, 2);
	CHECK_NEAR(out[0], sqrt(0.5), 1e-7);
	sp_vector_normalize(zeros, out, 4);
	CHECK(memcmp(out, zeros, sizeof(zeros)) == 0);
}

int
main(void)
{
	check_lengths(1);
	check_lengths(1e-3f);
	check_lengths(1e18f);
	check_lengths(1e30f);
	check_lengths(1e-25f);
	check_ends();
	check_normalize();
	check_very_many();
	check_kernels(&sp_distance_plain);
	if (sp_distance_fastest() != &sp_distance_plain)
		check_kernels(sp_distance_fastest());
	else
		printf("# SKIP loops of AVX-512: not of this machine\n");
	return check_report();
}
