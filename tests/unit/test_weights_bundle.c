/*
 * tests/unit/test_weights_bundle.c
 *	  TensorFlow checkpoints in folders: small ones, whole and damaged at every
 *	  byte and every bit.
 */
#include "unit/weights_files.h"

#define INDEX "model.index"
#define DATA  "model.data-00000-of-00001"

static char folder[64];

static float kernel[2 * 3 * 4];
static const float bias[3] = {1, -2, 3};
static const int64_t global_step = 1500000;
static const uint16_t halves[4] = {0x3C00, 0xC000, 0x3555, 0x7BFF};
static const int32_t ints[2] = {-7, 9};
static const double doubles[1] = {0.1};
static const uint16_t brains[2] = {0x3F80, 0xC0A0};

static const BundleTensor tensors[] = {
	{"bf16", BUNDLE_BFLOAT16, 1, {2}, brains, sizeof(brains)},
	{"conv2d/bias", BUNDLE_FLOAT, 1, {3}, bias, sizeof(bias)},
	{"conv2d/kernel", BUNDLE_FLOAT, 3, {2, 3, 4}, kernel, sizeof(kernel)},
	{"conv2d_1/kernel", BUNDLE_FLOAT, 3, {4, 3, 2}, kernel, sizeof(kernel)},
	{"doubles", BUNDLE_DOUBLE, 0, {0}, doubles, sizeof(doubles)},
	{"global_step", BUNDLE_INT64, 0, {0}, &global_step, sizeof(global_step)},
	{"halves", BUNDLE_HALF, 2, {2, 2}, halves, sizeof(halves)},
	{"ints", BUNDLE_INT32, 1, {2}, ints, sizeof(ints)},
	{"text", BUNDLE_STRING, 0, {0}, "\x02hi", 3},
	{"z", BUNDLE_FLOAT, 1, {1}, bias, sizeof(float)},
};
#define TENSORS (sizeof(tensors) / sizeof(tensors[0]))

static SpStatus
try_folder(SpFault *fault)
{
	SpWeights *w = NULL;
	SpStatus st;

	memset(fault, 0, sizeof(*fault));
	st = sp_weights_open_path(&check_env, folder, &no_limits, &w, fault);
	if (st == SP_OK)
		st = read_all(w, fault);
	sp_weights_free(w);
	return st;
}

static SpStatus
try_pair(const Bytes *index, const Bytes *data, SpFault *fault)
{
	write_file(folder, INDEX, index->p, index->n);
	write_file(folder, DATA, data->p, data->n);
	return try_folder(fault);
}

static void
check_numbers(const SpTensorSource *source)
{
	float out[24];
	ptrdiff_t i = sp_tensor_find(source, "conv2d_1/kernel");

	CHECK(source->count == TENSORS - 1 && sp_tensor_find(source, "text") == -1);
	CHECK(i >= 0 && source->tensors[i].rank == 3 && source->tensors[i].elements == 24);
	CHECK(source->tensors[i].shape[0] == 4 && source->tensors[i].shape[2] == 2);
	CHECK(source->read(source->self, (size_t) i, out, NULL) == SP_OK);
	CHECK(memcmp(out, kernel, sizeof(kernel)) == 0);
	i = sp_tensor_find(source, "global_step");
	CHECK(i >= 0 && source->tensors[i].dtype == SP_DTYPE_I64 && source->tensors[i].rank == 0);
	CHECK(source->tensors[i].elements == 1);
	CHECK(source->read(source->self, (size_t) i, out, NULL) == SP_OK && out[0] == 1500000.0f);
	i = sp_tensor_find(source, "halves");
	CHECK(source->read(source->self, (size_t) i, out, NULL) == SP_OK);
	CHECK(out[0] == 1.0f && out[1] == -2.0f && out[3] == 65504.0f);
	i = sp_tensor_find(source, "bf16");
	CHECK(source->read(source->self, (size_t) i, out, NULL) == SP_OK);
	CHECK(out[0] == 1.0f && out[1] == -5.0f);
	i = sp_tensor_find(source, "ints");
	CHECK(source->read(source->self, (size_t) i, out, NULL) == SP_OK && out[0] == -7);
	i = sp_tensor_find(source, "doubles");
	CHECK(source->read(source->self, (size_t) i, out, NULL) == SP_OK && out[0] == 0.1f);
}

static void
check_whole(int shards)
{
	Bytes index = {0};
	Bytes data[3] = {{0}};
	SpWeights *w = NULL;
	char name[64];

	bundle_make(tensors, TENSORS, shards, &index, data);
	write_file(folder, INDEX, index.p, index.n);
	for (int k = 0; k < shards; k++)
	{
		snprintf(name, sizeof(name), "model.data-%05d-of-%05d", k, shards);
		write_file(folder, name, data[k].p, data[k].n);
	}
	CHECK(sp_weights_open_path(&check_env, folder, &no_limits, &w, NULL) == SP_OK);
	CHECK(strcmp(sp_weights_format(w), "tensorflow") == 0);
	CHECK(sp_weights_metadata(w, "x") == NULL);
	CHECK(sp_spool_size(sp_weights_payload(w)) == (int64_t) data[0].n);
	/* Everything is open already: the folder may go. */
	for (int k = 0; k < shards; k++)
	{
		snprintf(name, sizeof(name), "model.data-%05d-of-%05d", k, shards);
		remove_file(folder, name);
		bytes_free(&data[k]);
	}
	check_numbers(sp_weights_tensors(w));
	sp_weights_free(w);
	bytes_free(&index);
}

/* The first of tensors that does not fit into n bytes. */
static const char *
first_beyond(size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < TENSORS; i++)
	{
		at += tensors[i].n;
		if (at > n && tensors[i].dtype != BUNDLE_STRING)
			return tensors[i].name;
	}
	return NULL;
}

/* Cut after every byte, with every bit flipped. */
static void
check_damage(void)
{
	Bytes index = {0}, data = {0};
	SpFault fault;

	bundle_make(tensors, TENSORS, 1, &index, &data);
	CHECK(try_pair(&index, &data, &fault) == SP_OK);
	for (size_t n = 0; n < index.n; n++)
	{
		Bytes cut = {index.p, n, 0};

		CHECK_REFUSED(try_pair(&cut, &data, &fault), SP_ERR_BAD_DATA, &fault, "index");
	}
	for (size_t n = 0; n < data.n; n++)
	{
		Bytes cut = {data.p, n, 0};

		CHECK_REFUSED(try_pair(&index, &cut, &fault), SP_ERR_BAD_DATA, &fault, first_beyond(n));
	}
	for (size_t bit = 0; bit < 8 * index.n; bit++)
	{
		index.p[bit / 8] ^= (uint8_t) (1 << bit % 8);
		CHECK_REFUSED(try_pair(&index, &data, &fault), SP_ERR_BAD_DATA, &fault, "index");
		index.p[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * data.n; bit++)
	{
		const char *name = first_beyond(bit / 8);
		char words[80];

		/* What lies in the text, nobody reads. */
		if (bit / 8 >= data.n - sizeof(float) - 3 && bit / 8 < data.n - sizeof(float))
			continue;
		snprintf(words, sizeof(words), "Tensor \"%s\" fails its checksum.", name);
		data.p[bit / 8] ^= (uint8_t) (1 << bit % 8);
		CHECK_REFUSED(try_pair(&index, &data, &fault), SP_ERR_BAD_DATA, &fault, words);
		data.p[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	bytes_free(&index);
	bytes_free(&data);
}

/* One tensor of this entry, behind a header; data has 24 bytes. */
static SpStatus
try_entry(const BundleTensor *t, int shard, uint64_t offset, uint64_t size, SpFault *fault)
{
	static uint8_t zeros[24];
	Bytes index = {0}, data = {zeros, sizeof(zeros), 0};
	BundleRow rows[2];
	SpStatus st;

	bundle_row(&rows[0], "");
	bundle_header(&rows[0].value, 1);
	bundle_row(&rows[1], t->name);
	bundle_entry(&rows[1].value, t, shard, offset, size, bundle_masked(zeros, 24));
	bundle_table(&index, rows, 2, 8, 0);
	st = try_pair(&index, &data, fault);
	bundle_rows_free(rows, 2);
	bytes_free(&index);
	return st;
}

static void
check_lies(void)
{
	BundleTensor t = {.name = "t", .dtype = BUNDLE_FLOAT, .rank = 2, .shape = {2, 3}};
	SpFault fault;

	CHECK(try_entry(&t, 0, 0, 24, &fault) == SP_OK);
	CHECK_REFUSED(try_entry(&t, 0, 4, 24, &fault), SP_ERR_BAD_DATA, &fault, "\"t\" needs 24");
	CHECK_REFUSED(try_entry(&t, 0, INT64_MAX, 24, &fault), SP_ERR_BAD_DATA, &fault, "\"t\" needs");
	CHECK_REFUSED(try_entry(&t, 0, UINT64_MAX, 24, &fault), SP_ERR_BAD_DATA, &fault, "\"t\"");
	CHECK_REFUSED(try_entry(&t, 0, 0, 20, &fault), SP_ERR_BAD_DATA, &fault, "but 20 bytes");
	CHECK_REFUSED(try_entry(&t, 0, 0, UINT64_MAX, &fault), SP_ERR_BAD_DATA, &fault, "\"t\"");
	CHECK_REFUSED(try_entry(&t, 1, 0, 24, &fault), SP_ERR_BAD_DATA, &fault, "\"t\"");
	CHECK_REFUSED(try_entry(&t, -1, 0, 24, &fault), SP_ERR_BAD_DATA, &fault, "\"t\"");
	t.shape[0] = -2;
	CHECK_REFUSED(try_entry(&t, 0, 0, 24, &fault), SP_ERR_BAD_DATA, &fault, "dimension of -2");
	t.shape[0] = 0;
	CHECK_REFUSED(try_entry(&t, 0, 0, 0, &fault), SP_ERR_BAD_DATA, &fault, "dimension of 0");
	t.shape[0] = INT64_MAX;
	CHECK_REFUSED(try_entry(&t, 0, 0, 24, &fault), SP_ERR_BAD_DATA, &fault, "overflows");
	t.shape[0] = INT64_MAX / 4;
	t.shape[1] = 1;
	CHECK_REFUSED(try_entry(&t, 0, 0, 24, &fault), SP_ERR_BAD_DATA, &fault, "\"t\"");
	/* 2^62 elements of four bytes: 2^64, which is 0. */
	t.shape[0] = INT64_C(1) << 62;
	CHECK_REFUSED(try_entry(&t, 0, 0, 0, &fault), SP_ERR_BAD_DATA, &fault, "\"t\"");
	t.rank = 8;
	for (int i = 0; i < 8; i++)
		t.shape[i] = 1;
	t.shape[5] = 6;
	CHECK(try_entry(&t, 0, 0, 24, &fault) == SP_OK);
	t.dtype = 10; /* bool */
	CHECK_REFUSED(try_entry(&t, 0, 0, 6, &fault), SP_ERR_UNSUPPORTED, &fault, "\"t\"");
	t.dtype = BUNDLE_FLOAT;
	t.name = "bad\nname";
	CHECK_REFUSED(try_entry(&t, 0, 0, 24, &fault), SP_ERR_BAD_DATA, &fault, "control");
	t.name = "bad\xFF";
	CHECK_REFUSED(try_entry(&t, 0, 0, 24, &fault), SP_ERR_BAD_DATA, &fault, "UTF-8");
	t.name = "gr\xC3\xBC\xC3\x9F/\xF0\x9F\x8E\xB5";
	CHECK(try_entry(&t, 0, 0, 24, &fault) == SP_OK);
}

/* Rows as given: the table is right, its meaning is not. */
static SpStatus
try_rows(BundleRow *rows, size_t n, int type, SpFault *fault)
{
	static uint8_t zeros[24];
	Bytes index = {0}, data = {zeros, sizeof(zeros), 0};
	SpStatus st;

	bundle_table(&index, rows, n, 8, type);
	st = try_pair(&index, &data, fault);
	bytes_free(&index);
	return st;
}

static void
check_rows(void)
{
	BundleTensor t = {.name = "t", .dtype = BUNDLE_FLOAT, .rank = 1, .shape = {6}};
	BundleTensor nine = {.name = "t", .dtype = BUNDLE_FLOAT, .rank = 8};
	BundleRow rows[3];
	SpFault fault;

	bundle_row(&rows[0], "");
	bundle_header(&rows[0].value, 1);
	for (int i = 1; i < 3; i++)
	{
		bundle_row(&rows[i], "t");
		bundle_entry(&rows[i].value, &t, 0, 0, 24, 0);
	}
	CHECK_REFUSED(try_rows(rows, 3, 0, &fault), SP_ERR_BAD_DATA, &fault, "twice");
	CHECK_REFUSED(try_rows(rows, 2, 1, &fault), SP_ERR_UNSUPPORTED, &fault, "compressed");
	CHECK_REFUSED(try_rows(rows + 1, 1, 0, &fault), SP_ERR_BAD_DATA, &fault, "header");
	CHECK_REFUSED(try_rows(rows, 1, 0, &fault), SP_ERR_BAD_DATA, &fault, "no tensor");
	CHECK_REFUSED(try_rows(rows, 0, 0, &fault), SP_ERR_BAD_DATA, &fault, "header");
	/* a slice's key, and an entry that has slices */
	rows[2].key[0] = '\0';
	CHECK_REFUSED(try_rows(rows, 1, 0, &fault), SP_ERR_BAD_DATA, &fault, "no tensor");
	rows[1].key[0] = '\0';
	CHECK_REFUSED(try_rows(rows, 2, 0, &fault), SP_ERR_UNSUPPORTED, &fault, "slices");
	rows[1].key[0] = 't';
	bytes_add(&rows[1].value, "\x3a\x00", 2);
	CHECK_REFUSED(try_rows(rows, 2, 0, &fault), SP_ERR_UNSUPPORTED, &fault, "slices");
	/* half of a field */
	rows[1].value.n--;
	CHECK_REFUSED(try_rows(rows, 2, 0, &fault), SP_ERR_BAD_DATA, &fault, "\"t\" is damaged");
	/* nine dimensions */
	rows[1].value.n = 0;
	for (int i = 0; i < 8; i++)
		nine.shape[i] = 1;
	bytes_add(&rows[1].value, "\x12\x04\x12\x02\x08\x01", 6);
	bundle_entry(&rows[1].value, &nine, 0, 0, 24, 0);
	CHECK_REFUSED(try_rows(rows, 2, 0, &fault), SP_ERR_UNSUPPORTED, &fault, "8 dimensions");
	/* a shape that says that it is unknown */
	rows[1].value.n = 0;
	bytes_add(&rows[1].value, "\x08\x01\x12\x02\x18\x01\x28\x04", 8);
	CHECK_REFUSED(try_rows(rows, 2, 0, &fault), SP_ERR_BAD_DATA, &fault, "\"t\" is damaged");
	/* headers: no data files, too many, big-endian, of the future */
	rows[0].value.n = 0;
	bundle_header(&rows[0].value, 0);
	CHECK_REFUSED(try_rows(rows, 2, 0, &fault), SP_ERR_BAD_DATA, &fault, "header");
	rows[0].value.n = 0;
	bundle_header(&rows[0].value, 65);
	CHECK_REFUSED(try_rows(rows, 2, 0, &fault), SP_ERR_TOO_LARGE, &fault, "65 data files");
	rows[0].value.n = 0;
	bundle_header(&rows[0].value, 2);
	CHECK_REFUSED(try_rows(rows, 2, 0, &fault), SP_ERR_BAD_DATA, &fault, "-of-00002\" is missing");
	rows[0].value.n = 0;
	bytes_add(&rows[0].value, "\x08\x01\x10\x01", 4);
	CHECK_REFUSED(try_rows(rows, 2, 0, &fault), SP_ERR_UNSUPPORTED, &fault, "big-endian");
	rows[0].value.n = 0;
	bytes_add(&rows[0].value, "\x08\x01\x1a\x02\x10\x02", 6);
	CHECK_REFUSED(try_rows(rows, 2, 0, &fault), SP_ERR_UNSUPPORTED, &fault, "later version");
	bundle_rows_free(rows, 3);
}

static void
check_numbers_refused(void)
{
	static const uint32_t bad[] = {0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001};
	float x[2] = {1, 0};
	BundleTensor t = {"conv2d_3/kernel", BUNDLE_FLOAT, 1, {2}, x, sizeof(x)};
	SpFault fault;

	for (size_t i = 0; i < 4; i++)
	{
		Bytes index = {0}, data = {0};

		memcpy(&x[1], &bad[i], 4);
		bundle_make(&t, 1, 1, &index, &data);
		CHECK_REFUSED(try_pair(&index, &data, &fault), SP_ERR_BAD_DATA, &fault,
		              "\"conv2d_3/kernel\" holds a number that is not finite");
		bytes_free(&index);
		bytes_free(&data);
	}
}

/* Two checkpoints in a folder, and what `checkpoint` says. */
static void
check_choice(void)
{
	Bytes index = {0}, data = {0};
	static const char path[] = "model_checkpoint_path: \"/train/other\"\n"
							   "all_model_checkpoint_paths: \"model\"\n";
	static const char gone[] = "model_checkpoint_path: \"gone\"";
	SpFault fault;

	bundle_make(tensors, TENSORS, 1, &index, &data);
	CHECK(try_pair(&index, &data, &fault) == SP_OK);
	write_file(folder, "other.index", index.p, index.n);
	write_file(folder, "._other.index", "resource fork", 13);
	CHECK_REFUSED(try_folder(&fault), SP_ERR_BAD_DATA, &fault, "2 checkpoints");
	write_file(folder, "checkpoint", gone, sizeof(gone) - 1);
	CHECK_REFUSED(try_folder(&fault), SP_ERR_BAD_DATA, &fault, "2 checkpoints");
	write_file(folder, "checkpoint", path, sizeof(path) - 1);
	CHECK_REFUSED(try_folder(&fault), SP_ERR_BAD_DATA, &fault, "\"other.data-00000-of-00001\"");
	write_file(folder, "other.data-00000-of-00001", data.p, data.n);
	CHECK(try_folder(&fault) == SP_OK);
	write_file(folder, "checkpoint", "", 0);
	CHECK_REFUSED(try_folder(&fault), SP_ERR_BAD_DATA, &fault, "2 checkpoints");
	remove_file(folder, "checkpoint");
	remove_file(folder, "other.index");
	remove_file(folder, "._other.index");
	remove_file(folder, "other.data-00000-of-00001");
	CHECK(try_folder(&fault) == SP_OK);
	remove_file(folder, INDEX);
	CHECK_REFUSED(try_folder(&fault), SP_ERR_UNSUPPORTED, &fault, "no checkpoint");
	/* The index alone is recognised, and says what is missing. */
	CHECK_REFUSED(try_bytes(index.p, index.n, &no_limits, &fault), SP_ERR_UNSUPPORTED, &fault,
	              "without its data");
	bytes_free(&index);
	bytes_free(&data);
}

static void
check_limits(void)
{
	Bytes index = {0}, data = {0};
	SpWeightsLimits limits = no_limits;
	SpWeights *w = NULL;
	SpFault fault;

	bundle_make(tensors, TENSORS, 1, &index, &data);
	CHECK(try_pair(&index, &data, &fault) == SP_OK);
	limits.max_bytes = (int64_t) (index.n + data.n);
	limits.max_tensors = TENSORS - 1;
	CHECK(sp_weights_open_path(&check_env, folder, &limits, &w, NULL) == SP_OK);
	sp_weights_free(w);
	limits.max_bytes--;
	CHECK_REFUSED(sp_weights_open_path(&check_env, folder, &limits, &w, &fault), SP_ERR_TOO_LARGE,
	              &fault, "more than");
	CHECK(w == NULL);
	limits.max_bytes = (int64_t) index.n - 1;
	CHECK(sp_weights_open_path(&check_env, folder, &limits, &w, NULL) == SP_ERR_TOO_LARGE);
	limits.max_bytes = 0;
	limits.max_tensors--;
	CHECK(sp_weights_open_path(&check_env, folder, &limits, &w, NULL) == SP_ERR_TOO_LARGE);
	bytes_free(&index);
	bytes_free(&data);
}

/* A pipe that nobody writes to, a folder: refused, without waiting. */
static void
check_no_files(void)
{
	char path[128];
	SpWeights *w = NULL;
	SpFault fault;

	snprintf(path, sizeof(path), "%s/pipe", folder);
	CHECK(mkfifo(path, 0600) == 0);
	CHECK_REFUSED(sp_weights_open_path(&check_env, path, &no_limits, &w, &fault),
	              SP_ERR_UNSUPPORTED, &fault, "not a regular file");
	remove_file(folder, "pipe");
	snprintf(path, sizeof(path), "%s/nothing", folder);
	errno = 0;
	CHECK_REFUSED(sp_weights_open_path(&check_env, path, &no_limits, &w, &fault), SP_ERR_IO, &fault,
	              "No such file");
	CHECK(errno == ENOENT);
	snprintf(path, sizeof(path), "%s/" INDEX, folder);
	unlink(path);
	CHECK(mkdir(path, 0700) == 0);
	CHECK_REFUSED(sp_weights_open_path(&check_env, folder, &no_limits, &w, &fault),
	              SP_ERR_UNSUPPORTED, &fault, "not a regular file");
	rmdir(path);
}

/* No memory at each allocation in turn, a stop at each poll. */
static void
check_failures_of_host(void)
{
	Bytes index = {0}, data = {0};
	SpFault fault;
	SpStatus st;
	long n = 0;

	bundle_make(tensors, TENSORS, 1, &index, &data);
	CHECK(try_pair(&index, &data, &fault) == SP_OK);
	do
	{
		check_allocs_left = n++;
		st = try_folder(&fault);
		CHECK(st == SP_OK || st == SP_ERR_NO_MEMORY);
	} while (st != SP_OK && n < 1000);
	CHECK(n > 10 && n < 1000);
	check_allocs_left = -1;
	n = 0;
	do
	{
		check_polls_left = n++;
		st = try_folder(&fault);
		CHECK(st == SP_OK || st == SP_ERR_CANCELED);
	} while (st != SP_OK && n < 1000);
	CHECK(n > (long) TENSORS && n < 1000);
	check_polls_left = -1;
	bytes_free(&index);
	bytes_free(&data);
}

int
main(void)
{
	for (size_t i = 0; i < 24; i++)
		kernel[i] = check_noise();
	make_folder(folder, sizeof(folder));
	check_whole(1);
	check_whole(3);
	check_damage();
	check_lies();
	check_rows();
	check_numbers_refused();
	check_choice();
	check_limits();
	check_no_files();
	remove_file(folder, INDEX);
	remove_file(folder, DATA);
	check_failures_of_host();
	remove_file(folder, INDEX);
	remove_file(folder, DATA);
	CHECK(rmdir(folder) == 0);
	return check_report();
}
