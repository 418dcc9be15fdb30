#include "tally/failure.h"

#include <string.h>

#include "base/build.h"
#include "base/limits.h"
#include "checks/dmarc/record.h"
#include "mail/envelope.h"
#include "tally/evaluation.h"
#include "tally/rows.h"

#define CAUSE_MAX_OCTETS 512
#define SECONDS_OF_HOUR 3600
#define HOURS_OF_DAY 24

/* Which report it is (RFC 6591 3.3); NULL: none. */
typedef const char *AuthFailure;
static const char by_dmarc[] = "dmarc", by_signature[] = "signature", by_spf[] = "spf";

static gboolean has_failed(const PosternDkimFinding *signature)
{
    return signature->result == POSTERN_DKIM_FAIL || signature->result == POSTERN_DKIM_PERMERROR;
}

/* The signature that a report is about: of an aligned domain first. NULL: none has failed. */
static const PosternDkimFinding *failed_signature(const PosternTallyEvaluation *evaluation, gboolean aligned)
{
    const GPtrArray *signatures = evaluation->findings->dkim.signatures;
    const PosternDkimFinding *found = NULL;
    for (guint i = 0; i < signatures->len; i++) {
        const PosternDkimFinding *signature = signatures->pdata[i];
        if (!has_failed(signature) || signature->domain == NULL)
            continue;
        if (postern_tally_is_aligned(evaluation, signature->domain, evaluation->author->strict_dkim))
            return signature;
        if (found == NULL && !aligned)
            found = signature;
    }
    return found;
}

static gboolean spf_has_failed(const PosternTallyEvaluation *evaluation)
{
    PosternSpfResult result = evaluation->findings->spf.result;
    return result == POSTERN_SPF_FAIL || result == POSTERN_SPF_SOFTFAIL || result == POSTERN_SPF_PERMERROR;
}

/* RFC 9989 4.7: fo=, which is 0 if it is missing or says nothing that is known. */
static AuthFailure wanted_by(const PosternTallyEvaluation *evaluation, const char *record)
{
    g_autofree char *value = postern_dmarc_record_value(record, "fo");
    g_auto(GStrv) options = g_strsplit(value != NULL ? value : "", ":", -1);
    gboolean all = FALSE, any = FALSE, signature = FALSE, spf = FALSE;
    for (guint i = 0; options[i] != NULL; i++) {
        const char *option = g_strstrip(options[i]);
        all = all || g_str_equal(option, "0");
        any = any || g_str_equal(option, "1");
        signature = signature || g_ascii_strcasecmp(option, "d") == 0;
        spf = spf || g_ascii_strcasecmp(option, "s") == 0;
    }
    all = all || (!any && !signature && !spf);
    if ((all && !evaluation->dkim && !evaluation->spf) || (any && (!evaluation->dkim || !evaluation->spf)))
        return by_dmarc;
    if (signature && failed_signature(evaluation, FALSE) != NULL)
        return by_signature;
    return spf && spf_has_failed(evaluation) ? by_spf : NULL;
}

static AuthFailure wanted_of(const PosternCase *mail_case, const PosternFindings *findings,
                             const char *reporter)
{
    const PosternEnvelope *envelope = postern_case_envelope(mail_case);
    const PosternDmarcFinding *dmarc = &findings->dmarc;
    PosternDmarcRecord record;
    if (!postern_tally_is_reported(mail_case, findings, reporter) || dmarc->decisive->record == NULL ||
        (dmarc->result != POSTERN_DMARC_PASS && dmarc->result != POSTERN_DMARC_FAIL) ||
        envelope->sender == NULL || envelope->sender[0] == '\0')
        return NULL;
    const char *text = dmarc->decisive->record;
    g_autofree char *addresses = postern_dmarc_record_value(text, "ruf");
    if (addresses == NULL || addresses[0] == '\0' ||
        !postern_dmarc_record_parse(text, strlen(text), &record) || record.psd == POSTERN_DMARC_PSD_YES)
        return NULL;
    const PosternTallyEvaluation evaluation = postern_tally_evaluate(findings);
    return wanted_by(&evaluation, text);
}

/* "AUTH-FAILURE SOURCE DOMAIN SPF SIGNATURE RESULT…", by which incidents are alike. */
static char *name_cause(AuthFailure which, const PosternCase *mail_case,
                        const PosternTallyEvaluation *evaluation)
{
    const PosternFindings *findings = evaluation->findings;
    g_autofree char *source = postern_address_to_string(&postern_case_envelope(mail_case)->client);
    GString *cause = g_string_new(NULL);
    g_string_printf(cause, "%s %s %s spf=%s", which, source, evaluation->author->domain,
                    postern_spf_result_name(findings->spf.result));
    for (guint i = 0; i < findings->dkim.signatures->len; i++) {
        const PosternDkimFinding *signature = findings->dkim.signatures->pdata[i];
        g_string_append_printf(cause, " %s.%s=%s", signature->selector != NULL ? signature->selector : "",
                               signature->domain != NULL ? signature->domain : "",
                               postern_dkim_result_name(signature->result));
    }
    g_string_truncate(cause, MIN(cause->len, CAUSE_MAX_OCTETS));
    for (gsize i = 0; i < cause->len; i++)
        if ((guchar)cause->str[i] < ' ' || (guchar)cause->str[i] > '~')
            cause->str[i] = '?';
    return g_string_free(cause, FALSE);
}

PosternTallyFailure *postern_tally_failure_new(const PosternCase *mail_case, const PosternFindings *findings,
                                               const char *reporter, gint64 now)
{
    AuthFailure which = wanted_of(mail_case, findings, reporter);
    if (which == NULL)
        return NULL;
    const PosternTallyEvaluation evaluation = postern_tally_evaluate(findings);
    const PosternSpfFinding *spf = &findings->spf;
    gboolean about_spf = which == by_spf ||
                         (!evaluation.spf &&
                          postern_tally_is_aligned(&evaluation, spf->domain, evaluation.author->strict_spf));
    PosternTallyFailure *failure = g_new0(PosternTallyFailure, 1);
    failure->day = postern_tally_day(now);
    failure->hour = (guint)(MAX(now, 0) / SECONDS_OF_HOUR % HOURS_OF_DAY);
    failure->domain = g_strdup(evaluation.author->record_domain);
    failure->cause = name_cause(which, mail_case, &evaluation);
    failure->record = g_strdup(evaluation.author->record);
    failure->spf_domain = g_strdup(about_spf && spf->domain != NULL ? spf->domain : "");
    failure->incidents = 1;
    return failure;
}

void postern_tally_failure_free(PosternTallyFailure *failure)
{
    if (failure == NULL)
        return;
    g_free(failure->domain);
    g_free(failure->cause);
    g_free(failure->record);
    g_free(failure->spf_domain);
    g_free(failure->fields);
    g_free(failure->header);
    g_free(failure);
}

static void append_redacted(GString *out, const char *name, const char *text, const guint8 *key)
{
    g_autoptr(GString) value = g_string_new(NULL);
    postern_redact_text(value, text, strlen(text), key);
    g_string_truncate(value, MIN(value->len, (gsize)POSTERN_FAILURE_HEADER_MAX_OCTETS / 2));
    postern_redact_append_field(out, name, value->str);
}

static const char *delivery_result(const PosternCase *mail_case)
{
    if (mail_case->reply != NULL)
        return mail_case->reply[0] == '5' ? "reject" : "other";
    PosternAction action = mail_case->verdict->action;
    return action == POSTERN_ACTION_ACCEPT       ? "delivered"
           : action == POSTERN_ACTION_QUARANTINE ? "policy"
                                                 : "other";
}

static void append_signature(GString *out, const PosternDkimFinding *signature, const guint8 *key)
{
    g_autofree char *any_user = g_strconcat("@", signature->domain, NULL);
    append_redacted(out, "DKIM-Domain", signature->domain, key);
    append_redacted(out, "DKIM-Identity", signature->identity != NULL ? signature->identity : any_user, key);
    append_redacted(out, "DKIM-Selector", signature->selector != NULL ? signature->selector : "", key);
}

static char *make_fields(const PosternTallyFailure *failure, const PosternCase *mail_case,
                         const PosternFindings *findings, const guint8 *key, gint64 now)
{
    const PosternTallyEvaluation evaluation = postern_tally_evaluate(findings);
    const PosternEnvelope *envelope = postern_case_envelope(mail_case);
    g_autofree char *source = postern_address_to_string(&envelope->client);
    g_autofree char *which = g_strndup(failure->cause, strcspn(failure->cause, " "));
    g_autofree char *sender = g_strdup_printf("<%s>", envelope->sender);
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(now);
    g_autofree char *date = g_date_time_format(time, "%a, %d %b %Y %H:%M:%S +0000");
    const PosternDkimFinding *signature = failed_signature(&evaluation, !g_str_equal(which, by_signature));
    GString *out = g_string_new("Feedback-Type: auth-failure\r\nVersion: 1\r\n"
                                "User-Agent: Postern/" POSTERN_VERSION "\r\n");
    postern_redact_append_field(out, "Auth-Failure", which);
    append_redacted(out, "Authentication-Results", mail_case->verdict->authentication_results, key);
    postern_redact_append_field(out, "Identity-Alignment",
                                evaluation.dkim ? (evaluation.spf ? "none" : "spf")
                                                : (evaluation.spf ? "dkim" : "dkim, spf"));
    append_redacted(out, "Reported-Domain", evaluation.author->domain, key);
    append_redacted(out, "Original-Mail-From", sender, key);
    postern_redact_append_field(out, "Arrival-Date", date);
    postern_redact_append_field(out, "Source-IP", source);
    postern_redact_append_field(out, "Delivery-Result", delivery_result(mail_case));
    if (signature != NULL)
        append_signature(out, signature, key);
    return g_string_free(out, FALSE);
}

/* RFC 3834 5, RFC 6522: an answer, or a report. */
static gboolean is_of_program(const PosternHeader *header)
{
    g_autofree char *submitted = postern_header_text(header, "Auto-Submitted");
    g_autofree char *type = postern_header_text(header, "Content-Type");
    return (submitted != NULL && g_ascii_strncasecmp(submitted, "no", 2) != 0) ||
           (type != NULL && g_ascii_strncasecmp(type, "multipart/report", strlen("multipart/report")) == 0);
}

gboolean postern_tally_failure_describe(PosternTallyFailure *failure, const PosternCase *mail_case,
                                        const PosternFindings *findings, const char *octets, gsize length,
                                        const guint8 key[POSTERN_REDACTION_KEY_OCTETS], gint64 now)
{
    g_autoptr(PosternHeader) header = postern_header_parse(octets, length);
    if (is_of_program(header))
        return FALSE;
    g_autoptr(GString) redacted = postern_redact_header(header, key);
    failure->header = g_strdup(redacted->str);
    failure->fields = make_fields(failure, mail_case, findings, key, now);
    return TRUE;
}
