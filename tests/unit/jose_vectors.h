/*
 * tests/unit/jose_vectors.h
 *	  Published test vectors under $SPOTAI_SHARED/vectors, and hexadecimal.
 *
 * The vectors are JSON and are read by jansson itself, not by what is tested.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef JOSE_VECTORS_H
#define JOSE_VECTORS_H

#include <jansson.h>

#include "check.h"

static inline const char *
vectors_path(const char *name)
{
	static char path[1024];
	const char *shared = getenv("SPOTAI_SHARED") ? getenv("SPOTAI_SHARED") : "../shared";

	snprintf(path, sizeof(path), "%s/vectors/%s", shared, name);
	return path;
}

/* NULL, and a visible skip, when the file is not here. */
static inline json_t *
vectors_read(const char *name)
{
	json_t *root = json_load_file(vectors_path(name), JSON_ALLOW_NUL, NULL);

	if (root == NULL)
		printf("# SKIP vectors/%s is absent\n", name);
	return root;
}

/* A whole file, NUL at the end, the caller's to free; NULL when it is not here. */
static inline char *
vectors_bytes(const char *name, size_t *length)
{
	FILE *file = fopen(vectors_path(name), "rb");
	char *bytes = NULL;

	if (file == NULL)
		return NULL;
	fseek(file, 0, SEEK_END);
	*length = (size_t) ftell(file);
	rewind(file);
	bytes = malloc(*length + 1);
	if (fread(bytes, 1, *length, file) != *length)
		abort();
	bytes[*length] = '\0';
	fclose(file);
	return bytes;
}

static inline const char *
vectors_text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* Bytes of hexadecimal text, the caller's to free; never NULL. */
static inline uint8_t *
vectors_hex(const char *hex, size_t *length)
{
	uint8_t *out = malloc(strlen(hex) / 2 + 1);
	unsigned byte;

	*length = strlen(hex) / 2;
	for (size_t i = 0; i < *length; i++)
	{
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			abort();
		out[i] = (uint8_t) byte;
	}
	return out;
}

static inline uint8_t *
vectors_hex_of(const json_t *object, const char *name, size_t *length)
{
	return vectors_hex(vectors_text(object, name), length);
}

/* Names the case that a failed check belongs to. */
static inline bool
vectors_case(bool as_expected, const char *file, const json_t *test)
{
	if (!as_expected)
		printf("# %s %lld: %s\n", file,
		       (long long) json_integer_value(json_object_get(test, "tcId")),
		       vectors_text(test, "comment"));
	return as_expected;
}

#endif /* JOSE_VECTORS_H */
