/*
 * tests/fuzz/fuzz_bundle.c
 *	  libFuzzer: TensorFlow checkpoints.
 *
 * The first byte is a mode, two bytes are the length n of the first part; the
 * second part is the data file.  Mode 0: the first part is the index as it is.
 * A fuzzer hardly ever guesses a checksum, so in mode 1 the first part is one
 * block of entries, and in mode 2 the table's directory of blocks; the rest of
 * the index is made around it, with checksums that hold.
 */
#include "fixtures/make_bundle.h"
#include "weights_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A block with its trailer; its handle is appended to *handle. */
static void
add_block(Bytes *out, const void *bytes, size_t n, Bytes *handle)
{
	Bytes block = {0};

	bytes_add(&block, bytes, n);
	bytes_number(&block, 0, 1);
	bytes_varint(handle, out->n);
	bytes_varint(handle, n);
	bytes_add(out, block.p, block.n);
	bytes_number(out, bundle_masked(block.p, block.n), 4);
	bytes_free(&block);
}

static void
make_index(Bytes *out, int mode, const uint8_t *part, size_t n)
{
	static const uint8_t header[] = {0, 0, 2, 8, 1, 0, 0, 0, 0, 1, 0, 0, 0};
	Bytes handle = {0}, directory = {0}, footer = {0};

	if (mode == 1)
	{
		add_block(out, part, n, &handle);
		bytes_add(&directory, "\0\1", 2);
		bytes_varint(&directory, handle.n);
		bytes_add(&directory, "z", 1);
		bytes_add(&directory, handle.p, handle.n);
		bytes_number(&directory, 0, 4);
		bytes_number(&directory, 1, 4);
	}
	else
	{
		add_block(out, header, sizeof(header), &handle);
		bytes_add(&directory, part, n);
	}
	add_block(out, "\0\0\0\0\1\0\0\0", 8, &footer);
	add_block(out, directory.p, directory.n, &footer);
	while (footer.n < 40)
		bytes_number(&footer, 0, 1);
	bytes_number(&footer, 0xDB4775248B80FB57, 8);
	bytes_add(out, footer.p, footer.n);
	bytes_free(&handle);
	bytes_free(&directory);
	bytes_free(&footer);
}

static void
add_file(SpFileSet *set, const char *name, const void *bytes, size_t n)
{
	SpSpool *spool = NULL;

	assert(sp_spool_new_memory(&env, bytes, n, &spool) == SP_OK);
	assert(sp_fileset_add(set, name, spool, NULL) == SP_OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SpFileSet set = {.env = &env};
	SpFault fault = {"", ""};
	Bytes index = {0};
	SpWeights *w;
	SpStatus st;
	size_t n;

	if (size < 3)
		return 0;
	n = data[1] | (size_t) data[2] << 8;
	if (n > size - 3)
		n = size - 3;
	if (data[0] % 3 == 0)
		bytes_add(&index, data + 3, n);
	else
		make_index(&index, data[0] % 3, data + 3, n);
	add_file(&set, "m.index", index.p, index.n);
	add_file(&set, "m.data-00000-of-00001", data + 3 + n, size - 3 - n);
	assert(sp_weights_new(&env, &fuzz_limits, &w, NULL) == SP_OK);
	st = sp_bundle_read(w, &set, &fault);
	if (st == SP_OK)
		read_everything(w);
	else
		assert(fault.detail[0] != '\0');
	sp_fileset_free(&set);
	sp_weights_free(w);
	bytes_free(&index);
	return 0;
}
