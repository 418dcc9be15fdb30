#include "judge/rows.h"

static gboolean virus_applies(const PosternCase *facts)
{
    return facts->findings->virus.result == POSTERN_VIRUS_INFECTED;
}

static gboolean unscannable_applies(const PosternCase *facts)
{
    PosternVirusResult result = facts->findings->virus.result;
    gboolean not_done = result == POSTERN_VIRUS_NOT_CHECKED || result == POSTERN_VIRUS_ERROR;

    return result == POSTERN_VIRUS_UNSCANNABLE || not_done;
}

/* Our own trouble passes: it never makes a permanent refusal. */
static gboolean scan_was_not_done(const PosternCase *facts)
{
    return facts->findings->virus.result != POSTERN_VIRUS_UNSCANNABLE;
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

static void describe_unscannable(const PosternCase *facts, gboolean inside, GString *text)
{
    g_string_append(text, "Message could not be scanned for viruses");
    if (inside)
        postern_row_add_in_brackets(text, facts->findings->virus.reason);
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

const PosternRow postern_rows_content[] = {
    {"virus", POSTERN_CHECK_VIRUS, virus_applies, POSTERN_ROW_POLICY(virus), FALSE, NULL, "550 5.7.1",
     "451 4.7.1", describe_virus},
    {"unscannable", POSTERN_CHECK_VIRUS, unscannable_applies, POSTERN_ROW_POLICY(unscannable), FALSE,
     scan_was_not_done, "550 5.7.1", "451 4.7.1", describe_unscannable},
    {"header", 0, header_applies, POSTERN_ROW_ALWAYS_REJECT, FALSE, NULL, "550 5.7.1", "451 4.7.1",
     describe_header},
    {"header_ambiguous", POSTERN_CHECK_DKIM | POSTERN_CHECK_DMARC | POSTERN_CHECK_ARC,
     header_ambiguous_applies, POSTERN_ROW_POLICY(header_ambiguous), TRUE, NULL, "550 5.6.0", "451 4.6.0",
     describe_header_ambiguous},
    {NULL},
};
