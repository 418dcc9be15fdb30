#include "scan/services.h"

#include "base/error.h"

#define RESTARTS_MAX 3

void postern_scan_services_init(PosternScanServices *services)
{
    *services = (PosternScanServices){.loop = event_base_new()};
}

void postern_scan_services_clear(PosternScanServices *services)
{
    g_clear_pointer(&services->client, postern_inspector_client_free);
    g_clear_pointer(&services->resolver, postern_resolver_free);
    g_clear_pointer(&services->process, postern_inspector_process_free);
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

gboolean postern_scan_services_resolve(PosternScanServices *services,
                                       const PosternConfiguration *configuration, const char *answers,
                                       GError **error)
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
    *ret_note = g_strdup_printf("the shared inspector at %s does not answer (%s): starting one for this scan",
                                path, problem->message);
    return FALSE;
}

gboolean postern_scan_services_inspect(PosternScanServices *services,
                                       const PosternConfiguration *configuration, const char *path,
                                       gboolean shared, char **ret_note, GError **error)
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

gboolean postern_scan_services_check(PosternScanServices *services, GError **error)
{
    g_autofree char *text = NULL;
    if (services->process == NULL || !postern_inspector_process_check(services->process, &text))
        return TRUE;
    if (++services->restarts < RESTARTS_MAX)
        return TRUE;
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE,
                "postern-inspector keeps ending%s%s: what it says above tells why", text != NULL ? ": " : "",
                text != NULL ? text : "");
    return FALSE;
}
