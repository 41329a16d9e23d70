/*
 * tests/fuzz/fuzz_spool.c
 *	  libFuzzer: content that arrives in chunks and is read by cursors, random
 *	  sizes, seeks and overwrites, against a plain array.
 *
 * Each operation takes five bytes of the input: a code and two 16-bit numbers.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/io/spool.h"
#include "host.h"

#define LIMIT 400000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct State
{
	SpSpool *spool;
	SpCursor *cursor;
	size_t base;
	size_t length; /* SIZE_MAX: to the end */
	size_t position;
	size_t size; /* of twin */
	uint8_t twin[LIMIT + 70000];
	uint8_t chunk[70000];
} State;

/* Write a chunk at offset; the twin takes it if the limit allows it. */
static bool
write_chunk(State *s, size_t offset, size_t n, uint8_t seed)
{
	SpStatus st;

	for (size_t i = 0; i < n; i++)
		s->chunk[i] = (uint8_t) (seed + i * 7);
	st = sp_spool_write(s->spool, (int64_t) offset, s->chunk, n);
	if (offset + n > LIMIT)
	{
		assert(st == SP_ERR_TOO_LARGE);
		return false;
	}
	assert(st == SP_OK);
	memcpy(s->twin + offset, s->chunk, n);
	if (n > 0 && offset + n > s->size)
		s->size = offset + n;
	assert(sp_spool_size(s->spool) == (int64_t) s->size);
	return true;
}

static void
read_spool(State *s, size_t offset, size_t n)
{
	size_t want = offset >= s->size ? 0 : n < s->size - offset ? n : s->size - offset;
	size_t got;

	assert(sp_spool_read(s->spool, (int64_t) offset, s->chunk, n, &got) == SP_OK);
	assert(got == want && memcmp(s->chunk, s->twin + (want ? offset : 0), want) == 0);
}

static void
new_cursor(State *s, size_t base, size_t length)
{
	sp_cursor_free(s->cursor);
	s->base = base;
	s->length = length == 0xFFFF ? SIZE_MAX : length;
	s->position = 0;
	assert(sp_cursor_new(&env, s->spool, (int64_t) base,
	                     s->length == SIZE_MAX ? -1 : (int64_t) length, &s->cursor) == SP_OK);
}

static size_t
view_size(const State *s)
{
	size_t n = s->base < s->size ? s->size - s->base : 0;

	return n < s->length ? n : s->length;
}

static void
read_cursor(State *s, size_t n)
{
	size_t end = view_size(s);
	size_t want = s->position >= end ? 0 : n < end - s->position ? n : end - s->position;

	assert(sp_cursor_size(s->cursor) == (int64_t) end);
	assert(sp_cursor_read(s->cursor, s->chunk, n) == want);
	assert(memcmp(s->chunk, s->twin + (want ? s->base + s->position : 0), want) == 0);
	s->position += want;
	assert(sp_cursor_tell(s->cursor) == (int64_t) s->position);
}

/* One operation; false when the spool has failed for good. */
static bool
step(State *s, uint8_t code, size_t a, size_t b)
{
	switch (code % 6)
	{
		case 0: /* the next chunk of a song */
			new_cursor(s, s->base, s->length == SIZE_MAX ? 0xFFFF : s->length);
			return write_chunk(s, s->size, a, code);
		case 1:
			new_cursor(s, s->base, s->length == SIZE_MAX ? 0xFFFF : s->length);
			return write_chunk(s, b * 8, a, code);
		case 2:
			read_spool(s, b * 8, a);
			break;
		case 3:
			new_cursor(s, a, b);
			break;
		case 4:
			assert(sp_cursor_seek(s->cursor, (int64_t) (a * 8)));
			s->position = a * 8;
			break;
		default:
			read_cursor(s, code & 0x80 ? a : a % 64);
	}
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	State *s = calloc(1, sizeof(State));

	assert(sp_spool_new_file(&env, "/tmp", LIMIT, &s->spool, NULL) == SP_OK);
	new_cursor(s, 0, 0xFFFF);
	for (size_t i = 0; i + 5 <= size && i < 5 * 200; i += 5)
		if (!step(s, data[i], data[i + 1] | data[i + 2] << 8, data[i + 3] | data[i + 4] << 8))
			break;
	sp_cursor_free(s->cursor);
	sp_spool_free(s->spool);
	free(s);
	return 0;
}
