/*
 * tests/unit/test_median.c
 *	  The median network against sorting, the sliding form against its
 *	  definition.
 */
#include "check.h"

#include "core/dsp/median.h"

static int
compare_floats(const void *a, const void *b)
{
	float x = *(const float *) a, y = *(const float *) b;

	return (x > y) - (x < y);
}

static float
median_by_sorting(float *values, size_t k)
{
	qsort(values, k, sizeof(*values), compare_floats);
	return values[k / 2];
}

/* Values with many ties, which networks get wrong first. */
static float
tied_value(void)
{
	return check_random() % 3 == 0 ? (float) (check_random() % 4) : check_noise();
}

static void
check_rows(size_t k, size_t n)
{
	SpMedian *m = NULL;
	float *data = malloc(k * n * sizeof(float));
	float *out = malloc(n * sizeof(float));
	const float *rows[SP_MEDIAN_MAX_ROWS];
	size_t wrong = 0;

	for (size_t i = 0; i < k * n; i++)
		data[i] = tied_value();
	for (size_t r = 0; r < k; r++)
		rows[r] = data + r * n;
	CHECK(sp_median_new(&check_env, k, &m) == SP_OK);
	CHECK(sp_median_rows(m) == k);
	sp_median_run(m, out, rows, n);
	for (size_t i = 0; i < n; i++)
	{
		float column[SP_MEDIAN_MAX_ROWS];

		for (size_t r = 0; r < k; r++)
			column[r] = rows[r][i];
		wrong += out[i] != median_by_sorting(column, k);
	}
	CHECK(wrong == 0);
	sp_median_free(m);
	free(data);
	free(out);
}

static void
check_slide(size_t k, size_t n)
{
	SpMedian *m = NULL;
	float *in = malloc(n * sizeof(float));
	float *out = malloc(n * sizeof(float));
	float *scratch = malloc((n + k - 1) * sizeof(float));
	size_t wrong = 0;

	for (size_t i = 0; i < n; i++)
		in[i] = tied_value();
	CHECK(sp_median_new(&check_env, k, &m) == SP_OK);
	sp_median_slide(m, out, in, n, scratch);
	for (long i = 0; i < (long) n; i++)
	{
		float window[SP_MEDIAN_MAX_ROWS];

		for (long r = 0; r < (long) k; r++)
		{
			long j = i + r - (long) (k / 2);

			window[r] = in[j < 0 ? 0 : j >= (long) n ? (long) n - 1 : j];
		}
		wrong += out[i] != median_by_sorting(window, k);
	}
	CHECK(wrong == 0);
	sp_median_free(m);
	free(in);
	free(out);
	free(scratch);
}

static void
check_refusals(void)
{
	SpMedian *m = NULL;

	CHECK(sp_median_new(&check_env, 0, &m) == SP_ERR_BAD_ARG && m == NULL);
	CHECK(sp_median_new(&check_env, 4, &m) == SP_ERR_BAD_ARG && m == NULL);
	CHECK(sp_median_new(&check_env, SP_MEDIAN_MAX_ROWS + 2, &m) == SP_ERR_BAD_ARG && m == NULL);
	for (long allowed = 0; allowed < 2; allowed++)
	{
		check_allocs_left = allowed;
		CHECK(sp_median_new(&check_env, 9, &m) == SP_ERR_NO_MEMORY && m == NULL);
	}
	check_allocs_left = -1;
	sp_median_free(NULL);
}

int
main(void)
{
	for (size_t k = 1; k <= SP_MEDIAN_MAX_ROWS; k += 2)
	{
		check_rows(k, 1 + check_random() % 100);
		check_slide(k, 1 + check_random() % 100);
	}
	check_slide(31, 1);
	check_refusals();
	return check_report();
}
