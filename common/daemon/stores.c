#include "daemon/stores.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/privileges.h"
#include "greylist/store.h"
#include "tally/store.h"

/* What is wrong, a line each; by_its_user: this process may do what the daemon may. */
static GString *look(const PosternConfiguration *configuration, gboolean by_its_user)
{
    const struct {
        const char *path;
        gboolean (*check)(const char *path, gboolean by_its_user, GError **error);
    } stores[] = {
        {configuration->greylist.file, postern_greylist_sqlite_check},
        {configuration->report.store, postern_tally_store_check},
    };
    GString *problems = g_string_new(NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(stores); i++) {
        g_autoptr(GError) error = NULL;
        if (stores[i].path[0] != '\0' && !stores[i].check(stores[i].path, by_its_user, &error))
            g_string_append_printf(problems, "%s%s", problems->len > 0 ? "\n" : "", error->message);
    }
    return problems;
}

/* In the child: tells, and is gone. */
static void tell(const PosternConfiguration *configuration, const char *user, int out)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) problems = NULL;
    if (postern_privileges_drop(user, &error))
        problems = look(configuration, TRUE);
    else
        problems = g_string_new(error->message);
    for (gsize sent = 0; sent < problems->len;) {
        gssize length = write(out, problems->str + sent, problems->len - sent);
        if (length <= 0 && errno != EINTR)
            break;
        sent += (gsize)MAX(length, 0);
    }
    _exit(EXIT_SUCCESS);
}

static GString *look_as(const PosternConfiguration *configuration, const char *user, GError **error)
{
    g_autoptr(GString) problems = g_string_new(NULL);
    char octets[4096];
    gssize length;
    int ends[2], status = 0;
    if (pipe(ends) != 0) {
        postern_error_set_system(error, errno, "cannot look at the files of [greylist] and [report]");
        return NULL;
    }
    pid_t child = fork();
    int number = child < 0 ? errno : ECHILD;
    if (child == 0)
        tell(configuration, user, ends[1]);
    (void)close(ends[1]);
    while (child > 0 &&
           ((length = read(ends[0], octets, sizeof octets)) > 0 || (length < 0 && errno == EINTR)))
        g_string_append_len(problems, octets, MAX(length, 0));
    (void)close(ends[0]);
    if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return g_steal_pointer(&problems);
    postern_error_set_system(error, number, "cannot look at the files of [greylist] and [report]");
    return NULL;
}

gboolean postern_stores_check(const PosternConfiguration *configuration, const char *user, GError **error)
{
    if (configuration->greylist.file[0] == '\0' && configuration->report.store[0] == '\0')
        return TRUE;
    const struct passwd *entry = getpwnam(user);
    g_autoptr(GString) problems = geteuid() == 0
                                      ? look_as(configuration, user, error)
                                      : look(configuration, entry != NULL && entry->pw_uid == geteuid());
    if (problems == NULL || problems->len == 0)
        return problems != NULL;
    g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE, problems->str);
    return FALSE;
}
