/*
 * src/core/merkle/note.h
 *	  Signed notes and checkpoints: what a log signs, and others keep.
 *
 * A note (c2sp.org/signed-note, v1.0.0) is text, an empty line, and signature
 * lines:
 *
 *	  <text, one line or more>
 *	  <empty line>
 *	  — <key name> <base64(key id, 4 bytes || signature)>
 *
 * The signatures cover the text with its last newline, and nothing else.  A
 * checkpoint (c2sp.org/tlog-checkpoint) is a note whose text is the log's
 * origin, its size, its root in base64, and extension lines if need be.
 *
 * Keys are Ed25519 (type 0x01).  Signatures of other keys and types are not
 * looked at, as the specification demands: witnesses may add theirs.
 *
 * Texts are given by pointer and length and need no NUL.  Parsed notes and
 * checkpoints point into the text that was parsed.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_MERKLE_NOTE_H
#define SP_MERKLE_NOTE_H

#include "core/crypto/ed25519.h"
#include "core/crypto/sha256.h"

/*
 * Limits of ours: the specification asks for at least 16 signatures, and says
 * that one may have 5 kB.
 */
#define SP_NOTE_MAX_BYTES      (256 << 10)
#define SP_NOTE_MAX_SIGNATURES 100
#define SP_NOTE_MAX_NAME       255
#define SP_NOTE_MAX_ORIGIN     255

/* --- keys ------------------------------------------------------------------- */

typedef struct SpNoteKey
{
	char name[SP_NOTE_MAX_NAME + 1];
	uint8_t id[4];
	uint8_t public_key[SP_ED25519_KEY_BYTES];
} SpNoteKey;

/*
 * A key from its name and public key; the id is SHA-256(name || 0x0A || 0x01 ||
 * public key)[:4].  SP_ERR_BAD_DATA: a name is 1 to SP_NOTE_MAX_NAME bytes of
 * UTF-8 without white space, control characters and "+".  It should be a URL
 * without scheme, the log's origin.
 */
SpStatus sp_note_key_make(SpSha256 *sha, const char *name, size_t n,
                          const uint8_t public_key[SP_ED25519_KEY_BYTES], SpNoteKey *key,
                          SpFault *fault);

/*
 * A verifier key as text: name "+" id in hex "+" base64(0x01 || public key).
 * SP_ERR_BAD_DATA when it is none, or its id is not that of its key;
 * SP_ERR_UNSUPPORTED when it is of another type than Ed25519.
 */
SpStatus sp_note_key_parse(SpSha256 *sha, const char *text, size_t n, SpNoteKey *key,
                           SpFault *fault);

/* The same text, ended by NUL, into out, of SP_NOTE_KEY_TEXT bytes. */
#define SP_NOTE_KEY_TEXT (SP_NOTE_MAX_NAME + 1 + 8 + 1 + 44 + 1)
void sp_note_key_print(const SpNoteKey *key, char *out);

/* A key that signs.  Whoever makes one wipes it. */
typedef struct SpNoteSigner
{
	SpNoteKey key;
	uint8_t private_key[SP_ED25519_KEY_BYTES];
} SpNoteSigner;

/* As sp_note_key_make, from the private key. */
SpStatus sp_note_signer_make(SpSha256 *sha, const char *name, size_t n,
                             const uint8_t private_key[SP_ED25519_KEY_BYTES], SpNoteSigner *signer,
                             SpFault *fault);

/* --- notes -------------------------------------------------------------------- */

typedef struct SpNote
{
	const char *text; /* with its last newline */
	size_t text_length;
	const char *signatures; /* the lines, each with its newline */
	size_t signatures_length;
	int n_signatures;
} SpNote;

/*
 * Take a note apart without believing it.  SP_ERR_BAD_DATA when it is none;
 * SP_ERR_TOO_LARGE beyond the limits above.
 */
SpStatus sp_note_parse(const char *data, size_t n, SpNote *note, SpFault *fault);

/*
 * Parse, and verify what signatures there are by n_keys known keys.  SP_OK
 * when there is at least one and all of them are good; signed_by, which may be
 * NULL, then tells for each known key whether it has signed.  SP_ERR_BAD_DATA
 * when none of the known keys has signed, or one has not signed this.  Two known
 * keys may share name and id: either may have signed.
 */
SpStatus sp_note_verify(const char *data, size_t n, const SpNoteKey *keys, size_t n_keys,
                        SpNote *note, bool *signed_by, SpFault *fault);

/* Bytes of a note with these signatures. */
size_t sp_note_signed_size(size_t text_length, const SpNoteSigner *signers, size_t n_signers);

/*
 * Sign text, which ends in a newline, into out, of sp_note_signed_size()
 * bytes, no NUL.  SP_ERR_BAD_DATA: the text is no text of a note;
 * SP_ERR_TOO_LARGE: the note would be beyond the limits; SP_ERR_BAD_ARG: no
 * signer, or one whose private key does not belong to its key.
 */
SpStatus sp_note_sign(const char *text, size_t n, const SpNoteSigner *signers, size_t n_signers,
                      char *out, SpFault *fault);

/* --- checkpoints ---------------------------------------------------------------- */

typedef struct SpCheckpoint
{
	const char *origin; /* without its newline */
	size_t origin_length;
	uint64_t size; /* at most SP_MERKLE_MAX_SIZE */
	SpDigest root;
	const char *extensions; /* lines with their newlines; may be NULL when there are none */
	size_t extensions_length;
} SpCheckpoint;

/*
 * The text of a note (SpNote's text) as a checkpoint.  SP_ERR_BAD_DATA when it
 * is none: origin of 1 to SP_NOTE_MAX_ORIGIN bytes, size in decimal without
 * leading zeros, root in base64, no empty line.
 */
SpStatus sp_checkpoint_parse(const char *text, size_t n, SpCheckpoint *checkpoint, SpFault *fault);

/*
 * The text of a note for it, to be signed: into out, of
 * sp_checkpoint_size() bytes, no NUL; *n is how many of them.
 * SP_ERR_BAD_DATA when what it would print is no checkpoint.
 */
size_t sp_checkpoint_size(const SpCheckpoint *checkpoint);
SpStatus sp_checkpoint_print(const SpCheckpoint *checkpoint, char *out, size_t *n, SpFault *fault);

#endif /* SP_MERKLE_NOTE_H */
