#include <json-glib/json-glib.h>

#include "scan/result.h"

/* Text of strangers need not be UTF-8, JSON must (RFC 8259 8.1). NULL adds nothing. */
static void add_text(JsonBuilder *builder, const char *name, const char *text)
{
    if (text == NULL)
        return;
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    json_builder_set_member_name(builder, name);
    json_builder_add_string_value(builder, valid);
}

static void add_number(JsonBuilder *builder, const char *name, gint64 number)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, number);
}

static void add_spf(JsonBuilder *builder, const char *name, const PosternSpfFinding *spf)
{
    json_builder_set_member_name(builder, name);
    json_builder_begin_object(builder);
    add_text(builder, "result", postern_spf_result_name(spf->result));
    if (spf->result != POSTERN_SPF_NOT_CHECKED)
        add_text(builder, "identity", spf->helo ? "helo" : "mailfrom");
    add_text(builder, "domain", spf->domain);
    add_text(builder, "explanation", spf->explanation);
    add_text(builder, "reason", spf->problem);
    json_builder_end_object(builder);
}

static void add_signature(JsonBuilder *builder, const PosternDkimFinding *finding)
{
    json_builder_begin_object(builder);
    add_text(builder, "result", postern_dkim_result_name(finding->result));
    add_text(builder, "domain", finding->domain);
    add_text(builder, "selector", finding->selector);
    add_text(builder, "identity", finding->identity);
    add_text(builder, "algorithm", finding->algorithm);
    if (finding->key_bits > 0)
        add_number(builder, "key_bits", finding->key_bits);
    if (finding->body_covered >= 0)
        add_number(builder, "body_covered", finding->body_covered);
    if (finding->body_unsigned > 0)
        add_number(builder, "body_unsigned", finding->body_unsigned);
    add_text(builder, "reason", finding->reason);
    json_builder_end_object(builder);
}

static void add_boolean(JsonBuilder *builder, const char *name, gboolean value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_boolean_value(builder, value);
}

static void add_dmarc(JsonBuilder *builder, const PosternDmarcFinding *dmarc, const PosternVerdict *verdict)
{
    const PosternDmarcAuthor *author = dmarc->decisive;
    if (author == NULL && dmarc->authors->len > 0)
        author = g_ptr_array_index(dmarc->authors, 0);
    json_builder_set_member_name(builder, "dmarc");
    json_builder_begin_object(builder);
    add_text(builder, "result", postern_dmarc_result_name(dmarc->result));
    if (author != NULL)
        add_text(builder, "domain", author->domain);
    if (author != NULL && author->record_domain != NULL) {
        add_text(builder, "policy", postern_dmarc_policy_name(author->policy));
        add_text(builder, "record_domain", author->record_domain);
        add_boolean(builder, "testing", author->testing);
    }
    if (author != NULL)
        add_text(builder, "organizational_domain", author->organizational);
    if (dmarc->result != POSTERN_DMARC_NOT_CHECKED)
        add_text(builder, "disposition", verdict->disposition);
    if (verdict->arc_override)
        add_boolean(builder, "arc_override", TRUE);
    add_text(builder, "reason", dmarc->problem);
    json_builder_end_object(builder);
}

static void add_arc(JsonBuilder *builder, const PosternArcFinding *arc)
{
    json_builder_set_member_name(builder, "arc");
    json_builder_begin_object(builder);
    add_text(builder, "result", postern_arc_result_name(arc->result));
    add_text(builder, "reason", arc->reason);
    if (arc->sets->len > 0) {
        json_builder_set_member_name(builder, "sets");
        json_builder_begin_array(builder);
        for (guint i = 0; i < arc->sets->len; i++) {
            const PosternArcSet *set = g_ptr_array_index(arc->sets, i);
            json_builder_begin_object(builder);
            add_number(builder, "instance", set->instance);
            add_text(builder, "sealer", set->sealer);
            add_text(builder, "selector", set->selector);
            add_text(builder, "dmarc", set->dmarc);
            add_text(builder, "dmarc_domain", set->dmarc_domain);
            json_builder_end_object(builder);
        }
        json_builder_end_array(builder);
    }
    json_builder_end_object(builder);
}

static void add_virus(JsonBuilder *builder, const PosternVirusFinding *virus)
{
    add_text(builder, "result", postern_virus_result_name(virus->result));
    add_text(builder, "name", virus->name);
    add_text(builder, "reason", virus->reason);
    if (virus->reason == NULL)
        return;
    json_builder_set_member_name(builder, "kinds");
    json_builder_begin_object(builder);
    for (guint i = 0; i < POSTERN_VIRUS_KINDS; i++)
        add_text(builder, postern_virus_kind_name((PosternVirusKind)i), virus->kinds[i]);
    json_builder_end_object(builder);
}

/* Of a capsule: a scan signs nothing. */
static void add_signing(JsonBuilder *builder, const PosternSignatures *signatures)
{
    if (signatures->domain == NULL && signatures->unsigned_reason == NULL)
        return;
    json_builder_set_member_name(builder, "signing");
    json_builder_begin_object(builder);
    add_text(builder, "domain", signatures->domain);
    add_text(builder, "unsigned", signatures->unsigned_reason);
    json_builder_end_object(builder);
}

static void add_findings(JsonBuilder *builder, const PosternFindings *findings, const PosternVerdict *verdict)
{
    add_signing(builder, &findings->signatures);
    add_spf(builder, "spf", &findings->spf);
    if (findings->spf_helo.result != POSTERN_SPF_NOT_CHECKED)
        add_spf(builder, "spf_helo", &findings->spf_helo);
    json_builder_set_member_name(builder, "dkim");
    json_builder_begin_array(builder);
    for (guint i = 0; i < findings->dkim->len; i++)
        add_signature(builder, g_ptr_array_index(findings->dkim, i));
    json_builder_end_array(builder);
    add_dmarc(builder, &findings->dmarc, verdict);
    add_arc(builder, &findings->arc);
    json_builder_set_member_name(builder, "virus");
    json_builder_begin_object(builder);
    add_virus(builder, &findings->virus);
    json_builder_end_object(builder);
    json_builder_set_member_name(builder, "attachments");
    json_builder_begin_array(builder);
    for (guint i = 0; i < findings->attachments->len; i++) {
        const PosternAttachment *attachment = g_ptr_array_index(findings->attachments, i);
        json_builder_begin_object(builder);
        add_text(builder, "name", attachment->name);
        add_text(builder, "type", attachment->type);
        add_number(builder, "size", (gint64)attachment->size);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    add_text(builder, "mime_problem", findings->mime_problem);
}

static void add_verdict(JsonBuilder *builder, const PosternVerdict *verdict)
{
    add_text(builder, "action", postern_action_name(verdict->action));
    add_text(builder, "reply", verdict->reply);
    add_text(builder, "check", verdict->check);
    if (verdict->would != verdict->action) {
        add_text(builder, "would", postern_action_name(verdict->would));
        add_text(builder, "would_reply", verdict->would_reply);
    }
}

static void add_today(JsonBuilder *builder, const PosternScanResult *result)
{
    if (result->today == NULL)
        return;
    json_builder_set_member_name(builder, "rescan");
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "differs");
    json_builder_add_boolean_value(builder, result->today_differs);
    add_virus(builder, &result->today->virus);
    add_text(builder, "action", postern_action_name(result->today_verdict->action));
    add_text(builder, "reply", result->today_verdict->reply);
    json_builder_end_object(builder);
}

char *postern_scan_result_to_json(const PosternScanResult *result)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    json_builder_begin_object(builder);
    add_text(builder, "file", result->path);
    add_text(builder, "error", result->error);
    if (result->verdict != NULL) {
        add_verdict(builder, result->verdict);
        add_findings(builder, result->findings, result->verdict);
        add_text(builder, "authentication_results", result->verdict->authentication_results);
        add_text(builder, "problem", result->problem);
        add_today(builder, result);
        json_builder_set_member_name(builder, "milliseconds");
        json_builder_add_double_value(builder, result->milliseconds);
    }
    json_builder_end_object(builder);
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree char *text = json_to_string(root, FALSE);
    return g_strconcat(text, "\n", NULL);
}
