/* The sections of the program: each compares the tensors of one kind of file. */
#ifndef PARITY_H
#define PARITY_H

#include "report.h"
#include <base/device.h>

typedef struct {
    report *report;
    const sc_device *device;
    const char *folder;
    double slack;        /* limits times this: 1 on the CPU, 10 on CUDA */
    char (*network)[96]; /* names with a NAME.config.json, sorted */
    int networks;
    int candidate; /* the network to try with a file that names none */
} parity;

/* The candidate does not fit: not an error of the file. */
#define NO_FIT SC_ERR_USAGE

/* NAME.config.json with NAME.safetensors, .io and .grads */
sc_status check_network(const parity *p, const char *name);
/* NAME.pth, NAME.legacy.pth, ... */
sc_status check_checkpoint(const parity *p, const char *file);
/* files that are no network's, known by the tensors in them */
sc_status check_operations(const parity *p, const reference *r);
sc_status check_facts(const parity *p, const reference *r);
sc_status check_steps(const parity *p, const reference *r);
sc_status check_sampler(const parity *p, const reference *r);
sc_status check_mri(const parity *p, const reference *r);
sc_status check_flow(const parity *p, const reference *r);
sc_status check_training(const parity *p, const reference *r);

#endif
