/*
 * tests/fuzz/fuzz_safetensors.c
 *	  libFuzzer: safetensors; what reads is written again, and reads again.
 */
#include "weights_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
write_again(const SpWeights *w)
{
	const SpTensorSource *source = sp_weights_tensors(w);
	SpSpool *spool = NULL;
	SpWeights *back = NULL;

	assert(sp_spool_new_file(&env, "/tmp", 0, &spool, NULL) == SP_OK);
	assert(sp_safetensors_write(&env, spool, source, SP_DTYPE_F32, NULL, NULL) == SP_OK);
	assert(sp_weights_open_spool(&env, spool, &fuzz_limits, &back, NULL) == SP_OK);
	assert(sp_weights_tensors(back)->count == source->count);
	assert(read_everything(back));
	sp_weights_free(back);
	sp_spool_free(spool);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SpSpool *spool = NULL;
	SpWeights *w = NULL;
	SpFault fault = {"", ""};

	/* Archives have a harness of their own. */
	if (size < 9 || data[8] != '{' || data[0] == 'P' || data[0] == 0x1F)
		return 0;
	assert(sp_spool_new_memory(&env, data, size, &spool) == SP_OK);
	if (sp_weights_open_spool(&env, spool, &fuzz_limits, &w, &fault) != SP_OK)
		assert(fault.detail[0] != '\0' && w == NULL);
	else if (read_everything(w))
		write_again(w);
	sp_weights_free(w);
	sp_spool_free(spool);
	return 0;
}
