/*
 * HTML as people see it: its text, where its links lead and what they show, and whether it runs scripts.
 * By libxml2's parser of events, which makes no tree.
 */
#pragma once

#include <glib.h>

#include "checks/rules/time.h"

typedef struct {
    GString *text;    /* UTF-8, without scripts and styles */
    gboolean script;  /* there are scripts: elements, handlers of events, or addresses that are one */
    gboolean svg;     /* its first element is svg */
    gboolean cut;     /* time is spent, and the rest was not read */
    GPtrArray *links; /* of PosternHtmlLink *, at most POSTERN_RULES_LINKS_MAX */
} PosternHtml;

typedef struct {
    char *target; /* href= as it is */
    GString *text;
} PosternHtmlLink;

/* What libxml2 keeps for the life of a process. Before the sandbox closes. */
void postern_html_prepare(void);

/* Reads length octets of UTF-8. Never NULL. */
PosternHtml *postern_html_read(const char *octets, gsize length, PosternRuleTime *time);
void postern_html_free(PosternHtml *html);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternHtml, postern_html_free)
