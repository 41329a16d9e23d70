/*
 * src/core/merkle/note.c
 *	  Signed notes: taking apart, verifying, signing.
 *
 * The text may contain empty lines, so that the last one of the note is what
 * separates it from the signatures.  Each signature line is parsed strictly,
 * whoever it is by; what is in it is looked at only when the key is known.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/merkle/note.h"

#include <string.h>

#include "core/merkle/note_internal.h"
#include "core/merkle/text.h"

#define HINT_NOTE \
	"A signed note is text, an empty line, and signature lines (c2sp.org/signed-note)."

/* An em dash (U+2014) and a space. */
#define DASH        "\xE2\x80\x94 "
#define DASH_LENGTH 4

/* Bytes of a signature line's base64 that we look at: key id and Ed25519 signature. */
#define SIGNATURE_BYTES (4 + SP_ED25519_SIGNATURE_BYTES)

typedef struct Line
{
	const char *name;
	size_t name_length;
	const char *base64;
	size_t base64_length;
} Line;

static SpStatus
no_note(SpFault *fault, const char *why)
{
	return sp_fault(fault, SP_ERR_BAD_DATA, HINT_NOTE, "%s", why);
}

bool
sp_note_text_valid(const char *text, size_t n)
{
	if (n == 0 || text[n - 1] != '\n')
		return false;
	for (size_t i = 0, length; i < n; i += length)
	{
		length = sp_text_character(text + i, n - i);
		if (length == 0 || ((unsigned char) text[i] < 0x20 && text[i] != '\n'))
			return false;
	}
	return true;
}

/* Where the line at p ends: its newline, which is there. */
static const char *
end_of_line(const char *p, const char *end)
{
	return memchr(p, '\n', (size_t) (end - p));
}

/* From p to its newline at `end`. */
static bool
take_line(const char *p, const char *end, Line *line)
{
	const char *space;

	if (end - p < DASH_LENGTH || memcmp(p, DASH, DASH_LENGTH) != 0)
		return false;
	line->name = p + DASH_LENGTH;
	space = memchr(line->name, ' ', (size_t) (end - line->name));
	if (space == NULL)
		return false;
	line->name_length = (size_t) (space - line->name);
	line->base64 = space + 1;
	line->base64_length = (size_t) (end - line->base64);
	return sp_note_name_valid(line->name, line->name_length);
}

/*
 * Whether the base64 is whole, and its first bytes; *n tells how many bytes it
 * has in all.  A signature of another type may be longer than a buffer, so it
 * goes through one in pieces of whole groups.
 */
static bool
take_signature(const Line *line, uint8_t out[SIGNATURE_BYTES], size_t *n)
{
	uint8_t piece[48];

	*n = 0;
	for (size_t at = 0; at < line->base64_length; at += SP_BASE64_CHARS(sizeof(piece)))
	{
		size_t left = line->base64_length - at, length;
		size_t taken =
			left < SP_BASE64_CHARS(sizeof(piece)) ? left : SP_BASE64_CHARS(sizeof(piece));

		if (!sp_base64_read(line->base64 + at, taken, piece, sizeof(piece), &length))
			return false;
		/* padding is at the end alone */
		if (left > taken && length < sizeof(piece))
			return false;
		for (size_t i = 0; i < length && *n + i < SIGNATURE_BYTES; i++)
			out[*n + i] = piece[i];
		*n += length;
	}
	/* an id, and at least something that it signs with */
	return *n > 4;
}

SpStatus
sp_note_parse(const char *data, size_t n, SpNote *note, SpFault *fault)
{
	const char *end = data + n, *p;

	if (n > SP_NOTE_MAX_BYTES)
		return sp_fault(fault, SP_ERR_TOO_LARGE, HINT_NOTE, "The note has more than %d bytes.",
		                SP_NOTE_MAX_BYTES);
	if (!sp_note_text_valid(data, n))
		return no_note(fault, "The note is not made of whole lines of UTF-8.");
	/* the last empty line: two newlines, what follows the second being the signatures */
	for (p = end - 1; p > data && !(p[0] == '\n' && p[-1] == '\n'); p--)
		;
	if (p == data || p == data + 1)
		return no_note(fault, "The note has no text, or no empty line behind it.");
	*note = (SpNote){.text = data, .text_length = (size_t) (p - data)};
	note->signatures = p + 1;
	note->signatures_length = (size_t) (end - note->signatures);
	for (p = note->signatures; p < end; p = end_of_line(p, end) + 1)
	{
		uint8_t signature[SIGNATURE_BYTES];
		size_t length;
		Line line;

		if (++note->n_signatures > SP_NOTE_MAX_SIGNATURES)
			return sp_fault(fault, SP_ERR_TOO_LARGE, HINT_NOTE,
			                "The note has more than %d signatures.", SP_NOTE_MAX_SIGNATURES);
		if (!take_line(p, end_of_line(p, end), &line) || !take_signature(&line, signature, &length))
			return no_note(fault, "The note has a signature line that is none.");
	}
	return note->n_signatures > 0 ? SP_OK : no_note(fault, "The note has no signature.");
}

static bool
is_by(const SpNoteKey *key, const Line *line, const uint8_t *id)
{
	return strlen(key->name) == line->name_length &&
	       memcmp(key->name, line->name, line->name_length) == 0 &&
	       memcmp(key->id, id, sizeof(key->id)) == 0;
}

/*
 * One line against the known keys.  *known is left alone when none of them has
 * its name and id.
 */
static SpStatus
verify_line(const SpNote *note, const Line *line, const SpNoteKey *keys, size_t n_keys,
            bool *signed_by, bool *known, SpFault *fault)
{
	uint8_t signature[SIGNATURE_BYTES];
	size_t length;
	bool named = false;

	if (!take_signature(line, signature, &length))
		return no_note(fault, "The note has a signature line that is none.");
	for (size_t i = 0; i < n_keys; i++)
	{
		SpStatus st = SP_ERR_BAD_DATA;

		if (!is_by(&keys[i], line, signature))
			continue;
		named = true;
		if (length == SIGNATURE_BYTES)
			st =
				sp_ed25519_verify(keys[i].public_key, note->text, note->text_length, signature + 4);
		if (st == SP_ERR_NO_MEMORY)
			return sp_fault(fault, st, "", "Out of memory.");
		if (st == SP_OK)
		{
			*known = true;
			if (signed_by != NULL)
				signed_by[i] = true;
			return SP_OK;
		}
	}
	if (named)
		return sp_fault(fault, SP_ERR_BAD_DATA, "The text was changed after it was signed.",
		                "The signature of \"%.*s\" does not fit the note.", (int) line->name_length,
		                line->name);
	return SP_OK;
}

SpStatus
sp_note_verify(const char *data, size_t n, const SpNoteKey *keys, size_t n_keys, SpNote *note,
               bool *signed_by, SpFault *fault)
{
	SpStatus st = sp_note_parse(data, n, note, fault);
	const char *end, *next;
	bool known = false;

	if (st != SP_OK)
		return st;
	if (signed_by != NULL)
		memset(signed_by, 0, n_keys * sizeof(*signed_by));
	end = note->signatures + note->signatures_length;
	for (const char *p = note->signatures; p < end && st == SP_OK; p = next)
	{
		Line line;

		next = end_of_line(p, end) + 1;
		st = take_line(p, next - 1, &line)
		         ? verify_line(note, &line, keys, n_keys, signed_by, &known, fault)
		         : SP_ERR_BAD_DATA;
	}
	if (st != SP_OK)
		return st;
	if (!known)
		return sp_fault(fault, SP_ERR_BAD_DATA, "Give the verifier key of the log that signed it.",
		                "None of the known keys has signed the note.");
	return SP_OK;
}

size_t
sp_note_signed_size(size_t text_length, const SpNoteSigner *signers, size_t n_signers)
{
	size_t size = text_length + 1;

	for (size_t i = 0; i < n_signers; i++)
		size +=
			DASH_LENGTH + strlen(signers[i].key.name) + 1 + SP_BASE64_CHARS(SIGNATURE_BYTES) + 1;
	return size;
}

/* A signature line at out; *n is its length. */
static SpStatus
sign_once(const char *text, size_t n_text, const SpNoteSigner *signer, char *out, size_t *n)
{
	uint8_t signature[SIGNATURE_BYTES], public_key[SP_ED25519_KEY_BYTES];
	size_t name_length = strlen(signer->key.name);
	SpStatus st = sp_ed25519_public(signer->private_key, public_key);

	if (st == SP_OK && memcmp(public_key, signer->key.public_key, sizeof(public_key)) != 0)
		st = SP_ERR_BAD_ARG;
	memcpy(signature, signer->key.id, sizeof(signer->key.id));
	if (st == SP_OK)
		st = sp_ed25519_sign(signer->private_key, text, n_text, signature + 4);
	if (st != SP_OK)
		return st;
	memcpy(out, DASH, DASH_LENGTH);
	*n = DASH_LENGTH;
	memcpy(out + *n, signer->key.name, name_length);
	*n += name_length;
	out[(*n)++] = ' ';
	*n += sp_base64_write(signature, sizeof(signature), out + *n);
	out[(*n)++] = '\n';
	return SP_OK;
}

SpStatus
sp_note_sign(const char *text, size_t n, const SpNoteSigner *signers, size_t n_signers, char *out,
             SpFault *fault)
{
	SpStatus st = SP_OK;
	size_t used = n;

	if (n_signers == 0)
		return sp_fault(fault, SP_ERR_BAD_ARG, "", "There is nobody to sign.");
	if (n_signers > SP_NOTE_MAX_SIGNATURES ||
	    sp_note_signed_size(n, signers, n_signers) > SP_NOTE_MAX_BYTES)
		return sp_fault(fault, SP_ERR_TOO_LARGE, "",
		                "A note has at most %d bytes and %d signatures.", SP_NOTE_MAX_BYTES,
		                SP_NOTE_MAX_SIGNATURES);
	if (!sp_note_text_valid(text, n))
		return no_note(fault, "The text is not made of whole lines of UTF-8.");
	memcpy(out, text, n);
	out[used++] = '\n';
	for (size_t i = 0; i < n_signers && st == SP_OK; i++)
	{
		size_t length = 0;

		st = sign_once(text, n, &signers[i], out + used, &length);
		used += length;
	}
	if (st != SP_OK)
		return sp_fault(fault, st, "", "%s",
		                st == SP_ERR_BAD_ARG ? "A private key does not belong to its public key."
		                                     : "Out of memory.");
	return SP_OK;
}
