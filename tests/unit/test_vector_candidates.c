/*
 * tests/unit/test_vector_candidates.c
 *	  Candidates against a sorted array, whatever their keys and in whatever
 *	  turns they come and go; none lost, none doubled; no memory.
 */
#include "check.h"

#include <time.h>

#include "core/vector/candidates.h"

/* Not a power of two, and no multiple of what an id needs. */
typedef struct Record
{
	uint16_t id[4];
	uint16_t sum;
} Record;

static Record
record_of(uint64_t id)
{
	Record r;

	memcpy(r.id, &id, sizeof(id));
	r.sum = (uint16_t) (id * 40503);
	return r;
}

static uint64_t
id_of(const char *record)
{
	uint64_t id;

	memcpy(&id, record, sizeof(id));
	return id;
}

/* --- the twin: an array, sorted when asked --------------------------------------------- */

typedef struct Twin
{
	SpQueueItem *items; /* [count], place unused; from taken on they are there */
	size_t count, taken;
} Twin;

static int
compare_items(const void *a, const void *b)
{
	const SpQueueItem *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static void
sort_twin(Twin *t)
{
	qsort(t->items + t->taken, t->count - t->taken, sizeof(*t->items), compare_items);
}

/* --- keys ------------------------------------------------------------------------------ */

typedef float (*KeyFn)(size_t i, size_t n);

static float
key_random(size_t i, size_t n)
{
	(void) i, (void) n;
	return check_noise();
}

static float
key_few(size_t i, size_t n)
{
	(void) i, (void) n;
	return (float) (check_random() % 3);
}

static float
key_same(size_t i, size_t n)
{
	(void) i, (void) n;
	return -1.5f;
}

static float
key_up(size_t i, size_t n)
{
	(void) n;
	return (float) i;
}

static float
key_down(size_t i, size_t n)
{
	(void) n;
	return -(float) i;
}

static float
key_pipe(size_t i, size_t n)
{
	return (float) (i < n - i ? i : n - i);
}

static float
key_valley(size_t i, size_t n)
{
	return -key_pipe(i, n);
}

static float
key_saw(size_t i, size_t n)
{
	(void) n;
	return (float) (i % 37);
}

/* Half of them no numbers that one counts with. */
static float
key_wild(size_t i, size_t n)
{
	static const float wild[] = {INFINITY, -INFINITY, NAN, 0.0f, -0.0f, 3.4e38f, -3.4e38f, 1e-45f};

	(void) i, (void) n;
	return check_random() % 2 ? check_noise() : wild[check_random() % 8];
}

static float
key_far(size_t i, size_t n)
{
	(void) n;
	return i % 10 == 0 ? check_noise() : INFINITY;
}

static float
key_nan(size_t i, size_t n)
{
	(void) i, (void) n;
	return NAN;
}

static float
key_infinite(size_t i, size_t n)
{
	(void) i, (void) n;
	return INFINITY;
}

static float
key_nowhere(size_t i, size_t n)
{
	(void) i, (void) n;
	return -INFINITY;
}

/* --- both beside each other ------------------------------------------------------------ */

static void
add(SpCandidates *c, Twin *t, KeyFn key, size_t n)
{
	float *keys = malloc((n + 1) * sizeof(float));
	Record *records = malloc((n + 1) * sizeof(Record));

	for (size_t i = 0; i < n; i++)
	{
		/* a bijection, so that ids are no order of theirs */
		uint64_t id = (t->count + i) * 0x9E3779B97F4A7C15u;

		keys[i] = key(i, n);
		records[i] = record_of(id);
		t->items[t->count + i] = (SpQueueItem){isnan(keys[i]) ? -INFINITY : keys[i], id, 0};
	}
	CHECK(sp_candidates_add(c, keys, (char *) records, n, id_of) == SP_OK);
	t->count += n;
	free(keys);
	free(records);
}

static void
take(SpCandidates *c, Twin *t)
{
	SpQueueItem expected = t->items[t->taken++], item;
	Record record, whole = record_of(expected.id);

	CHECK(!sp_candidates_is_empty(c));
	CHECK(sp_candidates_first(c) <= expected.key);
	CHECK(sp_candidates_take(c, id_of, &item) == SP_OK);
	CHECK(item.key == expected.key && item.id == expected.id);
	CHECK(item.place < c->count);
	memcpy(&record, c->records + item.place * c->size, sizeof(record));
	CHECK(memcmp(&record, &whole, sizeof(record)) == 0);
}

static void
check_empty(const SpCandidates *c)
{
	CHECK(sp_candidates_is_empty(c));
	CHECK(sp_candidates_first(c) == INFINITY);
}

/* All in, all out. */
static void
check_sorts(KeyFn key, size_t n)
{
	SpCandidates c;
	Twin t = {malloc((n + 1) * sizeof(SpQueueItem)), 0, 0};

	sp_candidates_init(&c, &check_env, sizeof(Record));
	check_empty(&c);
	add(&c, &t, key, n);
	CHECK(sp_candidates_is_empty(&c) == (n == 0));
	sort_twin(&t);
	while (t.taken < n)
		take(&c, &t);
	check_empty(&c);
	sp_candidates_free(&c);
	free(t.items);
}

/* Batches of any size, of keys of any kind; then some are taken, now and then all. */
static void
check_turns(uint32_t turns, uint32_t most)
{
	static const KeyFn keys[] = {key_random, key_few,      key_same,    key_up,     key_down,
	                             key_pipe,   key_valley,   key_saw,     key_wild,   key_far,
	                             key_nan,    key_infinite, key_nowhere, key_random, key_random};
	SpCandidates c;
	Twin t = {malloc((size_t) turns * most * sizeof(SpQueueItem)), 0, 0};

	sp_candidates_init(&c, &check_env, sizeof(Record));
	for (uint32_t turn = 0; turn < turns; turn++)
	{
		size_t left, wanted;

		add(&c, &t, keys[check_random() % 15], check_random() % most);
		sort_twin(&t);
		left = t.count - t.taken;
		wanted = check_random() % 8 == 0 ? left : check_random() % (most / 2 + 1);
		for (size_t i = 0; i < wanted && i < left; i++)
			take(&c, &t);
		CHECK(sp_candidates_is_empty(&c) == (t.taken == t.count));
	}
	while (t.taken < t.count)
		take(&c, &t);
	check_empty(&c);
	sp_candidates_free(&c);
	free(t.items);
}

/*
 * Few of many are taken: as many as that wait in the queue, not as there are.
 * No order of keys makes finding them take more than a few looks at each.
 */
static void
check_few_wait(KeyFn key, const char *name)
{
	enum
	{
		N = 300000
	};
	SpCandidates c;
	Twin t = {malloc(N * sizeof(SpQueueItem)), 0, 0};
	SpQueueItem item;
	clock_t begin;
	double seconds;

	sp_candidates_init(&c, &check_env, sizeof(Record));
	add(&c, &t, key, N);
	CHECK(c.queued == 0);
	begin = clock();
	for (size_t i = 0; i < 100; i++)
		CHECK(sp_candidates_take(&c, id_of, &item) == SP_OK);
	/* what is let in is some of a thousandth part, with those of the same key */
	CHECK(c.queued >= 100 && c.queued < N / 100);
	seconds = (double) (clock() - begin) / CLOCKS_PER_SEC;
	printf("# a hundred of %d, %s: %.3f s\n", N, name, seconds);
	/* a hundred times what it took; the square of N takes minutes */
	CHECK(seconds < 1);
	sp_candidates_free(&c);
	free(t.items);
}

/* A row that comes later and is nearer is taken before those that were queued. */
static void
check_later_is_nearer(void)
{
	float keys[100], late[3] = {-1, 0.5f, 1000};
	Record records[100];
	SpCandidates c;
	SpQueueItem item;

	for (size_t i = 0; i < 100; i++)
	{
		keys[i] = (float) i;
		records[i] = record_of(i);
	}
	sp_candidates_init(&c, &check_env, sizeof(Record));
	CHECK(sp_candidates_add(&c, keys, (char *) records, 100, id_of) == SP_OK);
	/* nothing is known of those that wait but that the bound is below them */
	CHECK(sp_candidates_first(&c) <= 0);
	CHECK(sp_candidates_take(&c, id_of, &item) == SP_OK && item.key == 0);
	CHECK(sp_candidates_first(&c) == 1);
	CHECK(sp_candidates_add(&c, late, (char *) records, 3, id_of) == SP_OK);
	CHECK(sp_candidates_first(&c) == -1);
	CHECK(sp_candidates_take(&c, id_of, &item) == SP_OK && item.key == -1);
	CHECK(sp_candidates_take(&c, id_of, &item) == SP_OK && item.key == 0.5);
	for (int i = 1; i < 100; i++)
		CHECK(sp_candidates_take(&c, id_of, &item) == SP_OK && item.key == i);
	CHECK(sp_candidates_take(&c, id_of, &item) == SP_OK && item.key == 1000);
	check_empty(&c);
	/* all that were there have been let in: what comes now is too */
	CHECK(sp_candidates_add(&c, keys, (char *) records, 2, id_of) == SP_OK);
	CHECK(sp_candidates_first(&c) == 0);
	sp_candidates_free(&c);
	check_empty(&c);
	/* freed, it is an empty one */
	CHECK(sp_candidates_add(&c, keys, (char *) records, 2, id_of) == SP_OK);
	CHECK(sp_candidates_take(&c, id_of, &item) == SP_OK && item.key == 0);
	sp_candidates_free(&c);
}

/* Each allocation fails once; what could not be done is done when there is memory again. */
static void
check_no_memory(void)
{
	enum
	{
		BATCH = 1500,
		BATCHES = 7
	};
	float keys[BATCH];
	Record records[BATCH];
	SpCandidates c;
	Twin t = {malloc((size_t) BATCH * BATCHES * sizeof(SpQueueItem)), 0, 0};
	int failed = 0;

	sp_candidates_init(&c, &check_env, sizeof(Record));
	for (size_t batch = 0; batch < BATCHES; batch++)
	{
		SpStatus st = SP_ERR_NO_MEMORY;
		SpQueueItem item;

		for (size_t i = 0; i < BATCH; i++)
		{
			keys[i] = check_noise();
			records[i] = record_of(t.count + i);
			t.items[t.count + i] = (SpQueueItem){keys[i], t.count + i, 0};
		}
		for (long allowed = 0; st == SP_ERR_NO_MEMORY && allowed < 10; allowed++)
		{
			check_allocs_left = allowed;
			st = sp_candidates_add(&c, keys, (char *) records, BATCH, id_of);
			failed += st == SP_ERR_NO_MEMORY;
			CHECK(c.count == t.count + (st == SP_OK ? BATCH : 0));
		}
		CHECK(st == SP_OK);
		t.count += BATCH;
		sort_twin(&t);
		for (size_t i = 0; i < 300; i++)
		{
			SpQueueItem expected = t.items[t.taken++];

			check_allocs_left = 0;
			st = sp_candidates_take(&c, id_of, &item);
			failed += st == SP_ERR_NO_MEMORY;
			check_allocs_left = -1;
			if (st == SP_ERR_NO_MEMORY)
				st = sp_candidates_take(&c, id_of, &item);
			CHECK(st == SP_OK && item.key == expected.key && item.id == expected.id);
		}
	}
	check_allocs_left = -1;
	/* keys and records grow twice, the queue at least once */
	CHECK(failed >= 5);
	while (t.taken < t.count)
		take(&c, &t);
	check_empty(&c);
	sp_candidates_free(&c);
	free(t.items);
}

/* More than a size can say is refused before anything is read. */
static void
check_too_many(void)
{
	float key = 0;
	Record record = record_of(0);
	SpCandidates c;

	sp_candidates_init(&c, &check_env, sizeof(Record));
	CHECK(sp_candidates_add(&c, &key, (char *) &record, 1, id_of) == SP_OK);
	CHECK(sp_candidates_add(&c, &key, (char *) &record, SIZE_MAX, id_of) == SP_ERR_NO_MEMORY);
	CHECK(sp_candidates_add(&c, &key, (char *) &record, SIZE_MAX / 2, id_of) == SP_ERR_NO_MEMORY);
	CHECK(c.count == 1);
	CHECK(sp_candidates_first(&c) <= 0);
	sp_candidates_free(&c);
}

int
main(void)
{
	static const KeyFn keys[] = {key_random, key_few, key_same, key_up,  key_down,    key_pipe,
	                             key_valley, key_saw, key_wild, key_far, key_infinite};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
	{
		for (size_t n = 0; n < 40; n++)
			check_sorts(keys[i], n);
		check_sorts(keys[i], 65);
		check_sorts(keys[i], 1024);
		check_sorts(keys[i], 4097);
	}
	check_sorts(key_nan, 500);
	check_sorts(key_nowhere, 500);
	for (int round = 0; round < 20; round++)
	{
		check_turns(60, 4);
		check_turns(30, 200);
		check_turns(6, 3000);
	}
	check_few_wait(key_random, "random");
	check_few_wait(key_up, "rising");
	check_few_wait(key_down, "falling");
	check_few_wait(key_pipe, "organ pipes");
	check_few_wait(key_valley, "a valley");
	check_later_is_nearer();
	check_no_memory();
	check_too_many();
	return check_report();
}
