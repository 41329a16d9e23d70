/*
 * src/core/merkle/note_key.c
 *	  Keys of signed notes, and their text.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <stdio.h>
#include <string.h>

#include "core/merkle/note.h"
#include "core/merkle/note_internal.h"
#include "core/merkle/text.h"

#define HINT_KEY "A verifier key is NAME+HASH+BASE64, as the log's operator publishes it."

/* c2sp.org/signed-note, "Signature types" */
#define TYPE_ED25519 0x01

/* Hexadecimal digits of a key id. */
#define ID_DIGITS 8

bool
sp_note_name_valid(const char *name, size_t n)
{
	if (n == 0 || n > SP_NOTE_MAX_NAME)
		return false;
	for (size_t i = 0, length; i < n; i += length)
	{
		length = sp_text_character(name + i, n - i);
		if (length == 0 || (unsigned char) name[i] < 0x20 || name[i] == '+' ||
		    sp_text_space(name + i, n - i))
			return false;
	}
	return true;
}

SpStatus
sp_note_key_make(SpSha256 *sha, const char *name, size_t n,
                 const uint8_t public_key[SP_ED25519_KEY_BYTES], SpNoteKey *key, SpFault *fault)
{
	static const uint8_t separator[] = {'\n', TYPE_ED25519};
	SpDigest digest;
	SpStatus st;

	if (!sp_note_name_valid(name, n))
		return sp_fault(fault, SP_ERR_BAD_DATA, "Use a name like \"example.com/log\".",
		                "A key's name is 1 to %d bytes without white space and \"+\".",
		                SP_NOTE_MAX_NAME);
	st = sp_sha256_begin(sha);
	if (st == SP_OK)
		st = sp_sha256_add(sha, name, n);
	if (st == SP_OK)
		st = sp_sha256_add(sha, separator, sizeof(separator));
	if (st == SP_OK)
		st = sp_sha256_add(sha, public_key, SP_ED25519_KEY_BYTES);
	if (st == SP_OK)
		st = sp_sha256_end(sha, &digest);
	if (st != SP_OK)
		return sp_fault(fault, st, "", "Out of memory.");
	memset(key, 0, sizeof(*key));
	memcpy(key->name, name, n);
	memcpy(key->id, digest.bytes, sizeof(key->id));
	memcpy(key->public_key, public_key, SP_ED25519_KEY_BYTES);
	return SP_OK;
}

SpStatus
sp_note_signer_make(SpSha256 *sha, const char *name, size_t n,
                    const uint8_t private_key[SP_ED25519_KEY_BYTES], SpNoteSigner *signer,
                    SpFault *fault)
{
	uint8_t public_key[SP_ED25519_KEY_BYTES];
	SpStatus st = sp_ed25519_public(private_key, public_key);

	if (st != SP_OK)
		return sp_fault(fault, st, "", "Out of memory.");
	st = sp_note_key_make(sha, name, n, public_key, &signer->key, fault);
	if (st == SP_OK)
		memcpy(signer->private_key, private_key, SP_ED25519_KEY_BYTES);
	return st;
}

static void
print_id(const uint8_t id[4], char *out)
{
	snprintf(out, ID_DIGITS + 1, "%02x%02x%02x%02x", id[0], id[1], id[2], id[3]);
}

void
sp_note_key_print(const SpNoteKey *key, char *out)
{
	uint8_t typed[1 + SP_ED25519_KEY_BYTES] = {TYPE_ED25519};
	size_t n = strlen(key->name);

	memcpy(typed + 1, key->public_key, SP_ED25519_KEY_BYTES);
	memcpy(out, key->name, n);
	out[n++] = '+';
	print_id(key->id, out + n);
	n += ID_DIGITS;
	out[n++] = '+';
	n += sp_base64_write(typed, sizeof(typed), out + n);
	out[n] = '\0';
}

static SpStatus
no_key(SpFault *fault)
{
	return sp_fault(fault, SP_ERR_BAD_DATA, HINT_KEY, "This is no verifier key.");
}

SpStatus
sp_note_key_parse(SpSha256 *sha, const char *text, size_t n, SpNoteKey *key, SpFault *fault)
{
	const char *plus = n > 0 ? memchr(text, '+', n) : NULL;
	size_t name_length = plus != NULL ? (size_t) (plus - text) : 0, length;
	/* other types have longer keys */
	uint8_t typed[256];
	char id[ID_DIGITS + 1];
	SpStatus st;

	if (!sp_note_name_valid(text, name_length) || n - name_length < ID_DIGITS + 2 ||
	    plus[1 + ID_DIGITS] != '+')
		return no_key(fault);
	if (!sp_base64_read(plus + ID_DIGITS + 2, n - name_length - ID_DIGITS - 2, typed, sizeof(typed),
	                    &length) ||
	    length == 0)
		return no_key(fault);
	if (typed[0] != TYPE_ED25519)
		return sp_fault(fault, SP_ERR_UNSUPPORTED, "Logs of this kind sign with Ed25519, type 1.",
		                "The verifier key is of type %d.", typed[0]);
	if (length != 1 + SP_ED25519_KEY_BYTES)
		return no_key(fault);
	st = sp_note_key_make(sha, text, name_length, typed + 1, key, fault);
	if (st != SP_OK)
		return st;
	print_id(key->id, id);
	if (memcmp(id, plus + 1, ID_DIGITS) != 0)
		return sp_fault(fault, SP_ERR_BAD_DATA, HINT_KEY,
		                "The verifier key's hash is not that of its name and key.");
	return SP_OK;
}
