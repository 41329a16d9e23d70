/*
 * src/pg/audio.c
 *	  The audio room's settings.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include "utils/guc.h"

#include "pg/audio.h"

void
sp_audio_init(void)
{
}
