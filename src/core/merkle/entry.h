/*
 * src/core/merkle/entry.h
 *	  An entry of the audit log: its leaf, and its line in an export.
 *
 * The leaf is bytes, not JSON: a number, a string or the order of members has
 * more than one spelling in JSON, here everything has one, and two entries
 * that differ have different leaves.  All numbers are big-endian.
 *
 *	  offset    bytes
 *	       0        7  "spaudit"
 *	       7        1  version: 1
 *	       8       16  id of the entry
 *	      24       16  id of the tenant
 *	      40        8  time, microseconds since 1970-01-01 00:00 UTC, signed
 *	      48        1  1 when there is a principal, otherwise 0
 *	      49       16  id of the principal, or zeros
 *	      65       32  SHA-256 of the detail's bytes
 *	      97        2  length of the action, then that many bytes of UTF-8
 *	       .        2  length of the object, then that many bytes of UTF-8
 *
 * The tag at the begin keeps leaves of other logs and other versions apart.
 *
 * Personal data goes into the detail, and the detail into the leaf only as a
 * hash.  So the detail can be destroyed, and the leaf with every proof that was
 * ever made of it stays.  A hash of what can be guessed confirms a guess:
 * details of a person are therefore stored, and hashed, encrypted under that
 * person's key; when the key is gone, there is nothing left to guess.  Action
 * and object are in the leaf in the clear and stay for ever: identifiers
 * belong there, and names of persons do not.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_MERKLE_ENTRY_H
#define SP_MERKLE_ENTRY_H

#include "core/crypto/sha256.h"

#define SP_UUID_BYTES 16

/* Limits of ours: an action is a name, an object a name with a key. */
#define SP_ENTRY_MAX_ACTION 255
#define SP_ENTRY_MAX_OBJECT 8192

typedef struct SpEntry
{
	uint8_t id[SP_UUID_BYTES];
	uint8_t tenant[SP_UUID_BYTES];
	int64_t time_us;
	bool has_principal;
	uint8_t principal[SP_UUID_BYTES]; /* not looked at when there is none */
	const char *action;               /* UTF-8 without NUL; at least one character */
	size_t action_length;
	const char *object; /* the same; may be empty */
	size_t object_length;
	SpDigest detail; /* SHA-256 of the detail's bytes as they are stored; of nothing when none */
} SpEntry;

/*
 * The leaf's bytes into out, of SP_ENTRY_MAX_LEAF; *n is how many.
 * SP_ERR_TOO_LARGE: action or object is longer than allowed; SP_ERR_BAD_DATA:
 * action is empty, or one of them is not UTF-8 or has a NUL.
 */
#define SP_ENTRY_MAX_LEAF (97 + 2 + SP_ENTRY_MAX_ACTION + 2 + SP_ENTRY_MAX_OBJECT)
SpStatus sp_entry_leaf(const SpEntry *entry, uint8_t *out, size_t *n, SpFault *fault);

/* sp_merkle_leaf_hash() of that.  Also SP_ERR_NO_MEMORY. */
SpStatus sp_entry_leaf_hash(SpSha256 *sha, const SpEntry *entry, SpDigest *out, SpFault *fault);

/* A UUID as 36 characters in lower case and a NUL (RFC 9562, section 4). */
#define SP_UUID_TEXT 37
void sp_uuid_print(const uint8_t uuid[SP_UUID_BYTES], char out[SP_UUID_TEXT]);

/* Exactly that, of n characters; false for other spellings. */
bool sp_uuid_parse(const char *text, size_t n, uint8_t uuid[SP_UUID_BYTES]);

#endif /* SP_MERKLE_ENTRY_H */
