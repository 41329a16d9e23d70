/*
 * src/core/stems/architecture.h
 *	  What a kind of network must answer to be a model of spotai.separate.
 *
 * An architecture is one file, arch_<name>.c, and one line in architecture.c.
 * It knows the names and shapes of its tensors, which hyper-parameters it has,
 * and how to estimate the magnitudes of the stems of a patch.  Files, tables,
 * Fourier transforms, masks, joins and threads are other people's work.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_ARCHITECTURE_H
#define SP_ARCHITECTURE_H

#include "core/nn/nn.h"
#include "core/nn/tensor.h"
#include "core/sp_base.h"
#include "core/sp_pool.h"
#include "core/stems/bands.h"

#define SP_MODEL_MAX_STEMS     8
#define SP_MODEL_MAX_STEM_NAME 31
#define SP_MODEL_PARAMS_MAX    1024

/* How the last layer of the network becomes magnitudes. */
typedef enum SpMaskKind
{
	SP_MASK_NONE = 0,
	SP_MASK_SIGMOID, /* each stem by itself */
	SP_MASK_SOFTMAX, /* over the stems of a bin */
	SP_MASK_RELU     /* unbounded, as Open-Unmix has it */
} SpMaskKind;

/*
 * A model's hyper-parameters, resolved: what its tensors alone do not say.
 * sp_model_spec_parse and _print turn it into JSON text and back, which is
 * what tables and files keep:
 *   {"stems": ["vocals", "accompaniment"], "sample_rate_hz": 44100,
 *    "fft_size": 4096, "hop": 1024, "frames": 512, "bins": 1024,
 *    "encoder": "leaky_relu", "decoder": "relu", "mask": "sigmoid"}
 * and, of networks that pool bins, "bands": [[192, 1], [160, 2]]: so many of so many.
 */
typedef struct SpModelSpec
{
	const struct SpArchitecture *architecture;
	int stems;
	char names[SP_MODEL_MAX_STEMS][SP_MODEL_MAX_STEM_NAME + 1];
	int sample_rate_hz;
	int fft_size;
	int hop;
	int frames;        /* of a patch */
	int bins;          /* that the network sees, from 0 Hz on */
	SpBandTable bands; /* that it pools them into, if it does */
	SpActivation encoder;
	SpActivation decoder;
	SpMaskKind mask;
} SpModelSpec;

/* A network with its weights, ready to run. */
typedef struct SpNet SpNet;

/*
 * How an architecture works that refines what can be known without training: of each
 * frame it sees the spectra and the levels of cues.h (without piano), keeps a *row* of
 * numbers, and makes masks of all stems of a patch at once.  Masks have *columns* of their
 * own and sum to 1 over the stems: they are applied as they are.
 */
typedef struct SpMaskMethods
{
	/* Floats of a row; columns of a mask. */
	size_t (*row)(const SpModelSpec *spec);
	size_t (*columns)(const SpModelSpec *spec);

	/*
	 * The row of a frame: spectra of left and right, [2 * stride] as in dsp/stft.h, which
	 * scale brings to the plain sum of the transform, and levels[source][bins].  Called by
	 * the separator's owner, also while workers estimate.
	 */
	void (*observe)(SpNet *net, const float *const spectra[2], size_t stride, float scale,
	                const float *const *levels, float *row);

	/*
	 * masks[stem], each [2][frames][columns], of a patch of rows[frames], of which the
	 * first `count` exist; the others are behind the end of the song.  By any worker,
	 * but one call at a time; else as estimate below.
	 */
	SpStatus (*estimate)(SpNet *net, int worker, const float *rows, size_t count,
	                     float *const *masks, const SpStop *stop);

	/* One row of a mask to all bins.  Called by any thread. */
	void (*spread)(const SpNet *net, const float *mask, float *out);
} SpMaskMethods;

typedef struct SpArchitecture
{
	const char *name;
	const char *title; /* for people, with the paper */

	/* Do these tensors' names look like this architecture? */
	bool (*recognises)(const SpTensorSource *tensors);

	/*
	 * Checks that every tensor is there once, with its shape, and that no
	 * other is; fills what spec leaves 0 from the tensors or by the released
	 * configuration.  SP_ERR_BAD_DATA, and a fault that names the tensor.
	 */
	SpStatus (*resolve)(const SpTensorSource *tensors, SpModelSpec *spec, SpFault *fault);

	/*
	 * Reads the weights of tensors that were resolved into spec.  Allocates all
	 * that nn's workers need; nn must outlive the net.
	 */
	SpStatus (*load)(SpNn *nn, const SpTensorSource *tensors, const SpModelSpec *spec, SpNet **out,
	                 SpFault *fault);
	void (*unload)(SpNet *net);

	/* NULL where magnitudes are estimated, by the next method, which is then not NULL. */
	const SpMaskMethods *masks;

	/*
	 * Magnitudes of one stem of one patch: mix and out are [2][frames][bins]
	 * planar floats, left and right.  Called by worker 0 .. workers-1, each one
	 * call at a time.  With SP_MASK_SOFTMAX out holds logits, and the caller
	 * makes them magnitudes when all stems are there.  Allocates nothing.
	 * stop is polled between layers: SP_ERR_CANCELED.
	 */
	SpStatus (*estimate)(SpNet *net, int worker, int stem, const float *mix, float *out,
	                     const SpStop *stop);
} SpArchitecture;

extern const SpArchitecture sp_arch_spleeter;
extern const SpArchitecture sp_arch_openunmix;
extern const SpArchitecture sp_arch_spotai;

/* All architectures, ended by NULL; the one of this name or NULL; the one that recognises. */
extern const SpArchitecture *const sp_architectures[];
const SpArchitecture *sp_architecture_find(const char *name);
const SpArchitecture *sp_architecture_recognise(const SpTensorSource *tensors);

/*
 * Reads JSON text of hyper-parameters; what it leaves out stays 0 for resolve.
 * Unknown keys, wrong types and impossible numbers are SP_ERR_BAD_DATA.
 */
SpStatus sp_model_spec_parse(const char *json, SpModelSpec *spec, SpFault *fault);
/* What every architecture's resolved spec must hold; SP_ERR_UNSUPPORTED, SP_ERR_BAD_DATA. */
SpStatus sp_model_spec_check(const SpModelSpec *spec, SpFault *fault);
/* Prints a resolved spec as JSON of less than SP_MODEL_PARAMS_MAX bytes. */
SpStatus sp_model_spec_print(const SpModelSpec *spec, char out[SP_MODEL_PARAMS_MAX]);

#endif /* SP_ARCHITECTURE_H */
