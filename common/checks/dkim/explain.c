#include "checks/dkim/explain.h"

#include "checks/dkim/tags.h"

#define STEP(...) postern_findings_step(findings, POSTERN_CHECK_DKIM, __VA_ARGS__)

static const char *named(const char *text)
{
    return text != NULL && *text != '\0' ? text : "-";
}

static void explain_tags(const PosternDkimSignature *signature, guint number, PosternFindings *findings)
{
    const PosternDkimFinding *finding = signature->finding;
    const PosternTagList *tags = signature->tags;
    STEP("signature %u: d=%s s=%s a=%s i=%s", number, named(finding->domain), named(finding->selector),
         named(finding->algorithm), named(finding->identity));
    if (tags == NULL)
        return;
    g_autofree char *canonicalization = postern_dkim_collapse(postern_tag_list_get(tags, "c"));
    g_autofree char *fields = postern_dkim_collapse(postern_tag_list_get(tags, "h"));
    g_autofree char *hash = postern_dkim_collapse(postern_tag_list_get(tags, "bh"));
    STEP("signature %u: canonicalization (c=) %s; signed fields (h=) %s", number,
         *canonicalization != '\0' ? canonicalization : "simple/simple, as it is not said", named(fields));
    STEP("signature %u: body hash (bh=) %s", number, named(hash));
    if (finding->body_covered >= 0)
        STEP("signature %u: the first %" G_GINT64_FORMAT " octets of the body are signed (l=)", number,
             finding->body_covered);
    if (finding->body_unsigned > 0)
        STEP("signature %u: %" G_GINT64_FORMAT " octets behind them are not", number, finding->body_unsigned);
    if (signature->signed_at >= 0)
        STEP("signature %u: signed at %" G_GINT64_FORMAT " (t=)", number, signature->signed_at);
    if (signature->expires_at >= 0)
        STEP("signature %u: expires at %" G_GINT64_FORMAT " (x=)", number, signature->expires_at);
}

static void explain_key(const PosternDkimSignature *signature, guint number, const PosternAnswers *answers,
                        PosternFindings *findings)
{
    g_autoptr(PosternQuestion) question =
        signature->question != NULL ? postern_question_new(signature->question, POSTERN_DNS_TXT) : NULL;
    const PosternAnswer *answer = question != NULL ? postern_answers_get(answers, question) : NULL;
    if (answer == NULL)
        STEP("signature %u: no key was asked for", number);
    else if (signature->key == NULL)
        STEP("signature %u: the key at %s was not looked at", number, question->name);
    else if (signature->key->key == NULL)
        STEP("signature %u: the key at %s cannot be used: %s", number, question->name,
             signature->key->reason);
    else
        STEP("signature %u: the key at %s has %u bits%s%s", number, question->name, signature->key->bits,
             signature->key->testing ? ", and is being tested (t=y)" : "",
             signature->keys->len > 1 ? ", and is not the only one" : "");
}

static void explain_hashes(const PosternDkimSignature *signature, guint number, PosternFindings *findings)
{
    static const char *const words[] = {
        [POSTERN_DKIM_HASH_NOT_DONE] = "was not computed",
        [POSTERN_DKIM_HASH_MATCHES] = "is right",
        [POSTERN_DKIM_HASH_DIFFERS] = "is wrong",
    };
    if (signature->body_hash == POSTERN_DKIM_HASH_NOT_DONE &&
        signature->header_hash == POSTERN_DKIM_HASH_NOT_DONE)
        return;
    STEP("signature %u: the hash of the body %s; the signature over the header %s", number,
         words[signature->body_hash], words[signature->header_hash]);
}

void postern_dkim_explain(const PosternDkimSignature *signature, guint number, const PosternAnswers *answers,
                          PosternFindings *findings)
{
    const PosternDkimFinding *finding = signature->finding;
    if (!findings->explain)
        return;
    explain_tags(signature, number, findings);
    explain_key(signature, number, answers, findings);
    explain_hashes(signature, number, findings);
    STEP("signature %u: %s%s%s", number, postern_dkim_result_name(finding->result),
         finding->reason != NULL ? ": " : "", finding->reason != NULL ? finding->reason : "");
}
