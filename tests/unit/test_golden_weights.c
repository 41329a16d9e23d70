/*
 * tests/unit/test_golden_weights.c
 *	  The seeded numbers of golden_weights.h are those of
 *	  tests/golden/neural/seeded.py, bit for bit, and golden_read.h reads them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "check.h"

#include "golden_read.h"

/* What the array of this name should hold, [a->elements]; the caller frees. */
static float *
make_expected(const GoldenArray *a)
{
	float *out = malloc(a->elements * sizeof(float));
	const char *name = strchr(a->name, ':');
	int rank = 3;

	if (out == NULL)
		return NULL;
	if (name == NULL)
	{
		if (strcmp(a->name, "patch") == 0)
			golden_patch(a->shape[1], a->shape[2], out);
		else
			golden_signal(a->shape[0], out);
		return out;
	}
	/* Files have three dimensions, so kernels are stored as [kh * kw][in][out]. */
	rank = strstr(name, "/kernel") != NULL ? 4 : strchr(name, '/') != NULL ? 1 : 0;
	if (rank == 4)
	{
		int64_t side = (int64_t) sqrt((double) a->shape[0]);
		int64_t shape[4] = {side, side, (int64_t) a->shape[1], (int64_t) a->shape[2]};

		golden_weights(name + 1, 4, shape, out);
	}
	else
	{
		int64_t shape[1] = {(int64_t) a->shape[0]};

		golden_weights_of(name + 1, rank, shape, a->name[0] == 'm', out);
	}
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
