/*
 * tests/unit/weights_files.h
 *	  For the tests of weight files: files made in memory, archives packed by
 *	  libarchive, and one way to open and read all of what is there.
 */
#ifndef WEIGHTS_FILES_H
#define WEIGHTS_FILES_H

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/model/weights.h"

#include "fixtures/make_bundle.h"
#include "unit/check.h"

static const SpWeightsLimits no_limits = {.temp_dir = "/tmp"};

/* Every tensor, into memory that is forgotten. */
static inline SpStatus
read_all(const SpWeights *w, SpFault *fault)
{
	const SpTensorSource *source = sp_weights_tensors(w);
	SpStatus st = SP_OK;

	for (size_t i = 0; i < source->count && st == SP_OK; i++)
	{
		float *out = malloc((size_t) source->tensors[i].elements * sizeof(float));

		st = source->read(source->self, i, out, fault);
		free(out);
	}
	return st;
}

/* Open bytes and read all of it; w is freed. */
static inline SpStatus
try_bytes(const void *bytes, size_t n, const SpWeightsLimits *limits, SpFault *fault)
{
	SpSpool *spool = NULL;
	SpWeights *w = NULL;
	/* A copy of just this size: reading beyond its end is seen. */
	void *copy = malloc(n + !n);
	SpStatus st;

	memcpy(copy, bytes, n);
	memset(fault, 0, sizeof(*fault));
	st = sp_spool_new_memory(&check_env, copy, n, &spool);
	if (st == SP_OK)
		st = sp_weights_open_spool(&check_env, spool, limits, &w, fault);
	if (st == SP_OK)
		st = read_all(w, fault);
	sp_weights_free(w);
	sp_spool_free(spool);
	free(copy);
	return st;
}

/* Like CHECK(status == want and detail holds words), but says what came. */
static inline void
check_refused_at(int line, SpStatus st, SpStatus want, const SpFault *fault, const char *words)
{
	bool good = st == want && strstr(fault->detail, words) != NULL && fault->hint[0] != '\0';

	check_count++;
	if (good)
		return;
	check_failures++;
	printf("not ok - line %d: status %d, detail \"%s\", hint \"%s\"; wanted %d, \"%s\"\n", line, st,
	       fault->detail, fault->hint, want, words);
}

#define CHECK_REFUSED(st, want, fault, words) check_refused_at(__LINE__, st, want, fault, words)

typedef struct Member
{
	const char *name;
	const void *bytes;
	size_t n;
	int type;         /* 0: a file; else AE_IF... */
	const char *link; /* its target */
} Member;

static inline la_ssize_t
pack_write(struct archive *a, void *out, const void *bytes, size_t n)
{
	(void) a;
	bytes_add(out, bytes, n);
	return (la_ssize_t) n;
}

/* An archive: format is of archive_write_set_format_by_name, options of libarchive. */
static inline void
pack(Bytes *out, const char *format, bool gzip, const char *options, const Member *members,
     size_t n)
{
	struct archive *a = archive_write_new();

	CHECK(archive_write_set_format_by_name(a, format) == ARCHIVE_OK);
	if (gzip)
		CHECK(archive_write_add_filter_gzip(a) == ARCHIVE_OK);
	if (options != NULL)
		CHECK(archive_write_set_options(a, options) == ARCHIVE_OK);
	archive_write_set_bytes_in_last_block(a, 1);
	CHECK(archive_write_open(a, out, NULL, pack_write, NULL) == ARCHIVE_OK);
	for (size_t i = 0; i < n; i++)
	{
		const Member *m = &members[i];
		struct archive_entry *entry = archive_entry_new();

		archive_entry_set_pathname(entry, m->name);
		archive_entry_set_filetype(entry, m->type ? (unsigned) m->type : AE_IFREG);
		archive_entry_set_perm(entry, 0644);
		archive_entry_set_size(entry, (la_int64_t) m->n);
		if (m->link != NULL && m->type == AE_IFLNK)
			archive_entry_set_symlink(entry, m->link);
		else if (m->link != NULL)
			archive_entry_set_hardlink(entry, m->link);
		CHECK(archive_write_header(a, entry) == ARCHIVE_OK);
		if (m->n > 0)
			CHECK(archive_write_data(a, m->bytes, m->n) == (la_ssize_t) m->n);
		archive_entry_free(entry);
	}
	CHECK(archive_write_close(a) == ARCHIVE_OK);
	archive_write_free(a);
}

/* A new folder under /tmp. */
static inline void
make_folder(char *path, size_t size)
{
	snprintf(path, size, "/tmp/spotai_weights_XXXXXX");
	if (mkdtemp(path) == NULL)
		abort();
}

static inline void
write_file(const char *folder, const char *name, const void *bytes, size_t n)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "wb");
	if (f == NULL || fwrite(bytes, 1, n, f) != n || fclose(f) != 0)
		abort();
}

static inline void
remove_file(const char *folder, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
}

#endif /* WEIGHTS_FILES_H */
