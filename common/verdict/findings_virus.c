#include "verdict/findings.h"

#include <string.h>

#include "base/limits.h"

/* In the order of PosternVirusKind. */
static const struct {
    const char *name;
    PosternVirusResult result;
} kinds[POSTERN_VIRUS_KINDS] = {
    [POSTERN_VIRUS_SCAN_ERROR] = {"scan_error", POSTERN_VIRUS_ERROR},
    [POSTERN_VIRUS_AMBIGUOUS] = {"ambiguous", POSTERN_VIRUS_UNSCANNABLE},
    [POSTERN_VIRUS_ENCRYPTED] = {"encrypted", POSTERN_VIRUS_UNSCANNABLE},
    [POSTERN_VIRUS_TOO_LARGE] = {"too_large", POSTERN_VIRUS_UNSCANNABLE},
    [POSTERN_VIRUS_UNKNOWN_CONTAINER] = {"unknown_container", POSTERN_VIRUS_UNSCANNABLE},
    [POSTERN_VIRUS_SUSPICIOUS] = {"heuristic", POSTERN_VIRUS_HEURISTIC},
    [POSTERN_VIRUS_UNARMED] = {"no_signatures", POSTERN_VIRUS_NO_SIGNATURES},
};

const char *postern_virus_kind_name(PosternVirusKind kind)
{
    return (gsize)kind < G_N_ELEMENTS(kinds) ? kinds[kind].name : "unknown";
}

const char *postern_virus_result_name(PosternVirusResult result)
{
    static const char *const names[] = {
        [POSTERN_VIRUS_NOT_CHECKED] = "not_checked",
        [POSTERN_VIRUS_CLEAN] = "clean",
        [POSTERN_VIRUS_INFECTED] = "infected",
        [POSTERN_VIRUS_UNSCANNABLE] = "unscannable",
        [POSTERN_VIRUS_ERROR] = "error",
        [POSTERN_VIRUS_HEURISTIC] = "heuristic",
        [POSTERN_VIRUS_NO_SIGNATURES] = "no_signatures",
    };

    return (gsize)result < G_N_ELEMENTS(names) ? names[result] : "unknown";
}

static void set_result(PosternVirusFinding *finding)
{
    guint kind = 0;

    while (kind < POSTERN_VIRUS_KINDS && finding->kinds[kind] == NULL)
        kind++;
    g_clear_pointer(&finding->reason, g_free);
    if (finding->name != NULL) {
        finding->result = POSTERN_VIRUS_INFECTED;
    } else if (kind < POSTERN_VIRUS_KINDS) {
        finding->result = kinds[kind].result;
        finding->reason = g_strdup(finding->kinds[kind]);
    }
}

void postern_virus_finding_infected(PosternVirusFinding *finding, const char *name)
{
    if (finding->name == NULL)
        finding->name = g_strndup(name != NULL ? name : "", POSTERN_FINDING_TEXT_MAX_OCTETS);
    set_result(finding);
}

void postern_virus_finding_note(PosternVirusFinding *finding, PosternVirusKind kind, const char *text)
{
    if (finding->kinds[kind] == NULL)
        finding->kinds[kind] = g_strndup(text != NULL ? text : "", POSTERN_FINDING_TEXT_MAX_OCTETS);
    set_result(finding);
}

void postern_virus_finding_clean(PosternVirusFinding *finding)
{
    if (finding->result == POSTERN_VIRUS_NOT_CHECKED)
        finding->result = POSTERN_VIRUS_CLEAN;
}

void postern_virus_finding_clear(PosternVirusFinding *finding)
{
    g_free(finding->name);
    g_free(finding->reason);
    for (guint i = 0; i < POSTERN_VIRUS_KINDS; i++)
        g_free(finding->kinds[i]);
    *finding = (PosternVirusFinding){POSTERN_VIRUS_NOT_CHECKED};
}

char *postern_virus_finding_word(const PosternVirusFinding *finding)
{
    GString *word = g_string_new(postern_virus_result_name(finding->result));
    char separator = ':';

    if (finding->result == POSTERN_VIRUS_INFECTED) {
        g_string_append_printf(word, ":%s", finding->name);
        return g_string_free(word, FALSE);
    }
    for (guint i = 0; i < POSTERN_VIRUS_KINDS; i++) {
        if (finding->kinds[i] == NULL || g_str_equal(kinds[i].name, word->str))
            continue;
        g_string_append_printf(word, "%c%s", separator, kinds[i].name);
        separator = ',';
    }
    return g_string_free(word, FALSE);
}
