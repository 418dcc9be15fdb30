/*
 * The table of [clients] networks: what an administrator has decided about clients by their addresses.
 */
#pragma once

#include "base/address.h"
#include "base/configuration.h"

typedef struct {
    char *network; /* as it is written there */
    PosternAction action;
    char *text; /* for the client, or NULL */
} PosternNetworkEntry;

typedef struct PosternNetworkTable PosternNetworkTable;

/*
 * Lines `ADDRESS[/BITS] ACTION [TEXT]`, ACTION accept, mark, quarantine, tempfail or reject; of networks that
 * an address is in, the smallest counts. path "": there is none, and the table is empty. NULL and error.
 */
PosternNetworkTable *postern_network_table_new(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_network_table_free(PosternNetworkTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternNetworkTable, postern_network_table_free)

/* What it says of address, owned by table; NULL: nothing. */
const PosternNetworkEntry *postern_network_table_find(const PosternNetworkTable *table,
                                                      const PosternAddress *address);
