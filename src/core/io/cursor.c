/*
 * src/core/io/cursor.c
 *	  A position on a spool, with read-ahead: what libsndfile reads through.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/io/spool.h"

#include <string.h>

/*
 * Read-ahead.  libmpg123 reads four bytes at a time and libogg four thousand;
 * at 64 KiB a system call comes once in several seconds of music.
 */
#define WINDOW_BYTES 65536

struct SpCursor
{
	const SpEnv *env;
	SpSpool *spool;
	int64_t base;         /* position 0 of the cursor in the spool */
	int64_t length;       /* of the view; -1: to the end of the spool */
	int64_t position;     /* next byte to read or write */
	int64_t window_start; /* position of window[0] */
	size_t window_len;    /* valid bytes in window */
	SpStatus status;
	uint8_t *window;
	uint8_t *prefix; /* NULL: none */
	int64_t prefix_len;
};

SpStatus
sp_cursor_new(const SpEnv *env, SpSpool *spool, int64_t base, int64_t length, SpCursor **out)
{
	SpCursor *cursor;

	*out = NULL;
	if (base < 0)
		return SP_ERR_BAD_ARG;
	cursor = sp_calloc(env, 1, sizeof(SpCursor));
	if (cursor == NULL)
		return SP_ERR_NO_MEMORY;
	cursor->window = sp_alloc(env, WINDOW_BYTES, 1);
	if (cursor->window == NULL)
	{
		sp_free(env, cursor);
		return SP_ERR_NO_MEMORY;
	}
	cursor->env = env;
	cursor->spool = spool;
	cursor->base = base;
	cursor->length = length;
	*out = cursor;
	return SP_OK;
}

void
sp_cursor_free(SpCursor *cursor)
{
	if (cursor == NULL)
		return;
	sp_free(cursor->env, cursor->window);
	sp_free(cursor->env, cursor->prefix);
	sp_free(cursor->env, cursor);
}

SpStatus
sp_cursor_prefix(SpCursor *cursor, const void *bytes, size_t n)
{
	if (n > WINDOW_BYTES)
		return SP_ERR_BAD_ARG;
	cursor->prefix = sp_alloc(cursor->env, n, 1);
	if (cursor->prefix == NULL)
		return SP_ERR_NO_MEMORY;
	memcpy(cursor->prefix, bytes, n);
	cursor->prefix_len = (int64_t) n;
	return SP_OK;
}

int64_t
sp_cursor_size(const SpCursor *cursor)
{
	int64_t size = sp_spool_size(cursor->spool) - cursor->base;

	if (cursor->length >= 0 && size > cursor->length)
		size = cursor->length;
	return cursor->prefix_len + (size > 0 ? size : 0);
}

int64_t
sp_cursor_tell(const SpCursor *cursor)
{
	return cursor->position;
}

bool
sp_cursor_seek(SpCursor *cursor, int64_t position)
{
	int64_t end;

	if (position < 0 || __builtin_add_overflow(cursor->base, position, &end))
		return false;
	cursor->position = position;
	return true;
}

/* Load the window at the cursor's position; false at the end or on failure. */
static bool
refill(SpCursor *cursor)
{
	int64_t left = sp_cursor_size(cursor) - cursor->position;
	size_t got = 0;

	if (sp_should_stop(cursor->env))
		cursor->status = SP_ERR_CANCELED;
	if (cursor->status != SP_OK || left <= 0)
		return false;
	cursor->window_start = cursor->position;
	cursor->window_len = 0;
	if (cursor->position < cursor->prefix_len)
	{
		got = (size_t) (cursor->prefix_len - cursor->position);
		memcpy(cursor->window, cursor->prefix + cursor->position, got);
	}
	else
		cursor->status =
			sp_spool_read(cursor->spool, cursor->base + cursor->position - cursor->prefix_len,
		                  cursor->window, left < WINDOW_BYTES ? (size_t) left : WINDOW_BYTES, &got);
	cursor->window_len = got;
	return got > 0;
}

size_t
sp_cursor_read(SpCursor *cursor, void *buf, size_t n)
{
	size_t done = 0;

	while (done < n)
	{
		int64_t at = cursor->position - cursor->window_start;
		size_t chunk;

		if (at < 0 || at >= (int64_t) cursor->window_len)
		{
			if (!refill(cursor))
				break;
			at = 0;
		}
		chunk = cursor->window_len - (size_t) at;
		if (chunk > n - done)
			chunk = n - done;
		memcpy((char *) buf + done, cursor->window + at, chunk);
		cursor->position += (int64_t) chunk;
		done += chunk;
	}
	return done;
}

size_t
sp_cursor_write(SpCursor *cursor, const void *buf, size_t n)
{
	if (cursor->status != SP_OK)
		return 0;
	/* What was read ahead may be what is overwritten now. */
	cursor->window_len = 0;
	cursor->status = sp_spool_write(cursor->spool, cursor->base + cursor->position, buf, n);
	if (cursor->status != SP_OK)
		return 0;
	cursor->position += (int64_t) n;
	return n;
}

SpStatus
sp_cursor_status(const SpCursor *cursor)
{
	return cursor->status;
}
