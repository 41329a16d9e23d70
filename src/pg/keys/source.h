/*
 * src/pg/keys/source.h
 *	  Key-encryption keys, from outside the database.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_KEYS_SOURCE_H
#define SP_PG_KEYS_SOURCE_H

#include "postgres.h"

#include "core/crypto/envelope.h"

/* Bytes of what a file or a command may say: keys that were, and remarks. */
#define SP_KEYS_TEXT 4096

extern void sp_keys_source_init(void);

/*
 * The current key: the first that the file or the command names.  Raises 55000
 * when neither is set, F0000 when there is no key in it, it has wrong
 * permissions, or both are set.  What is returned here is gone after the
 * next call of any of these, and at the end of the transaction.
 */
extern const SpEnvelopeKey *sp_keys_source_current(void);

/* Ask again, whatever is known; raises as sp_keys_source_current. */
extern void sp_keys_source_reload(void);

/* The key with that id; raises 55000, with the ids that are there, when it is not. */
extern const SpEnvelopeKey *sp_keys_source_find(const uint8_t id[SP_ENVELOPE_ID_BYTES]);

/* An id as 32 hexadecimal digits, palloc'd. */
extern char *sp_keys_id_text(const uint8_t id[SP_ENVELOPE_ID_BYTES]);

/*
 * What the shell command prints, at most SP_KEYS_TEXT bytes, into out.  Raises
 * 38000 when it fails, says more, or takes longer than half a minute; cancels
 * end it.  command.c
 */
extern size_t sp_keys_run_command(const char *command, char *out);

#endif /* SP_PG_KEYS_SOURCE_H */
