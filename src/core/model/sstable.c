/*
 * src/core/model/sstable.c
 *	  Reads LevelDB's table format, version 1.
 *
 * Source: LevelDB, doc/table_format.md and table/format.h; TensorFlow keeps
 * its own copy of that code (tsl/lib/io/table).  From the end of the file: the
 * footer holds the handles (offset, size) of two blocks; the second, the
 * index, has one entry a data block, whose value is that block's handle.
 * Behind each block stand its type (0: as is) and a masked CRC-32C of block
 * and type.  A block is entries, then the offsets of restart points and their
 * number; an entry shares its first bytes with the key before it.
 *
 * We walk from the first entry to the last and need no restart points.  Data
 * blocks must follow each other in the file, as every writer leaves them:
 * else a small index could name one large block a million times.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/model/sstable.h"

#include <string.h>

#include "core/model/weights_internal.h"

/* table/format.h, kTableMagicNumber */
#define MAGIC 0xDB4775248B80FB57u

/* Type and checksum behind each block. */
#define TRAILER 5

/*
 * TensorFlow makes blocks of at most 256 KiB, and an index of a few hundred
 * bytes; more than this is no index of a checkpoint.
 */
#define MAX_BLOCK (16 << 20)

typedef struct Handle
{
	uint64_t offset;
	uint64_t size;
} Handle;

typedef struct Table
{
	const SpEnv *env;
	const SpCrc32c *crc;
	SpSpool *file;
	SpSstableVisit visit;
	void *context;
	SpFault *fault;
	uint64_t done; /* end of the data blocks seen so far */
	bool any;      /* has an entry been seen? */
	char last[SP_SSTABLE_MAX_KEY + 1];
	size_t last_length;
} Table;

static SpStatus
damaged(Table *t, const char *what)
{
	return sp_fault(t->fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
	                "The checkpoint's index is damaged: %s.", what);
}

static uint64_t
little_endian(const uint8_t *p, int n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

static bool
take_handle(SpWire *wire, Handle *handle)
{
	return sp_wire_varint(wire, &handle->offset) && sp_wire_varint(wire, &handle->size);
}

/* Is the block with its trailer inside [0, end)? */
static bool
lies_before(const Handle *handle, uint64_t end)
{
	return handle->size <= end && end - handle->size >= TRAILER &&
	       handle->offset <= end - handle->size - TRAILER;
}

/* Load and verify a block; *block is the caller's to free, also NULL on failure. */
static SpStatus
load_block(Table *t, const Handle *handle, uint8_t **block)
{
	size_t n = (size_t) handle->size;
	size_t got = 0;
	SpStatus st;

	*block = NULL;
	if (sp_should_stop(t->env))
		return SP_ERR_CANCELED;
	if (!lies_before(handle, (uint64_t) sp_spool_size(t->file) - SP_SSTABLE_FOOTER))
		return damaged(t, "a block lies outside of the file");
	if (n > MAX_BLOCK)
		return sp_fault(t->fault, SP_ERR_TOO_LARGE, SP_HINT_DAMAGED,
		                "The checkpoint's index has a block of %zu bytes.", n);
	*block = sp_alloc(t->env, n + TRAILER, 1);
	if (*block == NULL)
		return sp_weights_no_memory(t->fault);
	st = sp_spool_read(t->file, (int64_t) handle->offset, *block, n + TRAILER, &got);
	if (st != SP_OK)
		return sp_spool_fault(t->file, t->fault);
	if (got != n + TRAILER || sp_crc32c_mask(sp_crc32c_extend(t->crc, 0, *block, n + 1)) !=
	                              little_endian(*block + n + 1, 4))
		return damaged(t, "a block fails its checksum");
	if ((*block)[n] != 0)
		return sp_fault(t->fault, SP_ERR_UNSUPPORTED,
		                "Save the checkpoint with TensorFlow, which does not compress its index.",
		                "The checkpoint's index is compressed (type %d).", (*block)[n]);
	return SP_OK;
}

/* The part of a block that holds entries, without restart points. */
static bool
entries_of(const uint8_t *block, size_t n, SpWire *entries)
{
	uint64_t restarts;

	if (n < 4)
		return false;
	restarts = little_endian(block + n - 4, 4);
	if (restarts > (n - 4) / 4)
		return false;
	entries->p = block;
	entries->end = block + n - 4 - 4 * restarts;
	return true;
}

/*
 * One entry: key (which comes as the key before it, *length bytes) and value.
 * False when it is damaged or the key too long.
 */
static bool
take_entry(SpWire *entries, char *key, size_t *length, SpWire *value)
{
	uint64_t shared, fresh, value_length;
	SpWire rest;

	if (!sp_wire_varint(entries, &shared) || !sp_wire_varint(entries, &fresh) ||
	    !sp_wire_varint(entries, &value_length))
		return false;
	if (shared > *length || fresh > SP_SSTABLE_MAX_KEY - shared)
		return false;
	if (!sp_wire_take(entries, fresh, &rest) || !sp_wire_take(entries, value_length, value))
		return false;
	memcpy(key + shared, rest.p, (size_t) fresh);
	*length = (size_t) (shared + fresh);
	key[*length] = '\0';
	return true;
}

/* Is key behind the last one? */
static bool
ascends(const Table *t, const char *key, size_t length)
{
	size_t common = length < t->last_length ? length : t->last_length;
	int order = memcmp(t->last, key, common);

	return !t->any || order < 0 || (order == 0 && t->last_length < length);
}

static SpStatus
visit_block(Table *t, const Handle *handle)
{
	char key[SP_SSTABLE_MAX_KEY + 1];
	size_t length = 0;
	uint8_t *block;
	SpWire entries, value;
	SpStatus st = load_block(t, handle, &block);

	if (st == SP_OK && !entries_of(block, (size_t) handle->size, &entries))
		st = damaged(t, "a block has no end");
	while (st == SP_OK && entries.p < entries.end)
	{
		if (!take_entry(&entries, key, &length, &value))
			st = damaged(t, "an entry is cut off, or its name is too long");
		else if (!ascends(t, key, length))
			st = damaged(t, "names are not in order, or one comes twice");
		else
		{
			memcpy(t->last, key, length + 1);
			t->last_length = length;
			t->any = true;
			st = t->visit(t->context, key, length, value, t->fault);
		}
	}
	sp_free(t->env, block);
	return st;
}

static SpStatus
visit_index(Table *t, const uint8_t *index, size_t n)
{
	char key[SP_SSTABLE_MAX_KEY + 1];
	size_t length = 0;
	SpWire entries, value;
	Handle handle;
	SpStatus st = SP_OK;

	if (!entries_of(index, n, &entries))
		return damaged(t, "its directory has no end");
	while (st == SP_OK && entries.p < entries.end)
	{
		if (!take_entry(&entries, key, &length, &value) || !take_handle(&value, &handle) ||
		    value.p != value.end)
			return damaged(t, "its directory is cut off");
		if (handle.offset < t->done)
			return damaged(t, "its blocks are not in order");
		st = visit_block(t, &handle);
		/* In range: load_block has looked. */
		t->done = handle.offset + handle.size + TRAILER;
	}
	return st;
}

/* The two handles at the end of the file. */
static SpStatus
read_footer(Table *t, Handle *meta, Handle *index)
{
	int64_t size = sp_spool_size(t->file);
	uint8_t footer[SP_SSTABLE_FOOTER];
	SpWire wire = {footer, footer + SP_SSTABLE_FOOTER - 8};
	size_t got = 0;

	if (size < SP_SSTABLE_FOOTER)
		return damaged(t, "it is too short");
	if (sp_spool_read(t->file, size - SP_SSTABLE_FOOTER, footer, sizeof(footer), &got) != SP_OK)
		return sp_spool_fault(t->file, t->fault);
	if (got != sizeof(footer) || little_endian(footer + SP_SSTABLE_FOOTER - 8, 8) != MAGIC)
		return damaged(t, "its end is missing");
	if (!take_handle(&wire, meta) || !take_handle(&wire, index))
		return damaged(t, "its end makes no sense");
	/* Nothing else protects these bytes. */
	while (wire.p < wire.end)
		if (*wire.p++ != 0)
			return damaged(t, "its end makes no sense");
	return SP_OK;
}

SpStatus
sp_sstable_each(const SpEnv *env, const SpCrc32c *crc, SpSpool *file, SpSstableVisit visit,
                void *context, SpFault *fault)
{
	Table t = {.env = env, .crc = crc, .file = file, .visit = visit, .context = context};
	Handle meta, index;
	uint8_t *block = NULL;
	SpStatus st;

	t.fault = fault;
	st = read_footer(&t, &meta, &index);
	if (st != SP_OK)
		return st;
	/* Empty in a checkpoint; verified because it is part of the file. */
	st = load_block(&t, &meta, &block);
	sp_free(env, block);
	if (st != SP_OK)
		return st;
	st = load_block(&t, &index, &block);
	if (st == SP_OK)
		st = visit_index(&t, block, (size_t) index.size);
	sp_free(env, block);
	return st;
}

bool
sp_sstable_is(SpSpool *file)
{
	int64_t size = sp_spool_size(file);
	uint8_t magic[8];
	size_t got = 0;

	return size >= SP_SSTABLE_FOOTER &&
	       sp_spool_read(file, size - 8, magic, sizeof(magic), &got) == SP_OK &&
	       got == sizeof(magic) && little_endian(magic, 8) == MAGIC;
}
