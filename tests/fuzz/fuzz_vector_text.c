/*
 * tests/fuzz/fuzz_vector_text.c
 *	  Any text: what is taken has only finite numbers, and what is refused
 *	  says where, within the text.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/vector/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	float *values = malloc(SP_VECTOR_MAX_DIMS * sizeof(float));
	size_t count;
	const char *at;
	SpVectorText st;

	memcpy(text, data, size);
	text[size] = '\0';
	st = sp_vector_parse(text, values, &count, &at);
	if (at < text || at > text + size || count > SP_VECTOR_MAX_DIMS)
		abort();
	if (st == SP_VECTOR_TEXT_OK && count == 0)
		abort();
	for (size_t i = 0; i < count; i++)
		if (!isfinite(values[i]))
			abort();
	free(values);
	free(text);
	return 0;
}
