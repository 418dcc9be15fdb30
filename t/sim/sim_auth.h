/*
 * Logging in (RFC 4954): what a client says, whose number is its name, and what the MTA makes of it.
 */
#pragma once

#include "sim.h"

/* AUTH and what may stand behind it; a new string. */
static inline char *auth_command(Sim *sim, guint64 number)
{
    if (percent(sim, 50))
        return g_strdup(percent(sim, 50) ? "AUTH PLAIN" : "AUTH LOGIN");
    g_autofree char *user = g_strdup_printf("-%d-pw", (int)number);
    gsize length = strlen(user);
    user[0] = user[length - 3] = '\0';
    g_autofree char *response = g_base64_encode((const guchar *)user, length);
    return g_strconcat("AUTH PLAIN ", response, NULL);
}

/* To a challenge; a new string. */
static inline char *auth_answer(Sim *sim, guint64 number)
{
    g_autofree char *user = g_strdup_printf("%d", (int)number);
    guint roll = any_of(sim, 100);
    if (roll < 12)
        return g_strdup(roll < 8 ? "*" : "no base64!");
    return g_base64_encode((const guchar *)user, strlen(user));
}

/* "\0USER\0pw", or "USER". */
static inline guint64 auth_user(const char *response)
{
    gsize length = 0;
    g_autofree guchar *octets = g_base64_decode(response, &length);
    g_autofree char *text = g_strndup((const char *)octets + (length > 0 && octets[0] == '\0'), length);
    return g_ascii_strtoull(text, NULL, 10);
}

/* To AUTH, or to an answer while there are challenges; login: who has logged in, 0 at first. */
static inline const char *auth_reply(Sim *sim, const char *command, guint *challenges, guint64 *login)
{
    const char *response = g_str_has_prefix(command, "AUTH PLAIN ") ? strrchr(command, ' ') + 1 : command;
    guint begun = g_str_equal(command, "AUTH LOGIN") ? 2 : g_str_equal(command, "AUTH PLAIN");
    g_assert_cmpuint(*login, ==, 0);
    *challenges = *challenges > 0 ? *challenges - 1 : begun;
    if (g_str_equal(command, "*")) {
        *challenges = 0;
        return "501 5.7.0 cancelled\r\n";
    }
    if (*challenges > 0)
        return "334 VXNlcm5hbWU6\r\n";
    if (percent(sim, 30))
        return percent(sim, 70) ? "535 5.7.8 no\r\n" : "454 4.7.0 later\r\n";
    *login = auth_user(response);
    g_assert_cmpuint(*login, >, 0);
    return "235 2.7.0 welcome\r\n";
}
