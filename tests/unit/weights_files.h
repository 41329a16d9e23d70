/*
 * tests/unit/weights_files.h
 *	  For the tests of weight files: one way to open and read all of what is there.
 */
#ifndef WEIGHTS_FILES_H
#define WEIGHTS_FILES_H

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/model/weights.h"

#include "fixtures/make_archive.h"
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

/* No memory at each allocation in turn, a stop at each poll, no folder for spools. */
static inline void
check_host_on(const Bytes *file)
{
	SpFault fault;
	SpStatus st;
	long n = 0;

	do
	{
		check_allocs_left = n++;
		st = try_bytes(file->p, file->n, &no_limits, &fault);
		CHECK(st == SP_OK || st == SP_ERR_NO_MEMORY);
	} while (st != SP_OK && n < 1000);
	CHECK(n > 10 && n < 1000);
	check_allocs_left = -1;
	n = 0;
	do
	{
		check_polls_left = n++;
		st = try_bytes(file->p, file->n, &no_limits, &fault);
		CHECK(st == SP_OK || st == SP_ERR_CANCELED);
	} while (st != SP_OK && n < 1000);
	CHECK(n > 5 && n < 1000);
	check_polls_left = -1;
	{
		SpWeightsLimits limits = {.temp_dir = "/nonexistent"};

		CHECK_REFUSED(try_bytes(file->p, file->n, &limits, &fault), SP_ERR_IO, &fault,
		              "/nonexistent");
	}
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
