/*
 * src/pg/model/tensor.c
 *	  The numbers of a model: into the tables, and out of them for the core.
 *
 * A tensor is a row of spotai.model_tensor and its bytes are pieces of at most
 * 1 MiB, little-endian, row-major, as in safetensors.  Its CRC-32C covers the
 * bytes as they are stored and is verified at every load: a flipped bit in a
 * weight is heard, not seen.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "port/pg_crc32c.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "pg/model/model.h"
#include "pg/seam.h"
#include "pg/sql.h"

/*
 * The largest piece of a tensor in a row of spotai.model_chunk; a multiple of
 * every number's size.  Reading 157 MB took 121 ms at first and 72 ms again with
 * pieces of 1 MiB and of 256 kB, 80 ms with 64 kB, 120 ms with 7 kB (in the row
 * itself); importing them took 0.65 s, and twice as long with 7 kB.
 */
#define CHUNK_BYTES (1024 * 1024)

/* ---- into the tables ---- */

static bool
is_integer(SpDtype dtype)
{
	return dtype == SP_DTYPE_I32 || dtype == SP_DTYPE_I64;
}

/* Vectors (biases, scales) are few, and rounding them would be heard first. */
static SpDtype
stored_dtype(const SpTensorInfo *info, SpDtype wanted)
{
	return info->rank >= 2 ? wanted : SP_DTYPE_F32;
}

SpModelSize
sp_model_measure(const SpTensorSource *source, SpDtype dtype)
{
	SpModelSize size = {0, 0};

	for (size_t i = 0; i < source->count; i++)
	{
		const SpTensorInfo *info = &source->tensors[i];

		if (is_integer(info->dtype))
			continue;
		size.parameters += info->elements;
		size.bytes += info->elements * sp_dtype_size(stored_dtype(info, dtype));
	}
	return size;
}

static size_t
largest_tensor(const SpTensorSource *source)
{
	int64 largest = 1;

	for (size_t i = 0; i < source->count; i++)
		largest = Max(largest, source->tensors[i].elements);
	return largest;
}

static void *
allocate_numbers(size_t n)
{
	if (n > MaxAllocHugeSize / sizeof(float))
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
		                errmsg("a tensor of %zu numbers does not fit into memory", n)));
	return MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(float));
}

static void
read_tensor(const SpTensorSource *source, size_t i, float *out)
{
	SpFault fault = {0};

	CHECK_FOR_INTERRUPTS();
	sp_pg_check(source->read(source->self, i, out, &fault), "model file", &fault);
}

void
sp_model_verify(const SpTensorSource *source)
{
	float *numbers = allocate_numbers(largest_tensor(source));

	for (size_t i = 0; i < source->count; i++)
		read_tensor(source, i, numbers);
	pfree(numbers);
}

static void
make_little_endian(void *numbers, SpDtype dtype, size_t n)
{
#ifdef WORDS_BIGENDIAN
	for (size_t i = 0; i < n; i++)
	{
		if (dtype == SP_DTYPE_BF16)
			((uint16 *) numbers)[i] = pg_bswap16(((uint16 *) numbers)[i]);
		else
			((uint32 *) numbers)[i] = pg_bswap32(((uint32 *) numbers)[i]);
	}
#endif
}

/*
 * The bytes that are stored: numbers themselves as f32, or room filled with
 * bf16.  A finite number beyond bf16's largest would become infinite.
 */
static const void *
encode_numbers(float *numbers, uint16 *room, const SpTensorInfo *info, SpDtype dtype)
{
	void *bytes = dtype == SP_DTYPE_BF16 ? (void *) room : (void *) numbers;

	if (dtype == SP_DTYPE_BF16)
		sp_f32_to_bf16(room, numbers, info->elements);
	make_little_endian(bytes, dtype, info->elements);
	if (dtype == SP_DTYPE_BF16 && !sp_tensor_to_f32(numbers, bytes, dtype, info->elements))
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
		                errmsg("tensor \"%s\" cannot be stored as bf16", info->name),
		                errdetail("A number in it is too large."),
		                errhint("Import it with dtype => 'f32'.")));
	return bytes;
}

static void
insert_tensor(Datum model_id, int seq, const SpTensorInfo *info, SpDtype dtype, pg_crc32c crc)
{
	static SpQuery insert = {
		.text = "INSERT INTO spotai.model_tensor (tenant_id, model_id, seq, name, dtype, shape,"
				" crc32c) VALUES (spotai.current_tenant(), $1, $2, $3, $4, $5, $6)",
		.nargs = 6,
		.types = {UUIDOID, INT4OID, TEXTOID, TEXTOID, INT8ARRAYOID, INT8OID},
	};
	Datum lengths[SP_TENSOR_MAX_RANK];
	char *name = pg_any_to_server(info->name, strlen(info->name), PG_UTF8);

	for (int d = 0; d < info->rank; d++)
		lengths[d] = Int64GetDatum(info->shape[d]);
	sp_pg_query(&insert,
	            (Datum[]){
					model_id,
					Int32GetDatum(seq),
					CStringGetTextDatum(name),
					CStringGetTextDatum(sp_dtype_name(dtype)),
					PointerGetDatum(construct_array(lengths, info->rank, INT8OID, sizeof(int64),
	                                                FLOAT8PASSBYVAL, TYPALIGN_DOUBLE)),
					Int64GetDatum((int64) crc),
				},
	            NULL, false);
}

static void
insert_chunks(Datum model_id, int tensor, const void *bytes, size_t size)
{
	static SpQuery insert = {
		.text = "INSERT INTO spotai.model_chunk (tenant_id, model_id, tensor, seq, data)"
				" VALUES (spotai.current_tenant(), $1, $2, $3, $4)",
		.nargs = 4,
		.types = {UUIDOID, INT4OID, INT4OID, BYTEAOID},
	};
	bytea *chunk = palloc(VARHDRSZ + CHUNK_BYTES);
	int seq = 0;

	for (size_t at = 0; at < size; at += CHUNK_BYTES)
	{
		size_t n = Min(CHUNK_BYTES, size - at);

		CHECK_FOR_INTERRUPTS();
		memcpy(VARDATA(chunk), (const char *) bytes + at, n);
		SET_VARSIZE(chunk, VARHDRSZ + n);
		sp_pg_query(&insert,
		            (Datum[]){model_id, Int32GetDatum(tensor), Int32GetDatum(seq++),
		                      PointerGetDatum(chunk)},
		            NULL, false);
	}
	pfree(chunk);
}

static void
store_tensor(Datum model_id, int seq, const SpTensorInfo *info, SpDtype dtype, const void *bytes)
{
	size_t size = info->elements * sp_dtype_size(dtype);
	pg_crc32c crc;

	INIT_CRC32C(crc);
	COMP_CRC32C(crc, bytes, size);
	FIN_CRC32C(crc);
	insert_tensor(model_id, seq, info, dtype, crc);
	insert_chunks(model_id, seq, bytes, size);
}

void
sp_model_store_tensors(Datum model_id, const SpTensorSource *source, SpDtype dtype)
{
	size_t largest = largest_tensor(source);
	float *numbers = allocate_numbers(largest);
	uint16 *room = dtype == SP_DTYPE_BF16 ? allocate_numbers(largest) : NULL;
	MemoryContext one_tensor =
		AllocSetContextCreate(CurrentMemoryContext, "spotai tensor", ALLOCSET_DEFAULT_SIZES);
	int seq = 0;

	for (size_t i = 0; i < source->count; i++)
	{
		const SpTensorInfo *info = &source->tensors[i];
		SpDtype as = stored_dtype(info, dtype);
		MemoryContext caller;

		if (is_integer(info->dtype))
			continue;
		caller = MemoryContextSwitchTo(one_tensor);
		read_tensor(source, i, numbers);
		store_tensor(model_id, seq++, info, as, encode_numbers(numbers, room, info, as));
		MemoryContextSwitchTo(caller);
		MemoryContextReset(one_tensor);
	}
	MemoryContextDelete(one_tensor);
	if (room != NULL)
		pfree(room);
	pfree(numbers);
}

/* ---- out of the tables ---- */

typedef struct ModelTensors
{
	SpTensorSource source;
	MemoryContext context; /* of what lives as long as the source */
	MemoryContext scratch; /* of one piece */
	pg_uuid_t model_id;
	const char *name; /* of the model, for errors */
	SpTensorInfo *tensors;
	pg_crc32c *crcs;
	ErrorData *error; /* kept for sp_model_check_tensors */
} ModelTensors;

static void damaged(const ModelTensors *self, const char *detail, ...) SP_NORETURN
	pg_attribute_printf(2, 3);

static bool
still_there(const ModelTensors *self)
{
	static SpQuery find = {
		.text = "SELECT FROM spotai.model WHERE tenant_id = spotai.current_tenant() AND id = $1",
		.nargs = 1,
		.types = {UUIDOID},
	};

	return sp_pg_query(&find, (Datum[]){UUIDPGetDatum(&self->model_id)}, NULL, false) > 0;
}

static void
damaged(const ModelTensors *self, const char *detail, ...)
{
	char sentence[512];
	va_list args;

	/* each query sees what others have committed by then */
	if (!still_there(self))
		sp_model_missing(self->name);
	va_start(args, detail);
	vsnprintf(sentence, sizeof(sentence), detail, args);
	va_end(args);
	ereport(ERROR,
	        (errcode(ERRCODE_DATA_CORRUPTED), errmsg("stored model \"%s\" is damaged", self->name),
	         errdetail_internal("%s", sentence),
	         errhint("Drop it with spotai.model_drop() and import it again.")));
}

/* Hand the pieces that the last query found to out, and answer the CRC of their bytes. */
static pg_crc32c
take_chunks(ModelTensors *self, const SpTensorInfo *info, float *out, bool *finite)
{
	size_t size = sp_dtype_size(info->dtype);
	int64 taken = 0;
	pg_crc32c crc;

	INIT_CRC32C(crc);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool isnull;
		bytea *data;
		int64 n;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(self->scratch);
		data = DatumGetByteaPP(sp_pg_column(row, 1, &isnull));
		n = VARSIZE_ANY_EXHDR(data) / size;
		if (VARSIZE_ANY_EXHDR(data) % size != 0 || n > info->elements - taken)
			damaged(self, "Tensor \"%s\" has more bytes than its shape.", info->name);
		COMP_CRC32C(crc, VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data));
		if (!sp_tensor_to_f32(out + taken, VARDATA_ANY(data), info->dtype, n))
			*finite = false;
		taken += n;
	}
	if (taken != info->elements)
		damaged(self, "Tensor \"%s\" has " INT64_FORMAT " numbers instead of " INT64_FORMAT ".",
		        info->name, taken, (int64) info->elements);
	FIN_CRC32C(crc);
	return crc;
}

static void
fetch_tensor(ModelTensors *self, size_t i, float *out)
{
	static SpQuery fetch = {
		.text = "SELECT data FROM spotai.model_chunk WHERE tenant_id = spotai.current_tenant()"
				" AND model_id = $1 AND tensor = $2 ORDER BY seq",
		.nargs = 2,
		.types = {UUIDOID, INT4OID},
	};
	const SpTensorInfo *info = &self->tensors[i];
	bool finite = true;
	pg_crc32c crc;

	sp_pg_query(&fetch, (Datum[]){UUIDPGetDatum(&self->model_id), Int32GetDatum((int32) i)}, NULL,
	            false);
	crc = take_chunks(self, info, out, &finite);
	SPI_freetuptable(SPI_tuptable);
	if (!EQ_CRC32C(crc, self->crcs[i]))
		damaged(self, "The checksum of tensor \"%s\" does not match its bytes.", info->name);
	if (!finite)
		damaged(self, "Tensor \"%s\" has a number that is not finite.", info->name);
}

/* SpTensorSource.read; the error must not jump over the frames of the core. */
static SpStatus
read_stored(void *arg, size_t i, float *out, SpFault *fault)
{
	ModelTensors *self = arg;
	MemoryContext caller = MemoryContextSwitchTo(self->scratch);

	if (self->error == NULL)
	{
		PG_TRY();
		{
			fetch_tensor(self, i, out);
		}
		PG_CATCH();
		{
			MemoryContextSwitchTo(self->context);
			self->error = CopyErrorData();
			FlushErrorState();
		}
		PG_END_TRY();
	}
	MemoryContextSwitchTo(caller);
	if (self->error == NULL)
		return SP_OK;
	return sp_fault(
		fault,
		self->error->sqlerrcode == ERRCODE_QUERY_CANCELED ? SP_ERR_CANCELED : SP_ERR_BAD_DATA,
		self->error->hint, "%s", self->error->detail ? self->error->detail : self->error->message);
}

void
sp_model_check_tensors(const SpTensorSource *tensors)
{
	ModelTensors *self = tensors->self;

	if (self->error != NULL)
		ReThrowError(self->error);
}

/* The shape of a row; the tables are the user's, so nothing in them is believed. */
static void
take_shape(const ModelTensors *self, SpTensorInfo *info, ArrayType *shape)
{
	Datum *lengths;
	bool *nulls;
	int rank;

	deconstruct_array(shape, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &lengths,
	                  &nulls, &rank);
	if (rank > SP_TENSOR_MAX_RANK)
		damaged(self, "Tensor \"%s\" has %d dimensions.", info->name, rank);
	info->rank = rank;
	info->elements = 1;
	for (int d = 0; d < rank; d++)
	{
		info->shape[d] = nulls[d] ? 0 : DatumGetInt64(lengths[d]);
		if (info->shape[d] <= 0 ||
		    __builtin_mul_overflow(info->elements, info->shape[d], &info->elements))
			damaged(self, "Tensor \"%s\" has an impossible shape.", info->name);
	}
}

static void
take_row(ModelTensors *self, uint64 row)
{
	SpTensorInfo *info = &self->tensors[row];
	bool isnull;
	char *name = sp_pg_column_text(row, 2);
	char *dtype = sp_pg_column_text(row, 3);

	info->name = pg_server_to_any(name, strlen(name), PG_UTF8);
	info->dtype = strcmp(dtype, sp_dtype_name(SP_DTYPE_BF16)) == 0 ? SP_DTYPE_BF16 : SP_DTYPE_F32;
	take_shape(self, info, DatumGetArrayTypeP(sp_pg_column(row, 4, &isnull)));
	self->crcs[row] = (pg_crc32c) DatumGetInt64(sp_pg_column(row, 5, &isnull));
	if (DatumGetInt32(sp_pg_column(row, 1, &isnull)) != (int32) row ||
	    (row > 0 && strcmp(self->tensors[row - 1].name, info->name) >= 0))
		damaged(self, "Tensor \"%s\" is out of order, or one before it is missing.", info->name);
}

/* A row that is missing at the end, which the order of the others does not tell. */
static void
check_count(const ModelTensors *self, int64 expected)
{
	int64 sum = 0;

	for (size_t i = 0; i < self->source.count; i++)
		if (__builtin_add_overflow(sum, self->tensors[i].elements, &sum))
			damaged(self, "It has too many numbers.");
	if (sum != expected)
		damaged(self, "It has " INT64_FORMAT " numbers instead of " INT64_FORMAT ".", sum,
		        expected);
}

const SpTensorSource *
sp_model_tensors(const SpModelRow *model)
{
	static SpQuery list = {
		.text = "SELECT seq, name, dtype, shape, crc32c FROM spotai.model_tensor"
				" WHERE tenant_id = spotai.current_tenant() AND model_id = $1 ORDER BY seq",
		.nargs = 1,
		.types = {UUIDOID},
	};
	ModelTensors *self = palloc0(sizeof(ModelTensors));

	self->context = CurrentMemoryContext;
	self->scratch =
		AllocSetContextCreate(CurrentMemoryContext, "spotai tensor", ALLOCSET_DEFAULT_SIZES);
	self->model_id = model->id;
	self->name = model->name;
	self->source.count = sp_pg_query(&list, (Datum[]){UUIDPGetDatum(&model->id)}, NULL, false);
	self->tensors = palloc0(sizeof(SpTensorInfo) * self->source.count);
	self->crcs = palloc(sizeof(pg_crc32c) * self->source.count);
	for (uint64 row = 0; row < self->source.count; row++)
		take_row(self, row);
	check_count(self, model->parameters);
	self->source.tensors = self->tensors;
	self->source.read = read_stored;
	self->source.self = self;
	return &self->source;
}
