/*
 * What a worker gives up before it reads an untrusted octet. Whatever it is denied later ends it: a system
 * call that is not on the list kills it, so does a file over its size. Only files outside its directory are
 * refused with an error (Landlock), for that is where nothing of a scan may be.
 */
#pragma once

#include <glib.h>

typedef struct {
    const char *directory; /* the only one it may use; NULL: none, and no call that names a file */
    guint64 memory_octets; /* beyond what is mapped now */
    guint64 file_octets;   /* largest file or memfd that it may write */
} PosternSandboxOptions;

/*
 * Enters it for good. no_new_privs must be set; all descriptors that are not wanted must be closed.
 * *ret_confined: the kernel has Landlock. FALSE and error: the process must end.
 */
gboolean postern_sandbox_enter(const PosternSandboxOptions *options, gboolean *ret_confined,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Allows seconds more of processor time from now on; over it the process is killed. May be called inside. */
gboolean postern_sandbox_allow_processor_time(guint seconds);
