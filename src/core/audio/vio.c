/*
 * src/core/audio/vio.c
 *	  libsndfile's virtual I/O on a cursor.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/audio/vio.h"

#include <stdio.h>
#include <string.h>

static sf_count_t
vio_size(void *cursor)
{
	return sp_cursor_size(cursor);
}

static sf_count_t
vio_seek(sf_count_t offset, int whence, void *cursor)
{
	sf_count_t origin = whence == SEEK_CUR   ? sp_cursor_tell(cursor)
	                    : whence == SEEK_END ? sp_cursor_size(cursor)
	                                         : 0;
	sf_count_t target;

	if (__builtin_add_overflow(origin, offset, &target) || !sp_cursor_seek(cursor, target))
		return -1;
	return target;
}

static sf_count_t
vio_read(void *buf, sf_count_t n, void *cursor)
{
	return n > 0 ? (sf_count_t) sp_cursor_read(cursor, buf, (size_t) n) : 0;
}

/*
 * A failed write is reported as done.  The cursor knows better, and who drives
 * the library asks it after each block; but libsndfile 1.2 leaks the state of
 * its Vorbis encoder (360 KB) when a write fails while it closes.
 */
static sf_count_t
vio_write(const void *buf, sf_count_t n, void *cursor)
{
	if (n <= 0)
		return 0;
	if (sp_cursor_write(cursor, buf, (size_t) n) == 0)
		sp_cursor_seek(cursor, sp_cursor_tell(cursor) + n);
	return n;
}

static sf_count_t
vio_tell(void *cursor)
{
	return sp_cursor_tell(cursor);
}

SF_VIRTUAL_IO
sp_vio(void)
{
	return (SF_VIRTUAL_IO){vio_size, vio_seek, vio_read, vio_write, vio_tell};
}

bool
sp_vio_no_memory(const char *message)
{
	return strstr(message, "malloc") != NULL;
}
