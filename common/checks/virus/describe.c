#include "checks/virus/finding.h"

#include "base/configuration/check.h"
#include "base/limits.h"
#include "verdict/check.h"

static const char *const results[] = {
    [POSTERN_VIRUS_NOT_CHECKED] = "not_checked",
    [POSTERN_VIRUS_CLEAN] = "clean",
    [POSTERN_VIRUS_INFECTED] = "infected",
    [POSTERN_VIRUS_UNSCANNABLE] = "unscannable",
    [POSTERN_VIRUS_ERROR] = "error",
    [POSTERN_VIRUS_HEURISTIC] = "heuristic",
    [POSTERN_VIRUS_NO_SIGNATURES] = "no_signatures",
};
G_STATIC_ASSERT(G_N_ELEMENTS(results) == POSTERN_VIRUS_NO_SIGNATURES + 1);

/* In the order of PosternVirusKind. advice: what its sender can do. inside: why is ours to know. */
typedef struct {
    const char *name;
    PosternVirusResult result;
    const char *text, *advice;
    gboolean inside;
} Kind;

static const Kind kinds[POSTERN_VIRUS_KINDS] = {
    [POSTERN_VIRUS_SCAN_ERROR] = {"scan_error", POSTERN_VIRUS_ERROR,
                                  "Message could not be scanned for viruses", NULL, TRUE},
    [POSTERN_VIRUS_AMBIGUOUS] = {"ambiguous", POSTERN_VIRUS_UNSCANNABLE,
                                 "Message refused: mail programs would read it in different ways, so that a "
                                 "virus could hide in it",
                                 "write it anew instead of forwarding it, or use another mail program"},
    [POSTERN_VIRUS_ENCRYPTED] = {"encrypted", POSTERN_VIRUS_UNSCANNABLE,
                                 "Message refused: it holds an encrypted file, which cannot be scanned for "
                                 "viruses",
                                 "send the file without a password, or hand it over in another way"},
    [POSTERN_VIRUS_TOO_LARGE] = {"too_large", POSTERN_VIRUS_UNSCANNABLE,
                                 "Message refused: too large, or too deeply packed, to be scanned for "
                                 "viruses",
                                 "send less at once, or archives that hold no other archives"},
    [POSTERN_VIRUS_UNKNOWN_CONTAINER] =
        {"unknown_container", POSTERN_VIRUS_UNSCANNABLE,
         "Message refused: it holds an archive that cannot be opened here and "
         "scanned for viruses",
         "send the files as an ordinary zip archive"},
    [POSTERN_VIRUS_SUSPICIOUS] = {"heuristic", POSTERN_VIRUS_HEURISTIC,
                                  "Message refused: it looks like mail that does harm",
                                  "if it does none, leave out the links or files that make it look so"},
    [POSTERN_VIRUS_UNARMED] = {"no_signatures", POSTERN_VIRUS_NO_SIGNATURES,
                               "Message could not be scanned for viruses", NULL, TRUE},
};

const char *postern_virus_kind_name(PosternVirusKind kind)
{
    return (gsize)kind < G_N_ELEMENTS(kinds) ? kinds[kind].name : "unknown";
}

const char *postern_virus_result_name(PosternVirusResult result)
{
    return postern_choice(results, result);
}

static void set_result(PosternVirusFinding *finding)
{
    guint kind = 0;
    while (kind < POSTERN_VIRUS_KINDS && finding->kinds[kind] == NULL)
        kind++;
    finding->reason = NULL;
    if (finding->name != NULL) {
        finding->result = POSTERN_VIRUS_INFECTED;
    } else if (kind < POSTERN_VIRUS_KINDS) {
        finding->result = kinds[kind].result;
        finding->reason = finding->kinds[kind];
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
    postern_structure_reset(&postern_description_virus.finding, finding);
}

/* The result is made of what was found, and not believed. */
static void settle(gpointer structure)
{
    PosternVirusFinding *finding = structure;
    PosternVirusResult told = finding->result;
    finding->result = POSTERN_VIRUS_NOT_CHECKED;
    if (told == POSTERN_VIRUS_INFECTED)
        postern_virus_finding_infected(finding, NULL);
    set_result(finding);
    if (told == POSTERN_VIRUS_CLEAN)
        postern_virus_finding_clean(finding);
    else if (told != POSTERN_VIRUS_NOT_CHECKED && finding->result == POSTERN_VIRUS_NOT_CHECKED)
        postern_virus_finding_note(
            finding, told == POSTERN_VIRUS_ERROR ? POSTERN_VIRUS_SCAN_ERROR : POSTERN_VIRUS_AMBIGUOUS, NULL);
}

#define KIND(kind, word)                                                                                     \
    {                                                                                                        \
        .name = (word), .type = POSTERN_FIELD_TEXT,                                                          \
        .offset = G_STRUCT_OFFSET(PosternVirusFinding, kinds[kind]),                                         \
        .maximum = POSTERN_FINDING_TEXT_MAX_OCTETS                                                           \
    }

static const PosternField fields[] = {
    {POSTERN_FIELD_CHOICE(PosternVirusFinding, result, results)},
    {POSTERN_FIELD_TEXT_OF(PosternVirusFinding, name)},
    KIND(POSTERN_VIRUS_SCAN_ERROR, "scan_error"),
    KIND(POSTERN_VIRUS_AMBIGUOUS, "ambiguous"),
    KIND(POSTERN_VIRUS_ENCRYPTED, "encrypted"),
    KIND(POSTERN_VIRUS_TOO_LARGE, "too_large"),
    KIND(POSTERN_VIRUS_UNKNOWN_CONTAINER, "unknown_container"),
    KIND(POSTERN_VIRUS_SUSPICIOUS, "heuristic"),
    KIND(POSTERN_VIRUS_UNARMED, "no_signatures"),
    {.name = NULL},
};

static gboolean is_infected(const PosternRule *rule, const PosternFacts *facts)
{
    return facts->findings->virus.result == POSTERN_VIRUS_INFECTED;
}

/* What nobody scanned could not be scanned. */
static gboolean is_kind(const PosternRule *rule, const PosternFacts *facts)
{
    const PosternVirusFinding *virus = &facts->findings->virus;
    const Kind *kind = rule->data;
    return virus->kinds[kind - kinds] != NULL ||
           (kind->result == POSTERN_VIRUS_ERROR &&
            (virus->result == POSTERN_VIRUS_ERROR || virus->result == POSTERN_VIRUS_NOT_CHECKED));
}

static void describe_virus(const PosternRule *rule, const PosternFacts *facts, gboolean inside, GString *text)
{
    g_string_append(text, "Message refused: virus found");
    postern_rule_add_in_brackets(text, facts->findings->virus.name);
}

static void describe_kind(const PosternRule *rule, const PosternFacts *facts, gboolean inside, GString *text)
{
    const Kind *kind = rule->data;
    g_string_append(text, kind->text);
    if (!inside && kind->advice != NULL)
        g_string_append_printf(text, "; %s", kind->advice);
    if (inside || !kind->inside)
        postern_rule_add_in_brackets(text, facts->findings->virus.kinds[kind - kinds]);
}

static void describe_unarmed(const PosternRule *rule, const PosternFacts *facts, gboolean inside,
                             GString *text)
{
    g_string_append(text, kinds[POSTERN_VIRUS_UNARMED].text);
    if (inside)
        postern_rule_add_in_brackets(text, "there are no signatures");
}

#define RULE(name, kind, is_temporary, describe)                                                             \
    {                                                                                                        \
#name, POSTERN_CHECK_VIRUS, is_kind, POSTERN_RULE_POLICY(name), FALSE, is_temporary, "550 5.7.1",    \
            "451 4.7.1", describe, &kinds[kind]                                                              \
    }

static const PosternRule rules[] = {
    {"virus", POSTERN_CHECK_VIRUS, is_infected, POSTERN_RULE_POLICY(virus), FALSE, NULL, "550 5.7.1",
     "451 4.7.1", describe_virus},
    RULE(scan_error, POSTERN_VIRUS_SCAN_ERROR, postern_rule_always, describe_kind),
    RULE(ambiguous, POSTERN_VIRUS_AMBIGUOUS, NULL, describe_kind),
    RULE(encrypted, POSTERN_VIRUS_ENCRYPTED, NULL, describe_kind),
    RULE(too_large, POSTERN_VIRUS_TOO_LARGE, NULL, describe_kind),
    RULE(unknown_container, POSTERN_VIRUS_UNKNOWN_CONTAINER, NULL, describe_kind),
    RULE(heuristic, POSTERN_VIRUS_SUSPICIOUS, NULL, describe_kind),
    RULE(no_signatures, POSTERN_VIRUS_UNARMED, postern_rule_always, describe_unarmed),
    {NULL},
};

static void set_failed(PosternFindings *findings, const char *reason)
{
    postern_virus_finding_note(&findings->virus, POSTERN_VIRUS_SCAN_ERROR, reason);
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

static void add_words(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    g_autofree char *word = postern_virus_finding_word(&findings->virus);
    add(out, "virus", word);
}

static void add_lines(const PosternFindings *findings, const PosternVerdict *verdict, PosternAdd add,
                      gpointer out)
{
    const PosternVirusFinding *virus = &findings->virus;
    const char *detail = virus->name != NULL ? virus->name : virus->reason;
    if (virus->result == POSTERN_VIRUS_NOT_CHECKED)
        return;
    g_autofree char *text =
        g_strconcat(postern_virus_result_name(virus->result), detail != NULL ? ": " : NULL, detail, NULL);
    add(out, "Virus", text);
}

void postern_virus_finding_tell(const PosternVirusFinding *virus, const PosternJson *json)
{
    json->text(json->out, "result", postern_virus_result_name(virus->result));
    json->text(json->out, "name", virus->name);
    json->text(json->out, "reason", virus->reason);
    if (virus->reason == NULL)
        return;
    json->begin(json->out, "kinds", FALSE);
    for (guint i = 0; i < POSTERN_VIRUS_KINDS; i++)
        json->text(json->out, kinds[i].name, virus->kinds[i]);
    json->end(json->out, FALSE);
}

static void add_json(const PosternFindings *findings, const PosternVerdict *verdict, const PosternJson *json)
{
    json->begin(json->out, "virus", FALSE);
    postern_virus_finding_tell(&findings->virus, json);
    json->end(json->out, FALSE);
}

static void add_counts(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    PosternVirusResult result = findings->virus.result;
    add(out, "Virus",
        result == POSTERN_VIRUS_NOT_CHECKED ? "not checked" : postern_virus_result_name(result));
    add(out, "Virus name", result == POSTERN_VIRUS_INFECTED ? findings->virus.name : NULL);
}

/* What AS_UNSCANNABLE adds stands behind the actions. */
static const char *const kind_actions[] = {
    [POSTERN_ACTION_ACCEPT] = "accept",
    [POSTERN_ACTION_MARK] = "mark",
    [POSTERN_ACTION_QUARANTINE] = "quarantine",
    [POSTERN_ACTION_DISCARD] = "discard",
    [POSTERN_ACTION_TEMPFAIL] = "tempfail",
    [POSTERN_ACTION_REJECT] = "reject",
    [POSTERN_CONFIGURATION_AS_UNSCANNABLE] = "unscannable",
    NULL,
};

static const PosternOption options[] = {
    {POSTERN_OPTION_ACTION(virus, "reject"),
     "Action if a virus is found; discard, here and below, is for the milter only."},
    {POSTERN_OPTION_ACTION(unscannable, "tempfail"),
     "Action if a scan fails or cannot see everything; the next five say more.",
     postern_configuration_check_unscannable_action},
    {"policy", "scan_error", POSTERN_OPTION_CHOICE, G_STRUCT_OFFSET(PosternConfiguration, policy.scan_error),
     0, 0, kind_actions, "unscannable",
     "Action if a scan fails temporarily; unscannable: as that option says.",
     postern_configuration_check_scan_error_action},
    {"policy", "ambiguous", POSTERN_OPTION_CHOICE, G_STRUCT_OFFSET(PosternConfiguration, policy.ambiguous), 0,
     0, kind_actions, "unscannable",
     "If readers may see another message than was scanned; unscannable: as that says, or quarantine.",
     postern_configuration_check_kind_action},
    {"policy", "encrypted", POSTERN_OPTION_CHOICE, G_STRUCT_OFFSET(PosternConfiguration, policy.encrypted), 0,
     0, kind_actions, "unscannable",
     "If part of a message is encrypted; unscannable: as that says, or mark if that is tempfail.",
     postern_configuration_check_kind_action},
    {"policy", "too_large", POSTERN_OPTION_CHOICE, G_STRUCT_OFFSET(PosternConfiguration, policy.too_large), 0,
     0, kind_actions, "unscannable",
     "If it exceeds a limit of the scan; unscannable: as that says, or mark if that is tempfail.",
     postern_configuration_check_kind_action},
    {"policy", "unknown_container", POSTERN_OPTION_CHOICE,
     G_STRUCT_OFFSET(PosternConfiguration, policy.unknown_container), 0, 0, kind_actions, "unscannable",
     "If an archive cannot be opened here; unscannable: as that says, or mark if that is tempfail.",
     postern_configuration_check_kind_action},
    {POSTERN_OPTION_ACTION(heuristic, "mark"),
     "If a heuristic of ClamAV, such as that for phishing, matches but no signature does."},
    {POSTERN_OPTION_ACTION(no_signatures, "mark"),
     "If there are no signatures, so that nothing but the EICAR test file can be found.",
     postern_configuration_check_error_action},
    {NULL},
};

static gboolean is_wanted(const PosternConfiguration *configuration, const PosternPolicyOptions *policy,
                          guint checks)
{
    return (checks & POSTERN_CHECK_VIRUS) != 0 && configuration->virus.scan;
}

const PosternCheck postern_description_virus = {
    .finding = {.size = sizeof(PosternVirusFinding), .fields = fields, .settle = settle},
    .options = options,
    .is_wanted = is_wanted,
    .stages = 1 << POSTERN_STAGE_WHOLE,
    .has_field = TRUE,
    .rules = rules,
    .fail = set_failed,
    .add_words = add_words,
    .add_lines = add_lines,
    .add_json = add_json,
    .add_counts = add_counts,
};
