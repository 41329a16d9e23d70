/*
 * src/pg/keys/keys.h
 *	  Sealing what must not be read from a table, a dump or a backup.
 *
 * A value is sealed with the data key of its tenant, and data keys are sealed
 * with the key-encryption key, which is outside the database: in the file
 * spotai.key_file, or printed by spotai.key_command.  Whoever has the database
 * without that key has nothing.  core/crypto/envelope.h has the form.
 *
 * A place says what a value is: "room/table/key", such as
 * "identity/totp/<principal>".  A value opens with its tenant, its place and
 * its version, and nowhere else.
 *
 * Nobody needs a privilege for these calls; who calls them has decided whether
 * the session may.  They raise: 55000 without a key, or without the key that is
 * needed; F0000 when what the settings name holds no keys, or others can read
 * it; 22000 when a value is damaged or was moved.  No message holds a value.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_KEYS_H
#define SP_PG_KEYS_H

#include "postgres.h"

#include "utils/uuid.h"

extern void sp_keys_init(void);

/* Raise 55000 with a hint unless a key is configured and can be had. */
extern void sp_keys_require(void);

/*
 * n bytes, sealed; palloc'd.  Makes the tenant's data key where there is none
 * of this quarter, so it writes.
 */
extern bytea *sp_keys_seal(const pg_uuid_t *tenant, const char *place, int64 version,
                           const void *plain, size_t n);

/*
 * The plain text, of *n bytes and a NUL behind them that does not count, in
 * the current memory context; it is wiped when that is reset or deleted.
 */
extern void *sp_keys_open(const pg_uuid_t *tenant, const char *place, int64 version,
                          const bytea *sealed, size_t *n);

#endif /* SP_PG_KEYS_H */
