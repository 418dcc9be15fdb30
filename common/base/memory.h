/*
 * Memory that is made again and again; and how much may still be taken, as the kernel tells it.
 */
#pragma once

#include <glib.h>
#include <string.h>

/* As g_new0(Type, 1), for what is made at each message: glibc's calloc() does not look into what its thread
 * has freed, and takes three times as long. */
#define postern_new_zeroed(Type) ((Type *)memset(g_malloc(sizeof(Type)), 0, sizeof(Type)))

/*
 * Octets that this process may take without being killed for it, or making others wait: what the machine has
 * available and, of each control group (v2) that it is in, what that has left; the least of them.
 * G_MAXUINT64: not known. proc and cgroups: "/proc" and "/sys/fs/cgroup", or what a test puts in their place.
 */
guint64 postern_memory_available(const char *proc, const char *cgroups);

/* Octets of process that are in memory, shared ones too; 0: not known. */
guint64 postern_memory_resident(GPid process);
