#include "http/status.h"

static void gauge_clear(gpointer data)
{
    g_free(((PosternGauge *)data)->value_of_label);
}

static void server_free(gpointer data)
{
    PosternStatusServer *server = data;
    g_free(server->group);
    g_free(server->name);
    g_free(server->reason);
    g_free(server);
}

static void client_free(gpointer data)
{
    PosternStatusClient *client = data;
    g_free(client->client);
    g_free(client->reasons);
    g_free(client);
}

PosternStatus *postern_status_new(void)
{
    PosternStatus *status = g_new0(PosternStatus, 1);
    status->gauges = g_array_new(FALSE, FALSE, sizeof(PosternGauge));
    g_array_set_clear_func(status->gauges, gauge_clear);
    status->servers = g_ptr_array_new_with_free_func(server_free);
    status->clients = g_ptr_array_new_with_free_func(client_free);
    return status;
}

void postern_status_free(PosternStatus *status)
{
    g_array_unref(status->gauges);
    g_ptr_array_unref(status->servers);
    g_ptr_array_unref(status->clients);
    g_free(status);
}

void postern_status_add(PosternStatus *status, const PosternGauge *gauge)
{
    PosternGauge copy = *gauge;
    copy.value_of_label = g_strdup(gauge->value_of_label);
    g_array_append_val(status->gauges, copy);
}

void postern_status_add_server(PosternStatus *status, const PosternStatusServer *server)
{
    PosternStatusServer *copy = g_new(PosternStatusServer, 1);
    *copy = *server;
    copy->group = g_strdup(server->group);
    copy->name = g_strdup(server->name);
    copy->reason = g_strdup(server->reason);
    g_ptr_array_add(status->servers, copy);
}

void postern_status_add_client(PosternStatus *status, const PosternStatusClient *client)
{
    PosternStatusClient *copy = g_new(PosternStatusClient, 1);
    *copy = *client;
    copy->client = g_strdup(client->client);
    copy->reasons = g_strdup(client->reasons);
    g_ptr_array_add(status->clients, copy);
}
