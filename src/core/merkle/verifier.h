/*
 * src/core/merkle/verifier.h
 *	  Is this exported audit log whole?
 *
 * Lines come one at a time and are forgotten; what is kept is a frontier and
 * the checkpoints that were given.  For each entry: its content hashes to the
 * leaf that the log has recorded, and its position follows the last one's.  At
 * the sizes of the checkpoints: the root computed so far is theirs.  Of each
 * checkpoint: a known key has signed it, and it is of the same log.
 *
 * What is proven.  The export's own checkpoint proves that whoever holds the
 * key has signed these entries; someone who holds both key and database can
 * sign another history.  A checkpoint that was kept outside, out of their
 * reach, proves that the entries up to its size are those of that day.  An
 * export that begins at another size than 0 is tied to the entries before it
 * by its frontier; they themselves are not looked at.
 *
 * A detail that was left out, or destroyed, is not missed: the leaf does not
 * depend on it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_MERKLE_VERIFIER_H
#define SP_MERKLE_VERIFIER_H

#include "core/merkle/export.h"
#include "core/merkle/note.h"

/* Checkpoints kept outside that can be given for one export; a limit of ours. */
#define SP_VERIFIER_MAX_OUTSIDE 1000

typedef enum SpFindingKind
{
	SP_FOUND_BAD_LINE,   /* a line is none of an export, or not in its place */
	SP_FOUND_BAD_ENTRY,  /* an entry's content does not hash to its leaf */
	SP_FOUND_BAD_DETAIL, /* an entry's detail does not hash to its digest */
	SP_FOUND_POSITION,   /* an entry is missing, comes again, or two are swapped */
	SP_FOUND_ROOT,       /* the entries do not lead to the export's checkpoint */
	SP_FOUND_SIGNATURE,  /* a checkpoint is none, or not signed by a known key */
	SP_FOUND_ORIGIN,     /* a checkpoint is of another log */
	SP_FOUND_CHECKPOINT, /* a checkpoint kept outside does not fit the entries */
	SP_FOUND_TAIL,       /* the export ends below a checkpoint kept outside */
	SP_FOUND_BEFORE,     /* the export begins above one, which can not be tried */
	SP_FOUND_START,      /* the export does not begin where it should */
	SP_FOUND_INCOMPLETE  /* the export ends without its checkpoint */
} SpFindingKind;

typedef struct SpFinding
{
	SpFindingKind kind;
	uint64_t line; /* of the export, from 1; 0: of none */
	bool has_position;
	uint64_t position; /* the entry, or the first that it can be */
	char text[512];    /* one sentence without a full stop: what is wrong, and where */
} SpFinding;

/* Called for each finding, at once.  The finding is gone afterwards. */
typedef void (*SpFound)(void *host, const SpFinding *finding);

typedef struct SpVerifier SpVerifier;

/*
 * keys are copied.  from is where the export must begin: someone who cuts off
 * the entries before it could otherwise pass it for the whole.
 * SP_ERR_BAD_ARG: no key was given; SP_ERR_NO_MEMORY.
 */
SpStatus sp_verifier_new(const SpEnv *env, const SpNoteKey *keys, size_t n_keys, uint64_t from,
                         SpFound found, void *host, SpVerifier **out);
void sp_verifier_free(SpVerifier *v);

/*
 * A checkpoint that was kept outside, as a signed note; label (say, its file) is
 * what findings call it by.  All of them are given before the first line.
 * SP_OK also when it leads to a finding; SP_ERR_TOO_LARGE: there are more than
 * SP_VERIFIER_MAX_OUTSIDE; SP_ERR_BAD_ARG: too late; SP_ERR_NO_MEMORY.
 */
SpStatus sp_verifier_outside(SpVerifier *v, const char *label, const char *note, size_t n);

/*
 * The next line without its newline; of a line longer than
 * SP_EXPORT_MAX_LINE, that many bytes and one more are enough.  SP_OK: go on.
 * SP_ERR_BAD_DATA: there has been a finding behind which nothing more can be
 * told; go to sp_verifier_finish().  SP_ERR_NO_MEMORY.
 */
SpStatus sp_verifier_line(SpVerifier *v, const char *text, size_t n);

typedef struct SpVerdict
{
	bool whole; /* there was no finding at all */
	/* of the header; fit to be shown when whole */
	char origin[SP_NOTE_MAX_ORIGIN + 1];
	uint64_t from;
	uint64_t size; /* entries before it have been read */
	SpDigest root; /* of that size, when whole */
	uint64_t n_findings;
	uint64_t n_outside; /* checkpoints kept outside that fit */
	uint64_t covered;   /* the largest size of those; 0 when there is none */
} SpVerdict;

/* The end of the export.  Findings about what is missing come here.  SP_ERR_NO_MEMORY. */
SpStatus sp_verifier_finish(SpVerifier *v, SpVerdict *verdict);

#endif /* SP_MERKLE_VERIFIER_H */
