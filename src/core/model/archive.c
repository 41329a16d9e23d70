/*
 * src/core/model/archive.c
 *	  Unpacks .tar.gz, .tar and .zip into spools, with libarchive.
 *
 * Nothing is written under a name that the archive gives: names only tell
 * what a member is for.  libarchive is shown one filter and one format, so
 * that no gzip hides in a gzip, and gets its bytes through a callback that
 * counts: headers that do not end (a chain of sparse maps, a name without
 * end) would otherwise be gathered in memory.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* newlocale */
#endif

#include "core/model/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <string.h>

/* Bytes handed to libarchive at once. */
#define BLOCK 65536

/*
 * Bytes of the file that one header may take.  gzip packs at most 1032 to
 * one, and libarchive's list of sparse pieces is about twice what it reads:
 * this holds it below 300 MB for any input, and 130 KB for an honest one.
 */
#define MAX_HEADER (2 * BLOCK)

typedef struct Unpacker
{
	SpWeights *w;
	SpFileSet *set;
	struct archive *a;
	SpZipNames names;
	size_t members;
	int64_t position; /* in the archive */
	int64_t total;    /* bytes unpacked */
	int64_t header;   /* bytes read since the header began; -1: not in one */
	bool pickle;      /* a member that only PyTorch writes */
	SpSpool *arrays;  /* a store of w, or NULL */
	size_t store;
	SpStatus status; /* why the callback gave up */
	SpFault *fault;
	uint8_t *block; /* [BLOCK] */
} Unpacker;

SpArchiveKind
sp_archive_sniff(const char *head, size_t n)
{
	if (n >= 2 && memcmp(head, "\x1F\x8B", 2) == 0)
		return SP_ARCHIVE_TAR_GZ;
	/* The second is an archive without members. */
	if (n >= 4 && (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0))
		return SP_ARCHIVE_ZIP;
	if (n >= 262 && memcmp(head + 257, "ustar", 5) == 0)
		return SP_ARCHIVE_TAR;
	return SP_ARCHIVE_NONE;
}

/* libarchive's read callback: touches the spool's descriptor and plain memory. */
static la_ssize_t
read_block(struct archive *a, void *data, const void **block)
{
	Unpacker *u = data;
	SpSpool *file = u->w->file;
	size_t got = 0;

	if (u->status == SP_OK && sp_should_stop(u->w->env))
		u->status = SP_ERR_CANCELED;
	if (u->status == SP_OK && u->header >= MAX_HEADER)
		u->status =
			sp_fault(u->fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED, "A member's header has no end.");
	if (u->status == SP_OK && sp_spool_read(file, u->position, u->block, BLOCK, &got) != SP_OK)
		u->status = sp_spool_fault(file, u->fault);
	if (u->status != SP_OK)
	{
		archive_set_error(a, EIO, "stopped");
		return -1;
	}
	u->position += (int64_t) got;
	if (u->header >= 0)
		u->header += (int64_t) got;
	*block = u->block;
	return (la_ssize_t) got;
}

/* What libarchive has against the file, or our own callback. */
static SpStatus
archive_fault(Unpacker *u)
{
	const char *why = archive_error_string(u->a);

	if (u->status != SP_OK)
		return u->status;
	if (archive_errno(u->a) == ENOMEM)
		return sp_weights_no_memory(u->fault);
	return sp_fault(u->fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
	                "The archive cannot be unpacked: %.100s.", why != NULL ? why : "it is damaged");
}

static SpStatus
open_archive(Unpacker *u, SpArchiveKind kind)
{
	int rc;

	u->a = archive_read_new();
	if (u->a == NULL)
		return sp_weights_no_memory(u->fault);
	rc = kind == SP_ARCHIVE_ZIP ? archive_read_support_format_zip_streamable(u->a)
	                            : archive_read_support_format_tar(u->a);
	/* Appended, not supported: no guessing, and no second gzip inside. */
	if (rc == ARCHIVE_OK && kind == SP_ARCHIVE_TAR_GZ)
		rc = archive_read_append_filter(u->a, ARCHIVE_FILTER_GZIP);
	u->header = 0;
	if (rc == ARCHIVE_OK)
		rc = archive_read_open(u->a, u, NULL, read_block, NULL);
	return rc == ARCHIVE_OK ? SP_OK : archive_fault(u);
}

/*
 * The member's data, appended to spool (NULL: only read).  *size is how much.
 */
static SpStatus
copy_data(Unpacker *u, SpSpool *spool, int64_t *size)
{
	int64_t limit = u->w->limits.max_bytes;
	const void *block;
	size_t n;
	la_int64_t at;
	int rc;

	*size = 0;
	while ((rc = archive_read_data_block(u->a, &block, &n, &at)) == ARCHIVE_OK)
	{
		if (sp_should_stop(u->w->env))
			return SP_ERR_CANCELED;
		if (at != *size)
			return sp_fault(u->fault, SP_ERR_BAD_DATA, "Pack it without holes (tar without -S).",
			                "A member of the archive is sparse.");
		*size += (int64_t) n;
		u->total += (int64_t) n;
		if (limit > 0 && u->total > limit)
			return sp_fault(u->fault, SP_ERR_TOO_LARGE, "Raise the limit of bytes, or use less.",
			                "The archive unpacks to more than %lld bytes.", (long long) limit);
		if (spool != NULL && sp_spool_append(spool, block, n) != SP_OK)
			return sp_spool_fault(spool, u->fault);
	}
	return rc == ARCHIVE_EOF ? SP_OK : archive_fault(u);
}

/* The member's name without "./" in front; NULL and *st when it is refused. */
static const char *
take_name(Unpacker *u, struct archive_entry *entry, SpStatus *st)
{
	const char *name = archive_entry_pathname(entry);

	if (name == NULL || name[0] == '\0' || strlen(name) > SP_ARCHIVE_MAX_NAME)
	{
		*st = sp_fault(u->fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED,
		               "A member of the archive has no name, or one that is too long.");
		return NULL;
	}
	sp_zip_count(u->w->crc, &u->names, name, strlen(name));
	while (name[0] == '.' && name[1] == '/')
		name += 2;
	for (const char *part = name; part != NULL; part = strchr(part, '/'))
	{
		part += *part == '/' && part != name;
		if (name[0] == '/' || (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')))
		{
			*st = sp_fault(u->fault, SP_ERR_BAD_DATA, "Do not trust this archive.",
			               "The archive names a file outside of itself: \"%.80s\".", name);
			return NULL;
		}
	}
	*st = SP_OK;
	return name;
}

static bool
ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name);
	size_t m = strlen(suffix);

	return n > m && strcmp(name + n - m, suffix) == 0;
}

/* Is it X.index, X.data-00000-of-00001 or checkpoint? */
static bool
belongs_to_checkpoint(const char *base)
{
	return ends_with(base, ".index") || strstr(base, ".data-") != NULL ||
	       strcmp(base, "checkpoint") == 0;
}

/* A file of a checkpoint: a spool of its own. */
static SpStatus
unpack_file(Unpacker *u, const char *name)
{
	int64_t size;
	SpSpool *spool = NULL;
	SpStatus st;

	/* Each costs a descriptor. */
	if (u->set->count >= SP_WEIGHTS_MAX_STORES)
		return sp_fault(u->fault, SP_ERR_TOO_LARGE, "Pack one model alone.",
		                "The archive holds more than %d files of checkpoints.",
		                SP_WEIGHTS_MAX_STORES);
	st = sp_spool_new_file(u->w->env, u->w->limits.temp_dir, 0, &spool, u->fault);
	if (st == SP_OK)
		st = copy_data(u, spool, &size);
	if (st == SP_OK)
		return sp_fileset_add(u->set, name, spool, u->fault);
	sp_spool_free(spool);
	return st;
}

/* An array: behind the others, in one spool. */
static SpStatus
unpack_array(Unpacker *u, const char *name)
{
	size_t length = strlen(name) - strlen(".npy");
	char tensor[SP_ARCHIVE_MAX_NAME + 1];
	int64_t offset;
	int64_t size;
	SpStatus st = SP_OK;

	if (u->arrays == NULL)
	{
		st = sp_spool_new_file(u->w->env, u->w->limits.temp_dir, 0, &u->arrays, u->fault);
		if (st == SP_OK)
			st = sp_weights_add_store(u->w, u->arrays, true, &u->store, u->fault);
	}
	if (st != SP_OK)
		return st;
	offset = sp_spool_size(u->arrays);
	st = copy_data(u, u->arrays, &size);
	if (st != SP_OK)
		return st;
	memcpy(tensor, name, length);
	tensor[length] = '\0';
	return sp_npz_add(u->w, u->store, tensor, offset, size, u->fault);
}

static SpStatus
unpack_member(Unpacker *u, struct archive_entry *entry)
{
	SpStatus st;
	const char *name = take_name(u, entry, &st);
	const char *base;
	int64_t size;

	if (name == NULL)
		return st;
	if (++u->members > SP_ARCHIVE_MAX_MEMBERS)
		return sp_fault(u->fault, SP_ERR_TOO_LARGE, "Pack the model alone.",
		                "The archive has more than %d members.", SP_ARCHIVE_MAX_MEMBERS);
	if (archive_entry_filetype(entry) == AE_IFDIR)
		return copy_data(u, NULL, &size);
	if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != NULL)
		return sp_fault(u->fault, SP_ERR_BAD_DATA, "Pack the files themselves (tar -h).",
		                "\"%.80s\" in the archive is a link or a device.", name);
	base = strrchr(name, '/');
	base = base != NULL ? base + 1 : name;
	if (ends_with(base, "data.pkl") || strcmp(base, "data.pkl") == 0)
		u->pickle = true;
	/* Hidden files: see fileset.c. */
	if (base[0] == '.')
		return copy_data(u, NULL, &size);
	if (belongs_to_checkpoint(base))
		return unpack_file(u, name);
	if (ends_with(base, ".npy"))
		return unpack_array(u, name);
	return copy_data(u, NULL, &size);
}

static SpStatus
unpack_all(Unpacker *u)
{
	struct archive_entry *entry;
	int rc;

	for (;;)
	{
		SpStatus st;

		u->header = 0;
		rc = archive_read_next_header(u->a, &entry);
		u->header = -1;
		/* A warning is about attributes of files, which do not interest us. */
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			break;
		st = unpack_member(u, entry);
		if (st != SP_OK)
			return st;
	}
	if (rc != ARCHIVE_EOF)
		return archive_fault(u);
	if (u->pickle && u->set->count == 0 && u->w->count == 0)
		return sp_fault(u->fault, SP_ERR_UNSUPPORTED, "Convert it to safetensors.",
		                "This is a PyTorch file: a pickle, which can run code where it is read.");
	return SP_OK;
}

SpStatus
sp_archive_unpack(SpWeights *w, SpArchiveKind kind, SpFileSet *set, SpFault *fault)
{
	Unpacker u = {.w = w, .set = set, .fault = fault};
	locale_t utf8;
	locale_t before = (locale_t) 0;
	SpStatus st;

	u.block = sp_alloc(w->env, BLOCK, 1);
	if (u.block == NULL)
		return sp_weights_no_memory(fault);
	/*
	 * libarchive turns names into the thread's character set, and has none to
	 * give for "ü" in a server that runs in C.  Without this locale such names
	 * are refused, nothing worse.
	 */
	utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
	if (utf8 != (locale_t) 0)
		before = uselocale(utf8);
	st = open_archive(&u, kind);
	if (st == SP_OK)
		st = unpack_all(&u);
	if (st == SP_OK && kind == SP_ARCHIVE_ZIP)
		st = sp_zip_check(w->env, w->crc, w->file, &u.names, fault);
	if (u.a != NULL)
		archive_read_free(u.a);
	if (utf8 != (locale_t) 0)
	{
		uselocale(before);
		freelocale(utf8);
	}
	sp_free(w->env, u.block);
	return st;
}
