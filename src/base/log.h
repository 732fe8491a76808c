/* Chatter on standard error. Results never go through here.
 *
 * Layer: base. The level is the one process-wide setting; it is set once by cli/main before any
 * thread or child exists. */
#ifndef CUPEL_BASE_LOG_H
#define CUPEL_BASE_LOG_H

enum log_level { LOG_QUIET, LOG_NOTICE, LOG_DEBUG };

void log_set_level(enum log_level level);
enum log_level log_level(void);
/* One line "cupel: text\n", written with one write(2). */
void log_notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
