#include "milter/libmilter/answer.h"

#include "milter/reply.h"

sfsistat postern_milter_answer_reply(SMFICTX *context, const PosternMilterSession *session, const char *text)
{
    g_autoptr(PosternMilterReply) reply = postern_milter_reply_new(text, postern_milter_session_id(session));
    if (reply == NULL)
        return SMFIS_TEMPFAIL;
    /* A server without reply codes of ours still refuses, in its own words. */
    (void)smfi_setreply(context, reply->code, reply->enhanced, reply->text);
    return reply->code[0] == '5' ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

static gboolean apply(SMFICTX *context, PosternEdit *edit, gboolean leading_space)
{
    /* What a mail server hands over as a field is one to us too: there is no such line. */
    if (edit->kind == POSTERN_EDIT_REMOVE_ODD_LINE)
        return TRUE;
    if (edit->kind == POSTERN_EDIT_REMOVE)
        return smfi_chgheader(context, edit->name, (int)edit->occurrence + 1, NULL) == MI_SUCCESS;
    g_autofree char *value = postern_milter_edit_value(edit, leading_space);
    if (edit->kind == POSTERN_EDIT_CHANGE)
        return smfi_chgheader(context, edit->name, (int)edit->occurrence + 1, value) == MI_SUCCESS;
    return smfi_insheader(context, 0, edit->name, value) == MI_SUCCESS;
}

static gboolean apply_all(SMFICTX *context, const PosternMilterSession *session,
                          const PosternVerdict *verdict)
{
    g_autoptr(GPtrArray) edits = postern_milter_edits_in_order(verdict->edits);
    for (guint i = 0; i < edits->len; i++)
        if (!apply(context, g_ptr_array_index(edits, i), session->negotiation.leading_space))
            return FALSE;
    return TRUE;
}

/* Without a hold queue there is the field that tells of it, as in the proxy. */
static gboolean hold(SMFICTX *context, const PosternMilterSession *session, const PosternVerdict *verdict)
{
    if (!session->negotiation.quarantine)
        return TRUE;
    g_autofree char *reason =
        postern_milter_quarantine_reason(verdict->edits, verdict->check, postern_milter_session_id(session));
    return smfi_quarantine(context, reason) == MI_SUCCESS;
}

static sfsistat pass(SMFICTX *context, const PosternMilterSession *session, const PosternVerdict *verdict,
                     const char **ret_failure)
{
    gboolean held = verdict->action != POSTERN_ACTION_QUARANTINE || hold(context, session, verdict);
    if (held && apply_all(context, session, verdict))
        return SMFIS_ACCEPT;
    *ret_failure = "the mail server does not take the header edits";
    return postern_milter_answer_reply(context, session,
                                       "451 4.3.0 The message could not be marked, try again later");
}

sfsistat postern_milter_answer(SMFICTX *context, const PosternMilterSession *session,
                               const char **ret_failure)
{
    const PosternCase *mail_case = session->mail_case;
    *ret_failure = NULL;
    if (mail_case->reply != NULL)
        return postern_milter_answer_reply(context, session, mail_case->reply);
    if (mail_case->verdict == NULL)
        return SMFIS_ACCEPT;
    if (mail_case->verdict->action == POSTERN_ACTION_DISCARD)
        return SMFIS_DISCARD;
    return pass(context, session, mail_case->verdict, ret_failure);
}
