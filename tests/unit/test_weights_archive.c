/*
 * tests/unit/test_weights_archive.c
 *	  Checkpoints in .tar.gz, .tar and .zip: the honest, the damaged and the
 *	  hostile.
 */
#include "unit/weights_files.h"

static float kernel[2 * 3 * 4];
static const BundleTensor tensors[] = {
	{"a/bias", BUNDLE_FLOAT, 1, {3}, kernel, 12},
	{"a/kernel", BUNDLE_FLOAT, 3, {2, 3, 4}, kernel, sizeof(kernel)},
};
static Bytes bundle_index, bundle_data;

static SpStatus
try_pack(const char *format, bool gzip, const Member *members, size_t n, SpFault *fault)
{
	Bytes out = {0};
	SpStatus st;

	pack(&out, format, gzip, NULL, members, n);
	st = try_bytes(out.p, out.n, &no_limits, fault);
	bytes_free(&out);
	return st;
}

/* A checkpoint as it is released: with folders, notes and hidden files. */
static void
check_checkpoints(void)
{
	const Member members[] = {
		{"./", NULL, 0, AE_IFDIR, NULL},
		{"./._checkpoint", "fork", 4, 0, NULL},
		{"./checkpoint", "model_checkpoint_path: \"model\"\n", 31, 0, NULL},
		{"./model.data-00000-of-00001", bundle_data.p, bundle_data.n, 0, NULL},
		{"./._model.index", "fork", 4, 0, NULL},
		{"./model.index", bundle_index.p, bundle_index.n, 0, NULL},
		{"./model.meta", "graph", 5, 0, NULL},
	};
	const Member deeper[] = {
		{"a/b/model.data-00000-of-00001", bundle_data.p, bundle_data.n, 0, NULL},
		{"a/b/model.index", bundle_index.p, bundle_index.n, 0, NULL},
		{"a/old.index", "rubbish", 7, 0, NULL},
		{"a/b/checkpoint", "model_checkpoint_path: \"model\"\n", 31, 0, NULL},
	};
	/* The first is UTF-8, the second is not, and is only passed over. */
	const Member umlauts[] = {
		{"gr\xC3\xBC\xC3\x9F/m.data-00000-of-00001", bundle_data.p, bundle_data.n, 0, NULL},
		{"gr\xC3\xBC\xC3\x9F/m.index", bundle_index.p, bundle_index.n, 0, NULL},
		{"gr\xFC\xDF", "x", 1, 0, NULL},
	};
	SpFault fault;

	CHECK(try_pack("ustar", true, umlauts, 3, &fault) == SP_OK);
	CHECK(try_pack("zip", false, umlauts, 2, &fault) == SP_OK);
	CHECK_REFUSED(try_pack("ustar", true, umlauts + 1, 2, &fault), SP_ERR_BAD_DATA, &fault,
	              "\"gr\xC3\xBC\xC3\x9F/m.data-00000-of-00001\" is missing");
	CHECK(try_pack("ustar", true, members, 7, &fault) == SP_OK);
	CHECK(try_pack("ustar", false, members, 7, &fault) == SP_OK);
	CHECK(try_pack("pax", true, members, 7, &fault) == SP_OK);
	CHECK(try_pack("gnutar", true, members, 7, &fault) == SP_OK);
	CHECK(try_pack("zip", false, members, 7, &fault) == SP_OK);
	CHECK(try_pack("ustar", true, deeper, 4, &fault) == SP_OK);
	CHECK_REFUSED(try_pack("ustar", true, deeper, 3, &fault), SP_ERR_BAD_DATA, &fault,
	              "2 checkpoints");
	CHECK_REFUSED(try_pack("ustar", true, members + 4, 3, &fault), SP_ERR_BAD_DATA, &fault,
	              "data-00000-of-00001\" is missing");
	CHECK_REFUSED(try_pack("ustar", true, members, 5, &fault), SP_ERR_UNSUPPORTED, &fault,
	              "no checkpoint");
}

static void
check_payload(void)
{
	const Member members[] = {
		{"m/model.index", bundle_index.p, bundle_index.n, 0, NULL},
		{"m/model.data-00000-of-00001", bundle_data.p, bundle_data.n, 0, NULL},
	};
	SpSpool *spool = NULL;
	SpWeights *w = NULL;
	Bytes out = {0};
	uint8_t back[4096];
	size_t got;

	pack(&out, "ustar", true, NULL, members, 2);
	CHECK(sp_spool_new_memory(&check_env, out.p, out.n, &spool) == SP_OK);
	CHECK(sp_weights_open_spool(&check_env, spool, &no_limits, &w, NULL) == SP_OK);
	CHECK(strcmp(sp_weights_format(w), "tensorflow") == 0);
	CHECK(sp_spool_read(sp_weights_payload(w), 0, back, sizeof(back), &got) == SP_OK);
	CHECK(got == bundle_data.n && memcmp(back, bundle_data.p, got) == 0);
	sp_weights_free(w);
	sp_spool_free(spool);
	bytes_free(&out);
}

static void
check_hostile(void)
{
	const char *const paths[] = {"../model.index", "/etc/model.index", "a/../../model.index",
	                             "a/..",           "./../x",           ".//etc/x"};
	const Member links[] = {{"model.index", NULL, 0, AE_IFLNK, "/etc/passwd"},
	                        {"model.index", NULL, 0, AE_IFCHR, NULL},
	                        {"model.index", NULL, 0, AE_IFIFO, NULL}};
	const Member hard[] = {{"x", "hello", 5, 0, NULL}, {"model.index", NULL, 0, 0, "x"}};
	const Member twice[] = {{"./model.index", bundle_index.p, bundle_index.n, 0, NULL},
	                        {"model.index", bundle_index.p, bundle_index.n, 0, NULL}};
	const Member odd = {"/a\x1B\xFF"
	                    "b\nc\xC3",
	                    "x", 1, 0, NULL};
	const Member dots[] = {
		{"a/..b/model.index", bundle_index.p, bundle_index.n, 0, NULL},
		{"a/..b/model.data-00000-of-00001", bundle_data.p, bundle_data.n, 0, NULL}};
	SpFault fault;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
	{
		Member member = {.name = paths[i], .bytes = "x", .n = 1};

		CHECK_REFUSED(try_pack("ustar", true, &member, 1, &fault), SP_ERR_BAD_DATA, &fault,
		              "outside");
		CHECK_REFUSED(try_pack("zip", false, &member, 1, &fault), SP_ERR_BAD_DATA, &fault,
		              "outside");
	}
	for (size_t i = 0; i < 3; i++)
		CHECK_REFUSED(try_pack("ustar", true, &links[i], 1, &fault), SP_ERR_BAD_DATA, &fault,
		              "link or a device");
	/* What a message quotes is printable, whatever the name was. */
	CHECK_REFUSED(try_pack("ustar", true, &odd, 1, &fault), SP_ERR_BAD_DATA, &fault,
	              "\"/a??b?c?\"");
	CHECK_REFUSED(try_pack("ustar", true, hard, 2, &fault), SP_ERR_BAD_DATA, &fault,
	              "link or a device");
	CHECK_REFUSED(try_pack("ustar", true, twice, 2, &fault), SP_ERR_BAD_DATA, &fault, "twice");
	CHECK(try_pack("ustar", true, dots, 2, &fault) == SP_OK);
}

/* 20 MB of zeros in 20 KB, as a member that counts and as one that does not. */
static void
check_bombs(void)
{
	const size_t size = 20 << 20;
	uint8_t *zeros = calloc(size, 1);
	const char *const names[] = {"model.index", "notes", "a.npy"};
	SpWeightsLimits limits = no_limits;
	SpFault fault;

	limits.max_bytes = 1 << 20;
	for (size_t i = 0; i < 3; i++)
		for (int zip = 0; zip < 2; zip++)
		{
			Member member = {.name = names[i], .bytes = zeros, .n = size};
			Bytes out = {0};

			pack(&out, zip ? "zip" : "ustar", !zip, NULL, &member, 1);
			CHECK(out.n < 1 << 20);
			CHECK_REFUSED(try_bytes(out.p, out.n, &limits, &fault), SP_ERR_TOO_LARGE, &fault,
			              "more than 1048576 bytes");
			bytes_free(&out);
		}
	free(zeros);
}

static void
check_many_members(void)
{
	Member *members = calloc(4097, sizeof(Member));
	char(*names)[24] = calloc(4097, 24);
	SpFault fault;

	for (int i = 0; i < 4097; i++)
	{
		snprintf(names[i], 24, "n%d", i);
		members[i].name = names[i];
	}
	CHECK_REFUSED(try_pack("ustar", true, members, 4097, &fault), SP_ERR_TOO_LARGE, &fault, "4096");
	CHECK_REFUSED(try_pack("ustar", true, members, 4096, &fault), SP_ERR_UNSUPPORTED, &fault,
	              "no checkpoint");
	for (int i = 0; i < 65; i++)
		snprintf(names[i], 24, "n%d.index", i);
	CHECK_REFUSED(try_pack("zip", false, members, 65, &fault), SP_ERR_TOO_LARGE, &fault,
	              "64 files");
	free(members);
	free(names);
}

/* A header that never ends: an extended sparse map, packed a thousandfold. */
static void
check_endless_header(void)
{
	struct archive *a = archive_write_new();
	const size_t blocks = 150000;
	uint8_t *tar = calloc(blocks, 512);
	Bytes out = {0};
	SpFault fault;
	unsigned sum = 0;

	memcpy(tar, "model.index", 11);
	memcpy(tar + 100, "0000644", 7);
	memcpy(tar + 124, "00000000001", 11);
	memcpy(tar + 136, "00000000000", 11);
	tar[156] = 'S';
	memcpy(tar + 257, "ustar  ", 7);
	memcpy(tar + 386, "00000000000", 11);
	memcpy(tar + 398, "00000000001", 11);
	tar[482] = 1; /* isextended */
	memset(tar + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += tar[i];
	snprintf((char *) tar + 148, 8, "%06o", sum);
	for (size_t i = 1; i < blocks; i++)
	{
		for (int k = 0; k < 21; k++)
		{
			memcpy(tar + 512 * i + 24 * k, "00000000000", 11);
			memcpy(tar + 512 * i + 24 * k + 12, "00000000001", 11);
		}
		tar[512 * i + 504] = 1;
	}
	CHECK(archive_write_set_format_raw(a) == ARCHIVE_OK);
	CHECK(archive_write_add_filter_gzip(a) == ARCHIVE_OK);
	CHECK(archive_write_open(a, &out, NULL, pack_write, NULL) == ARCHIVE_OK);
	{
		struct archive_entry *entry = archive_entry_new();

		archive_entry_set_filetype(entry, AE_IFREG);
		CHECK(archive_write_header(a, entry) == ARCHIVE_OK);
		CHECK(archive_write_data(a, tar, blocks * 512) == (la_ssize_t) (blocks * 512));
		archive_entry_free(entry);
	}
	CHECK(archive_write_close(a) == ARCHIVE_OK);
	archive_write_free(a);
	free(tar);
	CHECK_REFUSED(try_bytes(out.p, out.n, &no_limits, &fault), SP_ERR_BAD_DATA, &fault, "no end");
	bytes_free(&out);
}

/* tar.gz cut after every byte; every bit flipped: refused, or the same tensors. */
static void
check_damage(void)
{
	const Member members[] = {
		{"model.index", bundle_index.p, bundle_index.n, 0, NULL},
		{"model.data-00000-of-00001", bundle_data.p, bundle_data.n, 0, NULL},
	};
	Bytes out = {0};
	SpFault fault;

	pack(&out, "ustar", true, NULL, members, 2);
	for (size_t cut = 0; cut < out.n; cut++)
	{
		SpStatus st = try_bytes(out.p, cut, &no_limits, &fault);

		/* The last blocks hold nothing but zeros. */
		CHECK(st == SP_ERR_BAD_DATA || st == SP_ERR_UNSUPPORTED || (st == SP_OK && cut > 300));
	}
	for (size_t bit = 0; bit < 8 * out.n; bit++)
	{
		SpStatus st;

		out.p[bit / 8] ^= (uint8_t) (1 << bit % 8);
		st = try_bytes(out.p, out.n, &no_limits, &fault);
		CHECK(st == SP_ERR_BAD_DATA || st == SP_ERR_UNSUPPORTED || st == SP_OK);
		out.p[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	bytes_free(&out);
}

int
main(void)
{
	Member whole[] = {{"m.index", NULL, 0, 0, NULL}, {"m.data-00000-of-00001", NULL, 0, 0, NULL}};
	Bytes file = {0};

	for (size_t i = 0; i < 24; i++)
		kernel[i] = check_noise();
	bundle_make(tensors, 2, 1, &bundle_index, &bundle_data);
	whole[0].bytes = bundle_index.p;
	whole[0].n = bundle_index.n;
	whole[1].bytes = bundle_data.p;
	whole[1].n = bundle_data.n;
	check_checkpoints();
	check_payload();
	check_hostile();
	check_bombs();
	check_many_members();
	check_endless_header();
	check_damage();
	pack(&file, "ustar", true, NULL, whole, 2);
	check_host_on(&file);
	bytes_free(&file);
	bytes_free(&bundle_index);
	bytes_free(&bundle_data);
	return check_report();
}
