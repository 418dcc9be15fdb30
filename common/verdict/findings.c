#include "verdict/findings.h"

#include <string.h>

#include "base/escape.h"
#include "base/limits.h"
#include "verdict/check.h"

static const PosternField step_fields[];
static void step_free(gpointer step);
static const PosternStructure step_structure = {
    .size = sizeof(PosternStep), .fields = step_fields, .free = step_free};

static const PosternField step_fields[] = {
    {.name = "check",
     .type = POSTERN_FIELD_NUMBER,
     .offset = G_STRUCT_OFFSET(PosternStep, check),
     .maximum = POSTERN_CHECKS_ALL},
    {.name = "text",
     .type = POSTERN_FIELD_TEXT,
     .offset = G_STRUCT_OFFSET(PosternStep, text),
     .maximum = POSTERN_STEP_MAX_OCTETS},
    {.name = NULL},
};

static const PosternField fields[] = {
#define MEMBER(NAME, member, Type)                                                                           \
    {.name = #member,                                                                                        \
     .type = POSTERN_FIELD_STRUCTURE,                                                                        \
     .offset = G_STRUCT_OFFSET(PosternFindings, member),                                                     \
     .of = &postern_description_##member.finding},
    POSTERN_CHECKS_LIST(MEMBER)
#undef MEMBER
        {.name = "not_run",
         .type = POSTERN_FIELD_NUMBER,
         .offset = G_STRUCT_OFFSET(PosternFindings, not_run),
         .maximum = POSTERN_CHECKS_ALL},
    {.name = "steps",
     .type = POSTERN_FIELD_LIST,
     .offset = G_STRUCT_OFFSET(PosternFindings, steps),
     .entries = POSTERN_STEPS_MAX,
     .of = &step_structure},
    {.name = NULL},
};

G_STATIC_ASSERT(POSTERN_CHECKS_COUNT <= POSTERN_CHECKS_MAX);

static const PosternStructure structure = {.size = sizeof(PosternFindings), .fields = fields};

const PosternCheckEntry postern_checks[] = {
#define ENTRY(NAME, member, Type)                                                                            \
    {#member, POSTERN_CHECK_##NAME, G_STRUCT_OFFSET(PosternFindings, member), &postern_description_##member},
    POSTERN_CHECKS_LIST(ENTRY)
#undef ENTRY
};

static void step_free(gpointer step)
{
    postern_structure_free(&step_structure, step);
}

const char *postern_check_name(PosternChecks check)
{
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++)
        if (postern_checks[i].check == check)
            return postern_checks[i].name;
    return NULL;
}

PosternFindings *postern_findings_new(void)
{
    return postern_structure_new(&structure);
}

void postern_findings_free(PosternFindings *findings)
{
    postern_structure_free(&structure, findings);
}

PosternFindings *postern_findings_copy(const PosternFindings *findings)
{
    g_autoptr(GByteArray) octets = g_byte_array_new();
    postern_findings_encode(findings, octets);
    PosternFindings *copy = postern_findings_decode(octets->data, octets->len, NULL);
    g_ptr_array_set_size(copy->steps, 0);
    return copy;
}

void postern_findings_encode(const PosternFindings *findings, GByteArray *out)
{
    postern_structure_encode(&structure, findings, out);
}

PosternFindings *postern_findings_decode(const guint8 *octets, gsize length, GError **error)
{
    g_autoptr(PosternFindings) findings = postern_findings_new();
    if (!postern_structure_decode(&structure, octets, length, findings, error))
        return NULL;
    return g_steal_pointer(&findings);
}

void postern_findings_step(PosternFindings *findings, guint check, const char *format, ...)
{
    va_list arguments;
    if (!findings->explain || findings->steps->len >= POSTERN_STEPS_MAX)
        return;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    PosternStep *step = g_new0(PosternStep, 1);
    if (strlen(text) > POSTERN_STEP_MAX_OCTETS)
        text[POSTERN_STEP_MAX_OCTETS] = '\0';
    step->check = check;
    step->text = postern_escape_for_reply(g_steal_pointer(&text));
    g_ptr_array_add(findings->steps, step);
}

/* The steps of checks, in the place of those that were there. */
static void take_steps(GPtrArray *steps, GPtrArray *source, guint checks)
{
    for (guint i = steps->len; i > 0; i--)
        if (((const PosternStep *)g_ptr_array_index(steps, i - 1))->check & checks)
            g_ptr_array_remove_index(steps, i - 1);
    for (guint i = 0; i < source->len;)
        if (((const PosternStep *)g_ptr_array_index(source, i))->check & checks)
            g_ptr_array_add(steps, g_ptr_array_steal_index(source, i));
        else
            i++;
}

static void exchange(guint8 *one, guint8 *other, gsize size)
{
    for (gsize i = 0; i < size; i++) {
        guint8 kept = one[i];
        one[i] = other[i];
        other[i] = kept;
    }
}

void postern_findings_take(PosternFindings *findings, PosternFindings *source, PosternChecks checks)
{
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++) {
        const PosternStructure *finding = &postern_checks[i].of->finding;
        gpointer emptied = G_STRUCT_MEMBER_P(source, postern_checks[i].offset);
        if ((checks & postern_checks[i].check) == 0)
            continue;
        exchange(G_STRUCT_MEMBER_P(findings, postern_checks[i].offset), emptied, finding->size);
        postern_structure_reset(finding, emptied);
    }
    findings->not_run = (findings->not_run & ~(guint)checks) | (source->not_run & (guint)checks);
    source->not_run &= ~(guint)checks;
    take_steps(findings->steps, source->steps, checks);
}

void postern_findings_replace(char **text, const char *new_text)
{
    g_free(*text);
    *text = g_strdup(new_text);
}

void postern_findings_fail(PosternFindings *findings, PosternChecks checks, const char *reason)
{
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++)
        if ((checks & postern_checks[i].check) != 0 && postern_checks[i].of->fail != NULL)
            postern_checks[i].of->fail(findings, reason);
}

void postern_findings_conclude(PosternFindings *findings)
{
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++)
        if (postern_checks[i].of->conclude != NULL)
            postern_checks[i].of->conclude(findings);
}
