/*
 * tests/unit/test_vector_least.c
 *	  The least of a row against a loop, by each form that this machine has:
 *	  ties, ends of rows, numbers that are none.
 */
#include "check.h"

#include <float.h>

#include "core/vector/least.h"

#define MOST 512

static size_t
first_least(const float *products, const float *norms, size_t n, float *least)
{
	size_t at = 0;

	*least = FLT_MAX;
	for (size_t i = 0; i < n; i++)
	{
		/* small whole numbers: exact however it is rounded */
		float x = norms[i] - 2 * products[i];

		if (x < *least)
		{
			*least = x;
			at = i;
		}
	}
	return at;
}

static void
check_rows(SpLeast least, unsigned values)
{
	float products[MOST], norms[MOST];

	for (size_t n = SP_LEAST_LANES; n <= MOST; n += SP_LEAST_LANES)
		for (int round = 0; round < 20; round++)
		{
			size_t some = n - check_random() % SP_LEAST_LANES, at = SIZE_MAX, expected;
			float found, truth;

			for (size_t i = 0; i < n; i++)
			{
				products[i] = (float) (check_random() % values);
				norms[i] = i < some ? (float) (check_random() % values) : INFINITY;
			}
			expected = first_least(products, norms, some, &truth);
			found = least(products, norms, n, &at);
			CHECK(found == truth && at == expected);
		}
}

/* Nothing to be found leaves the first one; what is no number is passed over. */
static void
check_none(SpLeast least)
{
	float products[48], norms[48];
	size_t at = SIZE_MAX;

	for (size_t i = 0; i < 48; i++)
	{
		products[i] = i % 2 == 0 ? NAN : 0;
		norms[i] = INFINITY;
	}
	CHECK(least(products, norms, 48, &at) == FLT_MAX && at == 0);
	products[37] = -3;
	norms[37] = 5;
	CHECK(least(products, norms, 48, &at) == 11 && at == 37);
	CHECK(least(products, norms, 0, &at) == FLT_MAX && at == 0);
}

int
main(void)
{
	for (SpLeastLevel level = 0; level < SP_LEAST_LEVELS; level++)
	{
		SpLeast least = sp_least(level);

		if (least == NULL)
		{
			printf("# SKIP the form of level %d: not of this machine\n", (int) level);
			continue;
		}
		check_rows(least, 2);
		check_rows(least, 20);
		check_rows(least, 100000);
		check_none(least);
	}
	CHECK(sp_least(SP_LEAST_PLAIN) != NULL);
	return check_report();
}
