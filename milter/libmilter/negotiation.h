/*
 * What a mail server offers at the start of a connection, and what is taken of it (SMFIC_OPTNEG).
 */
#pragma once

#include <glib.h>

typedef struct {
    gboolean leading_space; /* values of fields come and go with the space behind the colon */
    gboolean skip;          /* the rest of a body may be left out */
    gboolean quarantine;    /* there is a hold queue */
    gboolean macros;        /* the macros wanted may be named */
    gboolean recipients;    /* RCPT waits for its reply, and so can be refused */
    unsigned long actions;  /* SMFIF_*: what is answered */
    unsigned long steps;    /* SMFIP_*: what is answered */
} PosternMilterNegotiation;

/*
 * The answer to an offer of actions and steps; registered are the steps that libmilter leaves out already.
 * Only MAIL and the end of the message keep their reply, the body if it may be skipped, and those of speaks
 * (SMFIP_NR_*): what a reply is not awaited for is sent in one go, and nothing is ever refused there.
 * FALSE if the server cannot change header fields, which no verdict can do without.
 */
gboolean postern_milter_negotiation_answer(PosternMilterNegotiation *negotiation, unsigned long actions,
                                           unsigned long steps, unsigned long registered,
                                           unsigned long speaks);

/*
 * Whether the step with that SMFIP_NR_* bit has no reply: then its callback has to return SMFIS_NOREPLY, for
 * of any other result libmilter writes an error line to the system log. It fakes the reply itself for a
 * server that waits for one all the same.
 */
gboolean postern_milter_negotiation_is_silent(const PosternMilterNegotiation *negotiation,
                                              unsigned long step);

/*
 * What is known of a connection whose negotiation is not known any more: what is answered to every server.
 * The steps that differ by server have a reply then, which libmilter keeps back if none is awaited.
 */
void postern_milter_negotiation_usual(PosternMilterNegotiation *negotiation);

/*
 * What was negotiated on a connection outlives its first client (SMFIC_QUIT_NC), whose end libmilter does not
 * tell from that of the connection. connection is a name alone, that a later connection may have again after
 * it has negotiated. recall is FALSE if it is not known: of POSTERN_MILTER_NEGOTIATIONS_MAX the oldest go
 * first. Any thread.
 */
void postern_milter_negotiation_remember(gpointer connection, const PosternMilterNegotiation *negotiation);
gboolean postern_milter_negotiation_recall(gpointer connection, PosternMilterNegotiation *ret_negotiation);
