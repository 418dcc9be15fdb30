/* A screen of one client, and the table behind it. */
#pragma once

#include <string.h>

#include "proxy/screen/screen.h"

#define NOW 1000000

typedef struct {
    PosternConfiguration *configuration;
    PosternClientTable *table;
    PosternScreenRules *rules;
    PosternScreen screen;
    PosternAddress peer;
} Fixture;

static inline PosternAddress address(const char *text)
{
    PosternAddress parsed;
    g_assert_true(postern_address_parse(&parsed, text));
    return parsed;
}

static inline void start(Fixture *fixture, const char *text)
{
    g_autoptr(GError) error = NULL;
    fixture->configuration = postern_configuration_parse(text, strlen(text), "test", &error);
    g_assert_no_error(error);
    fixture->table = postern_client_table_new(fixture->configuration);
    fixture->rules = postern_screen_rules_new(fixture->configuration);
    postern_screen_rules_set_table(fixture->rules, fixture->table);
}

static inline gboolean come(Fixture *fixture, const char *client, gboolean trusted,
                            PosternScreenRefusal *refusal)
{
    fixture->peer = address(client);
    return postern_screen_begins(&fixture->screen, fixture->rules, &fixture->peer, trusted, NOW, refusal);
}

static inline void connect_as(Fixture *fixture, const char *client)
{
    PosternScreenRefusal refusal;
    g_assert_true(come(fixture, client, FALSE, &refusal));
}

static inline void leave(Fixture *fixture)
{
    postern_screen_ends(&fixture->screen, &fixture->peer, NOW);
}

static inline void finish(Fixture *fixture)
{
    g_assert_cmpuint(postern_client_table_total(fixture->table), ==, 0);
    postern_client_table_free(fixture->table);
    postern_screen_rules_free(fixture->rules);
    postern_configuration_free(fixture->configuration);
}
