/*
 * src/core/io/spool.c
 *	  SpSpool: a growing, anonymous store of bytes.
 *
 * O_TMPFILE makes a file that never had a name, so nothing can be left behind
 * by a crash.  File systems without it (overlayfs on old kernels, NFS) get a
 * named file that is unlinked at once; the window between is two system calls.
 *
 * Reads and writes carry their position (pread, pwrite), so that cursors share
 * one descriptor without sharing its offset.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_TMPFILE, mkostemp */
#endif

#include "core/io/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "files beyond 2 GiB need a 64-bit off_t");

struct SpSpool
{
	const SpEnv *env;
	int fd;               /* -1: a memory spool */
	bool named;           /* somebody's file: only read */
	const uint8_t *bytes; /* the caller's, if a memory spool */
	int64_t size;
	int64_t max_bytes; /* 0: no limit */
	SpStatus status;   /* first failure, SP_OK if none */
	int error;         /* its errno */
};

/* Remember the first failure and answer it. */
static SpStatus
fail_with(SpSpool *spool, SpStatus status, int error)
{
	if (spool->status == SP_OK)
	{
		spool->status = status;
		spool->error = error;
	}
	return status;
}

static int
open_anonymous(const char *dir)
{
	char path[PATH_MAX];
	int fd;

	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	/* The errors of a kernel or file system that lacks O_TMPFILE; see open(2). */
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL && errno != ENOENT)
		return -1;
	if (snprintf(path, sizeof(path), "%s/spotai.XXXXXX", dir) >= (int) sizeof(path))
	{
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static SpSpool *
new_spool(const SpEnv *env)
{
	SpSpool *spool = sp_calloc(env, 1, sizeof(SpSpool));

	if (spool != NULL)
	{
		spool->env = env;
		spool->fd = -1;
	}
	return spool;
}

SpStatus
sp_spool_new_file(const SpEnv *env, const char *dir, int64_t max_bytes, SpSpool **out,
                  SpFault *fault)
{
	SpSpool *spool;

	*out = NULL;
	if (dir == NULL || max_bytes < 0)
		return sp_fault(fault, SP_ERR_BAD_ARG, NULL, "A spool needs a directory.");
	spool = new_spool(env);
	if (spool == NULL)
		return sp_fault(fault, SP_ERR_NO_MEMORY, NULL, "No memory for a spool.");
	spool->max_bytes = max_bytes;
	spool->fd = open_anonymous(dir);
	if (spool->fd < 0)
	{
		int error = errno;

		sp_free(env, spool);
		sp_fault(fault, SP_ERR_IO,
		         "Make sure that the directory exists, is writable and is not full.",
		         "Could not create a temporary file in \"%.80s\": %s.", dir, strerror(error));
		errno = error;
		return SP_ERR_IO;
	}
	*out = spool;
	return SP_OK;
}

SpStatus
sp_spool_new_memory(const SpEnv *env, const void *data, size_t size, SpSpool **out)
{
	SpSpool *spool;

	*out = NULL;
	if ((data == NULL && size > 0) || size > INT64_MAX)
		return SP_ERR_BAD_ARG;
	spool = new_spool(env);
	if (spool == NULL)
		return SP_ERR_NO_MEMORY;
	/* An empty view still needs to be told from a file. */
	spool->bytes = data != NULL ? data : (const uint8_t *) "";
	spool->size = (int64_t) size;
	*out = spool;
	return SP_OK;
}

/* The descriptor of a regular file and its size, or -1 and errno, which is 0 when it is something else. */
static int
open_regular(int dirfd, const char *path, int64_t *size)
{
	struct stat about;
	int fd;
	int error;

	/* O_NONBLOCK: opening a pipe that nobody writes to must not wait. */
	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -1;
	if (fstat(fd, &about) != 0)
		error = errno;
	else if (!S_ISREG(about.st_mode))
		error = 0;
	else
	{
		*size = about.st_size;
		return fd;
	}
	close(fd);
	errno = error;
	return -1;
}

SpStatus
sp_spool_open_file(const SpEnv *env, int dirfd, const char *path, SpSpool **out, SpFault *fault)
{
	SpSpool *spool;

	*out = NULL;
	spool = new_spool(env);
	if (spool == NULL)
		return sp_fault(fault, SP_ERR_NO_MEMORY, NULL, "No memory for a spool.");
	spool->named = true;
	spool->fd = open_regular(dirfd, path, &spool->size);
	if (spool->fd < 0)
	{
		int error = errno;

		sp_free(env, spool);
		if (error == 0)
			return sp_fault(fault, SP_ERR_UNSUPPORTED, "Give the path of a file.",
			                "\"%.120s\" is not a regular file.", path);
		sp_fault(fault, SP_ERR_IO, "The server reads the file: it must lie where the server runs.",
		         "Could not open \"%.120s\": %s.", path, strerror(error));
		errno = error;
		return SP_ERR_IO;
	}
	*out = spool;
	return SP_OK;
}

void
sp_spool_free(SpSpool *spool)
{
	if (spool == NULL)
		return;
	if (spool->fd >= 0)
		close(spool->fd);
	sp_free(spool->env, spool);
}

int64_t
sp_spool_size(const SpSpool *spool)
{
	return spool->size;
}

const void *
sp_spool_memory(const SpSpool *spool)
{
	return spool->bytes;
}

SpStatus
sp_spool_read(SpSpool *spool, int64_t offset, void *buf, size_t n, size_t *got)
{
	size_t done = 0;

	*got = 0;
	if (offset < 0)
		return SP_ERR_BAD_ARG;
	if (offset >= spool->size)
		return SP_OK;
	if (n > (uint64_t) (spool->size - offset))
		n = (size_t) (spool->size - offset);
	if (spool->bytes != NULL)
	{
		memcpy(buf, spool->bytes + offset, n);
		*got = n;
		return SP_OK;
	}
	while (done < n)
	{
		ssize_t r = pread(spool->fd, (char *) buf + done, n - done, offset + (int64_t) done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return fail_with(spool, SP_ERR_IO, r < 0 ? errno : EIO);
		done += (size_t) r;
	}
	*got = n;
	return SP_OK;
}

SpStatus
sp_spool_write(SpSpool *spool, int64_t offset, const void *buf, size_t n)
{
	size_t done = 0;
	int64_t end;

	if (spool->bytes != NULL || spool->named || offset < 0)
		return SP_ERR_BAD_ARG;
	if (spool->status != SP_OK)
		return spool->status;
	if (n > INT64_MAX || __builtin_add_overflow(offset, (int64_t) n, &end) ||
	    (spool->max_bytes > 0 && end > spool->max_bytes))
		return fail_with(spool, SP_ERR_TOO_LARGE, EFBIG);
	while (done < n)
	{
		ssize_t r = pwrite(spool->fd, (const char *) buf + done, n - done, offset + (int64_t) done);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return fail_with(spool, SP_ERR_IO, r < 0 ? errno : ENOSPC);
		done += (size_t) r;
	}
	if (n > 0 && end > spool->size)
		spool->size = end;
	return SP_OK;
}

SpStatus
sp_spool_append(SpSpool *spool, const void *buf, size_t n)
{
	return sp_spool_write(spool, spool->size, buf, n);
}

SpStatus
sp_spool_status(const SpSpool *spool)
{
	return spool->status;
}

int
sp_spool_errno(const SpSpool *spool)
{
	return spool->error;
}

SpStatus
sp_spool_fault(const SpSpool *spool, SpFault *fault)
{
	switch (spool->status)
	{
		case SP_OK:
			return SP_OK;
		case SP_ERR_TOO_LARGE:
			return sp_fault(fault, spool->status, "Raise the limit of bytes, or use less.",
			                "The content would exceed %lld bytes.",
			                (long long) (spool->max_bytes > 0 ? spool->max_bytes : INT64_MAX));
		default:
			errno = spool->error;
			if (spool->named)
				return sp_fault(fault, spool->status, "Look at the disk that holds it.",
				                "The file could not be read: %s.", strerror(spool->error));
			return sp_fault(fault, spool->status,
			                "Look at the disk that holds temporary files, and at its free space.",
			                "A temporary file could not be read or written: %s.",
			                strerror(spool->error));
	}
}
