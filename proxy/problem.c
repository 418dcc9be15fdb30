#include "proxy/problem.h"

#include <pthread.h>

#include "base/log.h"

struct PosternProblem {
    pthread_mutex_t mutex;
    char *text;
    char *warning;
};

PosternProblem *postern_problem_new(void)
{
    PosternProblem *problem = g_new0(PosternProblem, 1);
    pthread_mutex_init(&problem->mutex, NULL);
    return problem;
}

void postern_problem_free(PosternProblem *problem)
{
    if (problem == NULL)
        return;
    pthread_mutex_destroy(&problem->mutex);
    g_free(problem->text);
    g_free(problem->warning);
    g_free(problem);
}

/* FALSE: it is what was said last. */
static gboolean replace(PosternProblem *problem, char **said, const char *text)
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

void postern_problem_note(PosternProblem *problem, const char *backend, const char *text)
{
    if (!replace(problem, &problem->text, text))
        return;
    if (text != NULL)
        postern_log(POSTERN_LOG_ERROR, "back-end %s: %s", backend, text);
    else
        postern_log(POSTERN_LOG_NOTICE, "back-end %s: in service", backend);
}

void postern_problem_warn(PosternProblem *problem, const char *backend, const char *text)
{
    if (replace(problem, &problem->warning, text) && text != NULL)
        postern_log(POSTERN_LOG_WARNING, "back-end %s: %s", backend, text);
}
