#include "proxy/servers/backend_status.h"

#include <pthread.h>

#include "base/log.h"

struct PosternBackendStatus {
    pthread_mutex_t mutex;
    char *text;
    char *warning;
};

PosternBackendStatus *postern_backend_status_new(void)
{
    PosternBackendStatus *problem = g_new0(PosternBackendStatus, 1);
    pthread_mutex_init(&problem->mutex, NULL);
    return problem;
}

void postern_backend_status_free(PosternBackendStatus *problem)
{
    if (problem == NULL)
        return;
    pthread_mutex_destroy(&problem->mutex);
    g_free(problem->text);
    g_free(problem->warning);
    g_free(problem);
}

/* FALSE: it is what was said last. */
static gboolean replace(PosternBackendStatus *problem, char **said, const char *text)
{
    pthread_mutex_lock(&problem->mutex);
    gboolean changed = g_strcmp0(*said, text) != 0;
    if (changed) {
        g_free(*said);
        *said = g_strdup(text);
    }
    pthread_mutex_unlock(&problem->mutex);
    return changed;
}

void postern_backend_status_note(PosternBackendStatus *problem, const char *backend, const char *text)
{
    if (!replace(problem, &problem->text, text))
        return;
    if (text != NULL)
        postern_log(POSTERN_LOG_ERROR, "back-end %s: %s", backend, text);
    else
        postern_log(POSTERN_LOG_NOTICE, "back-end %s: in service", backend);
}

void postern_backend_status_warn(PosternBackendStatus *problem, const char *backend, const char *text)
{
    if (replace(problem, &problem->warning, text) && text != NULL)
        postern_log(POSTERN_LOG_WARNING, "back-end %s: %s", backend, text);
}
