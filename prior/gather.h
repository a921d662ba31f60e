/* One score asked by several callers at once: their images are one batch. A GPU evaluates a batch
 * of small images in little more than the time of one.
 *
 * Members take turns, so that only one of them runs at any time: each until it asks for the score
 * or leaves. When all that are left have asked, the images of all are evaluated together, and the
 * turns go on in the same order. What is in a batch therefore depends on what the members compute,
 * not on how fast, and a member may use what is not made for several threads.
 *
 *     member 0  ──work──►ask ·           ·──work──►ask ·
 *     member 1           ·──work──►ask   ·          ·──work──►leave
 *                                   └ one batch ┘              └ batch of member 0
 */
#ifndef SC_PRIOR_GATHER_H
#define SC_PRIOR_GATHER_H

#include "prior/score.h"

typedef struct sc_gather sc_gather;

/* `score` is borrowed. Member 0 has the first turn. */
sc_status sc_gather_create(sc_gather **gather, const sc_score *score, int members);
/* When all members have left. NULL is fine. */
void sc_gather_free(sc_gather *gather);

/* The score for one member, owned by the gather: to be asked in that member's thread alone, between
 * enter and leave. A batch that fails fails for all that asked, with the same message. */
const sc_score *sc_gather_score(const sc_gather *gather, int member);
/* Waits for the member's first turn. */
void sc_gather_enter(sc_gather *gather, int member);
/* The member asks no more; every member must leave, even one that never entered. */
void sc_gather_leave(sc_gather *gather, int member);

/* All of the above: `work` runs once for each member, in a thread of its own, between enter and
 * leave. SC_ERR_MEMORY: not all threads could be had, the others have done their work. */
sc_status sc_gather_run(const sc_score *score, int members,
                        void (*work)(void *self, int member, const sc_score *score), void *self);

#endif
