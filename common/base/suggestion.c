#include "base/suggestion.h"

#include <string.h>

#include "base/limits.h"

#define ROW_LENGTH (POSTERN_CONFIGURATION_NAME_MAX_OCTETS + 1)

/* Optimal string alignment, three rows at a time. Both names fit a row. */
static guint distance(const char *a, const char *b)
{
    guint rows[3][ROW_LENGTH];
    gsize length = strlen(b);

    for (guint j = 0; j <= length; j++)
        rows[0][j] = j;
    gsize i = 0;
    for (; a[i] != '\0'; i++) {
        const guint *above = rows[i % 3], *above_that = rows[(i + 2) % 3];
        guint *row = rows[(i + 1) % 3];
        row[0] = (guint)i + 1;
        for (gsize j = 0; j < length; j++) {
            gboolean same = g_ascii_tolower(a[i]) == g_ascii_tolower(b[j]);
            guint edits = MIN(above[j + 1], row[j]) + 1;
            row[j + 1] = MIN(edits, above[j] + (same ? 0 : 1));
            if (i > 0 && j > 0 && g_ascii_tolower(a[i]) == g_ascii_tolower(b[j - 1]) &&
                g_ascii_tolower(a[i - 1]) == g_ascii_tolower(b[j]))
                row[j + 1] = MIN(row[j + 1], above_that[j - 1] + 1);
        }
    }
    return rows[i % 3][length];
}

/* "listen_address" and "listen": one has the words of the other, and more behind them. */
static gboolean extends(const char *longer, const char *shorter)
{
    gsize length = strlen(shorter);

    return length > 0 && g_ascii_strncasecmp(longer, shorter, length) == 0 &&
           (longer[length] == '_' || longer[length] == '-');
}

/* Of those that share words with name the one that shares most octets, or NULL. */
static const char *find_related(const char *name, const char *const *candidates)
{
    const char *related = NULL;
    gsize most = 0;

    for (; *candidates != NULL; candidates++) {
        gsize shared = MIN(strlen(name), strlen(*candidates));

        if (shared > most && (extends(name, *candidates) || extends(*candidates, name))) {
            most = shared;
            related = *candidates;
        }
    }
    return related;
}

const char *postern_suggestion_for_name(const char *name, const char *const *candidates)
{
    gsize length = strlen(name);
    if (length > POSTERN_CONFIGURATION_NAME_MAX_OCTETS)
        return NULL;

    const char *const *all = candidates;
    const char *nearest = NULL;
    guint fewest = (guint)MAX(length / 3, 1) + 1;
    for (; *candidates != NULL; candidates++) {
        if (strlen(*candidates) > POSTERN_CONFIGURATION_NAME_MAX_OCTETS)
            continue;
        guint edits = distance(name, *candidates);
        if (edits < fewest) {
            fewest = edits;
            nearest = *candidates;
        }
    }
    return nearest != NULL ? nearest : find_related(name, all);
}
