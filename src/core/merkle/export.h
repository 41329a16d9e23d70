/*
 * src/core/merkle/export.h
 *	  An audit log as JSON lines: printing and strict parsing, a line at a time.
 *
 * A header, one line for each entry in the order of the log, and a checkpoint:
 *
 *	  {"spotai_audit_export":1,"origin":O,"from":F,"to":T,"frontier":B}
 *	  {"position":P,"id":U,"tenant":U,"time_us":N,"principal":U or null,
 *	   "action":S,"object":S,"detail_sha256":B,"detail":B or null,"leaf":B}
 *	  {"checkpoint":S}
 *
 * (an entry is one line).  B is base64, U a UUID in lower case, N an integer, O
 * the log's origin.  Positions run from F to T - 1.  frontier is that of size F
 * as merkle.h writes it, so that the root of size T follows from the lines.
 * detail is the entry's detail as it is stored, when it is given out;
 * detail_sha256, with everything before it, is what the leaf is made of
 * (entry.h).  leaf is the leaf hash that the log has recorded.  The checkpoint
 * is a signed note of size T.
 *
 * A line has one spelling: members in this order, no white space, and strings
 * escaped as RFC 8785 (section 3.2.2.2) has it, that is, no more than needed.
 * Whatever is spelled otherwise is refused, so that no byte of an export can be
 * changed without a trace, and two readers never see two things in it.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_MERKLE_EXPORT_H
#define SP_MERKLE_EXPORT_H

#include "core/merkle/entry.h"
#include "core/merkle/merkle.h"

/* Bytes of a line, its newline not counted. */
#define SP_EXPORT_MAX_LINE (1 << 20)

typedef struct SpExportHeader
{
	const char *origin;
	size_t origin_length;
	uint64_t from; /* the size of the frontier */
	uint64_t to;
	SpMerkleFrontier frontier;
} SpExportHeader;

typedef struct SpExportEntry
{
	uint64_t position;
	SpEntry entry;
	const void *detail; /* as stored; NULL: not given out */
	size_t detail_length;
	SpDigest leaf;
} SpExportEntry;

typedef struct SpExportCheckpoint
{
	const char *note;
	size_t note_length;
} SpExportCheckpoint;

/*
 * Print a line into out, of the bytes that the size function asks for, without
 * newline and NUL; *n is how many of them.  SP_ERR_TOO_LARGE: it would be
 * longer than SP_EXPORT_MAX_LINE (give an entry without its detail then);
 * SP_ERR_BAD_DATA: a text is not UTF-8, has a NUL, or sizes do not fit.
 */
size_t sp_export_header_size(const SpExportHeader *header);
SpStatus sp_export_header_print(const SpExportHeader *header, char *out, size_t *n, SpFault *fault);
size_t sp_export_entry_size(const SpExportEntry *entry);
SpStatus sp_export_entry_print(const SpExportEntry *entry, char *out, size_t *n, SpFault *fault);
size_t sp_export_checkpoint_size(const SpExportCheckpoint *checkpoint);
SpStatus sp_export_checkpoint_print(const SpExportCheckpoint *checkpoint, char *out, size_t *n,
                                    SpFault *fault);

typedef enum SpExportKind
{
	SP_EXPORT_HEADER,
	SP_EXPORT_ENTRY,
	SP_EXPORT_CHECKPOINT
} SpExportKind;

/* A parsed line.  What it points to lives until sp_export_release(). */
typedef struct SpExportLine
{
	SpExportKind kind;
	union
	{
		SpExportHeader header;
		SpExportEntry entry;
		SpExportCheckpoint checkpoint;
	};
	void *memory;
} SpExportLine;

/*
 * Parse a line without its newline.  SP_ERR_BAD_DATA when it is not what the
 * functions above print; SP_ERR_TOO_LARGE, SP_ERR_NO_MEMORY.  *line need not
 * be released after a failure, but may.  Nothing is believed: whether hashes fit
 * is for the verifier (verifier.h).
 */
SpStatus sp_export_parse(const SpEnv *env, const char *text, size_t n, SpExportLine *line,
                         SpFault *fault);
void sp_export_release(const SpEnv *env, SpExportLine *line);

#endif /* SP_MERKLE_EXPORT_H */
