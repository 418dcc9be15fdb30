#include "verdict/findings_log.h"

/* RESULT, or RESULT:NAME. */
static void add(GStrvBuilder *words, const char *key, const char *result, const char *name)
{
    gboolean named = name != NULL && *name != '\0';
    g_autofree char *value = g_strconcat(result, named ? ":" : NULL, name, NULL);

    g_strv_builder_add(words, key);
    g_strv_builder_add(words, value);
}

/* RESULT:DOMAIN, and with `:l=OCTETS` what signs only so much of the body. */
static void add_signatures(GStrvBuilder *words, const PosternFindings *findings)
{
    g_autoptr(GPtrArray) signatures = postern_findings_listed_signatures(findings);
    g_autoptr(GString) text = g_string_new(signatures->len == 0 ? "none" : NULL);

    for (guint i = 0; i < signatures->len; i++) {
        const PosternDkimFinding *finding = g_ptr_array_index(signatures, i);
        gboolean named = finding->domain != NULL && *finding->domain != '\0';

        g_string_append_printf(text, "%s%s:%s", i > 0 ? "," : "", postern_dkim_result_name(finding->result),
                               named ? finding->domain : "-");
        if (finding->body_unsigned > 0)
            g_string_append_printf(text, ":l=%" G_GINT64_FORMAT, finding->body_covered);
    }
    add(words, "dkim", text->str, NULL);
}

char **postern_findings_words(const PosternFindings *findings)
{
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();
    const PosternDmarcAuthor *author = findings->dmarc.decisive;
    g_autofree char *virus = postern_virus_finding_word(&findings->virus);

    add(words, "spf", postern_spf_result_name(findings->spf.result), NULL);
    if (findings->spf_helo.result != POSTERN_SPF_NOT_CHECKED)
        add(words, "spf_helo", postern_spf_result_name(findings->spf_helo.result), NULL);
    add_signatures(words, findings);
    add(words, "dmarc", postern_dmarc_result_name(findings->dmarc.result),
        author != NULL ? author->domain : NULL);
    add(words, "arc", postern_arc_result_name(findings->arc.result), NULL);
    add(words, "virus", virus, NULL);
    if (findings->signatures.fields->len > 0 && findings->signatures.domain != NULL)
        add(words, "signed", findings->signatures.domain, NULL);
    if (findings->signatures.unsigned_reason != NULL)
        add(words, "unsigned", findings->signatures.unsigned_reason, NULL);
    return g_strv_builder_end(words);
}

void postern_findings_log(char *const *words, PosternLogLine *line)
{
    for (char *const *word = words; word != NULL && *word != NULL; word += 2)
        postern_log_line_add(line, word[0], word[1]);
}
