/* Where C meets C++: DCMTK is started once, its log is silent (its lines quote attribute values,
 * which name patients), and no exception leaves a guarded call.
 */
#ifndef SC_IO_DCMTK_INTERNAL_H
#define SC_IO_DCMTK_INTERNAL_H

#include "dcmtk/config/osconfig.h"
#include "dcmtk/dcmdata/dctk.h"

#include "base/status.h"
#include "io/dicom_internal.h"

#include <exception>
#include <new>

namespace scorecon {

/* Registers the decoders; fails when the data dictionary, a file beside DCMTK, is missing. */
sc_status dicom_start();

/* A DCMTK call went wrong: what, at which attribute. Never leaves guarded(). */
struct DicomFailure {
    OFCondition condition;
    DcmTagKey tag;
};

/* Run `body` (returns sc_status); exceptions become statuses. `what` goes in front of messages. */
template <class Body> sc_status guarded(const char *what, Body body)
{
    try {
        sc_status status = dicom_start();
        return status == SC_OK ? body() : status;
    } catch (const DicomFailure &failure) {
        return sc_fail(SC_ERR_FORMAT, "%s: attribute (%04x,%04x): %s", what,
                       failure.tag.getGroup(), failure.tag.getElement(), failure.condition.text());
    } catch (const std::bad_alloc &) {
        return sc_fail(SC_ERR_MEMORY, "%s: not enough memory", what);
    } catch (const std::exception &error) {
        return sc_fail(SC_ERR_INTERNAL, "%s: %s", what, error.what());
    } catch (...) {
        return sc_fail(SC_ERR_INTERNAL, "%s: unknown exception", what);
    }
}

} // namespace scorecon

#endif
