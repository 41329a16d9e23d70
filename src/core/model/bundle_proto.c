/*
 * src/core/model/bundle_proto.c
 *	  The messages in a checkpoint's index.
 *
 * Source: TensorFlow, core/protobuf/tensor_bundle.proto,
 * core/framework/tensor_shape.proto, types.proto and versions.proto.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/model/bundle_proto.h"

#include <string.h>

/* DataType, core/framework/types.proto */
enum
{
	TF_FLOAT = 1,
	TF_DOUBLE = 2,
	TF_INT32 = 3,
	TF_STRING = 7,
	TF_INT64 = 9,
	TF_BFLOAT16 = 14,
	TF_HALF = 19
};

/* VersionDef: may a reader of our version read it? */
static bool
version_suits(SpWire wire, bool *suits)
{
	SpWireField field;

	while (wire.p < wire.end)
	{
		if (!sp_wire_field(&wire, &field))
			return false;
		if (field.number == 2 && field.type == 0 && field.value > SP_BUNDLE_VERSION)
			*suits = false;
	}
	return true;
}

/* num_shards 1, endianness 2 (0: little), version 3. */
bool
sp_bundle_header(SpWire wire, SpBundleHeader *header)
{
	SpWireField field;

	header->shards = 0;
	header->suits = true;
	while (wire.p < wire.end)
	{
		if (!sp_wire_field(&wire, &field))
			return false;
		if (field.number == 1 && field.type == 0)
			header->shards = field.value;
		else if (field.number == 2 && field.type == 0 && field.value != 0)
			header->suits = false;
		else if (field.number == 3 && field.type == 2 &&
		         !version_suits(field.bytes, &header->suits))
			return false;
	}
	return true;
}

/* TensorShapeProto: dim 2 { size 1 }, unknown_rank 3.  False when damaged. */
static bool
take_shape(SpWire wire, SpBundleEntry *entry)
{
	SpWireField field;

	while (wire.p < wire.end)
	{
		int64_t size = 0;

		if (!sp_wire_field(&wire, &field))
			return false;
		if (field.number == 3 && field.value != 0)
			entry->shapeless = true;
		if (field.number != 2 || field.type != 2)
			continue;
		for (SpWire dim = field.bytes; dim.p < dim.end;)
		{
			if (!sp_wire_field(&dim, &field))
				return false;
			if (field.number == 1 && field.type == 0)
				size = (int64_t) field.value;
		}
		if (entry->rank < SP_TENSOR_MAX_RANK)
			entry->shape[entry->rank] = size;
		/* One too many is enough to be refused. */
		if (entry->rank <= SP_TENSOR_MAX_RANK)
			entry->rank++;
	}
	return true;
}

static bool
dtype_of(uint64_t tf, SpDtype *dtype)
{
	switch (tf)
	{
		case TF_FLOAT:
			*dtype = SP_DTYPE_F32;
			return true;
		case TF_DOUBLE:
			*dtype = SP_DTYPE_F64;
			return true;
		case TF_INT32:
			*dtype = SP_DTYPE_I32;
			return true;
		case TF_INT64:
			*dtype = SP_DTYPE_I64;
			return true;
		case TF_BFLOAT16:
			*dtype = SP_DTYPE_BF16;
			return true;
		case TF_HALF:
			*dtype = SP_DTYPE_F16;
			return true;
		default:
			return false;
	}
}

/* The fields' numbers stand in tensor_bundle.proto. */
bool
sp_bundle_entry(SpWire wire, SpBundleEntry *entry)
{
	SpWireField field;

	memset(entry, 0, sizeof(*entry));
	while (wire.p < wire.end)
	{
		if (!sp_wire_field(&wire, &field))
			return false;
		if (field.number == 1 && field.type == 0)
			entry->tf_dtype = field.value;
		else if (field.number == 2 && field.type == 2 && !take_shape(field.bytes, entry))
			return false;
		else if (field.number == 3 && field.type == 0)
			entry->shard = field.value;
		else if (field.number == 4 && field.type == 0)
			entry->offset = field.value;
		else if (field.number == 5 && field.type == 0)
			entry->size = field.value;
		else if (field.number == 6 && field.type == 5)
			entry->crc = (uint32_t) field.value;
		else if (field.number == 7)
			entry->sliced = true;
	}
	entry->is_text = entry->tf_dtype == TF_STRING;
	entry->known_dtype = dtype_of(entry->tf_dtype, &entry->dtype);
	return entry->offset <= INT64_MAX && entry->size <= INT64_MAX && !entry->shapeless;
}
