/*
 * tests/unit/test_median.c
 *	  The median network against sorting, the sliding form against its
 *	  definition.
 */
#include "check.h"

#include "core/dsp/median.h"

static int
compare(const void *a, const void *b)
{
	uint16_t x = *(const uint16_t *) a, y = *(const uint16_t *) b;

	return (x > y) - (x < y);
}

static uint16_t
median_by_sorting(uint16_t *values, size_t k)
{
	qsort(values, k, sizeof(*values), compare);
	return values[(k - 1) / 2];
}

/* Values with many ties and both ends of the range, which networks get wrong first. */
static uint16_t
tied_value(void)
{
	static const uint16_t ends[] = {0, 1, UINT16_MAX - 1, UINT16_MAX};

	return check_random() % 3 == 0 ? ends[check_random() % 4] : (uint16_t) check_random();
}

static void
check_rows(size_t k, size_t n)
{
	uint16_t *data = calloc(k * n, sizeof(*data));
	uint16_t *out = malloc(n * sizeof(*out));
	const uint16_t *rows[SP_MEDIAN_MAX_ROWS];
	size_t wrong = 0;

	for (size_t i = 0; i < k * n; i++)
		data[i] = tied_value();
	for (size_t r = 0; r < k; r++)
		rows[r] = data + r * n;
	sp_median_run(out, rows, k, n);
	for (size_t i = 0; i < n; i++)
	{
		uint16_t column[SP_MEDIAN_MAX_ROWS];

		for (size_t r = 0; r < k; r++)
			column[r] = rows[r][i];
		wrong += out[i] != median_by_sorting(column, k);
	}
	CHECK(wrong == 0);
	free(data);
	free(out);
}

/* A network that takes its middle from zeros and ones takes it from all numbers (Knuth 5.3.4 Z). */
static void
check_zeros_and_ones(size_t k)
{
	const size_t n = (size_t) 1 << k;
	uint16_t *data = calloc(k * n, sizeof(*data));
	uint16_t *out = malloc(n * sizeof(*out));
	const uint16_t *rows[SP_MEDIAN_MAX_ROWS];
	size_t wrong = 0;

	for (size_t r = 0; r < k; r++)
	{
		rows[r] = data + r * n;
		for (size_t i = 0; i < n; i++)
			data[r * n + i] = i >> r & 1;
	}
	sp_median_run(out, rows, k, n);
	for (size_t i = 0; i < n; i++)
		wrong += out[i] != ((size_t) __builtin_popcountl(i) > k / 2);
	CHECK(wrong == 0);
	free(data);
	free(out);
}

static void
check_slide(size_t k, size_t n)
{
	uint16_t *in = calloc(n, sizeof(*in));
	uint16_t *out = malloc(n * sizeof(*out));
	uint16_t *scratch = malloc((n + k - 1) * sizeof(*scratch));
	size_t wrong = 0;

	for (size_t i = 0; i < n; i++)
		in[i] = tied_value();
	sp_median_slide(out, in, k, n, scratch);
	for (long i = 0; i < (long) n; i++)
	{
		uint16_t window[SP_MEDIAN_MAX_ROWS];

		for (long r = 0; r < (long) k; r++)
		{
			long j = i + r - (long) (k / 2);

			window[r] = in[j < 0 ? 0 : j >= (long) n ? (long) n - 1 : j];
		}
		wrong += out[i] != median_by_sorting(window, k);
	}
	CHECK(wrong == 0);
	free(in);
	free(out);
	free(scratch);
}

static void
check_odd(void)
{
	CHECK(sp_median_odd(NAN) == 3 && sp_median_odd(-5) == 3 && sp_median_odd(3.9) == 3);
	CHECK(sp_median_odd(18.6) == 19 && sp_median_odd(25.8) == 25);
	CHECK(sp_median_odd(1e9) == SP_MEDIAN_MAX_ROWS && sp_median_odd(62) == SP_MEDIAN_MAX_ROWS);
}

int
main(void)
{
	for (size_t k = 1; k <= SP_MEDIAN_MAX_ROWS; k++)
	{
		check_rows(k, 1 + check_random() % 100);
		check_rows(k, 2049);
		if (k % 2 == 1)
			check_slide(k, 1 + check_random() % 100);
	}
	check_rows(5, 4500); /* longer than the fillers */
	check_slide(31, 1);
	for (size_t k = 1; k <= 19; k += 2)
		check_zeros_and_ones(k);
	check_odd();
	return check_report();
}
