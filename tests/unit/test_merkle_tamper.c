/*
 * tests/unit/test_merkle_tamper.c
 *	  Audit logs that were tampered with in every way that we could think of:
 *	  each is found, and honest ones are not.
 *
 * Three attackers.  One changes bytes or lines of an export.  One has the
 * database, and makes positions, leaves and header fit what was changed.  One
 * has the key as well, and signs the result; against that one, and that one
 * alone, a checkpoint that was kept outside is needed, and given.
 *
 * SPOTAI_TAMPERINGS in the environment is how many; make test runs 10,000.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "merkle_log.h"

#define TAMPERINGS 10000
#define MAX_SIZE   24

static SpSha256 *sha;
static SpNoteSigner signer;

/* An honest log, and checkpoints that were kept at each of its sizes. */
typedef struct Honest
{
	Log log;
	size_t size;
	char notes[MAX_SIZE + 1][1024];
	LogNote kept[MAX_SIZE + 1];
} Honest;

static void
make_honest(Honest *h, const char *origin)
{
	SpMerkleFrontier f = {0};

	log_clear(&h->log);
	h->size = 2 + check_random() % (MAX_SIZE - 1);
	log_add_header(&h->log, origin, &f, h->size);
	for (size_t i = 0; i <= h->size; i++)
	{
		if (i > 0)
			log_add_random(sha, &h->log, &f);
		h->kept[i] = (LogNote){h->notes[i], log_sign(sha, &signer, origin, &f, h->notes[i])};
	}
	log_add_checkpoint(&h->log, h->kept[h->size].note, h->kept[h->size].n);
}

static size_t
below(size_t n)
{
	return check_random() % n;
}

/* --- the first attacker: bytes and lines ------------------------------------------ */

static void
flip(Log *log)
{
	size_t i = below(log->n);

	log->lines[i][below(log->lengths[i])] ^= (char) (1 << below(8));
}

static void
delete_line(Log *log)
{
	log_remove(log, below(log->n));
}

static void
swap_lines(Log *log)
{
	size_t i = below(log->n), k = (i + 1 + below(log->n - 1)) % log->n, length = log->lengths[i];
	char *line = log->lines[i];

	log->lines[i] = log->lines[k];
	log->lengths[i] = log->lengths[k];
	log->lines[k] = line;
	log->lengths[k] = length;
}

/* Somewhere in a line, also before its first byte. */
static void
truncate_at(Log *log)
{
	size_t i = below(log->n), at = below(log->lengths[i]);

	while (log->n > i + 1)
		log_remove(log, log->n - 1);
	log->lengths[i] = at;
	if (at == 0)
		log_remove(log, i);
}

/* The last line, to where line `to` is. */
static void
move_last(Log *log, size_t to)
{
	for (size_t i = log->n - 1; i > to; i--)
	{
		char *line = log->lines[i];
		size_t length = log->lengths[i];

		log->lines[i] = log->lines[i - 1];
		log->lengths[i] = log->lengths[i - 1];
		log->lines[i - 1] = line;
		log->lengths[i - 1] = length;
	}
}

/* A line a second time, anywhere. */
static void
repeat_line(Log *log)
{
	size_t from = below(log->n);

	log_add(log, log->lines[from], log->lengths[from]);
	move_last(log, below(log->n));
}

/* --- the second: the export is made anew from a changed database ------------------------ */

/* Line i with another position; its content changed; its leaf computed again. */
static void
write_entry(Log *log, size_t i, uint64_t position, bool change, bool rehash)
{
	SpExportLine line;
	char *text;
	size_t n = 0;

	CHECK(sp_export_parse(&check_env, log->lines[i], log->lengths[i], &line, NULL) == SP_OK);
	line.entry.position = position;
	if (change && below(2) == 0)
		line.entry.entry.time_us += 1 + (int64_t) below(1000);
	else if (change)
		line.entry.entry.id[below(16)] ^= (uint8_t) (1 << below(8));
	if (rehash)
		CHECK(sp_entry_leaf_hash(sha, &line.entry.entry, &line.entry.leaf, NULL) == SP_OK);
	text = malloc(sp_export_entry_size(&line.entry));
	CHECK(text != NULL && sp_export_entry_print(&line.entry, text, &n, NULL) == SP_OK);
	free(log->lines[i]);
	log->lines[i] = text;
	log->lengths[i] = n;
	sp_export_release(&check_env, &line);
}

/* Header and positions for the entries that are there; the checkpoint, when there is a key. */
static void
make_fit(Log *log, bool with_key)
{
	SpMerkleFrontier f = {0};
	Log fit = {0};
	char note[1024];

	log_add_header(&fit, LOG_ORIGIN, &f, log->n - 2);
	for (size_t i = 1; i + 1 < log->n; i++)
	{
		SpExportLine line;

		write_entry(log, i, i - 1, false, false);
		log_add(&fit, log->lines[i], log->lengths[i]);
		CHECK(sp_export_parse(&check_env, log->lines[i], log->lengths[i], &line, NULL) == SP_OK);
		CHECK(sp_merkle_append(sha, &f, &line.entry.leaf, NULL, NULL) == SP_OK);
		sp_export_release(&check_env, &line);
	}
	if (with_key)
		log_add_checkpoint(&fit, note, log_sign(sha, &signer, LOG_ORIGIN, &f, note));
	else
		log_add(&fit, log->lines[log->n - 1], log->lengths[log->n - 1]);
	log_copy(&fit, log);
	log_clear(&fit);
}

/* Something of the entries; not at their end, where entries may be added. */
static void
change_database(Log *log, size_t size)
{
	size_t i = 1 + below(size);

	switch (below(4))
	{
		case 0:
			write_entry(log, i, i - 1, true, true);
			break;
		case 1:
			log_remove(log, i);
			break;
		case 2: /* an entry at another place */
			log_add(log, log->lines[i], log->lengths[i]);
			log_remove(log, i);
			move_last(log, 1 + below(size));
			break;
		default: /* an entry a second time, in front of the last one or before */
			log_add(log, log->lines[i], log->lengths[i]);
			move_last(log, 1 + below(size - 1));
	}
}

static bool
same_log(const Log *a, const Log *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->lengths[i] != b->lengths[i] || memcmp(a->lines[i], b->lines[i], a->lengths[i]) != 0)
			return false;
	return true;
}

/* --- what is found ------------------------------------------------------------------------- */

static void
expect_found(const Log *log, const LogNote *kept, const char *what)
{
	LogAnswer answer = log_verify(log, 0, &signer.key, 1, kept, 1);

	CHECK(!answer.verdict.whole);
	if (answer.verdict.whole)
		printf("# not found: %s\n", what);
}

static void
tamper_with_lines(const Honest *h, Log *log)
{
	static const struct
	{
		void (*change)(Log *);
		const char *name;
	} ways[] = {{flip, "flip"},
	            {delete_line, "delete"},
	            {swap_lines, "swap"},
	            {truncate_at, "truncate"},
	            {repeat_line, "repeat"}};
	size_t way = below(5);

	log_copy(&h->log, log);
	ways[way].change(log);
	expect_found(log, &h->kept[below(h->size + 1)], ways[way].name);
}

/* The checkpoint of the export, or the one kept outside, is another one. */
static void
tamper_with_checkpoints(const Honest *h, const Honest *other, Log *log)
{
	const LogNote *own = &h->kept[below(h->size)], *foreign = &other->kept[other->size];
	LogNote changed = h->kept[h->size];
	char note[1024];

	log_copy(&h->log, log);
	switch (below(4))
	{
		case 0:
			log_remove(log, log->n - 1);
			log_add_checkpoint(log, own->note, own->n);
			expect_found(log, &h->kept[h->size], "older checkpoint");
			break;
		case 1:
			log_remove(log, log->n - 1);
			log_add_checkpoint(log, foreign->note, foreign->n);
			expect_found(log, &h->kept[h->size], "checkpoint of another log");
			break;
		case 2:
			/* all logs begin empty */
			expect_found(log, &other->kept[1 + below(other->size)], "another log kept outside");
			break;
		default:
			memcpy(note, changed.note, changed.n);
			note[below(changed.n)] ^= (char) (1 << below(8));
			changed.note = note;
			expect_found(log, &changed, "bit of what is kept outside");
	}
}

/* With or without the key.  The checkpoint outside is of the whole, so that all lies below it. */
static void
tamper_with_database(const Honest *h, Log *log)
{
	bool with_key = below(2) == 0;

	do
	{
		log_copy(&h->log, log);
		change_database(log, h->size);
		make_fit(log, with_key);
	} while (same_log(log, &h->log));
	expect_found(log, &h->kept[h->size], with_key ? "database and key" : "database");
}

/* An entry is changed, its leaf is not: it is named. */
static void
tamper_with_entry(const Honest *h, Log *log)
{
	size_t i = 1 + below(h->size);
	LogAnswer answer;

	log_copy(&h->log, log);
	write_entry(log, i, i - 1, true, false);
	answer = log_verify(log, 0, &signer.key, 1, &h->kept[h->size], 1);
	CHECK(!answer.verdict.whole && answer.verdict.n_findings == 1 &&
	      answer.first.kind == SP_FOUND_BAD_ENTRY && answer.first.has_position &&
	      answer.first.position == i - 1 && answer.first.line == i + 1);
	/* the tree is what it was, and so the checkpoint outside still fits */
	CHECK(answer.verdict.n_outside == 1);
}

/*
 * Someone with the key changes history between two checkpoints that were kept:
 * the first still fits, and the finding says where to look.
 */
static void
tamper_between(const Honest *h, Log *log)
{
	size_t low = below(h->size), high = low + 1 + below(h->size - low);
	size_t i = low + below(high - low);
	LogNote kept[2] = {h->kept[high], h->kept[low]};
	LogAnswer answer;

	log_copy(&h->log, log);
	write_entry(log, i + 1, i, true, true);
	make_fit(log, true);
	answer = log_verify(log, 0, &signer.key, 1, kept, 2);
	CHECK(answer.first.kind == SP_FOUND_CHECKPOINT && answer.first.position == low &&
	      answer.verdict.n_outside == 1 && answer.verdict.covered == low);
	/* without the one above there is nothing that could be found */
	CHECK(log_verify(log, 0, &signer.key, 1, kept + 1, 1).verdict.whole);
	/* and the tail is missed when it is cut off */
	log_copy(&h->log, log);
	while (log->n > low + 2)
		log_remove(log, log->n - 2);
	make_fit(log, true);
	answer = log_verify(log, 0, &signer.key, 1, kept, 2);
	CHECK(answer.first.kind == SP_FOUND_TAIL && answer.first.position == low);
}

static void
test_honest(const Honest *h)
{
	SpNoteKey keys[2] = {signer.key, signer.key};
	LogAnswer answer = log_verify(&h->log, 0, &signer.key, 1, h->kept, h->size + 1);

	CHECK(answer.verdict.whole && answer.verdict.n_outside == h->size + 1);
	keys[0].public_key[0] ^= 1;
	keys[0].name[0] = 'X';
	CHECK(log_verify(&h->log, 0, keys, 2, h->kept, 1).verdict.whole);
	CHECK(log_verify(&h->log, 0, keys, 1, NULL, 0).first.kind == SP_FOUND_SIGNATURE);
}

/* What the verifier must not be asked. */
static void
test_misuse(const Honest *h)
{
	LogAnswer answer = {0};
	SpVerdict verdict;
	SpVerifier *v;

	CHECK(sp_verifier_new(&check_env, NULL, 0, 0, log_found, &answer, &v) == SP_ERR_BAD_ARG &&
	      v == NULL);
	CHECK(sp_verifier_new(&check_env, &signer.key, 1, 0, log_found, &answer, &v) == SP_OK);
	for (int i = 0; i < SP_VERIFIER_MAX_OUTSIDE; i++)
		CHECK(sp_verifier_outside(v, "x", h->kept[0].note, h->kept[0].n) == SP_OK);
	CHECK(sp_verifier_outside(v, "x", h->kept[0].note, h->kept[0].n) == SP_ERR_TOO_LARGE);
	CHECK(sp_verifier_line(v, h->log.lines[0], h->log.lengths[0]) == SP_OK);
	CHECK(sp_verifier_outside(v, "x", h->kept[0].note, h->kept[0].n) == SP_ERR_BAD_ARG);
	CHECK(sp_verifier_finish(v, &verdict) == SP_OK && !verdict.whole);
	CHECK(answer.first.kind == SP_FOUND_INCOMPLETE && answer.first.position == 0);
	sp_verifier_free(v);
	sp_verifier_free(NULL);
}

int
main(void)
{
	const char *wanted = getenv("SPOTAI_TAMPERINGS");
	int n = wanted != NULL ? atoi(wanted) : TAMPERINGS;
	uint8_t private_key[32] = {42};
	static Honest h, other;
	Log log = {0};

	CHECK(sp_sha256_new(&check_env, &sha) == SP_OK);
	CHECK(sp_note_signer_make(sha, LOG_ORIGIN, strlen(LOG_ORIGIN), private_key, &signer, NULL) ==
	      SP_OK);
	for (int i = 0; i < n; i++)
	{
		if (i % 20 == 0)
		{
			make_honest(&h, LOG_ORIGIN);
			/* the same key signs two logs, which their origins tell apart, or their roots */
			make_honest(&other, i % 40 == 0 ? LOG_ORIGIN : "example.com/other");
			test_honest(&h);
		}
		if (i % 2 == 0)
			tamper_with_lines(&h, &log);
		else if (i % 8 == 1)
			tamper_with_checkpoints(&h, &other, &log);
		else if (i % 8 == 3)
			tamper_with_database(&h, &log);
		else if (i % 8 == 5)
			tamper_with_entry(&h, &log);
		else
			tamper_between(&h, &log);
	}
	test_misuse(&h);
	printf("# %d tamperings\n", n);
	log_clear(&log);
	log_clear(&h.log);
	log_clear(&other.log);
	sp_sha256_free(sha);
	return check_report();
}
