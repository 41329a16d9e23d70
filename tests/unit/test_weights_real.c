/*
 * tests/unit/test_weights_real.c
 *	  The indexes that Deezer's models were released with, against a listing
 *	  of each that another parser made; and the tensors of one of them that
 *	  can be had, which must pass the checksums of its index.
 */
#include "core/model/weights_internal.h"

#include "unit/weights_files.h"

typedef struct Row
{
	char name[128];
	int rank;
	int64_t shape[8];
	int dtype; /* TensorFlow's */
	int64_t offset;
	int64_t size;
	uint32_t crc;
	float fill; /* what it consists of: 0, 1, or NAN if of many numbers */
} Row;

typedef struct Listing
{
	Row rows[400];
	size_t count;
	int64_t total;
} Listing;

static char shared[256];

/* name [shape] [dtype] offset size crc [ZEROS|ONES]; at the end: total bytes */
static void
read_listing(const char *path, Listing *list)
{
	FILE *f = fopen(path, "r");
	char line[512];

	list->count = 0;
	CHECK(f != NULL);
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
	{
		Row *row = &list->rows[list->count];
		char *p = strchr(line, '[');
		char kind[16] = "";
		long long offset, size;

		if (p == NULL)
		{
			if (sscanf(line, "total %lld", &size) == 1)
				list->total = size;
			continue;
		}
		CHECK(sscanf(line, "%127s", row->name) == 1);
		for (row->rank = 0; *p != ']'; row->rank++)
		{
			row->shape[row->rank] = strtoll(p + 1, &p, 10);
			if (*p == '[')
				break;
		}
		if (row->rank == 1 && row->shape[0] == 0)
			row->rank = 0;
		p = strchr(p, ']') + 1;
		CHECK(sscanf(p, " [%d] %lld %lld %x %15s", &row->dtype, &offset, &size, &row->crc, kind) >=
		      4);
		row->offset = offset;
		row->size = size;
		row->fill = strcmp(kind, "ZEROS") == 0 ? 0 : strcmp(kind, "ONES") == 0 ? 1 : NAN;
		list->count++;
	}
	if (f != NULL)
		fclose(f);
	CHECK(list->count > 100 && list->total > 0);
}

static void
copy_file(const char *from, const char *folder, const char *name)
{
	static uint8_t bytes[1 << 16];
	FILE *f = fopen(from, "rb");
	size_t n = f != NULL ? fread(bytes, 1, sizeof(bytes), f) : 0;

	CHECK(n > 0 && n < sizeof(bytes));
	if (f != NULL)
		fclose(f);
	write_file(folder, name, bytes, n);
}

static void
write_at(FILE *f, int64_t offset, const void *bytes, size_t n)
{
	CHECK(fseek(f, (long) offset, SEEK_SET) == 0 && fwrite(bytes, 1, n, f) == n);
}

/* Names, shapes, kinds, places and checksums are those of the listing. */
static void
compare(const SpWeights *w, const Listing *list)
{
	const SpTensorSource *source = sp_weights_tensors(w);

	CHECK(source->count == list->count);
	for (size_t i = 0; i < list->count; i++)
	{
		const Row *row = &list->rows[i];
		ptrdiff_t at = sp_tensor_find(source, row->name);
		const SpWeightsEntry *entry;

		CHECK(at >= 0);
		if (at < 0)
			continue;
		entry = &w->entries[at];
		CHECK(entry->info.dtype == (row->dtype == BUNDLE_INT64 ? SP_DTYPE_I64 : SP_DTYPE_F32));
		CHECK(entry->info.rank == row->rank);
		for (int k = 0; k < row->rank; k++)
			CHECK(entry->info.shape[k] == row->shape[k]);
		CHECK(entry->place.offset == row->offset && entry->place.bytes == row->size);
		CHECK(entry->place.has_crc && entry->place.crc == row->crc);
	}
}

/* An array of the tail by a name of the index: "x/y" is called "x__y" there. */
static ptrdiff_t
find_in_tail(const SpTensorSource *tail, const char *name)
{
	char spelled[160];
	const char *slash = strchr(name, '/');

	if (slash == NULL)
		return -1;
	snprintf(spelled, sizeof(spelled), "%.*s__%s", (int) (slash - name), name, slash + 1);
	return sp_tensor_find(tail, spelled);
}

/*
 * A data file as long as the real one; in it what is known: the arrays of tail
 * (NULL: none) and what consists of zeros and ones.
 */
static void
make_data(const char *folder, const Listing *list, const SpTensorSource *tail)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/model.data-00000-of-00001", folder);
	f = fopen(path, "wb");
	CHECK(ftruncate(fileno(f), list->total) == 0);
	for (size_t i = 0; i < list->count; i++)
	{
		const Row *row = &list->rows[i];
		ptrdiff_t at = tail != NULL ? find_in_tail(tail, row->name) : -1;
		float *numbers = malloc((size_t) row->size);

		for (int64_t k = 0; k < row->size / 4; k++)
			numbers[k] = row->fill;
		if (at >= 0)
		{
			CHECK(tail->tensors[at].elements * 4 == row->size);
			CHECK(tail->read(tail->self, (size_t) at, numbers, NULL) == SP_OK);
			CHECK(bundle_masked(numbers, (size_t) row->size) == row->crc);
		}
		if (at >= 0 || row->fill == 1)
			write_at(f, row->offset, numbers, (size_t) row->size);
		free(numbers);
	}
	CHECK(fclose(f) == 0);
}

/*
 * Does the listing say what row consists of?  It does not mark the bias of a
 * layer that training never touched, which is zero, too; the checksum does.
 */
static bool
is_known(const Row *row, const SpTensorSource *tail)
{
	static const uint8_t zeros[2048];

	return !isnan(row->fill) || (tail != NULL && find_in_tail(tail, row->name) >= 0) ||
	       (row->size <= (int64_t) sizeof(zeros) &&
	        bundle_masked(zeros, (size_t) row->size) == row->crc);
}

/* How many tensors read; those that do must be the known ones. */
static size_t
read_known(const SpWeights *w, const Listing *list, const SpTensorSource *tail)
{
	const SpTensorSource *source = sp_weights_tensors(w);
	size_t good = 0;

	for (size_t i = 0; i < list->count; i++)
	{
		const Row *row = &list->rows[i];
		ptrdiff_t at = sp_tensor_find(source, row->name);
		bool known = is_known(row, tail);
		float *out;
		SpFault fault;
		SpStatus st;

		if (at < 0)
			continue;
		out = malloc((size_t) source->tensors[at].elements * sizeof(float));
		st = source->read(source->self, (size_t) at, out, &fault);
		CHECK(st == (known ? SP_OK : SP_ERR_BAD_DATA));
		CHECK(known || strstr(fault.detail, row->name) != NULL);
		good += st == SP_OK;
		free(out);
	}
	return good;
}

static void
check_index(const char *index, const char *listing, const SpTensorSource *tail)
{
	static Listing list;
	char folder[64];
	char path[512];
	SpWeights *w = NULL;
	SpFault fault;

	make_folder(folder, sizeof(folder));
	snprintf(path, sizeof(path), "%s/%s", shared, listing);
	read_listing(path, &list);
	snprintf(path, sizeof(path), "%s/%s", shared, index);
	copy_file(path, folder, "model.index");
	make_data(folder, &list, tail);
	CHECK(sp_weights_open_path(&check_env, folder, &no_limits, &w, NULL) == SP_OK);
	if (w != NULL)
	{
		compare(w, &list);
		printf("# %s: %zu tensors, %zu of them verified\n", index, list.count,
		       read_known(w, &list, tail));
	}
	sp_weights_free(w);
	/* One byte less than the index needs. */
	snprintf(path, sizeof(path), "%s/model.data-00000-of-00001", folder);
	CHECK(truncate(path, list.total - 1) == 0);
	CHECK_REFUSED(sp_weights_open_path(&check_env, folder, &no_limits, &w, &fault), SP_ERR_BAD_DATA,
	              &fault, "\"global_step\" needs 8 bytes");
	remove_file(folder, "model.index");
	remove_file(folder, "model.data-00000-of-00001");
	CHECK(rmdir(folder) == 0);
}

int
main(void)
{
	const char *root = getenv("SPOTAI_SHARED");
	char path[512];
	SpWeights *tail = NULL;

	snprintf(shared, sizeof(shared), "%s/data/weights", root != NULL ? root : "../shared");
	snprintf(path, sizeof(path), "%s/spleeter_2stems_tfjs/accompaniment_decoder_tail.npz", shared);
	if (access(path, R_OK) != 0)
	{
		printf("# SKIP real indexes and tensors: %s is not there\n", shared);
		return check_report();
	}
	check_index("spleeter_indexes/2stems.model.index", "spleeter_indexes/2stems.txt", NULL);
	check_index("spleeter_indexes/4stems.model.index", "spleeter_indexes/4stems.txt", NULL);
	check_index("spleeter_indexes/5stems.model.index", "spleeter_indexes/5stems.txt", NULL);
	CHECK(sp_weights_open_path(&check_env, path, &no_limits, &tail, NULL) == SP_OK);
	if (tail != NULL)
	{
		const SpTensorSource *arrays = sp_weights_tensors(tail);

		CHECK(arrays->count == 21);
		check_index("spleeter_2stems_tfjs/variables.index",
		            "spleeter_2stems_tfjs/variables_index.txt", arrays);
		check_index("spleeter_2stems_tfjs/model.index", "spleeter_2stems_tfjs/model_index.txt",
		            arrays);
	}
	sp_weights_free(tail);
	return check_report();
}
