/*
 * tests/unit/test_golden_weights.c
 *	  The seeded numbers of golden_weights.h are those of
 *	  tests/golden/neural/seeded.py, bit for bit, and golden_read.h reads them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "check.h"

#include "golden_read.h"

/* A tensor whose name stands after "plain:" or "moved:". */
static void
fill_tensor(const GoldenArray *a, float *out)
{
	const char *name = strchr(a->name, ':') + 1;
	int64_t d0 = (int64_t) a->shape[0], d1 = (int64_t) a->shape[1], d2 = (int64_t) a->shape[2];
	int64_t side = (int64_t) sqrt((double) d0);
	/* Arrays of the file have three dimensions: kernels are [kh * kw][][]. */
	int64_t kernel[4] = {side, side, d1, d2}, other[2] = {d0, d1};
	int rank = strcmp(name, "global_step") == 0 ? 0 : d1 > 1 ? 2 : 1;

	if (strstr(name, "/kernel") != NULL)
		golden_weights(name, 4, kernel, out);
	else
		golden_weights_of(name, rank, other, a->name[0] == 'm', out);
}

/* What the array of this name should hold, [a->elements]; the caller frees. */
static float *
make_expected(const GoldenArray *a)
{
	float *out = malloc(a->elements * sizeof(float));

	if (out == NULL)
		return NULL;
	if (strcmp(a->name, "patch") == 0)
		golden_patch(a->shape[1], a->shape[2], out);
	else if (strchr(a->name, ':') == NULL)
		golden_signal(a->shape[0], out);
	else
		fill_tensor(a, out);
	return out;
}

static double
root_mean_square(const float *x, size_t n)
{
	double sum = 0.0;

	for (size_t i = 0; i < n; i++)
		sum += (double) x[i] * x[i];
	return sqrt(sum / (double) n);
}

int
main(void)
{
	GoldenFile g;

	CHECK(golden_open("tests/golden/seeded.golden", &g));
	CHECK(g.count > 40);
	CHECK(golden_find(&g, "patch") != NULL);
	CHECK(golden_find(&g, "nothing") == NULL);
	for (size_t i = 0; i < g.count; i++)
	{
		const GoldenArray *a = &g.arrays[i];
		float *expected = make_expected(a);

		CHECK(expected != NULL);
		if (expected == NULL)
			break;
		if (golden_distance(a, expected) != 0.0)
			printf("# %s differs\n", a->name);
		CHECK(golden_distance(a, expected) == 0.0);
		CHECK_NEAR(root_mean_square(expected, a->elements), a->rms, 1e-7 * a->rms);
		free(expected);
	}
	golden_close(&g);
	CHECK(!golden_open("tests/golden/make_neural.py", &g));
	golden_close(&g);
	CHECK(!golden_open("tests/golden/no such file", &g));
	golden_close(&g);
	return check_report();
}
