/*
 * src/core/merkle/note_internal.h
 *	  What the files on notes share.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_MERKLE_NOTE_INTERNAL_H
#define SP_MERKLE_NOTE_INTERNAL_H

#include "core/merkle/note.h"

/* Whether n bytes may be the name of a key. */
bool sp_note_name_valid(const char *name, size_t n);

/* Whether n bytes may be a note's text: whole lines of UTF-8 without control characters. */
bool sp_note_text_valid(const char *text, size_t n);

#endif /* SP_MERKLE_NOTE_INTERNAL_H */
