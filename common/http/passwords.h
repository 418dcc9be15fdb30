/*
 * Who may read metrics and the status page from elsewhere: a file of lines `USER:HASH` (crypt(5), as
 * `htpasswd -B` and `mkpasswd` make them; empty lines and those that begin with # do not count), and HTTP's
 * Basic credentials (RFC 7617). One thread.
 */
#pragma once

#include <glib.h>

typedef struct PosternPasswords PosternPasswords;

/* NULL and error if the file cannot be read, holds no user, or a line is wrong. */
PosternPasswords *postern_passwords_load(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_passwords_free(PosternPasswords *passwords);

typedef enum {
    POSTERN_PASSWORD_WRONG,
    POSTERN_PASSWORD_RIGHT,
    POSTERN_PASSWORD_LATER, /* POSTERN_HTTP_PASSWORDS_PER_SECOND_MAX were looked at: hashing is dear */
} PosternPasswordAnswer;

/* credentials: the value of Authorization, or NULL; now: monotonic microseconds. What was right is
 * remembered, and costs no hashing again. */
PosternPasswordAnswer postern_passwords_check(PosternPasswords *passwords, const char *credentials,
                                              gint64 now);
