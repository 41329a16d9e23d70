/*
 * src/core/audio/vio.h
 *	  libsndfile's virtual I/O on a cursor: pass the SpCursor as user data.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_AUDIO_VIO_H
#define SP_AUDIO_VIO_H

#include <sndfile.h>

#include "core/io/spool.h"

/* The callbacks.  Failures stay in the cursor: ask sp_cursor_status after each call. */
SF_VIRTUAL_IO sp_vio(void);

/* Does libsndfile's message say that it ran out of memory?  Its number for it is private. */
bool sp_vio_no_memory(const char *message);

#endif /* SP_AUDIO_VIO_H */
