/*
 * Log lines of the node and its helpers: `level component: text`, one write each, on standard
 * error.
 *
 * Under systemd (JOURNAL_STREAM set) a line carries the journal's priority prefix. A repeated site
 * is limited by its caller: log once, where the error is decided.
 */
#ifndef TL_CORE_LOG_H
#define TL_CORE_LOG_H

enum tl_log_level { TL_LOG_ERROR = 3, TL_LOG_WARNING = 4, TL_LOG_NOTICE = 5, TL_LOG_DEBUG = 7 };

/* Lines above `level` are dropped; default TL_LOG_NOTICE. */
void tl_log_set_level(enum tl_log_level level);

void tl_log(enum tl_log_level level, const char *component, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
