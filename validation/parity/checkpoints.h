/* Weights of a checkpoint by the library's import, in the subject's layout (pool memory). */
#ifndef PARITY_CHECKPOINTS_H
#define PARITY_CHECKPOINTS_H

#include "subject.h"

sc_status import_theta(const float **theta, const subject *s, const char *file, bool raw);

#endif
