/*
 * src/core/merkle/checkpoint.c
 *	  The text of a checkpoint (c2sp.org/tlog-checkpoint).
 *
 * What is printed is parsed again before it is given out: a log must not sign
 * what others could read as something else.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/merkle/merkle.h"
#include "core/merkle/note.h"
#include "core/merkle/note_internal.h"
#include "core/merkle/text.h"

#define HINT_CHECKPOINT \
	"A checkpoint is a log's origin, size and root, one a line (c2sp.org/tlog-checkpoint)."

#define ROOT_LENGTH SP_BASE64_CHARS(SP_DIGEST_BYTES)

/* Digits of SP_MERKLE_MAX_SIZE. */
#define MAX_DIGITS 19

static SpStatus
no_checkpoint(SpFault *fault, const char *why)
{
	return sp_fault(fault, SP_ERR_BAD_DATA, HINT_CHECKPOINT, "%s", why);
}

static bool
take_size(const char *text, size_t n, uint64_t *size)
{
	*size = 0;
	if (n == 0 || n > MAX_DIGITS || (n > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < n; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
		*size = *size * 10 + (uint64_t) (text[i] - '0');
	}
	return *size <= SP_MERKLE_MAX_SIZE;
}

static bool
has_empty_line(const char *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (lines[i] == '\n' && (i == 0 || lines[i - 1] == '\n'))
			return true;
	return false;
}

SpStatus
sp_checkpoint_parse(const char *text, size_t n, SpCheckpoint *checkpoint, SpFault *fault)
{
	const char *lines[3];
	size_t lengths[3], at = 0, root_length;

	if (!sp_note_text_valid(text, n))
		return no_checkpoint(fault, "The checkpoint is not made of whole lines of UTF-8.");
	for (int i = 0; i < 3; i++)
	{
		const char *end = at < n ? memchr(text + at, '\n', n - at) : NULL;

		if (end == NULL)
			return no_checkpoint(fault, "The checkpoint has fewer than three lines.");
		lines[i] = text + at;
		lengths[i] = (size_t) (end - lines[i]);
		at += lengths[i] + 1;
	}
	*checkpoint = (SpCheckpoint){.origin = lines[0], .origin_length = lengths[0]};
	if (lengths[0] == 0 || lengths[0] > SP_NOTE_MAX_ORIGIN)
		return no_checkpoint(fault, "The checkpoint's origin is empty or too long.");
	if (!take_size(lines[1], lengths[1], &checkpoint->size))
		return no_checkpoint(fault, "The checkpoint's size is no number of leaves.");
	if (!sp_base64_read(lines[2], lengths[2], checkpoint->root.bytes, SP_DIGEST_BYTES,
	                    &root_length) ||
	    root_length != SP_DIGEST_BYTES)
		return no_checkpoint(fault, "The checkpoint's root is no hash in base64.");
	checkpoint->extensions = text + at;
	checkpoint->extensions_length = n - at;
	if (has_empty_line(checkpoint->extensions, checkpoint->extensions_length))
		return no_checkpoint(fault, "The checkpoint has an empty line.");
	return SP_OK;
}

size_t
sp_checkpoint_size(const SpCheckpoint *checkpoint)
{
	return checkpoint->origin_length + 1 + MAX_DIGITS + 1 + ROOT_LENGTH + 1 +
	       checkpoint->extensions_length;
}

SpStatus
sp_checkpoint_print(const SpCheckpoint *checkpoint, char *out, size_t *n, SpFault *fault)
{
	SpCheckpoint again;
	char digits[24];
	int n_digits = snprintf(digits, sizeof(digits), "%" PRIu64, checkpoint->size);
	SpStatus st;

	if (checkpoint->size > SP_MERKLE_MAX_SIZE)
		return no_checkpoint(fault, "The checkpoint's size is no number of leaves.");
	*n = checkpoint->origin_length;
	memcpy(out, checkpoint->origin, *n);
	out[(*n)++] = '\n';
	memcpy(out + *n, digits, (size_t) n_digits);
	*n += (size_t) n_digits;
	out[(*n)++] = '\n';
	*n += sp_base64_write(checkpoint->root.bytes, SP_DIGEST_BYTES, out + *n);
	out[(*n)++] = '\n';
	if (checkpoint->extensions_length > 0)
		memcpy(out + *n, checkpoint->extensions, checkpoint->extensions_length);
	*n += checkpoint->extensions_length;
	st = sp_checkpoint_parse(out, *n, &again, fault);
	/* an origin with a newline in it would move everything by a line */
	if (st == SP_OK && again.origin_length != checkpoint->origin_length)
		st = no_checkpoint(fault, "The checkpoint's origin is more than one line.");
	return st;
}
