/*
 * tests/unit/test_weights_npz.c
 *	  NumPy arrays in a zip: headers by hand, from the format's description;
 *	  files cut after every byte, and with every bit flipped.
 */
#include "unit/weights_files.h"

static float kernel[2 * 3 * 4];

/* A .npy file of version 1, 2 or 3 from its dictionary and its numbers. */
static void
make_npy(Bytes *out, int version, const char *dictionary, const void *data, size_t n)
{
	out->n = 0;
	bytes_add(out, "\x93NUMPY", 6);
	bytes_number(out, (uint64_t) version, 1);
	bytes_number(out, 0, 1);
	bytes_number(out, strlen(dictionary), version == 1 ? 2 : 4);
	bytes_add(out, dictionary, strlen(dictionary));
	bytes_add(out, data, n);
}

static SpStatus
try_npy(int version, const char *dictionary, size_t n, SpFault *fault)
{
	static const uint8_t zeros[256];
	Bytes npy = {0}, zip = {0};
	Member member = {.name = "w.npy"};
	SpStatus st;

	make_npy(&npy, version, dictionary, zeros, n);
	member.bytes = npy.p;
	member.n = npy.n;
	pack(&zip, "zip", false, "zip:compression=store", &member, 1);
	st = try_bytes(zip.p, zip.n, &no_limits, fault);
	bytes_free(&npy);
	bytes_free(&zip);
	return st;
}

static void
check_npy_headers(void)
{
	SpFault fault;
	char long_header[70000];

	CHECK(try_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n", 24,
	              &fault) == SP_OK);
	CHECK(try_npy(2, "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }\n", 24, &fault) ==
	      SP_OK);
	CHECK(try_npy(3, "{\"shape\": (3L,), \"descr\": \"<i8\", \"fortran_order\": True}", 24,
	              &fault) == SP_OK);
	CHECK(try_npy(1, "{'descr':'<f2','fortran_order':False,'shape':()}", 2, &fault) == SP_OK);
	CHECK(try_npy(1, "{'descr':'<i4','fortran_order':False,'shape':(1,1,1,1,1,1,1,2)}", 8,
	              &fault) == SP_OK);
#define REFUSED(version, text, n, status, words) \
	CHECK_REFUSED(try_npy(version, text, n, &fault), status, &fault, words)
	REFUSED(1, "{'descr':'<f4','fortran_order':False,'shape':(2,)}", 9, SP_ERR_BAD_DATA, "9 bytes");
	REFUSED(1, "{'descr':'<f4','fortran_order':False,'shape':(2,)}", 7, SP_ERR_BAD_DATA, "7 bytes");
	REFUSED(1, "{'descr':'<f4','fortran_order':False,'shape':(0,)}", 0, SP_ERR_BAD_DATA,
	        "dimension of 0");
	REFUSED(1, "{'descr':'>f4','fortran_order':False,'shape':(2,)}", 8, SP_ERR_UNSUPPORTED,
	        "big-endian");
	REFUSED(1, "{'descr':'|O','fortran_order':False,'shape':(2,)}", 8, SP_ERR_UNSUPPORTED,
	        "\"w\" holds");
	REFUSED(1, "{'descr':'<c8','fortran_order':False,'shape':(1,)}", 8, SP_ERR_UNSUPPORTED, "<c8");
	REFUSED(1, "{'descr':[('a','<f4')],'fortran_order':False,'shape':(2,)}", 8, SP_ERR_BAD_DATA,
	        "no plain array");
	REFUSED(1, "{'descr':'<f4','fortran_order':False,'shape':(-2,)}", 8, SP_ERR_BAD_DATA, "\"w\"");
	REFUSED(1, "{'descr':'<f4','fortran_order':False,'shape':(99999999999999999999,)}", 8,
	        SP_ERR_BAD_DATA, "\"w\"");
	REFUSED(1, "{'descr':'<f4','fortran_order':False,'shape':(4294967296,4294967296)}", 8,
	        SP_ERR_BAD_DATA, "overflows");
	REFUSED(1, "{'descr':'<f4','fortran_order':False,'shape':(1,1,1,1,1,1,1,1,2)}", 8,
	        SP_ERR_BAD_DATA, "no plain array");
	REFUSED(1, "{'descr':'<f4','fortran_order':False,'shape':(2 3)}", 24, SP_ERR_BAD_DATA, "\"w\"");
	REFUSED(1, "{'descr':'<f4','fortran_order':False}", 8, SP_ERR_BAD_DATA, "\"w\"");
	REFUSED(1, "{'descr':'<f4','shape':(2,),'shape':(2,)}", 8, SP_ERR_BAD_DATA, "\"w\"");
	REFUSED(1, "{'descr':'<f4','fortran_order':Maybe,'shape':(2,)}", 8, SP_ERR_BAD_DATA, "\"w\"");
	REFUSED(1, "{'descr':'<f4','fortran_order':False,'shape':(2,),'x':1}", 8, SP_ERR_BAD_DATA,
	        "\"w\"");
	REFUSED(1, "{'descr':'<f4','fortran_order':False,'shape':(2,)} + x", 8, SP_ERR_BAD_DATA,
	        "\"w\"");
	REFUSED(1, "", 8, SP_ERR_BAD_DATA, "\"w\"");
	REFUSED(1, "{'descr", 8, SP_ERR_BAD_DATA, "\"w\"");
	REFUSED(4, "{'descr':'<f4','fortran_order':False,'shape':(2,)}", 8, SP_ERR_BAD_DATA, "begin");
	memset(long_header, ' ', sizeof(long_header));
	long_header[sizeof(long_header) - 1] = '\0';
	REFUSED(2, long_header, 8, SP_ERR_BAD_DATA, "begin");
}

/* Three arrays: by rows, by columns, a half; as numpy.savez writes them. */
static void
make_npz(Bytes *out, const char *options)
{
	Bytes rows = {0}, columns = {0}, half = {0};
	float transposed[24];

	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 3; j++)
			for (int k = 0; k < 4; k++)
				transposed[i + 2 * j + 6 * k] = kernel[12 * i + 4 * j + k];
	make_npy(&rows, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 4), }\n", kernel,
	         sizeof(kernel));
	make_npy(&columns, 1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3, 4), }\n",
	         transposed, sizeof(transposed));
	make_npy(&half, 1, "{'descr': '<f2', 'fortran_order': False, 'shape': (), }\n", "\x00\x3C", 2);
	{
		Member members[] = {{"rows.npy", rows.p, rows.n, 0, NULL},
		                    {"net/columns.npy", columns.p, columns.n, 0, NULL},
		                    {"half.npy", half.p, half.n, 0, NULL}};

		out->n = 0;
		pack(out, "zip", false, options, members, 3);
	}
	bytes_free(&rows);
	bytes_free(&columns);
	bytes_free(&half);
}

/* Is it still what make_npz packed?  What could not be opened is fine, too. */
static SpStatus
compare_npz(const uint8_t *bytes, size_t n, SpFault *fault)
{
	static const char *const names[] = {"half", "net/columns", "rows"};
	SpSpool *spool = NULL;
	SpWeights *w = NULL;
	SpStatus st;

	CHECK(sp_spool_new_memory(&check_env, bytes, n, &spool) == SP_OK);
	st = sp_weights_open_spool(&check_env, spool, &no_limits, &w, fault);
	if (st == SP_OK)
	{
		const SpTensorSource *source = sp_weights_tensors(w);
		float out[24] = {0};

		CHECK(source->count == 3 && strcmp(sp_weights_format(w), "npz") == 0);
		CHECK(sp_weights_payload(w) == spool);
		for (size_t i = 0; i < source->count; i++)
		{
			CHECK(strcmp(source->tensors[i].name, names[i]) == 0);
			CHECK(source->read(source->self, i, out, fault) == SP_OK);
			if (i == 0)
				CHECK(out[0] == 1);
			else
				CHECK(memcmp(out, kernel, sizeof(kernel)) == 0);
		}
	}
	sp_weights_free(w);
	sp_spool_free(spool);
	return st;
}

static void
check_npz(const char *options)
{
	Bytes zip = {0};
	SpFault fault;
	size_t unseen = 0;

	make_npz(&zip, options);
	CHECK(compare_npz(zip.p, zip.n, &fault) == SP_OK);
	for (size_t cut = 0; cut < zip.n; cut++)
	{
		memset(&fault, 0, sizeof(fault));
		CHECK_REFUSED(try_bytes(zip.p, cut, &no_limits, &fault),
		              cut < 4 ? SP_ERR_UNSUPPORTED : SP_ERR_BAD_DATA, &fault, "");
	}
	/* A flip is refused, or concerns dates and rights of files. */
	for (size_t bit = 0; bit < 8 * zip.n; bit++)
	{
		zip.p[bit / 8] ^= (uint8_t) (1 << bit % 8);
		unseen += compare_npz(zip.p, zip.n, &fault) == SP_OK;
		zip.p[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	CHECK(unseen < zip.n * 8 / 3);
	bytes_free(&zip);
}

/* The same member twice, an array and a checkpoint, nothing at all. */
static void
check_npz_contents(void)
{
	Bytes npy = {0}, zip = {0};
	SpFault fault;

	make_npy(&npy, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }\n", kernel, 24);
	{
		Member twice[] = {{"a.npy", npy.p, npy.n, 0, NULL}, {"a.npy", npy.p, npy.n, 0, NULL}};
		Member both[] = {{"a.npy", npy.p, npy.n, 0, NULL}, {"m.index", npy.p, npy.n, 0, NULL}};
		Member neither[] = {{"README", "hello", 5, 0, NULL}};
		Member pickle[] = {{"archive/data.pkl", "hello", 5, 0, NULL}};
		Member bare[] = {{".npy", npy.p, npy.n, 0, NULL}, {"x.npy", npy.p, npy.n, 0, NULL}};

		pack(&zip, "zip", false, NULL, twice, 2);
		CHECK_REFUSED(try_bytes(zip.p, zip.n, &no_limits, &fault), SP_ERR_BAD_DATA, &fault,
		              "\"a\" comes twice");
		zip.n = 0;
		pack(&zip, "zip", false, NULL, both, 2);
		CHECK_REFUSED(try_bytes(zip.p, zip.n, &no_limits, &fault), SP_ERR_UNSUPPORTED, &fault,
		              "checkpoint and NumPy");
		zip.n = 0;
		pack(&zip, "zip", false, NULL, neither, 1);
		CHECK_REFUSED(try_bytes(zip.p, zip.n, &no_limits, &fault), SP_ERR_UNSUPPORTED, &fault,
		              "no checkpoint");
		zip.n = 0;
		pack(&zip, "zip", false, NULL, pickle, 1);
		CHECK_REFUSED(try_bytes(zip.p, zip.n, &no_limits, &fault), SP_ERR_UNSUPPORTED, &fault,
		              "PyTorch");
		zip.n = 0;
		pack(&zip, "zip", false, NULL, bare, 2);
		CHECK(try_bytes(zip.p, zip.n, &no_limits, &fault) == SP_OK);
		zip.n = 0;
		pack(&zip, "zip", false, NULL, neither, 0);
		CHECK_REFUSED(try_bytes(zip.p, zip.n, &no_limits, &fault), SP_ERR_UNSUPPORTED, &fault,
		              "no checkpoint");
	}
	bytes_free(&npy);
	bytes_free(&zip);
}

int
main(void)
{
	Bytes file = {0};

	for (size_t i = 0; i < 24; i++)
		kernel[i] = check_noise();
	check_npy_headers();
	check_npz("zip:compression=store");
	check_npz("zip:compression=deflate");
	check_npz_contents();
	make_npz(&file, NULL);
	check_host_on(&file);
	bytes_free(&file);
	return check_report();
}
