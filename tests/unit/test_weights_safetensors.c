/*
 * tests/unit/test_weights_safetensors.c
 *	  safetensors: round trips, files written by hand from the format's
 *	  description, and every way to be wrong.
 */
#include "unit/weights_files.h"

#include <jansson.h>

/* Length, header, data. */
static void
make_file(Bytes *out, const char *header, const void *data, size_t n)
{
	out->n = 0;
	bytes_number(out, strlen(header), 8);
	bytes_add(out, header, strlen(header));
	bytes_add(out, data, n);
}

static SpStatus
try_header(const char *header, size_t n, SpFault *fault)
{
	static const uint8_t zeros[64];
	Bytes file = {0};
	SpStatus st;

	make_file(&file, header, zeros, n);
	st = try_bytes(file.p, file.n, &no_limits, fault);
	bytes_free(&file);
	return st;
}

#define T(name, shape, offsets) \
	"\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void
check_by_hand(void)
{
	static const uint8_t data[] = {0,    0,    0x80, 0x3F, 0, 0, 0, 0xC0, 0,    0,
	                               0x40, 0x40, 0x80, 0x3F, 1, 0, 0, 0,    0xFF, 0xFF};
	/* Not in the order of names, with metadata and padding, as others write it. */
	const char *header = "{\"__metadata__\":{\"format\":\"pt\",\"licence\":\"MIT\"},"
						 "\"z\":{\"dtype\":\"F32\",\"shape\":[3,1],\"data_offsets\":[0,12]},"
						 "\"b\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[12,14]},"
						 "\"a\":{\"shape\":[],\"dtype\":\"I32\",\"data_offsets\":[14,18]}}   ";
	Bytes file = {0};
	SpSpool *spool = NULL;
	SpWeights *w = NULL;
	const SpTensorSource *source;
	float out[3];

	make_file(&file, header, data, 18);
	CHECK(sp_spool_new_memory(&check_env, file.p, file.n, &spool) == SP_OK);
	CHECK(sp_weights_open_spool(&check_env, spool, &no_limits, &w, NULL) == SP_OK);
	CHECK(strcmp(sp_weights_format(w), "safetensors") == 0 && sp_weights_payload(w) == spool);
	CHECK(strcmp(sp_weights_metadata(w, "licence"), "MIT") == 0);
	CHECK(sp_weights_metadata(w, "nothing") == NULL);
	source = sp_weights_tensors(w);
	CHECK(source->count == 3 && strcmp(source->tensors[0].name, "a") == 0);
	CHECK(source->tensors[0].rank == 0 && source->tensors[0].dtype == SP_DTYPE_I32);
	CHECK(source->tensors[2].rank == 2 && source->tensors[2].shape[0] == 3);
	CHECK(source->read(source->self, 0, out, NULL) == SP_OK && out[0] == 1);
	CHECK(source->read(source->self, 1, out, NULL) == SP_OK && out[0] == 1);
	CHECK(source->read(source->self, 2, out, NULL) == SP_OK && out[0] == 1 && out[1] == -2 &&
	      out[2] == 3);
	sp_weights_free(w);
	sp_spool_free(spool);
	bytes_free(&file);
}

static void
check_wrong_headers(void)
{
	SpFault fault;
	char huge[200];

	CHECK(try_header("{" T("a", "[2]", "[0,8]") "," T("b", "[1]", "[8,12]") "}", 12, &fault) ==
	      SP_OK);
	CHECK_REFUSED(
		try_header("{" T("a", "[2]", "[0,8]") "," T("b", "[1]", "[12,16]") "}", 16, &fault),
		SP_ERR_BAD_DATA, &fault, "gap");
	CHECK_REFUSED(try_header("{" T("a", "[2]", "[4,12]") "}", 12, &fault), SP_ERR_BAD_DATA, &fault,
	              "gap");
	CHECK_REFUSED(try_header("{" T("a", "[2]", "[0,8]") "," T("b", "[1]", "[4,8]") "}", 8, &fault),
	              SP_ERR_BAD_DATA, &fault, "inside");
	CHECK_REFUSED(try_header("{" T("a", "[2]", "[0,8]") "," T("b", "[2]", "[0,8]") "}", 8, &fault),
	              SP_ERR_BAD_DATA, &fault, "inside");
	CHECK_REFUSED(try_header("{" T("a", "[2]", "[0,8]") "}", 9, &fault), SP_ERR_BAD_DATA, &fault,
	              "1 bytes more");
	CHECK_REFUSED(try_header("{" T("a", "[2]", "[0,8]") "}", 7, &fault), SP_ERR_BAD_DATA, &fault,
	              "\"a\" needs 8 bytes");
	CHECK_REFUSED(
		try_header("{" T("a", "[2]", "[0,8]") "," T("a", "[1]", "[8,12]") "}", 12, &fault),
		SP_ERR_BAD_DATA, &fault, "duplicate");
	CHECK_REFUSED(try_header("{" T("a", "[-2]", "[0,8]") "}", 8, &fault), SP_ERR_BAD_DATA, &fault,
	              "dimension of -2");
	CHECK_REFUSED(try_header("{" T("a", "[0]", "[0,0]") "}", 0, &fault), SP_ERR_BAD_DATA, &fault,
	              "dimension of 0");
	CHECK_REFUSED(try_header("{" T("a", "[4294967296,4294967296]", "[0,8]") "}", 8, &fault),
	              SP_ERR_BAD_DATA, &fault, "overflows");
	CHECK_REFUSED(try_header("{" T("a", "[4611686018427387904]", "[0,0]") "}", 0, &fault),
	              SP_ERR_BAD_DATA, &fault, "\"a\"");
	CHECK_REFUSED(try_header("{" T("a", "[99999999999999999999]", "[0,8]") "}", 8, &fault),
	              SP_ERR_BAD_DATA, &fault, "JSON");
	CHECK_REFUSED(try_header("{" T("a", "[2]", "[8,0]") "}", 8, &fault), SP_ERR_BAD_DATA, &fault,
	              "data_offsets");
	CHECK_REFUSED(try_header("{" T("a", "[2]", "[-8,0]") "}", 8, &fault), SP_ERR_BAD_DATA, &fault,
	              "data_offsets");
	CHECK_REFUSED(
		try_header("{" T("a", "[2]", "[9223372036854775800,9223372036854775807]") "}", 8, &fault),
		SP_ERR_BAD_DATA, &fault, "data_offsets");
	CHECK_REFUSED(try_header("{" T("a", "[2]", "[0,8,9]") "}", 8, &fault), SP_ERR_BAD_DATA, &fault,
	              "data_offsets");
	CHECK_REFUSED(try_header("{" T("a", "[2]", "{\"0\":1}") "}", 8, &fault), SP_ERR_BAD_DATA,
	              &fault, "data_offsets");
	CHECK_REFUSED(try_header("{" T("a", "[2.0]", "[0,8]") "}", 8, &fault), SP_ERR_BAD_DATA, &fault,
	              "shape");
	CHECK_REFUSED(try_header("{" T("a", "[1,1,1,1,1,1,1,1,2]", "[0,8]") "}", 8, &fault),
	              SP_ERR_BAD_DATA, &fault, "shape");
	CHECK_REFUSED(try_header("{" T("", "[2]", "[0,8]") "}", 8, &fault), SP_ERR_BAD_DATA, &fault,
	              "empty");
	CHECK_REFUSED(try_header("{" T("a\\u0000b", "[2]", "[0,8]") "}", 8, &fault), SP_ERR_BAD_DATA,
	              &fault, "JSON");
	CHECK_REFUSED(try_header("{" T("a\\u0007b", "[2]", "[0,8]") "}", 8, &fault), SP_ERR_BAD_DATA,
	              &fault, "control");
	CHECK_REFUSED(try_header("{\"a\":3}", 0, &fault), SP_ERR_BAD_DATA, &fault, "\"a\"");
	CHECK_REFUSED(try_header("{\"a\":{}}", 0, &fault), SP_ERR_BAD_DATA, &fault, "\"a\"");
	CHECK_REFUSED(
		try_header("{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}", 8, &fault),
		SP_ERR_UNSUPPORTED, &fault, "U8");
	CHECK_REFUSED(try_header("{\"__metadata__\":{\"a\":1}}", 0, &fault), SP_ERR_BAD_DATA, &fault,
	              "strings");
	CHECK_REFUSED(try_header("{\"__metadata__\":[]}", 0, &fault), SP_ERR_BAD_DATA, &fault,
	              "__metadata__");
	CHECK_REFUSED(try_header("{}", 0, &fault), SP_ERR_BAD_DATA, &fault, "no tensor");
	CHECK_REFUSED(try_header("{\"a\"", 0, &fault), SP_ERR_BAD_DATA, &fault, "JSON");
	CHECK_REFUSED(try_header("{} x", 0, &fault), SP_ERR_BAD_DATA, &fault, "JSON");
	CHECK_REFUSED(try_header("[]", 0, &fault), SP_ERR_UNSUPPORTED, &fault, "no format");
	memset(huge, 'n', sizeof(huge));
	memcpy(huge, "{\"", 2);
	memcpy(huge + 150, "\":1}", 5);
	/* A long name is cut where it is shown, not where it is compared. */
	CHECK_REFUSED(try_header(huge, 0, &fault), SP_ERR_BAD_DATA, &fault, "nnnn\"");
}

/* Lengths that the file does not have; more than any header needs. */
static void
check_lengths(void)
{
	static const uint64_t lengths[] = {UINT64_C(1) << 60, UINT64_MAX, INT64_MAX, 1000, 0};
	Bytes file = {0};
	SpFault fault;

	for (size_t i = 0; i < 5; i++)
	{
		file.n = 0;
		bytes_number(&file, lengths[i], 8);
		bytes_add(&file, "{}", 2);
		CHECK_REFUSED(try_bytes(file.p, file.n, &no_limits, &fault), SP_ERR_BAD_DATA, &fault,
		              lengths[i] == 0 ? "JSON" : "claims");
	}
	file.n = 0;
	bytes_number(&file, (2 << 20) + 1, 8);
	bytes_number(&file, '{', 1);
	for (int i = 0; i < 2 << 20; i++)
		bytes_number(&file, ' ', 1);
	CHECK_REFUSED(try_bytes(file.p, file.n, &no_limits, &fault), SP_ERR_TOO_LARGE, &fault,
	              "header has");
	bytes_free(&file);
}

static float numbers[40000];
static const SpTensorInfo infos[] = {
	{"a/big", SP_DTYPE_F32, 2, {200, 175}, 35000},
	{"b \"quoted\" gr\xC3\xBC\xC3\x9F", SP_DTYPE_F32, 1, {7}, 7},
	{"c", SP_DTYPE_I64, 0, {0}, 1},
};

static SpStatus
read_numbers(void *self, size_t i, float *out, SpFault *fault)
{
	const SpTensorInfo *described = self;

	(void) fault;
	memcpy(out, numbers + i, (size_t) described[i].elements * sizeof(float));
	return SP_OK;
}

static const SpTensorSource numbers_source = {3, infos, read_numbers, (void *) infos};
static const char *const metadata[] = {"name", "spleeter \"4\"", "licence", "MIT", NULL};

/* Write, read, and write again: the same bytes. */
static void
check_round_trip(SpDtype dtype)
{
	SpSpool *first = NULL, *second = NULL;
	SpWeights *w = NULL;
	float *out = malloc(35000 * sizeof(float));
	const SpTensorSource *source;
	uint8_t a[512], b[512];
	size_t got;

	CHECK(sp_spool_new_file(&check_env, "/tmp", 0, &first, NULL) == SP_OK);
	CHECK(sp_spool_new_file(&check_env, "/tmp", 0, &second, NULL) == SP_OK);
	CHECK(sp_safetensors_write(&check_env, first, &numbers_source, dtype, metadata, NULL) == SP_OK);
	CHECK(sp_spool_read(first, 0, a, 8, &got) == SP_OK && a[0] % 8 == 0);
	CHECK(sp_weights_open_spool(&check_env, first, &no_limits, &w, NULL) == SP_OK);
	CHECK(strcmp(sp_weights_metadata(w, "name"), metadata[1]) == 0);
	source = sp_weights_tensors(w);
	CHECK(source->count == 3);
	for (size_t i = 0; i < 3; i++)
	{
		CHECK(strcmp(source->tensors[i].name, infos[i].name) == 0);
		CHECK(source->tensors[i].dtype == dtype && source->tensors[i].rank == infos[i].rank);
		CHECK(source->read(source->self, i, out, NULL) == SP_OK);
		/* bf16 keeps 8 bits, f16 11: half of the last one is lost. */
		for (int64_t k = 0; k < infos[i].elements; k++)
			CHECK_NEAR(out[k], numbers[(int64_t) i + k],
			           dtype == SP_DTYPE_F32    ? 0
			           : dtype == SP_DTYPE_BF16 ? 0x1p-9
			                                    : 0x1p-12);
	}
	CHECK(sp_safetensors_write(&check_env, second, source, dtype, metadata, NULL) == SP_OK);
	CHECK(sp_spool_size(first) == sp_spool_size(second));
	for (int64_t at = 0; at < sp_spool_size(first); at += 512)
	{
		CHECK(sp_spool_read(first, at, a, 512, &got) == SP_OK);
		CHECK(sp_spool_read(second, at, b, 512, &got) == SP_OK && memcmp(a, b, got) == 0);
	}
	sp_weights_free(w);
	sp_spool_free(first);
	sp_spool_free(second);
	free(out);
}

/* A small file, written by us, cut after every byte; and with a NaN in it. */
static void
check_damage(void)
{
	static const SpTensorInfo small = {"t", SP_DTYPE_F32, 1, {3}, 3};
	const SpTensorSource source = {1, &small, read_numbers, (void *) &small};
	SpSpool *spool = NULL;
	SpFault fault;
	uint8_t bytes[256];
	size_t n;

	CHECK(sp_spool_new_file(&check_env, "/tmp", 0, &spool, NULL) == SP_OK);
	CHECK(sp_safetensors_write(&check_env, spool, &source, SP_DTYPE_F32, metadata, NULL) == SP_OK);
	CHECK(sp_spool_read(spool, 0, bytes, sizeof(bytes), &n) == SP_OK && n < sizeof(bytes));
	CHECK(try_bytes(bytes, n, &no_limits, &fault) == SP_OK);
	for (size_t cut = 0; cut < n; cut++)
		CHECK_REFUSED(try_bytes(bytes, cut, &no_limits, &fault),
		              cut > 8 ? SP_ERR_BAD_DATA : SP_ERR_UNSUPPORTED, &fault, "");
	/* Without a checksum a flip in the numbers goes unseen; none may crash. */
	for (size_t bit = 0; bit < 8 * n; bit++)
	{
		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
		try_bytes(bytes, n, &no_limits, &fault);
		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	memcpy(bytes + n - 4, "\0\0\xC0\x7F", 4);
	CHECK_REFUSED(try_bytes(bytes, n, &no_limits, &fault), SP_ERR_BAD_DATA, &fault,
	              "\"t\" holds a number that is not finite");
	sp_spool_free(spool);
}

static void
check_writer_refuses(void)
{
	SpSpool *spool = NULL;
	SpFault fault;
	float keep = numbers[3];

	CHECK(sp_spool_new_file(&check_env, "/tmp", 0, &spool, NULL) == SP_OK);
	CHECK(sp_safetensors_write(&check_env, spool, &numbers_source, SP_DTYPE_F64, NULL, NULL) ==
	      SP_ERR_BAD_ARG);
	numbers[3] = 70000;
	CHECK_REFUSED(
		sp_safetensors_write(&check_env, spool, &numbers_source, SP_DTYPE_F16, NULL, &fault),
		SP_ERR_TOO_LARGE, &fault, "\"a/big\"");
	sp_spool_free(spool);
	CHECK(sp_spool_new_file(&check_env, "/tmp", 1000, &spool, NULL) == SP_OK);
	CHECK_REFUSED(
		sp_safetensors_write(&check_env, spool, &numbers_source, SP_DTYPE_F32, NULL, &fault),
		SP_ERR_TOO_LARGE, &fault, "1000 bytes");
	sp_spool_free(spool);
	numbers[3] = keep;
}

/* jansson's allocations fail, too: what malloc answers is not ours to choose. */
static void *
json_alloc(size_t n)
{
	return check_alloc(NULL, n);
}

static SpStatus
try_both(SpFault *fault)
{
	SpSpool *spool = NULL;
	SpWeights *w = NULL;
	SpStatus st = sp_spool_new_file(&check_env, "/tmp", 0, &spool, fault);

	if (st == SP_OK)
		st = sp_safetensors_write(&check_env, spool, &numbers_source, SP_DTYPE_BF16, metadata,
		                          fault);
	if (st == SP_OK)
		st = sp_weights_open_spool(&check_env, spool, &no_limits, &w, fault);
	if (st == SP_OK)
		st = read_all(w, fault);
	sp_weights_free(w);
	sp_spool_free(spool);
	return st;
}

/*
 * No memory from the nth allocation on.  Where it is jansson's own, jansson
 * may call the text damaged: `also` is allowed then.
 */
static void
check_allocations(SpStatus also, long at_least)
{
	SpFault fault;
	SpStatus st;
	long n = 0;

	do
	{
		check_allocs_left = n++;
		st = try_both(&fault);
		CHECK(st == SP_OK || st == SP_ERR_NO_MEMORY || st == also);
	} while (st != SP_OK && n < 1000);
	CHECK(n > at_least && n < 1000);
	check_allocs_left = -1;
}

static void
check_failures_of_host(void)
{
	SpFault fault;
	SpStatus st;
	long n = 0;

	check_allocations(SP_OK, 10);
	json_set_alloc_funcs(json_alloc, free);
	check_allocations(SP_ERR_BAD_DATA, 100);
	json_set_alloc_funcs(malloc, free);
	do
	{
		check_polls_left = n++;
		st = try_both(&fault);
		CHECK(st == SP_OK || st == SP_ERR_CANCELED);
	} while (st != SP_OK && n < 1000);
	CHECK(n > 5 && n < 1000);
	check_polls_left = -1;
}

int
main(void)
{
	for (size_t i = 0; i < 40000; i++)
		numbers[i] = check_noise();
	check_by_hand();
	check_wrong_headers();
	check_lengths();
	check_round_trip(SP_DTYPE_F32);
	check_round_trip(SP_DTYPE_BF16);
	check_round_trip(SP_DTYPE_F16);
	check_damage();
	check_writer_refuses();
	check_failures_of_host();
	return check_report();
}
