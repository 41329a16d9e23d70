/*
 * src/core/job/cron.c
 *	  Crontab expressions: parsing, and the next time one is due.
 *
 * The grammar is that of crontab(5), POSIX.1-2017 with the extensions of Paul
 * Vixie's cron: names, steps, macros, 7 for Sunday.  Deviations: ranges of
 * names are allowed, and an expression that can never be due is refused.
 *
 * The next time is found by walking over days and looking up hour and minute
 * in bit masks: a few thousand short steps in the worst case (29 February).
 * The calendar is that of H. Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms" (2013).
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "core/job/cron.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define SECONDS_A_DAY 86400
/* 29 February on a given weekday: every 28 years, 40 across 2100. */
#define LONGEST_WAIT_DAYS (41 * 366)
/* Year 292277 or so is where a PostgreSQL timestamp ends. */
#define LATEST_TIME INT64_C(9000000000000)

static const char grammar_hint[] = "Write five fields, as in '30 4 * * 1-5', or one of @hourly, "
								   "@daily, @weekly, @monthly, @yearly.";

typedef struct Field
{
	const char *name;
	int low;
	int high;
	const char *const *names; /* of low, low + 1, ...; NULL: numbers only */
} Field;

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

static const Field fields[] = {{"minute", 0, 59, NULL},
                               {"hour", 0, 23, NULL},
                               {"day of month", 1, 31, NULL},
                               {"month", 1, 12, month_names},
                               {"day of week", 0, 7, weekday_names}};
#define FIELD_COUNT 5

static const struct
{
	const char *name;
	const char *fields;
} macros[] = {{"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
              {"@weekly", "0 0 * * 0"},  {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
              {"@annually", "0 0 1 1 *"}};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Read a number or a name of the field at *p; -1 when there is none. */
static int
read_value(const char **p, const Field *field)
{
	int value = 0;

	for (int i = 0; field->names != NULL && field->names[i] != NULL; i++)
		if (strncasecmp(*p, field->names[i], 3) == 0)
		{
			*p += 3;
			return field->low + i;
		}
	if (!isdigit((unsigned char) **p))
		return -1;
	while (isdigit((unsigned char) **p))
	{
		value = value * 10 + (*(*p)++ - '0');
		/* larger than any field allows: stop before it overflows */
		if (value > 9999)
			return -1;
	}
	return value;
}

/* One element of a list: `*`, a value or a range, with an optional step. */
static bool
read_element(const char **p, const Field *field, uint64_t *mask)
{
	int low = field->low;
	int high = field->high;
	int step = 1;
	bool single = false;

	if (**p == '*')
		(*p)++;
	else
	{
		low = high = read_value(p, field);
		single = **p != '-';
		if (!single)
		{
			(*p)++;
			high = read_value(p, field);
		}
	}
	if (**p == '/' && !single)
	{
		(*p)++;
		if (!isdigit((unsigned char) **p))
			return false;
		step = read_value(p, &fields[0]);
	}
	if (low < field->low || high > field->high || low > high || step < 1)
		return false;
	for (int value = low; value <= high; value += step)
		*mask |= UINT64_C(1) << value;
	return true;
}

static bool
read_field(const char **p, const Field *field, uint64_t *mask)
{
	*mask = 0;
	for (;;)
	{
		if (!read_element(p, field, mask))
			return false;
		if (**p != ',')
			return **p == '\0' || is_blank(**p);
		(*p)++;
	}
}

static void
civil_from_days(int64_t days, int64_t *year, int *month, int *day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*day = (int) (doy - (153 * mp + 2) / 5 + 1);
	*month = (int) (mp < 10 ? mp + 3 : mp - 9);
	*year = yoe + era * 400 + (*month <= 2);
}

/* Is there a month among the allowed ones that has one of the allowed days? */
static bool
ever_due(const SpCron *cron)
{
	/* bits 1..n of a month of n days; February as in a leap year */
	static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (cron->either_day)
		return true;
	for (int month = 1; month <= 12; month++)
		if ((cron->months >> month & 1) &&
		    (cron->days & ((UINT64_C(2) << lengths[month - 1]) - 2)) != 0)
			return true;
	return false;
}

static const char *
expand_macro(const char *text)
{
	for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++)
		if (strcasecmp(text, macros[i].name) == 0)
			return macros[i].fields;
	return text;
}

SpStatus
sp_cron_parse(const char *text, SpCron *cron, SpFault *fault)
{
	const char *p = expand_macro(text);
	uint64_t masks[FIELD_COUNT];
	bool starred[FIELD_COUNT];

	for (int i = 0; i < FIELD_COUNT; i++)
	{
		while (is_blank(*p))
			p++;
		starred[i] = *p == '*';
		if (!read_field(&p, &fields[i], &masks[i]))
			return sp_fault(fault, SP_ERR_BAD_DATA, grammar_hint,
			                "The field for the %s, %d to %d, cannot be read.", fields[i].name,
			                fields[i].low, fields[i].high);
	}
	while (is_blank(*p))
		p++;
	if (*p != '\0')
		return sp_fault(fault, SP_ERR_BAD_DATA, grammar_hint, "There are more than five fields.");

	cron->minutes = masks[0];
	cron->hours = (uint32_t) masks[1];
	cron->days = (uint32_t) masks[2];
	cron->months = (uint32_t) masks[3];
	cron->weekdays = (uint32_t) (masks[4] & 0x7f) | (uint32_t) (masks[4] >> 7 & 1);
	cron->either_day = !starred[2] && !starred[4];
	if (!ever_due(cron))
		return sp_fault(fault, SP_ERR_BAD_DATA, "Choose a day that one of the months has.",
		                "None of the months has any of the days, so it would never be due.");
	return SP_OK;
}

static bool
day_matches(const SpCron *cron, int64_t days)
{
	int64_t year;
	int month;
	int day;
	int weekday = (int) (((days + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
	bool by_date;
	bool by_weekday;

	civil_from_days(days, &year, &month, &day);
	if (!(cron->months >> month & 1))
		return false;
	by_date = cron->days >> day & 1;
	by_weekday = cron->weekdays >> weekday & 1;
	return cron->either_day ? by_date || by_weekday : by_date && by_weekday;
}

/* First matching minute of a day at or after `from`; -1 when there is none. */
static int
minute_in_day(const SpCron *cron, int from)
{
	for (int hour = from / 60; hour < 24; hour++)
	{
		int first = hour == from / 60 ? from % 60 : 0;
		uint64_t left = cron->minutes >> first << first;

		if ((cron->hours >> hour & 1) && left != 0)
			return hour * 60 + __builtin_ctzll(left);
	}
	return -1;
}

SpStatus
sp_cron_next(const SpCron *cron, int64_t after, int64_t *next)
{
	int64_t day;
	int minute;

	if (after < -LATEST_TIME || after > LATEST_TIME)
		return SP_ERR_TOO_LARGE;
	/* the start of the following minute */
	day = after >= 0 ? after / SECONDS_A_DAY : -((-after + SECONDS_A_DAY - 1) / SECONDS_A_DAY);
	minute = (int) ((after - day * SECONDS_A_DAY) / 60) + 1;

	for (int i = 0; i < LONGEST_WAIT_DAYS; i++, day++, minute = 0)
	{
		int found = day_matches(cron, day) ? minute_in_day(cron, minute) : -1;

		if (found >= 0)
		{
			*next = day * SECONDS_A_DAY + found * 60;
			return SP_OK;
		}
	}
	return SP_ERR_TOO_LARGE;
}
