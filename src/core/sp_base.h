/*
 * src/core/sp_base.h
 *	  Vocabulary shared by every core room: status codes, the environment,
 *	  faults and aligned allocation.
 *
 * Nothing under src/core may include postgres.h.  The core never prints,
 * never exits and never longjmps: it returns an SpStatus, and the glue in
 * src/pg decides what SQL error that becomes.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_BASE_H
#define SP_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum SpStatus
{
	SP_OK = 0,
	SP_ERR_BAD_ARG,     /* caller broke the documented contract: our bug */
	SP_ERR_BAD_DATA,    /* outside input is damaged or lies about itself */
	SP_ERR_UNSUPPORTED, /* outside input is of a known kind that we do not handle */
	SP_ERR_TOO_LARGE,   /* outside input or a result exceeds a documented limit */
	SP_ERR_NO_MEMORY,   /* env->alloc, or a library's own allocation, failed */
	SP_ERR_IO,          /* a read or write failed; errno tells why */
	SP_ERR_CANCELED     /* env->should_stop answered true */
} SpStatus;

/*
 * What the core may ask of its host.  alloc must return NULL on failure (it
 * must not throw); should_stop is polled at least every 50 ms of work and may
 * be NULL.
 */
typedef struct SpEnv
{
	void *(*alloc)(void *host, size_t size);
	void (*release)(void *host, void *ptr);
	bool (*should_stop)(void *host);
	void *host;
} SpEnv;

/*
 * Why outside input was rejected, for the user: detail is one sentence that
 * becomes the SQL error's DETAIL, hint one that becomes its HINT.  Functions
 * that reject outside input take an SpFault pointer, which may be NULL, and
 * fill it before they return anything but SP_OK.
 */
typedef struct SpFault
{
	char detail[192];
	char hint[192];
} SpFault;

/*
 * Fill fault (which may be NULL) and return st, so that rejecting is one
 * statement.  What is no printable UTF-8 in the detail (a piece of a damaged
 * file, a character cut by "%.80s") becomes a question mark.
 */
SpStatus sp_fault(SpFault *fault, SpStatus st, const char *hint, const char *detail_format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Bytes of the UTF-8 character at s, which is ended by a NUL; 0 when there is
 * none, or a control character.
 */
int sp_utf8_length(const char *s);

/*
 * n * size bytes aligned to SP_ALIGN, or NULL on overflow or exhaustion.
 * sp_calloc clears them.  Release with sp_free(env, p); p may be NULL.
 */
#define SP_ALIGN 64
void *sp_alloc(const SpEnv *env, size_t n, size_t size);
void *sp_calloc(const SpEnv *env, size_t n, size_t size);
void sp_free(const SpEnv *env, void *p);

/*
 * Whether the system would still give the memory that libraries allocate for
 * themselves.  oneDNN, FFTW and C++'s own library end the process, or write to
 * address 0, when they get none; so we ask before we enter them.
 */
bool sp_can_enter_library(void);

static inline bool
sp_should_stop(const SpEnv *env)
{
	return env->should_stop != NULL && env->should_stop(env->host);
}

#endif /* SP_BASE_H */
