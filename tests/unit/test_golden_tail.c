/*
 * tests/unit/test_golden_tail.c
 *	  The end of a released network against PyTorch (tests/golden/tail.golden):
 *	  Deezer's own tensors from $SPOTAI_SHARED, behind seeded ones.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "check.h"

#include "core/model/weights.h"
#include "core/stems/architecture.h"
#include "golden_read.h"
#include "spleeter_source.h"

#define FRAMES    512
#define BINS      1024
#define TOLERANCE 1e-4 /* of the logits' rms */

static float mix[2 * FRAMES * BINS], out[2 * FRAMES * BINS];

typedef struct Mixed
{
	const SpTensorSource *seeded, *released;
	size_t used; /* tensors of released that were read */
} Mixed;

/* The released file spells conv2d/kernel as conv2d__kernel. */
static SpStatus
read_mixed(void *self, size_t i, float *to, SpFault *fault)
{
	Mixed *m = self;
	const char *name = m->seeded->tensors[i].name, *slash = strchr(name, '/');
	char spelt[64];
	ptrdiff_t at;

	snprintf(spelt, sizeof(spelt), "%.*s__%s", (int) (slash - name), name, slash + 1);
	at = sp_tensor_find(m->released, spelt);
	if (at < 0)
		return m->seeded->read(m->seeded->self, i, to, fault);
	m->used++;
	return m->released->read(m->released->self, (size_t) at, to, fault);
}

static void
check_tail(const SpTensorSource *source, const GoldenArray *golden)
{
	SpModelSpec spec = {.mask = SP_MASK_SOFTMAX}; /* so that estimate gives logits */
	SpFault fault = {0};
	SpNet *net = NULL;
	SpNn *nn = NULL;

	CHECK(sp_nn_new(&check_env, SP_PRECISION_F32, 1, &nn) == SP_OK);
	CHECK(sp_arch_spleeter.resolve(source, &spec, &fault) == SP_OK);
	CHECK(sp_arch_spleeter.load(nn, source, &spec, &net, &fault) == SP_OK);
	if (net != NULL)
	{
		CHECK(sp_arch_spleeter.estimate(net, 0, 1, mix, out, NULL) == SP_OK);
		CHECK_NEAR(golden_distance(golden, out), 0.0, TOLERANCE * golden->rms);
		printf("# logits of the released end: within %.2g of rms %.3g\n",
		       golden_distance(golden, out), golden->rms);
		sp_arch_spleeter.unload(net);
	}
	sp_nn_free(nn);
}

int
main(void)
{
	const char *shared = getenv("SPOTAI_SHARED");
	SpWeightsLimits limits = {.max_tensors = 1000, .temp_dir = "/tmp"};
	SpleeterSource *seeded = spleeter_source(2, spleeter_full);
	SpTensorSource source;
	SpWeights *w = NULL;
	SpFault fault = {0};
	GoldenFile g;
	char path[512];
	Mixed mixed;

	snprintf(path, sizeof(path), "%s/data/weights/%s", shared != NULL ? shared : "../shared",
	         "spleeter_2stems_tfjs/accompaniment_decoder_tail.npz");
	CHECK(golden_open("tests/golden/tail.golden", &g) && seeded != NULL);
	if (sp_weights_open_path(&check_env, path, &limits, &w, &fault) == SP_ERR_IO)
		printf("# SKIP no %s\n", path);
	else if (w == NULL)
		CHECK(w != NULL);
	else if (seeded != NULL)
	{
		mixed = (Mixed){&seeded->source, sp_weights_tensors(w), 0};
		source = seeded->source;
		source.read = read_mixed;
		source.self = &mixed;
		golden_patch(FRAMES, BINS, mix);
		check_tail(&source, golden_find(&g, "tail/logits"));
		CHECK(mixed.used == mixed.released->count);
	}
	sp_weights_free(w);
	free(seeded);
	golden_close(&g);
	return check_report();
}
