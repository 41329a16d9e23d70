/*
 * src/pg/keys/command.c
 *	  What a shell command prints, without waiting for it for ever.
 *
 * popen() as the server uses it for passphrases cannot be given up: closing it
 * waits for the child.  The command gets a process group of its own, which is
 * ended whole when the time is over or the statement is canceled.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "pg/keys/source.h"

#define LIMIT_MS 30000
/* between two looks whether a child that has closed its output has ended */
#define LOOK_MS 5

extern char **environ;

typedef struct Command
{
	pid_t pid; /* 0 when it has ended */
	int fd;    /* -1 when it is closed */
	TimestampTz until;
} Command;

static void
start(Command *command, const char *text)
{
	char *argv[] = {"sh", "-c", unconstify(char *, text), NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int ends[2], rc;

	if (pipe2(ends, O_CLOEXEC) != 0)
		ereport(ERROR, (errcode_for_file_access(), errmsg("could not make a pipe: %m")));
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
	                                          POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	rc = posix_spawn(&command->pid, "/bin/sh", &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	command->fd = ends[0];
	if (rc == 0)
		return;
	command->pid = 0;
	errno = rc;
	ereport(ERROR,
	        (errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION), errmsg("could not run a shell: %m")));
}

static void
stop(Command *command)
{
	if (command->fd >= 0)
		close(command->fd);
	if (command->pid <= 0)
		return;
	kill(-command->pid, SIGKILL);
	while (waitpid(command->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Until there is something to read, or for at most most_ms; raises when the time is over. */
static void
wait_a_little(Command *command, long most_ms)
{
	long left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), command->until);
	int events = WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH;

	if (left <= 0)
		ereport(ERROR, (errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
		                errmsg("spotai.key_command took longer than %d seconds", LIMIT_MS / 1000)));
	if (command->fd >= 0)
		events |= WL_SOCKET_READABLE;
	if (WaitLatchOrSocket(MyLatch, events, command->fd >= 0 ? command->fd : PGINVALID_SOCKET,
	                      Min(left, most_ms), PG_WAIT_EXTENSION) &
	    WL_LATCH_SET)
	{
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static size_t
read_all(Command *command, char *out)
{
	size_t length = 0;
	ssize_t n;

	for (;;)
	{
		wait_a_little(command, LIMIT_MS);
		n = read(command->fd, out + length, SP_KEYS_TEXT - length);
		if (n == 0)
			break;
		if (n > 0)
			length += n;
		else if (errno != EINTR && errno != EAGAIN)
			ereport(ERROR, (errcode_for_file_access(),
			                errmsg("could not read what spotai.key_command prints: %m")));
		if (length == SP_KEYS_TEXT)
			ereport(ERROR, (errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			                errmsg("spotai.key_command prints too much"),
			                errhint("It prints one key a line.")));
	}
	close(command->fd);
	command->fd = -1;
	return length;
}

static void
wait_for_end(Command *command)
{
	int status;
	pid_t ended;

	while ((ended = waitpid(command->pid, &status, WNOHANG)) == 0 || (ended < 0 && errno == EINTR))
		wait_a_little(command, LOOK_MS);
	command->pid = 0;
	if (ended > 0 && status != 0)
		ereport(ERROR,
		        (errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION), errmsg("spotai.key_command failed"),
		         errdetail("%s.", wait_result_to_str(status)),
		         errhint("What it says about that is in the server's log.")));
}

size_t
sp_keys_run_command(const char *text, char *out)
{
	/* volatile: changed in PG_TRY and looked at after an error */
	volatile Command command = {.fd = -1};
	Command *running = unvolatize(Command *, &command);
	size_t length = 0;

	PG_TRY();
	{
		running->until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LIMIT_MS);
		start(running, text);
		if (fcntl(running->fd, F_SETFL, O_NONBLOCK) != 0)
			ereport(ERROR, (errcode_for_file_access(), errmsg("could not set up a pipe: %m")));
		length = read_all(running, out);
		wait_for_end(running);
	}
	PG_CATCH();
	{
		stop(running);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return length;
}
