/* Status codes and the one thread-local message.
 *
 * A function that can fail returns sc_status. The code says whose fault it is, the message names
 * file, field, expected and found. A caller adds context as the error passes up
 * (sc_context), so a message reads "scan.h5: slice 12: k-space holds 3 NaN".
 *
 * Pattern:
 *     sc_status status = SC_OK;
 *     SC_TRY(step_one());
 *     SC_TRY(step_two());
 * cleanup:
 *     free_everything();
 *     return status;
 */
#ifndef SC_BASE_STATUS_H
#define SC_BASE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    SC_OK = 0,
    SC_ERR_INPUT,       /* the data are at fault: NaN, all zero, no calibration lines */
    SC_ERR_FORMAT,      /* a file is not what it claims, or is cut short */
    SC_ERR_IO,          /* the system refused: no such file, no space, no permission */
    SC_ERR_MEMORY,      /* not enough memory, or a size beyond the limit */
    SC_ERR_USAGE,       /* wrong use: unknown option, value out of range */
    SC_ERR_UNSUPPORTED, /* understood, but this build or version cannot do it */
    SC_ERR_NUMERIC,     /* the result is not finite, empty, or does not explain the data */
    SC_ERR_CANCELLED,   /* the caller asked to stop */
    SC_ERR_INTERNAL     /* a bug here */
} sc_status;

/* Set the message, return the code. */
sc_status sc_fail(sc_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Put "context: " in front of the message of a failure; returns the code; no-op for SC_OK. */
sc_status sc_context(sc_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The message of the last failure in this thread; "" if none. Valid until the next failure. */
const char *sc_message(void);

/* Short English name of a code, e.g. "bad input". */
const char *sc_status_name(sc_status code);

/* Process exit code: 0; 1 data at fault; 2 wrong use; 4 internal; 130 cancelled. */
int sc_status_exit(sc_status code);

#define SC_TRY(expression)                                                                         \
    do {                                                                                           \
        status = (expression);                                                                     \
        if (status != SC_OK)                                                                       \
            goto cleanup;                                                                          \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
