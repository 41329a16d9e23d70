/*
 * src/core/model/zip_directory.c
 *	  The directory at the end of a zip file: how many members, which names.
 *
 * Members are read from the front, one after the other, because that needs no
 * memory for a directory; a reader like that notices neither a member whose
 * header was damaged (it looks for the next one) nor a file that was cut
 * behind its last member.  So the directory is walked afterwards, and must
 * name what was read.
 *
 * Source: PKWARE, APPNOTE.TXT 4.3.12 to 4.3.16.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <string.h>

#include "core/model/archive.h"

#define END_SIZE     22
#define END64_SIZE   56
#define LOCATOR_SIZE 20
#define ENTRY_SIZE   46
#define MAX_COMMENT  65535

typedef struct Directory
{
	uint64_t offset;
	uint64_t size;
	uint64_t entries;
} Directory;

static uint64_t
number(const uint8_t *p, int n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

void
sp_zip_count(const SpCrc32c *crc, SpZipNames *names, const char *name, size_t length)
{
	names->count++;
	names->sum += sp_crc32c_extend(crc, 0, name, length);
}

/* Position of the end record, -1 if there is none. */
static int64_t
find_end(const SpEnv *env, SpSpool *file, uint8_t *end, SpStatus *st)
{
	int64_t size = sp_spool_size(file);
	size_t n = size < END_SIZE + MAX_COMMENT ? (size_t) size : END_SIZE + MAX_COMMENT;
	uint8_t *tail = sp_alloc(env, n + 1, 1);
	int64_t found = -1;
	size_t got = 0;

	*st = tail == NULL ? SP_ERR_NO_MEMORY : sp_spool_read(file, size - (int64_t) n, tail, n, &got);
	if (*st == SP_OK)
		for (size_t back = END_SIZE; back <= got && found < 0; back++)
		{
			const uint8_t *p = tail + got - back;

			/* The comment's length must lead to the end of the file. */
			if (memcmp(p, "PK\5\6", 4) == 0 && number(p + 20, 2) == back - END_SIZE)
			{
				memcpy(end, p, END_SIZE);
				found = size - (int64_t) back;
			}
		}
	sp_free(env, tail);
	return found;
}

/* The numbers of zip64, when the end record has no room for them. */
static bool
read_end64(SpSpool *file, int64_t end, Directory *directory)
{
	uint8_t locator[LOCATOR_SIZE];
	uint8_t record[END64_SIZE];
	size_t got = 0;
	uint64_t at;

	if (end < LOCATOR_SIZE ||
	    sp_spool_read(file, end - LOCATOR_SIZE, locator, sizeof(locator), &got) != SP_OK ||
	    memcmp(locator, "PK\6\7", 4) != 0)
		return false;
	at = number(locator + 8, 8);
	if (at > (uint64_t) end ||
	    sp_spool_read(file, (int64_t) at, record, sizeof(record), &got) != SP_OK ||
	    got != sizeof(record) || memcmp(record, "PK\6\6", 4) != 0)
		return false;
	directory->entries = number(record + 32, 8);
	directory->size = number(record + 40, 8);
	directory->offset = number(record + 48, 8);
	return true;
}

static bool
locate(SpSpool *file, int64_t at, const uint8_t *end, Directory *directory)
{
	directory->entries = number(end + 10, 2);
	directory->size = number(end + 12, 4);
	directory->offset = number(end + 16, 4);
	if ((directory->entries == 0xFFFF || directory->size == 0xFFFFFFFF ||
	     directory->offset == 0xFFFFFFFF) &&
	    !read_end64(file, at, directory))
		return false;
	return directory->offset <= (uint64_t) at && directory->size <= at - directory->offset;
}

static bool
walk(const SpCrc32c *crc, SpCursor *cursor, uint64_t entries, SpZipNames *names)
{
	uint8_t head[ENTRY_SIZE];
	char name[SP_ARCHIVE_MAX_NAME];

	if (entries > SP_ARCHIVE_MAX_MEMBERS)
		return false;
	for (uint64_t i = 0; i < entries; i++)
	{
		size_t length, rest;

		if (sp_cursor_read(cursor, head, sizeof(head)) != sizeof(head) ||
		    memcmp(head, "PK\1\2", 4) != 0)
			return false;
		length = (size_t) number(head + 28, 2);
		rest = (size_t) (number(head + 30, 2) + number(head + 32, 2));
		if (length > sizeof(name) || sp_cursor_read(cursor, name, length) != length)
			return false;
		sp_zip_count(crc, names, name, length);
		if (!sp_cursor_seek(cursor, sp_cursor_tell(cursor) + (int64_t) rest))
			return false;
	}
	/* Nothing else in it: its size is that of its entries. */
	return sp_cursor_tell(cursor) == sp_cursor_size(cursor);
}

SpStatus
sp_zip_check(const SpEnv *env, const SpCrc32c *crc, SpSpool *file, const SpZipNames *seen,
             SpFault *fault)
{
	uint8_t end[END_SIZE];
	SpZipNames names = {0};
	Directory directory;
	SpCursor *cursor = NULL;
	SpStatus st;
	int64_t at = find_end(env, file, end, &st);
	bool good = st == SP_OK && at >= 0 && locate(file, at, end, &directory);

	if (good)
	{
		st =
			sp_cursor_new(env, file, (int64_t) directory.offset, (int64_t) directory.size, &cursor);
		good = st == SP_OK && walk(crc, cursor, directory.entries, &names);
		if (st == SP_OK)
			st = sp_cursor_status(cursor);
		sp_cursor_free(cursor);
	}
	if (st == SP_ERR_NO_MEMORY)
		return sp_weights_no_memory(fault);
	if (st == SP_ERR_IO)
		return sp_spool_fault(file, fault);
	if (st != SP_OK)
		return st;
	if (!good || names.count != seen->count || names.sum != seen->sum)
		return sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
		                "The zip's directory is missing, or names other members than it has.");
	return SP_OK;
}
