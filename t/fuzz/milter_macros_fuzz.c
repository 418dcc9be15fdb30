/*
 * What a mail server says of paths and clients. Lines of the input: argument, the path's macro, the client's
 * name, {client_addr}, {client_port}, {client_resolve}, {auth_authen}.
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "base/limits.h"
#include "milter/macros.h"

enum { ARGUMENT, PATH, NAME, ADDRESS, PORT, RESOLVE, LOGIN, LINES };

static const char *look_up(gpointer source, const char *name)
{
    static const char *const names[LINES] = {[PATH] = "{mail_addr}",
                                             [ADDRESS] = "{client_addr}",
                                             [PORT] = "{client_port}",
                                             [RESOLVE] = "{client_resolve}",
                                             [LOGIN] = "{auth_authen}"};
    char **lines = source;
    for (guint i = 0; i < LINES; i++)
        if (names[i] != NULL && g_str_equal(names[i], name) && lines[i][0] != '-')
            return lines[i];
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_auto(GStrv) split = g_strsplit(text, "\n", LINES);
    char empty[] = "";
    char *lines[LINES];
    for (guint i = 0; i < LINES; i++)
        lines[i] = i < g_strv_length(split) ? split[i] : empty;
    g_autofree char *path = postern_milter_macros_path(lines[ARGUMENT], "{mail_addr}", look_up, lines);
    g_assert_nonnull(path);
    g_assert_cmpuint(strlen(path), <=, MAX(POSTERN_PATH_MAX_OCTETS, strlen(lines[ARGUMENT])));
    PosternEnvelope *envelope = postern_envelope_new();
    postern_milter_macros_client(envelope, lines[NAME], NULL, look_up, lines);
    postern_milter_macros_login(envelope, look_up, lines);
    if (envelope->client_name != NULL)
        g_assert_cmpuint(strlen(envelope->client_name), <=, POSTERN_DOMAIN_NAME_MAX_OCTETS);
    if (envelope->login != NULL)
        g_assert_cmpuint(strlen(envelope->login), <=, POSTERN_PATH_MAX_OCTETS);
    postern_envelope_free(envelope);
    return 0;
}
