/*
 * src/core/io/spool.h
 *	  SpSpool: a growing, anonymous store of bytes, and cursors on it.
 *
 * A song travels between PostgreSQL's chunks and libsndfile through a spool,
 * so that neither side ever holds the whole of it in memory, and so that no
 * callback of a foreign library calls into PostgreSQL: a callback touches a
 * file descriptor or a plain buffer, nothing else.
 *
 * Three kinds: a temporary file without a name (it vanishes with its
 * descriptor, also after a crash), a read-only view of a caller's buffer (a
 * bytea argument needs no copy), and a file of the server, read-only.
 *
 * Errors are sticky: libsndfile's callbacks can only answer "fewer bytes", so
 * the spool remembers the first failure and its errno, and every later write
 * repeats it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_SPOOL_H
#define SP_SPOOL_H

#include "core/sp_base.h"

typedef struct SpSpool SpSpool;

/*
 * A temporary file in directory dir (O_TMPFILE; mkstemp and unlink where the
 * file system has none).  Holds one file descriptor until sp_spool_free.
 * max_bytes > 0 limits its size; 0 is no limit.
 * SP_ERR_IO with errno when the file cannot be made, SP_ERR_NO_MEMORY.
 */
SpStatus sp_spool_new_file(const SpEnv *env, const char *dir, int64_t max_bytes, SpSpool **out,
                           SpFault *fault);

/*
 * A read-only view of data[0..size), which must outlive the spool.  Writing
 * answers SP_ERR_BAD_ARG.  data may be NULL when size is 0.
 */
SpStatus sp_spool_new_memory(const SpEnv *env, const void *data, size_t size, SpSpool **out);

/*
 * The regular file at path, read-only and as long as it is now; a relative
 * path begins at the open folder dirfd (AT_FDCWD: the working directory).
 * Writing answers SP_ERR_BAD_ARG.  Symbolic links are followed, but what is no
 * regular file (a pipe, a device, a folder) is SP_ERR_UNSUPPORTED, and opening
 * it neither blocks nor acts on it.  SP_ERR_IO with errno, SP_ERR_NO_MEMORY.
 */
SpStatus sp_spool_open_file(const SpEnv *env, int dirfd, const char *path, SpSpool **out,
                            SpFault *fault);

/* Close and forget; NULL is fine. */
void sp_spool_free(SpSpool *spool);

/* Bytes in the spool: one more than the highest position ever written. */
int64_t sp_spool_size(const SpSpool *spool);

/* The caller's buffer of a memory spool, NULL for a file. */
const void *sp_spool_memory(const SpSpool *spool);

/*
 * Read up to n bytes at position offset (>= 0); *got is short only at the
 * end.  SP_ERR_IO with errno kept on failure, also when the file turned out
 * shorter than was written.
 */
SpStatus sp_spool_read(SpSpool *spool, int64_t offset, void *buf, size_t n, size_t *got);

/*
 * Write n bytes at position offset (>= 0; a gap reads as zeros), or at the
 * end.  SP_ERR_TOO_LARGE when the spool would exceed max_bytes, SP_ERR_IO
 * (disk full and the like); nothing of the rejected call counts as written.
 */
SpStatus sp_spool_write(SpSpool *spool, int64_t offset, const void *buf, size_t n);
SpStatus sp_spool_append(SpSpool *spool, const void *buf, size_t n);

/*
 * The first failure of this spool (SP_OK if none), and its errno (0 if none).
 * sp_spool_fault words it for the user and returns it.
 */
SpStatus sp_spool_status(const SpSpool *spool);
int sp_spool_errno(const SpSpool *spool);
SpStatus sp_spool_fault(const SpSpool *spool, SpFault *fault);

/*
 * A cursor: what libsndfile reads and writes through.  It shows `length` bytes
 * of the spool from `base` on as a file of its own (tags before and behind
 * the audio disappear; length < 0: whatever the spool holds), and keeps a
 * read-ahead buffer, because libmpg123 asks for four bytes at a time.  Several
 * cursors may read one spool; one that writes must be the only one.  The
 * spool and env must outlive it.
 *
 * should_stop is polled at each refill: it answers from plain memory, and a
 * library that scans a long file cannot be interrupted elsewhere.  After that
 * reads answer 0 and sp_cursor_status says SP_ERR_CANCELED.
 */
typedef struct SpCursor SpCursor;

SpStatus sp_cursor_new(const SpEnv *env, SpSpool *spool, int64_t base, int64_t length,
                       SpCursor **out);
void sp_cursor_free(SpCursor *cursor);

/*
 * Put n bytes in front of the view; position 0 is then the first of them.
 * Before the first read, once, on a cursor that only reads.
 */
SpStatus sp_cursor_prefix(SpCursor *cursor, const void *bytes, size_t n);

int64_t sp_cursor_size(const SpCursor *cursor);
int64_t sp_cursor_tell(const SpCursor *cursor);
/* Move to an absolute position (>= 0, may lie beyond the end); false if negative. */
bool sp_cursor_seek(SpCursor *cursor, int64_t position);
/* Bytes read or written, 0..n; short at the end or on failure: ask sp_cursor_status. */
size_t sp_cursor_read(SpCursor *cursor, void *buf, size_t n);
size_t sp_cursor_write(SpCursor *cursor, const void *buf, size_t n);
SpStatus sp_cursor_status(const SpCursor *cursor);

#endif /* SP_SPOOL_H */
