/* DCMTK's start: silent log, decoders for what its codecs cover (JPEG, JPEG-LS, RLE), and its
 * data dictionary, without which implicit-VR files load but give no pixels.
 */
#include "io/dcmtk_internal.h"

#include "dcmtk/dcmdata/dcrledrg.h"
#include "dcmtk/dcmjpeg/djdecode.h"
#include "dcmtk/dcmjpls/djdecode.h"
#include "dcmtk/oflog/oflog.h"

#include <mutex>

namespace scorecon {

sc_status dicom_start()
{
    static std::once_flag once;
    std::call_once(once, [] {
        OFLog::configure(OFLogger::OFF_LOG_LEVEL);
        DcmRLEDecoderRegistration::registerCodecs();
        DJDecoderRegistration::registerCodecs();
        DJLSDecoderRegistration::registerCodecs();
    });
    if (!dcmDataDict.isDictionaryLoaded())
        return sc_fail(SC_ERR_UNSUPPORTED, "DCMTK finds no data dictionary (dicom.dic): install it "
                                           "or let DCMDICTPATH name it");
    return SC_OK;
}

} // namespace scorecon
