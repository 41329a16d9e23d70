/*
 * tests/unit/merkle_log.h
 *	  Audit logs for tests: lines of an export in memory, made or read from a
 *	  file, and what the verifier says about them.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef MERKLE_LOG_H
#define MERKLE_LOG_H

#include "check.h"
#include "core/merkle/verifier.h"

#define LOG_MAX_LINES 600
#define LOG_ORIGIN    "example.com/audit"

/* Lines without newlines, each with memory of its own. */
typedef struct Log
{
	char *lines[LOG_MAX_LINES];
	size_t lengths[LOG_MAX_LINES];
	size_t n;
} Log;

static inline void
log_add(Log *log, const char *text, size_t n)
{
	char *copy = malloc(n + 1);

	if (copy == NULL || log->n == LOG_MAX_LINES)
		abort();
	memcpy(copy, text, n);
	copy[n] = '\0';
	log->lines[log->n] = copy;
	log->lengths[log->n++] = n;
}

static inline void
log_remove(Log *log, size_t i)
{
	free(log->lines[i]);
	log->n--;
	memmove(log->lines + i, log->lines + i + 1, (log->n - i) * sizeof(log->lines[0]));
	memmove(log->lengths + i, log->lengths + i + 1, (log->n - i) * sizeof(log->lengths[0]));
}

static inline void
log_clear(Log *log)
{
	while (log->n > 0)
		log_remove(log, log->n - 1);
}

static inline void
log_copy(const Log *from, Log *to)
{
	log_clear(to);
	for (size_t i = 0; i < from->n; i++)
		log_add(to, from->lines[i], from->lengths[i]);
}

/* All of a file; the caller's to free.  Aborts when it can not be read. */
static inline char *
log_read_file(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	char *text = malloc(1 << 20);

	if (f == NULL || text == NULL)
		abort();
	*n = fread(text, 1, 1 << 20, f);
	fclose(f);
	return text;
}

static inline void
log_read(const char *path, Log *log)
{
	size_t n;
	char *text = log_read_file(path, &n), *p = text, *end;

	log_clear(log);
	for (; p < text + n; p = end + 1)
	{
		end = memchr(p, '\n', (size_t) (text + n - p));
		if (end == NULL)
			abort();
		log_add(log, p, (size_t) (end - p));
	}
	free(text);
}

/* --- what the verifier says --------------------------------------------------- */

typedef struct LogNote
{
	const char *note;
	size_t n;
} LogNote;

typedef struct LogAnswer
{
	SpVerdict verdict;
	SpFinding first;
	SpStatus status; /* SP_ERR_NO_MEMORY, or SP_OK */
} LogAnswer;

static inline void
log_found(void *host, const SpFinding *finding)
{
	LogAnswer *answer = host;

	if (answer->first.text[0] == '\0')
		answer->first = *finding;
	CHECK(finding->text[0] != '\0');
}

static inline LogAnswer
log_verify(const Log *log, uint64_t from, const SpNoteKey *keys, size_t n_keys,
           const LogNote *outside, size_t n_outside)
{
	static LogAnswer answer;
	SpVerifier *v;

	memset(&answer, 0, sizeof(answer));
	answer.status = sp_verifier_new(&check_env, keys, n_keys, from, log_found, &answer, &v);
	for (size_t i = 0; i < n_outside && answer.status == SP_OK; i++)
		answer.status = sp_verifier_outside(v, "kept", outside[i].note, outside[i].n);
	for (size_t i = 0; i < log->n && answer.status == SP_OK; i++)
		answer.status = sp_verifier_line(v, log->lines[i], log->lengths[i]);
	if (answer.status != SP_ERR_NO_MEMORY)
		answer.status = sp_verifier_finish(v, &answer.verdict);
	CHECK(answer.status == SP_ERR_NO_MEMORY ||
	      answer.verdict.whole == (answer.first.text[0] == '\0'));
	sp_verifier_free(v);
	return answer;
}

/* --- making logs ---------------------------------------------------------------- */

static inline void
log_random(void *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *) out)[i] = (uint8_t) (check_random() >> 8);
}

/* A signed checkpoint into out, of 1024 bytes; its length. */
static inline size_t
log_sign(SpSha256 *sha, const SpNoteSigner *signer, const char *origin, const SpMerkleFrontier *f,
         char *out)
{
	SpCheckpoint checkpoint = {.origin = origin, .origin_length = strlen(origin), .size = f->size};
	char text[512];
	size_t n = 0;

	CHECK(sp_merkle_root(sha, f, &checkpoint.root) == SP_OK);
	CHECK(sp_checkpoint_size(&checkpoint) <= sizeof(text));
	CHECK(sp_checkpoint_print(&checkpoint, text, &n, NULL) == SP_OK);
	CHECK(sp_note_signed_size(n, signer, 1) <= 1024);
	CHECK(sp_note_sign(text, n, signer, 1, out, NULL) == SP_OK);
	return sp_note_signed_size(n, signer, 1);
}

static inline void
log_add_header(Log *log, const char *origin, const SpMerkleFrontier *at, uint64_t to)
{
	SpExportHeader header = {origin, strlen(origin), at->size, to, *at};
	char *text = malloc(sp_export_header_size(&header));
	size_t n = 0;

	CHECK(text != NULL && sp_export_header_print(&header, text, &n, NULL) == SP_OK);
	log_add(log, text, n);
	free(text);
}

static inline void
log_add_checkpoint(Log *log, const char *note, size_t n)
{
	SpExportCheckpoint checkpoint = {note, n};
	char *text = malloc(sp_export_checkpoint_size(&checkpoint));

	CHECK(text != NULL && sp_export_checkpoint_print(&checkpoint, text, &n, NULL) == SP_OK);
	log_add(log, text, n);
	free(text);
}

/* e with its leaf. */
static inline void
log_add_entry(SpSha256 *sha, Log *log, SpExportEntry *e)
{
	char *text = malloc(sp_export_entry_size(e));
	size_t n = 0;

	CHECK(sp_entry_leaf_hash(sha, &e->entry, &e->leaf, NULL) == SP_OK);
	CHECK(text != NULL && sp_export_entry_print(e, text, &n, NULL) == SP_OK);
	CHECK(n <= sp_export_entry_size(e));
	log_add(log, text, n);
	free(text);
}

/* A random entry at the end of the log, which grows f. */
static inline void
log_add_random(SpSha256 *sha, Log *log, SpMerkleFrontier *f)
{
	static const char *const words[] = {"login", "track.delete", "q\"uote\\", "\xC3\xA9t\xC3\xA9",
	                                    "tab\tnewline\n"};
	uint8_t detail[40];
	SpExportEntry e = {.position = f->size};

	log_random(e.entry.id, SP_UUID_BYTES);
	log_random(e.entry.tenant, SP_UUID_BYTES);
	log_random(e.entry.principal, SP_UUID_BYTES);
	log_random(detail, sizeof(detail));
	e.entry.has_principal = check_random() % 4 > 0;
	e.entry.time_us = 1700000000000000 + (int64_t) check_random();
	e.entry.action = words[check_random() % 5];
	e.entry.action_length = strlen(e.entry.action);
	e.entry.object = words[check_random() % 5];
	e.entry.object_length = check_random() % 4 > 0 ? strlen(e.entry.object) : 0;
	e.detail = check_random() % 4 > 0 ? detail : NULL;
	e.detail_length = e.detail != NULL ? check_random() % sizeof(detail) : 0;
	CHECK(sp_sha256_run(sha, detail, e.detail_length, &e.entry.detail) == SP_OK);
	log_add_entry(sha, log, &e);
	CHECK(sp_merkle_append(sha, f, &e.leaf, NULL, NULL) == SP_OK);
}

#endif /* MERKLE_LOG_H */
