/*
 * src/core/model/bundle_proto.h
 *	  The messages in a checkpoint's index: its header, and an entry a tensor.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_BUNDLE_PROTO_H
#define SP_BUNDLE_PROTO_H

#include "core/model/wire.h"
#include "core/nn/tensor.h"

/* tensor_bundle.h, kTensorBundleVersion: we read files meant for it. */
#define SP_BUNDLE_VERSION 1

typedef struct SpBundleHeader
{
	uint64_t shards; /* data files, as claimed */
	bool suits;      /* little-endian, and of a version that we read */
} SpBundleHeader;

/* An entry as claimed; offset and size fit an int64_t. */
typedef struct SpBundleEntry
{
	uint64_t tf_dtype;
	SpDtype dtype;
	bool known_dtype; /* else dtype means nothing */
	bool is_text;
	uint64_t shard;
	uint64_t offset;
	uint64_t size;
	uint32_t crc; /* masked */
	int rank;     /* one more than SP_TENSOR_MAX_RANK: too many */
	int64_t shape[SP_TENSOR_MAX_RANK];
	bool sliced;
	bool shapeless; /* says that it does not know its shape */
} SpBundleEntry;

/* Both are false when the message is damaged. */
bool sp_bundle_header(SpWire wire, SpBundleHeader *header);
bool sp_bundle_entry(SpWire wire, SpBundleEntry *entry);

#endif /* SP_BUNDLE_PROTO_H */
