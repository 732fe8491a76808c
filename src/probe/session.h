/* The probe's end of a session: frames in, frames out, until the controller is gone.
 *
 * Layer: probe. docs/protocol.md is the description; wire/frame.h its form in C. */
#ifndef CUPEL_PROBE_SESSION_H
#define CUPEL_PROBE_SESSION_H

#include "base/err.h"
#include "wire/frame.h"

struct session_options {
    char nonce[WIRE_NONCE_SIZE];
    double inject;    /* 0.01: one more, undeclared, for every hundred operations */
    unsigned lease_s; /* leave after so long without a frame */
    bool await;       /* a line comes before hello, of whoever connects to us late */
};

enum session_end {
    SESSION_DONE = 0,  /* bye, or end of file */
    SESSION_ALIEN = 1, /* a line that is no frame of our controller's, after one error frame */
    SESSION_LEASE = 2  /* nothing heard for lease_s */
};

/* Says hello on fd_out, then serves fd_in. err says why when it is not SESSION_DONE. */
enum session_end session_serve(int fd_in, int fd_out, const struct session_options *opt,
                               struct err *err);

#endif
