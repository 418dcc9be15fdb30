#include "milter/offer.h"

#include <libmilter/mfapi.h>

#define REQUIRED (SMFIF_ADDHDRS | SMFIF_CHGHDRS)
/* Not among them: DATA and unknown commands, which have no callback of ours; what libmilter returns for these
 * in its place is a reply. */
#define WITHOUT_REPLY (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_HDR | SMFIP_NR_EOH)

gboolean postern_milter_offer_answer(PosternMilterOffer *offer, unsigned long actions, unsigned long steps,
                                     unsigned long registered, gboolean refuse_recipients)
{
    unsigned long silent = WITHOUT_REPLY | (refuse_recipients ? 0 : SMFIP_NR_RCPT);
    *offer = (PosternMilterOffer){
        .leading_space = (steps & SMFIP_HDR_LEADSPC) != 0,
        .skip = (steps & SMFIP_SKIP) != 0,
        .quarantine = (actions & SMFIF_QUARANTINE) != 0,
        .macros = (actions & SMFIF_SETSYMLIST) != 0,
    };
    offer->actions = actions & (REQUIRED | SMFIF_QUARANTINE | SMFIF_SETSYMLIST);
    offer->steps = (registered & ~(unsigned long)SMFIP_SKIP) | (steps & (silent | SMFIP_HDR_LEADSPC));
    offer->recipients = (offer->steps & SMFIP_NR_RCPT) == 0;
    offer->steps |= offer->skip ? SMFIP_SKIP : steps & SMFIP_NR_BODY;
    return (actions & REQUIRED) == REQUIRED;
}

gboolean postern_milter_offer_is_silent(const PosternMilterOffer *offer, unsigned long step)
{
    return (offer->steps & step) != 0;
}

void postern_milter_offer_usual(PosternMilterOffer *offer)
{
    *offer = (PosternMilterOffer){.leading_space = TRUE, .quarantine = TRUE, .steps = WITHOUT_REPLY};
}
