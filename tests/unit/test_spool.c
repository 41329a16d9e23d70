/*
 * tests/unit/test_spool.c
 *	  Spools and cursors against a plain array.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/io/spool.h"

#include "unit/check.h"

#define BYTES 300000

static void
check_file(void)
{
	SpSpool *spool = NULL;
	uint8_t *twin = calloc(BYTES, 1);
	uint8_t *back = malloc(BYTES);
	int64_t size = 0;
	size_t got;

	CHECK(sp_spool_new_file(&check_env, "/tmp", BYTES, &spool, NULL) == SP_OK);
	for (int i = 0; i < 500; i++)
	{
		size_t at = check_random() % BYTES;
		size_t n = check_random() % 3000;

		if (at + n > BYTES)
			n = BYTES - at;
		for (size_t k = 0; k < n; k++)
			twin[at + k] = (uint8_t) check_random();
		CHECK(sp_spool_write(spool, (int64_t) at, twin + at, n) == SP_OK);
		if (n > 0 && (int64_t) (at + n) > size)
			size = (int64_t) (at + n);
		CHECK(sp_spool_size(spool) == size);
	}
	CHECK(sp_spool_read(spool, 0, back, BYTES, &got) == SP_OK && (int64_t) got == size);
	CHECK(memcmp(back, twin, got) == 0);
	CHECK(sp_spool_read(spool, size, back, 10, &got) == SP_OK && got == 0);
	CHECK(sp_spool_read(spool, -1, back, 10, &got) == SP_ERR_BAD_ARG);
	CHECK(sp_spool_memory(spool) == NULL && sp_spool_status(spool) == SP_OK);
	sp_spool_free(spool);
	free(twin);
	free(back);
}

/* The limit and what stays of it. */
static void
check_limit(void)
{
	SpSpool *spool = NULL;
	SpFault fault;
	char text[10] = "0123456789";
	size_t got;

	CHECK(sp_spool_new_file(&check_env, "/tmp", 15, &spool, NULL) == SP_OK);
	CHECK(sp_spool_fault(spool, &fault) == SP_OK);
	CHECK(sp_spool_append(spool, text, 10) == SP_OK);
	CHECK(sp_spool_append(spool, text, 6) == SP_ERR_TOO_LARGE);
	CHECK(sp_spool_size(spool) == 10);
	/* Sticky: also what would have fitted is refused now. */
	CHECK(sp_spool_append(spool, text, 1) == SP_ERR_TOO_LARGE);
	CHECK(sp_spool_status(spool) == SP_ERR_TOO_LARGE && sp_spool_errno(spool) == EFBIG);
	CHECK(sp_spool_fault(spool, &fault) == SP_ERR_TOO_LARGE && strstr(fault.detail, "15 bytes"));
	CHECK(sp_spool_read(spool, 0, text, 10, &got) == SP_OK && got == 10);
	CHECK(sp_spool_write(spool, INT64_MAX, text, 2) == SP_ERR_TOO_LARGE);
	sp_spool_free(spool);

	CHECK(sp_spool_new_file(&check_env, "/tmp", -1, &spool, &fault) == SP_ERR_BAD_ARG);
	CHECK(sp_spool_new_file(&check_env, "/nonexistent/dir", 0, &spool, &fault) == SP_ERR_IO);
	CHECK(spool == NULL && errno == ENOENT && strstr(fault.detail, "/nonexistent/dir"));
	sp_spool_free(NULL);
}

static void
check_memory(void)
{
	SpSpool *spool = NULL;
	char text[] = "0123456789";
	char back[10];
	size_t got;

	CHECK(sp_spool_new_memory(&check_env, text, 10, &spool) == SP_OK);
	CHECK(sp_spool_size(spool) == 10 && sp_spool_memory(spool) == text);
	CHECK(sp_spool_read(spool, 7, back, 10, &got) == SP_OK && got == 3 && back[0] == '7');
	CHECK(sp_spool_append(spool, text, 1) == SP_ERR_BAD_ARG);
	sp_spool_free(spool);
	CHECK(sp_spool_new_memory(&check_env, NULL, 0, &spool) == SP_OK);
	CHECK(sp_spool_size(spool) == 0 && sp_spool_memory(spool) != NULL);
	CHECK(sp_spool_read(spool, 0, back, 10, &got) == SP_OK && got == 0);
	sp_spool_free(spool);
	CHECK(sp_spool_new_memory(&check_env, NULL, 1, &spool) == SP_ERR_BAD_ARG);
}

/* A file of the server: read, never written, no longer than it was. */
static void
check_named(void)
{
	char path[] = "/tmp/spotai_spool_XXXXXX";
	char link[64];
	int fd = mkstemp(path);
	SpSpool *spool = NULL;
	SpFault fault;
	char back[8];
	size_t got;

	CHECK(fd >= 0 && write(fd, "012345", 6) == 6);
	snprintf(link, sizeof(link), "%s.link", path);
	CHECK(symlink(path, link) == 0);
	CHECK(sp_spool_open_file(&check_env, AT_FDCWD, link, &spool, &fault) == SP_OK);
	CHECK(sp_spool_size(spool) == 6 && sp_spool_memory(spool) == NULL);
	CHECK(sp_spool_read(spool, 2, back, 8, &got) == SP_OK && got == 4 && back[0] == '2');
	CHECK(sp_spool_append(spool, "x", 1) == SP_ERR_BAD_ARG && sp_spool_status(spool) == SP_OK);
	/* It grows: not seen.  It shrinks: an error, not fewer bytes. */
	CHECK(write(fd, "67", 2) == 2);
	CHECK(sp_spool_read(spool, 5, back, 8, &got) == SP_OK && got == 1);
	CHECK(ftruncate(fd, 3) == 0);
	CHECK(sp_spool_read(spool, 2, back, 8, &got) == SP_ERR_IO && sp_spool_errno(spool) == EIO);
	CHECK(sp_spool_fault(spool, &fault) == SP_ERR_IO && strstr(fault.detail, "The file"));
	sp_spool_free(spool);
	close(fd);
	unlink(link);
	unlink(path);
	CHECK(sp_spool_open_file(&check_env, AT_FDCWD, path, &spool, &fault) == SP_ERR_IO);
	CHECK(spool == NULL && errno == ENOENT && strstr(fault.detail, path));
	CHECK(sp_spool_open_file(&check_env, AT_FDCWD, "/tmp", &spool, &fault) == SP_ERR_UNSUPPORTED);
	CHECK(sp_spool_open_file(&check_env, AT_FDCWD, "/dev/zero", &spool, &fault) ==
	      SP_ERR_UNSUPPORTED);
	check_allocs_left = 0;
	CHECK(sp_spool_open_file(&check_env, AT_FDCWD, path, &spool, &fault) == SP_ERR_NO_MEMORY);
	check_allocs_left = -1;
}

/* Random seeks and reads of a part of a spool, with bytes put in front. */
static void
check_cursor(void)
{
	static uint8_t twin[BYTES];
	SpSpool *spool = NULL;
	SpCursor *c = NULL;
	uint8_t back[70000];
	const size_t base = 1000;
	const size_t length = BYTES - 2000;
	const size_t prefix = 100;

	for (size_t i = 0; i < BYTES; i++)
		twin[i] = (uint8_t) check_random();
	CHECK(sp_spool_new_memory(&check_env, twin, BYTES, &spool) == SP_OK);
	CHECK(sp_cursor_new(&check_env, spool, (int64_t) base, (int64_t) length, &c) == SP_OK);
	CHECK(sp_cursor_size(c) == (int64_t) length);
	/* The prefix repeats the bytes before base, so that the twin stays simple. */
	CHECK(sp_cursor_prefix(c, twin + base - prefix, prefix) == SP_OK);
	CHECK(sp_cursor_size(c) == (int64_t) (length + prefix));
	for (int i = 0; i < 2000; i++)
	{
		size_t at = check_random() % (BYTES + 1000);
		size_t n = check_random() % (i % 10 == 0 ? sizeof(back) : 64);
		size_t end = length + prefix;
		size_t want = at >= end ? 0 : n < end - at ? n : end - at;

		if (i % 3 != 0)
			CHECK(sp_cursor_seek(c, (int64_t) at));
		else
		{
			at = (size_t) sp_cursor_tell(c);
			want = at >= end ? 0 : n < end - at ? n : end - at;
		}
		CHECK(sp_cursor_read(c, back, n) == want);
		CHECK(memcmp(back, twin + base - prefix + (want ? at : 0), want) == 0);
		CHECK(sp_cursor_tell(c) == (int64_t) (at + want));
	}
	CHECK(!sp_cursor_seek(c, -1) && !sp_cursor_seek(c, INT64_MAX));
	sp_cursor_free(c);
	/* Base beyond the end: empty, not negative. */
	CHECK(sp_cursor_new(&check_env, spool, BYTES + 5, -1, &c) == SP_OK);
	CHECK(sp_cursor_size(c) == 0 && sp_cursor_read(c, back, 1) == 0);
	sp_cursor_free(c);
	sp_cursor_free(NULL);
	sp_spool_free(spool);
}

static void
check_cursor_writes(void)
{
	SpSpool *spool = NULL;
	SpCursor *c = NULL;
	char back[16] = "";

	CHECK(sp_spool_new_file(&check_env, "/tmp", 10, &spool, NULL) == SP_OK);
	CHECK(sp_cursor_new(&check_env, spool, 0, -1, &c) == SP_OK);
	CHECK(sp_cursor_write(c, "abcdef", 6) == 6);
	CHECK(sp_cursor_seek(c, 0) && sp_cursor_read(c, back, 3) == 3 && memcmp(back, "abc", 3) == 0);
	/* What was read ahead must not hide what is written. */
	CHECK(sp_cursor_write(c, "XY", 2) == 2);
	CHECK(sp_cursor_seek(c, 0) && sp_cursor_read(c, back, 16) == 6);
	CHECK(memcmp(back, "abcXYf", 6) == 0);
	CHECK(sp_cursor_write(c, "ghijk", 5) == 0 && sp_cursor_status(c) == SP_ERR_TOO_LARGE);
	CHECK(sp_cursor_write(c, "g", 1) == 0);
	sp_cursor_free(c);
	sp_spool_free(spool);
}

static void
check_failures_of_host(void)
{
	SpSpool *spool = NULL;
	SpCursor *c = NULL;
	char back[8];

	check_allocs_left = 0;
	CHECK(sp_spool_new_file(&check_env, "/tmp", 0, &spool, NULL) == SP_ERR_NO_MEMORY && !spool);
	CHECK(sp_spool_new_memory(&check_env, "x", 1, &spool) == SP_ERR_NO_MEMORY && !spool);
	check_allocs_left = -1;
	CHECK(sp_spool_new_memory(&check_env, "12345678", 8, &spool) == SP_OK);
	for (check_allocs_left = 0; check_allocs_left < 2; check_allocs_left++)
	{
		long n = check_allocs_left;

		CHECK(sp_cursor_new(&check_env, spool, 0, -1, &c) == SP_ERR_NO_MEMORY && c == NULL);
		check_allocs_left = n;
	}
	check_allocs_left = -1;
	CHECK(sp_cursor_new(&check_env, spool, 0, -1, &c) == SP_OK);
	check_polls_left = 0;
	CHECK(sp_cursor_read(c, back, 8) == 0 && sp_cursor_status(c) == SP_ERR_CANCELED);
	check_polls_left = -1;
	CHECK(sp_cursor_read(c, back, 8) == 0 && sp_cursor_status(c) == SP_ERR_CANCELED);
	sp_cursor_free(c);
	sp_spool_free(spool);
}

int
main(void)
{
	check_file();
	check_limit();
	check_memory();
	check_named();
	check_cursor();
	check_cursor_writes();
	check_failures_of_host();
	return check_report();
}
