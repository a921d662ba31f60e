/* scorecon: reconstruction of medical images from few measurements with a score-based prior.
 *
 * The way of the data: sc_scan_read -> sc_prepare -> a row of sc_methods -> sc_finish -> files;
 * protocols/job.h does all of it. Conventions are in base/README.md.
 */
#ifndef SC_SCORECON_H
#define SC_SCORECON_H

#include "base/array.h"
#include "base/device.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/option.h"
#include "base/progress.h"
#include "base/random.h"
#include "base/scan.h"
#include "base/status.h"
#include "base/volume.h"
#include "io/image.h"
#include "io/scan.h"
#include "operators/operator.h"
#include "prior/score.h"
#include "prior/sde.h"
#include "protocols/job.h"
#include "recon/daps.h"
#include "recon/finish.h"
#include "recon/prepare.h"
#include "recon/problem.h"

#endif
