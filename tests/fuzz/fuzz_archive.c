/*
 * tests/fuzz/fuzz_archive.c
 *	  libFuzzer: .npz, and checkpoints in .tar, .tar.gz and .zip.
 */
#include "weights_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SpSpool *spool = NULL;
	SpWeights *w = NULL;
	SpFault fault = {"", ""};

	assert(sp_spool_new_memory(&env, data, size, &spool) == SP_OK);
	if (sp_weights_open_spool(&env, spool, &fuzz_limits, &w, &fault) != SP_OK)
		assert(fault.detail[0] != '\0' && w == NULL);
	else
		read_everything(w);
	sp_weights_free(w);
	sp_spool_free(spool);
	return 0;
}
