/*
 * tulle: one header for programs.
 *
 *   error.h    codes, texts, hints
 *   pack.h     arguments and results (msgpack)
 *   attach.h   a program's attachment to its node; waiting; finding
 *   call.h     calling procedures of a service, wherever it runs
 *   service.h  offering procedures
 *   memory.h   memory for results, given back in one go
 *   typed.h    what code made by `tulle gen` calls
 */
#ifndef TULLE_TULLE_H
#define TULLE_TULLE_H

#include "tulle/attach.h"
#include "tulle/call.h"
#include "tulle/error.h"
#include "tulle/memory.h"
#include "tulle/pack.h"
#include "tulle/service.h"
#include "tulle/typed.h"

#endif
