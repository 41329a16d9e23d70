/*
 * src/pg/file.c
 *	  Files of the server that users name, and where temporary ones belong.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/pg_authid_d.h"
#include "catalog/pg_tablespace_d.h"
#include "commands/tablespace.h"
#include "common/file_perm.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"

#include "pg/file.h"
#include "pg/seam.h"

/* Files are written in pieces of this size. */
#define COPY_BYTES (1024 * 1024)

static void
check_absolute(const char *path)
{
	if (!is_absolute_path(path))
		ereport(ERROR,
		        (errcode(ERRCODE_INVALID_NAME), errmsg("path \"%s\" is not absolute", path)));
}

void
sp_pg_check_read_path(const char *path, const char *otherwise)
{
	if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		                errmsg("permission denied to read files of the server"),
		                errhint("Grant the role pg_read_server_files, or %s.", otherwise)));
	check_absolute(path);
}

void
sp_pg_check_write_path(const char *path, const char *otherwise)
{
	if (!has_privs_of_role(GetUserId(), ROLE_PG_WRITE_SERVER_FILES))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
		                errmsg("permission denied to write files of the server"),
		                errhint("Grant the role pg_write_server_files, or %s.", otherwise)));
	check_absolute(path);
}

/* A file that is being written beside its final place; unlinked unless kept. */
typedef struct PartialFile
{
	char path[MAXPGPATH];
	int fd;
} PartialFile;

static void
discard_partial(void *arg)
{
	PartialFile *partial = arg;

	if (partial->fd >= 0)
	{
		close(partial->fd);
		ReleaseExternalFD();
	}
	if (partial->path[0] != '\0')
		unlink(partial->path);
}

static PartialFile *
create_partial(const char *path)
{
	PartialFile *partial = palloc0(sizeof(PartialFile));

	partial->fd = -1;
	sp_pg_own(partial, discard_partial);
	if (snprintf(partial->path, MAXPGPATH, "%s.XXXXXX", path) >= MAXPGPATH)
	{
		partial->path[0] = '\0';
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("path is too long")));
	}
	if (!AcquireExternalFD())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
		                errmsg("too many open files to write another: %m")));
	partial->fd = mkstemp(partial->path);
	if (partial->fd < 0)
	{
		ReleaseExternalFD();
		partial->path[0] = '\0';
		ereport(ERROR,
		        (errcode_for_file_access(), errmsg("could not create file \"%s\": %m", path)));
	}
	/* as COPY TO leaves its files: the server's operator decides who reads them */
	if (fchmod(partial->fd, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH) != 0)
		ereport(ERROR, (errcode_for_file_access(),
		                errmsg("could not set permissions of file \"%s\": %m", partial->path)));
	return partial;
}

static void
write_all(PartialFile *partial, SpSpool *spool)
{
	char *block = palloc(COPY_BYTES);
	size_t got = COPY_BYTES;

	for (int64 at = 0; got == COPY_BYTES; at += got)
	{
		CHECK_FOR_INTERRUPTS();
		sp_pg_check(sp_spool_read(spool, at, block, COPY_BYTES, &got), "temporary file", NULL);
		errno = 0;
		if (write(partial->fd, block, got) != (ssize_t) got)
		{
			if (errno == 0)
				errno = ENOSPC; /* a short write without a reason is a full disk */
			ereport(ERROR, (errcode_for_file_access(),
			                errmsg("could not write file \"%s\": %m", partial->path)));
		}
	}
	if (pg_fsync(partial->fd) != 0)
		ereport(ERROR, (errcode_for_file_access(),
		                errmsg("could not fsync file \"%s\": %m", partial->path)));
	pfree(block);
}

/* The content is on disk already; make its name last too. */
static void
fsync_folder_of(const char *path)
{
	char folder[MAXPGPATH];

	strlcpy(folder, path, MAXPGPATH);
	get_parent_directory(folder);
	fsync_fname(folder, true);
}

/*
 * Give the file its name.  link() refuses an existing name atomically, where a
 * test followed by rename() would leave a gap.
 */
static void
publish(PartialFile *partial, const char *path, bool overwrite)
{
	if (overwrite)
	{
		durable_rename(partial->path, path, ERROR);
		partial->path[0] = '\0';
		return;
	}
	if (link(partial->path, path) == 0)
	{
		fsync_folder_of(path);
		return;
	}
	if (errno == EEXIST)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_FILE), errmsg("file \"%s\" exists already", path),
		                errhint("Choose another name, or pass overwrite => true.")));
	ereport(ERROR, (errcode_for_file_access(), errmsg("could not create file \"%s\": %m", path)));
}

void
sp_pg_write_file(const char *path, SpSpool *content, bool overwrite)
{
	PartialFile *partial = create_partial(path);

	write_all(partial, content);
	publish(partial, path, overwrite);
}

void
sp_pg_temporary_directory(char *path)
{
	Oid tablespace;

	PrepareTempTablespaces();
	tablespace = GetNextTempTableSpace();
	if (!OidIsValid(tablespace))
		tablespace =
			OidIsValid(MyDatabaseTableSpace) ? MyDatabaseTableSpace : DEFAULTTABLESPACE_OID;
	TempTablespacePath(path, tablespace);
	if (MakePGDirectory(path) < 0 && errno != EEXIST)
		ereport(ERROR, (errcode_for_file_access(),
		                errmsg("could not create temporary directory \"%s\": %m", path)));
}
