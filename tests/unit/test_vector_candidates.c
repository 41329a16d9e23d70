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

/* --- the twin: an array, sorted when asked --------------------------------------------- */

typedef struct Twin
{
	float *keys;   /* [count], sorted from taken on: those that are there */
	float *key_of; /* [count], as they were added */
	bool *gone;    /* [count] */
	size_t count, taken;
} Twin;

static Twin
new_twin(size_t most)
{
	return (Twin){malloc((most + 1) * sizeof(float)), malloc((most + 1) * sizeof(float)),
	              calloc(most + 1, sizeof(bool)), 0, 0};
}

static void
free_twin(Twin *t)
{
	free(t->keys);
	free(t->key_of);
	free(t->gone);
}

/* Ids are no order of theirs, but a bijection. */
static uint64_t
id_of_number(size_t number)
{
	return number * 0x9E3779B97F4A7C15u;
}

static size_t
number_of_id(uint64_t id)
{
	return id * 0xF1DE83E19937733Du;
}

static void
add_to_twin(Twin *t, float key)
{
	t->keys[t->count] = t->key_of[t->count] = isnan(key) ? -INFINITY : key;
	t->count++;
}

static int
compare_keys(const void *a, const void *b)
{
	float x = *(const float *) a, y = *(const float *) b;

	return (x > y) - (x < y);
}

static void
sort_twin(Twin *t)
{
	qsort(t->keys + t->taken, t->count - t->taken, sizeof(*t->keys), compare_keys);
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
		keys[i] = key(i, n);
		records[i] = record_of(id_of_number(t->count));
		add_to_twin(t, keys[i]);
	}
	CHECK(sp_candidates_add(c, keys, records, n) == SP_OK);
	free(keys);
	free(records);
}

/* What came is as near as anything, was added with this key, and has not come before. */
static void
check_taken(Twin *t, double key, const void *taken)
{
	Record record, whole;
	uint64_t id;
	size_t number;

	memcpy(&record, taken, sizeof(record));
	memcpy(&id, record.id, sizeof(id));
	whole = record_of(id);
	number = number_of_id(id);
	CHECK(memcmp(&record, &whole, sizeof(record)) == 0);
	CHECK(key == t->keys[t->taken++]);
	CHECK(number < t->count && key == t->key_of[number] && !t->gone[number]);
	t->gone[number] = true;
}

static void
take(SpCandidates *c, Twin *t)
{
	const void *record;
	double key;

	CHECK(!sp_candidates_is_empty(c));
	CHECK(sp_candidates_first(c) <= t->keys[t->taken]);
	CHECK(sp_candidates_take(c, &key, &record) == SP_OK);
	check_taken(t, key, record);
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
	Twin t = new_twin(n);

	sp_candidates_init(&c, &check_env, sizeof(Record));
	check_empty(&c);
	add(&c, &t, key, n);
	CHECK(sp_candidates_is_empty(&c) == (n == 0));
	sort_twin(&t);
	while (t.taken < n)
		take(&c, &t);
	check_empty(&c);
	sp_candidates_free(&c);
	free_twin(&t);
}

/* Batches of any size, of keys of any kind; then some are taken, now and then all. */
static void
check_turns(uint32_t turns, uint32_t most)
{
	static const KeyFn keys[] = {key_random, key_few,      key_same,    key_up,     key_down,
	                             key_pipe,   key_valley,   key_saw,     key_wild,   key_far,
	                             key_nan,    key_infinite, key_nowhere, key_random, key_random};
	SpCandidates c;
	Twin t = new_twin((size_t) turns * most);

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
	free_twin(&t);
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
	Twin t = new_twin(N);
	const void *record;
	clock_t begin;
	double seconds, key_taken;

	sp_candidates_init(&c, &check_env, sizeof(Record));
	add(&c, &t, key, N);
	CHECK(c.let_in == 0);
	begin = clock();
	for (size_t i = 0; i < 100; i++)
		CHECK(sp_candidates_take(&c, &key_taken, &record) == SP_OK);
	/* what is let in is some of a thousandth part, with those of the same key */
	CHECK(c.let_in >= 100 && c.let_in < N / 100);
	seconds = (double) (clock() - begin) / CLOCKS_PER_SEC;
	printf("# a hundred of %d, %s: %.3f s\n", N, name, seconds);
	/* a hundred times what it took; the square of N takes minutes */
	CHECK(seconds < 1);
	sp_candidates_free(&c);
	free_twin(&t);
}

static double
take_key(SpCandidates *c)
{
	const void *record;
	double key = NAN;

	CHECK(sp_candidates_take(c, &key, &record) == SP_OK);
	return key;
}

/* A row that comes later and is nearer is taken before those that were let in. */
static void
check_later_is_nearer(void)
{
	float keys[100], late[3] = {-1, 0.5f, 1000};
	Record records[100];
	SpCandidates c;

	for (size_t i = 0; i < 100; i++)
	{
		keys[i] = (float) i;
		records[i] = record_of(i);
	}
	sp_candidates_init(&c, &check_env, sizeof(Record));
	CHECK(sp_candidates_add(&c, keys, records, 100) == SP_OK);
	/* nothing is known of those that wait but that the bound is below them */
	CHECK(sp_candidates_first(&c) <= 0);
	CHECK(take_key(&c) == 0);
	CHECK(sp_candidates_first(&c) == 1);
	CHECK(sp_candidates_add(&c, late, records, 3) == SP_OK);
	CHECK(sp_candidates_first(&c) == -1);
	CHECK(take_key(&c) == -1);
	CHECK(take_key(&c) == 0.5);
	for (int i = 1; i < 100; i++)
		CHECK(take_key(&c) == i);
	CHECK(take_key(&c) == 1000);
	check_empty(&c);
	/* all that were there have been let in: what comes now is too */
	CHECK(sp_candidates_add(&c, keys, records, 2) == SP_OK);
	CHECK(sp_candidates_first(&c) == 0);
	sp_candidates_free(&c);
	check_empty(&c);
	/* freed, it is an empty one */
	CHECK(sp_candidates_add(&c, keys, records, 2) == SP_OK);
	CHECK(take_key(&c) == 0);
	sp_candidates_free(&c);
}

/* What is expected comes: always the first one, mostly the second. */
static void
check_expected(void)
{
	enum
	{
		N = 400
	};
	SpCandidates c;
	Twin t = new_twin(2 * N);
	const void *next[2], *second = NULL, *record;
	size_t first = 0, seconds = 0;
	double key;

	sp_candidates_init(&c, &check_env, sizeof(Record));
	CHECK(sp_candidates_expect(&c, next, 2) == 0);
	add(&c, &t, key_random, N);
	CHECK(sp_candidates_expect(&c, next, 2) == 0);
	for (size_t i = 0; i < N; i++)
	{
		size_t n = sp_candidates_expect(&c, next, 2);

		/* some come by the queue */
		if (i % 8 == 7)
		{
			add(&c, &t, key_random, 8);
			n = 0;
		}
		sort_twin(&t);
		CHECK(sp_candidates_take(&c, &key, &record) == SP_OK);
		check_taken(&t, key, record);
		CHECK(n == 0 || record == next[0]);
		first += n > 0;
		seconds += record == second;
		second = n > 1 ? next[1] : NULL;
	}
	CHECK(first > N * 3 / 4);
	CHECK(seconds > N / 2);
	sp_candidates_free(&c);
	free_twin(&t);
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
	Twin t = new_twin((size_t) BATCH * BATCHES);
	int failed = 0;

	sp_candidates_init(&c, &check_env, sizeof(Record));
	for (size_t batch = 0; batch < BATCHES; batch++)
	{
		SpStatus st = SP_ERR_NO_MEMORY;
		size_t before = t.count;

		for (size_t i = 0; i < BATCH; i++)
		{
			keys[i] = check_noise();
			records[i] = record_of(id_of_number(t.count));
			add_to_twin(&t, keys[i]);
		}
		for (long allowed = 0; st == SP_ERR_NO_MEMORY && allowed < 10; allowed++)
		{
			check_allocs_left = allowed;
			st = sp_candidates_add(&c, keys, records, BATCH);
			failed += st == SP_ERR_NO_MEMORY;
			CHECK(c.count == before + (st == SP_OK ? BATCH : 0));
		}
		CHECK(st == SP_OK);
		sort_twin(&t);
		for (size_t i = 0; i < 300; i++)
		{
			const void *record;
			double key;

			check_allocs_left = 0;
			st = sp_candidates_take(&c, &key, &record);
			failed += st == SP_ERR_NO_MEMORY;
			check_allocs_left = -1;
			if (st == SP_ERR_NO_MEMORY)
				st = sp_candidates_take(&c, &key, &record);
			CHECK(st == SP_OK);
			check_taken(&t, key, record);
		}
	}
	check_allocs_left = -1;
	/* keys and records grow twice, the queue and what is in order at least once */
	CHECK(failed >= 6);
	while (t.taken < t.count)
		take(&c, &t);
	check_empty(&c);
	sp_candidates_free(&c);
	free_twin(&t);
}

/* More than a number can say is refused before anything is read. */
static void
check_too_many(void)
{
	float key = 0;
	Record record = record_of(0);
	SpCandidates c;

	sp_candidates_init(&c, &check_env, sizeof(Record));
	CHECK(sp_candidates_add(&c, &key, &record, 1) == SP_OK);
	CHECK(sp_candidates_add(&c, &key, &record, SIZE_MAX) == SP_ERR_NO_MEMORY);
	CHECK(sp_candidates_add(&c, &key, &record, UINT32_MAX) == SP_ERR_NO_MEMORY);
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
	check_expected();
	check_no_memory();
	check_too_many();
	return check_report();
}
