/*
 * src/core/nn/onednn.c
 *	  oneDNN 2 and 3: the engine, primitives by shape, packed weights.
 *
 * The only file that includes the library.  Primitives use scratch memory that
 * is allocated here when they are made, one block a worker: in its default mode
 * the library would allocate at every execution.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/nn/onednn.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>
#include <string.h>

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t Desc;
typedef const_dnnl_memory_desc_t ConstDesc;
#define DESC(d) (d)
#else
typedef dnnl_memory_desc_t Desc;
typedef const dnnl_memory_desc_t *ConstDesc;
#define DESC(d) (&(d))
#endif

/* Operands of the library in the order of SpOperand. */
static const int operand_argument[SP_OPERANDS] = {DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS};

struct SpPrimitive
{
	SpNn *nn;
	SpPrimitive *next;
	SpPrimitiveKey key;
	dnnl_primitive_desc_t desc;
	dnnl_primitive_t primitive;
	/* by worker: only the handle of in and out changes from run to run */
	dnnl_memory_t in[SP_NN_MAX_WORKERS];
	dnnl_memory_t out[SP_NN_MAX_WORKERS];
	dnnl_memory_t scratch[SP_NN_MAX_WORKERS];
};

struct SpPacked
{
	SpNn *nn;
	void *data;
	dnnl_memory_t memory;
};

struct SpNn
{
	const SpEnv *env;
	SpPrecision precision;
	int workers;
	dnnl_engine_t engine;
	dnnl_stream_t stream[SP_NN_MAX_WORKERS];
	void *scratch[SP_NN_MAX_WORKERS];
	size_t scratch_size;
	SpPrimitive *primitives;
};

/* The library's failures are all of one kind for us: it has no memory, or we asked nonsense. */
static SpStatus
status_of(dnnl_status_t st)
{
	switch (st)
	{
		case dnnl_success:
			return SP_OK;
		case dnnl_invalid_arguments:
		case dnnl_unimplemented:
			return SP_ERR_BAD_ARG;
		default:
			return SP_ERR_NO_MEMORY;
	}
}

/* --- descriptors: what differs between the versions ------------------------- */

static dnnl_status_t
desc_init(Desc *d, int rank, const int64_t *sizes, dnnl_data_type_t type, dnnl_format_tag_t tag)
{
	dnnl_dims_t dims = {0};

	memcpy(dims, sizes, (size_t) rank * sizeof(int64_t));
#if DNNL_VERSION_MAJOR >= 3
	return dnnl_memory_desc_create_with_tag(d, rank, dims, type, tag);
#else
	return dnnl_memory_desc_init_by_tag(d, rank, dims, type, tag);
#endif
}

static void
desc_free(Desc *d)
{
#if DNNL_VERSION_MAJOR >= 3
	if (*d != NULL)
		dnnl_memory_desc_destroy(*d);
#endif
	memset(d, 0, sizeof(*d));
}

/* What a primitive is made of. */
typedef struct Parts
{
	Desc in, weights, bias, out;
} Parts;

static void
free_parts(Parts *parts)
{
	desc_free(&parts->in);
	desc_free(&parts->weights);
	desc_free(&parts->bias);
	desc_free(&parts->out);
}

static dnnl_status_t
desc_conv(SpNn *nn, const SpConvShape *s, Parts *p, dnnl_primitive_attr_t attr,
          dnnl_primitive_desc_t *out)
{
	dnnl_dims_t strides = {s->stride, s->stride};
	dnnl_dims_t dilates = {s->dilation - 1, s->dilation - 1};
	dnnl_dims_t before = {s->pad_top, s->pad_left};
	/* what the sizes imply; negative where the last inputs are not used */
	dnnl_dims_t after = {(s->out_height - 1) * s->stride + (s->kernel_height - 1) * s->dilation +
	                         1 - s->in_height - s->pad_top,
	                     (s->out_width - 1) * s->stride + (s->kernel_width - 1) * s->dilation + 1 -
	                         s->in_width - s->pad_left};
#if DNNL_VERSION_MAJOR >= 3
	return dnnl_convolution_forward_primitive_desc_create(
		out, nn->engine, dnnl_forward_inference, dnnl_convolution_direct, p->in, p->weights,
		p->bias, p->out, strides, dilates, before, after, attr);
#else
	dnnl_convolution_desc_t desc;
	dnnl_status_t st = dnnl_dilated_convolution_forward_desc_init(
		&desc, dnnl_forward_inference, dnnl_convolution_direct, &p->in, &p->weights, &p->bias,
		&p->out, strides, dilates, before, after);

	return st != dnnl_success ? st : dnnl_primitive_desc_create(out, &desc, attr, nn->engine, NULL);
#endif
}

static dnnl_status_t
desc_linear(SpNn *nn, Parts *p, dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *out)
{
#if DNNL_VERSION_MAJOR >= 3
	return dnnl_inner_product_forward_primitive_desc_create(
		out, nn->engine, dnnl_forward_inference, p->in, p->weights, p->bias, p->out, attr);
#else
	dnnl_inner_product_desc_t desc;
	dnnl_status_t st = dnnl_inner_product_forward_desc_init(&desc, dnnl_forward_inference, &p->in,
	                                                        &p->weights, &p->bias, &p->out);

	return st != dnnl_success ? st : dnnl_primitive_desc_create(out, &desc, attr, nn->engine, NULL);
#endif
}

/* --- primitives -------------------------------------------------------------- */

static dnnl_data_type_t
element_type(const SpNn *nn)
{
	return nn->precision == SP_PRECISION_BF16 ? dnnl_bf16 : dnnl_f32;
}

#define SIZES(...) ((const int64_t[]){__VA_ARGS__})

static dnnl_status_t
conv_parts(SpNn *nn, const SpConvShape *s, Parts *p)
{
	dnnl_data_type_t type = element_type(nn);
	dnnl_status_t st =
		desc_init(&p->in, 4, SIZES(1, s->in_channels, s->in_height, s->in_width), type, dnnl_nhwc);

	if (st == dnnl_success)
		st = desc_init(&p->weights, 4,
		               SIZES(s->out_channels, s->in_channels, s->kernel_height, s->kernel_width),
		               type, dnnl_format_tag_any);
	if (st == dnnl_success)
		st = desc_init(&p->bias, 1, SIZES(s->out_channels), dnnl_f32, dnnl_a);
	if (st == dnnl_success)
		st = desc_init(&p->out, 4, SIZES(1, s->out_channels, s->out_height, s->out_width),
		               s->elements_out ? type : dnnl_f32, dnnl_nhwc);
	return st;
}

static dnnl_status_t
linear_parts(SpNn *nn, int rows, int in_size, int out_size, Parts *p)
{
	dnnl_data_type_t type = element_type(nn);
	dnnl_status_t st = desc_init(&p->in, 2, SIZES(rows, in_size), type, dnnl_ab);

	if (st == dnnl_success)
		st = desc_init(&p->weights, 2, SIZES(out_size, in_size), type, dnnl_format_tag_any);
	if (st == dnnl_success)
		st = desc_init(&p->bias, 1, SIZES(out_size), dnnl_f32, dnnl_a);
	if (st == dnnl_success)
		st = desc_init(&p->out, 2, SIZES(rows, out_size), dnnl_f32, dnnl_ab);
	return st;
}

static dnnl_status_t
make_desc(SpNn *nn, const SpPrimitiveKey *key, dnnl_primitive_desc_t *out)
{
	dnnl_primitive_attr_t attr;
	Parts parts = {0};
	dnnl_status_t st = dnnl_primitive_attr_create(&attr);

	if (st != dnnl_success)
		return st;
	st = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
	switch (key->kind)
	{
		case SP_PRIMITIVE_CONV:
			if (st == dnnl_success)
				st = conv_parts(nn, &key->as.conv, &parts);
			if (st == dnnl_success)
				st = desc_conv(nn, &key->as.conv, &parts, attr, out);
			break;
		case SP_PRIMITIVE_LINEAR:
			if (st == dnnl_success)
				st = linear_parts(nn, key->as.linear.rows, key->as.linear.in_size,
				                  key->as.linear.out_size, &parts);
			if (st == dnnl_success)
				st = desc_linear(nn, &parts, attr, out);
			break;
	}
	free_parts(&parts);
	dnnl_primitive_attr_destroy(attr);
	return st;
}

static void
free_primitive(SpPrimitive *p)
{
	for (int w = 0; w < p->nn->workers; w++)
	{
		dnnl_memory_destroy(p->in[w]);
		dnnl_memory_destroy(p->out[w]);
		dnnl_memory_destroy(p->scratch[w]);
	}
	if (p->primitive != NULL)
		dnnl_primitive_destroy(p->primitive);
	if (p->desc != NULL)
		dnnl_primitive_desc_destroy(p->desc);
	sp_free(p->nn->env, p);
}

/* Scratch blocks of at least this size for all workers. */
static SpStatus
grow_scratch(SpNn *nn, size_t size)
{
	if (size <= nn->scratch_size)
		return SP_OK;
	for (int w = 0; w < nn->workers; w++)
	{
		void *block = sp_alloc(nn->env, size, 1);

		if (block == NULL)
			return SP_ERR_NO_MEMORY;
		sp_free(nn->env, nn->scratch[w]);
		nn->scratch[w] = block;
	}
	nn->scratch_size = size;
	return SP_OK;
}

static dnnl_status_t
make_memory(SpPrimitive *p)
{
	ConstDesc in = dnnl_primitive_desc_query_md(p->desc, dnnl_query_exec_arg_md, DNNL_ARG_SRC);
	ConstDesc out = dnnl_primitive_desc_query_md(p->desc, dnnl_query_exec_arg_md, DNNL_ARG_DST);
	ConstDesc scratch = dnnl_primitive_desc_query_md(p->desc, dnnl_query_scratchpad_md, 0);
	dnnl_status_t st = dnnl_success;

	for (int w = 0; w < p->nn->workers && st == dnnl_success; w++)
	{
		st = dnnl_memory_create(&p->in[w], in, p->nn->engine, DNNL_MEMORY_NONE);
		if (st == dnnl_success)
			st = dnnl_memory_create(&p->out[w], out, p->nn->engine, DNNL_MEMORY_NONE);
		if (st == dnnl_success)
			st = dnnl_memory_create(&p->scratch[w], scratch, p->nn->engine, DNNL_MEMORY_NONE);
	}
	return st;
}

static SpStatus
make_primitive(SpPrimitive *p)
{
	SpStatus st = SP_ERR_NO_MEMORY;

	if (sp_can_enter_library())
		st = status_of(make_desc(p->nn, &p->key, &p->desc));
	if (st == SP_OK)
		st = status_of(dnnl_primitive_create(&p->primitive, p->desc));
	if (st == SP_OK)
		st = status_of(make_memory(p));
	if (st == SP_OK)
		st = grow_scratch(p->nn, dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(
									 p->desc, dnnl_query_scratchpad_md, 0)));
	return st;
}

SpStatus
sp_primitive_get(SpNn *nn, const SpPrimitiveKey *key, SpPrimitive **out)
{
	SpPrimitive *p;
	SpStatus st;

	for (p = nn->primitives; p != NULL; p = p->next)
		if (memcmp(&p->key, key, sizeof(*key)) == 0)
		{
			*out = p;
			return SP_OK;
		}
	*out = NULL;
	p = sp_calloc(nn->env, 1, sizeof(*p));
	if (p == NULL)
		return SP_ERR_NO_MEMORY;
	p->nn = nn;
	p->key = *key;
	st = make_primitive(p);
	if (st != SP_OK)
	{
		free_primitive(p);
		return st;
	}
	p->next = nn->primitives;
	nn->primitives = p;
	*out = p;
	return SP_OK;
}

SpStatus
sp_primitive_run(const SpPrimitive *p, int worker, const void *in,
                 SpPacked *const constants[SP_OPERANDS], void *out)
{
	dnnl_exec_arg_t args[3 + SP_OPERANDS] = {
		{DNNL_ARG_SRC, p->in[worker]},
		{DNNL_ARG_DST, p->out[worker]},
		{DNNL_ARG_SCRATCHPAD, p->scratch[worker]},
	};
	int n = 3;
	dnnl_status_t st = dnnl_memory_set_data_handle(p->in[worker], (void *) in);

	for (int i = 0; i < SP_OPERANDS; i++)
		if (constants[i] != NULL)
			args[n++] = (dnnl_exec_arg_t){operand_argument[i], constants[i]->memory};
	if (st == dnnl_success)
		st = dnnl_memory_set_data_handle(p->out[worker], out);
	if (st == dnnl_success)
		st = dnnl_memory_set_data_handle(p->scratch[worker], p->nn->scratch[worker]);
	if (st == dnnl_success)
		st = dnnl_primitive_execute(p->primitive, p->nn->stream[worker], n, args);
	if (st == dnnl_success)
		st = dnnl_stream_wait(p->nn->stream[worker]);
	return status_of(st);
}

/* --- packed weights ---------------------------------------------------------- */

/* How our caller's floats lie. */
static dnnl_status_t
plain_desc(const SpPrimitiveKey *key, SpOperand operand, SpKernelLayout layout, Desc *d)
{
	const SpConvShape *s = &key->as.conv;

	switch (key->kind)
	{
		case SP_PRIMITIVE_CONV:
			if (operand == SP_OPERAND_BIAS)
				return desc_init(d, 1, SIZES(s->out_channels), dnnl_f32, dnnl_a);
			return desc_init(
				d, 4, SIZES(s->out_channels, s->in_channels, s->kernel_height, s->kernel_width),
				dnnl_f32, layout == SP_KERNEL_HWIO ? dnnl_hwio : dnnl_oihw);
		case SP_PRIMITIVE_LINEAR:
			if (operand == SP_OPERAND_BIAS)
				return desc_init(d, 1, SIZES(key->as.linear.out_size), dnnl_f32, dnnl_a);
			return desc_init(d, 2, SIZES(key->as.linear.out_size, key->as.linear.in_size), dnnl_f32,
			                 dnnl_ab);
	}
	return dnnl_invalid_arguments;
}

static dnnl_status_t
reorder(SpNn *nn, ConstDesc plain, const float *values, SpPacked *packed, ConstDesc wanted)
{
	dnnl_primitive_desc_t desc = NULL;
	dnnl_primitive_t primitive = NULL;
	dnnl_memory_t from = NULL;
	dnnl_status_t st = dnnl_memory_create(&from, plain, nn->engine, (void *) values);

	if (st == dnnl_success)
		st = dnnl_reorder_primitive_desc_create(&desc, plain, nn->engine, wanted, nn->engine, NULL);
	if (st == dnnl_success)
		st = dnnl_primitive_create(&primitive, desc);
	if (st == dnnl_success)
	{
		dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, packed->memory}};

		st = dnnl_primitive_execute(primitive, nn->stream[0], 2, args);
	}
	if (st == dnnl_success)
		st = dnnl_stream_wait(nn->stream[0]);
	if (primitive != NULL)
		dnnl_primitive_destroy(primitive);
	if (desc != NULL)
		dnnl_primitive_desc_destroy(desc);
	dnnl_memory_destroy(from);
	return st;
}

SpStatus
sp_packed_new(SpPrimitive *p, SpOperand operand, SpKernelLayout layout, const float *values,
              SpPacked **out)
{
	ConstDesc wanted =
		dnnl_primitive_desc_query_md(p->desc, dnnl_query_exec_arg_md, operand_argument[operand]);
	SpPacked *packed = sp_calloc(p->nn->env, 1, sizeof(*packed));
	Desc plain = {0};
	SpStatus st = packed == NULL ? SP_ERR_NO_MEMORY : SP_OK;

	*out = NULL;
	if (st != SP_OK)
		return st;
	packed->nn = p->nn;
	packed->data = sp_calloc(p->nn->env, dnnl_memory_desc_get_size(wanted), 1);
	if (packed->data == NULL || !sp_can_enter_library())
		st = SP_ERR_NO_MEMORY;
	if (st == SP_OK)
		st = status_of(dnnl_memory_create(&packed->memory, wanted, p->nn->engine, packed->data));
	if (st == SP_OK)
		st = status_of(plain_desc(&p->key, operand, layout, &plain));
	if (st == SP_OK)
		st = status_of(reorder(p->nn, DESC(plain), values, packed, wanted));
	desc_free(&plain);
	if (st != SP_OK)
	{
		sp_packed_free(packed);
		return st;
	}
	*out = packed;
	return SP_OK;
}

void
sp_packed_free(SpPacked *packed)
{
	if (packed == NULL)
		return;
	dnnl_memory_destroy(packed->memory);
	sp_free(packed->nn->env, packed->data);
	sp_free(packed->nn->env, packed);
}

/* --- the context ------------------------------------------------------------- */

SpStatus
sp_nn_new(const SpEnv *env, SpPrecision precision, int workers, SpNn **out)
{
	SpNn *nn;
	SpStatus st;

	*out = NULL;
	if (workers < 1 || workers > SP_NN_MAX_WORKERS)
		return SP_ERR_BAD_ARG;
	if (precision == SP_PRECISION_BF16 && !sp_nn_cpu_runs_bf16())
		return SP_ERR_UNSUPPORTED;
	if (!sp_can_enter_library())
		return SP_ERR_NO_MEMORY;
	sp_nn_enter_thread();
	nn = sp_calloc(env, 1, sizeof(*nn));
	if (nn == NULL)
		return SP_ERR_NO_MEMORY;
	nn->env = env;
	nn->precision = precision;
	nn->workers = workers;
	st = status_of(dnnl_engine_create(&nn->engine, dnnl_cpu, 0));
	for (int w = 0; w < workers && st == SP_OK; w++)
		st = status_of(dnnl_stream_create(&nn->stream[w], nn->engine, dnnl_stream_default_flags));
	if (st != SP_OK)
	{
		sp_nn_free(nn);
		return st;
	}
	*out = nn;
	return SP_OK;
}

void
sp_nn_free(SpNn *nn)
{
	if (nn == NULL)
		return;
	while (nn->primitives != NULL)
	{
		SpPrimitive *p = nn->primitives;

		nn->primitives = p->next;
		free_primitive(p);
	}
	for (int w = 0; w < nn->workers; w++)
	{
		if (nn->stream[w] != NULL)
			dnnl_stream_destroy(nn->stream[w]);
		sp_free(nn->env, nn->scratch[w]);
	}
	if (nn->engine != NULL)
		dnnl_engine_destroy(nn->engine);
	sp_free(nn->env, nn);
}

const SpEnv *
sp_nn_env(const SpNn *nn)
{
	return nn->env;
}

SpPrecision
sp_nn_precision(const SpNn *nn)
{
	return nn->precision;
}

int
sp_nn_workers(const SpNn *nn)
{
	return nn->workers;
}

size_t
sp_nn_element(const SpNn *nn)
{
	return nn->precision == SP_PRECISION_BF16 ? sizeof(uint16_t) : sizeof(float);
}

/* An instruction set is a set of bits that has those of its predecessors. */
static bool
cpu_has(dnnl_cpu_isa_t isa)
{
	return (dnnl_get_effective_cpu_isa() & isa) == isa;
}

bool
sp_nn_cpu_has_bf16(void)
{
	return cpu_has(dnnl_cpu_isa_avx512_core_bf16);
}

bool
sp_nn_cpu_runs_bf16(void)
{
	return cpu_has(dnnl_cpu_isa_avx512_core);
}

const char *
sp_nn_cpu_isa(void)
{
	switch (dnnl_get_effective_cpu_isa())
	{
		case dnnl_cpu_isa_sse41:
			return "SSE4.1";
		case dnnl_cpu_isa_avx:
			return "AVX";
		case dnnl_cpu_isa_avx2:
			return "AVX2";
		case dnnl_cpu_isa_avx2_vnni:
			return "AVX2 VNNI";
		case dnnl_cpu_isa_avx512_core:
			return "AVX-512";
		case dnnl_cpu_isa_avx512_core_vnni:
			return "AVX-512 VNNI";
		case dnnl_cpu_isa_avx512_core_bf16:
			return "AVX-512 BF16";
		case dnnl_cpu_isa_avx512_core_amx:
			return "AMX";
		default:
			return sp_nn_cpu_has_bf16() ? "AVX-512 BF16 and later" : "generic";
	}
}

void
sp_nn_enter_thread(void)
{
	omp_set_num_threads(1);
}
