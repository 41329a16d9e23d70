/*
 * tests/unit/test_vector_text.c
 *	  What is a vector in text, and where it stops being one.
 */
#include "check.h"

#include <string.h>

#include "core/vector/text.h"

static float values[SP_VECTOR_MAX_DIMS];

/* at: the offset that is blamed. */
static void
check_refused(const char *text, SpVectorText want, size_t at)
{
	size_t count;
	const char *where;
	SpVectorText got = sp_vector_parse(text, values, &count, &where);

	if (got != want || where != text + at)
		printf("# %.40s: %d at %zu\n", text, (int) got, (size_t) (where - text));
	CHECK(got == want && where == text + at);
}

static void
check_taken(const char *text, size_t count, float first, float last)
{
	size_t n;
	const char *at;

	CHECK(sp_vector_parse(text, values, &n, &at) == SP_VECTOR_TEXT_OK);
	CHECK(n == count && values[0] == first && values[n - 1] == last);
}

/* So many ones. */
static char *
ones(size_t count)
{
	char *text = malloc(2 * count + 2);

	for (size_t i = 0; i < count; i++)
		memcpy(text + 1 + 2 * i, "1,", 2);
	text[0] = '[';
	strcpy(text + 2 * count, "]");
	return text;
}

int
main(void)
{
	char *most = ones(SP_VECTOR_MAX_DIMS), *more = ones(SP_VECTOR_MAX_DIMS + 1);

	check_taken("[1]", 1, 1, 1);
	check_taken(" \t\n[ 1 , -2.5 ,3e4\r] ", 3, 1, 3e4f);
	check_taken("[.5,5.,+1,-0]", 4, 0.5f, 0);
	check_taken("[1e-60,3.4028235e38]", 2, 0, 3.4028235e38f);
	check_taken(most, SP_VECTOR_MAX_DIMS, 1, 1);
	check_refused(more, SP_VECTOR_TEXT_TOO_MANY, 1 + 2 * SP_VECTOR_MAX_DIMS);
	check_refused("", SP_VECTOR_TEXT_MALFORMED, 0);
	check_refused("1,2", SP_VECTOR_TEXT_MALFORMED, 0);
	check_refused("{1,2}", SP_VECTOR_TEXT_MALFORMED, 0);
	check_refused("[", SP_VECTOR_TEXT_MALFORMED, 1);
	check_refused("[1", SP_VECTOR_TEXT_MALFORMED, 2);
	check_refused("[1,", SP_VECTOR_TEXT_MALFORMED, 3);
	check_refused("[1,]", SP_VECTOR_TEXT_MALFORMED, 3);
	check_refused("[,1]", SP_VECTOR_TEXT_MALFORMED, 1);
	check_refused("[1 2]", SP_VECTOR_TEXT_MALFORMED, 3);
	check_refused("[1]]", SP_VECTOR_TEXT_MALFORMED, 3);
	check_refused("[1] x", SP_VECTOR_TEXT_MALFORMED, 4);
	check_refused("[one]", SP_VECTOR_TEXT_MALFORMED, 1);
	check_refused("[[1]]", SP_VECTOR_TEXT_MALFORMED, 1);
	check_refused("[]", SP_VECTOR_TEXT_EMPTY, 1);
	check_refused("[ ] ", SP_VECTOR_TEXT_EMPTY, 2);
	check_refused("[] x", SP_VECTOR_TEXT_MALFORMED, 1);
	check_refused("[1,NaN]", SP_VECTOR_TEXT_NOT_FINITE, 3);
	check_refused("[-inf]", SP_VECTOR_TEXT_NOT_FINITE, 1);
	check_refused("[1e39]", SP_VECTOR_TEXT_OUT_OF_RANGE, 1);
	check_refused("[1, -1e400]", SP_VECTOR_TEXT_OUT_OF_RANGE, 4);
	free(most);
	free(more);
	return check_report();
}
