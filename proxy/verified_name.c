#include "proxy/verified_name.h"

#include <event2/event.h>

#include "base/error.h"
#include "dns/client_name.h"
#include "dns/resolver.h"
#include "mail/envelope.h"

gboolean postern_configuration_has_named_clients(const PosternConfiguration *configuration)
{
    GHashTableIter iterator;
    gpointer options;
    g_hash_table_iter_init(&iterator, configuration->classes);
    while (g_hash_table_iter_next(&iterator, NULL, &options))
        if (((const PosternClassOptions *)options)->names[0] != NULL)
            return TRUE;
    return FALSE;
}

static void on_answers(gpointer user_data)
{
    event_base_loopbreak(user_data);
}

/* What external clients call themselves must stay one word. */
static gboolean is_word(const char *name)
{
    while (g_ascii_isgraph(*name))
        name++;
    return *name == '\0';
}

static char *look_up(struct event_base *loop, PosternResolver *resolver, const PosternAddress *client,
                     GError **error)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autofree char *name = NULL;
    g_autofree char *reverse = NULL;
    gboolean temporary = FALSE;
    while (postern_dns_client_name(client->family, &client->ipv4, answers, &name, &reverse, &temporary) ==
           0) {
        (void)postern_resolver_ask(resolver, 0, answers, on_answers, loop);
        event_base_dispatch(loop);
    }
    if (name != NULL && is_word(name))
        return g_steal_pointer(&name);
    if (!temporary)
        return g_strdup("-");
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_TIMEOUT, "the DNS gives no answer about its name now");
    return NULL;
}

char *postern_verified_name(const PosternConfiguration *configuration, const char *address, GError **error)
{
    PosternAddress client;
    g_autoptr(PosternAnswersFile) file = NULL;
    if (!postern_address_parse(&client, address))
        return NULL;
    if (configuration->dns.answers[0] != '\0') {
        file = postern_answers_file_load(configuration->dns.answers, error);
        if (file == NULL)
            return NULL;
    }
    struct event_base *loop = event_base_new();
    PosternResolver *resolver = postern_resolver_from_configuration(loop, configuration, file, 1, error);
    char *name = resolver != NULL ? look_up(loop, resolver, &client, error) : NULL;
    postern_resolver_free(resolver);
    event_base_free(loop);
    return name;
}
