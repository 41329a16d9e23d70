/*
 * tests/bench/vector_client.c
 *	  Asks a server for what is nearest, and measures what that costs its process.
 *
 *	vector_client load TABLE SET [FIRST COUNT]
 *		COPY in binary form into TABLE (id, part, v); ids are row numbers
 *	vector_client run METRIC BASE QUERIES TRUTH COUNT QUERY [SETTING ...]
 *		recall, CPU milliseconds a query, wall milliseconds of the median query,
 *		queries short of ten rows, rows of the shortest, queries whose rows do not
 *		come by ascending distance
 *	vector_client cost STATEMENT [SETTING ...]
 *		wall seconds, CPU seconds, bytes of WAL
 *	vector_client insert TABLE SET FIRST COUNT ID [SETTING ...]
 *		a statement for each row: CPU milliseconds and bytes of WAL a row
 *	vector_client plan TABLE OPERATOR QUERIES COUNT [SETTING ...]
 *		for each LIMIT and selectivity: what the planner takes, what it says that
 *		costs, and CPU milliseconds of that and of the other way
 *
 * QUERY and the others are prepared, embeddings are sent as bytes, one query runs
 * at a time.  QUERY gives row numbers of BASE in its first column.  CPU is that of
 * all threads of the server's process, out of its clock (clock_getcpuclockid), so
 * the server must be on this machine; of ROUNDS (5) rounds behind one that warms
 * up the median.  For run, insert and plan client and process share a processor
 * (where that may be asked for): to wake one on another is an interrupt, which in a
 * virtual machine took 0.05 to 0.1 ms of the server's time.  A row counts for the recall when it is as near as the tenth
 * of the truth, rounding aside, so that ties count.  The connection is libpq's
 * environment.  SETTINGs are statements that run first.  Fields are ended by tabs.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <sched.h>
#include <stdbool.h>

#include "clock.h"
#include "vector_set.h"

#define MAX_ROUNDS 101
#define TOLERANCE  1e-5 /* operators answer from sums in float */

/* --- the connection ----------------------------------------------------- */

static PGconn *conn;

static PGresult *
must(PGresult *result, const char *what)
{
	ExecStatusType status = PQresultStatus(result);

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_COPY_IN)
		return result;
	fprintf(stderr, "%s\n%s", what, PQerrorMessage(conn));
	exit(1);
}

static void
run(const char *sql)
{
	PQclear(must(PQexec(conn, sql), sql));
}

static void
connect_with(char **settings)
{
	conn = PQconnectdb("");
	if (PQstatus(conn) != CONNECTION_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(conn));
		exit(1);
	}
	run("SET client_min_messages = warning");
	run("SET search_path = public, spotai");
	for (; *settings != NULL; settings++)
		run(*settings);
}

/* CPU seconds of the server's process and its threads so far. */
static double
server_seconds(void)
{
	clockid_t clock;

	if (clock_getcpuclockid(PQbackendPID(conn), &clock) != 0)
	{
		fprintf(stderr, "the server's process is not on this machine\n");
		exit(1);
	}
	return clock_seconds(clock);
}

/* This program and the server's process on one processor. */
static void
share_processor(void)
{
	cpu_set_t one;
	int cpu = sched_getcpu();

	CPU_ZERO(&one);
	CPU_SET(cpu < 0 ? 0 : (size_t) cpu, &one);
	if (sched_setaffinity(PQbackendPID(conn), sizeof one, &one) != 0 ||
	    sched_setaffinity(0, sizeof one, &one) != 0)
		fprintf(stderr, "# client and server do not share a processor: %m\n");
}

static double
wal_bytes(void)
{
	PGresult *result = must(PQexec(conn, "SELECT pg_current_wal_insert_lsn() - '0/0'"), "WAL");
	double bytes = atof(PQgetvalue(result, 0, 0));

	PQclear(result);
	return bytes;
}

/* --- embeddings and numbers as the server takes them -------------------- */

static size_t
wire_size(size_t d)
{
	return 4 + 4 * d;
}

/* int16 dimensions, int16 0, then floats. */
static void
to_wire(const float *row, size_t d, char *out)
{
	uint16_t head[2] = {htons((uint16_t) d), 0};

	memcpy(out, head, sizeof head);
	for (size_t i = 0; i < d; i++)
	{
		uint32_t bits;

		memcpy(&bits, &row[i], 4);
		bits = htonl(bits);
		memcpy(out + 4 + 4 * i, &bits, 4);
	}
}

static char *
put32(char *out, uint32_t value)
{
	value = htonl(value);
	memcpy(out, &value, 4);
	return out + 4;
}

/* The wire form of all rows, one behind the other. */
static char *
wire_of(const VectorSet *set, size_t count)
{
	char *wire = malloc(count * wire_size(set->d));

	if (wire == NULL)
		set_die("embeddings");
	for (size_t i = 0; i < count; i++)
		to_wire(set_row(set, i), set->d, wire + i * wire_size(set->d));
	return wire;
}

/* Statement "s" with one embedding. */
static PGresult *
execute(const char *wire, size_t d)
{
	int length = (int) wire_size(d), format = 1;

	return must(PQexecPrepared(conn, "s", 1, &wire, &length, &format, 0), "query");
}

static int
rounds(void)
{
	const char *text = getenv("ROUNDS");
	int n = text == NULL ? 5 : atoi(text);

	return n < 1 ? 1 : n > MAX_ROUNDS ? MAX_ROUNDS : n;
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *) a, y = *(const double *) b;

	return x < y ? -1 : x > y;
}

static double
median(double *values, int n)
{
	qsort(values, (size_t) n, sizeof *values, ascending);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* --- load --------------------------------------------------------------- */

/* A row of COPY: id, part, embedding. */
static size_t
copy_row(char *row, const VectorSet *set, size_t i)
{
	char *out = row;
	uint16_t columns = htons(3);

	memcpy(out, &columns, 2);
	out = put32(put32(out + 2, 4), (uint32_t) i);
	out = put32(put32(out, 4), (uint32_t) set_part(i));
	out = put32(out, (uint32_t) wire_size(set->d));
	to_wire(set_row(set, i), set->d, out);
	return (size_t) (out - row) + wire_size(set->d);
}

static void
load(const char *table, const char *path, size_t first, size_t count)
{
	static const char head[19] = "PGCOPY\n\377\r\n\0", end[2] = "\377\377";
	VectorSet set = set_open(path);
	char *row = malloc(32 + wire_size(set.d));
	char sql[200];

	snprintf(sql, sizeof sql, "COPY %s (id, part, v) FROM STDIN (FORMAT binary)", table);
	run(sql);
	PQputCopyData(conn, head, sizeof head);
	for (size_t i = first; i < set.n && i - first < count; i++)
		PQputCopyData(conn, row, (int) copy_row(row, &set, i));
	PQputCopyData(conn, end, sizeof end);
	PQputCopyEnd(conn, NULL);
	PQclear(must(PQgetResult(conn), sql));
	free(row);
}

/* --- run ---------------------------------------------------------------- */

typedef struct Asked
{
	char metric;
	VectorSet base, queries;
	const double *truth; /* [count][SET_K] */
	const char *wire;    /* of the queries */
	size_t count;
} Asked;

/*
 * Of the truth's rows, how many are among the result's first ten; *of: how many
 * there are; *ordered: whether they come by ascending distance.
 */
static int
hits(const Asked *a, size_t query, const PGresult *result, int *of, bool *ordered)
{
	const double *truth = a->truth + query * SET_K;
	double limit, last = -INFINITY;
	int n = 0, rows = PQntuples(result) < SET_K ? PQntuples(result) : SET_K;

	*of = SET_K;
	while (*of > 0 && isinf(truth[*of - 1]))
		(*of)--;
	limit = *of > 0 ? truth[*of - 1] : 0;
	limit += TOLERANCE * (1e-3 + fabs(limit));
	*ordered = true;
	for (int i = 0; i < rows; i++)
	{
		size_t row = (size_t) atol(PQgetvalue(result, i, 0));

		double distance = INFINITY;

		if (row < a->base.n)
			distance = set_distance(a->metric, set_row(&a->base, row), set_row(&a->queries, query),
			                        a->base.d);
		if (distance <= limit)
			n++;
		if (distance < last - TOLERANCE * (1e-3 + fabs(last)))
			*ordered = false;
		last = distance;
	}
	return n < *of ? n : *of;
}

/* The first round: what the answers are worth. */
static void
judge(const Asked *a, double *recall, int *short_of, int *fewest, int *disordered)
{
	int found = 0, all = 0;

	*short_of = *disordered = 0;
	*fewest = SET_K;
	for (size_t i = 0; i < a->count; i++)
	{
		PGresult *result = execute(a->wire + i * wire_size(a->queries.d), a->queries.d);
		int of, rows = PQntuples(result);
		bool ordered;

		found += hits(a, i, result, &of, &ordered);
		*disordered += !ordered;
		all += of;
		*short_of += rows < of;
		if (rows < *fewest)
			*fewest = rows;
		PQclear(result);
	}
	*recall = (double) found / all;
}

static void
measure(const Asked *a, double *cpu_ms, double *wall_ms)
{
	double cpu[MAX_ROUNDS], wall[MAX_ROUNDS];
	double *walls = malloc(a->count * sizeof *walls);

	for (int r = 0; r < rounds(); r++)
	{
		double start = server_seconds();

		for (size_t i = 0; i < a->count; i++)
		{
			double begun = now();

			PQclear(execute(a->wire + i * wire_size(a->queries.d), a->queries.d));
			walls[i] = now() - begun;
		}
		cpu[r] = server_seconds() - start;
		wall[r] = median(walls, (int) a->count);
	}
	*cpu_ms = 1e3 * median(cpu, rounds()) / (double) a->count;
	*wall_ms = 1e3 * median(wall, rounds());
	free(walls);
}

static void
run_queries(Asked *a, const char *truth, const char *sql)
{
	double recall, cpu, wall;
	int short_of, fewest, disordered;
	size_t size;

	a->truth = set_map(truth, &size);
	if (a->count > a->queries.n || size < a->count * SET_K * sizeof(double))
	{
		fprintf(stderr, "%s: fewer than %zu queries\n", truth, a->count);
		exit(1);
	}
	a->wire = wire_of(&a->queries, a->count);
	PQclear(must(PQprepare(conn, "s", sql, 0, NULL), sql));
	judge(a, &recall, &short_of, &fewest, &disordered);
	measure(a, &cpu, &wall);
	printf("%.4f\t%.4f\t%.4f\t%d\t%d\t%d\n", recall, cpu, wall, short_of, fewest, disordered);
}

/* --- cost, insert ------------------------------------------------------- */

static void
cost(const char *sql)
{
	double wal = wal_bytes(), cpu = server_seconds(), wall = now();

	run(sql);
	wall = now() - wall;
	cpu = server_seconds() - cpu;
	printf("%.3f\t%.3f\t%.0f\n", wall, cpu, wal_bytes() - wal);
}

static void
insert(const char *table, const char *path, size_t first, size_t count, uint32_t id)
{
	VectorSet set = set_open(path);
	char *wire = malloc(wire_size(set.d));
	char sql[200];
	double cpu, wal;

	if (first + count > set.n)
	{
		fprintf(stderr, "%s has %u rows\n", path, set.n);
		exit(1);
	}
	snprintf(sql, sizeof sql, "INSERT INTO %s (id, part, v) VALUES ($1::int4, $2::int4, $3)",
	         table);
	PQclear(must(PQprepare(conn, "i", sql, 0, NULL), sql));
	wal = wal_bytes();
	cpu = server_seconds();
	for (size_t i = 0; i < count; i++)
	{
		uint32_t numbers[2] = {htonl(id + (uint32_t) i), htonl((uint32_t) set_part(id + i))};
		const char *values[3] = {(char *) &numbers[0], (char *) &numbers[1], wire};
		int lengths[3] = {4, 4, (int) wire_size(set.d)}, formats[3] = {1, 1, 1};

		to_wire(set_row(&set, first + i), set.d, wire);
		PQclear(must(PQexecPrepared(conn, "i", 3, values, lengths, formats, 0), sql));
	}
	cpu = server_seconds() - cpu;
	printf("%.4f\t%.0f\n", 1e3 * cpu / (double) count, (wal_bytes() - wal) / (double) count);
	free(wire);
}

/* --- plan --------------------------------------------------------------- */

/* What EXPLAIN says of statement "s": its cost, and whether an index gives the order. */
static void
explain(const char *sql, const char *wire, size_t d, double *estimate, bool *by_index)
{
	int length = (int) wire_size(d), format = 1;
	char explain_sql[600];
	PGresult *result;

	snprintf(explain_sql, sizeof explain_sql, "EXPLAIN %s", sql);
	result = must(PQexecParams(conn, explain_sql, 1, NULL, &wire, &length, &format, 0), sql);
	*by_index = true;
	for (int i = 0; i < PQntuples(result); i++)
	{
		const char *line = PQgetvalue(result, i, 0), *number = strstr(line, "..");

		if (i == 0)
			*estimate = number == NULL ? NAN : atof(number + 2);
		if (strstr(line, "Sort") != NULL)
			*by_index = false;
	}
	PQclear(result);
}

/* CPU milliseconds of one of a few queries, the median, planning included. */
static double
typical_ms(const char *sql, const char *wire, size_t d, size_t count)
{
	double ms[MAX_ROUNDS];
	int length = (int) wire_size(d), format = 1, n = 0;

	for (size_t i = 0; i < count + 2 && n < MAX_ROUNDS; i++)
	{
		const char *value = wire + i % count * wire_size(d);
		double start = server_seconds();

		PQclear(must(PQexecParams(conn, sql, 1, NULL, &value, &length, &format, 0), sql));
		/* the first two fill the caches */
		if (i >= 2)
			ms[n++] = 1e3 * (server_seconds() - start);
	}
	return median(ms, n);
}

static void
set_ways(bool index, bool sequence)
{
	run(index ? "SET enable_indexscan = on" : "SET enable_indexscan = off");
	run(sequence ? "SET enable_seqscan = on" : "SET enable_seqscan = off");
	run(sequence ? "SET enable_sort = on" : "SET enable_sort = off");
}

/* One line: limit, parts of 1000, taken, estimate, ms, the other's estimate, ms. */
static void
plan_one(const char *sql, int limit, int parts, const char *wire, size_t d, size_t count)
{
	double estimate, other_estimate, ms, other_ms;
	bool by_index, other_by_index;

	set_ways(true, true);
	explain(sql, wire, d, &estimate, &by_index);
	ms = typical_ms(sql, wire, d, count);
	set_ways(!by_index, by_index ? true : false);
	explain(sql, wire, d, &other_estimate, &other_by_index);
	other_ms = typical_ms(sql, wire, d, count);
	printf("%d\t%g\t%s\t%.0f\t%.3f\t%s\t%.0f\t%.3f\n", limit, parts / 10.0,
	       by_index ? "index" : "sequence", estimate, ms, other_by_index ? "index" : "sequence",
	       other_estimate, other_ms);
	fflush(stdout);
}

static void
plan(const char *table, const char *operator, const char * path, size_t count)
{
	static const int limits[] = {1, 10, 100, 1000}, parts[] = {1, 10, 100, 1000};
	VectorSet queries = set_open(path);
	char *wire = wire_of(&queries, count);

	for (size_t l = 0; l < sizeof limits / sizeof limits[0]; l++)
	{
		for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++)
		{
			char sql[400], where[60] = "";

			if (parts[p] < SET_PARTS)
				snprintf(where, sizeof where, "WHERE part < %d ", parts[p]);
			snprintf(sql, sizeof sql, "SELECT id FROM %s %sORDER BY v %s $1::embedding LIMIT %d",
			         table, where, operator, limits[l]);
			plan_one(sql, limits[l], parts[p], wire, queries.d, count);
		}
	}
	free(wire);
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "load") == 0 && (argc == 4 || argc == 6))
	{
		connect_with(argv + argc);
		load(argv[2], argv[3], argc == 6 ? (size_t) atol(argv[4]) : 0,
		     argc == 6 ? (size_t) atol(argv[5]) : SIZE_MAX);
	}
	else if (strcmp(what, "run") == 0 && argc >= 8)
	{
		Asked a = {.metric = argv[2][0], .base = set_open(argv[3]), .queries = set_open(argv[4])};

		a.count = (size_t) atol(argv[6]);
		connect_with(argv + 8);
		share_processor();
		run_queries(&a, argv[5], argv[7]);
	}
	else if (strcmp(what, "cost") == 0 && argc >= 3)
	{
		connect_with(argv + 3);
		cost(argv[2]);
	}
	else if (strcmp(what, "insert") == 0 && argc >= 7)
	{
		connect_with(argv + 7);
		share_processor();
		insert(argv[2], argv[3], (size_t) atol(argv[4]), (size_t) atol(argv[5]),
		       (uint32_t) atol(argv[6]));
	}
	else if (strcmp(what, "plan") == 0 && argc >= 6)
	{
		connect_with(argv + 6);
		share_processor();
		plan(argv[2], argv[3], argv[4], (size_t) atol(argv[5]));
	}
	else
	{
		fprintf(stderr, "vector_client load | run | cost | insert | plan ...\n");
		return 2;
	}
	PQfinish(conn);
	return 0;
}
