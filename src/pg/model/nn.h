/*
 * src/pg/model/nn.h
 *	  The nn room: how networks compute, and the one that a backend keeps.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#ifndef SP_PG_NN_H
#define SP_PG_NN_H

#include "postgres.h"

#include "core/stems/model.h"
#include "pg/model/model.h"

/* Define the room's settings; called once from _PG_init. */
extern void sp_nn_init(void);

/* What the settings and this machine's CPU come to. */
extern SpPrecision sp_nn_setting_precision(void);
extern int sp_nn_setting_threads(void);

/*
 * The network of this row, loaded from the tables unless the backend has it
 * already, with the present settings.  Called connected to SPI.  It stays valid
 * until the current memory context is reset; what uses it must belong to the
 * same context and be made later.  One separation at a time may use it.
 */
extern const SpModel *sp_nn_model(const SpModelRow *row);

#endif /* SP_PG_NN_H */
