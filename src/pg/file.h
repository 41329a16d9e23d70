/*
 * src/pg/file.h
 *	  Files of the server that users name, and where temporary ones belong.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_FILE_H
#define SP_PG_FILE_H

#include "postgres.h"

#include "core/io/spool.h"

/*
 * Raise 42501 unless the current user may read or write files of the server,
 * and 42602 unless path is absolute.  otherwise is how the hint goes on that
 * begins with "Grant the role ..., or ": "send the content to spotai.ingest()".
 */
extern void sp_pg_check_read_path(const char *path, const char *otherwise);
extern void sp_pg_check_write_path(const char *path, const char *otherwise);

/*
 * Write the spool's content to a file at path, which appears whole or not at
 * all and survives a crash afterwards.  58P02 (duplicate_file) when there is
 * one and overwrite is false.
 */
extern void sp_pg_write_file(const char *path, SpSpool *content, bool overwrite);

/* Where this session's temporary files belong; path has room for MAXPGPATH. */
extern void sp_pg_temporary_directory(char *path);

#endif /* SP_PG_FILE_H */
