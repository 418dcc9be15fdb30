/* Whom a message was for, and what an LMTP server says of each behind the dot. Part of sim_mta.h. */
#pragma once

/* "1,3,": of the same policy, all of them. */
static inline void check_policies(const Sim *sim, const char *recipients)
{
    const PosternConfiguration *configuration = sim->world.settings->configuration;
    if (!configuration->proxy.inspect || configuration->proxy.mode == POSTERN_MODE_OBSERVE)
        return;
    g_auto(GStrv) numbers = g_strsplit(recipients, ",", -1);
    gboolean strict = is_strict((guint)g_ascii_strtoull(numbers[0], NULL, 10));
    for (guint i = 1; numbers[i][0] != '\0'; i++)
        g_assert_cmpint(is_strict((guint)g_ascii_strtoull(numbers[i], NULL, 10)), ==, strict);
}

/* An LMTP server answers for each recipient, or does not come to its end. */
static inline void mta_answer_each(Sim *sim, Mta *mta, Message *message, guint recipients)
{
    static const char *const replies[] = {"250 2.0.0 stored\r\n", "452 4.2.2 full\r\n", "550 5.2.1 no\r\n"};
    gboolean faulty = percent(sim, sim->fault_percent);
    guint answered = faulty && percent(sim, 30) ? any_of(sim, recipients) : recipients;
    guint accepted = 0;
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < recipients; i++) {
        guint kind = faulty ? any_of(sim, G_N_ELEMENTS(replies)) : 0;
        accepted += kind == 0;
        if (i < answered)
            g_string_append(text, replies[kind]);
    }
    message->partial = accepted > 0 && accepted < recipients;
    message->stored += accepted > 0;
    mta_say(sim, mta, text->str, answered < recipients && percent(sim, 50));
    mta->mute |= answered < recipients;
}
