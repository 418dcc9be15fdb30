#include "verdict/rules.h"

static gboolean virus_applies(const PosternCase *facts)
{
    return facts->findings->virus.result == POSTERN_VIRUS_INFECTED;
}

static gboolean has_kind(const PosternCase *facts, PosternVirusKind kind)
{
    return facts->findings->virus.kinds[kind] != NULL;
}

/* What nobody scanned could not be scanned. */
static gboolean scan_error_applies(const PosternCase *facts)
{
    PosternVirusResult result = facts->findings->virus.result;

    return result == POSTERN_VIRUS_NOT_CHECKED || result == POSTERN_VIRUS_ERROR ||
           has_kind(facts, POSTERN_VIRUS_SCAN_ERROR);
}

static gboolean encrypted_applies(const PosternCase *facts)
{
    return has_kind(facts, POSTERN_VIRUS_ENCRYPTED);
}

static gboolean too_large_applies(const PosternCase *facts)
{
    return has_kind(facts, POSTERN_VIRUS_TOO_LARGE);
}

static gboolean ambiguous_applies(const PosternCase *facts)
{
    return has_kind(facts, POSTERN_VIRUS_AMBIGUOUS);
}

static gboolean unknown_container_applies(const PosternCase *facts)
{
    return has_kind(facts, POSTERN_VIRUS_UNKNOWN_CONTAINER);
}

static gboolean heuristic_applies(const PosternCase *facts)
{
    return has_kind(facts, POSTERN_VIRUS_SUSPICIOUS);
}

static gboolean no_signatures_applies(const PosternCase *facts)
{
    return has_kind(facts, POSTERN_VIRUS_UNARMED);
}

static gboolean header_applies(const PosternCase *facts)
{
    return facts->header_unsafe;
}

static void describe_virus(const PosternCase *facts, gboolean inside, GString *text)
{
    g_string_append(text, "Message refused: virus found");
    postern_row_add_in_brackets(text, facts->findings->virus.name);
}

static void describe_kind(const PosternCase *facts, const char *what, PosternVirusKind kind, GString *text)
{
    g_string_append(text, what);
    postern_row_add_in_brackets(text, facts->findings->virus.kinds[kind]);
}

/* Why is ours to know. */
static void describe_scan_error(const PosternCase *facts, gboolean inside, GString *text)
{
    g_string_append(text, "Message could not be scanned for viruses");
    if (inside)
        postern_row_add_in_brackets(text, facts->findings->virus.kinds[POSTERN_VIRUS_SCAN_ERROR]);
}

static void describe_encrypted(const PosternCase *facts, gboolean inside, GString *text)
{
    describe_kind(facts, "Message refused: it holds what is encrypted, which cannot be scanned for viruses",
                  POSTERN_VIRUS_ENCRYPTED, text);
}

static void describe_too_large(const PosternCase *facts, gboolean inside, GString *text)
{
    describe_kind(facts, "Message refused: too large, or too deeply packed, to be scanned for viruses",
                  POSTERN_VIRUS_TOO_LARGE, text);
}

static void describe_ambiguous(const PosternCase *facts, gboolean inside, GString *text)
{
    describe_kind(facts, "Message refused: it can be read in several ways, or not as a whole",
                  POSTERN_VIRUS_AMBIGUOUS, text);
}

static void describe_unknown_container(const PosternCase *facts, gboolean inside, GString *text)
{
    describe_kind(facts, "Message refused: it holds an archive that cannot be scanned for viruses",
                  POSTERN_VIRUS_UNKNOWN_CONTAINER, text);
}

static void describe_heuristic(const PosternCase *facts, gboolean inside, GString *text)
{
    describe_kind(facts, "Message refused: it looks like one that does harm", POSTERN_VIRUS_SUSPICIOUS, text);
}

static void describe_no_signatures(const PosternCase *facts, gboolean inside, GString *text)
{
    g_string_append(text, "Message could not be scanned for viruses");
    if (inside)
        postern_row_add_in_brackets(text, "there are no signatures");
}

static void describe_header(const PosternCase *facts, gboolean inside, GString *text)
{
    g_string_append(text, "Message refused: header has too many fields, or is too large");
}

static gboolean header_ambiguous_applies(const PosternCase *facts)
{
    return facts->header_problem != NULL;
}

static void describe_header_ambiguous(const PosternCase *facts, gboolean inside, GString *text)
{
    g_string_append(text, "Header can be read in more than one way");
    postern_row_add_in_brackets(text, facts->header_problem);
}

const PosternRow postern_rules_content[] = {
    {"virus", POSTERN_CHECK_VIRUS, virus_applies, POSTERN_ROW_POLICY(virus), FALSE, NULL, "550 5.7.1",
     "451 4.7.1", describe_virus},
    {"scan_error", POSTERN_CHECK_VIRUS, scan_error_applies, POSTERN_ROW_POLICY(scan_error), FALSE,
     postern_row_always, "550 5.7.1", "451 4.7.1", describe_scan_error},
    {"ambiguous", POSTERN_CHECK_VIRUS, ambiguous_applies, POSTERN_ROW_POLICY(ambiguous), FALSE, NULL,
     "550 5.7.1", "451 4.7.1", describe_ambiguous},
    {"encrypted", POSTERN_CHECK_VIRUS, encrypted_applies, POSTERN_ROW_POLICY(encrypted), FALSE, NULL,
     "550 5.7.1", "451 4.7.1", describe_encrypted},
    {"too_large", POSTERN_CHECK_VIRUS, too_large_applies, POSTERN_ROW_POLICY(too_large), FALSE, NULL,
     "550 5.7.1", "451 4.7.1", describe_too_large},
    {"unknown_container", POSTERN_CHECK_VIRUS, unknown_container_applies,
     POSTERN_ROW_POLICY(unknown_container), FALSE, NULL, "550 5.7.1", "451 4.7.1",
     describe_unknown_container},
    {"heuristic", POSTERN_CHECK_VIRUS, heuristic_applies, POSTERN_ROW_POLICY(heuristic), FALSE, NULL,
     "550 5.7.1", "451 4.7.1", describe_heuristic},
    {"no_signatures", POSTERN_CHECK_VIRUS, no_signatures_applies, POSTERN_ROW_POLICY(no_signatures), FALSE,
     postern_row_always, "550 5.7.1", "451 4.7.1", describe_no_signatures},
    {"header", 0, header_applies, POSTERN_ROW_ALWAYS_REJECT, FALSE, NULL, "552 5.3.4", "451 4.3.4",
     describe_header},
    {"header_ambiguous", POSTERN_CHECK_DKIM | POSTERN_CHECK_DMARC | POSTERN_CHECK_ARC,
     header_ambiguous_applies, POSTERN_ROW_POLICY(header_ambiguous), TRUE, NULL, "550 5.6.0", "451 4.6.0",
     describe_header_ambiguous},
    {NULL},
};
