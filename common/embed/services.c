#include "embed/services.h"

#include <event2/event.h>
#include <signal.h>

#include "base/error.h"

#define RESTARTS_MAX 3

static void on_signal(evutil_socket_t number, short what, void *data)
{
    (void)what;
    PosternServices *services = data;
    services->interrupted = (int)number;
    event_base_loopbreak(services->loop);
}

void postern_services_init(PosternServices *services)
{
    *services = (PosternServices){.loop = event_base_new()};
}

void postern_services_catch_signals(PosternServices *services)
{
    static const int numbers[] = {SIGINT, SIGTERM};
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        services->signals[i] = evsignal_new(services->loop, numbers[i], on_signal, services);
        event_add(services->signals[i], NULL);
    }
}

void postern_services_clear(PosternServices *services)
{
    g_clear_pointer(&services->client, postern_inspector_client_free);
    g_clear_pointer(&services->resolver, postern_resolver_free);
    g_clear_pointer(&services->process, postern_inspector_process_free);
    for (gsize i = 0; i < G_N_ELEMENTS(services->signals); i++)
        g_clear_pointer(&services->signals[i], event_free);
    g_clear_pointer(&services->loop, event_base_free);
}

/* Any reason that they cannot be had for is one of the input. */
static PosternAnswersFile *load_answers(const char *path, const char *option, GError **error)
{
    g_autoptr(GError) problem = NULL;
    PosternAnswersFile *answers = postern_answers_file_load(path, &problem);
    if (answers == NULL)
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_INPUT, "%s: %s", option, problem->message);
    return answers;
}

gboolean postern_services_resolve(PosternServices *services, const PosternConfiguration *configuration,
                                  const char *answers, GError **error)
{
    const char *option = answers != NULL ? "--answers" : "[dns] answers";
    if (answers == NULL && configuration->dns.answers[0] != '\0')
        answers = configuration->dns.answers;
    g_autoptr(PosternAnswersFile) file = answers != NULL ? load_answers(answers, option, error) : NULL;
    if (answers != NULL && file == NULL)
        return FALSE;
    services->resolver = postern_resolver_from_configuration(services->loop, configuration, file, 1, error);
    return services->resolver != NULL;
}

static gboolean is_there(const char *path, char **ret_note)
{
    g_autoptr(GError) problem = NULL;
    if (path[0] == '\0')
        return FALSE;
    if (postern_inspector_client_probe(path, &problem))
        return TRUE;
    *ret_note = g_strdup_printf("the shared inspector at %s does not answer (%s): starting one of our own",
                                path, problem->message);
    return FALSE;
}

gboolean postern_services_inspect(PosternServices *services, const PosternConfiguration *configuration,
                                  const char *path, gboolean shared, char **ret_note, GError **error)
{
    static const char *const quiet[] = {"--quiet", NULL};
    const char *socket = configuration->inspector.socket;
    *ret_note = NULL;
    if (services->client != NULL)
        return TRUE;
    if (!shared || !is_there(socket, ret_note)) {
        services->process = postern_inspector_process_new(path, quiet, error);
        if (services->process == NULL)
            return FALSE;
        socket = postern_inspector_process_path(services->process);
    }
    services->client = postern_inspector_client_new(services->loop, socket);
    return TRUE;
}

gboolean postern_services_check(PosternServices *services, GError **error)
{
    g_autofree char *text = NULL;
    if (services->process == NULL || !postern_inspector_process_check(services->process, &text))
        return TRUE;
    if (++services->restarts < RESTARTS_MAX)
        return TRUE;
    return postern_error_set(error, POSTERN_ERROR_UNAVAILABLE,
                             "postern-inspector keeps ending%s%s: what it says above tells why",
                             text != NULL ? ": " : "", text != NULL ? text : "");
}
