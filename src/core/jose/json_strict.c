/*
 * src/core/jose/json_strict.c
 *	  JSON as tokens and keys may have it, and no other.
 *
 * jansson has a depth limit of its own (2048 in 2.14), but it is a constant
 * of its build, so brackets are counted here first.  Behind a number it reads
 * a NUL byte as nothing at all (2.14), so a text with one does not reach it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/jose/json_strict.h"

#include <string.h>

#include "core/crypto/constant_time.h"

/* How deep brackets go, up to limit + 1.  Whether they match is jansson's business. */
static int
deepest(const char *text, size_t length, int limit)
{
	int depth = 0, most = 0;
	bool quoted = false;

	for (size_t i = 0; i < length && most <= limit; i++)
	{
		char c = text[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '[' || c == '{'))
			most = ++depth > most ? depth : most;
		else if (!quoted && (c == ']' || c == '}') && depth > 0)
			depth--;
	}
	return most;
}

/* jansson's own words may quote the text, which may be a key: only the kind and the place go out. */
static SpStatus
refuse(const json_error_t *error, SpFault *fault)
{
	const char *what = "it is not JSON";

	switch (json_error_code(error))
	{
		case json_error_out_of_memory:
			return SP_ERR_NO_MEMORY;
		case json_error_duplicate_key:
			what = "a member comes twice";
			break;
		case json_error_invalid_utf8:
			what = "it is not UTF-8";
			break;
		case json_error_null_character:
		case json_error_null_byte_in_key:
			what = "it contains the character U+0000";
			break;
		case json_error_numeric_overflow:
			what = "a number is out of range";
			break;
		case json_error_premature_end_of_input:
			what = "it ends too early";
			break;
		default:
			break;
	}
	return sp_fault(fault, SP_ERR_BAD_DATA, "", "At byte %d: %s.",
	                error->position > 0 ? error->position : 0, what);
}

SpStatus
sp_json_read(const char *text, size_t length, size_t max_bytes, int max_depth, json_t **out,
             SpFault *fault)
{
	json_error_t error;

	*out = NULL;
	if (length > max_bytes)
		return sp_fault(fault, SP_ERR_TOO_LARGE, "",
		                "The JSON text has %zu bytes; at most %zu are read.", length, max_bytes);
	if (deepest(text, length, max_depth) > max_depth)
		return sp_fault(fault, SP_ERR_TOO_LARGE, "",
		                "The JSON text is nested more than %d levels deep.", max_depth);
	if (length > 0 && memchr(text, '\0', length) != NULL)
		return sp_fault(fault, SP_ERR_BAD_DATA, "", "The JSON text contains a NUL byte.");
	*out = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	return *out != NULL ? SP_OK : refuse(&error, fault);
}

SpStatus
sp_json_read_object(const char *text, size_t length, size_t max_bytes, json_t **out, SpFault *fault)
{
	SpStatus st = sp_json_read(text, length, max_bytes, SP_JSON_DEPTH, out, fault);

	if (st == SP_OK && !json_is_object(*out))
	{
		sp_json_release(*out);
		*out = NULL;
		st = sp_fault(fault, SP_ERR_BAD_DATA, "", "The JSON text is no object.");
	}
	return st;
}

/* As deep as sp_json_read allowed. */
static void
wipe(json_t *value)
{
	const char *name;
	json_t *member;
	size_t i;

	if (json_is_string(value))
		sp_crypto_wipe((char *) json_string_value(value), json_string_length(value));
	else if (json_is_array(value))
		json_array_foreach(value, i, member) wipe(member);
	else if (json_is_object(value))
		json_object_foreach(value, name, member) wipe(member);
}

void
sp_json_release(json_t *value)
{
	wipe(value);
	json_decref(value);
}

const char *
sp_json_text(const json_t *object, const char *name, size_t *length)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_string(value))
		return NULL;
	*length = json_string_length(value);
	return json_string_value(value);
}
