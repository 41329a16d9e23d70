/*
 * src/core/sp_json.h
 *	  jansson, inside a server that has a function json_object of its own.
 *
 * The dynamic linker looks for a function in the server's program first, so
 * that json_object() called from here would be PostgreSQL's SQL function.
 * jansson's calls of its own functions are bound inside it and are safe.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_JSON_H
#define SP_JSON_H

#include <jansson.h>

/* An empty object, the caller's to json_decref; NULL: no memory. */
static inline json_t *
sp_json_object(void)
{
	return json_pack("{}");
}

#endif /* SP_JSON_H */
