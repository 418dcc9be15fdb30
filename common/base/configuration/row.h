/*
 * How rows of the table of options are written: type, place and range of a member of PosternConfiguration,
 * and what a reload makes of it.
 */
#pragma once

#include "base/limits.h"
#include "base/option.h"

#define AT(member) G_STRUCT_OFFSET(PosternConfiguration, member)
#define BOOLEAN(member) POSTERN_OPTION_BOOLEAN, AT(member), 0, 0, NULL
#define NUMBER(member, minimum, maximum) POSTERN_OPTION_NUMBER, AT(member), minimum, maximum, NULL
#define OCTETS(member, minimum, maximum) POSTERN_OPTION_OCTETS, AT(member), minimum, maximum, NULL
#define DURATION(member, minimum)                                                                            \
    POSTERN_OPTION_DURATION, AT(member), minimum, POSTERN_CONFIGURATION_DURATION_MAX_MS, NULL
#define STRING(member, minimum, maximum) POSTERN_OPTION_STRING, AT(member), minimum, maximum, NULL
#define LIST(member, minimum, maximum) POSTERN_OPTION_LIST, AT(member), minimum, maximum, NULL
#define CHOICE(member, choices) POSTERN_OPTION_CHOICE, AT(member), 0, 0, choices

#define TEXT POSTERN_CONFIGURATION_TEXT_MAX_OCTETS
#define NAME POSTERN_CONFIGURATION_NAME_MAX_OCTETS
#define ITEMS POSTERN_LIST_ITEMS_MAX
#define KIBIBYTE G_GUINT64_CONSTANT(1024)
#define MEBIBYTE (1024 * KIBIBYTE)
#define GIBIBYTE (1024 * MEBIBYTE)
#define TEBIBYTE (1024 * GIBIBYTE)

/* What a reload cannot take over (PosternReload). */
#define THE_PROXY POSTERN_RELOAD_RESTARTS_PROXY
#define THE_MILTER POSTERN_RELOAD_RESTARTS_MILTER
#define THE_INSPECTOR POSTERN_RELOAD_RESTARTS_INSPECTOR
#define WHO_ASKS (THE_PROXY | THE_MILTER)
#define EVERY_PROGRAM (THE_PROXY | THE_MILTER | THE_INSPECTOR)
#define BACKEND POSTERN_RELOAD_TRIES_BACKEND
#define RELAYING (POSTERN_RELOAD_ENDS_SESSIONS | POSTERN_RELOAD_TRIES_BACKEND)
