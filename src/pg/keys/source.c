/*
 * src/pg/keys/source.c
 *	  Key-encryption keys, from outside the database.
 *
 * A source is text: a key a line, the current one first, then those that data
 * keys may still be sealed with until spotai.rekey() has run; empty lines and
 * lines that begin with # say nothing.
 *
 * A file is read once a transaction that needs it, so that what is in memory is
 * what is in the file, and only while it is needed.  A command may ask a
 * machine far away, and is asked again after spotai.key_command_ttl.  What was
 * read is kept in memory that is neither swapped nor dumped where the system
 * allows that.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "core/crypto/constant_time.h"
#include "pg/keys/source.h"

/* One that is current, and years of those that were. */
#define KEYS_MAX 16

typedef struct Vault
{
	int count;
	bool from_command;
	TimestampTz asked_at;
	SpEnvelopeKey keys[KEYS_MAX];
	char text[SP_KEYS_TEXT];
} Vault;

static char *key_file = NULL;
static char *key_command = NULL;
static int key_command_ttl = 60;

/* NULL until first needed, so that the postmaster never has one to pass on. */
static Vault *vault = NULL;

static void
forget(void)
{
	if (vault != NULL)
		sp_crypto_wipe(vault, sizeof(*vault));
}

static void
forget_at_change(const char *newval, void *extra)
{
	forget();
}

static void
forget_at_exit(int code, Datum arg)
{
	forget();
}

static bool
too_old(void)
{
	return !vault->from_command ||
	       TimestampDifferenceExceeds(vault->asked_at, GetCurrentTimestamp(),
	                                  key_command_ttl * 1000);
}

static void
forget_at_end(XactEvent event, void *arg)
{
	if ((event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE) &&
	    vault->count > 0 && too_old())
		forget();
}

static void
make_vault(void)
{
	void *page =
		mmap(NULL, sizeof(Vault), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	/* where the system does not give these, it works without them */
	(void) mlock(page, sizeof(Vault));
#ifdef MADV_DONTDUMP
	(void) madvise(page, sizeof(Vault), MADV_DONTDUMP);
#endif
	vault = page;
	RegisterXactCallback(forget_at_end, NULL);
	on_proc_exit(forget_at_exit, (Datum) 0);
}

/* --- the file ----------------------------------------------------------------- */

/* Paths are for those who run the server, not for every user: log, not client. */
static void
refuse_file(const char *why, const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR), errmsg("the key file %s", why),
	                errdetail_log("spotai.key_file is \"%s\".", key_file), errhint("%s", hint)));
}

static void
fail_file(const char *doing)
{
	ereport(ERROR, (errcode_for_file_access(), errmsg("could not %s the key file: %m", doing),
	                errdetail_log("spotai.key_file is \"%s\".", key_file)));
}

/* A backup of the data directory would hold the key and what it locks. */
static void
check_location(void)
{
	char directory[PATH_MAX], file[PATH_MAX];

	if (!is_absolute_path(key_file))
		refuse_file("has no absolute path", "Set spotai.key_file to an absolute path.");
	if (realpath(key_file, file) == NULL)
		fail_file("find");
	if (realpath(DataDir, directory) == NULL)
		ereport(ERROR,
		        (errcode_for_file_access(), errmsg("could not find the data directory: %m")));
	if (path_is_prefix_of_path(directory, file))
		refuse_file("is in the data directory",
		            "Keep it elsewhere: a backup would hold the key together with what it locks.");
}

/* The server's rule for the private keys of its own certificates (be-secure-common.c). */
static void
check_permissions(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		fail_file("examine");
	if (!S_ISREG(st.st_mode))
		refuse_file("is not a regular file", "Set spotai.key_file to a file.");
	if (st.st_uid != geteuid() && st.st_uid != 0)
		refuse_file("belongs to another user",
		            "It must belong to the user that runs the server, or to root.");
	if ((st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO))) ||
	    (st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO))))
		refuse_file("can be read by others",
		            "Its mode must be 0600 or less, or 0640 or less if root owns it.");
}

static size_t
read_key_file(void)
{
	size_t length = 0;
	ssize_t n;
	int fd;

	check_location();
	/* not to wait at a pipe */
	fd = OpenTransientFile(key_file, O_RDONLY | O_NONBLOCK | PG_BINARY);
	if (fd < 0)
		fail_file("open");
	check_permissions(fd);
	while (length < SP_KEYS_TEXT &&
	       (n = read(fd, vault->text + length, SP_KEYS_TEXT - length)) != 0)
	{
		if (n < 0)
			fail_file("read");
		length += n;
	}
	if (length == SP_KEYS_TEXT)
		refuse_file("is too large", "It holds one key a line.");
	CloseTransientFile(fd);
	return length;
}

/* --- lines ---------------------------------------------------------------------- */

static void
take_line(const char *line, size_t length, int number)
{
	SpFault fault = {0};

	if (length > 0 && line[length - 1] == '\r')
		length--;
	if (length == 0 || line[0] == '#')
		return;
	if (vault->count == KEYS_MAX)
		ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR),
		                errmsg("more than %d key-encryption keys are configured", KEYS_MAX),
		                errhint("Call spotai.rekey(), then remove old keys.")));
	if (sp_envelope_key_read(line, length, &vault->keys[vault->count], &fault) != SP_OK)
		ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR),
		                errmsg("line %d of what %s says is no key", number,
		                       vault->from_command ? "spotai.key_command" : "spotai.key_file"),
		                errdetail("%s", fault.detail), errhint("%s", fault.hint)));
	vault->count++;
}

static void
take_lines(size_t length)
{
	size_t begin = 0;
	int number = 1;

	for (size_t i = 0; i <= length; i++)
	{
		if (i < length && vault->text[i] != '\n')
			continue;
		take_line(vault->text + begin, i - begin, number++);
		begin = i + 1;
	}
	if (vault->count == 0)
		ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR),
		                errmsg("there is no key in what %s says",
		                       vault->from_command ? "spotai.key_command" : "spotai.key_file"),
		                errhint("Make a key with: openssl rand -hex 32")));
}

static bool
is_set(const char *setting)
{
	return setting != NULL && setting[0] != '\0';
}

static void
check_settings(void)
{
	if (!is_set(key_file) && !is_set(key_command))
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		     errmsg("no key-encryption key is configured"),
		     errhint("Set spotai.key_file to a file outside the data directory that holds what "
		             "\"openssl rand -hex 32\" prints, or set spotai.key_command, and reload.")));
	if (is_set(key_file) && is_set(key_command))
		ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR),
		                errmsg("spotai.key_file and spotai.key_command are both set"),
		                errhint("Set one of them.")));
}

static void
load(void)
{
	check_settings();
	if (vault == NULL)
		make_vault();
	forget();
	PG_TRY();
	{
		vault->from_command = is_set(key_command);
		vault->asked_at = GetCurrentTimestamp();
		take_lines(vault->from_command ? sp_keys_run_command(key_command, vault->text)
		                               : read_key_file());
	}
	PG_CATCH();
	{
		forget();
		PG_RE_THROW();
	}
	PG_END_TRY();
	sp_crypto_wipe(vault->text, sizeof(vault->text));
}

/* What this transaction has asked for stays good until its end. */
static bool
is_loaded(void)
{
	if (vault == NULL || vault->count == 0)
		return false;
	return vault->asked_at >= GetCurrentTransactionStartTimestamp() || !too_old();
}

/* --- what others call ------------------------------------------------------------ */

char *
sp_keys_id_text(const uint8_t id[SP_ENVELOPE_ID_BYTES])
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < SP_ENVELOPE_ID_BYTES; i++)
		appendStringInfo(&text, "%02x", id[i]);
	return text.data;
}

const SpEnvelopeKey *
sp_keys_source_current(void)
{
	if (!is_loaded())
		load();
	return &vault->keys[0];
}

void
sp_keys_source_reload(void)
{
	load();
}

static const SpEnvelopeKey *
find_loaded(const uint8_t *id)
{
	for (int i = 0; i < vault->count; i++)
		if (memcmp(vault->keys[i].id, id, SP_ENVELOPE_ID_BYTES) == 0)
			return &vault->keys[i];
	return NULL;
}

static char *
loaded_ids(void)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; i < vault->count; i++)
		appendStringInfo(&text, "%s%s", i > 0 ? ", " : "", sp_keys_id_text(vault->keys[i].id));
	return text.data;
}

const SpEnvelopeKey *
sp_keys_source_find(const uint8_t id[SP_ENVELOPE_ID_BYTES])
{
	bool loaded = is_loaded();
	const SpEnvelopeKey *key;

	if (!loaded)
		load();
	key = find_loaded(id);
	if (key == NULL && loaded)
	{
		/* it may have been added since */
		load();
		key = find_loaded(id);
	}
	if (key == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("the configured key-encryption key is not the one that is needed"),
		                errdetail("Needed is the key with the id %s; configured: %s.",
		                          sp_keys_id_text(id), loaded_ids()),
		                errhint("Add the line with that key to what spotai.key_file or "
		                        "spotai.key_command says, below the current one.")));
	return key;
}

void
sp_keys_source_init(void)
{
	DefineCustomStringVariable(
		"spotai.key_command", "Shell command that prints the key-encryption keys.",
		"It prints what spotai.key_file would hold, within 30 seconds, and exits with 0. For keys "
		"that a key management service keeps. It runs as the user that runs the server.",
		&key_command, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, forget_at_change, NULL);
	DefineCustomIntVariable(
		"spotai.key_command_ttl", "Time that a session keeps what spotai.key_command printed.",
		"Zero means until the end of the transaction. Keys in memory are overwritten at the first "
		"end of a transaction after that time, and when the session ends.",
		&key_command_ttl, 60, 0, 86400, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomStringVariable(
		"spotai.key_file", "File of the key-encryption keys, which lock the keys of all tenants.",
		"An absolute path outside the data directory; a line for each key, 64 hexadecimal digits "
		"or "
		"base64, the current one first. It belongs to the user that runs the server and has mode "
		"0600, or belongs to root and has mode 0640. Without it, and without spotai.key_command, "
		"whatever needs a key is refused. A database without its key cannot be read: keep a copy.",
		&key_file, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, forget_at_change, NULL);
}
