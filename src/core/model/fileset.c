/*
 * src/core/model/fileset.c
 *	  The files of a checkpoint, in a folder or out of an archive.
 *
 * Hidden files are not looked at: archives packed on macOS carry a "._x" of
 * resource forks beside each x, also the released ones.
 *
 * SPDX-License-Identifier: PostgreSQL
 */
#include <errno.h>
#include <string.h>

#include "core/model/weights_internal.h"

/* Names that a folder may hold; a checkpoint has a handful. */
#define MAX_FILES 4096

ptrdiff_t
sp_fileset_find(const SpFileSet *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (strcmp(set->files[i].name, name) == 0)
			return (ptrdiff_t) i;
	return -1;
}

static bool
grow(SpFileSet *set)
{
	size_t capacity = set->capacity ? set->capacity * 2 : 16;
	SpNamedFile *files;

	if (set->count < set->capacity)
		return true;
	files = sp_alloc(set->env, capacity, sizeof(SpNamedFile));
	if (files == NULL)
		return false;
	if (set->count > 0)
		memcpy(files, set->files, set->count * sizeof(SpNamedFile));
	sp_free(set->env, set->files);
	set->files = files;
	set->capacity = capacity;
	return true;
}

SpStatus
sp_fileset_add(SpFileSet *set, const char *name, SpSpool *spool, SpFault *fault)
{
	size_t length = strlen(name) + 1;
	char *copy = NULL;
	SpStatus st;

	if (sp_fileset_find(set, name) >= 0)
		st = sp_fault(fault, SP_ERR_BAD_DATA, SP_HINT_DAMAGED, "The file \"%.120s\" comes twice.",
		              name);
	else if (set->count >= MAX_FILES)
		st = sp_fault(fault, SP_ERR_TOO_LARGE, "Give a folder that holds the model alone.",
		              "There are more than %d files.", MAX_FILES);
	else
	{
		copy = sp_alloc(set->env, length, 1);
		if (copy != NULL && grow(set))
		{
			memcpy(copy, name, length);
			set->files[set->count++] = (SpNamedFile){copy, spool};
			return SP_OK;
		}
		st = sp_weights_no_memory(fault);
	}
	sp_free(set->env, copy);
	sp_spool_free(spool);
	return st;
}

static SpStatus
folder_fault(const char *path, int error, SpFault *fault)
{
	if (error == ENOMEM)
		return sp_weights_no_memory(fault);
	sp_fault(fault, SP_ERR_IO, "The server reads the folder: it must lie where the server runs.",
	         "Could not read the folder \"%.100s\": %s.", path, strerror(error));
	errno = error;
	return SP_ERR_IO;
}

SpStatus
sp_fileset_open_folder(SpFileSet *set, const char *path, SpFault *fault)
{
	struct dirent *entry;

	set->folder = opendir(path);
	if (set->folder == NULL)
		return folder_fault(path, errno, fault);
	/* readdir tells its end from an error by errno alone. */
	while (errno = 0, (entry = readdir(set->folder)) != NULL)
	{
		SpStatus st = SP_OK;

		if (entry->d_name[0] != '.')
			st = sp_fileset_add(set, entry->d_name, NULL, fault);
		if (st != SP_OK)
			return st;
	}
	return errno == 0 ? SP_OK : folder_fault(path, errno, fault);
}

SpStatus
sp_fileset_take(SpFileSet *set, size_t i, SpSpool **spool, SpFault *fault)
{
	if (set->folder != NULL)
		return sp_spool_open_file(set->env, dirfd(set->folder), set->files[i].name, spool, fault);
	*spool = set->files[i].spool;
	set->files[i].spool = NULL;
	if (*spool == NULL)
		return sp_fault(fault, SP_ERR_BAD_ARG, NULL, "\"%.120s\" was taken before.",
		                set->files[i].name);
	return SP_OK;
}

void
sp_fileset_free(SpFileSet *set)
{
	for (size_t i = 0; i < set->count; i++)
	{
		sp_free(set->env, set->files[i].name);
		sp_spool_free(set->files[i].spool);
	}
	sp_free(set->env, set->files);
	if (set->folder != NULL)
		closedir(set->folder);
	memset(set, 0, sizeof(*set));
}
